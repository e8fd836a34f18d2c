/**
 * A plan for people and for tools: text, Mermaid, DOT, JSON. The views say only what the plan says, and equal plans give
 * equal views, to the byte.
 *
 * **Details**
 *
 * In the diagrams an arrow points from what is needed to who needs it, so time flows along the arrows. The critical path
 * is bold, optional and late needs are dashed, groups and phases are sub-graphs. `toText` and `toJson` take the number
 * of `slots` for the worst case; without it there are always enough.
 *
 * **Example**
 *
 * ```ts
 * PlanView.toText(plan, { slots: 8 })
 * // Plan for "development": 3 components, 2 levels.
 * // Critical path: database → api.
 * // Worst case: 20.5 s with 8 slots.
 * // …
 * ```
 */
import * as Count from "./Count.ts"
import { type Manifest, type Need, type Variant, worstCaseMs } from "./Manifest.ts"
import * as Phase from "./Phase.ts"
import * as Plan from "./Plan.ts"
import type { Word } from "./Severity.ts"
import * as Words from "./Words.ts"

/** How many components may start at the same time; `Infinity` when left out. */
export interface Options {
  readonly slots?: number
}

// ----------------------------------------------------------------------------------------------------------------- text

/** The plan as someone reads it before a boot: what happens in which order, for how long, and what if it does not. */
export const toText = (plan: Plan.Plan, options: Options = {}): string => {
  const there = plan.components.length - plan.excluded.filter(Boolean).length
  const depth = Plan.levels(plan).filter((names) => names.length > 0).length
  const needers = externalNeeds(plan)
  const lines = [
    `Plan for "${Words.visible(plan.environment)}": ${Count.of(there, "component")}, ${Count.of(depth, "level")}.`,
    ...summary(plan, options.slots ?? Infinity),
    ...plan.external.map((key) => {
      const names = plan.components.filter((_, i) => needers.get(key)?.includes(i)).map(({ name }) => name)
      return `From outside: ${Words.visible(key)}, for ${names.length > 0 ? names.join(", ") : "a member of a group"}.`
    }),
    ...schedule(plan, ""),
    "",
    "* critical path   ? optional need   ~ late need",
    ""
  ]
  return lines.filter((line, k) => line !== "" || lines[k - 1] !== "").join("\n")
}

const summary = (plan: Plan.Plan, slots: number): ReadonlyArray<string> => {
  const { path, totalMs } = Plan.criticalPath(plan)
  if (path.length === 0) return ["Nothing starts here."]
  const expected = learned(plan) ? ` (${duration(totalMs)})` : ""
  const worst = duration(Plan.worstCaseMs(plan, { slots }))
  return [
    `Critical path${expected}: ${path.join(" → ")}.`,
    `Worst case: ${worst} with ${slots === Infinity ? "enough slots" : Count.of(slots, "slot")}.`
  ]
}

/** What a plan takes for the duration of a component about which nothing was learned. */
const unknownCost = 1

const learned = (plan: Plan.Plan): boolean => plan.cost.some((cost) => cost !== unknownCost)

/** Phases, stages, components; groups recurse, indented. */
const schedule = (plan: Plan.Plan, indent: string): ReadonlyArray<string> => {
  const onPath = new Set(Plan.criticalPath(plan).path)
  const slack = Plan.slackMs(plan)
  const width = plan.components.reduce((most, { name }) => Math.max(most, name.length), 0)
  const lines: Array<string> = []
  let phase: Phase.Phase | undefined
  Plan.stages(plan).forEach((names, stage) => {
    for (const [k, name] of names.entries()) {
      const i = plan.index.get(name) ?? -1
      const component = plan.components[i]
      if (component === undefined) continue
      if (component.phase !== phase) {
        phase = component.phase
        const { maxMs, targetMs } = Phase.budget[phase]
        const budget = indent === "" ? ` (should take ${duration(targetMs)}, may take ${duration(maxMs)})` : ""
        lines.push("", `${indent}${Phase.title[phase]}${budget}`)
      }
      if (k === 0) lines.push(`${indent}  stage ${stage}`)
      const mark = onPath.has(name) ? "*" : " "
      const cost = plan.cost[i] ?? unknownCost
      const time = [
        ...(cost === unknownCost ? [] : [`takes ${duration(cost)}`]),
        ...(learned(plan) ? [`slack ${duration(slack.get(name) ?? 0)}`] : [])
      ]
      const facts = [
        `level ${plan.level[i] ?? 0}`,
        component.severity,
        ...traits(component),
        ...time,
        ...needs(component)
      ]
      lines.push(`${indent}  ${mark} ${name.padEnd(width)}  ${facts.join(" · ")}`)
      lines.push(...policies(component).map((line) => `${indent}    ${" ".repeat(width)}  ${line}`))
      const inside = plan.groups.get(name)
      if (inside !== undefined) lines.push(...schedule(inside, `${indent}      `), "")
    }
  })
  return [...lines, ...absentees(plan).map((line) => (line === "" ? line : indent + line))]
}

