/**
 * The state of a boot as data: what `Progress` decides on, and the words in which it is told and answers.
 *
 * **Details**
 *
 * Components are positions in the plan, and their state is held in parallel arrays, so that a boot of ten thousand
 * components costs little more per component than one of ten.
 */
import type { BootEvent, ByHand, Closing, Failure, Reason } from "./BootEvent.ts"
import * as Heap from "./Heap.ts"
import * as Phase from "./Phase.ts"
import * as Plan from "./Plan.ts"
import * as Timers from "./Timers.ts"

/** What a component is doing. The order matters to nobody; `up` and `settled` below say what follows from it. */
export const Status = {
  Waiting: 0,
  Queued: 1,
  Running: 2,
  Closing: 3,
  Backoff: 4,
  Ready: 5,
  Degraded: 6,
  Absent: 7,
  Skipped: 8,
  Failed: 9,
  Stopping: 10,
  Stopped: 11
} as const
export type Status = (typeof Status)[keyof typeof Status]

/** The name of each status, by number. */
export const statusNames = [
  "waiting",
  "queued",
  "running",
  "closing",
  "backoff",
  "ready",
  "degraded",
  "absent",
  "skipped",
  "failed",
  "stopping",
  "stopped"
] as const

/** Where the boot as a whole is. */
export type Stage = "idle" | "booting" | "persisting" | "ready" | "rollback" | "ended"

/** Limits of a boot, in milliseconds and counts. */
export interface Limits {
  /** How many attempts run at the same time. */
  readonly slots: number
  /** `phased` puts a barrier between phases; `dataflow` has only the two edges that are real. */
  readonly scheduling: "dataflow" | "phased"
  readonly bootMs: number
  readonly rollbackMs: number
  readonly phases: { readonly [P in Phase.Phase]: { readonly targetMs: number; readonly maxMs: number } }
}

/** Limits when nothing else is said. Sources: design summary, "Boot time budget"; `SPEC` 1.3 rows K and AB. */
export const defaultLimits: Limits = {
  slots: 16,
  scheduling: "dataflow",
  bootMs: 30_000,
  rollbackMs: 60_000,
  phases: Phase.budget
}

/** A fact that the world reports. `component` is a position in the plan. */
export type Input =
  | { readonly _tag: "Begin"; readonly atMs: number }
  | { readonly _tag: "Invalid"; readonly atMs: number; readonly failures: ReadonlyMap<number, Failure> }
  | { readonly _tag: "Acquired"; readonly atMs: number; readonly component: number }
  | { readonly _tag: "Healthy"; readonly atMs: number; readonly component: number }
  | {
      readonly _tag: "Failed"
      readonly atMs: number
      readonly component: number
      readonly failure: Failure
      /** The delay that the retry policy asks for; null when it is at its end. */
      readonly retryInMs: number | null
      /** The delay before a restoration, should this failure be final; null for never. */
      readonly restoreInMs: number | null
    }
  | { readonly _tag: "Closed"; readonly atMs: number; readonly component: number; readonly closing: Closing }
  | { readonly _tag: "Tick"; readonly atMs: number }
  | { readonly _tag: "Persisted"; readonly atMs: number }
  | { readonly _tag: "Stop"; readonly atMs: number; readonly because: string }
  | { readonly _tag: "Restore"; readonly atMs: number; readonly component: number }
  | { readonly _tag: "ByHand"; readonly atMs: number; readonly component: number; readonly how: ByHand["how"] }
  | {
      readonly _tag: "Swapped"
      readonly atMs: number
      readonly component: number
      readonly variant: number
      readonly closing: Closing
      readonly restoreInMs: number | null
    }
  | {
      readonly _tag: "SwapFailed"
      readonly atMs: number
      readonly component: number
      readonly variant: number
      readonly failure: Failure
      readonly retryInMs: number | null
    }
  | {
      readonly _tag: "HealthChanged"
      readonly atMs: number
      readonly component: number
      readonly healthy: boolean
      readonly message: string
    }

