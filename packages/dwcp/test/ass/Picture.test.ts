import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Picture from "../../src/ass/Picture.ts"
import type { Change, Entry } from "../../src/ass/StateSync.ts"

const fold = (changes: ReadonlyArray<Change>): ReadonlyMap<string, bigint> => {
  const state = new Map<string, bigint>()
  for (const change of changes) {
    if (change._tag === "Put") state.set(change.entry.key, change.entry.version)
    if (change._tag === "Deleted") state.delete(change.key)
  }
  return state
}

const entry = (key: string, version: bigint): Entry => ({ key, version, value: new Uint8Array() })

describe("a picture", () => {
  it("makes the fold of what was told right again after any gap", () => {
    const steps = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), put: fc.boolean(), heard: fc.boolean() }))
    fc.assert(
      fc.property(steps, (given) => {
        const picture = Picture.make()
        const store = new Map<string, bigint>()
        const told: Array<Change> = []
        given.forEach(({ heard, key, put }, i) => {
          const version = BigInt(i + 1)
          const change: Change = put ? { _tag: "Put", entry: entry(key, version) } : { _tag: "Deleted", key, version }
          if (put) store.set(key, version)
          else store.delete(key)
          if (heard && picture.learn(change)) told.push(change)
        })
        told.push(
          ...picture.differences(
            [...store].map(([key, version]) => entry(key, version)),
            BigInt(given.length)
          )
        )
        assert.deepStrictEqual(fold(told), store)
      })
    )
  })

  it("says nothing twice", () => {
    const picture = Picture.make()
    const put: Change = { _tag: "Put", entry: entry("a", 2n) }
    assert.isTrue(picture.learn(put))
    assert.isFalse(picture.learn(put))
    assert.isFalse(picture.learn({ _tag: "Put", entry: entry("a", 1n) }))
    assert.isFalse(picture.learn({ _tag: "Deleted", key: "b", version: 3n }))
    assert.deepStrictEqual(picture.differences([entry("a", 2n)], 3n), [])
  })
})
