/**
 * The decisions of a boot, made before it: who waits for whom, who goes first, how long it can take at the most. `make`
 * finds everything that is wrong with the declarations at once; what it returns leaves the driver nothing to choose.
 *
 * **Details**
 *
 * A plan does not depend on the order of registration: components are sorted by name, and every list holds positions in
 * that order. Positions are ascending, so equal inputs give deeply equal plans. A component that does not exist in the
 * environment stays in the plan, but it waits for nothing and offers nothing, except to those who need it and have
 * nobody else: they are skipped with it.
 *
 * The analyses know the two edges between phases that are real: nothing starts before `pre` is complete, and `post`
 * waits for all that {@link holdsPost}. `needs`, `order` and `level` are the graph alone.
 *
 * Everything takes time linear in components and edges (times the logarithm of the components for what is sorted), and
 * nothing recurses except into groups, so a chain of 100,000 is no deeper than a chain of two.
 *
 * **Example**
 *
 * ```ts
 * const plan = Result.getOrThrow(Plan.make([Manifest.make({ name: "api", needs: ["db"] }), Manifest.make({ name: "db" })]))
 * Plan.levels(plan) // => [["db"], ["api"]]
 * Plan.impact(plan, "db") // => [{ component: "api", effect: "fails-boot" }]
 * ```
 */
// `!` after an index: positions come from loops over the same arrays.
import { Result } from "effect"
import { backward } from "./Forecast.ts"
import * as Heap from "./Heap.ts"
import type { Manifest } from "./Manifest.ts"
import * as Phase from "./Phase.ts"
import {
  checkNames,
  checkNumbers,
  compare,
  cycles,
  InvalidPlan,
  inversions,
  missing,
  type Problem,
  type Problems,
  tie,
  type Unmet
} from "./Problem.ts"

export {
  criticalPath,
  first,
  holdsPost,
  lowerBoundMs,
  type Schedule,
  schedule,
  slackMs,
  worstCaseMs
} from "./Forecast.ts"
export { describe, InvalidPlan, type Problem, type Problems } from "./Problem.ts"

/** What a boot will do. Make one with {@link make}. Numbers inside lists are positions in `components`. */
export interface Plan {
  readonly environment: string
  /** Sorted by name, in code-unit order. */
  readonly components: ReadonlyArray<Manifest>
  readonly index: ReadonlyMap<string, number>
  /** What a component waits for, hard and optional; empty for an excluded one. */
  readonly needs: ReadonlyArray<ReadonlyArray<number>>
  /** The hard ones among `needs`. */
  readonly hard: ReadonlyArray<ReadonlyArray<number>>
  /** What it looks up while running; no part of the order of the start. */
  readonly late: ReadonlyArray<ReadonlyArray<number>>
  /** Whom it is closed before: `needs`, and `late` too, but for those who hold on to it in turn. */
  readonly holds: ReadonlyArray<ReadonlyArray<number>>
  /** `holds`, reversed. */
  readonly heldBy: ReadonlyArray<ReadonlyArray<number>>
  /** `needs`, reversed. */
  readonly dependents: ReadonlyArray<ReadonlyArray<number>>
  /** Does not exist in this environment. */
  readonly excluded: ReadonlyArray<boolean>
  /** Hard-needed keys that no component provides, sorted: they must come from outside. */
  readonly external: ReadonlyArray<string>
  /** `Phase.rank` of each. */
  readonly phase: ReadonlyArray<number>
  /** Each after all it needs; among those that could be next, the earlier phase, then the smaller name. */
  readonly order: ReadonlyArray<number>
  /** Edges on the longest path from a component that needs nothing. */
  readonly level: ReadonlyArray<number>
  /** The longest remaining path, itself included, in milliseconds of `cost`: the longer, the more urgent. */
  readonly rank: ReadonlyArray<number>
  /** Milliseconds, learned from earlier boots, or 1. */
  readonly cost: ReadonlyArray<number>
  /** The plan inside each group of this environment, by the group's name. */
  readonly groups: ReadonlyMap<string, Plan>
}

