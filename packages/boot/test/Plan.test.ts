import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"

const { make } = Manifest
const planOf = (...args: Parameters<typeof Plan.make>): Plan.Plan => Result.getOrThrow(Plan.make(...args))
const problemsOf = (...args: Parameters<typeof Plan.make>): Plan.Problems =>
  Result.getOrThrow(Result.flip(Plan.make(...args))).problems
const messageOf = (...args: Parameters<typeof Plan.make>): string =>
  Result.getOrThrow(Result.flip(Plan.make(...args))).message
const optional = (key: string): Manifest.Need => ({ key, kind: "optional" })
const late = (key: string): Manifest.Need => ({ key, kind: "late" })

// --------------------------------------------------------------------------------------------------- graphs and oracles

const letter = (i: number): string => String.fromCharCode(97 + i)

/** Up to eight components of all phases, some excluded, some optional; needs point to earlier ones, so nothing is wrong. */
const graphs: fc.Arbitrary<ReadonlyArray<Manifest.Manifest>> = fc
  .array(
    fc.record({
      rank: fc.integer({ min: 0, max: 3 }),
      edges: fc.array(fc.tuple(fc.nat(), fc.constantFrom("hard" as const, "optional" as const, "late" as const)), {
        maxLength: 4
      }),
      excluded: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
      severity: fc.constantFrom("critical" as const, "critical" as const, "degraded" as const, "warning" as const),
      optional: fc.boolean(),
      priority: fc.integer({ min: 0, max: 1 }),
      cost: fc.integer({ min: 1, max: 9 })
    }),
    { minLength: 1, maxLength: 8 }
  )
  .chain((parts) => {
    const sorted = parts.toSorted((a, b) => a.rank - b.rank)
    return fc
      .shuffledSubarray(
        Array.from(parts, (_, i) => letter(i)),
        { minLength: parts.length }
      )
      .map((names) =>
        sorted.map((part, i) =>
          make({
            name: names[i]!,
            provides: [names[i]!.toUpperCase()],
            phase: Phase.all[part.rank]!,
            severity: part.severity,
            optional: part.optional,
            priority: part.priority,
            environments: part.excluded ? ["elsewhere"] : undefined,
            needs: i === 0 ? [] : part.edges.map(([to, kind]) => ({ key: names[to % i]!.toUpperCase(), kind })),
            // The cost travels in a number that planning passes on untouched.
            slowMs: part.cost
          })
        )
      )
  })

const shuffled = (manifests: ReadonlyArray<Manifest.Manifest>) =>
  fc.shuffledSubarray([...manifests], { minLength: manifests.length })

const costs = (plan: Plan.Plan): ReadonlyArray<number> => plan.components.map(({ slowMs }) => slowMs)

/** The positions that a component waits for, straight from the definition: needs, `pre`, and for `post` the critical. */
const waits = (plan: Plan.Plan, i: number): ReadonlyArray<number> => {
  const own = plan.components[i]!
  return plan.components.flatMap((other, j) => {
    if (plan.excluded[i] || plan.excluded[j] || i === j) return []
    const needed = own.needs.some(({ key, kind }) => kind !== "late" && other.provides.includes(key))
    const pre = other.phase === "pre" && own.phase !== "pre"
    const critical = own.phase === "post" && other.phase !== "post" && other.severity === "critical"
    return needed || pre || critical ? [j] : []
  })
}

/** The longest of all paths that end with `i`, by trying each. */
const longestTo = (plan: Plan.Plan, cost: ReadonlyArray<number>, i: number): number =>
  plan.excluded[i] ? 0 : cost[i]! + Math.max(0, ...waits(plan, i).map((j) => longestTo(plan, cost, j)))

const longest = (plan: Plan.Plan, cost: ReadonlyArray<number>): number =>
  Math.max(...plan.components.map((_, i) => longestTo(plan, cost, i)))

const totalWork = (plan: Plan.Plan, cost: ReadonlyArray<number>): number =>
  cost.reduce((sum, ms, i) => (plan.excluded[i] ? sum : sum + ms), 0)

/** Any directed graph of up to seven components, self-needs included: `edges[i]` are the needs of `i`. */
const digraphs = fc
  .integer({ min: 1, max: 7 })
  .chain((n) =>
    fc.array(fc.uniqueArray(fc.integer({ min: 0, max: n - 1 }), { maxLength: 3 }), { minLength: n, maxLength: n })
  )

