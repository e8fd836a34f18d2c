import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Lru from "../../src/cache/Lru.ts"

const cost = (key: string, value: string) => Lru.overheadBytes + Buffer.byteLength(key) + Buffer.byteLength(value)

/** What it should do, said slowly: a list, the one used last at its end. */
const model = ({ maxBytes, maxEntries }: Lru.Limits) => {
  let list: ReadonlyArray<{ key: string; value: string; endMs: number }> = []
  const bytes = () => list.reduce((sum, { key, value }) => sum + cost(key, value), 0)
  const without = (key: string) => list.filter((it) => it.key !== key)
  return {
    get: (key: string, nowMs: number) => {
      const found = list.find((it) => it.key === key)
      if (found === undefined) return undefined
      list = without(key)
      if (found.endMs <= nowMs) return undefined
      list = [...list, found]
      return found.value
    },
    set: (key: string, value: string, endMs: number, nowMs: number) => {
      list = without(key)
      if (cost(key, value) > maxBytes || endMs <= nowMs) return 0
      list = [...list, { key, value, endMs }]
      const before = list.length
      while (list.length > maxEntries || bytes() > maxBytes) list = list.slice(1)
      return before - list.length
    },
    delete: (key: string) => {
      const before = list.length
      list = without(key)
      return list.length < before
    },
    clear: () => void (list = []),
    size: () => list.length,
    bytes
  }
}

const key = fc.constantFrom("a", "b", "c", "d", "ö")
const step = fc.oneof(
  { withCrossShrink: true },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      key,
      value: fc.string({ maxLength: 200 }),
      ttl: fc.integer({ min: -1, max: 60 })
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 10 }) }) }
)

describe("Lru", () => {
  it("does what a slow list does, and stays within its bounds", () => {
    let hits = 0
    let evictions = 0
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 100, max: 700 }),
        (steps, maxEntries, maxBytes) => {
          const limits = { maxEntries, maxBytes }
          const lru = Lru.make(limits)
          const slow = model(limits)
          let nowMs = 0
          for (const it of steps) {
            if (it.do === "get") {
              const found = lru.get(it.key, nowMs)?.value
              if (found !== undefined) hits++
              assert.strictEqual(found, slow.get(it.key, nowMs))
            } else if (it.do === "set") {
              const gone = lru.set(it.key, it.value, nowMs + it.ttl, nowMs)
              evictions += gone
              assert.strictEqual(gone, slow.set(it.key, it.value, nowMs + it.ttl, nowMs))
            } else if (it.do === "delete") assert.strictEqual(lru.delete(it.key), slow.delete(it.key))
            else if (it.do === "clear") {
              lru.clear()
              slow.clear()
            } else nowMs += it.ms
            assert.deepStrictEqual([lru.size(), lru.bytes()], [slow.size(), slow.bytes()])
            assert.isAtMost(lru.size(), maxEntries)
            assert.isAtMost(lru.bytes(), maxBytes)
          }
        }
      ),
      { numRuns: 500 }
    )
    // Or it would have shown nothing.
    assert.isAbove(hits, 100)
    assert.isAbove(evictions, 100)
  })

  it("gives up what nobody has used for longest", () => {
    const lru = Lru.make({ maxEntries: 2, maxBytes: 1e6 })
    lru.set("a", "1", 10, 0)
    lru.set("b", "2", 10, 0)
    lru.get("a", 0)
    assert.strictEqual(lru.set("c", "3", 10, 0), 1)
    assert.isUndefined(lru.get("b", 0))
    assert.strictEqual(lru.get("a", 0)?.value, "1")
  })

  it("does not keep a value that is larger than all of its room, and not the one before it either", () => {
    const lru = Lru.make({ maxEntries: 10, maxBytes: 300 })
    lru.set("a", "small", 10, 0)
    lru.set("b", "small", 10, 0)
    lru.set("a", "x".repeat(300), 10, 0)
    assert.isUndefined(lru.get("a", 0))
    assert.strictEqual(lru.get("b", 0)?.value, "small")
  })
})
