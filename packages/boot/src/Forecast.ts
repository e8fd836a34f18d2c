/**
 * What a plan says about time, before any has passed: critical path, slack, bounds, and the schedule that the driver would
 * keep if every component took exactly what it costs.
 */
// `!` after an index: positions come from loops over the same arrays.
import * as Heap from "./Heap.ts"
import { type Manifest, worstCaseMs as worstCaseOf } from "./Manifest.ts"
import * as Phase from "./Phase.ts"

/** The graph of a plan; what the fields mean is said there. */
export interface Graph {
  readonly components: ReadonlyArray<Manifest>
  readonly needs: ReadonlyArray<ReadonlyArray<number>>
  readonly dependents: ReadonlyArray<ReadonlyArray<number>>
  readonly excluded: ReadonlyArray<boolean>
  readonly phase: ReadonlyArray<number>
  readonly order: ReadonlyArray<number>
}

/** The graph with what is known about durations. */
export interface Weighted extends Graph {
  readonly cost: ReadonlyArray<number>
  readonly rank: ReadonlyArray<number>
}

/**
 * Who goes first when two may start and one slot is free: negative when `i` does. Higher priority, then the longer
 * remaining path, then the smaller name.
 */
export const first = (plan: Weighted, i: number, j: number): number =>
  plan.components[j]!.priority - plan.components[i]!.priority || plan.rank[j]! - plan.rank[i]! || i - j

/** Whether `post` waits until this component has settled: all critical ones before it. */
export const holdsPost = (plan: Pick<Graph, "components" | "excluded">, i: number): boolean => {
  const { phase, severity } = plan.components[i]!
  return !plan.excluded[i]! && severity === "critical" && phase !== "post"
}

/**
 * The longest way through the boot and the time it takes with enough slots. `costMs` defaults to the plan's; what is
 * excluded costs nothing. The path may step over a phase boundary where no need connects its neighbours.
 */
export const criticalPath = (
  plan: Weighted,
  costMs: ReadonlyArray<number> = plan.cost
): { readonly totalMs: number; readonly path: ReadonlyArray<string> } => {
  const { after, end, last } = forward(plan, costMs)
  let at = last
  const totalMs = at < 0 ? 0 : end[at]!
  const path: Array<string> = []
  for (; at >= 0; at = after[at]!) path.push(plan.components[at]!.name)
  return { totalMs, path: path.reverse() }
}

/** How much later each component could end, in milliseconds, before the boot takes longer; 0 on the critical path. */
export const slackMs = (plan: Weighted, costMs: ReadonlyArray<number> = plan.cost): ReadonlyMap<string, number> => {
  const { end, last } = forward(plan, costMs)
  const remaining = backward(plan, costMs)
  const totalMs = last < 0 ? 0 : end[last]!
  return new Map(
    plan.components.map(({ name }, i) => {
      const through = end[i]! + remaining[i]! - (plan.excluded[i]! ? 0 : costMs[i]!)
      return [name, Math.max(0, totalMs - through)]
    })
  )
}

/**
 * An upper bound of the boot in milliseconds, every attempt, delay, timeout and fallback used up: the critical path of
 * worst cases, plus, with fewer slots than components, the rest of the work shared among the slots (Graham 1966).
 * `phased` scheduling, where each phase waits for all of those before it, makes the critical path longer.
 */
export const worstCaseMs = (
  plan: Weighted,
  { scheduling, slots }: { readonly slots: number; readonly scheduling?: "dataflow" | "phased" }
): number => {
  const worst = plan.components.map(worstCaseOf)
  const { end, last } = forward(plan, worst, scheduling)
  const longest = last < 0 ? 0 : end[last]!
  return atLeastOne(slots) >= plan.components.length ? longest : longest + (work(plan, worst) - longest) / slots
}

/** No schedule on so many slots is shorter than this, in milliseconds. */
export const lowerBoundMs = (plan: Weighted, slots: number, costMs: ReadonlyArray<number> = plan.cost): number =>
  Math.max(criticalPath(plan, costMs).totalMs, work(plan, costMs) / atLeastOne(slots))

/** A predicted boot, milliseconds from its begin, by position. Excluded components start and end at 0. */
export interface Schedule {
  readonly startMs: ReadonlyArray<number>
  readonly endMs: ReadonlyArray<number>
  readonly makespanMs: number
}

/**
 * The boot as the driver would run it if every component took exactly its cost: whenever a slot is free, the {@link first}
 * of those that may start takes it. Throws a `RangeError` when `slots` is less than 1.
 */
