/**
 * An auditor of boots: it reads the events of one, in order, and says which promise of the kernel the boot has broken.
 *
 * **Details**
 *
 * It shares no code and no state with `Progress`, so it does not share its bugs: all it knows is the plan, the limits and
 * what the events say. Numbers are those of the design (3.4). 0 is a log that no boot could have told, and 18 is
 * liveness, which has no number there. Not judged here, because events do not show them: 11, 12, 13, 16 and 17.
 *
 * **Gotchas**
 *
 * - One checker per boot. The events inside a group are ignored: a group is a boot with a checker of its own.
 * - What comes after a first violation is judged by a log that was already wrong.
 * - Real clocks are late. `toleranceMs` is how late something may be; being early is never excused.
 *
 * **Example**
 *
 * ```ts
 * const checker = Invariants.make(plan, limits)
 * const broken = events.map((event) => Invariants.check(checker, event)).find((violation) => violation !== undefined)
 * const unfinished = Invariants.finish(checker)
 * ```
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import type { BootEvent, Closing, Failure, Of, Reason } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import type { Plan } from "./Plan.ts"
import type { Limits } from "./ProgressState.ts"

/** What is promised, by number. */
export const titles = {
  0: "the events of a boot tell one story",
  1: "nothing starts before its needs are ready",
  2: "there are never two live instances of one component",
  3: "attempts and delays stay inside the policy",
  4: "no more attempts run than there are slots",
  5: "nothing starts after a critical failure",
  6: "everything is released exactly once, dependents before what they need",
  7: "a rollback goes on past failing and hanging finalizers, within its budget",
  8: "a degraded failure never fails the boot",
  9: "a warning changes the state of no other component",
  10: "READY comes once at most, with everything critical up, after the last checkpoint",
  14: "time never runs backwards",
  15: "whatever is not ready has a reason that ends in a root cause",
  18: "every boot ends within its worst case"
} as const

/** A broken promise: which one, who broke it, and how. */
export interface Violation {
  readonly invariant: number
  readonly title: string
  readonly component?: string
  readonly message: string
  readonly atMs: number
}

/** What the log has said of a component. The words are the auditor's own. */
const Life = {
  Idle: 0,
  Running: 1,
  Closing: 2,
  /** An attempt is closed, and what follows from it is not told yet. */
  Closed: 3,
  Backoff: 4,
  Up: 5,
  Stopping: 6,
  Stopped: 7,
  Absent: 8,
  Skipped: 9,
  Failed: 10
} as const
type Life = (typeof Life)[keyof typeof Life]

const words = ["not started", "starting", "being closed", "closed", "backing off", "up", "stopping", "stopped", "absent",
  "skipped", "failed"] as const

const severities = { warning: 1, degraded: 2, critical: 3 } as const

/** Causes other than a need, which is its position. */
const [unexplained, rooted, elsewhere] = [-1, -2, -3]

/** Rounding of sums of milliseconds. */
const grainMs = 1e-6

/** The auditor's notes on one boot. Make one with {@link make}; {@link check} writes them. */
export interface Checker {
  readonly plan: Plan
  readonly limits: Limits
  readonly toleranceMs: number
  atMs: number
  events: number
  running: number
  /** Attempts that are closed without anything having followed yet. */
  undecided: number
  clean: boolean
  beganMs: number
  /** Marks reached, and when the last one was. */
  marks: number
  markMs: number
  completeMs: number
  readyMs: number
  failedMs: number
  rollback: Of<"RollbackStarted"> | undefined
  ended: boolean
  readonly life: Uint8Array
  readonly sinceMs: Float64Array
  readonly variant: Uint8Array
  readonly attempt: Int32Array
  readonly acquired: Uint8Array
  /** Severity of the failure of the attempt at hand, 0 for none. */
  readonly severity: Uint8Array
  readonly retryInMs: Float64Array
  readonly abandoned: Uint8Array
  readonly untilMs: Float64Array
  readonly delayedMs: Float64Array
  readonly budgetMs: Float64Array
  /** The variant that is built beside the one that serves, -1 for none. */
  readonly swap: Int16Array
  readonly cause: Int32Array
  readonly settled: Uint8Array
  readonly phaseLeft: Int32Array
  readonly phaseBegun: Uint8Array
  criticalLeft: number
}

