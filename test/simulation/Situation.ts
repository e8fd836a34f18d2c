/**
 * Where a boot is: what the machine knows and what the auditor has noted, as one thing that can be copied, reduced to
 * a key, and gone on from.
 *
 * **Details**
 *
 * A key holds what future decisions depend on, and nothing else. Left out are `unclean` (only the last event tells
 * it), why the boot is taken down (but for its deadline, which the auditor excuses much for), the texts of failures
 * and reasons, stamps and times. `Audit` holds on every step that machine and auditor agree on them.
 */
// `!` after an index: positions come from the plan.
import { type BootEvent, Invariants, type Plan, Progress } from "@novacron/boot/model"
import { Snapshot } from "@novacron/simulation"

/** Machine and auditor. Make it with {@link make}. */
export interface Situation {
  readonly state: Progress.State
  readonly checker: Invariants.Checker
  readonly links: ReadonlyArray<Snapshot.Snapshot>
}

/** The situation before a boot; {@link become} makes it like the one above it. */
export const make = (plan: Plan.Plan, limits: Progress.Limits, above: Situation | undefined): Situation => {
  const state = Progress.make(plan, limits)
  const checker = Invariants.make(plan, limits, { toleranceMs: Infinity })
  checkScalars(state, stateScalars)
  checkScalars(checker, checkerScalars)
  if (above === undefined) return { state, checker, links: [] }
  const links = [
    Snapshot.link(state, above.state, [...constants, ...stateScalars]),
    Snapshot.link(checker, above.checker, [...constants, ...checkerScalars])
  ]
  return { state, checker, links }
}

/** Makes a situation what the one above it is. What is no list is copied by name: by key it takes half of all time. */
export const become = (below: Situation, { checker, state }: Situation): void => {
  below.links.forEach(Snapshot.restore)
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
  s.byHand = state.byHand
  s.asked = state.asked
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
  c.downFor = checker.downFor
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
  "byHand",
  "asked",
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
  "criticalLeft",
  "downFor"
]

/** Whoever adds a field to the machine or to the auditor is told to add it here. */
const checkScalars = (record: object, known: ReadonlyArray<string>): void => {
  for (const [key, value] of Object.entries(record)) {
    const isScalar = typeof value !== "object" || value === null
    if (isScalar && !known.includes(key)) throw new Error(`ModelCheck does not know the field ${key}.`)
  }
}

// ------------------------------------------------------------------------------------------------------------- timers

/** Leaves the timers that count, and no others, all of them in the heap. */
export const sortOut = (s: Progress.State): void => {
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

// --------------------------------------------------------------------------------------------------------------- keys

/** How far a boot has come. */
export const stages = { idle: 0, booting: 1, persisting: 2, ready: 3, rollback: 4, ended: 5 } as const

/** How many words the key of a situation has. */
export const widthOf = ({ components }: Plan.Plan): number => components.length + 1

/**
 * Writes what decides over the future. In a rollback that is little: who is up, who is being closed, and what would
 * still be said of a failed attempt. What the auditor knows beside, `Audit` holds to follow from the rest.
 */
export const write = (key: Int32Array, { checker: c, state: s }: Situation): void => {
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
    if (s.byHand > 0) ofAll |= ((c.downFor + 1) << 24) | (s.asked?.how === "stop" ? 1 << 28 : 0)
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
    ((status === Status.Closing ? attemptOf(s, i) : 0) << 18) |
    (s.down[i]! << 27) |
    (c.down[i]! << 30)
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

const severities: ReadonlyArray<BootEvent.Failure["severity"] | undefined> = [
  undefined,
  "warning",
  "degraded",
  "critical"
]
