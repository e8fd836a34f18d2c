/**
 * Every state that a boot of a small plan can reach, by every order of every outcome: a depth-first walk over `Progress`
 * that visits each state once and proves the promises of the kernel in all of them.
 *
 * **Details**
 *
 * Time is abstracted away: any timer may fire at any moment, whoever else is due; the clock then jumps to its moment, and
 * those that were due before are late. That includes more than real time allows, and nothing less. The auditor excuses
 * lateness here, and never earliness.
 *
 * Proved of every state: the auditor (`Invariants`) has no objection to what led there; commands and events say the
 * same; what is counted equals what there is (`checkBooks`); unless the boot is at rest or ended, something else than a
 * stop can happen. Proved of the whole: no state before ready, and none in a rollback, is ever seen twice on one way, so
 * that every way ends. Together: from every state a boot comes to rest, and every stop comes to an end.
 *
 * A state is what future decisions depend on, and nothing else. Left out are `unclean` (only the last event tells it;
 * that machine and auditor agree on it is checked on every step), the texts of failures and reasons, stamps and
 * times. The auditor's notes are part of the state.
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import { type BootEvent, Invariants, type Plan, Progress } from "@novacron/boot/model"
import { Random, Snapshot } from "@novacron/simulation"

/**
 * What plans and limits are to say, in milliseconds. All attempts, delays and closings together are shorter than a phase,
 * all phases shorter than the boot: so the clock tells which of these deadlines have passed, and nothing that a state
 * would not tell.
 */
export const shortMs = 1
export const phaseMs = 1e3
export const bootMs = 1e6
export const rollbackMs = 1e3

/** What is tried besides starts, failures, deadlines and stops. */
export interface Scope {
  /** Finalizers that fail, and answers that cross a command: they lead to few new states, and cost a third of the steps. */
  readonly detours: boolean
  /** Restorations, swaps and failing health, each of them for ever. */
  readonly running: boolean
}

/** How much was proved. */
export interface Tally {
  states: number
  transitions: number
  /** States in which the boot is at rest, or over. */
  ends: number
  /** Steps of the longest way. */
  depth: number
}

/** A way to a broken promise. */
export class Counterexample extends Error {
  override readonly name = "Counterexample"
}

/** Walks all states, adds them to the tally, and throws a {@link Counterexample} when a promise is broken in one. */
export const explore = (plan: Plan.Plan, limits: Progress.Limits, scope: Scope, tally: Tally): void => {
  const walk = begin(plan, limits, scope)
  visit(walk, 0)
  for (let depth = 0; depth >= 0;) {
    const level = walk.levels[depth]!
    const action = level.actions[level.next++]
    if (action === undefined) {
      leave(walk, depth--)
      continue
    }
    const below = levelAt(walk, depth + 1)
    become(below, level)
    below.action = action
    act(walk, below, action)
    tally.transitions++
    if (visit(walk, depth + 1)) {
      depth++
      tally.depth = Math.max(tally.depth, depth)
    }
  }
  tally.states += walk.seen.count
  tally.ends += walk.ends
}

// ---------------------------------------------------------------------------------------------------------- the walk

/** One state on the way from the begin to where the walk is. */
interface Level {
  readonly state: Progress.State
  readonly checker: Invariants.Checker
  readonly stateLike: Snapshot.Snapshot | undefined
  readonly checkerLike: Snapshot.Snapshot | undefined
  readonly depth: number
  readonly actions: Array<number>
  next: number
  action: number
  id: number
}

interface Walk {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  readonly scope: Scope
  readonly levels: Array<Level>
  readonly seen: Seen
  readonly key: Int32Array
  readonly out: Progress.Output
  ends: number
}

const begin = (plan: Plan.Plan, limits: Progress.Limits, scope: Scope): Walk => {
  const key = new Int32Array(plan.components.length + 1)
  const walk: Walk = {
    plan,
    limits,
    scope,
    levels: [],
    seen: makeSeen(key.length),
    key,
    out: { events: [], commands: [] },
    ends: 0
  }
  levelAt(walk, 0)
  return walk
}