/** An auditor for one boot of this plan under these limits. `toleranceMs` is how late things may be, 0 by default. */
export const make = (plan: Plan, limits: Limits, options: { readonly toleranceMs?: number } = {}): Checker => {
  const n = plan.components.length
  const phaseLeft = new Int32Array(4)
  for (const phase of plan.phase) phaseLeft[phase]!++
  return {
    plan,
    limits,
    toleranceMs: (options.toleranceMs ?? 0) + grainMs,
    atMs: 0,
    events: 0,
    running: 0,
    undecided: 0,
    clean: true,
    beganMs: NaN,
    marks: 0,
    markMs: NaN,
    completeMs: NaN,
    readyMs: NaN,
    failedMs: NaN,
    rollback: undefined,
    ended: false,
    life: new Uint8Array(n),
    sinceMs: new Float64Array(n),
    variant: new Uint8Array(n),
    attempt: new Int32Array(n),
    acquired: new Uint8Array(n),
    severity: new Uint8Array(n),
    retryInMs: new Float64Array(n),
    abandoned: new Uint8Array(n),
    untilMs: new Float64Array(n),
    delayedMs: new Float64Array(n),
    budgetMs: new Float64Array(n),
    swap: new Int16Array(n).fill(-1),
    cause: new Int32Array(n).fill(unexplained),
    settled: new Uint8Array(n),
    phaseLeft,
    phaseBegun: new Uint8Array(4),
    criticalLeft: plan.components.filter((_, i) => holdsPost(plan, i)).length
  }
}

/** Takes note of the next event. Answers with the promise that it breaks, if it breaks one. */
export const check = (c: Checker, event: BootEvent): Violation | undefined => {
  switch (event._tag) {
    case "ComponentStarted":
    case "ComponentAcquired":
    case "ComponentReady":
    case "ComponentStopping":
    case "ComponentStopped":
    case "ComponentQueued":
    case "ComponentDegraded":
    case "ComponentSlow":
    case "AttemptFailed":
    case "ComponentInterrupted":
    case "AttemptClosed":
    case "ComponentBackoff":
    case "FallbackChosen":
    case "ComponentAbsent":
    case "ComponentSkipped":
    case "ComponentFailed":
    case "SwapStarted":
    case "SwapCompleted":
    case "SwapFailed":
    case "HealthChanged": {
      const i = c.plan.index.get(event.component)
      if (i !== undefined) return moment(c, event) ?? ofComponent(c, i, event)
      return event.component.includes("/") ? undefined : stray(c, event.component)
    }
    case "BootStarted":
      return c.events === 0 ? moment(c, event) : breaks(c, 0, -1, "The boot starts after other events.")
    case "PhaseStarted":
      return moment(c, event) ?? phaseStarted(c, event)
    case "CheckpointReached":
      return moment(c, event) ?? checkpointReached(c, event)
    case "PhaseSlow":
      return moment(c, event) ?? phaseSlow(c, event)
    case "BootReady":
      return moment(c, event) ?? bootReady(c, event)
    case "RollbackStarted":
      return moment(c, event) ?? rollbackStarted(c, event)
    case "BootEnded":
      return moment(c, event) ?? bootEnded(c, event)
  }
}

/** The verdict on the whole, once nothing more is to come: the boot has ended and everyone's story has an end. */
export const finish = (c: Checker): Violation | undefined =>
  c.ended ? unreasoned(c) : breaks(c, 6, -1, "The log stops before the boot has ended.")

/**
 * The verdict on progress: everything had settled, or a rollback had begun, within `worstCaseMs` from the begin. The
 * time until the last checkpoint is durable is not the plan's to promise.
 */
export const checkLiveness = (
  c: Checker,
  { worstCaseMs }: { readonly worstCaseMs: number }
): Violation | undefined => {
  const decidedMs = Number.isNaN(c.completeMs) ? (c.rollback?.atMs ?? NaN) : c.completeMs
  if (Number.isNaN(decidedMs)) return breaks(c, 18, -1, "The boot is neither complete nor rolled back.")
  if (Number.isNaN(c.readyMs) && !c.ended) return breaks(c, 18, -1, "The boot is neither ready nor at its end.")
  const tookMs = decidedMs - (c.beganMs || 0)
  if (tookMs <= worstCaseMs + c.toleranceMs) return undefined
  return breaks(c, 18, -1, `The boot settled after ${tookMs} ms; its worst case is ${worstCaseMs} ms.`)
}

// ------------------------------------------------------------------------------------------------ the boot as a whole

/** Time goes on: not backwards, not past something that had to follow at once, and not beyond the end. */
const moment = (c: Checker, { _tag, atMs }: BootEvent): Violation | undefined => {
  c.events++
  if (c.ended) return breaks(c, _tag === "ComponentStarted" ? 5 : 0, -1, `${_tag} comes after the end of the boot.`)
  if (atMs === c.atMs) return undefined
  if (!(atMs > c.atMs)) return breaks(c, 14, -1, `${_tag} is of ${atMs} ms and follows an event of ${c.atMs} ms.`)
  if (c.undecided > 0) {
    return breaks(c, 18, c.life.indexOf(Life.Closed), "Its attempt is closed, and nothing follows from that.")
  }
  if (!Number.isNaN(c.failedMs) && c.rollback === undefined) {
    return breaks(c, 5, -1, `A component failed at ${c.failedMs} ms, and no rollback has started.`)
  }
  c.atMs = atMs
  return undefined
}

