import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Swarm from "../../src/ass/Swarm.ts"
import { eventually } from "./fixtures/gossip.ts"

const options: Swarm.Options = {
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  seeds: [],
  topic: "/test",
  maxPeers: 8,
  maxBytes: 1 << 20
}

/** A node of a swarm, and what it heard. */
const member = (change: Partial<Swarm.Options> = {}, trusts = true) =>
  Effect.gen(function* () {
    const swarm = yield* Swarm.make({ ...options, ...change })
    const heard: Array<string> = []
    const note = (what: string) => (from: string, bytes: Uint8Array) => {
      heard.push(`${what} ${from} ${bytes.length}`)
      return trusts
    }
    yield* swarm.begin({
      joined: (peer) => heard.push(`joined ${peer}`),
      left: (peer) => heard.push(`left ${peer}`),
      heard: note("heard"),
      overheard: note("overheard")
    })
    const heardOf = (what: string) => eventually(Effect.sync(() => heard.includes(what)))
    return { swarm, heard, heardOf }
  })

describe("a swarm", () => {
  it.live(
    "carries words to one and to all, long and short, in order",
    () =>
      Effect.gen(function* () {
        const a = yield* member()
        const b = yield* member({ seeds: a.swarm.addresses() })
        yield* b.heardOf(`joined ${a.swarm.self}`)
        yield* a.heardOf(`joined ${b.swarm.self}`)
        for (const length of [1, 0, 1 << 20, 7]) b.swarm.send(a.swarm.self, new Uint8Array(length))
        yield* a.heardOf(`heard ${b.swarm.self} 7`)
        const said = a.heard.filter((it) => it.startsWith("heard")).map((it) => it.split(" ")[2])
        assert.deepStrictEqual(said, ["1", "0", `${1 << 20}`, "7"])
        // It takes a moment until a knows that b listens.
        const overheard = Effect.sync(() => {
          b.swarm.publish(new Uint8Array(3))
          return a.heard.includes(`overheard ${b.swarm.self} 3`)
        })
        yield* Effect.repeat(overheard, { until: (it) => it, schedule: Schedule.spaced("100 millis") })
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "dials again whom it lost, and whom others told it of",
    () =>
      Effect.gen(function* () {
        const a = yield* member()
        const [address = ""] = a.swarm.addresses()
        const port = /tcp\/(\d+)/.exec(address)?.[1]
        yield* Effect.scoped(
          Effect.gen(function* () {
            const b = yield* member()
            a.swarm.learn({ peer: b.swarm.self, addresses: b.swarm.addresses() })
            yield* a.heardOf(`joined ${b.swarm.self}`)
            assert.deepStrictEqual(a.swarm.connected(), [b.swarm.self])
          })
        )
        yield* eventually(Effect.sync(() => a.swarm.connected().length === 0))
        assert.isTrue(a.heard.some((it) => it.startsWith("left")))
        const c = yield* member({ seeds: [`/ip4/127.0.0.1/tcp/${port}`] })
        yield* c.heardOf(`joined ${a.swarm.self}`)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "hears strangers in short words only, and does not end by addresses that are none",
    () =>
      Effect.gen(function* () {
        const a = yield* member({ seeds: ["nonsense", "/ip4/999.1.1.1/tcp/x"] }, false)
        const b = yield* member({ seeds: a.swarm.addresses() })
        a.swarm.learn({ peer: "somebody", addresses: ["also nonsense"] })
        yield* b.heardOf(`joined ${a.swarm.self}`)
        b.swarm.send(a.swarm.self, new Uint8Array(100_000))
        b.swarm.send(a.swarm.self, new Uint8Array(5))
        b.swarm.send("nobody", new Uint8Array(5))
        const said = () => a.heard.filter((it) => it.startsWith("heard"))
        yield* Effect.repeat(
          Effect.sync(() => {
            b.swarm.send(a.swarm.self, new Uint8Array(6))
            return said().includes(`heard ${b.swarm.self} 6`)
          }),
          { until: (it) => it, schedule: Schedule.spaced("100 millis") }
        )
        assert.notInclude(said(), `heard ${b.swarm.self} 100000`)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "remembers a bounded number of nodes",
    () =>
      Effect.gen(function* () {
        const a = yield* member({ maxPeers: 3 })
        const at = (port: number, peer: string) => ({ peer, addresses: [`/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`] })
        for (let i = 0; i < 10; i++) a.swarm.learn(at(i + 1, `p${i}`))
        assert.strictEqual(a.swarm.nodes().length, 3)
        a.swarm.forget("p0")
        assert.strictEqual(a.swarm.nodes().length, 2)
        a.swarm.learn(at(1, a.swarm.self))
        assert.strictEqual(a.swarm.nodes().length, 2)
        // The same place under a new name: started again, and no other node.
        a.swarm.learn(at(2, "p1again"))
        assert.deepStrictEqual(
          a.swarm
            .nodes()
            .map(({ peer }) => peer)
            .toSorted(),
          ["p1again", "p2"]
        )
      }).pipe(Effect.scoped),
    60_000
  )
})