const fromEdges = (edges: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<Manifest.Manifest> =>
  edges.map((needs, i) => make({ name: letter(i), needs: needs.map(letter) }))

/** `steps[i][j]`: edges on the shortest path from `i` to `j` with at least one edge. */
const shortestPaths = (edges: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<ReadonlyArray<number>> => {
  const steps = edges.map((needs) => edges.map((_, j) => (needs.includes(j) ? 1 : Infinity)))
  for (const k of edges.keys()) {
    for (const i of edges.keys()) {
      for (const j of edges.keys()) steps[i]![j] = Math.min(steps[i]![j]!, steps[i]![k]! + steps[k]![j]!)
    }
  }
  return steps
}

// -------------------------------------------------------------------------------------------------------------- the laws

describe("Plan.make", () => {
  it("places each component after all it needs, earlier phases first, then by name", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        assert.deepStrictEqual(
          plan.order.toSorted((a, b) => a - b),
          [...plan.components.keys()]
        )
        const done = new Set<number>()
        for (const i of plan.order) {
          const ready = [...plan.components.keys()].filter(
            (k) => !done.has(k) && plan.needs[k]!.every((j) => done.has(j))
          )
          const [next] = ready.toSorted((a, b) => plan.phase[a]! - plan.phase[b]! || a - b)
          assert.strictEqual(i, next)
          done.add(i)
        }
      })
    )
  })

  it("makes the identical plan of any registration order", () => {
    fc.assert(
      fc.property(
        graphs.chain((manifests) => fc.tuple(fc.constant(manifests), shuffled(manifests))),
        ([manifests, again]) => assert.deepStrictEqual(planOf(again), planOf(manifests))
      )
    )
  })

  it("finds the identical problems in any registration order", () => {
    const rough = fc.record({
      name: fc.constantFrom("a", "b", "c d", "e", "f", ""),
      provides: fc.array(fc.constantFrom("a", "b", "x", "y"), { maxLength: 2 }),
      needs: fc.array(fc.constantFrom("a", "b", "x", "y", "zz"), { maxLength: 3 }),
      phase: fc.constantFrom(...Phase.all),
      priority: fc.constantFrom(0, NaN)
    })
    const pairs = fc
      .array(rough, { minLength: 2, maxLength: 7 })
      .map((parts) => parts.map(make))
      .chain((manifests) => fc.tuple(fc.constant(manifests), shuffled(manifests)))
    const provided = new Set<string>()
    let invalid = 0
    fc.assert(
      fc.property(pairs, ([manifests, again]) => {
        const [one, other] = [Plan.make(manifests, { provided }), Plan.make(again, { provided })]
        if (Result.isFailure(one)) invalid++
        assert.deepStrictEqual(one, other)
      })
    )
    assert.isAbove(invalid, 50)
  })

  it("gives each component the length of the longest path to it as its level", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        const depth = (i: number): number => Math.max(0, ...plan.needs[i]!.map((j) => depth(j) + 1))
        assert.deepStrictEqual(
          plan.level,
          plan.components.map((_, i) => depth(i))
        )
      })
    )
  })

  it("keeps every need as an edge, blocking or late, and mirrors the blocking ones", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        plan.components.forEach((component, i) => {
          const to = (kinds: ReadonlyArray<Manifest.Need["kind"]>) =>
            [...plan.components.keys()].filter((j) => {
              const kind = component.needs.filter(({ key }) => plan.components[j]!.provides.includes(key))
              const real = kind.filter((need) => need.kind === "hard" || !plan.excluded[j])
              return !plan.excluded[i] && real.some((need) => kinds.includes(need.kind))
            })
          assert.deepStrictEqual(plan.needs[i], to(["hard", "optional"]))
          assert.deepStrictEqual(plan.hard[i], to(["hard"]))
          assert.deepStrictEqual(plan.late[i], to(["late"]))
          const mirrored = [...plan.components.keys()].filter((k) => plan.needs[k]!.includes(i))
          assert.deepStrictEqual(plan.dependents[i], mirrored)
          const holders = [...plan.components.keys()].filter((k) => plan.holds[k]!.includes(i))
          assert.deepStrictEqual(plan.heldBy[i], holders)
        })
      })
    )
  })

  it("ranks each component by the longest way from its begin to the end of the boot", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const names = manifests.map(({ name, slowMs }) => [name, slowMs] as const)
        const plan = planOf(manifests, { durationsMs: Object.fromEntries(names) })
        assert.deepStrictEqual(plan.cost, costs(plan))
        const remaining = (i: number): number =>
          plan.cost[i]! +
          Math.max(0, ...plan.components.flatMap((_, k) => (waits(plan, k).includes(i) ? remaining(k) : [])))
        assert.deepStrictEqual(
          plan.rank,
          plan.components.map((_, i) => (plan.excluded[i] ? 0 : remaining(i)))
        )
      })
    )
  })

  it("reports each knot of waiting components once, with a real and shortest cycle", () => {
    let knots = 0
    fc.assert(
      fc.property(digraphs, (edges) => {
        const steps = shortestPaths(edges)
        const smallest = [...edges.keys()].filter(
          (i) => steps[i]![i]! < Infinity && !edges.some((_, j) => j < i && steps[i]![j]! + steps[j]![i]! < Infinity)
        )
        const made = Plan.make(fromEdges(edges))
        if (smallest.length === 0) return assert.isTrue(Result.isSuccess(made))
        knots += smallest.length
        const paths = Result.getOrThrow(Result.flip(made)).problems.map((problem) => {
          assert.strictEqual(problem._tag, "Cycle")
          return problem._tag === "Cycle" ? problem.path.map((name) => name.charCodeAt(0) - 97) : []
        })
        assert.deepStrictEqual(
          paths.map((path) => path[0]!).toSorted((a, b) => a - b),
          smallest
        )
        for (const path of paths) {
          assert.strictEqual(path.at(-1), path[0])
          assert.strictEqual(path.length - 1, steps[path[0]!]![path[0]!])
          for (let k = 1; k < path.length; k++) assert.include(edges[path[k - 1]!]!, path[k]!)
        }
      }),
      { numRuns: 300 }
    )
    assert.isAbove(knots, 100)
  })

  it("has nothing against a graph whose backward edges are taken away", () => {
    fc.assert(
      fc.property(digraphs, (edges) => {
        const plan = planOf(fromEdges(edges.map((needs, i) => needs.filter((j) => j < i))))
        assert.strictEqual(plan.order.length, edges.length)
      })
    )
  })

  it("plans chains, rings, stars and fans of a hundred thousand without running out of stack", () => {
    const n = 100_000
    const name = (i: number) => `component-${i}`
    const chain = Array.from({ length: n }, (_, i) => make({ name: name(i), needs: i === 0 ? [] : [name(i - 1)] }))
    const plan = planOf(chain)
    assert.strictEqual(plan.level[plan.index.get(name(n - 1))!], n - 1)
    assert.strictEqual(Plan.criticalPath(plan).path.length, n)
    assert.strictEqual(Plan.schedule(plan, 2).makespanMs, n)
    assert.strictEqual(Plan.impact(plan, name(0)).length, n - 1)

    const ring = Result.getOrThrow(Result.flip(Plan.make(chain.with(0, make({ name: name(0), needs: [name(n - 1)] })))))
    assert.strictEqual(ring.problems.length, 1)
    assert.strictEqual(ring.problems[0]._tag === "Cycle" && ring.problems[0].path.length, n + 1)
    assert.isBelow(ring.message.length, 1_000)

    const leaves = chain.slice(1).map((component) => ({ ...component, needs: [] }))
    const fan = planOf([...leaves, make({ name: name(0), needs: leaves.map((leaf) => leaf.name) })])
    assert.strictEqual(fan.needs[fan.index.get(name(0))!]!.length, n - 1)
    const star = planOf([...leaves.map((leaf) => make({ name: leaf.name, needs: [name(0)] })), make({ name: name(0) })])
    assert.strictEqual(Plan.lowerBoundMs(star, 1), n)
  }, 60_000)

  it("makes an empty plan of nothing", () => {
    const plan = planOf([])
    assert.deepStrictEqual(plan.order, [])
    assert.deepStrictEqual(Plan.criticalPath(plan), { totalMs: 0, path: [] })
    assert.strictEqual(Plan.worstCaseMs(plan, { slots: 1 }), 0)
    assert.strictEqual(Plan.schedule(plan, 1).makespanMs, 0)
  })

  it("takes one edge of many needs between the same two, and one node for many keys", () => {
    const plan = planOf([
      make({ name: "pg", provides: ["Sql", "Migrator"] }),
      make({ name: "api", needs: ["Sql", optional("Sql"), "Migrator", "Sql", late("Migrator"), late("Sql")] })
    ])
    assert.deepStrictEqual([plan.needs[0], plan.hard[0], plan.late[0]], [[1], [1], [1]])
    assert.deepStrictEqual(plan.dependents[1], [0])
  })

  it("learns durations by name, inside groups by path, and mistrusts what is no duration", () => {
    const learned = { a: 20, b: -1, c: NaN, "g/a": 7, toString: 1 }
    const group = [make({ name: "a" }), make({ name: "b" })]
    const plan = planOf([...["a", "b", "c", "constructor"].map((name) => make({ name })), make({ name: "g", group })], {
      durationsMs: learned
    })
    assert.deepStrictEqual(plan.cost, [20, 1, 1, 1, 1])
    assert.deepStrictEqual(plan.groups.get("g")?.cost, [7, 1])
  })
})

