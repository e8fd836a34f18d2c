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
import { Data, Result } from "effect"
import { type Manifest, worstCaseMs as worstCaseOf } from "./Manifest.ts"
import * as Phase from "./Phase.ts"

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
  /** What it looks up while running; no part of any order. */
  readonly late: ReadonlyArray<ReadonlyArray<number>>
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

/** One thing that is wrong with the declarations; {@link describe} makes a sentence of it. */
export type Problem =
  | { readonly _tag: "InvalidName"; readonly name: string; readonly rule: string }
  | { readonly _tag: "DuplicateName"; readonly name: string }
  | {
      readonly _tag: "InvalidNumber"
      readonly component: string
      readonly field: string
      readonly value: number
      readonly rule: string
    }
  | { readonly _tag: "DuplicateService"; readonly key: string; readonly components: ReadonlyArray<string> }
  | {
      readonly _tag: "Missing"
      readonly component: string
      readonly key: string
      readonly suggestions: ReadonlyArray<string>
    }
  /** `path` is closed: its first name is also its last, and each name needs the next. */
  | { readonly _tag: "Cycle"; readonly path: ReadonlyArray<string> }
  | {
      readonly _tag: "PhaseInversion"
      readonly component: string
      readonly phase: Phase.Phase
      readonly need: string
      readonly needPhase: Phase.Phase
    }
  | { readonly _tag: "Group"; readonly component: string; readonly problems: Problems }

/** At least one problem. */
export type Problems = readonly [Problem, ...ReadonlyArray<Problem>]

/** The declarations cannot be booted; `problems` holds every reason, in an order that registration does not change. */
export class InvalidPlan extends Data.TaggedError("InvalidPlan")<{ readonly problems: Problems }> {
  override get message() {
    const [problem, ...more] = this.problems
    return more.length === 0 && problem._tag !== "Group"
      ? `Nothing was started. ${describe(problem)}`
      : ["Nothing was started, the plan has problems:", ...bullets(this.problems, "")].join("\n")
  }
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
    durationsMs: options.durationsMs ?? {},
    path: ""
  })
  return Result.mapError(built, (problems) => new InvalidPlan({ problems }))
}

// ------------------------------------------------------------------------------------------------ questions to a plan

/**
 * Who goes first when two may start and one slot is free: negative when `i` does. Higher priority, then the longer
 * remaining path, then the smaller name.
 */
export const first = (plan: Plan, i: number, j: number): number =>
  plan.components[j]!.priority - plan.components[i]!.priority || plan.rank[j]! - plan.rank[i]! || i - j

/** Whether `post` waits until this component has settled: all critical ones before it. */
export const holdsPost = (plan: Pick<Plan, "components" | "excluded">, i: number): boolean => {
  const { phase, severity } = plan.components[i]!
  return !plan.excluded[i]! && severity === "critical" && phase !== "post"
}

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

/**
 * The longest way through the boot and the time it takes with enough slots. `costMs` defaults to the plan's; what is
 * excluded costs nothing. The path may step over a phase boundary where no need connects its neighbours.
 */
export const criticalPath = (
  plan: Plan,
  costMs: ReadonlyArray<number> = plan.cost
): { readonly totalMs: number; readonly path: ReadonlyArray<string> } => {
  const { after, end } = forward(plan, costMs)
  let at = -1
  for (const i of plan.order) if (!plan.excluded[i]!) at = later(end, at, i)
  const totalMs = at < 0 ? 0 : end[at]!
  const path: Array<string> = []
  for (; at >= 0; at = after[at]!) path.push(plan.components[at]!.name)
  return { totalMs, path: path.reverse() }
}