const phaseStarted = (c: Checker, event: Of<"PhaseStarted">): Violation | undefined => {
  const phase = Phase.rank[event.phase]
  if (c.rollback !== undefined) return breaks(c, 5, -1, `Phase ${event.phase} starts during a rollback.`)
  if (c.phaseBegun[phase] === 1) return breaks(c, 10, -1, `Phase ${event.phase} starts twice.`)
  if (c.marks === 0) return breaks(c, 10, -1, `Phase ${event.phase} starts before init_start.`)
  c.phaseBegun[phase] = 1
  const gate = closedGate(c, phase)
  return gate === undefined ? undefined : breaks(c, 1, -1, `Phase ${event.phase} starts before ${gate}.`)
}

const checkpointReached = (c: Checker, { atMs, checkpoint }: Of<"CheckpointReached">): Violation | undefined => {
  const mark = Phase.checkpoints.indexOf(checkpoint)
  if (c.rollback !== undefined) return breaks(c, 10, -1, `${checkpoint} is reached during a rollback.`)
  if (mark !== c.marks) {
    return breaks(c, 10, -1, `${checkpoint} is reached, and ${Phase.checkpoints[c.marks] ?? "none"} is next.`)
  }
  for (let phase = 0; phase < mark; phase++) {
    const left = c.phaseLeft[phase]!
    if (left > 0) return breaks(c, 10, -1, `${checkpoint} is reached with ${left} of ${Phase.all[phase]} unsettled.`)
  }
  if (mark > 0 && c.phaseBegun[mark - 1] === 0) {
    return breaks(c, 10, -1, `${checkpoint} is reached before ${Phase.all[mark - 1]} has started.`)
  }
  c.marks++
  c.markMs = atMs
  if (mark === 0) c.beganMs = atMs
  if (mark === Phase.checkpoints.length - 1) c.completeMs = atMs
  return undefined
}

const phaseSlow = (c: Checker, { phase, waitingFor }: Of<"PhaseSlow">): Violation | undefined => {
  if (Phase.rank[phase] !== c.marks - 1) return breaks(c, 0, -1, `${phase} is slow, but nobody waits for it now.`)
  const settled = waitingFor.find((name) => c.settled[c.plan.index.get(name) ?? -1] !== 0)
  return settled === undefined ? undefined : breaks(c, 0, -1, `${phase} waits for ${settled}, which has settled.`)
}

const bootReady = (c: Checker, { atMs, outcome }: Of<"BootReady">): Violation | undefined => {
  if (!Number.isNaN(c.readyMs)) return breaks(c, 10, -1, "The boot is ready twice.")
  if (c.rollback !== undefined) return breaks(c, 10, -1, "The boot is ready during a rollback.")
  if (Number.isNaN(c.completeMs)) return breaks(c, 10, -1, "The boot is ready before init_complete.")
  c.readyMs = atMs
  let degraded = false
  let elsewhereOnly = false
  for (let i = 0; i < c.life.length; i++) {
    if (c.life[i] === Life.Up) degraded ||= c.variant[i]! > 0
    else if (c.plan.excluded[i]) continue
    else if (rootOf(c, i) === elsewhere) elsewhereOnly = true
    else if (c.plan.components[i]!.optional) degraded = true
    else return breaks(c, 10, i, `The boot is ready, and it is ${words[c.life[i]!]}.`)
  }
  // What needs a component of another environment is not up either. Whether that is less than `ready` is left open.
  const honest = outcome === "ready" ? !degraded : degraded || elsewhereOnly
  if (!honest) return breaks(c, 10, -1, `The boot says that it is ${outcome}, and it is not.`)
  return unreasoned(c)
}

const rollbackStarted = (c: Checker, event: Of<"RollbackStarted">): Violation | undefined => {
  const { budgetMs, why } = event
  if (c.rollback !== undefined) return breaks(c, 7, -1, "A second rollback starts.")
  c.rollback = event
  if (budgetMs !== c.limits.rollbackMs) {
    return breaks(c, 7, -1, `The rollback has ${budgetMs} ms; the limits say ${c.limits.rollbackMs} ms.`)
  }
  const isReady = !Number.isNaN(c.readyMs)
  if (why === "stopped" ? !isReady : why !== "failed" && isReady) {
    return breaks(c, 15, -1, `The boot was ${isReady ? "" : "not "}ready, so what is taken down was not ${why}.`)
  }
  if (why === "failed" && Number.isNaN(c.failedMs)) {
    return breaks(c, 9, -1, "The boot is said to have failed, and no component has.")
  }
  if (why === "deadline" && !outOfTime(c, c.marks - 1)) return breaks(c, 15, -1, "No deadline has passed.")
  return undefined
}

