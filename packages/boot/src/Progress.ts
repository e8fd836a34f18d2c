/**
 * Every decision of a running boot: what may start now, what a failure means, what is skipped, stopped, restored, when a
 * checkpoint is reached. Given the state and what has just happened it says what happens next, and does nothing itself.
 *
 * **Details**
 *
 * Inputs are facts that the world reports (an attempt was acquired, failed, was closed; a moment has come). Outputs are
 * commands for the world and events for everyone else. Time, chance and delays arrive with the inputs, so the same
 * machine is model-checked over all small graphs, fuzzed with seeds, replayed from a journal, and run for real.
 *
 * {@link advance} changes the state that it is given, because a boot of ten thousand components would otherwise spend
 * its time on copies; nothing else is touched, and {@link step} is the same function on a copy.
 *
 * **Gotchas**
 *
 * Timers fire on `Tick` only. A late tick is harmless, a missing one is a boot without deadlines: whoever drives must
 * ask {@link nextWakeMs} after each input.
 */
import type { Closing, Failure, Reason } from "./BootEvent.ts"
import * as ByHand from "./ByHand.ts"
import * as Heap from "./Heap.ts"
import * as Phase from "./Phase.ts"
import * as Plan from "./Plan.ts"
import {
  ascending,
  copy,
  enqueue,
  type Input,
  isUp,
  Kind,
  Last,
  type Late,
  name,
  nextTimer,
  type Output,
  set,
  type State,
  Status,
  statusNames,
  timer
} from "./ProgressState.ts"
import { abandonAll, close, end, fatal, goneDown, interrupt, rolledBack, skip, stopped, takeDown } from "./Takedown.ts"
import { healthChanged, restore, restoreLater, startDependents, swapFailed, swapped } from "./Restoration.ts"
import * as Timers from "./Timers.ts"

export {
  type Command,
  copy,
  defaultLimits,
  type Input,
  isLive,
  isUp,
  type Late,
  type Limits,
  make,
  nextWakeMs,
  noWakeBeforeMs,
  type Output,
  type Stage,
  type State,
  Status,
  statusNames
} from "./ProgressState.ts"

// ------------------------------------------------------------------------------------------------------- one step

/** The pure transition: the same as {@link advance} on a copy. */
export const step = (s: State, input: Input): { readonly state: State; readonly output: Output } => {
  const state = copy(s)
  const output: Output = { events: [], commands: [] }
  advance(state, input, output)
  return { state, output }
}

/** Takes one input, changes the state in place, and appends what was decided to `out`. */
export const advance = (s: State, input: Input, out: Output): void => {
  s.atMs = input.atMs
  switch (input._tag) {
    case "Begin":
      begin(s, out)
      break
    case "Invalid":
      invalid(s, input.failures, out)
      break
    case "Acquired":
      if (s.status[input.component] === Status.Running) {
        out.events.push({ _tag: "ComponentAcquired", atMs: s.atMs, component: name(s, input.component) })
      }
      break
    case "Healthy":
      if (s.status[input.component] === Status.Running) healthy(s, input.component, out)
      break
    case "Failed":
      failed(s, input, out)
      break
    case "Closed":
      if (s.status[input.component] === Status.Closing) attemptClosed(s, input.component, input.closing, out)
      else if (s.status[input.component] === Status.Stopping) closed(s, input.component, input.closing, out)
      break
    case "Tick":
      tick(s, out)
      break
    case "Persisted":
      if (s.stage === "persisting") ready(s, out)
      break
    case "Stop":
      if (s.stage === "ready") takeDown(s, "stopped", input.because, out)
      else takeDown(s, "cancelled", input.because, out)
      break
    case "Restore":
    case "ByHand":
    case "Swapped":
    case "SwapFailed":
    case "HealthChanged":
      meanwhile(s, input, out)
  }
  if (s.byHand > 0) ByHand.goOn(s, out)
  // Whoever is given a slot may settle at once, out of time, and that is news for others.
  do {
    settleAll(s, out)
    if (s.stage === "booting") reachCheckpoints(s, out)
    if (s.stage === "booting" || s.stage === "ready") fill(s, out)
  } while (s.settling.length > 0)
  if (s.stage === "rollback" && s.up === 0) end(s, out)
}

