/**
 * Every situation that a boot of a small plan can get into, by every order of every outcome: a depth-first walk over
 * `Progress` that visits each once and proves the promises of the kernel in all of them.
 *
 * **Details**
 *
 * Time is abstracted away: any timer may fire at any moment, whoever else is due; the clock then jumps to its moment,
 * and those that were due before are late. That includes more than real time allows, and nothing less. The auditor
 * excuses lateness here, and never earliness.
 *
 * Held of every step and situation is what `Invariants` and `Audit` say, and that something else than a stop can
 * happen, unless the boot is at rest or over. Held of the whole: no situation before ready, and none in a rollback, is
 * met twice on one way, so every way ends. Together: every boot comes to rest by itself, and every stop comes to its
 * end.
 */
import { type BootEvent, Invariants, type Plan, Progress } from "@novacron/boot/model"
import * as Audit from "./Audit.ts"
import * as Seen from "./Seen.ts"
import * as Situation from "./Situation.ts"

/**
 * What plans and limits are to say, in milliseconds. All attempts, delays and closings together are shorter than a
 * phase, all phases shorter than the boot: so the clock tells which of these deadlines have passed, and nothing
 * beside.
 */
export const shortMs = 1
export const phaseMs = 1e3
export const bootMs = 1e6
export const rollbackMs = 1e3

/** What is tried besides starts, failures, deadlines and stops. */
export interface Scope {
  /** Finalizers that fail, and answers that cross a command: few new situations, for a third more of the steps. */
  readonly detours: boolean
  /** Restorations, swaps and failing health, each of them for ever. */
  readonly running: boolean
  /** Exchanges, restarts and stops by hand, as often as somebody likes. */
  readonly byHand?: true
}

/** How much was proved. */
export interface Tally {
  states: number
  transitions: number
  /** Situations in which the boot is at rest, or over. */
  ends: number
  /** Steps of the longest way. */
  depth: number
}

/** A way to a broken promise. */
export class Counterexample extends Error {
  override readonly name = "Counterexample"
}

/** Walks everywhere, adds to the tally, and throws a {@link Counterexample} when something does not hold. */
export const explore = (plan: Plan.Plan, limits: Progress.Limits, scope: Scope, tally: Tally): void => {
  const walk: Walk = {
    plan,
    limits,
    scope,
    levels: [],
    seen: Seen.make(Situation.widthOf(plan)),
    key: new Int32Array(Situation.widthOf(plan)),
    out: { events: [], commands: [] },
    ends: 0
  }
  let depth = 0
  try {
    visit(walk, levelAt(walk, 0))
    while (depth >= 0) {
      const level = levelAt(walk, depth)
      const action = level.actions[level.next++]
      if (action === undefined) {
        walk.seen.onTheWay[level.id] = 0
        depth--
        continue
      }
      const below = levelAt(walk, ++depth)
      below.action = action
      Situation.become(below.situation, level.situation)
      act(walk, below, action)
      tally.transitions++
      tally.depth = Math.max(tally.depth, depth)
      if (!visit(walk, below)) depth--
    }
  } catch (error) {
    if (!(error instanceof Audit.Objection)) throw error
    throw new Counterexample(`${error.message}\n${story(walk, depth)}`, { cause: error })
  }
  tally.states += walk.seen.count
  tally.ends += walk.ends
}

// ---------------------------------------------------------------------------------------------------------- the walk

/** One step of the way from the begin to where the walk is. */
interface Level {
  readonly situation: Situation.Situation
  readonly actions: Array<number>
  next: number
  /** What led here. */
  action: number
  id: number
}

interface Walk {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  readonly scope: Scope
  readonly levels: Array<Level>
  readonly seen: Seen.Seen
  readonly key: Int32Array
  readonly out: Progress.Output
  ends: number
}

const levelAt = (walk: Walk, depth: number): Level => {
  const known = walk.levels[depth]
  if (known !== undefined) return known
  const situation = Situation.make(walk.plan, walk.limits, walk.levels[depth - 1]?.situation)
  const level: Level = { situation, actions: [], next: 0, action: -1, id: -1 }
  walk.levels.push(level)
  return level
}

