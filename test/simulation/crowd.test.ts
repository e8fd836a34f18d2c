/**
 * A thousand boots at the same time: each of a graph of its own, with delays of its own, in fibers that take turns as a
 * seed says. None may notice the others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Manifest } from "@novacron/boot"
import { Ledger, Random, Simulation, StandIn } from "@novacron/simulation"
import { Effect, Exit } from "effect"

const boots = 1_000
const delaysMs = [0, 1, 2, 5, 20, 100]

describe("a thousand boots in parallel fibers, with delays by chance", () => {
  it("come up each exactly when its own longest path is over, and leave nothing behind", () => {
    const crowd = Array.from({ length: boots }, (_, seed) => bootOf(seed))
    const together = Effect.forEach(crowd, ({ life }) => life, { concurrency: "unbounded", discard: true })
    const { asleep, exit, timeMs } = Simulation.run(together, { seed: 28, fuzz: true })
    assert.isTrue(Exit.isSuccess(exit))
    assert.strictEqual(asleep, 0)
    assert.isBelow(timeMs, 2_000, "they were there at the same time")
    for (const [seed, { events, ledger, readyMs }] of crowd.entries()) {
      assert.deepStrictEqual(readyOf(events), readyMs, `boot ${seed}`)
      assert.deepStrictEqual([...ledger.problems, ...Ledger.open(ledger)], [], `boot ${seed}`)
      const ended = events.at(-1)
      assert.isTrue(ended?._tag === "BootEnded" && ended.outcome === "stopped" && ended.clean, `boot ${seed}`)
    }
    assert.isAbove(new Set(crowd.map(({ readyMs }) => JSON.stringify(readyMs))).size, boots / 2)
  })
})

/** A boot of up to twelve components, its life from start to stop, and when each of them has to be up. */
const bootOf = (seed: number) => {
  const random = Random.fork(Random.make(seed), "crowd")
  const ms: { [name: string]: number } = {}
  const readyMs: { [name: string]: number } = {}
  const manifests = Array.from({ length: Random.between(random, 1, 12) }, (_, i) => {
    const name = `p${i}`
    const needs = Array.from({ length: Math.min(i, Random.int(random, 4)) }, () => `p${Random.int(random, i)}`)
    ms[name] = Random.pick(random, delaysMs)
    readyMs[name] = ms[name] + Math.max(0, ...needs.map((need) => readyMs[need] ?? 0))
    return Manifest.make({ name, needs: [...new Set(needs)] })
  })
  const { components, ledger } = Ledger.watch(
    StandIn.make(Random.shuffle(random, manifests), { startMs: (name) => ms[name] ?? 0 })
  )
  const events: Array<BootEvent.BootEvent> = []
  const options = { concurrency: 100, checked: true, observe: (event: BootEvent.BootEvent) => void events.push(event) }
  const life = Effect.scoped(Effect.andThen(Boot.make(components, options), Effect.sleep(Random.int(random, 50))))
  return { life, events, ledger, readyMs }
}

const readyOf = (events: ReadonlyArray<BootEvent.BootEvent>) =>
  Object.fromEntries(
    events.flatMap((event) => (event._tag === "ComponentReady" ? [[event.component, event.atMs] as const] : []))
  )