// --------------------------------------------------------------------------------------------------------- the problems

describe("InvalidPlan", () => {
  it("names the missing key, who needs it, and what may have been meant", () => {
    const manifests = [make({ name: "api", needs: ["Databse"] }), make({ name: "database", provides: ["Database"] })]
    const provided = new Set(["Clock"])
    assert.deepStrictEqual(problemsOf(manifests, { provided }), [
      { _tag: "Missing", component: "api", key: "Databse", suggestions: ["Database"] }
    ])
    assert.strictEqual(
      messageOf(manifests, { provided }),
      `Nothing was started. "api" needs "Databse", which nothing provides. Did you mean "Database"?`
    )
  })

  it("suggests to nobody what it provides itself", () => {
    const shop = make({ name: "shop", provides: ["app/shop"], needs: ["app/store"] })
    assert.deepStrictEqual(problemsOf([shop], { provided: new Set() }), [
      { _tag: "Missing", component: "shop", key: "app/store", suggestions: [] }
    ])
    const stone = make({ name: "stone", provides: ["app/stone"] })
    assert.deepStrictEqual(problemsOf([shop, stone], { provided: new Set() }), [
      { _tag: "Missing", component: "shop", key: "app/store", suggestions: ["app/stone"] }
    ])
  })

  it("suggests what a component provides when its name was used, keys from outside, and nothing far-fetched", () => {
    const manifests = [
      make({ name: "api", needs: ["pg", "Clcok", "Quantum"] }),
      make({ name: "pg", provides: ["Sql", "Migrator"] })
    ]
    const found = problemsOf(manifests, { provided: new Set(["Clock"]) })
    assert.deepStrictEqual(
      found.map((problem) => problem._tag === "Missing" && [problem.key, problem.suggestions]),
      [
        ["Clcok", ["Clock"]],
        ["Quantum", []],
        ["pg", ["Migrator", "Sql"]]
      ]
    )
    assert.include(messageOf(manifests, { provided: new Set(["Clock"]) }), `Did you mean "Migrator" or "Sql"?`)
    assert.include(
      messageOf(manifests, { provided: new Set(["Clock"]) }),
      "Add a component that does, or remove the need."
    )
  })

  it("leaves keys that come from outside to the list of externals, sorted", () => {
    const manifests = [
      make({ name: "a", needs: ["Y", "X", optional("O"), late("L")] }),
      make({ name: "b", needs: ["X", "a"] })
    ]
    assert.deepStrictEqual(planOf(manifests).external, ["X", "Y"])
    assert.deepStrictEqual(planOf(manifests, { provided: new Set(["X", "Y", "Z"]) }).external, ["X", "Y"])
    assert.deepStrictEqual(planOf(manifests).needs, [[], [0]])
  })

  it("refuses two components with one name, and two that provide one key", () => {
    const manifests = [
      make({ name: "a" }),
      make({ name: "a", priority: 1 }),
      make({ name: "a", priority: 2 }),
      make({ name: "redis", provides: ["Cache"] }),
      make({ name: "memory", provides: ["Cache"] })
    ]
    assert.deepStrictEqual(problemsOf(manifests), [
      { _tag: "DuplicateName", name: "a" },
      { _tag: "DuplicateService", key: "Cache", components: ["memory", "redis"] }
    ])
    assert.strictEqual(
      messageOf(manifests),
      [
        "Nothing was started, the plan has problems:",
        `- More than one component is named "a". Rename all but one.`,
        `- "Cache" is provided by "memory" and "redis". Keep one, or give them environments that exclude each other.`
      ].join("\n")
    )
  })

  it("shows a cycle as a closed path, also a component that needs itself", () => {
    const manifests = [
      make({ name: "a", needs: [optional("b")] }),
      make({ name: "b", needs: ["c"] }),
      make({ name: "c", needs: ["a"] }),
      make({ name: "self", needs: ["self"] }),
      make({ name: "behind", needs: ["a", "self"] })
    ]
    assert.deepStrictEqual(problemsOf(manifests), [
      { _tag: "Cycle", path: ["self", "self"] },
      { _tag: "Cycle", path: ["a", "b", "c", "a"] }
    ])
    assert.include(
      messageOf(manifests),
      `- Components wait for each other: "a" → "b" → "c" → "a". Remove one of these needs, or make it late.`
    )
  })

  it("lets who looks something up be closed before it, wherever that closes no circle", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        const all = [...plan.components.keys()]
        const reach = (edges: ReadonlyArray<ReadonlyArray<number>>, from: number): ReadonlySet<number> => {
          const seen = new Set<number>()
          const open = [from]
          for (const i of open) {
            open.push(...edges[i]!.filter((j) => !seen.has(j)))
            for (const j of edges[i]!) seen.add(j)
          }
          return seen
        }
        const either = all.map((i) => [...plan.needs[i]!, ...plan.late[i]!])
        for (const i of all) {
          // Nobody waits for itself to be closed.
          assert.isFalse(reach(plan.holds, i).has(i))
          for (const j of plan.needs[i]!) assert.include(plan.holds[i]!, j)
          for (const j of plan.late[i]!) {
            if (plan.needs[i]!.includes(j)) continue
            assert.strictEqual(plan.holds[i]!.includes(j), !reach(either, j).has(i))
          }
          for (const j of plan.holds[i]!) assert.include(either[i]!, j)
        }
      })
    )
  })

  it("sees no cycle in late needs", () => {
    const plan = planOf([make({ name: "a", needs: [late("b"), late("a")] }), make({ name: "b", needs: ["a"] })])
    assert.deepStrictEqual(plan.order, [0, 1])
    assert.deepStrictEqual(plan.late, [[0, 1], []])
  })

  it("refuses a need of a later phase, hard or optional, and lets a late one be", () => {
    const service = make({ name: "api", phase: "service" })
    assert.deepStrictEqual(problemsOf([make({ name: "db", needs: [optional("api")] }), service]), [
      { _tag: "PhaseInversion", component: "db", phase: "core", need: "api", needPhase: "service" }
    ])
    assert.strictEqual(
      messageOf([make({ name: "db", needs: ["api"] }), service]),
      `Nothing was started. "db" is of phase core and needs "api" of the later phase service. ` +
        `Move one of them, or make the need late.`
    )
    assert.strictEqual(planOf([make({ name: "db", needs: [late("api")] }), service]).order.length, 2)
  })

  it("refuses numbers that no boot could follow, of fallbacks too", () => {
    const variant = { name: "v", attempts: 1, retryMs: 0, timeoutMs: 1, deadlineMs: Infinity }
    const wrong = make({
      name: "a",
      priority: Infinity,
      stopMs: 0,
      slowMs: NaN,
      variants: [
        { ...variant, attempts: Infinity, retryMs: -1, timeoutMs: Infinity, deadlineMs: 0 },
        { ...variant, name: "memory", attempts: 1.5, deadlineMs: NaN }
      ]
    })
    assert.deepStrictEqual(
      problemsOf([wrong]).map((problem) => problem._tag === "InvalidNumber" && [problem.field, problem.value]),
      [
        ["attempts", Infinity],
        ["timeoutMs", Infinity],
        ["deadlineMs", 0],
        ["retryMs", -1],
        [`attempts of fallback "memory"`, 1.5],
        [`deadlineMs of fallback "memory"`, NaN],
        ["stopMs", 0],
        ["slowMs", NaN],
        ["priority", Infinity]
      ]
    )
    assert.include(
      messageOf([wrong]),
      `- In "a", attempts of fallback "memory" is 1.5; it must be a whole number from 1.`
    )
  })

  it("refuses names that are empty or could not stand in a path or on one line", () => {
    for (const name of ["", "a b", "a/b", "a\tb", "a\u0000", "\u00a0", "a\u2028b"]) {
      assert.deepStrictEqual(
        problemsOf([make({ name })]).map(({ _tag }) => _tag),
        ["InvalidName"],
        JSON.stringify(name)
      )
    }
    assert.strictEqual(
      messageOf([make({ name: "a/b" })]),
      `Nothing was started. The component name "a/b" contains white space, a control character or "/". Rename it.`
    )
    assert.strictEqual(planOf([`"[quoted]"`, "é漢🚀", "__proto__"].map((name) => make({ name }))).order.length, 3)
  })

  it("reports what is wrong inside groups, indented under the group", () => {
    const network = make({ name: "network" })
    const group = [make({ name: "amst", needs: ["hde"] }), make({ name: "hde", stopMs: 0, needs: ["network"] })]
    const inner = messageOf([network, make({ name: "dwcp", group })])
    assert.strictEqual(
      inner,
      [
        "Nothing was started, the plan has problems:",
        `- The group "dwcp" has problems inside.`,
        `  - In "hde", stopMs is 0; it must be finite and greater than 0.`,
        `  - "hde" needs "network", which neither a member nor a hard need of the group provides. ` +
          "Add it to the needs of the group."
      ].join("\n")
    )
  })

  it("reports everything at once", () => {
    const manifests = [
      make({ name: "a b", needs: ["nothing"] }),
      make({ name: "c", needs: ["c"], priority: NaN }),
      make({ name: "d", provides: ["c"], needs: ["post"] }),
      make({ name: "d", provides: [] }),
      make({ name: "post", phase: "post" }),
      make({ name: "g", group: [make({ name: "" })] })
    ]
    assert.deepStrictEqual(
      problemsOf(manifests, { provided: new Set() }).map(({ _tag }) => _tag),
      [
        "InvalidName",
        "DuplicateName",
        "InvalidNumber",
        "DuplicateService",
        "Missing",
        "Cycle",
        "PhaseInversion",
        "Group"
      ]
    )
  })
})