/** What the world has to do now. Each `Start` is answered by `Failed` or `Healthy`, each end by `Closed`. */
export type Command =
  | { readonly _tag: "Start"; readonly component: number; readonly variant: number; readonly attempt: number }
  /** Stop the attempt and close what it held; with `late` it counts as a failure, for which `Failed` is wanted first. */
  | { readonly _tag: "Interrupt"; readonly component: number; readonly late: Late | undefined }
  /** Close a component that is up; answer with `Closed`. */
  | { readonly _tag: "Release"; readonly component: number }
  /** Wait no longer for the `Closed` of this component. */
  | { readonly _tag: "Abandon"; readonly component: number }
  /** Make durable what has been told; answer with `Persisted`. */
  | { readonly _tag: "Persist" }
  /** Build this variant beside the one that serves, and swap; answer with `Swapped` or `SwapFailed`. */
  | { readonly _tag: "Swap"; readonly component: number; readonly variant: number }
  | { readonly _tag: "End" }

/** A deadline that has passed, and the failure that it makes of an attempt. */
export interface Late {
  readonly scope: "attempt" | "component" | "phase" | "boot"
  readonly afterMs: number
  readonly failure: Failure
}

/** Where an advance puts what it decides; the caller empties it. */
export interface Output {
  readonly events: Array<BootEvent>
  readonly commands: Array<Command>
}

/** The state of a boot. Read it freely; only {@link advance} changes it. */
export interface State {
  readonly plan: Plan.Plan
  readonly limits: Limits
  stage: Stage
  atMs: number
  running: number
  unclean: boolean
  readonly status: Uint8Array
  readonly variant: Uint8Array
  /** Attempts begun of the current variant. */
  readonly attempt: Int32Array
  readonly settled: Uint8Array
  readonly failure: Array<Failure | undefined>
  readonly reason: Array<Reason | undefined>
  readonly swapping: Uint8Array
  /** What is still to become of those that an operator has asked something of, and how many of them there are. */
  readonly down: Uint8Array
  byHand: number
  asked: ByHand | undefined
  /** Why everything is being taken down. */
  takedown: { readonly why: "failed" | "cancelled" | "deadline" | "stopped"; readonly because: string } | undefined
  /** The deadline of all that has passed last. */
  late: Pick<Late, "scope" | "afterMs"> | undefined

  // What follows is bookkeeping.
  readonly stamp: Int32Array
  readonly pending: Int32Array
  readonly budgetAtMs: Float64Array
  readonly retryInMs: Float64Array
  readonly restoreInMs: Float64Array
  readonly restoreDue: Uint8Array
  /** Whether the attempt at hand has failed, and whether it was told to be the last one. */
  readonly failedNow: Uint8Array
  readonly noRetry: Uint8Array
  readonly position: Int32Array
  readonly byPosition: Int32Array
  /** Components that may start, as a heap of positions. */
  readonly queue: Array<number>
  readonly gated: ReadonlyArray<Array<number>>
  readonly gateOpen: Array<boolean>
  readonly phaseBegun: Array<boolean>
  readonly phaseLeft: Int32Array
  criticalLeft: number
  unsettled: number
  phaseNow: number
  /** Dependents that are still up; counted when a takedown begins. */
  readonly holders: Int32Array
  up: number
  readonly timers: Timers.Timers
  readonly settling: Array<number>
  readonly fresh: Array<number>
}

/** What `noRetry` says of the attempt at hand: nothing, that it is the last of its variant, or the last of all. */
export const Last = { No: 0, Attempt: 1, Variant: 2 } as const

/** What an operator's request still wants of a component: nothing, an exchange, that it goes down and comes back or stays. */
export const Down = { No: 0, Exchange: 1, Again: 2, Held: 3, Starting: 4 } as const

