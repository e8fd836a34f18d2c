/**
 * What components take as a rule, learned from earlier boots; from that, how long a boot will take, when one that is
 * under way will be up, and who is late while still running.
 *
 * **Details**
 *
 * What is learned of a component is its work: running, closing and backoff until it was up, itself or on a fallback. A
 * boot in which it did not come up teaches nothing about it.
 */
// `!` after an index: positions come from loops over the same arrays.
import * as Plan from "./Plan.ts"
import { play, tasksOf } from "./Rehearsal.ts"
import type { Lane, Timeline } from "./Timeline.ts"

/** What one component takes, in milliseconds. */
export interface Learned {
  readonly samples: number
  /** Half of the boots, and nineteen of twenty, took no longer. */
  readonly p50Ms: number
  readonly p95Ms: number
  readonly meanMs: number
  /** The standard deviation. */
  readonly deviationMs: number
}

/** What components take as a rule, by name. */
export type Durations = ReadonlyMap<string, Learned>

/** Learns from boots, in any order. */
export const learn = (timelines: Iterable<Pick<Timeline, "lanes">>): Durations => {
  const samples = new Map<string, Array<number>>()
  for (const { lanes } of timelines) {
    for (const lane of lanes) {
      if (!cameUp(lane)) continue
      const known = samples.get(lane.name)
      if (known === undefined) samples.set(lane.name, [lane.workMs])
      else known.push(lane.workMs)
    }
  }
  return new Map([...samples].map(([name, all]) => [name, learned(all)]))
}

const cameUp = ({ intervals, settledAtMs, state }: Lane): boolean =>
  settledAtMs !== null && (isUp(state) || intervals.some((one) => one.fromMs === settledAtMs && wasUp(one.state)))

const isUp = (state: Lane["state"]): boolean => state === "ready" || state === "degraded"

/** Only what is up is stopped: of what was stopped the moment that it came up, no more than that is left. */
const wasUp = (state: Lane["state"]): boolean => isUp(state) || state === "stopping" || state === "stopped"

const learned = (unsorted: ReadonlyArray<number>): Learned => {
  const all = unsorted.toSorted((a, b) => a - b)
  const meanMs = sum(all) / all.length
  const deviationMs = Math.sqrt(sum(all.map((ms) => (ms - meanMs) ** 2)) / all.length)
  return { samples: all.length, p50Ms: quantile(all, 0.5), p95Ms: quantile(all, 0.95), meanMs, deviationMs }
}

/** Between two samples, on the line that connects them. */
const quantile = (sorted: ReadonlyArray<number>, q: number): number => {
  const at = (sorted.length - 1) * q
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}

const sum = (all: ReadonlyArray<number>): number => all.reduce((total, one) => total + one, 0)

// ---------------------------------------------------------------------------------------------------------- before it

/** How long a boot will take, in milliseconds. */
export interface Prediction {
  /** When every component takes what half of the boots took. */
  readonly expectedMs: number
  /** When every component takes what one boot in twenty took: later than nineteen of twenty boots. */
  readonly lateMs: number
  /** What everything will wait for. */
  readonly path: ReadonlyArray<string>
  /** Components about which nothing was learned; they count as the plan says. */
  readonly unknown: ReadonlyArray<string>
}

/** The boot of a plan on so many slots, before it begins. */
export const predict = (plan: Plan.Plan, durations: Durations, slots: number): Prediction => {
  const costs = (of: (learned: Learned) => number) =>
    plan.components.map(({ name }, i) => {
      const known = durations.get(name)
      return known === undefined ? plan.cost[i]! : of(known)
    })
  const expected = costs(({ p50Ms }) => p50Ms)
  const late = costs(({ p95Ms }) => p95Ms)
  return {
    expectedMs: Plan.schedule(plan, slots, expected).makespanMs,
    lateMs: Plan.schedule(plan, slots, late).makespanMs,
    path: Plan.criticalPath(plan, expected).path,
    unknown: plan.components.flatMap(({ name }, i) => (plan.excluded[i]! || durations.has(name) ? [] : [name]))
  }
}

// --------------------------------------------------------------------------------------------------------- meanwhile

/** When a boot that is under way will be up, in milliseconds since it began. */
export interface Eta {
  readonly expectedMs: number
  readonly lateMs: number
  /** Those that are still to come and about which nothing was learned: they count as nothing. */
  readonly unknown: ReadonlyArray<string>
}

/** When this boot will be up; undefined when that is decided already. */
export const eta = (timeline: Timeline, durations: Durations): Eta | undefined => {
  if (timeline.report.outcome !== "booting") return undefined
  const top = timeline.lanes.filter(({ group }) => group === null)
  const slots = Math.max(1, Math.floor(timeline.report.concurrency))
  const open = new Set(top.flatMap((lane, i) => (lane.settledAtMs === null ? [i] : [])))
  const tasks = tasksOf(timeline)
  const remaining = (of: (learned: Learned) => number): number => {
    const left = top.map((lane, i) => {
      const known = durations.get(lane.name)
      const busyMs = !open.has(i) || known === undefined ? 0 : restOf(lane.workMs, of(known), known.p95Ms)
      const isUnderWay = lane.attempts.length > 0
      return {
        ...tasks[i]!,
        isElsewhere: !open.has(i),
        work: [{ busyMs, idleMs: 0, turn: isUnderWay ? i - top.length : i }]
      }
    })
    return play(left, slots).totalMs
  }
  return {
    expectedMs: timeline.atMs + remaining(({ p50Ms }) => p50Ms),
    lateMs: timeline.atMs + remaining(({ p95Ms }) => p95Ms),
    unknown: top.flatMap(({ name }, i) => (open.has(i) && !durations.has(name) ? [name] : []))
  }
}

/** Who is over what it takes as a rule is expected when even the slow ones are up. */
const restOf = (workMs: number, usualMs: number, slowMs: number): number =>
  workMs < usualMs ? usualMs - workMs : Math.max(0, slowMs - workMs)

/** A component that is late while it is still at work. */
export interface Late {
  readonly component: string
  readonly workMs: number
  /** What it takes as a rule. */
  readonly meanMs: number
  readonly deviations: number
}

/** How many boots it takes to say what is usual. */
const fewest = 3

/**
 * Who is at work for longer than usual by so many standard deviations, the latest first. A deviation counts as at least
 * a tenth of the mean and a millisecond: who always took exactly the same is not late at once.
 */
export const late = (timeline: Timeline, durations: Durations, deviations = 3): ReadonlyArray<Late> =>
  timeline.lanes
    .flatMap(({ name, settledAtMs, state, workMs }): ReadonlyArray<Late> => {
      const known = durations.get(name)
      const isAtWork = state === "running" || state === "closing" || state === "backoff"
      if (settledAtMs !== null || !isAtWork || known === undefined || known.samples < fewest) return []
      const unit = Math.max(known.deviationMs, known.meanMs / 10, 1)
      const by = (workMs - known.meanMs) / unit
      return by < deviations ? [] : [{ component: name, workMs, meanMs: known.meanMs, deviations: by }]
    })
    .sort((a, b) => b.deviations - a.deviations)