const levelAt = (walk: Walk, depth: number): Level => {
  const known = walk.levels[depth]
  if (known !== undefined) return known
  const state = Progress.make(walk.plan, walk.limits)
  const checker = Invariants.make(walk.plan, walk.limits, { toleranceMs: Infinity })
  const above = walk.levels[depth - 1]
  checkScalars(state, stateScalars)
  checkScalars(checker, checkerScalars)
  const level: Level = {
    state,
    checker,
    stateLike: above && Snapshot.link(state, above.state, [...constants, ...stateScalars]),
    checkerLike: above && Snapshot.link(checker, above.checker, [...constants, ...checkerScalars]),
    depth,
    actions: [],
    next: 0,
    action: -1,
    id: -1
  }
  walk.levels.push(level)
  return level
}

const constants = ["plan", "limits", "position", "byPosition"]
const stateScalars = [
  "stage",
  "atMs",
  "running",
  "unclean",
  "takedown",
  "late",
  "criticalLeft",
  "unsettled",
  "phaseNow",
  "up",
  "freshMs",
  "seq"
]
const checkerScalars = [
  "toleranceMs",
  "atMs",
  "events",
  "running",
  "undecided",
  "clean",
  "why",
  "ended",
  "marks",
  "markMs",
  "beganMs",
  "completeMs",
  "readyMs",
  "failedMs",
  "rollbackMs",
  "criticalLeft"
]

/** Makes a level what the one above it is. What are not lists is copied by name: by key it would take half of the time. */
const become = (below: Level, { checker, state }: Level): void => {
  Snapshot.restore(below.stateLike!)
  Snapshot.restore(below.checkerLike!)
  const { checker: c, state: s } = below
  s.stage = state.stage
  s.atMs = state.atMs
  s.running = state.running
  s.unclean = state.unclean
  s.takedown = state.takedown
  s.late = state.late
  s.criticalLeft = state.criticalLeft
  s.unsettled = state.unsettled
  s.phaseNow = state.phaseNow
  s.up = state.up
  c.atMs = checker.atMs
  c.events = checker.events
  c.running = checker.running
  c.undecided = checker.undecided
  c.clean = checker.clean
  c.why = checker.why
  c.ended = checker.ended
  c.marks = checker.marks
  c.markMs = checker.markMs
  c.beganMs = checker.beganMs
  c.completeMs = checker.completeMs
  c.readyMs = checker.readyMs
  c.failedMs = checker.failedMs
  c.rollbackMs = checker.rollbackMs
  c.criticalLeft = checker.criticalLeft
}

/** Whoever adds a field to the machine or to the auditor is told to add it here. */
const checkScalars = (record: object, known: ReadonlyArray<string>): void => {
  for (const [key, value] of Object.entries(record)) {
    const isScalar = typeof value !== "object" || value === null
    if (isScalar && !known.includes(key)) throw new Error(`ModelCheck does not know the field ${key}.`)
  }
}

/** Comes to a state; answers whether it is a new one, with actions to try. */
const visit = (walk: Walk, depth: number): boolean => {
  const level = walk.levels[depth]!
  sortOut(level.state)
  checkAgreement(walk, level)
  write(walk.key, level.state, level.checker)
  const known = find(walk.seen, walk.key)
  if (known >= 0) {
    // While it runs, a node may be restored and fall ill for ever.
    const mayRecur = walk.scope.running && level.state.stage === "ready"
    if (walk.seen.onTheWay[known] === 1 && !mayRecur) fail(walk, depth, "The boot goes round in circles.")
    return false
  }
  level.id = add(walk.seen, walk.key)
  walk.seen.onTheWay[level.id] = 1
  checkBooks(walk, level)
  level.actions.length = 0
  level.next = 0
  actionsOf(level.state, level.checker, walk.scope, level.actions)
  const { stage } = level.state
  if (stage === "ended") {
    const violation = Invariants.finish(level.checker)
    if (violation !== undefined) fail(walk, depth, violation.message)
    if (level.actions.length > 0) fail(walk, depth, "The boot has ended, and something is still to happen.")
  } else if (stage !== "ready" && level.actions.length === 0)
    fail(walk, depth, `The boot is ${stage}, and waits for nothing.`)
  if (stage === "ended" || (stage === "ready" && level.actions.length === 0)) walk.ends++
  // A stop is always possible; it must not be what saves a boot that waits for nothing.
  if (mayStop(level.state)) level.actions.push(encode(Act.stop, 0))
  return true
}