/** What a timer is for. */
export const Kind = {
  Slow: 0,
  Attempt: 1,
  Closing: 2,
  Backoff: 3,
  Restore: 4,
  PhaseSlow: 5,
  Phase: 6,
  Boot: 7,
  Rollback: 8
} as const

// ---------------------------------------------------------------------------------------------------- making a state

/** The state before anything has happened. */
export const make = (plan: Plan.Plan, limits: Limits = defaultLimits): State => {
  const n = plan.components.length
  const { byPosition, criticalLeft, pending, phaseLeft, position } = outsetOf(plan)
  return {
    plan,
    limits,
    stage: "idle",
    atMs: 0,
    running: 0,
    unclean: false,
    status: new Uint8Array(n),
    variant: new Uint8Array(n),
    attempt: new Int32Array(n),
    settled: new Uint8Array(n),
    failure: new Array<Failure | undefined>(n).fill(undefined),
    reason: new Array<Reason | undefined>(n).fill(undefined),
    swapping: new Uint8Array(n),
    down: new Uint8Array(n),
    byHand: 0,
    asked: undefined,
    takedown: undefined,
    late: undefined,
    stamp: new Int32Array(n),
    pending: pending.slice(),
    budgetAtMs: new Float64Array(n),
    retryInMs: new Float64Array(n),
    restoreInMs: new Float64Array(n).fill(NaN),
    restoreDue: new Uint8Array(n),
    failedNow: new Uint8Array(n),
    noRetry: new Uint8Array(n),
    position,
    byPosition,
    queue: [],
    gated: [[], [], [], []],
    gateOpen: [false, false, false, false],
    phaseBegun: [false, false, false, false],
    phaseLeft: phaseLeft.slice(),
    criticalLeft,
    unsettled: n,
    phaseNow: 0,
    holders: new Int32Array(n),
    up: 0,
    timers: Timers.make(),
    settling: [],
    fresh: []
  }
}

/** What is the same at the begin of every boot of a plan. */
type Outset = Pick<State, "position" | "byPosition" | "pending" | "phaseLeft" | "criticalLeft">

const outsets = new WeakMap<Plan.Plan, Outset>()

const outsetOf = (plan: Plan.Plan): Outset => {
  const known = outsets.get(plan)
  if (known !== undefined) return known
  const n = plan.components.length
  const byPosition = byUrgency(plan)
  const position = new Int32Array(n)
  const pending = new Int32Array(n)
  const phaseLeft = new Int32Array(4)
  let criticalLeft = 0
  for (let i = 0; i < n; i++) {
    position[byPosition[i]!] = i
    pending[i] = plan.needs[i]!.length
    phaseLeft[plan.phase[i]!]!++
    if (Plan.holdsPost(plan, i)) criticalLeft++
  }
  const outset = { position, byPosition, pending, phaseLeft, criticalLeft }
  outsets.set(plan, outset)
  return outset
}

/** All components, the most urgent first. By insertion while there are few, which is quick before any code is warm. */
const byUrgency = (plan: Plan.Plan): Int32Array => {
  const sorted = new Int32Array(plan.components.length)
  for (let i = 0; i < sorted.length; i++) sorted[i] = i
  if (sorted.length > 64) return sorted.sort((i, j) => Plan.first(plan, i, j))
  const { components, rank } = plan
  for (let i = 1; i < sorted.length; i++) {
    const { priority } = components[i]!
    const own = rank[i]!
    let at = i
    for (; at > 0; at--) {
      const j = sorted[at - 1]!
      const other = components[j]!.priority
      if (other > priority || (other === priority && rank[j]! >= own)) break
      sorted[at] = j
    }
    sorted[at] = i
  }
  return sorted
}