// ------------------------------------------------------------------------------------------- environments and groups

describe("environments", () => {
  const rdma = make({ name: "rdma", provides: ["Transport"], environments: ["datacenter"], needs: ["Rail"] })
  const quic = make({ name: "quic", provides: ["Transport"], environments: ["internet"] })
  const dwcp = make({ name: "dwcp", needs: ["Transport"] })

  it("let two components provide one key where only one of them exists", () => {
    const plan = planOf([rdma, quic, dwcp], { environment: "internet", provided: new Set() })
    assert.deepStrictEqual(plan.excluded, [false, false, true])
    assert.deepStrictEqual(plan.needs, [[1], [], []])
    assert.deepStrictEqual(Plan.levels(plan), [["quic"], ["dwcp"]])
    assert.deepStrictEqual(Plan.phases(plan), { pre: [], core: ["quic", "dwcp"], service: [], post: [] })
  })

  it("lead a hard need to the excluded provider when there is no other, an optional or late one nowhere", () => {
    const asked = make({ name: "asked", needs: [optional("Transport"), late("Transport")] })
    const plan = planOf([rdma, dwcp, asked], { environment: "hybrid" })
    assert.deepStrictEqual(plan.needs, [[], [2], []])
    assert.deepStrictEqual(plan.late, [[], [], []])
    assert.deepStrictEqual(plan.external, [])
    assert.deepStrictEqual(Plan.impact(plan, "rdma"), [{ component: "dwcp", effect: "fails-boot" }])
  })

  it("lead to the first by name when all providers are excluded", () => {
    const other = make({ ...rdma, name: "infiniband" })
    assert.deepStrictEqual(planOf([rdma, dwcp, other], { environment: "hybrid" }).needs, [[1], [], []])
  })

  it("leave a group that does not exist unplanned", () => {
    const group = make({ name: "g", environments: ["datacenter"], group: [make({ name: "a", needs: ["Rail"] })] })
    const provided = new Set<string>()
    assert.strictEqual(planOf([group], { environment: "internet", provided }).groups.size, 0)
    assert.deepStrictEqual(
      problemsOf([group], { environment: "datacenter", provided }).map(({ _tag }) => _tag),
      ["Group"]
    )
  })

  it("demand nothing for a component that does not exist, neither keys nor acyclic needs nor time", () => {
    const plan = planOf(
      [
        make({ name: "a", needs: ["b"] }),
        make({ name: "b", needs: ["a", "gone"], environments: ["x"], phase: "core" })
      ],
      { provided: new Set(), durationsMs: { b: 50 } }
    )
    assert.deepStrictEqual(plan.needs, [[1], []])
    assert.strictEqual(Plan.criticalPath(plan).totalMs, 1)
    assert.strictEqual(Plan.schedule(plan, 1).makespanMs, 1)
  })
})

