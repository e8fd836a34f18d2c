/**
 * A world for `Progress` alone: it answers commands as components, clocks and operators would, in virtual time, with
 * chance from a seed, and lets the auditor read every event. Nothing is forked and nothing waits, so a boot of nineteen
 * components takes some twenty microseconds.
 *
 * **Details**
 *
 * The driver of the kernel is left out; what it may say, and in which order, is imitated here: answers that cross a
 * command, attempts that do not answer to an interruption, finalizers that fail or hang. Three things are judged beside
 * the events: that commands can be carried out (one instance of a component, nothing released that others hold), that a
 * boot never waits for nothing, and that once the faults stop, everything with a restoration to come is up again.
 *
 * Chance is drawn by seed, component and occasion: a component that is left out, or spared, changes nothing for others.
 *
 * **Example**
 *
 * ```ts
 * const world = World.make(plan, Progress.defaultLimits, Odds.usual)
 * for (let seed = 0; seed < 100_000; seed++) assert.isUndefined(World.boot(world, seed).violation)
 * ```
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import { type BootEvent, Invariants, Plan, Progress } from "@novacron/boot/model"
import * as Agenda from "./Agenda.ts"
import * as Odds from "./Odds.ts"
import * as Random from "./Random.ts"
import * as Snapshot from "./Snapshot.ts"

/** How a boot went. */
export interface Run {
  readonly outcome: "ready" | "degraded" | "failed" | "cancelled" | "stopped"
  /** Virtual milliseconds until nothing was left to happen. */
  readonly timeMs: number
  /** How many facts the machine was told. */
  readonly steps: number
  /** The first promise that was broken. */
  readonly violation: Invariants.Violation | undefined
}

/** What the world has of a component, by its own count. */
const Hold = { nothing: 0, attempt: 1, up: 2, closing: 3 } as const

/** What a component does at its moment on the agenda. */
const Next = { acquire: 0, answer: 1, fail: 2, quit: 3, close: 4 } as const

/** What becomes of an attempt. The order is that of the thresholds. */
const Fate = { error: 0, unhealthy: 1, defect: 2, interruption: 3, hang: 4, slow: 5, fine: 6 } as const

/** A world for boots of one plan. Make it with {@link make}; each {@link boot} begins anew. */
export interface World {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  readonly odds: Odds.Odds
  /** Components to which nothing happens. */
  readonly spared: ReadonlyArray<boolean>
  /** Within this many milliseconds everything has settled, or is being taken down. */
  readonly worstCaseMs: number
  readonly thresholds: ReadonlyArray<number>
  readonly names: Int32Array
  readonly agenda: Agenda.Agenda
  readonly out: Progress.Output

  state: Progress.State
  checker: Invariants.Checker
  boots: number
  /** What both are at the begin of a boot; empty until the second one, because many worlds see one boot only. */
  fresh: ReadonlyArray<Snapshot.Snapshot>

  // Of the boot at hand.
  log: Array<BootEvent.BootEvent> | undefined
  violation: Invariants.Violation | undefined
  atMs: number
  steps: number
  /** Faults have stopped. */
  calm: boolean
  attempts: number
  /** Seeds of chance by component; the last one is the world's. */
  readonly seeds: Int32Array
  readonly occasion: Int32Array
  readonly hold: Uint8Array
  readonly next: Uint8Array
  readonly fate: Uint8Array
  readonly variant: Uint8Array
  readonly attempt: Int32Array
  readonly swapTo: Uint8Array
  readonly sick: Uint8Array
  /** Whether a restoration is to come, by the last word on it. */
  readonly restores: Uint8Array
  readonly late: Array<Progress.Late | undefined>
}