/** What happens while everything runs: seldom, and apart from what happens all the time, which is compiled as one. */
const meanwhile = (s: State, input: WhileRunning, out: Output): void => {
  switch (input._tag) {
    case "Restore":
      return restore(s, input.component, out)
    case "ByHand":
      return ByHand.ask(s, input, out)
    case "Swapped":
      return swapped(s, input, out)
    case "SwapFailed":
      return swapFailed(s, input, out)
    case "HealthChanged":
      return healthChanged(s, input, out)
  }
}

type WhileRunning = Extract<Input, { _tag: "Restore" | "ByHand" | "Swapped" | "SwapFailed" | "HealthChanged" }>

// ------------------------------------------------------------------------------------------------- beginning and ending

const begin = (s: State, out: Output): void => {
  if (s.stage !== "idle") return
  s.stage = "booting"
  out.events.push({ _tag: "CheckpointReached", atMs: s.atMs, checkpoint: "init_start" })
  timer(s, s.limits.bootMs, Kind.Boot, -1)
  watchPhase(s)
  const n = s.plan.components.length
  for (let i = 0; i < n; i++) {
    if (s.plan.excluded[i]) {
      const only = s.plan.components[i]!.environments ?? []
      absent(s, i, { _tag: "Environment", environment: s.plan.environment, only }, out)
    } else if (s.pending[i] === 0) enqueue(s, i)
  }
  openGates(s)
}

/** Settings that cannot be right: nothing starts, and all of them are reported. */
const invalid = (s: State, failures: ReadonlyMap<number, Failure>, out: Output): void => {
  if (s.stage !== "idle") return
  for (const [i, failure] of failures) fatal(s, i, failure, out)
  takeDown(s, "failed", [...failures.keys()].map((i) => name(s, i)).join(", "), out)
}

const ready = (s: State, out: Output): void => {
  s.stage = "ready"
  let degraded = false
  for (let i = 0; i < s.status.length; i++) if (isReduced(s, i)) degraded = true
  out.events.push({ _tag: "BootReady", atMs: s.atMs, outcome: degraded ? "degraded" : "ready" })
  for (let i = 0; i < s.status.length; i++) if (s.restoreDue[i] === 1) restore(s, i, out)
}

/** On a fallback, or lost by more than a warning. Who is skipped for it is not counted a second time. */
const isReduced = (s: State, i: number): boolean => {
  if (s.status[i] !== Status.Absent) return s.status[i] === Status.Degraded
  const reason = s.reason[i]
  return reason?._tag === "Failed" && reason.failure.severity !== "warning"
}

// ---------------------------------------------------------------------------------------------------------- starting

/** Gives free slots to those who may start, the most urgent first. */
const fill = (s: State, out: Output): void => {
  while (s.running < s.limits.slots && s.queue.length > 0) start(s, s.byPosition[Heap.pop(s.queue, ascending)!]!, out)
  const { fresh } = s
  if (fresh.length === 0) return
  for (let at = 0; at < fresh.length; at++) {
    const i = fresh[at]!
    if (s.status[i] !== Status.Queued) continue
    out.events.push({ _tag: "ComponentQueued", atMs: s.atMs, component: name(s, i) })
  }
  Heap.clear(fresh)
}