/** Comes to a situation; answers whether it is a new one, with actions to try. */
const visit = (walk: Walk, level: Level): boolean => {
  const { seen, scope } = walk
  const { actions, situation } = level
  const { checker, state } = situation
  Situation.sortOut(state)
  Audit.checkAgreement(situation, scope.running)
  Situation.write(walk.key, situation)
  const known = Seen.find(seen, walk.key)
  if (known >= 0) {
    // While it runs, a node may be restored and fall ill for ever.
    const mayRecur = scope.running && state.stage === "ready"
    if (seen.onTheWay[known] === 1 && !mayRecur) Audit.object("The boot goes round in circles.")
    return false
  }
  level.id = Seen.add(seen, walk.key)
  seen.onTheWay[level.id] = 1
  level.next = 0
  actions.length = 0
  Audit.checkBooks(situation)
  if (state.stage === "ended") {
    const violation = Invariants.finish(checker)
    if (violation !== undefined) Audit.object(violation.message)
    walk.ends++
    return true
  }
  actionsOf(situation, scope, actions)
  if (actions.length === 0) {
    if (state.stage !== "ready") Audit.object(`The boot is ${state.stage}, and waits for nothing.`)
    walk.ends++
  }
  // Added last: a stop must not be what saves a boot that waits for nothing.
  if (Audit.mayStop(state)) actions.push(encode(Act.stop, 0))
  return true
}

// ---------------------------------------------------------------------------------------------------- what may happen

const Act = {
  begin: 0,
  invalid: 1,
  stop: 2,
  persisted: 3,
  healthy: 4,
  failAgain: 5,
  failLast: 6,
  defect: 7,
  clean: 8,
  unclean: 9,
  timer: 10,
  sick: 11,
  swapped: 12,
  swapFailed: 13,
  restore: 14,
  degrade: 15,
  exchange: 16,
  restart: 17,
  takeOut: 18
} as const
const acts = Object.keys(Act)

/** An action as a number; `i` is the component, counted from 1 for a timer, which may be nobody's. */
const encode = (act: number, i: number, kind = 0): number => act | (i << 5) | (kind << 9)

const actionsOf = ({ checker: c, state: s }: Situation.Situation, scope: Scope, actions: Array<number>): void => {
  const { Status } = Progress
  if (s.stage === "idle") {
    actions.push(encode(Act.begin, 0), encode(Act.invalid, 0))
    return
  }
  if (s.stage === "persisting") actions.push(encode(Act.persisted, 0))
  for (let i = 0; i < s.status.length; i++) {
    const status = s.status[i]!
    const isClosing = status === Status.Closing
    if (status === Status.Running) actions.push(encode(Act.healthy, i))
    // An interrupted attempt may say why it ends, once.
    if (status === Status.Running || (isClosing && c.severity[i] === 0 && (scope.detours || s.failedNow[i] === 1))) {
      const { severity, variants } = s.plan.components[i]!
      actions.push(encode(Act.failAgain, i))
      if (s.attempt[i]! < variants[s.variant[i]!]!.attempts) actions.push(encode(Act.failLast, i))
      if (severity !== "critical") actions.push(encode(Act.defect, i))
      if (severity === "warning" && s.variant[i]! + 1 < variants.length) actions.push(encode(Act.degrade, i))
    }
    if (isClosing || status === Status.Stopping) {
      actions.push(encode(Act.clean, i))
      if (scope.detours) actions.push(encode(Act.unclean, i))
    }
    if (scope.running) whileRunning(s, i, actions)
    if (scope.byHand && s.stage === "ready" && Progress.isUp(s, i)) {
      actions.push(encode(Act.exchange, i), encode(Act.restart, i), encode(Act.takeOut, i))
    }
  }
  for (const { kind, subject } of s.timers.heap) actions.push(encode(Act.timer, subject + 1, kind))
}

const whileRunning = (s: Progress.State, i: number, actions: Array<number>): void => {
  const { Status } = Progress
  const status = s.status[i]!
  if (s.swapping[i] === 1) actions.push(encode(Act.swapped, i), encode(Act.swapFailed, i))
  if (s.stage !== "ready") return
  if (status === Status.Ready && s.plan.components[i]!.variants.length > 1) actions.push(encode(Act.sick, i))
  const { Absent, Degraded, Skipped, Stopped } = Status
  const isRestorable = status === Degraded || status === Absent || status === Skipped || status === Stopped
  if (isRestorable) actions.push(encode(Act.restore, i))
}