/** How much later each component could end, in milliseconds, before the boot takes longer; 0 on the critical path. */
export const slackMs = (plan: Plan, costMs: ReadonlyArray<number> = plan.cost): ReadonlyMap<string, number> => {
  const { end } = forward(plan, costMs)
  const remaining = backward(plan, costMs)
  const { totalMs } = criticalPath(plan, costMs)
  return new Map(
    plan.components.map(({ name }, i) => {
      const through = end[i]! + remaining[i]! - (plan.excluded[i]! ? 0 : costMs[i]!)
      return [name, Math.max(0, totalMs - through)]
    })
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
 * An upper bound of the boot in milliseconds, every attempt, delay, timeout and fallback used up: the critical path of
 * worst cases, plus, with fewer slots than components, the rest of the work shared among the slots (Graham 1966).
 */
export const worstCaseMs = (plan: Plan, { slots }: { readonly slots: number }): number => {
  const worst = plan.components.map(worstCaseOf)
  const longest = criticalPath(plan, worst).totalMs
  return atLeastOne(slots) >= plan.components.length ? longest : longest + (work(plan, worst) - longest) / slots
}

/** No schedule on so many slots is shorter than this, in milliseconds. */
export const lowerBoundMs = (plan: Plan, slots: number, costMs: ReadonlyArray<number> = plan.cost): number =>
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
export const schedule = (plan: Plan, slots: number, costMs: ReadonlyArray<number> = plan.cost): Schedule => {
  const startMs = plan.components.map(() => 0)
  const endMs = plan.components.map(() => 0)
  const unmet = plan.needs.map((needs) => needs.filter((j) => !plan.excluded[j]!).length)
  const there = plan.order.filter((i) => !plan.excluded[i]!)
  let preLeft = there.filter((i) => plan.phase[i] === Phase.rank.pre).length
  let criticalLeft = there.filter((i) => holdsPost(plan, i)).length
  const ready = heap((i, j) => first(plan, i, j) < 0)
  const running = heap((i, j) => endMs[i]! < endMs[j]!)
  const limit = atLeastOne(slots)
  // Their needs are met, and their phase has not begun.
  const held: ReadonlyArray<Array<number>> = Phase.all.map(() => [])
  const begun = (phase: number) =>
    phase === Phase.rank.pre || (preLeft === 0 && (phase !== Phase.rank.post || criticalLeft === 0))
  const offer = (i: number) => {
    const phase = plan.phase[i]!
    if (begun(phase)) ready.push(i)
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
      if (begun(phase)) for (const i of waiting.splice(0)) ready.push(i)
    })
    while (running.size() < limit && ready.size() > 0) {
      const i = ready.pop()
      startMs[i] = now
      endMs[i] = now + costMs[i]!
      running.push(i)
    }
    if (running.size() === 0) return { startMs, endMs, makespanMs: now }
    now = endMs[running.peek()]!
    while (running.size() > 0 && !(endMs[running.peek()]! > now)) finish(running.pop())
  }
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

// ------------------------------------------------------------------------------------------------------------ sentences

/** A problem as a sentence for whoever is on call: what is wrong, and what to do. */
export const describe = (problem: Problem, insideGroup = false): string => {
  switch (problem._tag) {
    case "InvalidName":
      return `The component name ${quote(problem.name)} ${problem.rule}. Rename it.`
    case "DuplicateName":
      return `More than one component is named ${quote(problem.name)}. Rename all but one.`
    case "InvalidNumber":
      return `In ${quote(problem.component)}, ${problem.field} is ${problem.value}; it must be ${problem.rule}.`
    case "DuplicateService":
      return (
        `${quote(problem.key)} is provided by ${problem.components.map(quote).join(" and ")}. ` +
        "Keep one, or give them environments that exclude each other."
      )
    case "Missing": {
      const [where, remedy] = insideGroup
        ? ["which neither a member nor a hard need of the group provides", "Add it to the needs of the group."]
        : ["which nothing provides", "Add a component that does, or remove the need."]
      const names = problem.suggestions.map(quote).join(" or ")
      const hint = names === "" ? remedy : `Did you mean ${names}?`
      return `${quote(problem.component)} needs ${quote(problem.key)}, ${where}. ${hint}`
    }
    case "Cycle":
      return `Components wait for each other: ${arrows(problem.path)}. Remove one of these needs, or make it late.`
    case "PhaseInversion":
      return (
        `${quote(problem.component)} is of phase ${problem.phase} and needs ${quote(problem.need)} of the later phase ` +
        `${problem.needPhase}. Move one of them, or make the need late.`
      )
    case "Group":
      return `The group ${quote(problem.component)} has problems inside.`
  }
}

const bullets = (problems: Problems, indent: string): ReadonlyArray<string> =>
  problems.flatMap((problem) => [
    `${indent}- ${describe(problem, indent !== "")}`,
    ...(problem._tag === "Group" ? bullets(problem.problems, `${indent}  `) : [])
  ])

/** In JSON quotes, which make control characters visible. */
const quote = (text: string): string => JSON.stringify(text)

/** A long cycle keeps its ends: nobody reads a thousand names. */
const arrows = (path: ReadonlyArray<string>): string =>
  (path.length <= 16
    ? path.map(quote)
    : [...path.slice(0, 8).map(quote), `… ${path.length - 12} more …`, ...path.slice(-4).map(quote)]
  ).join(" → ")

// ------------------------------------------------------------------------------------------------------------- building

/** What surrounds the components of a plan or of a group. */
interface Surroundings {
  readonly environment: string
  /** Keys from outside that can be suggested. */
  readonly offers: ReadonlySet<string>
  readonly comesFromOutside: (key: string) => boolean
  readonly durationsMs: { readonly [path: string]: number }
  /** What precedes a name in a path: `dwcp/` inside the group `dwcp`. */
  readonly path: string
}

const build = (manifests: ReadonlyArray<Manifest>, around: Surroundings): Result.Result<Plan, Problems> => {
  const components = sorted(manifests)
  const excluded = components.map(({ environments }) => environments?.includes(around.environment) === false)
  const { duplicates, providers } = provide(components, excluded)
  const { unmet, ...edges } = connect(components, excluded, providers)
  const phase = components.map((component) => Phase.rank[component.phase])
  const external = new Set(unmet.map(({ key }) => key))
  const inside = buildGroups(components, excluded, providers, external, around)
  const { level, order } = kahn(edges.needs, edges.dependents, phase)
  const [problem, ...more]: ReadonlyArray<Problem> = [
    ...checkNames(components),
    ...components.flatMap(checkNumbers),
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

  const cost = components.map(({ name }) => {
    const learned = around.durationsMs[around.path + name] ?? 1
    return Number.isFinite(learned) && learned >= 0 ? learned : 1
  })
  const graph = {
    environment: around.environment,
    components,
    index: new Map(components.map(({ name }, i) => [name, i])),
    ...edges,
    excluded,
    external: [...external].sort(),
    phase,
    order,
    level,
    cost,
    groups: inside.groups
  }
  return Result.succeed({ ...graph, rank: backward(graph, cost) })
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Equal names are an error; their contents decide, so that even then the order of registration does not show. */
const sorted = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<Manifest> =>
  [...manifests].sort((a, b) => compare(a.name, b.name) || compare(JSON.stringify(a), JSON.stringify(b)))

/** Who provides each key: a component of this environment if there is one, else one that is excluded. */
const provide = (components: ReadonlyArray<Manifest>, excluded: ReadonlyArray<boolean>) => {
  const providers = new Map<string, number>()
  const rivals = new Map<string, Set<string>>()
  components.forEach(({ name, provides }, i) => {
    for (const key of provides) {
      const other = providers.get(key)
      if (other === undefined || (excluded[other]! && !excluded[i]!)) providers.set(key, i)
      else if (!excluded[i]! && components[other]!.name !== name) {
        rivals.set(key, (rivals.get(key) ?? new Set([components[other]!.name])).add(name))
      }
    }
  })
  const duplicates = [...rivals]
    .sort(([a], [b]) => compare(a, b))
    .map(([key, names]): Problem => ({
      _tag: "DuplicateService",
      key,
      components: [...names]
    }))
  return { providers, duplicates }
}

/** A hard need that no component meets. */
interface Unmet {
  readonly component: string
  readonly key: string
}

const connect = (
  components: ReadonlyArray<Manifest>,
  excluded: ReadonlyArray<boolean>,
  providers: ReadonlyMap<string, number>
) => {
  const n = components.length
  const [needs, hard, late] = [edgeLists(n), edgeLists(n), edgeLists(n)]
  const unmet: Array<Unmet> = []
  components.forEach((component, i) => {
    if (excluded[i]!) return
    for (const { key, kind } of component.needs) {
      const j = providers.get(key)
      if (j === undefined) {
        if (kind === "hard") unmet.push({ component: component.name, key })
      } else if (kind === "hard") {
        needs.add(i, j)
        hard.add(i, j)
      } else if (!excluded[j]!) (kind === "late" ? late : needs).add(i, j)
    }
  })
  const dependents: ReadonlyArray<Array<number>> = components.map(() => [])
  needs.ascending().forEach((list, i) => {
    for (const j of list) dependents[j]!.push(i)
  })
  return { needs: needs.ascending(), hard: hard.ascending(), late: late.ascending(), dependents, unmet }
}

/** A list of positions for each component, none twice in one list. `add` wants components one after the other. */
const edgeLists = (n: number) => {
  const lists: ReadonlyArray<Array<number>> = Array.from({ length: n }, () => [])
  const lastListedBy = new Int32Array(n).fill(-1)
  return {
    add: (i: number, j: number) => {
      if (lastListedBy[j] === i) return
      lastListedBy[j] = i
      lists[i]!.push(j)
    },
    ascending: (): ReadonlyArray<ReadonlyArray<number>> => {
      for (const list of lists) if (list.length > 1) list.sort((a, b) => a - b)
      return lists
    }
  }
}

/** Kahn's algorithm. What is on a cycle, or behind one, is left out of the order. */
const kahn = (
  needs: ReadonlyArray<ReadonlyArray<number>>,
  dependents: ReadonlyArray<ReadonlyArray<number>>,
  phase: ReadonlyArray<number>
) => {
  const order: Array<number> = []
  const level = needs.map(() => 0)
  const unmet = needs.map((list) => list.length)
  const ready = heap((i, j) => (phase[i]! - phase[j]! || i - j) < 0)
  unmet.forEach((count, i) => {
    if (count === 0) ready.push(i)
  })
  while (ready.size() > 0) {
    const i = ready.pop()
    order.push(i)
    for (const d of dependents[i]!) {
      level[d] = Math.max(level[d]!, level[i]! + 1)
      if (--unmet[d]! === 0) ready.push(d)
    }
  }
  return { order, level }
}

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
  components.forEach(({ group, name, needs }, i) => {
    if (group === undefined || excluded[i]!) return
    const offers = new Set(needs.filter(({ kind }) => kind === "hard").map(({ key }) => key))
    const built = build(group, {
      ...around,
      offers,
      comesFromOutside: (key) => offers.has(key) || (!providers.has(key) && around.comesFromOutside(key)),
      path: `${around.path}${name}/`
    })
    if (Result.isFailure(built)) return void problems.push({ _tag: "Group", component: name, problems: built.failure })
    groups.set(name, built.success)
    for (const key of built.success.external) if (!offers.has(key)) external.add(key)
  })
  return { groups, problems }
}

// ------------------------------------------------------------------------------------------------------- what is wrong

const forbidden = /[\s\p{Cc}/]/u

const checkNames = (components: ReadonlyArray<Manifest>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  components.forEach(({ name }, i) => {
    if (components[i - 1]?.name === name) {
      if (components[i - 2]?.name !== name) problems.push({ _tag: "DuplicateName", name })
    } else if (name === "") problems.push({ _tag: "InvalidName", name, rule: "is empty" })
    else if (forbidden.test(name)) {
      problems.push({ _tag: "InvalidName", name, rule: `contains white space, a control character or "/"` })
    }
  })
  return problems
}

const rules = {
  attempts: ["a whole number from 1", (value: number) => Number.isInteger(value) && value >= 1],
  positive: ["finite and greater than 0", (value: number) => Number.isFinite(value) && value > 0],
  deadline: ["greater than 0, or Infinity", (value: number) => value > 0],
  delay: ["finite and at least 0", (value: number) => Number.isFinite(value) && value >= 0],
  finite: ["finite", Number.isFinite]
} as const

const checkNumbers = (manifest: Manifest): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const check = (field: string, value: number, [rule, holds]: (typeof rules)[keyof typeof rules]) => {
    if (!holds(value)) problems.push({ _tag: "InvalidNumber", component: manifest.name, field, value, rule })
  }
  manifest.variants.forEach((variant, k) => {
    const of = k === 0 ? "" : ` of fallback ${quote(variant.name)}`
    check(`attempts${of}`, variant.attempts, rules.attempts)
    check(`timeoutMs${of}`, variant.timeoutMs, rules.positive)
    check(`deadlineMs${of}`, variant.deadlineMs, rules.deadline)
    check(`retryMs${of}`, variant.retryMs, rules.delay)
  })
  check("stopMs", manifest.stopMs, rules.positive)
  check("slowMs", manifest.slowMs, rules.positive)
  check("priority", manifest.priority, rules.finite)
  return problems
}

const inversions = (
  components: ReadonlyArray<Manifest>,
  needs: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<Problem> =>
  components.flatMap(({ name, phase }, i) =>
    needs[i]!.map((j) => components[j]!)
      .filter((need) => Phase.rank[need.phase] > Phase.rank[phase])
      .map((need): Problem => ({
        _tag: "PhaseInversion",
        component: name,
        phase,
        need: need.name,
        needPhase: need.phase
      }))
  )

/**
 * Every strongly connected component (Tarjan), as the shortest cycle through its smallest name; shortest cycles first.
 */
const cycles = (
  components: ReadonlyArray<Manifest>,
  needs: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<Problem> => {
  const n = components.length
  const found: Array<ReadonlyArray<string>> = []
  const seenAt = new Int32Array(n)
  const low = new Int32Array(n)
  const nextEdge = new Int32Array(n)
  const knot = new Int32Array(n).fill(-1)
  const open: Array<number> = []
  const calls: Array<number> = []
  let time = 0
  for (let root = 0; root < n; root++) {
    if (seenAt[root] === 0) calls.push(root)
    while (calls.length > 0) {
      const i = calls.at(-1)!
      if (seenAt[i] === 0) {
        seenAt[i] = low[i] = ++time
        open.push(i)
      }
      const j = needs[i]![nextEdge[i]!++]
      if (j !== undefined) {
        if (seenAt[j] === 0) calls.push(j)
        else if (knot[j]! < 0) low[i] = Math.min(low[i]!, seenAt[j]!)
        continue
      }
      calls.pop()
      const caller = calls.at(-1)
      if (caller !== undefined) low[caller] = Math.min(low[caller]!, low[i]!)
      if (low[i] !== seenAt[i]) continue
      const members = open.splice(open.lastIndexOf(i))
      for (const member of members) knot[member] = i
      if (members.length === 1 && !needs[i]!.includes(i)) continue
      found.push(
        shortestCycle(
          members.reduce((a, b) => Math.min(a, b)),
          needs,
          knot
        ).map((at) => components[at]!.name)
      )
    }
  }
  return found
    .sort((a, b) => a.length - b.length || compare(a[0]!, b[0]!))
    .map((path): Problem => ({ _tag: "Cycle", path }))
}

/** Breadth first from `start` back to it, inside its strongly connected component. */
const shortestCycle = (
  start: number,
  needs: ReadonlyArray<ReadonlyArray<number>>,
  knot: Int32Array
): ReadonlyArray<number> => {
  const cameFrom = new Map<number, number>()
  const queue = [start]
  for (const i of queue) {
    for (const j of needs[i]!) {
      if (j === start) {
        const path = [start]
        for (let at = i; at !== start; at = cameFrom.get(at)!) path.push(at)
        return [...path, start].reverse()
      }
      if (knot[j] !== knot[start] || cameFrom.has(j)) continue
      cameFrom.set(j, i)
      queue.push(j)
    }
  }
  return []
}

/** Beyond so many missing keys something larger is wrong than a typing error, and looking for it takes long. */
const keysWithSuggestions = 50

const missing = (
  unmet: ReadonlyArray<Unmet>,
  components: ReadonlyArray<Manifest>,
  offers: ReadonlySet<string>
): ReadonlyArray<Problem> => {
  if (unmet.length === 0) return []
  // What one may have typed, and what one should type: the name of a component stands for what it provides.
  const candidates = new Map<string, ReadonlySet<string>>()
  const add = (typed: string, meant: ReadonlyArray<string>) =>
    candidates.set(typed, new Set([...(candidates.get(typed) ?? []), ...meant]))
  for (const key of offers) add(key, [key])
  for (const { name, provides } of components) {
    for (const key of provides) add(key, [key])
    if (provides.length > 0) add(name, provides)
  }
  const suggestions = new Map<string, ReadonlyArray<string>>()
  const unique = new Map(unmet.map((one) => [JSON.stringify([one.component, one.key]), one]))
  return [...unique.values()]
    .sort((a, b) => compare(a.component, b.component) || compare(a.key, b.key))
    .map(({ component, key }): Problem => {
      const known = suggestions.get(key) ?? (suggestions.size < keysWithSuggestions ? suggest(key, candidates) : [])
      suggestions.set(key, known)
      return { _tag: "Missing", component, key, suggestions: known }
    })
}

/** At most three, the nearest first. */
const suggest = (key: string, candidates: ReadonlyMap<string, ReadonlySet<string>>): ReadonlyArray<string> => {
  const limit = Math.min(3, Math.max(1, Math.floor(key.length / 3)))
  const nearest = new Map<string, number>()
  for (const [typed, meant] of candidates) {
    const apart = distance(key.toLowerCase(), typed.toLowerCase(), limit)
    if (apart > limit) continue
    for (const one of meant) nearest.set(one, Math.min(apart, nearest.get(one) ?? apart))
  }
  return [...nearest]
    .sort(([a, x], [b, y]) => x - y || compare(a, b))
    .slice(0, 3)
    .map(([one]) => one)
}

/** Damerau-Levenshtein (no substring edited twice): changes, or any number above `limit` when there are more. */
const distance = (a: string, b: string, limit: number): number => {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: ReadonlyArray<number> = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const edit = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1))
      row.push(swapped ? Math.min(edit, before[j - 2]! + 1) : edit)
    }
    if (Math.min(...row) > limit) return limit + 1
    before = above
    above = row
  }
  return above[b.length]!
}