const start = (s: State, i: number, out: Output): void => {
  if (s.status[i] !== Status.Queued) return
  const component = s.plan.components[i]!
  const variant = s.variant[i]!
  const attempt = s.attempt[i]! + 1
  const failure = s.failure[i]
  if (attempt > 1 && s.atMs >= s.budgetAtMs[i]! && failure !== undefined) {
    // It waited for a slot until its time was up.
    final(s, i, failure, out)
    return
  }
  set(s, i, Status.Running)
  s.running++
  s.attempt[i] = attempt
  s.noRetry[i] = 0
  s.failedNow[i] = 0
  const phase = s.plan.phase[i]!
  if (!s.phaseBegun[phase]) beginPhase(s, phase, out)
  const limits = component.variants[variant]!
  if (attempt === 1) s.budgetAtMs[i] = s.atMs + limits.deadlineMs
  const deadlineMs = Math.min(limits.timeoutMs, s.budgetAtMs[i]! - s.atMs)
  if (component.slowMs < deadlineMs) timer(s, component.slowMs, Kind.Slow, i)
  else timer(s, deadlineMs, Kind.Attempt, i)
  out.events.push({ _tag: "ComponentStarted", atMs: s.atMs, component: component.name, variant, attempt })
  out.commands.push({ _tag: "Start", component: i, variant, attempt })
}

const healthy = (s: State, i: number, out: Output): void => {
  s.running--
  const component = s.plan.components[i]!
  const variant = s.variant[i]!
  s.attempt[i] = 0
  if (variant === 0) {
    set(s, i, Status.Ready)
    s.failure[i] = undefined
    s.reason[i] = undefined
    out.events.push({ _tag: "ComponentReady", atMs: s.atMs, component: component.name })
  } else {
    set(s, i, Status.Degraded)
    const reason = s.reason[i]!
    out.events.push({
      _tag: "ComponentDegraded",
      atMs: s.atMs,
      component: component.name,
      fallback: component.variants[variant]!.name,
      reason
    })
    restoreLater(s, i, s.restoreInMs[i]!)
  }
  settle(s, i)
  if (s.settled[i] === 1 && s.stage === "ready") startDependents(s, i, out)
}

// ----------------------------------------------------------------------------------------------------------- failing

const failed = (s: State, input: Extract<Input, { _tag: "Failed" }>, out: Output): void => {
  const i = input.component
  const status = s.status[i]
  if (status !== Status.Running && status !== Status.Closing) return
  s.failure[i] = input.failure
  s.failedNow[i] = 1
  s.retryInMs[i] = input.retryInMs ?? NaN
  s.restoreInMs[i] = input.restoreInMs ?? NaN
  out.events.push({
    _tag: "AttemptFailed",
    atMs: s.atMs,
    component: name(s, i),
    attempt: s.attempt[i]!,
    failure: input.failure,
    retryInMs: input.retryInMs
  })
  if (status === Status.Running) close(s, i)
}

/** Nothing of the attempt is left: try again, fall back, do without, or give up. */
const attemptClosed = (s: State, i: number, closing: Closing, out: Output): void => {
  const component = s.plan.components[i]!
  if (closing !== "clean") s.unclean = true
  if (closing === "abandoned") s.restoreInMs[i] = NaN // two instances might be alive: restored by hand, if at all
  out.events.push({ _tag: "AttemptClosed", atMs: s.atMs, component: component.name, closing })
  const failure = s.failure[i]
  const mayRetry = mayTryAgain(s, i, closing)
  if (s.stage === "rollback") {
    // Nothing is tried again now; what had come to its end by itself is reported as such.
    const isOver = failure !== undefined && s.failedNow[i] === 1 && !mayRetry
    if (isOver && failure.severity === "critical") fatal(s, i, failure, out)
    else if (isOver) skip(s, i, { _tag: "Failed", failure }, out)
    else rolledBack(s, i, out)
    goneDown(s, i, out)
  } else if (mayRetry) {
    set(s, i, Status.Backoff)
    timer(s, s.retryInMs[i]!, Kind.Backoff, i)
    const untilMs = s.atMs + s.retryInMs[i]!
    out.events.push({ _tag: "ComponentBackoff", atMs: s.atMs, component: component.name, untilMs })
  } else if (failure !== undefined) final(s, i, failure, out)
}

/** It is down, with everything or by itself. */
const closed = (s: State, i: number, closing: Closing, out: Output): void => {
  if (s.stage === "rollback") stopped(s, i, closing, out)
  else ByHand.closed(s, i, closing, out)
}