const leave = (walk: Walk, depth: number): void => {
  walk.seen.onTheWay[walk.levels[depth]!.id] = 0
}

const mayStop = ({ stage }: Progress.State): boolean => stage !== "rollback" && stage !== "ended"

// ------------------------------------------------------------------------------------------------------ what may happen

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
  restore: 14
} as const
const acts = Object.keys(Act)

const encode = (act: number, i: number, kind = 0): number => act | (i << 4) | (kind << 8)

const actionsOf = (s: Progress.State, c: Invariants.Checker, scope: Scope, actions: Array<number>): void => {
  const { Status } = Progress
  if (s.stage === "ended") return
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
    }
    if (isClosing || status === Status.Stopping) {
      actions.push(encode(Act.clean, i))
      if (scope.detours) actions.push(encode(Act.unclean, i))
    }
    if (scope.running) whileRunning(s, i, actions)
  }
  for (const { kind, subject } of s.timers.heap) actions.push(encode(Act.timer, subject + 1, kind))
}

const whileRunning = (s: Progress.State, i: number, actions: Array<number>): void => {
  const { Status } = Progress
  const status = s.status[i]!
  if (s.swapping[i] === 1) actions.push(encode(Act.swapped, i), encode(Act.swapFailed, i))
  if (s.stage !== "ready") return
  if (status === Status.Ready && s.plan.components[i]!.variants.length > 1) actions.push(encode(Act.sick, i))
  const isRestorable = status === Status.Degraded || status === Status.Absent || status === Status.Skipped
  if (isRestorable) actions.push(encode(Act.restore, i))
}

const act = (walk: Walk, level: Level, action: number): void => {
  const i = (action >> 4) & 15
  const { atMs } = level.state
  switch (action & 15) {
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
    case Act.clean:
      return tell(walk, level, { _tag: "Closed", atMs, component: i, closing: "clean" })
    case Act.unclean:
      return tell(walk, level, { _tag: "Closed", atMs, component: i, closing: "failed" })
    case Act.timer:
      return fire(walk, level, action >> 8, i - 1)
    case Act.sick:
      return tell(walk, level, { _tag: "HealthChanged", atMs, component: i, healthy: false, message: "unwell" })
    case Act.restore:
      return tell(walk, level, { _tag: "Restore", atMs, component: i })
    case Act.swapped:
    case Act.swapFailed: {
      const swap = { atMs, component: i, variant: level.checker.swap[i]! }
      const restoreInMs = swap.variant === 0 ? null : shortMs
      if ((action & 15) === Act.swapped) {
        return tell(walk, level, { ...swap, _tag: "Swapped", closing: "clean", restoreInMs })
      }
      return tell(walk, level, { ...swap, _tag: "SwapFailed", failure: failures.degraded, retryInMs: shortMs })
    }
  }
}

const fails = (
  walk: Walk,
  level: Level,
  i: number,
  severity: BootEvent.Failure["severity"],
  retryInMs: number | null
): void => {
  const { atMs } = level.state
  const restoreInMs = walk.scope.running ? shortMs : null
  tell(walk, level, { _tag: "Failed", atMs, component: i, failure: failures[severity], retryInMs, restoreInMs })
}

const failure = (severity: BootEvent.Failure["severity"]): BootEvent.Failure => ({
  kind: "error",
  tag: "Refused",
  message: "refused",
  severity
})
const failures = { critical: failure("critical"), degraded: failure("degraded"), warning: failure("warning") }