describe("groups", () => {
  const members = [
    make({ name: "amst", needs: ["Network"] }),
    make({ name: "hde", needs: ["amst", "Config"] }),
    make({ name: "rdma", environments: ["datacenter"] })
  ]

  it("have a plan of their own, in the same environment", () => {
    const plan = planOf(
      [make({ name: "network", provides: ["Network"] }), make({ name: "dwcp", needs: ["Network"], group: members })],
      { environment: "internet" }
    )
    const inside = plan.groups.get("dwcp")!
    assert.deepStrictEqual(Plan.levels(inside), [["amst"], ["hde"]])
    assert.deepStrictEqual(inside.excluded, [false, false, true])
    assert.deepStrictEqual(plan.needs, [[1], []])
  })

  it("pass on what they need from outside the whole plan", () => {
    const dwcp = make({ name: "dwcp", needs: ["Network"], group: members })
    const node = make({ name: "node", group: [make({ name: "network", provides: ["Network"] }), dwcp] })
    assert.deepStrictEqual(planOf([node]).external, ["Config"])
    assert.deepStrictEqual(problemsOf([node], { provided: new Set() }), [
      {
        _tag: "Group",
        component: "node",
        problems: [
          {
            _tag: "Group",
            component: "dwcp",
            problems: [{ _tag: "Missing", component: "hde", key: "Config", suggestions: [] }]
          }
        ]
      }
    ])
  })
})