/** An independent copy: what a model checker branches on. */
export const copy = (s: State): State => ({
  ...s,
  status: s.status.slice(),
  variant: s.variant.slice(),
  attempt: s.attempt.slice(),
  settled: s.settled.slice(),
  failure: s.failure.slice(),
  reason: s.reason.slice(),
  swapping: s.swapping.slice(),
  down: s.down.slice(),
  stamp: s.stamp.slice(),
  pending: s.pending.slice(),
  budgetAtMs: s.budgetAtMs.slice(),
  retryInMs: s.retryInMs.slice(),
  restoreInMs: s.restoreInMs.slice(),
  restoreDue: s.restoreDue.slice(),
  failedNow: s.failedNow.slice(),
  noRetry: s.noRetry.slice(),
  queue: s.queue.slice(),
  gated: s.gated.map((g) => g.slice()),
  gateOpen: s.gateOpen.slice(),
  phaseBegun: s.phaseBegun.slice(),
  phaseLeft: s.phaseLeft.slice(),
  holders: s.holders.slice(),
  timers: Timers.copy(s.timers),
  settling: [],
  fresh: []
})

/** Whether the component's service is available to others. */
export const isUp = (s: State, i: number): boolean => s.status[i] === Status.Ready || s.status[i] === Status.Degraded

/** Whether it is on its way down by hand. */
export const goesDown = (s: State, i: number): boolean =>
  (s.down[i] === Down.Again || s.down[i] === Down.Held) && s.status[i] !== Status.Stopped

/** Whether it is up, and not about to be taken down by hand. */
export const stays = (s: State, i: number): boolean => isUp(s, i) && !goesDown(s, i)

/** Whether the component holds, or may hold, resources. */
export const isLive = (s: State, i: number): boolean => {
  const status = s.status[i]
  return isUp(s, i) || status === Status.Running || status === Status.Closing || status === Status.Stopping
}

/** When the next `Tick` is due, in milliseconds since the boot began; undefined when nothing is waited for. */
export const nextWakeMs = (s: State): number | undefined => nextTimer(s)?.atMs

/** No `Tick` is due before this moment, infinity for never: cheaper to ask, for most timers never come to count. */
export const noWakeBeforeMs = ({ timers: { freshMs, heap } }: State): number =>
  heap.length === 0 || heap[0]!.atMs > freshMs ? freshMs : heap[0]!.atMs

/** The earliest timer that still counts. */
export const nextTimer = (s: State): Timers.Timer | undefined => Timers.peek(s.timers, s, counts)

/** The name of a component. */
export const name = (s: State, i: number): string => s.plan.components[i]!.name

/** Moves a component to a status; timers of the one before no longer count. */
export const set = (s: State, i: number, status: Status): void => {
  s.status[i] = status
  s.stamp[i]!++
}

/** Sets a timer; `i` is the component it belongs to, or -1. */
export const timer = (s: State, inMs: number, kind: number, i: number): void =>
  Timers.push(s.timers, s.atMs + inMs, kind, i, i < 0 ? 0 : s.stamp[i]!)

/** A timer of a component counts while the component is in the state that set it. */
const counts = (s: State, kind: number, subject: number, stamp: number): boolean => {
  switch (kind) {
    case Kind.PhaseSlow:
    case Kind.Phase:
      return s.stage === "booting" && stamp === s.phaseNow
    case Kind.Boot:
      return s.stage === "booting"
    case Kind.Rollback:
      return s.stage === "rollback"
    default:
      return s.stage !== "ended" && stamp === s.stamp[subject]
  }
}

/** All needs have settled: the component may start as soon as its phase is open and a slot is free. */
export const enqueue = (s: State, i: number): void => {
  const phase = s.plan.phase[i]!
  if (!s.gateOpen[phase] && s.stage !== "ready") {
    s.gated[phase]!.push(i)
    return
  }
  set(s, i, Status.Queued)
  s.fresh.push(i)
  Heap.push(s.queue, ascending, s.position[i]!)
}

/** The order of the queue: positions are most urgent first. */
export const ascending = (a: number, b: number): boolean => a < b