const bootEnded = (c: Checker, { clean, outcome }: Of<"BootEnded">): Violation | undefined => {
  const { atMs, rollback } = c
  if (rollback === undefined) return breaks(c, 15, -1, "The boot ends, and nothing was taken down.")
  c.ended = true
  const live = c.life.findIndex(isLive)
  if (live >= 0) return breaks(c, 6, live, `The boot ends, and it is ${words[c.life[live]!]}.`)
  if (c.undecided > 0) return breaks(c, 15, c.life.indexOf(Life.Closed), "The boot ends without a word on it.")
  if (atMs > rollback.atMs + c.limits.rollbackMs + c.toleranceMs) {
    return breaks(c, 7, -1, `The rollback took ${atMs - rollback.atMs} ms of ${c.limits.rollbackMs} ms.`)
  }
  if (outcome !== (rollback.why === "deadline" ? "failed" : rollback.why)) {
    return breaks(c, 15, -1, `The boot ends as ${outcome} after a rollback because it was ${rollback.why}.`)
  }
  if (clean !== c.clean) return breaks(c, 15, -1, `The boot says clean: ${clean}, and its closings say ${c.clean}.`)
  return undefined
}

// ------------------------------------------------------------------------------------------------------ one component

type ComponentEvent = Extract<BootEvent, { readonly component: string }>

const ofComponent = (c: Checker, i: number, event: ComponentEvent): Violation | undefined => {
  switch (event._tag) {
    case "ComponentStarted":
      return started(c, i, event)
    case "ComponentAcquired":
      if (c.life[i] !== Life.Running) return misplaced(c, i, event)
      if (c.acquired[i]! > 0) return breaks(c, 2, i, "It is acquired twice in one attempt.")
      c.acquired[i] = 1
      return undefined
    case "ComponentReady":
      return up(c, i, event) ?? (c.variant[i] === 0 ? undefined : breaks(c, 0, i, "It is ready, and it is a fallback."))
    case "ComponentDegraded":
      return up(c, i, event) ?? degraded(c, i, event)
    case "ComponentSlow":
      return c.life[i] === Life.Running ? undefined : misplaced(c, i, event)
    case "AttemptFailed":
      return attemptFailed(c, i, event)
    case "ComponentInterrupted":
      return interrupted(c, i, event)
    case "AttemptClosed":
      return attemptClosed(c, i, event)
    case "ComponentBackoff":
      return backoff(c, i, event)
    case "FallbackChosen":
      return fallbackChosen(c, i, event)
    case "ComponentQueued":
      return queued(c, i)
    case "ComponentAbsent":
      return absent(c, i, event)
    case "ComponentSkipped":
      return skipped(c, i, event)
    case "ComponentFailed":
      return failed(c, i, event)
    case "ComponentStopping":
      return stopping(c, i, event)
    case "ComponentStopped":
      return stopped(c, i, event)
    case "SwapStarted":
      return swapStarted(c, i, event)
    case "SwapCompleted":
      return swapEnded(c, i, event)
    case "SwapFailed":
      return swapEnded(c, i, event)
    case "HealthChanged":
      return undefined
  }
}

const queued = (c: Checker, i: number): Violation | undefined => {
  const late = mayNotStart(c, i)
  if (late !== undefined) return late
  if (c.life[i] !== Life.Backoff) move(c, i, Life.Idle)
  return undefined
}

const started = (c: Checker, i: number, { atMs, attempt, variant }: Of<"ComponentStarted">): Violation | undefined => {
  const component = c.plan.components[i]!
  const late = mayNotStart(c, i)
  if (late !== undefined) return late
  if (c.phaseBegun[c.plan.phase[i]!] === 0) return breaks(c, 10, i, "It starts before its phase has.")
  const policy = component.variants[variant]
  if (variant !== c.variant[i] || policy === undefined) {
    return breaks(c, 3, i, `Variant ${variant} starts, and ${c.variant[i]} is next.`)
  }
  if (attempt !== c.attempt[i]! + 1) return breaks(c, 3, i, `Attempt ${attempt} follows attempt ${c.attempt[i]}.`)
  if (attempt > policy.attempts) return breaks(c, 3, i, `Attempt ${attempt} of ${policy.attempts} starts.`)
  if (attempt === 1) {
    c.budgetMs[i] = atMs + policy.deadlineMs
    c.delayedMs[i] = 0
  } else if (atMs > c.budgetMs[i]! + c.toleranceMs) {
    return breaks(c, 3, i, `Attempt ${attempt} starts ${atMs - c.budgetMs[i]!} ms after the deadline of all attempts.`)
  }
  c.attempt[i] = attempt
  c.acquired[i] = 0
  c.severity[i] = 0
  move(c, i, Life.Running)
  if (++c.running <= c.limits.slots) return undefined
  return breaks(c, 4, i, `${c.running} attempts run on ${c.limits.slots} slots.`)
}