export const schedule = (plan: Weighted, slots: number, costMs: ReadonlyArray<number> = plan.cost): Schedule => {
  const startMs = plan.components.map(() => 0)
  const endMs = plan.components.map(() => 0)
  const unmet = plan.needs.map((needs) => needs.filter((j) => !plan.excluded[j]!).length)
  const there = plan.order.filter((i) => !plan.excluded[i]!)
  let preLeft = there.filter((i) => plan.phase[i] === Phase.rank.pre).length
  let criticalLeft = there.filter((i) => holdsPost(plan, i)).length
  const ready: Array<number> = []
  const soonest = (i: number, j: number) => first(plan, i, j) < 0
  const running: Array<number> = []
  const ending = (i: number, j: number) => endMs[i]! < endMs[j]! || (endMs[i] === endMs[j] && i < j)
  const limit = atLeastOne(slots)
  // Their needs are met, and their phase has not begun.
  const held: ReadonlyArray<Array<number>> = Phase.all.map(() => [])
  const begun = (phase: number) =>
    phase === Phase.rank.pre || (preLeft === 0 && (phase !== Phase.rank.post || criticalLeft === 0))
  const offer = (i: number) => {
    const phase = plan.phase[i]!
    if (begun(phase)) Heap.push(ready, soonest, i)
    else held[phase]!.push(i)
  }
  const finish = (i: number) => {
    if (plan.phase[i] === Phase.rank.pre) preLeft--
    if (holdsPost(plan, i)) criticalLeft--
    for (const d of plan.dependents[i]!) if (--unmet[d]! === 0) offer(d)
  }

  let now = 0
  for (const i of there) if (unmet[i] === 0) offer(i)
  for (;;) {
    held.forEach((waiting, phase) => {
      if (begun(phase)) for (const i of waiting.splice(0)) Heap.push(ready, soonest, i)
    })
    while (running.length < limit && ready.length > 0) {
      const i = Heap.pop(ready, soonest)!
      startMs[i] = now
      endMs[i] = now + costMs[i]!
      Heap.push(running, ending, i)
    }
    if (running.length === 0) return { startMs, endMs, makespanMs: now }
    now = endMs[running[0]!]!
    while (running.length > 0 && !(endMs[running[0]!]! > now)) finish(Heap.pop(running, ending)!)
  }
}

// ------------------------------------------------------------------------------------------------------------- measures

/** When each would end with enough slots, whom it waits for last (-1 for nobody), and who ends last of all. */
const forward = (plan: Graph, costMs: ReadonlyArray<number>, scheduling: "dataflow" | "phased" = "dataflow") => {
  const end = plan.components.map(() => 0)
  const after = plan.components.map(() => -1)
  let phase = 0
  let [pre, critical, all, allBefore] = [-1, -1, -1, -1]
  // Phases follow each other in the order, so those of earlier phases have their times already.
  for (const i of plan.order) {
    if (plan.excluded[i]!) continue
    if (plan.phase[i] !== phase) {
      phase = plan.phase[i]!
      allBefore = all
    }
    let gate = -1
    const needs = plan.needs[i]!
    for (let k = 0; k < needs.length; k++) if (!plan.excluded[needs[k]!]!) gate = later(end, gate, needs[k]!)
    if (phase > Phase.rank.pre) gate = later(end, gate, pre)
    if (phase === Phase.rank.post) gate = later(end, gate, critical)
    if (scheduling === "phased") gate = later(end, gate, allBefore)
    after[i] = gate
    end[i] = costMs[i]! + (gate < 0 ? 0 : end[gate]!)
    all = later(end, all, i)
    if (phase === Phase.rank.pre) pre = all
    if (holdsPost(plan, i)) critical = later(end, critical, i)
  }
  return { after, end, last: all }
}

/** The one that ends later, the first of two equals; -1 stands for nobody. */
const later = (end: ReadonlyArray<number>, i: number, j: number): number =>
  i < 0 || (j >= 0 && end[j]! > end[i]!) ? j : i

/** The longest way from the begin of each to the end of the boot. */
export const backward = (plan: Graph, costMs: ReadonlyArray<number>): ReadonlyArray<number> => {
  const remaining = plan.components.map(() => 0)
  let afterPre = 0
  let post = 0
  for (let k = plan.order.length - 1; k >= 0; k--) {
    const i = plan.order[k]!
    if (plan.excluded[i]!) continue
    let rest = 0
    const dependents = plan.dependents[i]!
    for (let k = 0; k < dependents.length; k++) rest = Math.max(rest, remaining[dependents[k]!]!)
    if (plan.phase[i] === Phase.rank.pre) rest = Math.max(rest, afterPre)
    if (holdsPost(plan, i)) rest = Math.max(rest, post)
    const own = (remaining[i] = costMs[i]! + rest)
    if (plan.phase[i]! > Phase.rank.pre) afterPre = Math.max(afterPre, own)
    if (plan.phase[i] === Phase.rank.post) post = Math.max(post, own)
  }
  return remaining
}

const work = (plan: Weighted, costMs: ReadonlyArray<number>): number =>
  costMs.reduce((sum, cost, i) => (plan.excluded[i]! ? sum : sum + cost), 0)

/** A programming error when not: settings are checked where they are read. */
const atLeastOne = (slots: number): number => {
  if (slots === Infinity || (Number.isInteger(slots) && slots >= 1)) return slots
  throw new RangeError(`A boot needs a whole number of slots, at least 1, not ${slots}.`)
}
