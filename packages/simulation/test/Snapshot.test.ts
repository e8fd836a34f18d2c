import { assert, describe, it } from "@effect/vitest"
import { Invariants, Plan, Progress } from "@novacron/boot/model"
import { Result } from "effect"
import * as Graphs from "../src/Graphs.ts"
import * as Snapshot from "../src/Snapshot.ts"

const make = () => ({
  count: 1,
  word: "one",
  maybe: undefined as { readonly why: string } | undefined,
  bytes: Uint8Array.of(1, 2),
  shorts: Int16Array.of(-1),
  ints: Int32Array.of(3, 4),
  floats: Float64Array.of(0.5, NaN),
  list: ["a", "b"],
  lists: [["c"], []] as ReadonlyArray<Array<string>>,
  inner: { depth: 1, list: [1] },
  kept: { huge: [1, 2, 3] }
})

describe("Snapshot", () => {
  it("returns a record to what it was, in place", () => {
    const subject = make()
    const snapshot = Snapshot.take(subject, ["kept"])
    const { bytes, inner, list } = subject
    subject.count = 2
    subject.word = "two"
    subject.maybe = { why: "because" }
    subject.bytes[1] = 9
    subject.shorts[0] = 9
    subject.ints.fill(9)
    subject.floats.fill(9)
    subject.list.push("d", "e")
    subject.lists[0]!.pop()
    subject.lists[1]!.push("f")
    subject.inner.depth = 9
    subject.inner.list.length = 0
    subject.kept.huge.push(4)
    Snapshot.restore(snapshot)
    assert.deepStrictEqual(subject, { ...make(), kept: { huge: [1, 2, 3, 4] } })
    assert.strictEqual(subject.bytes, bytes)
    assert.strictEqual(subject.list, list)
    assert.strictEqual(subject.inner, inner)
  })

  it("makes one record what another one is by then", () => {
    const [to, from] = [make(), make()]
    const snapshot = Snapshot.link(to, from)
    from.count = 7
    from.maybe = { why: "later" }
    from.ints[0] = 7
    from.list.pop()
    from.lists[1]!.push("g")
    Snapshot.restore(snapshot)
    assert.deepStrictEqual(to, from)
    assert.notStrictEqual(to.ints, from.ints)
  })

  it("moves lists of numbers once: a second snapshot of the same record leaves the first one what it is", () => {
    const subject = make()
    const first = Snapshot.take(subject)
    subject.ints[0] = 7
    const second = Snapshot.take(subject)
    subject.ints[0] = 9
    Snapshot.restore(second)
    assert.deepStrictEqual(subject.ints, Int32Array.of(7, 4))
    Snapshot.restore(first)
    assert.deepStrictEqual(subject, make())
  })

  it("is of records without a list of numbers, too", () => {
    const subject = { count: 1, list: ["a"] }
    const snapshot = Snapshot.take(subject)
    subject.count = 2
    subject.list.push("b")
    Snapshot.restore(snapshot)
    assert.deepStrictEqual(subject, { count: 1, list: ["a"] })
  })

  it("knows all that machine and auditor keep", () => {
    const plan = Result.getOrThrow(Plan.make(Graphs.reference))
    const [state, checker] = [Progress.make(plan), Invariants.make(plan, Progress.defaultLimits)]
    const snapshots = [state, checker].map((notes) => Snapshot.take(notes, ["plan", "limits"]))
    const out: Progress.Output = { events: [], commands: [] }
    Progress.advance(state, { _tag: "Begin", atMs: 1 }, out)
    Progress.advance(state, { _tag: "Acquired", atMs: 1, component: plan.index.get("config")! }, out)
    Progress.advance(state, { _tag: "Healthy", atMs: 2, component: plan.index.get("config")! }, out)
    Progress.advance(state, { _tag: "Stop", atMs: 3, because: "enough" }, out)
    for (const event of out.events) assert.isUndefined(Invariants.check(checker, event))
    assert.notDeepEqual(state, Progress.make(plan))
    snapshots.forEach(Snapshot.restore)
    assert.deepStrictEqual(state, Progress.make(plan))
    assert.deepStrictEqual(checker, Invariants.make(plan, Progress.defaultLimits))
  })
})