// --------------------------------------------------------------------------------------------------------- the analyses

describe("criticalPath and slackMs", () => {
  it("find the longest of all paths, phases included, and show one that is that long", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        const cost = costs(plan)
        const { path, totalMs } = Plan.criticalPath(plan, cost)
        assert.strictEqual(totalMs, longest(plan, cost))
        const steps = path.map((name) => plan.index.get(name)!)
        assert.strictEqual(
          steps.reduce((sum, i) => sum + cost[i]!, 0),
          totalMs
        )
        for (let k = 1; k < steps.length; k++) assert.include(waits(plan, steps[k]!), steps[k - 1])
      })
    )
  })

  it("let a component take longer by its slack for nothing, and by one more for one", () => {
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        const cost = costs(plan)
        const { path, totalMs } = Plan.criticalPath(plan, cost)
        const slack = Plan.slackMs(plan, cost)
        plan.components.forEach(({ name }, i) => {
          if (plan.excluded[i]) return
          const withMore = (ms: number) => Plan.criticalPath(plan, cost.with(i, cost[i]! + ms)).totalMs
          assert.strictEqual(withMore(slack.get(name)!), totalMs)
          assert.strictEqual(withMore(slack.get(name)! + 1), totalMs + 1)
        })
        for (const name of path) assert.strictEqual(slack.get(name), 0)
      })
    )
  })
})