// ------------------------------------------------------------------------------------------------------------- measures

type Graph = Pick<Plan, "components" | "needs" | "dependents" | "excluded" | "phase" | "order">

/** When each would end with enough slots, and whom it waits for last: -1 for nobody. */
const forward = (plan: Graph, costMs: ReadonlyArray<number>) => {
  const end = plan.components.map(() => 0)
  const after = plan.components.map(() => -1)
  let pre = -1
  let critical = -1
  for (const i of plan.order) {
    if (plan.excluded[i]!) continue
    let last = -1
    for (const j of plan.needs[i]!) if (!plan.excluded[j]!) last = later(end, last, j)
    if (plan.phase[i]! > Phase.rank.pre) last = later(end, last, pre)
    if (plan.phase[i] === Phase.rank.post) last = later(end, last, critical)
    after[i] = last
    end[i] = costMs[i]! + (last < 0 ? 0 : end[last]!)
    if (plan.phase[i] === Phase.rank.pre) pre = later(end, pre, i)
    if (holdsPost(plan, i)) critical = later(end, critical, i)
  }
  return { end, after }
}

/** The one that ends later, the first of two equals; -1 stands for nobody. */
const later = (end: ReadonlyArray<number>, i: number, j: number): number =>
  i < 0 || (j >= 0 && end[j]! > end[i]!) ? j : i

