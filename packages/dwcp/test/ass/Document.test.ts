import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as loro from "loro-crdt"
import { vi } from "vitest"
import * as Document from "../../src/ass/Document.ts"

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)
const content = (document: Document.Document): ReadonlyArray<readonly [string, ReadonlyArray<number>]> =>
  document.list("").map(({ key, value }) => [key, [...value]])

const merge = (document: Document.Document, update: Uint8Array): Document.Merged => {
  const merged = document.merge(update, "a peer")
  if (merged._tag !== "Merged" && merged._tag !== "Apart") throw merged
  return merged
}

/** Both tell each other what they lack, until there is nothing more to tell. */
const exchange = (a: Document.Document, b: Document.Document): void => {
  const order = Document.versions(loro)
  for (let i = 0; i < 4; i++) {
    if (order.exceeds(a.version(), b.version())) merge(b, a.since(b.version()))
    if (order.exceeds(b.version(), a.version())) merge(a, b.since(a.version()))
  }
}

type Step =
  | { readonly _tag: "Put"; readonly who: number; readonly key: string; readonly value: number }
  | { readonly _tag: "Delete"; readonly who: number; readonly key: string }
  | { readonly _tag: "Send"; readonly from: number; readonly to: number; readonly twice: boolean }
  | { readonly _tag: "Compact"; readonly who: number; readonly forgets: number }

const who = fc.nat({ max: 3 })
const key = fc.constantFrom("a", "b", "c", "d/e")
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ _tag: fc.constant("Put" as const), who, key, value: fc.nat({ max: 255 }) }) },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Delete" as const), who, key }) },
    {
      weight: 4,
      arbitrary: fc.record({ _tag: fc.constant("Send" as const), from: who, to: who, twice: fc.boolean() })
    },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Compact" as const), who, forgets: who }) }
  ),
  { maxLength: 60 }
)

const run = (given: ReadonlyArray<Step>, forgetful: boolean) => {
  const replicas = Array.from({ length: 4 }, () => Document.make(loro))
  const at = (i: number): Document.Document => {
    const replica = replicas[i]
    if (replica === undefined) throw new Error("no such replica")
    return replica
  }
  // Kept, to be sent again much later.
  const old: Array<Uint8Array> = []
  for (const step of given) {
    if (step._tag === "Put") at(step.who).put(step.key, bytes(step.value))
    if (step._tag === "Delete") at(step.who).delete(step.key)
    if (step._tag === "Send") {
      const update = at(step.from).since(at(step.to).version())
      old.push(update)
      merge(at(step.to), update)
      if (step.twice) merge(at(step.to), update)
    }
    if (step._tag === "Compact") {
      const others = replicas.filter((_, i) => i !== step.who && !(forgetful && i === step.forgets))
      at(step.who).compact(others.map((replica) => replica.version()))
    }
  }
  return { replicas, old, at }
}

