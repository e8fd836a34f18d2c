import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Capacity from "../../src/resources/Capacity.ts"

const plans = fc.record({
  connections: fc.nat(100_000),
  databasePool: fc.nat(1_000),
  cachePool: fc.nat(1_000),
  streams: fc.nat(1_000),
  streamBufferBytes: fc.nat(32_000_000),
  cacheBytes: fc.nat(2_000_000_000),
  hasOwnDatabase: fc.boolean()
})

describe("capacity", () => {
  it("counts a descriptor for each socket, and some for the process", () => {
    const demand = Capacity.estimate({ ...Capacity.nothing, connections: 10_000, databasePool: 50, streams: 256 })
    assert.strictEqual(demand.sockets, 10_306)
    assert.strictEqual(demand.descriptors, 10_562)
  })

  it("counts buffers, cache and a database of its own as memory", () => {
    const without = Capacity.estimate({ ...Capacity.nothing, databasePool: 10 }).memoryBytes
    const own = Capacity.estimate({ ...Capacity.nothing, databasePool: 10, hasOwnDatabase: true }).memoryBytes
    assert.isAtLeast(own - without, 260 * 1024 * 1024)
    const streams = Capacity.estimate({ ...Capacity.nothing, streams: 64, streamBufferBytes: 32e6, cacheBytes: 4e9 })
    assert.isAbove(streams.memoryBytes, 64 * 32e6 + 4e9)
  })

  it("never shrinks when a node plans more", () => {
    const parts = ["connections", "databasePool", "cachePool", "streams", "streamBufferBytes", "cacheBytes"] as const
    fc.assert(
      fc.property(plans, fc.constantFrom(...parts), (some, part) => {
        const [before, after] = [Capacity.estimate(some), Capacity.estimate({ ...some, [part]: some[part] + 1_000 })]
        assert.isTrue(after.memoryBytes >= before.memoryBytes && after.descriptors >= before.descriptors)
      })
    )
  })

  it("falls short of exactly what the demand exceeds, and of nothing that is unknown", () => {
    fc.assert(
      fc.property(plans, fc.nat(4_000_000_000), fc.nat(50_000), (some, memoryBytes, descriptors) => {
        const demand = Capacity.estimate(some)
        const what = Capacity.shortfalls(demand, { memoryBytes, descriptors }).map((one) => one.what)
        assert.strictEqual(what.includes("memory"), demand.memoryBytes > memoryBytes)
        assert.strictEqual(what.includes("file descriptors"), demand.descriptors > descriptors)
        assert.deepStrictEqual(Capacity.shortfalls(demand, {}), [])
      })
    )
  })
})