/** An attempt that could not be closed is not repeated: two instances might be alive. */
const mayTryAgain = (s: State, i: number, closing: Closing): boolean =>
  s.failedNow[i] === 1 &&
  s.noRetry[i] === 0 &&
  closing !== "abandoned" &&
  s.attempt[i]! < s.plan.components[i]!.variants[s.variant[i]!]!.attempts &&
  s.atMs + s.retryInMs[i]! < s.budgetAtMs[i]! // no delay is NaN, which compares false

/** The component will not come up this way. Its severity says what follows. */
const final = (s: State, i: number, failure: Failure, out: Output): void => {
  const component = s.plan.components[i]!
  const next = s.variant[i]! + 1
  const isLast = next >= component.variants.length || s.noRetry[i] === Last.Variant
  // A node that has run without it does not stop because it did not come back.
  const mayBeAbsent = component.optional && (failure.severity !== "critical" || s.stage === "ready")
  s.attempt[i] = 0
  if (failure.severity === "degraded" && !isLast) {
    s.variant[i] = next
    s.reason[i] = { _tag: "Failed", failure }
    out.events.push({
      _tag: "FallbackChosen",
      atMs: s.atMs,
      component: component.name,
      variant: next,
      fallback: component.variants[next]!.name
    })
    enqueue(s, i)
  } else if (mayBeAbsent) {
    s.variant[i] = 0
    absent(s, i, { _tag: "Failed", failure }, out)
    restoreLater(s, i, s.restoreInMs[i]!)
  } else {
    fatal(s, i, failure, out)
    takeDown(s, "failed", component.name, out)
  }
}

const absent = (s: State, i: number, reason: Reason, out: Output): void => {
  set(s, i, Status.Absent)
  s.reason[i] = reason
  out.events.push({ _tag: "ComponentAbsent", atMs: s.atMs, component: name(s, i), reason })
  settle(s, i)
}

/** A hard need will not come. Whoever may be absent is skipped; for the others it is the end of the boot. */
const lose = (s: State, i: number, need: number, out: Output): void => {
  const component = s.plan.components[i]!
  if (component.optional || (component.environments !== undefined && isElsewhere(s, need))) {
    skip(s, i, { _tag: "Need", need: name(s, need) }, out)
    settle(s, i)
  } else if (s.stage !== "rollback") {
    fatal(
      s,
      i,
      {
        kind: "error",
        tag: "NeedAbsent",
        message: `${component.name} needs ${name(s, need)}, which is ${statusNames[s.status[need]!]}`,
        severity: "critical"
      },
      out
    )
    takeDown(s, "failed", component.name, out)
  }
}

/** Whether a component is missing because this is not its environment, or not the environment of what it needs. */
const isElsewhere = (s: State, i: number): boolean => {
  for (let at: number | undefined = i; at !== undefined;) {
    const reason: Reason | undefined = s.reason[at]
    if (reason?._tag !== "Need") return reason?._tag === "Environment"
    at = s.plan.index.get(reason.need)
  }
  return false
}

// ---------------------------------------------------------------------------------------------------------- settling

/** The component is up, or known not to come. Its dependents are told in turn, without recursion: chains are long. */
const settle = (s: State, i: number): void => {
  if (s.settled[i] === 0) {
    s.settled[i] = 1
    s.settling.push(i)
  }
}

const settleAll = (s: State, out: Output): void => {
  for (let at = 0; at < s.settling.length; at++) {
    const i = s.settling[at]!
    const phase = s.plan.phase[i]!
    s.unsettled--
    s.phaseLeft[phase]!--
    if (Plan.holdsPost(s.plan, i)) s.criticalLeft--
    const available = isUp(s, i)
    for (const j of s.plan.dependents[i]!) {
      s.pending[j]!--
      if (s.status[j] !== Status.Waiting || s.plan.excluded[j] || s.stage === "rollback") continue
      if (!available && s.plan.hard[j]!.includes(i)) lose(s, j, i, out)
      else if (s.pending[j] === 0) enqueue(s, j)
    }
  }
  if (s.settling.length > 0) {
    Heap.clear(s.settling)
    if (s.stage === "booting") openGates(s)
  }
}

