/**
 * The real driver, thousands of times: with faults at every await, fuzzed interleavings, cancellations and stops,
 * judged by the invariants, by the components' own books, and by the machine that decides.
 *
 * `SEEDS=20000 SEED_FROM=5000 pnpm test --project simulation` makes it a campaign. A seed that fails is printed as a
 * replay, small.
 */
import { assert, describe, it } from "@effect/vitest"
import { Fault, Graphs, type Judge, Random, Replay, Simulate, StandIn } from "@novacron/simulation"
import { nodes } from "./Nodes.ts"

const seeds = Number(process.env["SEEDS"] ?? 2000)
const seedFrom = Number(process.env["SEED_FROM"] ?? 0)

describe("the driver", () => {
  for (const [name, components] of Object.entries(nodes)) {
    it(`keeps its promises on the ${name} node, whatever happens`, () => {
      // From boots that are hardly disturbed to some in which nearly everything fails.
      for (const [share, attempt] of [
        [0.7, 0.02],
        [0.2, 0.1],
        [0.1, 0.4]
      ] as const) {
        const result = Simulate.simulate(components, {
          seeds: Math.ceil((seeds * share) / 3),
          seedFrom,
          faults: { attempt, kinds: Fault.kinds },
          stopAfter: "5 seconds"
        })
        sound(result)
        assert.isAbove((result.outcomes.ready ?? 0) + (result.outcomes.degraded ?? 0), attempt < 0.1 ? seeds / 10 : -1)
      }
    })
  }

  it("keeps its promises on graphs that nobody has drawn", () => {
    const total: Record<string, number> = {}
    for (let seed = seedFrom; seed < seedFrom + seeds; seed += 4) {
      const random = Random.fork(Random.make(seed), "graph")
      const manifests = Graphs.random(random, 40)
      const { bootMs, phases, rollbackMs, scheduling, slots } = Graphs.limits(random, manifests.length)
      const components = StandIn.make(manifests, {
        startMs: (name) => [0, 1, 5, 20, 100][Math.abs(Random.hash(`${seed} ${name}`)) % 5]!,
        stopMs: (name) => Math.abs(Random.hash(name)) % 8
      })
      const result = Simulate.simulate(components, {
        seeds: Math.min(4, seedFrom + seeds - seed),
        seedFrom: seed,
        cancel: 0.2,
        faults: { attempt: Random.pick(random, [0.02, 0.05, 0.1, 0.3]) },
        stopAfter: Random.pick(random, [100, 5000, 60_000]),
        options: {
          environment: Graphs.environment,
          concurrency: slots,
          scheduling,
          deadline: bootMs,
          rollback: rollbackMs,
          phases: {
            pre: phases.pre.maxMs,
            core: phases.core.maxMs,
            service: phases.service.maxMs,
            post: phases.post.maxMs
          }
        }
      })
      sound(result, JSON.stringify(manifests))
      for (const [outcome, n] of Object.entries(result.outcomes)) total[outcome] = (total[outcome] ?? 0) + n
    }
    if (seeds < 1000) return
    for (const outcome of ["ready", "degraded", "failed", "cancelled"]) assert.isAbove(total[outcome] ?? 0, seeds / 50)
  })
})

describe("a boot that fails", () => {
  /**
   * What can go wrong before a component is up. Not `Hangs`: in the middle of an acquisition, which nothing may
   * interrupt, it is a component that cannot be closed, of which the next test is.
   */
  const kinds = ["Fails", "Dies", "Interrupts", "FailsAcquired", "ProbeHangs", "ProbeFails"] as const

  it("is rolled back cleanly every time: a thousand that failed are counted", () => {
    let failed = 0
    let clean = 0
    let stopped = 0
    for (let round = 0; failed < 1_000 && round < 20; round++) {
      for (const components of Object.values(nodes)) {
        const result = Simulate.simulate(components, {
          seeds: 100,
          seedFrom: seedFrom + round * 100,
          cancel: 0,
          twice: Infinity,
          faults: { attempt: 0.3, kinds },
          observe: (_, { events, outcome, violations }) => {
            const ended = events.at(-1)
            if (outcome !== "failed" || ended?._tag !== "BootEnded" || failed === 1_000) return
            failed++
            stopped += events.filter(({ _tag }) => _tag === "ComponentStopped").length
            // The components' own books are among the violations: what they hold, and who was closed too early.
            if (ended.clean && violations.length === 0) clean++
          }
        })
        sound(result)
      }
    }
    assert.strictEqual(failed, 1_000)
    assert.isAbove(stopped, 1_000, "there was something to roll back")
    assert.isAtLeast(clean, 995)
  })

  it("says which closings failed when components cannot be closed, and closes all the others", () => {
    let failed = 0
    let unclean = 0
    const result = Simulate.simulate(nodes.plain, {
      seeds: 300,
      seedFrom,
      cancel: 0,
      twice: Infinity,
      faults: { attempt: 0.15, kinds: ["Fails", "Dies", "FinalizerFails", "FinalizerHangs"] },
      observe: (it, { events, outcome, struck }) => {
        const ended = events.at(-1)
        if (outcome !== "failed" || ended?._tag !== "BootEnded") return
        failed++
        const bad = it.faults.filter(({ _tag }, i) => _tag.startsWith("Finalizer") && struck[i]! > 0)
        const told = events.filter((event) => "closing" in event && event.closing !== "clean")
        const names = (list: ReadonlyArray<object>) =>
          [...new Set(list.map((one) => ("component" in one ? String(one.component) : "")))].toSorted()
        assert.deepStrictEqual(names(told), names(bad))
        assert.strictEqual(ended.clean, bad.length === 0)
        if (!ended.clean) unclean++
      }
    })
    sound(result)
    assert.isAbove(unclean, 50)
    assert.isAbove(failed - unclean, 20)
  })
})

/** No promise was broken; or else, what it takes to break it again. */
const sound = ({ violations }: { readonly violations: ReadonlyArray<Simulate.Found> }, graph = ""): void => {
  const told = violations.map((found) => `seed ${found.seed}: ${saying(found)}\n${Replay.encode(found.replay)}${graph}`)
  assert.strictEqual(told.join("\n\n"), "")
}

const saying = ({ message, promise }: Judge.Violation): string => `${promise}. ${message}`
