import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as PlanView from "../src/PlanView.ts"

const { make } = Manifest
const planOf = (...args: Parameters<typeof Plan.make>): Plan.Plan => Result.getOrThrow(Plan.make(...args))

/** All that a view must show: needs of each kind, a fallback, phases, a group, an outsider, an excluded one. */
const manifests: ReadonlyArray<Manifest.Manifest> = [
  make({ name: "config", phase: "pre" }),
  make({ name: "security", provides: ["Security"], needs: ["Keys"] }),
  make({
    name: "redis",
    provides: ["Cache"],
    needs: ["Security"],
    severity: "degraded",
    priority: 2,
    variants: [
      { name: "redis", attempts: 3, retryMs: 3_000, timeoutMs: 10_000, deadlineMs: 35_000 },
      { name: "memory", attempts: 1, retryMs: 0, timeoutMs: 500, deadlineMs: Infinity }
    ]
  }),
  make({
    name: "dwcp",
    needs: ["Security", { key: "Cache", kind: "optional" }],
    group: [
      make({ name: "amst" }),
      make({ name: "hde", needs: ["amst", { key: "itp", kind: "late" }] }),
      make({ name: "itp" })
    ]
  }),
  make({ name: "rdma", environments: ["datacenter"], severity: "warning", optional: true }),
  make({ name: "tuner", needs: ["rdma"], severity: "warning", optional: true }),
  make({ name: "api", phase: "service", needs: ["dwcp", { key: "tuner", kind: "late" }] })
]
const plan = planOf(manifests, { environment: "internet", durationsMs: { security: 1200, dwcp: 2800, redis: 900 } })

/** Names that break notations which do not quote. */
const nasty = [
  `"`,
  `\\`,
  `a"b`,
  `x]`,
  `[y]`,
  `(z)`,
  `{`,
  `a-->b`,
  "end",
  "`md`",
  "#quot;",
  "<b>&",
  "é漢🚀",
  "%%",
  "\\n",
  ";"
]

const names = fc.uniqueArray(
  fc
    .oneof(fc.constantFrom(...nasty), fc.string({ unit: "grapheme", maxLength: 6 }))
    .filter((name) => Result.isSuccess(Plan.make([make({ name })]))),
  { minLength: 1, maxLength: 7 }
)

/** Plans with such names, needs of all kinds, and groups in groups. */
const plans: fc.Arbitrary<Plan.Plan> = names
  .chain((all) =>
    fc
      .array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { minLength: all.length, maxLength: all.length })
      .map((choices) => {
        const kinds = ["hard", "optional", "late"] as const
        return all.map((name, i) => {
          const [to, kind, more] = choices[i]!
          return make({
            name,
            phase: Phase.all[Math.floor((4 * i) / all.length)]!,
            optional: more % 2 === 0,
            environments: more % 7 === 0 ? ["x\ny"] : undefined,
            group:
              more % 5 === 0
                ? [make({ name }), make({ name: `${name}2`, needs: [name], group: [make({ name })] })]
                : undefined,
            needs: [
              ...(i === 0 ? [] : [{ key: all[to % i]!, kind: kinds[kind % 3]! }]),
              ...(more % 3 === 0 ? [`outer "key" ${more % 4}\u001b[31m`] : [])
            ]
          })
        })
      })
  )
  .map((manifests) => planOf(manifests))

/** All edges of a plan and of the groups inside, as `need → component` with the path of groups before each. */
const edgesOf = (plan: Plan.Plan, path = ""): ReadonlyArray<string> => {
  const named = (i: number) => path + plan.components[i]!.name
  return [
    ...plan.components.flatMap((_, i) => [
      ...plan.needs[i]!.map((j) => `${named(j)} → ${named(i)} ${plan.hard[i]!.includes(j) ? "hard" : "optional"}`),
      ...plan.late[i]!.map((j) => `${named(j)} → ${named(i)} late`)
    ]),
    ...[...plan.groups].flatMap(([name, group]) => edgesOf(group, `${path}${name}/`))
  ]
}

