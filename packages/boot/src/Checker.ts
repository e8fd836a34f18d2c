/**
 * The notes that the auditor of `Invariants` takes of one boot: what the log has said of each component and of the whole,
 * and what follows from that. They judge nothing.
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import type { Reason } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import type { Plan } from "./Plan.ts"
import type { Limits } from "./ProgressState.ts"

/** What the log has said of a component. The words are the auditor's own. `closed` waits to hear what follows. */
export const Life = {
  idle: 0,
  starting: 1,
  closing: 2,
  closed: 3,
  delayed: 4,
  up: 5,
  stopping: 6,
  stopped: 7,
  absent: 8,
  skipped: 9,
  failed: 10
} as const
const words = Object.keys(Life)

/** What went down by hand, by what is to follow. */
export const Down = { no: 0, awaited: 1, kept: 2 } as const

/** Why something is not up, in numbers. A need is its position; the other reasons are root causes. */
export const causes = { Need: -1, Failed: -2, RolledBack: -2, Environment: -3, Warned: -4 } as const
export const unexplained = causes.Need

/** Rounding of sums of milliseconds. */
export const grainMs = 1e-6

/** The notes on one boot. `Invariants.check` writes them. */
export type Checker = ReturnType<typeof make>

/** An auditor for one boot of this plan under these limits. `toleranceMs` is how late things may be, 0 by default. */
export const make = (plan: Plan, limits: Limits, options: { readonly toleranceMs?: number } = {}) => {
  const n = plan.components.length
  const notes = {
    plan,
    limits,
    toleranceMs: (options.toleranceMs ?? 0) + grainMs,
    atMs: 0,
    events: 0,
    running: 0,
    undecided: 0,
    clean: true,
    /** Why everything is taken down; empty while nothing is. */
    why: "",
    ended: false,
    /** Checkpoints reached. */
    marks: 0,
    // Moments that have not come are NaN.
    markMs: NaN,
    beganMs: NaN,
    completeMs: NaN,
    readyMs: NaN,
    failedMs: NaN,
    rollbackMs: NaN,
    life: new Uint8Array(n),
    sinceMs: new Float64Array(n),
    variant: new Uint8Array(n),
    attempt: new Int32Array(n),
    acquired: new Uint8Array(n),
    /** Of the failure of the attempt at hand; 0 for none. */
    severity: new Uint8Array(n),
    retryInMs: new Float64Array(n),
    abandoned: new Uint8Array(n),
    untilMs: new Float64Array(n),
    delayedMs: new Float64Array(n),
    budgetMs: new Float64Array(n),
    /** The variant that is built beside the one that serves; -1 for none. */
    swap: new Int16Array(n).fill(-1),
    /** Whether it went down by hand, and comes back by itself or not. */
    down: new Uint8Array(n),
    /** For whom it did, the last time. */
    downFor: -1,
    /** Whether it was ever exchanged: who was left behind then has had a deadline before. */
    exchanged: new Uint8Array(n),
    cause: new Int32Array(n).fill(unexplained),
    settled: new Uint8Array(n),
    phaseLeft: new Int32Array(4),
    phaseBegun: new Uint8Array(4),
    criticalLeft: 0
  }
  for (let i = 0; i < n; i++) {
    notes.phaseLeft[plan.phase[i]!]!++
    if (holdsPost(plan, i)) notes.criticalLeft++
  }
  return notes
}

// ------------------------------------------------------------------------------------------------- what follows from it

/** The state of a component in a word. */
export const stateOf = (c: Checker, i: number): string => words[c.life[i]!]!

export const isReady = (c: Checker): boolean => !Number.isNaN(c.readyMs)

/** Whether it holds, or may hold, resources. */
export const isLive = (life: number): boolean =>
  life === Life.starting || life === Life.closing || life === Life.up || life === Life.stopping

/** Known not to come: the reason for which dependents may be skipped. */
export const isLost = (c: Checker, i: number): boolean => c.life[i]! >= Life.absent

/** Nothing more is tried: its attempt is closed, or time is up while none is under way. */
export const isFinal = (c: Checker, i: number): boolean => {
  const life = c.life[i]
  if (life === Life.closed || (life === Life.delayed && c.atMs >= c.budgetMs[i]! - grainMs)) return true
  return (life === Life.idle || life === Life.delayed) && outOfTime(c, c.plan.phase[i]!)
}

/** The deadline of the boot has come, or that of this phase while it is the one that is waited for. */
export const outOfTime = (c: Checker, phase: number): boolean => {
  if (c.atMs >= c.beganMs + c.limits.bootMs - grainMs) return true
  const word = phase === c.marks - 1 ? Phase.all[phase] : undefined
  return word !== undefined && c.atMs >= c.markMs + c.limits.phases[word].maxMs - grainMs
}

/** When the attempt at hand has to be over. */
export const attemptEndMs = (c: Checker, i: number): number =>
  Math.min(c.sinceMs[i]! + c.plan.components[i]!.variants[c.variant[i]!]!.timeoutMs, c.budgetMs[i]!)

/** When a rollback has to be over; never while there is none. */
export const rollbackEndMs = (c: Checker): number => (c.why === "" ? Infinity : c.rollbackMs + c.limits.rollbackMs)

/** Whether the post phase waits for it. */
const holdsPost = (plan: Plan, i: number): boolean =>
  plan.phase[i]! < Phase.rank.post && plan.components[i]!.severity === "critical" && !plan.excluded[i]

/** From now on it is in another state. */
export const move = (c: Checker, i: number, life: number): void => {
  if (c.life[i] === Life.closed) c.undecided--
  c.life[i] = life
  c.sinceMs[i] = c.atMs
}

/** What is to become of it is known; only the first time counts. */
export const settle = (c: Checker, i: number): void => {
  if (c.settled[i] === 1) return
  c.settled[i] = 1
  c.phaseLeft[c.plan.phase[i]!]!--
  if (holdsPost(c.plan, i)) c.criticalLeft--
}

/** It is not up, for this reason. */
export const gone = (c: Checker, i: number, life: number, reason: Reason): undefined => {
  const isMild = reason._tag === "Failed" && reason.failure.severity === "warning"
  const root = isMild ? causes.Warned : causes[reason._tag]
  c.cause[i] = (reason._tag === "Need" ? c.plan.index.get(reason.need) : undefined) ?? root
  c.down[i] = Down.no
  move(c, i, life)
  settle(c, i)
}

/** Where the reasons of a component end: a kind of root cause, or `unexplained` when they lead nowhere. */
export const rootOf = (c: Checker, i: number): number => {
  let at = i
  for (let steps = 0; steps <= c.cause.length && at >= 0; steps++) {
    if (c.down[at] === Down.kept) return causes.RolledBack
    if (!isLost(c, at)) return unexplained
    at = c.cause[at]!
  }
  return Math.min(at, unexplained)
}