const tell = (walk: Walk, level: Level, input: Progress.Input): void => {
  const { checker, depth, state } = level
  const { commands, events } = walk.out
  const { stage } = state
  try {
    Progress.advance(state, input, walk.out)
  } catch (defect) {
    fail(walk, depth, `Progress throws: ${String(defect)}`)
  }
  let told = 0
  let shown = 0
  for (const event of events) {
    const violation = Invariants.check(checker, event)
    if (violation !== undefined) fail(walk, depth, `(${violation.invariant}) ${violation.message}`)
    shown += weightOfEvent(walk.plan, event)
  }
  let interrupts = false
  for (const command of commands) {
    told += weightOf(command._tag, "component" in command ? command.component : 0)
    interrupts ||= command._tag === "Interrupt"
  }
  if (told !== shown) {
    const saying = `${commands.map(({ _tag }) => _tag).join()} by the events ${events.map(({ _tag }) => _tag).join()}`
    fail(walk, depth, `Commands and events do not say the same: ${saying}.`)
  }
  if (state.unclean === checker.clean) fail(walk, depth, "Machine and auditor do not agree on what is clean.")
  if (stages[state.stage] < stages[stage]) fail(walk, depth, `After ${stage} comes ${state.stage}.`)
  if (interrupts && input._tag !== "Tick" && stages[state.stage] < stages.rollback) {
    fail(walk, depth, "An attempt is interrupted, and neither a deadline nor a rollback is the reason.")
  }
  while (events.length > 0) events.pop()
  while (commands.length > 0) commands.pop()
}

const stages = { idle: 0, booting: 1, persisting: 2, ready: 3, rollback: 4, ended: 5 } as const

const tags = { Start: 1, Interrupt: 2, Release: 3, Abandon: 4, Persist: 5, Swap: 6, End: 7 } as const

/** Sums of these are equal when the same things are said, whatever their order. */
const weightOf = (tag: keyof typeof tags, i: number): number => Random.mix(16 * tags[tag] + i)

/** The weight of the command that an event stands for. */
const weightOfEvent = (plan: Plan.Plan, event: BootEvent.BootEvent): number => {
  const i = "component" in event ? plan.index.get(event.component)! : 0
  switch (event._tag) {
    case "ComponentStarted":
      return weightOf("Start", i)
    case "ComponentInterrupted":
      return weightOf("Interrupt", i)
    case "ComponentStopping":
      return weightOf("Release", i)
    case "AttemptClosed":
    case "ComponentStopped":
      return event.closing === "abandoned" ? weightOf("Abandon", i) : 0
    case "CheckpointReached":
      return event.checkpoint === "init_complete" ? weightOf("Persist", 0) : 0
    case "SwapStarted":
      return weightOf("Swap", i)
    case "BootEnded":
      return weightOf("End", 0)
    default:
      return 0
  }
}

// ------------------------------------------------------------------------------------------------------------- timers

/** Leaves the timers that count, and no others, all of them in the heap. */
const sortOut = (s: Progress.State): void => {
  const { fresh, heap } = s.timers
  for (let k = 0; k < fresh.length; k += 4) {
    heap.push({ atMs: fresh[k]!, kind: fresh[k + 1]!, subject: fresh[k + 2]!, stamp: fresh[k + 3]!, seq: 0 })
  }
  while (fresh.length > 0) fresh.pop()
  s.timers.freshMs = Infinity
  let left = 0
  for (let at = 0; at < heap.length; at++) {
    const timer = heap[at]!
    const isCounting =
      timer.subject < 0 ? countsForAll(s, timer.kind, timer.stamp) : timer.stamp === s.stamp[timer.subject]
    if (isCounting) heap[left++] = timer
  }
  while (heap.length > left) heap.pop()
}

/** Timers of the whole, by the numbers that `Progress` gives them. */
const Kind = { phaseSlow: 5, phase: 6, boot: 7, rollback: 8 } as const

const countsForAll = (s: Progress.State, kind: number, stamp: number): boolean => {
  if (kind === Kind.rollback) return s.stage === "rollback"
  return s.stage === "booting" && (kind === Kind.boot || stamp === s.phaseNow)
}

/** Lets one timer fire; the others wait, and are late if their moment has passed. */
const fire = (walk: Walk, level: Level, kind: number, subject: number): void => {
  const { state } = level
  const { heap } = state.timers
  const others = heap.filter((timer) => timer.kind !== kind || timer.subject !== subject)
  const timer = heap.find((timer) => timer.kind === kind && timer.subject === subject)!
  heap.length = 0
  heap.push(timer)
  tell(walk, level, { _tag: "Tick", atMs: Math.max(state.atMs, timer.atMs) })
  heap.push(...others)
}