describe("schedule", () => {
  const runs = graphs.chain((manifests) =>
    fc.tuple(fc.constant(manifests), fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Infinity)))
  )

  it("starts nothing before what it waits for, and never more at a time than there are slots", () => {
    fc.assert(
      fc.property(runs, ([manifests, slots]) => {
        const plan = planOf(manifests)
        const cost = costs(plan)
        const { endMs, startMs } = Plan.schedule(plan, slots, cost)
        plan.components.forEach((_, i) => {
          assert.strictEqual(endMs[i]! - startMs[i]!, plan.excluded[i] ? 0 : cost[i])
          for (const j of waits(plan, i)) assert.isAtLeast(startMs[i]!, endMs[j]!)
          const running = plan.components.filter((_, k) => startMs[k]! <= startMs[i]! && startMs[i]! < endMs[k]!)
          assert.isAtMost(running.length, slots)
        })
      })
    )
  })

  it("ends no earlier than the lower bound and no later than Graham's", () => {
    fc.assert(
      fc.property(runs, ([manifests, slots]) => {
        const plan = planOf(manifests)
        const cost = costs(plan)
        const { makespanMs } = Plan.schedule(plan, slots, cost)
        const path = longest(plan, cost)
        const work = totalWork(plan, cost)
        assert.isAtLeast(makespanMs, Plan.lowerBoundMs(plan, slots, cost))
        assert.strictEqual(Plan.lowerBoundMs(plan, slots, cost), Math.max(path, work / slots))
        assert.isAtMost(makespanMs, path + (work - path) / slots + 1e-9)
        if (slots >= manifests.length) assert.strictEqual(makespanMs, path)
        if (slots === 1) assert.strictEqual(makespanMs, work)
      })
    )
  })

  it("gives a free slot to the first of those that may start: priority, then remaining path, then name", () => {
    fc.assert(
      fc.property(runs, ([manifests, slots]) => {
        const plan = planOf(manifests)
        const cost = costs(plan)
        const { endMs, startMs } = Plan.schedule(plan, slots, cost)
        const there = [...plan.components.keys()].filter((i) => !plan.excluded[i])
        for (const i of there) {
          const overtaken = there.filter(
            (k) => startMs[k]! > startMs[i]! && waits(plan, k).every((j) => endMs[j]! <= startMs[i]!)
          )
          for (const k of overtaken) assert.isBelow(Plan.first(plan, i, k), 0)
        }
      })
    )
    const plan = planOf([
      make({ name: "a" }),
      make({ name: "b" }),
      make({ name: "c" }),
      make({ name: "d", priority: 1 }),
      make({ name: "e", needs: ["c"] })
    ])
    assert.deepStrictEqual(Plan.schedule(plan, 1).startMs, [2, 3, 1, 0, 4])
  })

  it("takes no number of slots that is no number of slots", () => {
    const plan = planOf([make({ name: "a" })])
    for (const slots of [0, -1, 1.5, NaN]) {
      assert.throws(() => Plan.schedule(plan, slots), RangeError)
      assert.throws(() => Plan.worstCaseMs(plan, { slots }), RangeError)
      assert.throws(() => Plan.lowerBoundMs(plan, slots), RangeError)
    }
  })
})

describe("worstCaseMs", () => {
  it("is never exceeded, whatever each component takes of its own worst case", () => {
    const runs = fc.tuple(graphs, fc.integer({ min: 1, max: 9 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true })))
    fc.assert(
      fc.property(runs, ([manifests, slots, shares]) => {
        const plan = planOf(manifests)
        const bound = Plan.worstCaseMs(plan, { slots })
        const actual = plan.components.map((one, i) => (shares[i] ?? 1) * Manifest.worstCaseMs(one))
        assert.isAtMost(Plan.schedule(plan, slots, actual).makespanMs, bound + 1e-6)
        const all = plan.components.map(Manifest.worstCaseMs)
        if (slots >= manifests.length) assert.strictEqual(bound, longest(plan, all))
      })
    )
  })

  it("counts the barriers of phased scheduling", () => {
    let longer = 0
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        const worst = plan.components.map(Manifest.worstCaseMs)
        const endOf = (i: number): number => {
          const before = [...plan.components.keys()].filter(
            (j) => plan.needs[i]!.includes(j) || plan.phase[j]! < plan.phase[i]!
          )
          return plan.excluded[i] ? 0 : worst[i]! + Math.max(0, ...before.map(endOf))
        }
        const bound = Plan.worstCaseMs(plan, { slots: Infinity, scheduling: "phased" })
        assert.strictEqual(bound, Math.max(...worst.map((_, i) => endOf(i))))
        if (bound > Plan.worstCaseMs(plan, { slots: Infinity })) longer++
      })
    )
    assert.isAbove(longer, 10)
  })
})

describe("impact", () => {
  it("is the closure over hard needs, with those who lose an option at its edge", () => {
    let touched = 0
    fc.assert(
      fc.property(graphs, (manifests) => {
        const plan = planOf(manifests)
        for (const { name } of manifests) {
          const lost = new Set([plan.index.get(name)!])
          for (const _ of manifests) plan.hard.forEach((hard, i) => hard.some((j) => lost.has(j)) && lost.add(i))
          const expected = plan.order.flatMap((i): ReadonlyArray<Plan.Impact> => {
            const component = plan.components[i]!
            if (component.name === name) return []
            if (lost.has(i))
              return [{ component: component.name, effect: component.optional ? "skipped" : "fails-boot" }]
            return plan.needs[i]!.some((j) => lost.has(j))
              ? [{ component: component.name, effect: "absent-option" }]
              : []
          })
          touched += expected.length
          assert.deepStrictEqual(Plan.impact(plan, name), expected)
        }
      })
    )
    assert.isAbove(touched, 100)
  })

  it("is nothing for a name that nobody has", () => {
    assert.deepStrictEqual(Plan.impact(planOf([make({ name: "a" })]), "b"), [])
  })
})