describe("documents", () => {
  it("are alike once all have heard of all, whatever was late, doubled, reordered or cut off before", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const { old, replicas } = run(given, false)
        for (let round = 0; round < 2; round++) for (const a of replicas) for (const b of replicas) exchange(a, b)
        const [first] = replicas
        if (first === undefined) return
        for (const replica of replicas) assert.deepStrictEqual(content(replica), content(first))
        const before = content(first)
        // What is stale changes nothing.
        for (const update of old) merge(first, update)
        assert.deepStrictEqual(content(first), before)
      }),
      { numRuns: 150 }
    )
  }, 60_000)

  it("come together by snapshots when history was cut off that one still needed, and lose no write of it", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const { at, replicas } = run(given, true)
        const writer = at(3)
        writer.put("mine/1", bytes(1))
        writer.put("mine/2", bytes(2))
        for (let round = 0; round < 6; round++) for (const a of replicas) for (const b of replicas) exchange(a, b)
        const [first] = replicas
        if (first === undefined) return
        for (const replica of replicas) assert.deepStrictEqual(content(replica), content(first))
        assert.deepStrictEqual([...(first.get("mine/1")?.value ?? [])], [1])
      }),
      { numRuns: 150 }
    )
  }, 60_000)

  it("tell each change of an import once, with the state that it leads to", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    a.put("k", bytes(1))
    a.put("k", bytes(2))
    a.put("gone", bytes(1))
    a.delete("gone")
    const merged = merge(b, a.since(b.version()))
    assert.deepStrictEqual(
      merged._tag === "Merged" && merged.changes.map((it) => it._tag === "Put" && [...it.entry.value]),
      [[2]]
    )
    assert.deepInclude(merge(b, a.since(b.version())), { changes: [] })
    a.delete("k")
    const gone = merge(b, a.since(b.version()))
    assert.deepStrictEqual(gone._tag === "Merged" && gone.changes.map((it) => it._tag), ["Deleted"])
  })

  it("say so when what they get builds on what they have not got, and take both in either order", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    a.put("k", bytes(1))
    const between = a.version()
    const first = a.since(b.version())
    a.put("k", bytes(2))
    assert.deepInclude(merge(b, a.since(between)), { incomplete: true })
    assert.isUndefined(b.get("k"))
    merge(b, first)
    assert.deepStrictEqual([...(b.get("k")?.value ?? [])], [2])
  })

  it("do not ask the clock of the wall who was last", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    try {
      vi.useFakeTimers({ toFake: ["Date"], now: new Date("2040-01-01") })
      a.put("k", bytes(1))
      merge(b, a.since(b.version()))
      vi.setSystemTime(new Date("2001-01-01"))
      b.put("k", bytes(2))
      exchange(a, b)
      for (const document of [a, b]) assert.deepStrictEqual(content(document), [["k", [2]]])
    } finally {
      vi.useRealTimers()
    }
  })

  it("give out what was written here once, and not what others wrote", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    assert.isUndefined(a.fresh())
    b.put("theirs", bytes(1))
    merge(a, b.since(a.version()))
    a.put("k", bytes(1))
    a.put("k", bytes(2))
    const first = a.fresh()
    assert.isDefined(first)
    assert.isUndefined(a.fresh())
    a.compact([])
    a.put("l", bytes(3))
    const second = a.fresh()
    merge(b, first ?? bytes())
    merge(b, second ?? bytes())
    assert.deepStrictEqual(content(b), content(a))
  })

  it("cut their history off, and are the same to whoever comes new", () => {
    const a = Document.make(loro)
    for (let i = 0; i < 2000; i++) a.put(`k${i % 10}`, new Uint8Array(100).fill(i % 256))
    const before = a.since(undefined)
    assert.isAbove(a.size().history, 200_000)
    a.compact([])
    assert.isBelow(a.size().history, 100)
    const b = Document.make(loro)
    merge(b, a.since(b.version()))
    assert.deepStrictEqual(content(b), content(a))
    assert.isBelow(a.since(b.version()).length, 500)
    const c = Document.make(loro)
    merge(c, before)
    exchange(a, c)
    assert.deepStrictEqual(content(c), content(a))
  })

  it("keep the history that somebody has not seen, and count it", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    a.put("first", bytes(1))
    exchange(a, b)
    for (let i = 0; i < 500; i++) a.put("k", new Uint8Array(100).fill(i % 256))
    a.compact([b.version()])
    assert.isAbove(a.size().history, 1000)
    b.put("mine", bytes(1))
    exchange(a, b)
    assert.deepStrictEqual(content(a), content(b))
    a.compact([b.version()])
    assert.isBelow(a.size().history, 100)
  })

  it("of a newer version are an error of their own, and change nothing; damaged ones as well", () => {
    const [a, b] = [Document.make(loro), Document.make(loro)]
    a.put("k", bytes(1))
    b.put("mine", bytes(9))
    const newer = a.since(b.version()).slice()
    newer[21] = 99
    assert.deepInclude(b.merge(newer, "a peer"), { _tag: "NewerDocument", version: 99 })
    const damaged = a.since(b.version()).slice()
    damaged[damaged.length - 2] = (damaged[damaged.length - 2] ?? 0) ^ 255
    assert.deepInclude(b.merge(damaged, "a peer"), { _tag: "DocumentDamaged" })
    assert.deepInclude(b.merge(bytes(1, 2, 3), "a peer"), { _tag: "DocumentDamaged" })
    assert.deepInclude(b.merge(bytes(), "a peer"), { _tag: "DocumentDamaged" })
    assert.deepStrictEqual(content(b), [["mine", [9]]])
    merge(b, a.since(b.version()))
    assert.strictEqual(content(b).length, 2)
  })

  it("count their content, and forget what is deleted", () => {
    const a = Document.make(loro)
    a.put("key", new Uint8Array(1000))
    a.put("key", new Uint8Array(10))
    assert.strictEqual(a.size().content, 13)
    a.delete("key")
    assert.strictEqual(a.size().content, 0)
    assert.isUndefined(a.delete("key"))
  })
})