/** Dataflow has two edges between phases: all wait for `pre`, and `post` waits for everything critical. */
const openGates = (s: State): void => {
  for (let phase = 0; phase < 4; phase++) {
    if (s.gateOpen[phase]) continue
    let open = phase === 0 || s.phaseLeft[0] === 0
    if (phase === 3) open &&= s.criticalLeft === 0
    if (s.limits.scheduling === "phased") for (let p = 0; p < phase; p++) open &&= s.phaseLeft[p] === 0
    if (!open) continue
    s.gateOpen[phase] = true
    const gated = s.gated[phase]!
    for (let at = 0; at < gated.length; at++) if (s.status[gated[at]!] === Status.Waiting) enqueue(s, gated[at]!)
    Heap.clear(gated)
  }
}

const beginPhase = (s: State, phase: number, out: Output): void => {
  s.phaseBegun[phase] = true
  out.events.push({ _tag: "PhaseStarted", atMs: s.atMs, phase: Phase.all[phase]! })
}

const reachCheckpoints = (s: State, out: Output): void => {
  while (s.phaseNow < 4 && s.phaseLeft[s.phaseNow] === 0) {
    if (!s.phaseBegun[s.phaseNow]) beginPhase(s, s.phaseNow, out)
    s.phaseNow++
    out.events.push({ _tag: "CheckpointReached", atMs: s.atMs, checkpoint: Phase.checkpoints[s.phaseNow]! })
    if (s.phaseNow < 4) watchPhase(s)
  }
  if (s.phaseNow === 4) {
    s.stage = "persisting"
    out.commands.push({ _tag: "Persist" })
  }
}

/** A phase's time runs from the completion of those before it. */
const watchPhase = (s: State): void => {
  const { maxMs, targetMs } = s.limits.phases[Phase.all[s.phaseNow]!]
  if (targetMs < maxMs) Timers.push(s.timers, s.atMs + targetMs, Kind.PhaseSlow, -1, s.phaseNow)
  Timers.push(s.timers, s.atMs + maxMs, Kind.Phase, -1, s.phaseNow)
}

// ------------------------------------------------------------------------------------------------------------- time

/** Sums of milliseconds are not exact: what is this near has come. */
const grainMs = 1e-6

const tick = (s: State, out: Output): void => {
  for (let due = nextTimer(s); due !== undefined && due.atMs <= s.atMs + grainMs; due = nextTimer(s)) {
    Timers.pop(s.timers)
    fire(s, due.kind, due.subject, out)
  }
}

const fire = (s: State, kind: number, i: number, out: Output): void => {
  switch (kind) {
    case Kind.Slow: {
      const { component, timeoutMs } = limitsOf(s, i)
      const deadlineMs = Math.min(timeoutMs, s.budgetAtMs[i]! - (s.atMs - component.slowMs))
      out.events.push({ _tag: "ComponentSlow", atMs: s.atMs, component: component.name, runningMs: component.slowMs })
      timer(s, Math.max(0, deadlineMs - component.slowMs), Kind.Attempt, i)
      return
    }
    case Kind.Attempt: {
      const { component, deadlineMs, lateness, timeoutMs } = limitsOf(s, i)
      const [scope, afterMs] =
        s.atMs >= s.budgetAtMs[i]! ? (["component", deadlineMs] as const) : (["attempt", timeoutMs] as const)
      interrupt(s, i, lateFor(component.name, scope, afterMs, lateness ?? component.severity), out)
      return
    }
    case Kind.Closing:
      out.commands.push({ _tag: "Abandon", component: i })
      if (s.status[i] === Status.Closing) attemptClosed(s, i, "abandoned", out)
      else closed(s, i, "abandoned", out)
      return
    case Kind.Backoff:
      enqueue(s, i)
      return
    case Kind.Restore:
      if (s.stage === "ready") restore(s, i, out)
      else s.restoreDue[i] = 1
      return
    case Kind.PhaseSlow:
      out.events.push({
        _tag: "PhaseSlow",
        atMs: s.atMs,
        phase: Phase.all[s.phaseNow]!,
        waitingFor: unsettledOf(s, s.phaseNow).map((j) => name(s, j))
      })
      return
    case Kind.Phase:
      outOfTime(s, "phase", s.limits.phases[Phase.all[s.phaseNow]!].maxMs, unsettledOf(s, s.phaseNow), out)
      return
    case Kind.Boot:
      outOfTime(
        s,
        "boot",
        s.limits.bootMs,
        [0, 1, 2, 3].flatMap((phase) => unsettledOf(s, phase)),
        out
      )
      return
    case Kind.Rollback:
      abandonAll(s, out)
      return
  }
}