/** A world in which plans like this one are booted under these limits, with these odds. */
export const make = (
  plan: Plan.Plan,
  limits: Progress.Limits,
  odds: Odds.Odds = Odds.usual,
  spared: ReadonlySet<string> = new Set()
): World => {
  const n = plan.components.length
  const { defect, error, hang, interruption, slow, unhealthy } = odds
  let sum = 0
  const longestStopMs = plan.components.reduce((most, { stopMs }) => Math.max(most, stopMs), 0)
  return {
    plan,
    limits,
    odds,
    spared: plan.components.map(({ name }) => spared.has(name)),
    worstCaseMs: Math.min(Plan.worstCaseMs(plan, limits), limits.bootMs + longestStopMs),
    thresholds: [error, unhealthy, defect, interruption, hang, slow].map((p) => (sum += p)),
    names: Int32Array.from([...plan.components.map(({ name }) => Random.hash(name)), 0]),
    agenda: Agenda.make(3 * n + 3),
    out: { events: [], commands: [] },
    state: Progress.make(plan, limits),
    checker: Invariants.make(plan, limits),
    boots: 0,
    fresh: [],
    log: undefined,
    violation: undefined,
    atMs: 0,
    steps: 0,
    calm: false,
    attempts: 0,
    seeds: new Int32Array(n + 1),
    occasion: new Int32Array(n + 1),
    hold: new Uint8Array(n),
    next: new Uint8Array(n),
    fate: new Uint8Array(n),
    variant: new Uint8Array(n),
    attempt: new Int32Array(n),
    swapTo: new Uint8Array(n),
    sick: new Uint8Array(n),
    restores: new Uint8Array(n),
    late: new Array<Progress.Late | undefined>(n).fill(undefined)
  }
}

/** One boot. The same seed gives the same run; its events are appended to `log` if there is one. */
export const boot = (w: World, seed: number, log?: Array<BootEvent.BootEvent>): Run => {
  reset(w, seed, log)
  try {
    conduct(w)
  } catch (defect) {
    breaks(w, 0, -1, `Progress throws: ${defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)}`)
  }
  return { outcome: outcomeOf(w), timeMs: w.atMs, steps: w.steps, violation: w.violation }
}

/** One boot in a world of its own, with all of its events. */
export const run = (
  plan: Plan.Plan,
  limits: Progress.Limits,
  options: { readonly seed: number; readonly odds?: Odds.Odds; readonly spared?: ReadonlySet<string> }
): Run & { readonly events: ReadonlyArray<BootEvent.BootEvent> } => {
  const events: Array<BootEvent.BootEvent> = []
  return { ...boot(make(plan, limits, options.odds, options.spared), options.seed, events), events }
}

// ---------------------------------------------------------------------------------------------------------- the story

const reset = (w: World, seed: number, log: Array<BootEvent.BootEvent> | undefined): void => {
  if (w.boots++ === 1) {
    w.state = Progress.make(w.plan, w.limits)
    w.checker = Invariants.make(w.plan, w.limits)
    w.fresh = [w.state, w.checker].map((notes) => Snapshot.take(notes, ["plan", "limits"]))
  }
  for (const fresh of w.fresh) Snapshot.restore(fresh)
  Agenda.clear(w.agenda)
  w.out.events.length = 0
  w.out.commands.length = 0
  w.log = log
  w.violation = undefined
  w.atMs = 0
  w.steps = 0
  w.calm = false
  w.attempts = 0
  const mixed = Random.mix(seed) ^ Random.mix((seed / 0x1_0000_0000) ^ 0x9e3779b9)
  for (let i = 0; i < w.names.length; i++) w.seeds[i] = Random.mix(w.names[i]! ^ mixed)
  w.occasion.fill(0)
  w.hold.fill(Hold.nothing)
  w.sick.fill(0)
  w.restores.fill(0)
}