/** Whatever stands against a start at this moment, be it the first one, a retry, a fallback or a restoration. */
const mayNotStart = (c: Checker, i: number): Violation | undefined => {
  const { components, excluded, hard, needs, phase } = c.plan
  if (!Number.isNaN(c.failedMs)) return breaks(c, 5, i, `It starts, and a component failed at ${c.failedMs} ms.`)
  if (c.rollback !== undefined) return breaks(c, 5, i, "It starts during a rollback.")
  const life = lifeOf(c, i)
  switch (life) {
    case Life.Running:
    case Life.Closing:
    case Life.Up:
    case Life.Stopping:
      return breaks(c, 2, i, `It starts while it is ${words[life]}.`)
    case Life.Closed:
      return breaks(c, 3, i, "It starts again without a delay and without a fallback.")
    case Life.Backoff:
      if (c.atMs >= c.untilMs[i]! - grainMs) break
      return breaks(c, 3, i, `It starts before its delay is over at ${c.untilMs[i]} ms.`)
    case Life.Absent:
    case Life.Skipped:
      if (Number.isNaN(c.readyMs)) return breaks(c, 0, i, `It starts, and it was ${words[life]}.`)
      c.variant[i] = c.attempt[i] = 0
      break
    case Life.Stopped:
    case Life.Failed:
      return breaks(c, 5, i, `It starts, and it was ${words[life]}.`)
    case Life.Idle:
      break
  }
  if (excluded[i]) return breaks(c, 1, i, "It starts, and it is not of this environment.")
  const gate = closedGate(c, phase[i]!)
  if (gate !== undefined) return breaks(c, 1, i, `It starts before ${gate}.`)
  for (const need of needs[i]!) {
    if (c.settled[need] === 0) return breaks(c, 1, i, `It starts before ${components[need]!.name} has settled.`)
  }
  for (const need of hard[i]!) {
    const state = lifeOf(c, need)
    if (state !== Life.Up) return breaks(c, 1, i, `It starts, and ${components[need]!.name} is ${words[state]}.`)
  }
  return undefined
}

/** What a phase still has to wait for, in words. */
const closedGate = (c: Checker, phase: number): string | undefined => {
  const barrier = c.limits.scheduling === "phased" ? phase : Math.min(phase, 1)
  for (let before = 0; before < barrier; before++) {
    if (c.phaseLeft[before]! > 0) return `all of ${Phase.all[before]} have settled`
  }
  return phase === Phase.rank.post && c.criticalLeft > 0 ? "everything critical has settled" : undefined
}

const up = (c: Checker, i: number, event: ComponentEvent): Violation | undefined => {
  if (c.life[i] !== Life.Running || c.acquired[i] === 0) return misplaced(c, i, event)
  if (c.rollback !== undefined) return breaks(c, 5, i, "It comes up during a rollback.")
  const late = attemptOver(c, i)
  move(c, i, Life.Up)
  settle(c, i)
  c.attempt[i] = 0
  return late
}

const degraded = (c: Checker, i: number, { fallback, reason }: Of<"ComponentDegraded">): Violation | undefined => {
  if (c.variant[i] === 0) return breaks(c, 0, i, "It is degraded, and it is no fallback.")
  const { name } = c.plan.components[i]!.variants[c.variant[i]!]!
  if (name !== fallback) return breaks(c, 0, i, `It is up on ${fallback}, and ${name} was started.`)
  return reason._tag === "Failed" ? undefined : breaks(c, 15, i, "It is degraded, and no failure is the reason.")
}

const attemptOver = (c: Checker, i: number): Violation | undefined => {
  c.running--
  const { timeoutMs } = c.plan.components[i]!.variants[c.variant[i]!]!
  const deadlineMs = Math.min(c.sinceMs[i]! + timeoutMs, Math.max(c.budgetMs[i]!, c.sinceMs[i]!))
  if (c.atMs <= deadlineMs + c.toleranceMs) return undefined
  return breaks(c, 3, i, `Its attempt ends ${c.atMs - deadlineMs} ms after its deadline.`)
}

const attemptFailed = (c: Checker, i: number, event: Of<"AttemptFailed">): Violation | undefined => {
  const life = c.life[i]
  if (life !== Life.Running && life !== Life.Closing) return misplaced(c, i, event)
  if (event.attempt !== c.attempt[i]) return breaks(c, 3, i, `Attempt ${event.attempt} fails in attempt ${c.attempt[i]}.`)
  if (c.severity[i]! > 0) return breaks(c, 3, i, `Attempt ${event.attempt} fails twice.`)
  c.severity[i] = severities[event.failure.severity]
  c.retryInMs[i] = event.retryInMs ?? NaN
  if (life === Life.Closing) return undefined
  const late = attemptOver(c, i)
  move(c, i, Life.Closing)
  return late
}