const limitsOf = (s: State, i: number) => {
  const component = s.plan.components[i]!
  const { deadlineMs, lateness, timeoutMs } = component.variants[s.variant[i]!]!
  return { component, deadlineMs, lateness, timeoutMs }
}

const unsettledOf = (s: State, phase: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let i = 0; i < s.settled.length; i++) if (s.settled[i] === 0 && s.plan.phase[i] === phase) found.push(i)
  return found
}

const lateFor = (component: string, scope: Late["scope"], afterMs: number, severity: Failure["severity"]): Late => ({
  scope,
  afterMs,
  failure: {
    kind: "timeout",
    tag: "TimedOut",
    message: `${component} did not become ready within ${afterMs} ms (deadline of the ${scope})`,
    severity
  }
})

/**
 * A phase, or the boot, is out of time. While it waits for something that it cannot do without, that is a failure. A
 * warning is given up instead, and in a phase a degraded component gives way to its fallback.
 */
const outOfTime = (
  s: State,
  scope: "phase" | "boot",
  afterMs: number,
  late: ReadonlyArray<number>,
  out: Output
): void => {
  s.late = { scope, afterMs }
  const vital = (i: number) => {
    const { optional, severity } = s.plan.components[i]!
    return scope === "boot" ? !optional : severity === "critical"
  }
  const culprits = late.filter((i) => s.status[i] !== Status.Waiting)
  const blamed = culprits.filter(vital)
  const fails = blamed.length > 0 || (scope === "boot" && late.some(vital))
  if (fails) {
    const because = blamed.length > 0 ? blamed : culprits
    for (const i of because) failForTime(s, i, lateFor(name(s, i), scope, afterMs, "critical"), out)
    takeDown(s, "deadline", because.map((i) => name(s, i)).join(", "), out)
  } else {
    for (const i of scope === "boot" ? late : culprits) if (s.stage === "booting") giveUp(s, i, scope, afterMs, out)
  }
}

const failForTime = (s: State, i: number, late: Late, out: Output): void => {
  const { failure } = late
  s.noRetry[i] = Last.Variant
  if (s.status[i] === Status.Running) interrupt(s, i, late, out)
  else if (s.status[i] === Status.Closing) {
    s.failure[i] = failure
    s.failedNow[i] = 1
  } else fatal(s, i, failure, out)
}

const giveUp = (s: State, i: number, scope: "phase" | "boot", afterMs: number, out: Output): void => {
  const late = lateFor(name(s, i), scope, afterMs, s.plan.components[i]!.severity)
  const { failure } = late
  s.noRetry[i] = Math.max(s.noRetry[i]!, scope === "boot" ? Last.Variant : Last.Attempt)
  if (s.status[i] === Status.Running) interrupt(s, i, late, out)
  else if (s.status[i] === Status.Backoff) final(s, i, s.failure[i] ?? failure, out)
  else if (scope === "boot" && s.status[i] !== Status.Closing) final(s, i, failure, out)
}