const conduct = (w: World): void => {
  const { odds } = w
  const all = w.hold.length
  let calmMs = 60_000
  if (w.odds.stop > 0 && happens(w, all, odds.stop)) {
    if (happens(w, all, 0.05)) tell(w, { _tag: "Stop", atMs: 0, because: "told to stop before it began" })
    else Agenda.set(w.agenda, 3 * all + 1, someMs(w, all, happens(w, all, 0.5) ? 100 : 5_000))
  }
  if (odds.restore > 0 && happens(w, all, odds.restore)) Agenda.set(w.agenda, 3 * all + 2, someMs(w, all, 10_000))
  if (odds.invalid > 0 && happens(w, all, odds.invalid)) beInvalid(w)
  else tell(w, { _tag: "Begin", atMs: w.atMs })
  while (w.violation === undefined && w.state.stage !== "ended") {
    if (w.steps > 100 * all + 1_000) w.calm = true
    if (w.steps > 200 * all + 5_000) return breaks(w, 18, -1, "The boot never comes to rest.")
    const slot = Agenda.first(w.agenda)
    const dueMs = Agenda.dueMs(w.agenda, slot)
    const wakeMs = Progress.nextWakeMs(w.state) ?? Agenda.never
    if (wakeMs === Agenda.never && dueMs === Agenda.never) {
      if (w.state.stage !== "ready") return breaks(w, 18, -1, `It is ${w.state.stage}, and waits for nothing.`)
      atRest(w)
      if (!happens(w, all, odds.stopAtRest)) break
      tell(w, { _tag: "Stop", atMs: w.atMs, because: "at rest" })
    } else if (wakeMs < dueMs || (wakeMs === dueMs && (draw(w, all) & 1) === 1)) {
      w.atMs = wakeMs | 0
      tell(w, { _tag: "Tick", atMs: w.atMs })
    } else {
      w.atMs = dueMs
      happen(w, slot)
    }
    if (w.atMs > calmMs) w.calm = true
  }
  w.violation ??= Invariants.checkLiveness(w.checker, w)
  if (w.state.stage === "ended") {
    w.violation ??= Invariants.finish(w.checker)
    const held = w.hold.findIndex((hold) => hold !== Hold.nothing)
    if (held >= 0) breaks(w, 6, held, "The boot has ended, and it is still there.")
  }
}

const outcomeOf = ({ state }: World): Run["outcome"] => {
  if (state.takedown !== undefined) return state.takedown.why === "deadline" ? "failed" : state.takedown.why
  return state.status.every((status, i) => status === Progress.Status.Ready || state.plan.excluded[i]) ? "ready" : "degraded"
}

/** Tells the machine a fact, has its events judged, and takes its commands. */
const tell = (w: World, input: Progress.Input): void => {
  const { commands, events } = w.out
  w.steps++
  Progress.advance(w.state, input, w.out)
  for (let at = 0; at < events.length; at++) {
    const event = events[at]!
    if (w.log !== undefined) w.log.push(event)
    const violation = Invariants.check(w.checker, event)
    if (violation !== undefined) w.violation ??= violation
  }
  for (let at = 0; at < commands.length; at++) execute(w, commands[at]!)
  // A list whose length is set to 0 gives up its memory; one that is emptied item by item keeps it.
  while (events.length > 0) events.pop()
  while (commands.length > 0) commands.pop()
}

/** What the agenda says. */
const happen = (w: World, slot: number): void => {
  const n = w.hold.length
  Agenda.empty(w.agenda, slot)
  if (slot < n) return goOn(w, slot)
  if (slot < 2 * n) return swapped(w, slot - n)
  if (slot < 3 * n) return turn(w, slot - 2 * n)
  switch (slot - 3 * n) {
    case 0:
      return tell(w, { _tag: "Persisted", atMs: w.atMs })
    case 1:
      return tell(w, { _tag: "Stop", atMs: w.atMs, because: "told to stop" })
    default:
      if (happens(w, n, 0.8)) Agenda.set(w.agenda, slot, w.atMs + someMs(w, n, 5_000))
      return tell(w, { _tag: "Restore", atMs: w.atMs, component: (draw(w, n) >>> 1) % n })
  }
}

const beInvalid = (w: World): void => {
  const failures = new Map<number, BootEvent.Failure>()
  for (let i = 0; i < w.hold.length; i++) {
    if (i === 0 || happens(w, i, 0.2)) failures.set(i, { ...errors.error, severity: "critical" })
  }
  tell(w, { _tag: "Invalid", atMs: w.atMs, failures })
}

// ------------------------------------------------------------------------------------------------------- the commands