/**
 * Makes the plan, or says everything that is wrong.
 *
 * `provided` holds the keys that come from outside; without it every key that no component provides is left to
 * `external`. `durationsMs` are learned durations by name, inside a group by path (`dwcp/amst`).
 */
export const make = (
  manifests: ReadonlyArray<Manifest>,
  options: {
    readonly environment?: string
    readonly provided?: ReadonlySet<string>
    readonly durationsMs?: { readonly [name: string]: number }
  } = {}
): Result.Result<Plan, InvalidPlan> => {
  const { provided } = options
  const built = build(manifests, {
    environment: options.environment ?? "development",
    offers: provided ?? new Set(),
    comesFromOutside: provided === undefined ? () => true : (key) => provided.has(key),
    durationsMs: options.durationsMs,
    path: ""
  })
  return Result.mapError(built, (problems) => new InvalidPlan({ problems }))
}

// ------------------------------------------------------------------------------------------------ questions to a plan

/** The names at each level of the graph, in plan order, without those that the environment excludes. */
export const levels = (plan: Plan): ReadonlyArray<ReadonlyArray<string>> => rows(plan, plan.level)

/** The names in each phase, in plan order, without those that the environment excludes. */
export const phases = (plan: Plan): { readonly [P in Phase.Phase]: ReadonlyArray<string> } => {
  const names: { readonly [P in Phase.Phase]: Array<string> } = { pre: [], core: [], service: [], post: [] }
  for (const i of plan.order) if (!plan.excluded[i]!) names[plan.components[i]!.phase].push(plan.components[i]!.name)
  return names
}

/**
 * The hierarchy that operators know: all of `pre` is stage 0, the levels inside each later phase follow, `post` is last.
 * (Architecture review 2.1 counts six such levels for the node.)
 */
export const stages = (plan: Plan): ReadonlyArray<ReadonlyArray<string>> => {
  const depth = plan.order.map(() => 0)
  const height = Phase.all.map(() => 0)
  for (const i of plan.order) {
    const phase = plan.phase[i]!
    if (plan.excluded[i]!) continue
    for (const j of plan.needs[i]!) {
      if (phase > 0 && plan.phase[j] === phase && !plan.excluded[j]!) depth[i] = Math.max(depth[i]!, depth[j]! + 1)
    }
    height[phase] = Math.max(height[phase]!, depth[i]! + 1)
  }
  const above = height.map((_, phase) => height.slice(0, phase).reduce((sum, rows) => sum + rows, 0))
  return rows(
    plan,
    depth.map((own, i) => above[plan.phase[i]!]! + own)
  )
}

/** What becomes of a component when one that it needs, directly or not, is lost. */
export interface Impact {
  readonly component: string
  /** `absent-option`: it starts and gets `None`. The others cannot start; the boot goes on without `skipped` ones. */
  readonly effect: "skipped" | "absent-option" | "fails-boot"
}

/** Everyone whom the loss of a component touches, in plan order, itself left out. Empty for a name nobody has. */
export const impact = (plan: Plan, name: string): ReadonlyArray<Impact> => {
  const lost = plan.components.map((component) => component.name === name)
  const touched: Array<Impact> = []
  for (const i of plan.order) {
    const component = plan.components[i]!
    if (plan.hard[i]!.some((j) => lost[j])) {
      lost[i] = true
      touched.push({ component: component.name, effect: component.optional ? "skipped" : "fails-boot" })
    } else if (plan.needs[i]!.some((j) => lost[j])) touched.push({ component: component.name, effect: "absent-option" })
  }
  return touched
}

/**
 * Waits that a longer path implies anyway: without the need the component would start no earlier. It may still want the
 * service. Takes memory quadratic in the components: for graphs of up to some ten thousand.
 */