/** An attempt is only told to stop when everything is, or when a deadline has passed. */
const interrupted = (c: Checker, i: number, event: Of<"ComponentInterrupted">): Violation | undefined => {
  if (c.life[i] !== Life.Running) return misplaced(c, i, event)
  const { timeoutMs } = c.plan.components[i]!.variants[c.variant[i]!]!
  const deadlineMs = Math.min(c.sinceMs[i]! + timeoutMs, c.budgetMs[i]!)
  const isAllowed = c.rollback !== undefined || c.atMs >= deadlineMs - grainMs || outOfTime(c, c.plan.phase[i]!)
  const late = attemptOver(c, i)
  move(c, i, Life.Closing)
  return isAllowed ? late : breaks(c, 9, i, "It is interrupted, and neither a deadline nor a rollback is the reason.")
}

const attemptClosed = (c: Checker, i: number, { closing }: Of<"AttemptClosed">): Violation | undefined => {
  const life = lifeOf(c, i)
  if (life !== Life.Closing) return breaks(c, 6, i, `An attempt of it is closed, and it is ${words[life]}.`)
  const wrong = closed(c, i, closing)
  c.abandoned[i] = closing === "abandoned" ? 1 : 0
  c.undecided++
  move(c, i, Life.Closed)
  return wrong
}

const backoff = (c: Checker, i: number, event: Of<"ComponentBackoff">): Violation | undefined => {
  if (c.life[i] !== Life.Closed) return misplaced(c, i, event)
  const { atMs, untilMs } = event
  const policy = c.plan.components[i]!.variants[c.variant[i]!]!
  const retryInMs = c.retryInMs[i]!
  if (c.rollback !== undefined) return breaks(c, 5, i, "It is to be tried again, during a rollback.")
  if (c.severity[i] === 0 || Number.isNaN(retryInMs)) return breaks(c, 3, i, "It backs off, and its policy is at its end.")
  if (c.abandoned[i] === 1) return breaks(c, 3, i, "It backs off, and its last attempt was never closed.")
  if (c.attempt[i]! >= policy.attempts) return breaks(c, 3, i, `It backs off after ${c.attempt[i]} attempts.`)
  if (Math.abs(untilMs - (atMs + retryInMs)) > grainMs) {
    return breaks(c, 3, i, `It backs off for ${untilMs - atMs} ms, and its policy says ${retryInMs} ms.`)
  }
  if (untilMs >= c.budgetMs[i]!) return breaks(c, 3, i, "It backs off past the deadline of all its attempts.")
  c.delayedMs[i]! += retryInMs
  if (c.delayedMs[i]! > policy.retryMs + grainMs) {
    return breaks(c, 3, i, `Its delays add up to ${c.delayedMs[i]} ms, and ${policy.retryMs} ms is the most.`)
  }
  c.untilMs[i] = untilMs
  move(c, i, Life.Backoff)
  return undefined
}

const fallbackChosen = (c: Checker, i: number, event: Of<"FallbackChosen">): Violation | undefined => {
  const { severity, variants } = c.plan.components[i]!
  if (c.rollback !== undefined) return breaks(c, 5, i, "It gives way to a fallback, during a rollback.")
  if (!isFinal(c, i)) return misplaced(c, i, event)
  if (event.variant !== c.variant[i]! + 1 || variants[event.variant]?.name !== event.fallback) {
    return breaks(c, 3, i, `It gives way to variant ${event.variant}, ${event.fallback}, after variant ${c.variant[i]}.`)
  }
  if ((c.severity[i] || severities[severity]) !== severities.degraded) {
    return breaks(c, 3, i, "It gives way to a fallback, and its failure was not a degraded one.")
  }
  c.variant[i] = event.variant
  c.attempt[i] = 0
  c.severity[i] = 0
  move(c, i, Life.Idle)
  return undefined
}

const absent = (c: Checker, i: number, event: Of<"ComponentAbsent">): Violation | undefined => {
  const { reason } = event
  const { optional } = c.plan.components[i]!
  if (reason._tag === "Environment" || c.plan.excluded[i]) {
    if (reason._tag !== "Environment" || !c.plan.excluded[i]) return breaks(c, 15, i, `It is absent: ${reason._tag}.`)
    if (c.life[i] !== Life.Idle || c.marks === 0) return misplaced(c, i, event)
  } else {
    if (reason._tag !== "Failed") return breaks(c, 15, i, "It is absent, and no failure is the reason.")
    if (c.rollback !== undefined || !isFinal(c, i)) return misplaced(c, i, event)
    if (!optional) return breaks(c, 10, i, "It is absent, and the boot cannot go on without it.")
    if (reason.failure.severity !== "warning" || (c.severity[i]! > 1 && !outOfTime(c, c.plan.phase[i]!))) {
      return breaks(c, 5, i, "It is absent, and its failure was more than a warning.")
    }
    c.variant[i] = c.attempt[i] = 0
  }
  return gone(c, i, Life.Absent, reason)
}