describe("redundantEdges", () => {
  it("are the needs that a longer path implies, and only these", () => {
    let redundant = 0
    fc.assert(
      fc.property(digraphs, (edges) => {
        const acyclic = edges.map((needs, i) => needs.filter((j) => j < i))
        const steps = shortestPaths(acyclic)
        const expected = acyclic.flatMap((needs, i) =>
          needs
            .filter((j) => needs.some((k) => steps[k]![j]! < Infinity))
            .map((j) => ({ component: letter(i), need: letter(j) }))
        )
        redundant += expected.length
        const key = (edge: { readonly component: string; readonly need: string }) => edge.component + edge.need
        const found = Plan.redundantEdges(planOf(fromEdges(acyclic)))
        assert.deepStrictEqual(found.map(key).toSorted(), expected.map(key).toSorted())
      }),
      { numRuns: 300 }
    )
    assert.isAbove(redundant, 10)
  })

  it("are found beyond the first word of the bit sets", () => {
    const chain = Array.from({ length: 100 }, (_, i) => make({ name: `c${i}`, needs: i === 0 ? [] : [`c${i - 1}`] }))
    const plan = planOf([...chain, make({ name: "z", needs: ["c0", "c50", "c99"] })])
    assert.deepStrictEqual(Plan.redundantEdges(plan), [
      { component: "z", need: "c0" },
      { component: "z", need: "c50" }
    ])
  })
})

// ------------------------------------------------------------------------------------------------------------- the node

describe("the node's graph", () => {
  const core = [
    make({ name: "security" }),
    make({ name: "database", needs: ["security"] }),
    make({ name: "cache", needs: ["security"], severity: "degraded" }),
    make({ name: "network", needs: ["security"] }),
    make({ name: "dwcp", needs: ["security", "network"] })
  ]
  const services = [
    make({ name: "orchestration", phase: "service", needs: ["dwcp", "database"] }),
    make({ name: "api", phase: "service", needs: ["dwcp", "security", late("orchestration")] }),
    make({ name: "monitoring", phase: "service", needs: ["network"], severity: "warning", optional: true }),
    make({ name: "ml", phase: "service", severity: "warning", optional: true })
  ]
  // Architecture review 6.2, milliseconds.
  const durationsMs = {
    security: 1200,
    database: 3200,
    cache: 2100,
    network: 1800,
    dwcp: 2800,
    orchestration: 2100,
    api: 2500,
    monitoring: 1600,
    ml: 1000
  }
  const plan = planOf([...core, ...services], { durationsMs, provided: new Set() })

  it("has the levels that the documents give", () => {
    assert.deepStrictEqual(
      Plan.levels(plan).map((names) => names.toSorted()),
      [
        ["ml", "security"],
        ["cache", "database", "network"],
        ["dwcp", "monitoring"],
        ["api", "orchestration"]
      ]
    )
  })

  it("boots in 8.3 seconds instead of 18.3, along security, network, dwcp and api", () => {
    assert.deepStrictEqual(Plan.criticalPath(plan), { totalMs: 8300, path: ["security", "network", "dwcp", "api"] })
    assert.strictEqual(Plan.schedule(plan, 4).makespanMs, 8300)
    assert.strictEqual(Plan.schedule(plan, 1).makespanMs, 18_300)
    assert.strictEqual(Plan.slackMs(plan).get("orchestration"), 400)
    assert.strictEqual(Plan.slackMs(plan).get("database"), 1800)
  })

  it("waits 1.4 seconds longer when dwcp needs database and cache too, 2.1 when api needs orchestration", () => {
    const also = (name: string, ...keys: ReadonlyArray<string>) =>
      planOf(
        [...core, ...services].map((one) =>
          one.name === name ? make({ ...one, needs: [...one.needs, ...keys] }) : one
        ),
        { durationsMs }
      )
    assert.strictEqual(Plan.criticalPath(also("dwcp", "database", "cache")).totalMs, 9700)
    assert.strictEqual(Plan.criticalPath(also("api", "orchestration")).totalMs, 10_400)
  })

  it("has six stages, from the foundation to monitoring and health", () => {
    const pre = ["environment", "config", "logger"].map((name, i, all) =>
      make({ name, phase: "pre", needs: i === 0 ? [] : [all[i - 1]!] })
    )
    const whole = planOf([...pre, ...core, ...services, make({ name: "health", phase: "post" })], { durationsMs })
    assert.deepStrictEqual(Plan.stages(whole), [
      ["environment", "config", "logger"],
      ["security"],
      ["cache", "database", "network"],
      ["dwcp"],
      ["api", "ml", "monitoring", "orchestration"],
      ["health"]
    ])
    // Nothing needs `logger` or is needed by `health`, and still both are on the way: phases are edges.
    assert.deepStrictEqual(Plan.criticalPath(whole).path, [
      "environment",
      "config",
      "logger",
      "security",
      "network",
      "dwcp",
      "api",
      "health"
    ])
  })

  it("says who goes down with the database", () => {
    assert.deepStrictEqual(Plan.impact(plan, "database"), [{ component: "orchestration", effect: "fails-boot" }])
    assert.deepStrictEqual(Plan.impact(plan, "network"), [
      { component: "dwcp", effect: "fails-boot" },
      { component: "api", effect: "fails-boot" },
      { component: "monitoring", effect: "skipped" },
      { component: "orchestration", effect: "fails-boot" }
    ])
  })
})