const traits = ({ name, optional, priority, provides }: Manifest): ReadonlyArray<string> => [
  ...(optional ? ["optional"] : []),
  ...(priority === 0 ? [] : [`priority ${priority}`]),
  ...(provides.length === 1 && provides[0] === name
    ? []
    : [`provides ${provides.map((one) => Words.visible(one)).join(", ") || "nothing"}`])
]

const needs = (component: Manifest): ReadonlyArray<string> => {
  const sign = { hard: "", optional: "?", late: "~" }
  const words = sortedNeeds(component).map(({ key, kind }) => Words.visible(key) + sign[kind])
  return words.length === 0 ? [] : [`needs ${words.join(", ")}`]
}

const sortedNeeds = (component: Manifest): ReadonlyArray<Need> =>
  [...component.needs].sort((a, b) => byText(a.key, b.key) || byText(a.kind, b.kind))

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** What is done about failures: one line for the component, one for each fallback. */
const policies = ({ slowMs, stopMs, variants }: Manifest): ReadonlyArray<string> => {
  const patience = (variant: Variant) =>
    [
      `${Count.of(variant.attempts, "attempt")} of ${duration(variant.timeoutMs)}`,
      ...(variant.attempts > 1 ? [`delays of ${duration(variant.retryMs)} together`] : []),
      ...(variant.deadlineMs === Infinity ? [] : [`${duration(variant.deadlineMs)} in all`])
    ].join(", ")
  const [own, ...fallbacks] = variants
  return [
    `${patience(own)}; slow after ${duration(slowMs)}, stops within ${duration(stopMs)}`,
    ...fallbacks.map((fallback) => `else ${Words.visible(fallback.name)}: ${patience(fallback)}`)
  ]
}

/** Who does not exist in this environment, and who is skipped for want of them. */
const absentees = (plan: Plan.Plan): ReadonlyArray<string> => {
  const lines = plan.components.flatMap(({ environments, name }, i) => {
    if (plan.excluded[i] !== true) return []
    const only = (environments ?? []).map((one) => Words.visible(one)).join(", ") || "no environment"
    const skipped = Plan.impact(plan, name)
      .filter(({ effect }) => effect !== "absent-option")
      .map((one) => one.component)
    return [`  ${name} exists only in ${only}${skipped.length === 0 ? "" : `; skipped with it: ${skipped.join(", ")}`}`]
  })
  return lines.length === 0 ? [] : ["", `not in "${Words.visible(plan.environment)}"`, ...lines]
}

/** Milliseconds for people: `250 ms`, `1.5 s`, `2 min 30 s`. */
const duration = (ms: number): string => {
  if (ms < 1_000) return `${round(ms, 2)} ms`
  if (ms < 120_000) return `${round(ms / 1_000, 2)} s`
  const seconds = Math.round(ms / 1_000)
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

const round = (n: number, digits: number): number => Math.round(n * 10 ** digits) / 10 ** digits

// ------------------------------------------------------------------------------------------------------------- diagrams

/** A Mermaid flowchart. */
export const toMermaid = (plan: Plan.Plan): string => {
  const box = (id: string, { name, optional }: Manifest, className: string) =>
    optional ? `${id}(${mermaidText(name)}):::${className}` : `${id}[${mermaidText(name)}]:::${className}`
  const link = { hard: "-->", optional: "-.->|optional|", late: "-.->|late|" }
  const critical = { hard: "==>", optional: "==>|optional|", late: "-.->|late|" }
  return draw(plan, {
    open: ["flowchart TD"],
    node: (id, component, className) => [box(id, component, className)],
    subgraph: (id, title, body) => [`subgraph ${id}[${mermaidText(title)}]`, ...body.map(indented), "end"],
    outside: (id, key) => [`${id}([${mermaidText(key)}]):::external`],
    edge: (from, to, kind, bold) => [`${from} ${(bold ? critical : link)[kind]} ${to}`],
    close: [
      "  classDef component stroke-width:1px",
      "  classDef critical stroke-width:4px",
      "  classDef excluded stroke-dasharray:4 4,opacity:0.5",
      "  classDef external stroke-dasharray:2 2",
      ""
    ]
  })
}

/** A quoted Mermaid label: what has a meaning there becomes a character code. */
const mermaidText = (text: string): string =>
  `"${Words.visible(text).replace(/["#&<>`\\]/g, (char) => `#${char.charCodeAt(0)};`)}"`