/** A diagram that was read back: labels of nodes by id, edges between ids, titles of sub-graphs in order. */
interface Diagram {
  readonly labels: ReadonlyMap<string, string>
  readonly edges: ReadonlyArray<readonly [from: string, to: string, kind: string]>
  readonly subgraphs: ReadonlyArray<string>
}

/** Edges of a diagram in the words of {@link edgesOf}, without those from outside. An id holds the path: `n3_0`. */
const edgesIn = ({ edges, labels }: Diagram): ReadonlyArray<string> => {
  const path = (id: string): string => {
    const parts = id.split("_")
    return parts.map((_, k) => labels.get(parts.slice(0, k + 1).join("_")) ?? assert.fail(`no node ${id}`)).join("/")
  }
  return edges
    .filter(([from]) => !from.startsWith("x"))
    .map(([from, to, kind]) => `${path(from)} → ${path(to)} ${kind}`)
}

/** Reads the DOT that we write, and fails on anything else. */
const readDot = (text: string): Diagram => {
  const labels = new Map<string, string>()
  const edges: Array<readonly [string, string, string]> = []
  const subgraphs: Array<string> = []
  const tokens = [...text.matchAll(/\s*("(?:[^"\\\n]|\\.)*"|->|[{}[\];=,]|[A-Za-z0-9_]+|\S)/gu)].map(
    ([, token]) => token!
  )
  let at = 0
  const next = (): string => tokens[at++] ?? assert.fail("the text ends too early")
  const expect = (token: string) => assert.strictEqual(next(), token)
  const string = (): string => {
    const token = next()
    assert.match(token, /^"/, "ids and labels are quoted")
    return token.slice(1, -1).replace(/\\(.)/gu, "$1")
  }
  const attributes = (): ReadonlyMap<string, string> => {
    const found = new Map<string, string>()
    if (tokens[at] !== "[") return found
    do {
      at++
      const key = next()
      expect("=")
      found.set(key, tokens[at]!.startsWith(`"`) ? string() : next())
    } while (tokens[at] === ",")
    expect("]")
    return found
  }
  expect("digraph")
  expect("plan")
  expect("{")
  for (let depth = 1; depth > 0;) {
    const token = tokens[at]!
    if (token === "}") {
      at++
      depth--
    } else if (token === "subgraph") {
      at++
      assert.match(string(), /^cluster_/)
      expect("{")
      expect("label")
      expect("=")
      subgraphs.push(string())
      expect(";")
      depth++
    } else if (token === "node") {
      at++
      attributes()
      expect(";")
    } else {
      const id = string()
      if (tokens[at] === "->") {
        at++
        const to = string()
        edges.push([id, to, attributes().get("label") ?? "hard"])
      } else labels.set(id, attributes().get("label") ?? assert.fail("a node without label"))
      expect(";")
    }
  }
  assert.strictEqual(at, tokens.length)
  for (const [from, to] of edges) assert.isTrue(labels.has(from) && labels.has(to), `${from} -> ${to} has no nodes`)
  return { edges, labels, subgraphs }
}

/** Reads the Mermaid that we write, line by line, and fails on anything else. */
const readMermaid = (text: string): Diagram => {
  const labels = new Map<string, string>()
  const edges: Array<readonly [string, string, string]> = []
  const subgraphs: Array<string> = []
  const unescape = (label: string) => label.replace(/#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
  const [head, ...lines] = text.trimEnd().split("\n")
  assert.strictEqual(head, "flowchart TD")
  let depth = 0
  for (const line of lines.map((line) => line.trim())) {
    const node = /^(\w+)(?:\["([^"]*)"\]|\("([^"]*)"\)|\(\["([^"]*)"\]\)):::\w+$/u.exec(line)
    const edge = /^(\w+) (?:-->|==>|-\.->)(?:\|(\w+)\|)? (\w+)$/.exec(line)
    const subgraph = /^subgraph \w+\["([^"]*)"\]$/u.exec(line)
    if (node !== null) labels.set(node[1]!, unescape(node[2] ?? node[3] ?? node[4]!))
    else if (edge !== null) edges.push([edge[1]!, edge[3]!, edge[2] ?? "hard"])
    else if (subgraph !== null) {
      subgraphs.push(unescape(subgraph[1]!))
      depth++
    } else if (line === "end") depth--
    else assert.match(line, /^classDef \w+ [\w:,\-. ]+$/)
    assert.isAtLeast(depth, 0)
  }
  assert.strictEqual(depth, 0)
  for (const [from, to] of edges) assert.isTrue(labels.has(from) && labels.has(to), `${from} --> ${to} has no nodes`)
  return { edges, labels, subgraphs }
}

describe("toDot and toMermaid", () => {
  it("can be read back, with every component and every edge, whatever the names are", () => {
    let edges = 0
    fc.assert(
      fc.property(plans, (plan) => {
        const expected = edgesOf(plan).toSorted()
        edges += expected.length
        for (const diagram of [readDot(PlanView.toDot(plan)), readMermaid(PlanView.toMermaid(plan))]) {
          assert.deepStrictEqual(edgesIn(diagram).toSorted(), expected)
          const own = [...diagram.labels].filter(([id]) => /^n\d+$/.test(id)).map(([, label]) => label)
          assert.deepStrictEqual(own.toSorted(), plan.components.map(({ name }) => name).toSorted())
          const outside = [...diagram.labels.keys()].filter((id) => id.startsWith("x"))
          assert.strictEqual(outside.length, plan.external.length)
          for (const name of plan.groups.keys()) assert.include(diagram.subgraphs, name)
        }
      })
    )
    assert.isAbove(edges, 100)
  })

  it("draw what comes from outside, what is excluded, and the critical path", () => {
    assert.include(PlanView.toMermaid(plan), `x0(["Keys"]):::external`)
    assert.include(PlanView.toMermaid(plan), "x0 --> n5")
    assert.include(PlanView.toMermaid(plan), `n3("rdma"):::excluded`)
    assert.include(PlanView.toMermaid(plan), "n5 ==> n4")
    assert.include(PlanView.toMermaid(plan), "n4 ==>|optional| n2")
    assert.include(PlanView.toDot(plan), `"x0" -> "n5";`)
    assert.include(PlanView.toDot(plan), `"n3" [label="rdma", shape=ellipse, style=dashed, color=gray];`)
    assert.include(PlanView.toDot(plan), `"n4" -> "n2" [style=dashed, label="optional", penwidth=3];`)
  })

  it("put phases around components and groups around their members", () => {
    const expected = ["pre_init", "core_init", "dwcp", "core_init", "service_init"]
    assert.deepStrictEqual(readDot(PlanView.toDot(plan)).subgraphs, expected)
    assert.deepStrictEqual(readMermaid(PlanView.toMermaid(plan)).subgraphs, expected)
  })
})

describe("toJson", () => {
  it("survives JSON and holds every edge", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const json = PlanView.toJson(plan, { slots: 2 })
        assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
        const inside = (json: PlanView.PlanJson, path = ""): ReadonlyArray<string> => [
          ...json.edges.map(({ component, kind, need }) => `${path}${need} → ${path}${component} ${kind}`),
          ...Object.entries(json.groups).flatMap(([name, group]) => inside(group, `${path}${name}/`))
        ]
        assert.deepStrictEqual(inside(json).toSorted(), edgesOf(plan).toSorted())
        assert.deepStrictEqual(
          json.nodes.map(({ name }) => name),
          plan.components.map(({ name }) => name)
        )
      })
    )
  })

  it("says what the plan says", () => {
    const json = PlanView.toJson(plan)
    assert.strictEqual(json.version, 1)
    assert.strictEqual(json.slots, null)
    assert.strictEqual(PlanView.toJson(plan, { slots: 8 }).slots, 8)
    assert.strictEqual(PlanView.toJson(plan, { slots: 1 }).worstCaseMs, Plan.worstCaseMs(plan, { slots: 1 }))
    assert.deepStrictEqual(json.external, ["Keys"])
    assert.deepStrictEqual(json.levels, Plan.levels(plan))
    assert.deepStrictEqual(json.criticalPath, Plan.criticalPath(plan))
    assert.deepStrictEqual(json.order, ["config", "rdma", "security", "redis", "dwcp", "tuner", "api"])
    assert.deepStrictEqual(json.nodes[4], {
      name: "redis",
      phase: "core",
      level: 1,
      severity: "degraded",
      optional: false,
      priority: 2,
      provides: ["Cache"],
      excluded: false,
      costMs: 900,
      rankMs: 3701,
      slackMs: 0,
      worstCaseMs: Manifest.worstCaseMs(manifests[2]!),
      stopMs: 5000,
      variants: [
        { name: "redis", attempts: 3, retryMs: 3000, timeoutMs: 10_000, deadlineMs: 35_000 },
        { name: "memory", attempts: 1, retryMs: 0, timeoutMs: 500, deadlineMs: null }
      ]
    })
  })
})