export const redundantEdges = (plan: Plan): ReadonlyArray<{ readonly component: string; readonly need: string }> => {
  const words = Math.ceil(plan.components.length / 32)
  const reach = plan.components.map(() => new Uint32Array(words))
  const found: Array<{ readonly component: string; readonly need: string }> = []
  for (const i of plan.order) {
    const through = reach[i]!
    for (const j of plan.needs[i]!) reach[j]!.forEach((bits, word) => void (through[word]! |= bits))
    for (const j of plan.needs[i]!) {
      if ((through[j >>> 5]! & (1 << (j & 31))) === 0) continue
      found.push({ component: plan.components[i]!.name, need: plan.components[j]!.name })
    }
    for (const j of plan.needs[i]!) through[j >>> 5]! |= 1 << (j & 31)
  }
  return found
}

// ------------------------------------------------------------------------------------------------------------- building

/** What surrounds the components of a plan or of a group. */
interface Surroundings {
  readonly environment: string
  /** Keys from outside that can be suggested. */
  readonly offers: ReadonlySet<string>
  readonly comesFromOutside: (key: string) => boolean
  /** Undefined where none are known: to look a name up in an object makes a key of it, which is dear. */
  readonly durationsMs: { readonly [path: string]: number } | undefined
  /** What precedes a name in a path: `dwcp/` inside the group `dwcp`. */
  readonly path: string
}

const build = (manifests: ReadonlyArray<Manifest>, around: Surroundings): Result.Result<Plan, Problems> => {
  const components = sorted(manifests)
  const excluded: Array<boolean> = []
  const phase: Array<number> = []
  const cost: Array<number> = []
  const index = new Map<string, number>()
  const { durationsMs, path } = around
  for (let i = 0; i < components.length; i++) {
    const { environments, name, phase: at } = components[i]!
    excluded.push(environments?.includes(around.environment) === false)
    phase.push(Phase.rank[at])
    const learned = durationsMs?.[path + name] ?? 1
    cost.push(Number.isFinite(learned) && learned >= 0 ? learned : 1)
    index.set(name, i)
  }
  const { duplicates, providers } = provide(components, excluded)
  const { unmet, ...edges } = connect(components, excluded, providers)
  const external = new Set(unmet.map(({ key }) => key))
  const inside = buildGroups(components, excluded, providers, external, around)
  const { level, order } = kahn(edges.needs, edges.dependents, phase)
  const [problem, ...more]: ReadonlyArray<Problem> = [
    ...checkNames(components),
    ...checkNumbers(components),
    ...duplicates,
    ...missing(
      unmet.filter(({ key }) => !around.comesFromOutside(key)),
      components,
      around.offers
    ),
    ...(order.length < components.length ? cycles(components, edges.needs) : []),
    ...inversions(components, edges.needs),
    ...inside.problems
  ]
  if (problem !== undefined) return Result.fail([problem, ...more])

  const { dependents, needs } = edges
  const graph = { components, needs, dependents, excluded, phase, order }
  return Result.succeed({
    environment: around.environment,
    components,
    index,
    ...edges,
    excluded,
    external: [...external].sort(),
    phase,
    order,
    level,
    cost,
    groups: inside.groups,
    rank: backward(graph, cost)
  })
}

/** Equal names are an error; their contents decide, so that even then the order of registration does not show. */
const sorted = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<Manifest> => {
  const byName = new Map<string, Manifest>()
  for (const manifest of manifests) byName.set(manifest.name, manifest)
  if (byName.size < manifests.length) {
    return [...manifests].sort((a, b) => compare(a.name, b.name) || compare(JSON.stringify(a), JSON.stringify(b)))
  }
  // Texts alone are sorted by code units, as `compare` does it, and without a call for each pair.
  return [...byName.keys()].sort().map((name) => byName.get(name)!)
}