// ------------------------------------------------------------------------------------------------------------- states

/**
 * Writes what decides over the future. In a rollback that is little: who is up, who is being closed, and what would still
 * be said of a failed attempt. What the auditor knows beside, {@link checkAgreement} holds to follow from the rest.
 */
const write = (key: Int32Array, s: Progress.State, c: Invariants.Checker): void => {
  const n = s.status.length
  const isRollback = s.stage === "rollback" || s.stage === "ended"
  let gated = 0
  for (let i = 0; i < n; i++) {
    if (isRollback) key[i] = wordInRollback(s, c, i)
    else {
      key[i] = word(s, c, i)
      if (s.status[i] === Progress.Status.Waiting && s.gated[s.plan.phase[i]!]!.includes(i)) gated |= 1 << i
    }
  }
  let ofAll = stages[s.stage] | (s.takedown?.why === "deadline" ? 8 : 0)
  for (const { kind, subject } of s.timers.heap) {
    if (subject < 0) ofAll |= 16 << (kind - Kind.phaseSlow)
    else key[subject]! |= 1 << (22 + kind)
  }
  if (!isRollback) {
    for (let phase = 0; phase < 4; phase++) {
      if (s.gateOpen[phase]) ofAll |= 256 << phase
      if (s.phaseBegun[phase]) ofAll |= 4096 << phase
    }
    ofAll |= (s.phaseNow << 16) | (gated << 19)
  }
  key[n] = ofAll
}

const word = (s: Progress.State, c: Invariants.Checker, i: number): number => {
  const { Status } = Progress
  const status = s.status[i]!
  const isOnItsWay = status <= Status.Backoff
  const isLost = status === Status.Absent || status === Status.Skipped || status === Status.Failed
  return (
    status |
    (s.variant[i]! << 4) |
    (s.settled[i]! << 6) |
    (s.swapping[i]! << 7) |
    (s.restoreDue[i]! << 8) |
    ((Number.isNaN(s.restoreInMs[i]!) ? 0 : 1) << 9) |
    ((isOnItsWay ? s.attempt[i]! : 0) << 10) |
    ((isOnItsWay ? severities.indexOf(s.failure[i]?.severity) : 0) << 12) |
    ((isOnItsWay ? c.severity[i]! : isLost ? 3 & (c.cause[i]! + 4) : 0) << 14) |
    ((isLost ? (c.cause[i]! + 4) >> 2 : c.swap[i]! + 1) << 16) |
    ((status === Status.Closing ? attemptOf(s, i) : 0) << 18)
  )
}

const wordInRollback = (s: Progress.State, c: Invariants.Checker, i: number): number => {
  const { Status } = Progress
  if (Progress.isUp(s, i)) return 1 | (s.swapping[i]! << 4)
  if (s.status[i] === Status.Stopping) return 2
  if (s.status[i] !== Status.Closing) return 0
  const { attempts } = s.plan.components[i]!.variants[s.variant[i]!]!
  const isLast = s.attempt[i]! >= attempts
  const isCritical = s.failure[i]?.severity === "critical"
  return 3 | (isLast ? 16 : 0) | (isCritical ? 32 : 0) | (c.severity[i] === 0 ? 64 : 0) | (attemptOf(s, i) << 18)
}

/** What is known of an attempt that is being closed. */
const attemptOf = (s: Progress.State, i: number): number =>
  s.failedNow[i]! | (s.noRetry[i]! << 1) | (Number.isNaN(s.retryInMs[i]!) ? 8 : 0)