const act = (walk: Walk, level: Level, action: number): void => {
  const { checker, state } = level.situation
  const { atMs } = state
  const i = (action >> 5) & 15
  const kind = action & 31
  switch (kind) {
    case Act.begin:
      return tell(walk, level, { _tag: "Begin", atMs })
    case Act.invalid:
      return tell(walk, level, { _tag: "Invalid", atMs, failures: new Map([[0, failures.critical]]) })
    case Act.stop:
      return tell(walk, level, { _tag: "Stop", atMs, because: "told to" })
    case Act.persisted:
      return tell(walk, level, { _tag: "Persisted", atMs })
    case Act.healthy:
      tell(walk, level, { _tag: "Acquired", atMs, component: i })
      return tell(walk, level, { _tag: "Healthy", atMs, component: i })
    case Act.failAgain:
      return fails(walk, level, i, walk.plan.components[i]!.severity, shortMs)
    case Act.failLast:
      return fails(walk, level, i, walk.plan.components[i]!.severity, null)
    case Act.defect:
      return fails(walk, level, i, "critical", null)
    case Act.degrade:
      return fails(walk, level, i, "degraded", shortMs)
    case Act.clean:
      return tell(walk, level, { _tag: "Closed", atMs, component: i, closing: "clean" })
    case Act.unclean:
      return tell(walk, level, { _tag: "Closed", atMs, component: i, closing: "failed" })
    case Act.timer:
      return fire(walk, level, action >> 9, i - 1)
    case Act.sick:
      return tell(walk, level, { _tag: "HealthChanged", atMs, component: i, healthy: false, message: "unwell" })
    case Act.restore:
      return tell(walk, level, { _tag: "Restore", atMs, component: i })
    case Act.exchange:
      return tell(walk, level, { _tag: "ByHand", atMs, component: i, how: "exchange" })
    case Act.restart:
      return tell(walk, level, { _tag: "ByHand", atMs, component: i, how: "restart" })
    case Act.takeOut:
      return tell(walk, level, { _tag: "ByHand", atMs, component: i, how: "stop" })
    default: {
      const swap = { atMs, component: i, variant: checker.swap[i]! }
      const restoreInMs = swap.variant === 0 ? null : shortMs
      if (kind === Act.swapped) return tell(walk, level, { ...swap, _tag: "Swapped", closing: "clean", restoreInMs })
      return tell(walk, level, { ...swap, _tag: "SwapFailed", failure: failures.degraded, retryInMs: shortMs })
    }
  }
}

const fails = (
  walk: Walk,
  level: Level,
  component: number,
  severity: BootEvent.Failure["severity"],
  retryInMs: number | null
): void => {
  const { atMs } = level.situation.state
  const restoreInMs = walk.scope.running ? shortMs : null
  tell(walk, level, { _tag: "Failed", atMs, component, failure: failures[severity], retryInMs, restoreInMs })
}

const failure = (severity: BootEvent.Failure["severity"]): BootEvent.Failure => ({
  kind: "error",
  tag: "Refused",
  message: "refused",
  severity
})
const failures = { critical: failure("critical"), degraded: failure("degraded"), warning: failure("warning") }

/** Lets one timer fire; the others wait, and are late if their moment has passed. */
const fire = (walk: Walk, level: Level, kind: number, subject: number): void => {
  const { state } = level.situation
  const { heap } = state.timers
  const timers = heap.slice()
  const isMeant = (timer: (typeof timers)[number]) => timer.kind === kind && timer.subject === subject
  heap.length = 0
  heap.push(...timers.filter(isMeant))
  tell(walk, level, { _tag: "Tick", atMs: Math.max(state.atMs, heap[0]!.atMs) })
  heap.push(...timers.filter((timer) => !isMeant(timer)))
}

const tell = (walk: Walk, { situation }: Level, input: Progress.Input): void => {
  const { commands, events } = walk.out
  const { stage } = situation.state
  try {
    Progress.advance(situation.state, input, walk.out)
  } catch (defect) {
    Audit.object(`Progress throws: ${String(defect)}`)
  }
  Audit.checkStep(situation, stage, input, walk.out)
  while (events.length > 0) events.pop()
  while (commands.length > 0) commands.pop()
}

// ------------------------------------------------------------------------------------------------------ what is found

/** The plan, and what happened, step by step. */
const story = ({ levels, limits, plan }: Walk, depth: number): string => {
  const graph = plan.components.map(({ name, severity, variants }, i) => {
    const needs = plan.needs[i]!.map((need) => plan.components[need]!.name).join()
    return `${name}: ${severity}, ${variants.length} variants, needs ${needs || "nothing"}`
  })
  const steps = levels.slice(1, depth + 1).map(({ action }) => {
    const i = (action >> 4) & 15
    const isTimer = (action & 15) === Act.timer
    const name = plan.components[isTimer ? i - 1 : i]?.name ?? "all"
    return `${acts[action & 15]} ${isTimer ? `of kind ${action >> 8} for ` : ""}${name}`
  })
  return [...graph, `${limits.slots} slots, ${limits.scheduling}`, ...steps].join("\n")
}