const execute = (w: World, command: Progress.Command): void => {
  switch (command._tag) {
    case "Start":
      return start(w, command.component, command.variant, command.attempt)
    case "Interrupt":
      return interrupt(w, command.component, command.late)
    case "Release":
      return release(w, command.component)
    case "Abandon":
      return abandon(w, command.component)
    case "Persist":
      return Agenda.set(w.agenda, 3 * w.hold.length, w.atMs + (draw(w, w.hold.length) & 3))
    case "Swap":
      return swap(w, command.component, command.variant)
    case "End": {
      const held = w.hold.findIndex((hold) => hold !== Hold.nothing)
      if (held >= 0) breaks(w, 6, held, "The boot ends, and it is still there.")
    }
  }
}

const start = (w: World, i: number, variant: number, attempt: number): void => {
  if (w.hold[i] !== Hold.nothing) return breaks(w, 2, i, "It is to start, and it is there already.")
  if (++w.attempts > w.limits.slots) breaks(w, 4, i, `It is attempt ${w.attempts} at the same time.`)
  w.hold[i] = Hold.attempt
  w.variant[i] = variant
  w.attempt[i] = attempt
  w.late[i] = undefined
  const fate = fateOf(w, i)
  w.fate[i] = fate
  let next: number = Next.acquire
  let tookMs = someMs(w, i, 2 * w.plan.cost[i]!)
  if (fate !== Fate.fine) {
    const isEarly = (draw(w, i) & 1) === 1
    if (fate === Fate.slow) {
      const { timeoutMs } = w.plan.components[i]!.variants[variant]!
      tookMs = (timeoutMs >> 1) + someMs(w, i, timeoutMs)
    } else if (fate === Fate.hang && isEarly) return
    else if (fate === Fate.error || (fate !== Fate.unhealthy && isEarly)) next = Next.fail
  }
  schedule(w, i, next, w.atMs + tookMs)
}

const interrupt = (w: World, i: number, late: Progress.Late | undefined): void => {
  if (w.hold[i] !== Hold.attempt) return breaks(w, 6, i, "It is to be interrupted, and it has no attempt.")
  w.attempts--
  w.hold[i] = Hold.closing
  w.late[i] = late
  w.restores[i] = 0
  // Its answer may be on the way already.
  if (Agenda.dueMs(w.agenda, i) === w.atMs && (draw(w, i) & 1) === 1) return
  if (occurs(w, i, w.odds.deaf)) Agenda.empty(w.agenda, i)
  else schedule(w, i, Next.quit, w.atMs + (draw(w, i) & 1))
}

const release = (w: World, i: number): void => {
  if (w.hold[i] !== Hold.up) return breaks(w, 6, i, "It is to be released, and it is not up.")
  for (const holder of w.plan.dependents[i]!) {
    if (w.hold[holder] !== Hold.nothing) return breaks(w, 6, i, "It is to be released, and others hold it.")
  }
  forget(w, i)
  close(w, i)
}

const abandon = (w: World, i: number): void => {
  if (w.hold[i] === Hold.nothing) return breaks(w, 6, i, "It is to be abandoned, and it is not there.")
  if (w.hold[i] === Hold.attempt) w.attempts--
  w.hold[i] = Hold.nothing
  // It may still be alive: nobody but an operator builds it again.
  w.restores[i] = 0
  Agenda.empty(w.agenda, i)
  forget(w, i)
}

const swap = (w: World, i: number, variant: number): void => {
  if (w.hold[i] !== Hold.up) return breaks(w, 2, i, "It is to be swapped, and it is not up.")
  const slot = w.hold.length + i
  if (Agenda.dueMs(w.agenda, slot) !== Agenda.never) return breaks(w, 2, i, "It is to be swapped twice.")
  w.swapTo[i] = variant
  const { timeoutMs } = w.plan.components[i]!.variants[variant]!
  Agenda.set(w.agenda, slot, w.atMs + (occurs(w, i, w.odds.slow) ? timeoutMs : draw(w, i) & 15))
}

/** Nothing more comes of a swap or of its health. */
const forget = (w: World, i: number): void => {
  Agenda.empty(w.agenda, w.hold.length + i)
  Agenda.empty(w.agenda, 2 * w.hold.length + i)
}

// -------------------------------------------------------------------------------------------------------- the answers

