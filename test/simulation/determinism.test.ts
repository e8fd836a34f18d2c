/**
 * The same seed gives the same boot, byte for byte: twice in a world of its own, and once more under `TestClock`.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import type { BootEvent } from "@novacron/boot"
import { type Case, Fault, Graphs, Random, Simulation, StandIn, Trial, VirtualTime } from "@novacron/simulation"
import { Effect, Random as EffectRandom } from "effect"
import { TestClock } from "effect/testing"
import { nodes } from "./Nodes.ts"

const graphs: ReadonlyArray<readonly [string, ReadonlyArray<StandIn.StandIn>]> = [
  ...Object.entries(nodes),
  ...[1, 2, 3, 4, 5, 6].map((seed) => {
    const manifests = Graphs.random(Random.make(seed), 30)
    return [`random ${seed}`, StandIn.make(manifests, { startMs: () => 3 })] as const
  })
]

describe("the log of a boot", () => {
  it.each(graphs)("is the same for the same seed: %s", (_, components) => {
    const hashes = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const it = caseOf(components, seed, seed % 2 === 1)
      const hash = hashOf(Trial.run(Trial.make(components), it).events)
      assert.strictEqual(hash, hashOf(Trial.run(Trial.make(components), it).events))
      hashes.add(hash)
    }
    assert.strictEqual(hashes.size, 20, "and another for another")
  })

  it.each(graphs)("does not depend on the order of registration: %s", (_, components) => {
    const it = { ...caseOf(components, 1, false), faults: [] }
    const hash = hashOf(Trial.run(Trial.make(components), it).events)
    for (let seed = 0; seed < 5; seed++) {
      const shuffled = Random.shuffle(Random.make(seed), components)
      assert.strictEqual(hashOf(Trial.run(Trial.make(shuffled), it).events), hash)
    }
  })

  it("is the same a thousand times, each time registered in another order", () => {
    const orders = new Set<string>()
    for (const [node, [name, components]] of Object.entries(nodes).entries()) {
      // Faults as well: chance inside a boot comes from its seed and not from who was registered first.
      const it = caseOf(components, 5, false)
      const logs = new Set<string>()
      for (let seed = node; seed < 1_000; seed += 3) {
        const shuffled = Random.shuffle(Random.make(seed), components)
        orders.add(shuffled.map(({ recipe }) => recipe.name).join())
        logs.add(hashOf(Trial.run(Trial.make(shuffled, { conformance: false, stacks: false }), it).events))
      }
      assert.strictEqual(logs.size, 1, name)
    }
    assert.strictEqual(orders.size, 1_000)
  })

  it.each(graphs)("is the same under TestClock: %s", async (_, components) => {
    let ready = 0
    for (let seed = 0; seed < 10; seed++) {
      const it = caseOf(components, seed, false)
      const simulated = Trial.run(Trial.make(components), it)
      const real = await underTestClock(components, it)
      if (simulated.outcome === "ready" || simulated.outcome === "degraded") ready++
      assert.strictEqual(Trial.log({ events: real }), Trial.log(simulated))
    }
    assert.isAbove(ready, 0, "some of them got through")
  })
})

const caseOf = (components: ReadonlyArray<StandIn.StandIn>, seed: number, fuzz: boolean): Case.Case => {
  const manifests = components.map(({ manifest }) => manifest)
  return {
    seed,
    fuzz,
    components: manifests.map(({ name }) => name),
    faults: Fault.draw(Random.fork(Random.make(seed), "faults"), manifests, {
      attempt: 0.03,
      kinds: ["Fails", "Dies", "Hangs", "Slow", "FailsAcquired", "FinalizerFails", "ProbeFails"]
    }),
    settings: { environment: Graphs.environment },
    stopAfterMs: 0,
    cancelAtMs: null
  }
}

const underTestClock = (components: ReadonlyArray<StandIn.StandIn>, it: Case.Case) =>
  Effect.gen(function* () {
    const injection = Fault.inject(components, it.faults)
    const { events } = yield* Effect.scoped(VirtualTime.boot(injection.components, { environment: Graphs.environment }))
    return events
  }).pipe(
    Effect.provideService(EffectRandom.Random, Simulation.randomOf(it.seed)),
    Effect.provide(TestClock.layer()),
    Effect.runPromise
  )

const hashOf = (events: ReadonlyArray<BootEvent.BootEvent>): string =>
  createHash("sha256").update(Trial.log({ events })).digest("hex")