/** A Graphviz digraph. */
export const toDot = (plan: Plan.Plan): string => {
  const style: { readonly [className: string]: string } = {
    critical: ", penwidth=3",
    excluded: ", style=dashed, color=gray"
  }
  const look = {
    hard: "",
    optional: 'style=dashed, label="optional"',
    late: 'style=dotted, label="late", constraint=false'
  }
  return draw(plan, {
    open: ["digraph plan {", "  node [shape=box];"],
    node: (id, { name, optional }, className) => [
      `${dotText(id)} [label=${dotText(name)}${optional ? ", shape=ellipse" : ""}${style[className] ?? ""}];`
    ],
    subgraph: (id, title, body) => [
      `subgraph ${dotText(`cluster_${id}`)} {`,
      `  label=${dotText(title)};`,
      ...body.map(indented),
      "}"
    ],
    outside: (id, key) => [`${dotText(id)} [label=${dotText(key)}, shape=oval, style=dotted];`],
    edge: (from, to, kind, bold) => {
      const attributes = [look[kind], bold ? "penwidth=3" : ""].filter((text) => text !== "").join(", ")
      return [`${dotText(from)} -> ${dotText(to)}${attributes === "" ? "" : ` [${attributes}]`};`]
    },
    close: ["}", ""]
  })
}

/** A quoted DOT string. */
const dotText = (text: string): string => `"${Words.visible(text.replace(/[\\"]/g, "\\$&"))}"`

const indented = (line: string): string => `  ${line}`