describe("toText", () => {
  it("reads like a plan", () => {
    assert.strictEqual(
      PlanView.toText(plan, { slots: 16 }),
      `Plan for "internet": 6 components, 4 levels.
Critical path (4.9 s): config → security → redis → dwcp → api.
Worst case: 2 min 11 s with 16 slots.
From outside: Keys, for security.

pre_init (should take 5 s, may take 10 s)
  stage 0
  * config    level 0 · critical · slack 0 ms
              1 attempt of 10 s; slow after 3 s, stops within 5 s

core_init (should take 10 s, may take 20 s)
  stage 1
  * security  level 0 · critical · provides Security · takes 1.2 s · slack 0 ms · needs Keys
              1 attempt of 10 s; slow after 3 s, stops within 5 s
    tuner     level 1 · warning · optional · slack 4.9 s · needs rdma
              1 attempt of 10 s; slow after 3 s, stops within 5 s
  stage 2
  * redis     level 1 · degraded · priority 2 · provides Cache · takes 900 ms · slack 0 ms · needs Security
              3 attempts of 10 s, delays of 3 s together, 35 s in all; slow after 3 s, stops within 5 s
              else memory: 1 attempt of 500 ms
  stage 3
  * dwcp      level 2 · critical · takes 2.8 s · slack 0 ms · needs Cache?, Security
              1 attempt of 10 s; slow after 3 s, stops within 5 s

      core_init
        stage 0
        * amst  level 0 · critical
                1 attempt of 10 s; slow after 3 s, stops within 5 s
          itp   level 0 · critical
                1 attempt of 10 s; slow after 3 s, stops within 5 s
        stage 1
        * hde   level 1 · critical · needs amst, itp~
                1 attempt of 10 s; slow after 3 s, stops within 5 s

service_init (should take 10 s, may take 20 s)
  stage 4
  * api       level 3 · critical · slack 0 ms · needs dwcp, tuner~
              1 attempt of 10 s; slow after 3 s, stops within 5 s

not in "internet"
  rdma exists only in datacenter; skipped with it: tuner

* critical path   ? optional need   ~ late need
`
    )
  })

  it("names no durations as long as none is known", () => {
    const text = PlanView.toText(planOf([make({ name: "a" }), make({ name: "b", needs: ["a"] })]))
    assert.include(text, "Critical path: a → b.\nWorst case: 40 s with enough slots.")
    assert.notInclude(text, "takes")
    assert.notInclude(text, "slack")
  })

  it("says that an empty plan is empty", () => {
    assert.include(PlanView.toText(planOf([])), `Plan for "development": 0 components, 0 levels.\nNothing starts here.`)
  })

  it("mentions every component, and lets no control character reach a terminal", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const text = PlanView.toText(plan)
        assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\u202e]/u)
        const lines = text.split("\n")
        for (const { name } of plan.components) {
          assert.isTrue(
            lines.some((line) => line.slice(4).startsWith(`${name} `) || line.startsWith(`  ${name} `)),
            name
          )
        }
      })
    )
  })
})

describe("all views", () => {
  it("are the same, to the byte, for every order of registration", () => {
    const views = (plan: Plan.Plan) => [
      PlanView.toText(plan),
      PlanView.toMermaid(plan),
      PlanView.toDot(plan),
      JSON.stringify(PlanView.toJson(plan))
    ]
    fc.assert(
      fc.property(
        plans.chain((plan) =>
          fc.tuple(fc.constant(plan), fc.shuffledSubarray([...plan.components], { minLength: plan.components.length }))
        ),
        ([plan, again]) => assert.deepStrictEqual(views(planOf(again)), views(plan))
      )
    )
  })
})