/** The auditor, who reads nothing but events, believes what the machine knows. */
const checkAgreement = (walk: Walk, level: Level): void => {
  const { checker: c, depth, state: s } = level
  for (let i = 0; i < s.status.length; i++) {
    const status = s.status[i]!
    const life = lives[status]!
    const isOnItsWay = status > Progress.Status.Waiting && status <= Progress.Status.Backoff
    // Nobody is told who is queued again, after a delay or to be restored, before it starts.
    const isRevived = s.stage !== "booting" && status === Progress.Status.Queued
    const isDelayed = status === Progress.Status.Queued && words[c.life[i]!] === "delayed"
    if (words[c.life[i]!] !== life && !isRevived && !isDelayed) {
      fail(
        walk,
        depth,
        `${i} is ${Progress.statusNames[status]}, and the auditor believes that it is ${words[c.life[i]!]}.`
      )
    }
    const isVariantTold = isOnItsWay || Progress.isUp(s, i)
    if (isVariantTold && !isRevived && c.variant[i] !== s.variant[i]) fail(walk, depth, `${i}: not the same variant.`)
    if (isOnItsWay && !isRevived && c.attempt[i] !== s.attempt[i]) fail(walk, depth, `${i}: not the same attempt.`)
    if (mayStop(s) && c.settled[i] !== s.settled[i]) fail(walk, depth, `${i} has settled for one of two.`)
    if (!walk.scope.running && !isExplained(c, i)) fail(walk, depth, `${i} is gone without a root cause.`)
  }
  if ((s.takedown?.why ?? "") !== c.why) fail(walk, depth, `Taken down: ${s.takedown?.why}, and told: ${c.why}.`)
  const marks = s.stage === "idle" ? 0 : s.phaseNow + 1
  if (mayStop(s) && c.marks !== marks) fail(walk, depth, `${c.marks} checkpoints are told, and ${marks} reached.`)
  if (c.undecided > 0) fail(walk, depth, "An attempt is closed, and nothing follows from that.")
}

/** What the auditor calls each status. */
const lives = [
  "idle", // waiting
  "idle", // queued
  "starting",
  "closing",
  "delayed",
  "up",
  "up",
  "absent",
  "skipped",
  "failed",
  "stopping",
  "stopped"
]
const words = [
  "idle",
  "starting",
  "closing",
  "closed",
  "delayed",
  "up",
  "stopping",
  "stopped",
  "absent",
  "skipped",
  "failed"
]

const isExplained = (c: Invariants.Checker, i: number): boolean => {
  const isGone = (j: number) =>
    lives.indexOf(words[c.life[j]!]!) >= 7 && words[c.life[j]!] !== "stopping" && words[c.life[j]!] !== "stopped"
  if (!isGone(i)) return true
  let at = i
  for (let steps = 0; steps <= c.cause.length; steps++) {
    if (!isGone(at)) return false
    if (c.cause[at]! < 0) return c.cause[at]! < -1
    at = c.cause[at]!
  }
  return false
}

const severities: ReadonlyArray<BootEvent.Failure["severity"] | undefined> = [
  undefined,
  "warning",
  "degraded",
  "critical"
]

/** What the machine counts is what there is. */
const checkBooks = (walk: Walk, level: Level): void => {
  const { Status } = Progress
  const { depth, state: s } = level
  const n = s.status.length
  let running = 0
  let unsettled = 0
  let live = 0
  let critical = 0
  const phaseLeft = [0, 0, 0, 0]
  for (let i = 0; i < n; i++) {
    const status = s.status[i]!
    if (status === Status.Running) running++
    if (Progress.isLive(s, i)) live++
    if (s.settled[i] === 0) {
      unsettled++
      phaseLeft[s.plan.phase[i]!]!++
      if (s.plan.phase[i]! < 3 && s.plan.components[i]!.severity === "critical" && !s.plan.excluded[i]) critical++
    }
    let pending = 0
    for (const need of s.plan.needs[i]!) if (s.settled[need] === 0) pending++
    if (pending !== s.pending[i]) fail(walk, depth, `${i} is said to wait for ${s.pending[i]} needs, not ${pending}.`)
    const isGone = status === Status.Absent || status === Status.Skipped || status === Status.Failed
    if ((isGone || status === Status.Degraded) && s.reason[i] === undefined) fail(walk, depth, `${i} has no reason.`)
    const isQueued = status === Status.Queued
    if (isQueued !== s.queue.includes(s.position[i]!)) fail(walk, depth, `${i} and the queue do not agree.`)
    if (s.stage === "rollback") {
      let holders = 0
      for (const dependent of s.plan.dependents[i]!) if (Progress.isLive(s, dependent)) holders++
      if (Progress.isUp(s, i) && holders === 0) fail(walk, depth, `Nothing holds ${i}, and it is not released.`)
    }
    if (isQueued && running < s.limits.slots && s.running < s.limits.slots && mayStop(s)) {
      fail(walk, depth, `${i} waits for a slot, and one is free.`)
    }
  }
  if (running !== s.running) fail(walk, depth, `${s.running} attempts are said to run, and ${running} do.`)
  if (s.settling.length > 0) fail(walk, depth, "Something has settled, and nobody was told.")
  if (s.stage === "rollback" && live !== s.up) fail(walk, depth, `${s.up} are said to be live, and ${live} are.`)
  if (!mayStop(s)) return
  if (unsettled !== s.unsettled) fail(walk, depth, `${s.unsettled} are said to be unsettled, and ${unsettled} are.`)
  if (critical !== s.criticalLeft)
    fail(walk, depth, `${s.criticalLeft} critical ones are said to be left, not ${critical}.`)
  phaseLeft.forEach((left, phase) => {
    if (left !== s.phaseLeft[phase]) fail(walk, depth, `Of phase ${phase}, ${s.phaseLeft[phase]} are said to be left.`)
  })
}