/** The longest way from the begin of each to the end of the boot. */
const backward = (plan: Graph, costMs: ReadonlyArray<number>): ReadonlyArray<number> => {
  const remaining = plan.components.map(() => 0)
  let afterPre = 0
  let post = 0
  for (let k = plan.order.length - 1; k >= 0; k--) {
    const i = plan.order[k]!
    if (plan.excluded[i]!) continue
    let rest = 0
    for (const d of plan.dependents[i]!) rest = Math.max(rest, remaining[d]!)
    if (plan.phase[i] === Phase.rank.pre) rest = Math.max(rest, afterPre)
    if (holdsPost(plan, i)) rest = Math.max(rest, post)
    const own = (remaining[i] = costMs[i]! + rest)
    if (plan.phase[i]! > Phase.rank.pre) afterPre = Math.max(afterPre, own)
    if (plan.phase[i] === Phase.rank.post) post = Math.max(post, own)
  }
  return remaining
}

const work = (plan: Plan, costMs: ReadonlyArray<number>): number =>
  costMs.reduce((sum, cost, i) => (plan.excluded[i]! ? sum : sum + cost), 0)

/** A programming error when not: settings are checked where they are read. */
const atLeastOne = (slots: number): number => {
  if (slots === Infinity || (Number.isInteger(slots) && slots >= 1)) return slots
  throw new RangeError(`A boot needs a whole number of slots, at least 1, not ${slots}.`)
}

const rows = (plan: Plan, row: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<string>> => {
  const names: Array<Array<string>> = []
  for (const i of plan.order) if (!plan.excluded[i]!) (names[row[i]!] ??= []).push(plan.components[i]!.name)
  return Array.from(names, (row) => row ?? [])
}

/** A binary heap of positions. */
const heap = (before: (i: number, j: number) => boolean) => {
  const items: Array<number> = []
  return {
    size: () => items.length,
    peek: () => items[0]!,
    push: (item: number) => {
      let at = items.push(item) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!before(item, items[parent]!)) break
        items[at] = items[parent]!
        at = parent
      }
      items[at] = item
    },
    pop: () => {
      const top = items[0]!
      const item = items.pop()!
      const { length } = items
      if (length === 0) return top
      let at = 0
      for (let child = 1; child < length; child = 2 * at + 1) {
        if (child + 1 < length && before(items[child + 1]!, items[child]!)) child++
        if (!before(items[child]!, item)) break
        items[at] = items[child]!
        at = child
      }
      items[at] = item
      return top
    }
  }
}