/** Who provides each key: a component of this environment if there is one, else one that is excluded. */
const provide = (components: ReadonlyArray<Manifest>, excluded: ReadonlyArray<boolean>) => {
  const providers = new Map<string, number>()
  const rivals = new Map<string, Set<string>>()
  for (let i = 0; i < components.length; i++) {
    const { name, provides } = components[i]!
    for (const key of provides) {
      const other = providers.get(key)
      if (other === undefined || (excluded[other]! && !excluded[i]!)) providers.set(key, i)
      else if (!excluded[i]! && components[other]!.name !== name) {
        rivals.set(key, (rivals.get(key) ?? new Set([components[other]!.name])).add(name))
      }
    }
  }
  const duplicates = [...rivals]
    .sort(([a], [b]) => compare(a, b))
    .map(([key, names]): Problem => ({
      _tag: "DuplicateService",
      key,
      components: [...names]
    }))
  return { providers, duplicates }
}

const connect = (
  components: ReadonlyArray<Manifest>,
  excluded: ReadonlyArray<boolean>,
  providers: ReadonlyMap<string, number>
) => {
  const n = components.length
  const all = edgeLists(n)
  const hard = new Array<Array<number>>(n)
  let looked: EdgeLists | undefined
  const unmet: Array<Unmet> = []
  for (let i = 0; i < n; i++) {
    hard[i] = nobody
    if (excluded[i]!) continue
    const { name, needs: declared } = components[i]!
    let soft = 0
    for (let k = 0; k < declared.length; k++) {
      const { key, kind } = declared[k]!
      if (kind !== "hard") {
        soft++
        continue
      }
      const j = providers.get(key)
      if (j === undefined) unmet.push({ component: name, key })
      else add(all, i, j)
    }
    // Most components have hard needs alone, and one list for both.
    hard[i] = all.lists[i]!
    if (soft === 0) continue
    hard[i] = sortAscending(hard[i]!.slice())
    for (const { key, kind } of declared) {
      const j = kind === "hard" ? undefined : providers.get(key)
      if (j === undefined || excluded[j]!) continue
      if (kind === "late") add((looked ??= edgeLists(n)), i, j)
      else add(all, i, j)
    }
  }
  const needs = ascending(all)
  const edges = { needs, hard, dependents: mirrored(needs) }
  return looked === undefined
    ? { ...edges, unmet, late: new Array<Array<number>>(n).fill(nobody), holds: needs, heldBy: edges.dependents }
    : { ...edges, unmet, ...holdsOf(needs, ascending(looked)) }
}