const skipped = (c: Checker, i: number, event: Of<"ComponentSkipped">): Violation | undefined => {
  const { reason } = event
  const life = lifeOf(c, i)
  if (isLive(life)) return breaks(c, 6, i, `It is skipped while it is ${words[life]}.`)
  if (life === Life.Stopped || life === Life.Failed) return misplaced(c, i, event)
  if (c.rollback !== undefined) {
    if (reason._tag === "Failed" || reason._tag === "RolledBack") return gone(c, i, Life.Skipped, reason)
    return breaks(c, 15, i, `It is skipped in a rollback: ${reason._tag}.`)
  }
  if (reason._tag !== "Need") return breaks(c, 9, i, `It is skipped: ${reason._tag}.`)
  if (life !== Life.Idle) return misplaced(c, i, event)
  const need = c.plan.index.get(reason.need) ?? -1
  if (!c.plan.hard[i]!.includes(need) || !isLost(c, need)) {
    return breaks(c, 9, i, `It is skipped for want of ${reason.need}, which it does not need or has not lost.`)
  }
  return gone(c, i, Life.Skipped, reason)
}

const failed = (c: Checker, i: number, { failure }: Of<"ComponentFailed">): Violation | undefined => {
  const { optional, variants } = c.plan.components[i]!
  const life = lifeOf(c, i)
  if (isLive(life)) return breaks(c, 6, i, `It has failed for good while it is ${words[life]}.`)
  const isTried = c.marks > 0 && c.rollback?.why !== "deadline"
  const says = (severity: Failure["severity"]) =>
    failure.severity === severity || (isTried && life === Life.Closed && c.severity[i] === severities[severity])
  if (isTried && says("degraded") && c.variant[i]! + 1 < variants.length) {
    return breaks(c, 8, i, "It has failed for good, and it has another fallback.")
  }
  if (optional && says("warning")) return breaks(c, 9, i, "It fails the boot with a warning.")
  if (isTried && life !== Life.Closed && !c.plan.hard[i]!.some((need) => isLost(c, need)) && !isFinal(c, i)) {
    return breaks(c, 9, i, `It has failed for good, and it was ${words[life]}.`)
  }
  if (Number.isNaN(c.failedMs)) c.failedMs = c.atMs
  return gone(c, i, Life.Failed, { _tag: "Failed", failure })
}

const stopping = (c: Checker, i: number, event: Of<"ComponentStopping">): Violation | undefined => {
  if (c.life[i] !== Life.Up) return misplaced(c, i, event, 6)
  if (c.rollback === undefined) return breaks(c, 6, i, "It is stopped, and nothing is taken down.")
  const holder = c.plan.dependents[i]!.find((dependent) => isLive(c.life[dependent]!))
  if (holder !== undefined) {
    return breaks(c, 6, i, `It stops while ${c.plan.components[holder]!.name} is ${words[c.life[holder]!]}.`)
  }
  c.swap[i] = -1
  move(c, i, Life.Stopping)
  return undefined
}

const stopped = (c: Checker, i: number, event: Of<"ComponentStopped">): Violation | undefined => {
  const life = c.life[i]
  if (life !== Life.Stopping && life !== Life.Up) return misplaced(c, i, event, 6)
  if (life === Life.Up) {
    if (event.closing !== "abandoned" || c.atMs < rollbackEndMs(c) - grainMs) return misplaced(c, i, event, 6)
    const held = c.plan.dependents[i]!.some((d) => isLive(c.life[d]!) || c.sinceMs[d] === c.atMs)
    if (!held) return breaks(c, 7, i, "It is abandoned, and nothing stood against stopping it before.")
    c.sinceMs[i] = c.atMs
  }
  const wrong = closed(c, i, event.closing)
  move(c, i, Life.Stopped)
  return wrong
}

/** A closing has a deadline of its own and one with all others; it is given up then, and not before. */
const closed = (c: Checker, i: number, closing: Closing): Violation | undefined => {
  if (closing !== "clean") c.clean = false
  const deadlineMs = Math.min(c.sinceMs[i]! + c.plan.components[i]!.stopMs, rollbackEndMs(c))
  if (c.atMs > deadlineMs + c.toleranceMs) {
    return breaks(c, 7, i, `Its closing ends ${c.atMs - deadlineMs} ms after its deadline.`)
  }
  if (closing !== "abandoned" || c.atMs >= deadlineMs - grainMs) return undefined
  return breaks(c, 7, i, `Its closing is abandoned ${deadlineMs - c.atMs} ms before its deadline.`)
}