/** The next thing a component does. */
const goOn = (w: World, i: number): void => {
  const { atMs } = w
  switch (w.next[i]) {
    case Next.acquire: {
      const fate = w.fate[i]
      const isFine = fate === Fate.fine || fate === Fate.slow
      if (w.hold[i] === Hold.closing) schedule(w, i, Next.quit, atMs)
      else if (fate !== Fate.hang) schedule(w, i, isFine ? Next.answer : Next.fail, atMs)
      return tell(w, { _tag: "Acquired", atMs, component: i })
    }
    case Next.answer:
      if (w.hold[i] === Hold.closing) schedule(w, i, Next.quit, atMs)
      else comeUp(w, i)
      return tell(w, { _tag: "Healthy", atMs, component: i })
    case Next.fail:
      if (w.hold[i] === Hold.attempt) w.attempts--
      close(w, i)
      return fail(w, i, failureOf(w, i), w.fate[i] === Fate.defect || w.fate[i] === Fate.interruption)
    case Next.quit: {
      const late = w.late[i]
      close(w, i)
      if (late === undefined) return
      return fail(w, i, late.scope === "attempt" || late.scope === "component" ? timedOut(w, i) : late.failure, false)
    }
    case Next.close: {
      w.hold[i] = Hold.nothing
      return tell(w, { _tag: "Closed", atMs, component: i, closing: occurs(w, i, w.odds.closeFails) ? "failed" : "clean" })
    }
  }
}

const comeUp = (w: World, i: number): void => {
  w.attempts--
  w.hold[i] = Hold.up
  w.sick[i] = 0
  if (occurs(w, i, w.odds.flap)) Agenda.set(w.agenda, 2 * w.hold.length + i, w.atMs + someMs(w, i, 2_000))
}

const fail = (w: World, i: number, failure: BootEvent.Failure, isDefect: boolean): void => {
  const policy = w.plan.components[i]!.variants[w.variant[i]!]!
  const isLast = isDefect || w.attempt[i]! >= policy.attempts || occurs(w, i, 0.05)
  const restoreInMs = isDefect ? null : restoration(w, i)
  w.restores[i] = restoreInMs === null ? 0 : 1
  tell(w, {
    _tag: "Failed",
    atMs: w.atMs,
    component: i,
    failure,
    retryInMs: isLast ? null : someMs(w, i, policy.retryMs / (policy.attempts - 1) + 1),
    restoreInMs
  })
}

/** It is being closed; when it is, the machine will hear of it. */
const close = (w: World, i: number): void => {
  w.hold[i] = Hold.closing
  const { closeHangs } = w.odds
  const isQuick = (draw(w, i) & 3) > 0
  const { stopMs } = w.plan.components[i]!
  if (occurs(w, i, closeHangs)) Agenda.empty(w.agenda, i)
  else schedule(w, i, Next.close, w.atMs + (isQuick ? 0 : someMs(w, i, stopMs)))
}

const swapped = (w: World, i: number): void => {
  const { atMs } = w
  const variant = w.swapTo[i]!
  if (occurs(w, i, w.odds.swapFails)) {
    const retryInMs = restoration(w, i)
    w.restores[i] = retryInMs === null ? 0 : 1
    return tell(w, { _tag: "SwapFailed", atMs, component: i, variant, failure: errors.error, retryInMs })
  }
  const restoreInMs = variant === 0 ? null : restoration(w, i)
  w.restores[i] = restoreInMs === null ? 0 : 1
  const closing = occurs(w, i, w.odds.closeHangs) ? "abandoned" : occurs(w, i, w.odds.closeFails) ? "failed" : "clean"
  tell(w, { _tag: "Swapped", atMs, component: i, variant, closing, restoreInMs })
}

/** Its health turns. */
const turn = (w: World, i: number): void => {
  w.sick[i] = 1 - w.sick[i]!
  const healthy = w.sick[i] === 0
  if (!healthy || occurs(w, i, w.odds.flap)) {
    Agenda.set(w.agenda, 2 * w.hold.length + i, w.atMs + someMs(w, i, 1_000))
  }
  tell(w, { _tag: "HealthChanged", atMs: w.atMs, component: i, healthy, message: healthy ? "well" : "unwell" })
}