// ------------------------------------------------------------------------------------------------ what has been seen

/** States by key, in a hash table with open addresses. Keys are compared in full: no state is taken for another. */
interface Seen {
  readonly width: number
  count: number
  places: Int32Array
  keys: Int32Array
  onTheWay: Uint8Array
}

const makeSeen = (width: number): Seen => ({
  width,
  count: 0,
  places: new Int32Array(2 * 1024),
  keys: new Int32Array(1024 * width),
  onTheWay: new Uint8Array(1024)
})

/** The number of a state, or -1. */
const find = (self: Seen, key: Int32Array): number => {
  const { keys, places, width } = self
  for (let at = hashOf(key) & (places.length - 1); places[at] !== 0; at = (at + 1) & (places.length - 1)) {
    const id = places[at]! - 1
    let k = 0
    while (k < width && keys[id * width + k] === key[k]) k++
    if (k === width) return id
  }
  return -1
}

const add = (self: Seen, key: Int32Array): number => {
  const id = self.count++
  if (id >= self.onTheWay.length) {
    const keys = new Int32Array(2 * self.keys.length)
    keys.set(self.keys)
    self.keys = keys
    const onTheWay = new Uint8Array(2 * self.onTheWay.length)
    onTheWay.set(self.onTheWay)
    self.onTheWay = onTheWay
    self.places = new Int32Array(2 * self.places.length)
    for (let other = 0; other < id; other++)
      place(self, other, keys.subarray(other * self.width, (other + 1) * self.width))
  }
  self.keys.set(key, id * self.width)
  place(self, id, key)
  return id
}

const place = ({ places }: Seen, id: number, key: Int32Array): void => {
  let at = hashOf(key) & (places.length - 1)
  while (places[at] !== 0) at = (at + 1) & (places.length - 1)
  places[at] = id + 1
}

const hashOf = (key: Int32Array): number => {
  let hash = 0
  for (let k = 0; k < key.length; k++) hash = Math.imul(hash ^ key[k]!, 0x9e3779b1) ^ (hash >>> 15)
  return Random.mix(hash)
}

// ------------------------------------------------------------------------------------------------------ what is found

const fail = (walk: Walk, depth: number, message: string): never => {
  const way = walk.levels
    .slice(1, depth + 1)
    .map(
      ({ action }) =>
        `${acts[action & 15]} ${(action & 15) === Act.timer ? `${((action >> 4) & 15) - 1} kind ${action >> 8}` : (action >> 4) & 15}`
    )
  const { plan } = walk
  const graph = plan.components.map(
    ({ name, severity, variants }, i) => `${i}:${name} ${severity} x${variants.length} needs [${plan.needs[i]!.join()}]`
  )
  throw new Counterexample(`${message}\n${graph.join("\n")}\nslots ${walk.limits.slots}\n${way.join("\n")}`)
}