const swapStarted = (c: Checker, i: number, { variant }: Of<"SwapStarted">): Violation | undefined => {
  if (c.rollback !== undefined || !Number.isNaN(c.failedMs)) return breaks(c, 5, i, "It is swapped during a rollback.")
  if (c.life[i] !== Life.Up || Number.isNaN(c.readyMs)) return breaks(c, 2, i, "It is swapped, and it does not serve yet.")
  if (c.swap[i]! >= 0) return breaks(c, 2, i, "It is swapped while it is being swapped.")
  if (variant === c.variant[i] || variant < 0 || variant >= c.plan.components[i]!.variants.length) {
    return breaks(c, 3, i, `Variant ${c.variant[i]} is swapped for variant ${variant}.`)
  }
  c.swap[i] = variant
  return undefined
}

const swapEnded = (c: Checker, i: number, event: Of<"SwapCompleted"> | Of<"SwapFailed">): Violation | undefined => {
  if (c.life[i] !== Life.Up || c.swap[i] !== event.variant) return misplaced(c, i, event)
  c.swap[i] = -1
  if (event._tag === "SwapFailed") return undefined
  c.variant[i] = event.variant
  if (event.closing !== "clean") c.clean = false
  return undefined
}

// ------------------------------------------------------------------------------------------------------------- notes

const lifeOf = (c: Checker, i: number): Life => c.life[i] as Life // only `move` writes it

const isLive = (life: number): boolean =>
  life === Life.Running || life === Life.Closing || life === Life.Up || life === Life.Stopping

/** Known not to come: the reason for which dependents may be skipped. */
const isLost = (c: Checker, i: number): boolean => {
  const life = c.life[i]
  return life === Life.Absent || life === Life.Skipped || life === Life.Failed
}

/** Nothing more is tried: its attempt is closed, or time is up while none is under way. */
const isFinal = (c: Checker, i: number): boolean => {
  const life = c.life[i]
  return life === Life.Closed || ((life === Life.Idle || life === Life.Backoff) && outOfTime(c, c.plan.phase[i]!))
}

/** The deadline of this phase, while it is the one that is waited for, or that of the boot, has come. */
const outOfTime = (c: Checker, phase: number): boolean => {
  const { bootMs, phases } = c.limits
  if (c.atMs >= c.beganMs + bootMs - grainMs) return true
  return phase === c.marks - 1 && phase < 4 && c.atMs >= c.markMs + phases[Phase.all[phase]!].maxMs - grainMs
}

const rollbackEndMs = (c: Checker): number => (c.rollback?.atMs ?? Infinity) + c.limits.rollbackMs

const holdsPost = (plan: Plan, i: number): boolean =>
  plan.phase[i]! < Phase.rank.post && plan.components[i]!.severity === "critical" && !plan.excluded[i]

const move = (c: Checker, i: number, life: Life): void => {
  if (c.life[i] === Life.Closed) c.undecided--
  c.life[i] = life
  c.sinceMs[i] = c.atMs
}

const settle = (c: Checker, i: number): void => {
  if (c.settled[i] === 1) return
  c.settled[i] = 1
  c.phaseLeft[c.plan.phase[i]!]!--
  if (holdsPost(c.plan, i)) c.criticalLeft--
}

const gone = (c: Checker, i: number, life: Life, reason: Reason): undefined => {
  const cause = { Environment: elsewhere, Failed: rooted, RolledBack: rooted, Need: unexplained }[reason._tag]
  c.cause[i] = reason._tag === "Need" ? (c.plan.index.get(reason.need) ?? unexplained) : cause
  move(c, i, life)
  settle(c, i)
}

/** Where the reasons of a component end: a kind of root cause, or `unexplained` when they lead nowhere or in a circle. */
const rootOf = (c: Checker, i: number): number => {
  let at = i
  for (let steps = 0; steps <= c.cause.length; steps++) {
    if (!isLost(c, at)) return unexplained
    const cause = c.cause[at]!
    if (cause < 0) return cause
    at = cause
  }
  return unexplained
}

const unreasoned = (c: Checker): Violation | undefined => {
  for (let i = 0; i < c.life.length; i++) {
    const life = lifeOf(c, i)
    if (life === Life.Up || life === Life.Stopped || rootOf(c, i) !== unexplained) continue
    return breaks(c, 15, i, `It is ${words[life]}, and no chain of reasons leads to a root cause.`)
  }
  return undefined
}

// ---------------------------------------------------------------------------------------------------------- verdicts

const misplaced = (c: Checker, i: number, { _tag }: BootEvent, invariant: keyof typeof titles = 0): Violation =>
  breaks(c, invariant, i, `${_tag} cannot follow while it is ${words[lifeOf(c, i)]}.`)

const stray = (c: Checker, name: string): Violation =>
  breaks(c, 0, -1, `${JSON.stringify(name)} is no component of the plan.`)

const breaks = (c: Checker, invariant: keyof typeof titles, i: number, message: string): Violation => {
  const verdict = { invariant, title: titles[invariant], atMs: c.atMs }
  if (i < 0) return { ...verdict, message }
  const component = c.plan.components[i]!.name
  return { ...verdict, component, message: `${component}: ${message}` }
}