/** The same edges by where they lead, in lists of just their length: pushing to one of two makes room for seventeen. */
const mirrored = (edges: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<ReadonlyArray<number>> => {
  const left = new Int32Array(edges.length)
  for (let i = 0; i < edges.length; i++) {
    const list = edges[i]!
    for (let k = 0; k < list.length; k++) left[list[k]!]!++
  }
  const lists = Array.from(left, (count) => (count === 0 ? nobody : new Array<number>(count)))
  for (let i = edges.length - 1; i >= 0; i--) {
    const list = edges[i]!
    for (let k = 0; k < list.length; k++) lists[list[k]!]![--left[list[k]!]!] = i
  }
  return lists
}

/** Who looks something up while it runs may still do so while it is closed: it goes first, where that closes no circle. */
const holdsOf = (needs: Plan["needs"], late: Plan["late"]) => {
  const all = needs.map((list, i) => {
    const more = late[i]!.filter((j) => !list.includes(j))
    return more.length === 0 ? list : [...list, ...more].toSorted((a, b) => a - b)
  })
  const { knot } = tie(all)
  const holds = all.map((list, i) => list.filter((j) => knot[j] !== knot[i] || needs[i]!.includes(j)))
  return { late, holds, heldBy: mirrored(holds) }
}

/** A list of positions for each component, none twice in one list. */
interface EdgeLists {
  readonly lists: Array<Array<number>>
  readonly lastListedBy: Int32Array
}

const edgeLists = (n: number): EdgeLists => ({
  lists: new Array<Array<number>>(n).fill(nobody),
  lastListedBy: new Int32Array(n).fill(-1)
})

/** Lists `j` for `i`. Wants components one after the other. */
const add = ({ lastListedBy, lists }: EdgeLists, i: number, j: number): void => {
  if (lastListedBy[j] === i) return
  lastListedBy[j] = i
  if (lists[i] === nobody) lists[i] = [j]
  else lists[i]!.push(j)
}

const ascending = ({ lists }: EdgeLists): ReadonlyArray<ReadonlyArray<number>> => {
  for (let i = 0; i < lists.length; i++) if (lists[i]!.length > 1) sortAscending(lists[i]!)
  return lists
}

/** The list of all who have no edges of a kind. */
const nobody: Array<number> = []

/** By insertion while a list is short, as most are. */
const sortAscending = (list: Array<number>): Array<number> => {
  if (list.length > 16) return list.sort((a, b) => a - b)
  for (let i = 1; i < list.length; i++) {
    const moved = list[i]!
    let at = i
    for (; at > 0 && list[at - 1]! > moved; at--) list[at] = list[at - 1]!
    list[at] = moved
  }
  return list
}

/** Kahn's algorithm. What is on a cycle, or behind one, is left out of the order. */
const kahn = (
  needs: ReadonlyArray<ReadonlyArray<number>>,
  dependents: ReadonlyArray<ReadonlyArray<number>>,
  phase: ReadonlyArray<number>
) => {
  const n = needs.length
  const order: Array<number> = []
  const level = new Array<number>(n).fill(0)
  const unmet = new Int32Array(n)
  // Phase and position in one number: the heap compares nothing else.
  const ready: Array<number> = []
  for (let i = 0; i < n; i++) {
    unmet[i] = needs[i]!.length
    if (unmet[i] === 0) Heap.push(ready, earlier, phase[i]! * n + i)
  }
  while (ready.length > 0) {
    const i = Heap.pop(ready, earlier)! % n
    order.push(i)
    const below = level[i]! + 1
    const list = dependents[i]!
    for (let k = 0; k < list.length; k++) {
      const d = list[k]!
      if (level[d]! < below) level[d] = below
      if (--unmet[d]! === 0) Heap.push(ready, earlier, phase[d]! * n + d)
    }
  }
  return { order, level }
}

const earlier = (a: number, b: number): boolean => a < b

/** Members may need each other, what the group hard-needs, and what comes from outside the whole plan. */
const buildGroups = (
  components: ReadonlyArray<Manifest>,
  excluded: ReadonlyArray<boolean>,
  providers: ReadonlyMap<string, number>,
  external: Set<string>,
  around: Surroundings
) => {
  const groups = new Map<string, Plan>()
  const problems: Array<Problem> = []
  for (let i = 0; i < components.length; i++) {
    const { group, name, needs } = components[i]!
    if (group === undefined || excluded[i]!) continue
    const offers = new Set(needs.filter(({ kind }) => kind === "hard").map(({ key }) => key))
    const built = build(group, {
      ...around,
      offers,
      comesFromOutside: (key) => offers.has(key) || (!providers.has(key) && around.comesFromOutside(key)),
      path: `${around.path}${name}/`
    })
    if (Result.isFailure(built)) {
      problems.push({ _tag: "Group", component: name, problems: built.failure })
      continue
    }
    groups.set(name, built.success)
    for (const key of built.success.external) if (!offers.has(key)) external.add(key)
  }
  return { groups, problems }
}

const rows = (plan: Plan, row: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<string>> => {
  const names: Array<Array<string>> = []
  for (const i of plan.order) if (!plan.excluded[i]!) (names[row[i]!] ??= []).push(plan.components[i]!.name)
  return Array.from(names, (row) => row ?? [])
}