/** How a notation writes the parts of a diagram, as lines. */
interface Pen {
  readonly open: ReadonlyArray<string>
  readonly node: (id: string, component: Manifest, className: string) => ReadonlyArray<string>
  readonly subgraph: (id: string, title: string, body: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly outside: (id: string, key: string) => ReadonlyArray<string>
  readonly edge: (from: string, to: string, kind: Need["kind"], bold: boolean) => ReadonlyArray<string>
  readonly close: ReadonlyArray<string>
}

const draw = (plan: Plan.Plan, pen: Pen): string => {
  const { edges, nodes } = drawInside(plan, pen, "n")
  const needers = externalNeeds(plan)
  const outside = plan.external.flatMap((key, k) => pen.outside(`x${k}`, key))
  const fromOutside = plan.external.flatMap((key, k) =>
    (needers.get(key) ?? []).flatMap((i) => pen.edge(`x${k}`, `n${i}`, "hard", false))
  )
  return [...pen.open, ...[...outside, ...nodes, ...edges, ...fromOutside].map(indented), ...pen.close].join("\n")
}

/** Nodes by phase, a group as a sub-graph that holds its own node and its members, and all edges. */
const drawInside = (
  plan: Plan.Plan,
  pen: Pen,
  prefix: string
): { readonly nodes: ReadonlyArray<string>; readonly edges: ReadonlyArray<string> } => {
  const { path } = Plan.criticalPath(plan)
  const onPath = new Set(path)
  const steps = new Set(path.slice(1).map((name, k) => JSON.stringify([path[k], name])))
  const edges: Array<string> = []
  const nodes = Phase.all.flatMap((phase) => {
    const body = plan.components.flatMap((component, i) => {
      if (component.phase !== phase) return []
      const id = `${prefix}${i}`
      const className = plan.excluded[i] === true ? "excluded" : onPath.has(component.name) ? "critical" : "component"
      const own = pen.node(id, component, className)
      const group = plan.groups.get(component.name)
      if (group === undefined) return own
      const inside = drawInside(group, pen, `${id}_`)
      edges.push(...inside.edges)
      return pen.subgraph(`group_${id}`, component.name, [...own, ...inside.nodes])
    })
    return body.length === 0 ? [] : pen.subgraph(`phase_${prefix}${phase}`, Phase.title[phase], body)
  })
  for (const { component, kind, need } of edgesOf(plan)) {
    const bold = kind !== "late" && steps.has(JSON.stringify([need, component]))
    const [from, to] = [plan.index.get(need) ?? 0, plan.index.get(component) ?? 0]
    edges.push(...pen.edge(`${prefix}${from}`, `${prefix}${to}`, kind, bold))
  }
  return { nodes, edges }
}

/** Which components need each external key themselves. */
const externalNeeds = (plan: Plan.Plan): ReadonlyMap<string, ReadonlyArray<number>> => {
  const needers = new Map<string, Array<number>>(plan.external.map((key) => [key, []]))
  plan.components.forEach(({ needs }, i) => {
    if (plan.excluded[i] === true) return
    for (const { key, kind } of needs) {
      const known = needers.get(key)
      if (kind === "hard" && known !== undefined && !known.includes(i)) known.push(i)
    }
  })
  return needers
}

// ----------------------------------------------------------------------------------------------------------------- JSON

/** An edge: `component` needs `need`. */
export interface EdgeJson {
  readonly component: string
  readonly need: string
  readonly kind: Need["kind"]
}

/** A component of the plan. Times are milliseconds. */
export interface NodeJson {
  readonly name: string
  readonly phase: Phase.Phase
  readonly level: number
  readonly severity: Word
  readonly optional: boolean
  readonly priority: number
  readonly provides: ReadonlyArray<string>
  readonly excluded: boolean
  readonly costMs: number
  readonly rankMs: number
  readonly slackMs: number
  readonly worstCaseMs: number
  readonly stopMs: number
  /** The component itself first, then its fallbacks; `deadlineMs` is `null` when there is none. */
  readonly variants: ReadonlyArray<Omit<Variant, "deadlineMs"> & { readonly deadlineMs: number | null }>
}

/**
 * The plan as JSON. `version` changes when a field changes its meaning or goes; new fields may come without. Lists of
 * names are in plan order, everything else is sorted.
 */
export interface PlanJson {
  readonly version: 1
  readonly environment: string
  readonly nodes: ReadonlyArray<NodeJson>
  readonly edges: ReadonlyArray<EdgeJson>
  readonly external: ReadonlyArray<string>
  readonly order: ReadonlyArray<string>
  readonly phases: { readonly [P in Phase.Phase]: ReadonlyArray<string> }
  readonly levels: ReadonlyArray<ReadonlyArray<string>>
  /** See `Plan.stages`. */
  readonly stages: ReadonlyArray<ReadonlyArray<string>>
  readonly criticalPath: { readonly totalMs: number; readonly path: ReadonlyArray<string> }
  /** `null` when there are always enough. */
  readonly slots: number | null
  readonly worstCaseMs: number
  readonly groups: { readonly [name: string]: PlanJson }
}

/** The plan as plain data that survives `JSON.stringify`. */
export const toJson = (plan: Plan.Plan, options: Options = {}): PlanJson => {
  const slots = options.slots ?? Infinity
  const slack = Plan.slackMs(plan)
  return {
    version: 1,
    environment: plan.environment,
    nodes: plan.components.map((component, i): NodeJson => ({
      name: component.name,
      phase: component.phase,
      level: plan.level[i] ?? 0,
      severity: component.severity,
      optional: component.optional,
      priority: component.priority,
      provides: [...component.provides].sort(byText),
      excluded: plan.excluded[i] ?? false,
      costMs: plan.cost[i] ?? 0,
      rankMs: plan.rank[i] ?? 0,
      slackMs: slack.get(component.name) ?? 0,
      worstCaseMs: worstCaseMs(component),
      stopMs: component.stopMs,
      variants: component.variants.map((variant) => ({
        ...variant,
        deadlineMs: variant.deadlineMs === Infinity ? null : variant.deadlineMs
      }))
    })),
    edges: edgesOf(plan),
    external: plan.external,
    order: plan.order.flatMap((i) => plan.components[i]?.name ?? []),
    phases: Plan.phases(plan),
    levels: Plan.levels(plan),
    stages: Plan.stages(plan),
    criticalPath: Plan.criticalPath(plan),
    slots: slots === Infinity ? null : slots,
    worstCaseMs: Plan.worstCaseMs(plan, { slots }),
    groups: Object.fromEntries([...plan.groups].map(([name, group]) => [name, toJson(group, options)]))
  }
}

/** All edges of the plan, blocking ones first, by component and need. */
const edgesOf = (plan: Plan.Plan): ReadonlyArray<EdgeJson> =>
  plan.components.flatMap(({ name }, i) => {
    const hard = new Set(plan.hard[i])
    const named = (j: number, kind: Need["kind"]): ReadonlyArray<EdgeJson> => {
      const need = plan.components[j]
      return need === undefined ? [] : [{ component: name, need: need.name, kind }]
    }
    return [
      ...(plan.needs[i] ?? []).flatMap((j) => named(j, hard.has(j) ? "hard" : "optional")),
      ...(plan.late[i] ?? []).flatMap((j) => named(j, "late"))
    ]
  })
