/**
 * What can be wrong with declarations, how it is found, and how it is said. A plan reports all of it at once.
 */
// `!` after an index: positions come from loops over the same arrays.
import { Data } from "effect"
import type { Manifest } from "./Manifest.ts"
import * as Phase from "./Phase.ts"

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

// ------------------------------------------------------------------------------------------------------- what is wrong

const forbidden = /[\s\p{Cc}/]/u

/** Names that are empty, twice, or would be mistaken for a path. Wants components sorted by name. */
export const checkNames = (components: ReadonlyArray<Manifest>): ReadonlyArray<Problem> => {
  if (namesHold(components)) return none
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

/** The same rules at a glance, for the many that keep them. */
const namesHold = (components: ReadonlyArray<Manifest>): boolean => {
  let all = ""
  let last = ""
  for (const { name } of components) {
    if (name === last) return false
    all += name
    last = name
  }
  return !forbidden.test(all)
}

const rules = {
  attempts: ["a whole number from 1", (value: number) => Number.isInteger(value) && value >= 1],
  positive: ["finite and greater than 0", (value: number) => Number.isFinite(value) && value > 0],
  deadline: ["greater than 0, or Infinity", (value: number) => value > 0],
  delay: ["finite and at least 0", (value: number) => Number.isFinite(value) && value >= 0],
  finite: ["finite", Number.isFinite]
} as const

/** Limits that no clock and no counter could keep. */
export const checkNumbers = (components: ReadonlyArray<Manifest>): ReadonlyArray<Problem> => {
  for (let i = 0; i < components.length; i++) {
    if (!numbersHold(components[i]!)) return components.flatMap(wrongNumbers)
  }
  return none
}

const wrongNumbers = (manifest: Manifest): ReadonlyArray<Problem> => {
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

/** The same rules at a glance, for the many that keep them. */
const numbersHold = ({ priority, slowMs, stopMs, variants }: Manifest): boolean => {
  for (const { attempts, deadlineMs, retryMs, timeoutMs } of variants) {
    if (!(Number.isInteger(attempts) && attempts >= 1 && timeoutMs > 0 && timeoutMs < Infinity)) return false
    if (!(deadlineMs > 0 && retryMs >= 0 && retryMs < Infinity)) return false
  }
  return stopMs > 0 && stopMs < Infinity && slowMs > 0 && slowMs < Infinity && Number.isFinite(priority)
}

const none: ReadonlyArray<Problem> = []

/** Needs that lead into a later phase. */
export const inversions = (
  components: ReadonlyArray<Manifest>,
  needs: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  for (let i = 0; i < components.length; i++) {
    const { name, phase } = components[i]!
    for (const j of needs[i]!) {
      const { name: need, phase: needPhase } = components[j]!
      if (needPhase === phase || Phase.rank[needPhase] <= Phase.rank[phase]) continue
      problems.push({ _tag: "PhaseInversion", component: name, phase, need, needPhase })
    }
  }
  return problems
}

/** Every strongly connected component, as the shortest cycle through its smallest name; shortest cycles first. */
export const cycles = (
  components: ReadonlyArray<Manifest>,
  needs: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<Problem> => {
  const { knot, knots } = tie(needs)
  return knots
    .filter((members) => members.length > 1 || needs[members[0]!]!.includes(members[0]!))
    .map((members) => {
      const first = members.reduce((a, b) => Math.min(a, b))
      return shortestCycle(first, needs, knot).map((at) => components[at]!.name)
    })
    .sort((a, b) => a.length - b.length || compare(a[0]!, b[0]!))
    .map((path): Problem => ({ _tag: "Cycle", path }))
}

/**
 * The strongly connected components of a graph (Tarjan 1972, without recursion): those who reach each other have the same
 * `knot`. Whoever is reached is listed before those who reach it.
 */
export const tie = (
  edges: ReadonlyArray<ReadonlyArray<number>>
): { readonly knot: Int32Array; readonly knots: ReadonlyArray<ReadonlyArray<number>> } => {
  const n = edges.length
  const knots: Array<ReadonlyArray<number>> = []
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
      const j = edges[i]![nextEdge[i]!++]
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
      knots.push(members)
    }
  }
  return { knot, knots }
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

/** A hard need that no component meets. */
export interface Unmet {
  readonly component: string
  readonly key: string
}

/** Needs that nobody meets, each with what may have been meant. */
export const missing = (
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
  const own = new Map(components.map(({ name, provides }) => [name, provides]))
  const unique = new Map(unmet.map((one) => [JSON.stringify([one.component, one.key]), one]))
  return [...unique.values()]
    .sort((a, b) => compare(a.component, b.component) || compare(a.key, b.key))
    .map(({ component, key }): Problem => {
      const known = suggestions.get(key) ?? (suggestions.size < keysWithSuggestions ? suggest(key, candidates) : [])
      suggestions.set(key, known)
      // Nobody means what it provides itself.
      const others = known.filter((one) => own.get(component)?.includes(one) !== true)
      return { _tag: "Missing", component, key, suggestions: others }
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

/** Code units decide: the order of names is the same on every machine. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