const restoration = (w: World, i: number): number | null =>
  occurs(w, i, w.odds.unrestored) ? null : 1 + someMs(w, i, 2_000)

// ---------------------------------------------------------------------------------------------------------- failures

const error = (kind: BootEvent.Failure["kind"], tag: string): BootEvent.Failure => ({
  kind,
  tag,
  message: `simulated: ${tag}`,
  severity: "critical"
})
const errors = {
  error: error("error", "Refused"),
  unhealthy: error("unhealthy", "Unhealthy"),
  timeout: error("timeout", "TimedOut"),
  defect: error("defect", "Defect"),
  interrupted: error("interrupted", "Defect")
}

const fateOf = (w: World, i: number): number => {
  if (w.calm || w.spared[i]) return Fate.fine
  const u = (draw(w, i) >>> 0) * 2 ** -32
  const { thresholds } = w
  if (u >= thresholds[Fate.slow]!) return Fate.fine
  let fate = 0
  while (u >= thresholds[fate]!) fate++
  return fate
}

const failureOf = (w: World, i: number): BootEvent.Failure => {
  switch (w.fate[i]) {
    case Fate.defect:
      return errors.defect
    case Fate.interruption:
      return errors.interrupted
    case Fate.unhealthy:
      return { ...errors.unhealthy, severity: severityOf(w, i) }
    default:
      return { ...errors.error, severity: severityOf(w, i) }
  }
}

const timedOut = (w: World, i: number): BootEvent.Failure => ({ ...errors.timeout, severity: severityOf(w, i) })

/** Mostly that by which the component is known. A table may have graver ones, as far as there are fallbacks for them. */
const severityOf = (w: World, i: number): BootEvent.Failure["severity"] => {
  const { severity, variants } = w.plan.components[i]!
  const u = draw(w, i) & 15
  if (severity === "critical" || u === 0) return "critical"
  if (severity === "degraded") return "degraded"
  return u < 5 && w.variant[i]! + 1 < variants.length ? "degraded" : "warning"
}

// ------------------------------------------------------------------------------------------------------------ verdicts

/** Nothing happens any more, and the faults have stopped or run out: what can be up is up. */
const atRest = (w: World): void => {
  const { plan, state } = w
  for (let i = 0; i < w.hold.length; i++) {
    if (plan.excluded[i] || state.status[i] === Progress.Status.Ready) continue
    const isRestorable =
      state.status[i] === Progress.Status.Skipped
        ? plan.hard[i]!.every((need) => Progress.isUp(state, need))
        : w.restores[i] === 1
    if (isRestorable) breaks(w, 18, i, `It rests as ${Progress.statusNames[state.status[i]!]}, and could be ready.`)
  }
}

const breaks = (w: World, invariant: keyof typeof Invariants.titles, i: number, message: string): void => {
  if (w.violation !== undefined) return
  const verdict = { invariant, title: Invariants.titles[invariant], atMs: w.atMs }
  const component = w.plan.components[i]?.name
  w.violation = component === undefined ? { ...verdict, message } : { ...verdict, component, message: `${component}: ${message}` }
}

// ---------------------------------------------------------------------------------------------------------- chance

const schedule = (w: World, i: number, next: number, atMs: number): void => {
  w.next[i] = next
  Agenda.set(w.agenda, i, atMs, draw(w, i))
}

/** 32 bits that depend on the seed, the component and how often it was asked for. */
const draw = (w: World, i: number): number => Random.mix(w.seeds[i]! + Math.imul(++w.occasion[i]!, 0x9e3779b9))

const happens = (w: World, i: number, p: number): boolean => (draw(w, i) >>> 0) * 2 ** -32 < p

/** The same for a fault: none is left when the faults have stopped, and none comes to whom is spared. */
const occurs = (w: World, i: number, p: number): boolean => p > 0 && !w.calm && !w.spared[i] && happens(w, i, p)

/** Whole milliseconds from 0 to below `most`. */
const someMs = (w: World, i: number, most: number): number => ((draw(w, i) >>> 0) * 2 ** -32 * most) | 0
