import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Register from "../../src/ass/Register.ts"
import type { Condition, Operation } from "../../src/ass/StateSync.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text)
const write = (perform: ReadonlyArray<Operation>, when: ReadonlyArray<Condition> = []): Register.Command => ({
  _tag: "Write",
  when,
  perform,
  otherwise: []
})
const put = (key: string, value = "1"): Operation => ({ _tag: "Put", key, value: bytes(value) })

/** Carries commands out one after the other, as member `client`. */
const machine = () => {
  const register = Register.make(1)
  let sequence = 0
  const raw = (operation: Uint8Array, client: number) =>
    Register.decodeAnswer(register.apply(operation, { client, sequence: ++sequence }))
  return { register, raw, run: (command: Register.Command, client = 0) => raw(Register.encode(command), client) }
}
const keys = ({ register }: ReturnType<typeof machine>) => register.under("").map(({ key }) => key)

const key = fc.constantFrom("a", "b", "c", "é")
const value = fc.uint8Array({ maxLength: 4 })
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ _tag: fc.constant("Put" as const), key, value }),
  fc.record({ _tag: fc.constant("Delete" as const), key })
)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ _tag: fc.constant("Absent" as const), key }),
  fc.record({ _tag: fc.constant("Version" as const), key, version: fc.bigInt({ min: 0n, max: 9n }) }),
  fc.record({ _tag: fc.constant("Value" as const), key, value })
)
const session = fc.constantFrom("s", "t")
const command: fc.Arbitrary<Register.Command> = fc.oneof(
  fc
    .record({
      when: fc.array(condition, { maxLength: 2 }),
      perform: fc.array(operation, { maxLength: 3 }),
      otherwise: fc.array(operation, { maxLength: 1 }),
      session: fc.option(session, { nil: undefined })
    })
    .map(({ session, ...rest }) => ({
      _tag: "Write" as const,
      ...rest,
      ...(session === undefined ? {} : { session })
    })),
  fc.record({ _tag: fc.constant("Session" as const), session: fc.oneof(session, fc.constant("")) }),
  fc.record({ _tag: fc.constant("Missing" as const), member: fc.nat({ max: 3 }) }),
  fc.constant({ _tag: "Look" as const })
)
/** What members propose: mostly sense. */
const proposed = fc.tuple(fc.oneof({ weight: 5, arbitrary: command.map(Register.encode) }, fc.uint8Array()), fc.nat(3))

describe("the register that members carry out alike", () => {
  it("is the same at all who carry out the same, at one that was restored in the middle too", () => {
    let changed = 0
    fc.assert(
      fc.property(fc.array(proposed, { maxLength: 30 }), fc.array(proposed, { maxLength: 30 }), (before, after) => {
        const [a, b, c] = [machine(), machine(), machine()]
        for (const [bytes, client] of before) assert.deepStrictEqual(a.raw(bytes, client), b.raw(bytes, client))
        c.register.restore(a.register.snapshot())
        assert.deepStrictEqual(c.register.snapshot(), a.register.snapshot())
        for (const [bytes, client] of after) {
          const at = { client, sequence: a.register.sequence() + 1 }
          assert.deepStrictEqual(a.register.apply(bytes, at), c.register.apply(bytes, at))
        }
        assert.deepStrictEqual(c.register.snapshot(), a.register.snapshot())
        if (a.register.revision() > 0n) changed++
      }),
      { numRuns: 300 }
    )
    assert.isAbove(changed, 100)
  })

  it("tells those who follow it what leads to what it is", () => {
    fc.assert(
      fc.property(fc.array(proposed, { maxLength: 40 }), (commands) => {
        const { raw, register } = machine()
        const seen = new Map<string, Uint8Array>()
        let known = 0n
        for (const [bytes, client] of commands) {
          raw(bytes, client)
          for (const change of register.since(known) ?? []) {
            if (change._tag === "Put") seen.set(change.entry.key, change.entry.value)
            if (change._tag === "Deleted") seen.delete(change.key)
          }
          known = register.revision()
          assert.deepStrictEqual(new Map(register.under("").map((it) => [it.key, it.value])), seen)
        }
      })
    )
  })

  it("refuses what makes no sense, or is said in words of another version, and changes nothing", () => {
    const it = machine()
    const state = Buffer.from(it.register.snapshot())
    const good = Buffer.from(Register.encode(write([put("k")])))
    const deep = Buffer.concat([Buffer.of(1), Buffer.from("[".repeat(50_000))])
    for (const bad of [
      Buffer.alloc(0),
      Buffer.from("nonsense"),
      good.subarray(0, -1),
      deep,
      Buffer.of(2, ...good.subarray(1))
    ]) {
      assert.deepStrictEqual(it.raw(bad, 1), { _tag: "Refused" })
    }
    const many = write(Array.from({ length: 129 }, (_, k) => put(`${k}`)))
    assert.throws(() => Register.encode(many))
    assert.deepStrictEqual(keys(it), [])
    assert.notDeepEqual(it.raw(good, 1), { _tag: "Refused" })
    assert.notDeepEqual(Buffer.from(it.register.snapshot()), state)
  })

  it("gives each change of a key a greater version, and says which it found", () => {
    const { run } = machine()
    assert.deepInclude(run(write([put("k")])), { succeeded: true, revision: 1n })
    const swap = (version: bigint) => run(write([put("k", "2")], [{ _tag: "Version", key: "k", version }]))
    assert.deepInclude(swap(7n), { succeeded: false, revision: 1n, found: 1n })
    assert.deepInclude(swap(1n), { succeeded: true, revision: 2n, found: 1n })
    assert.deepInclude(swap(1n), { succeeded: false, found: 2n })
    // Nothing to delete is no change.
    assert.deepInclude(run(write([{ _tag: "Delete", key: "none" }])), { revision: 2n })
  })

  it("is full at the same place everywhere, and then takes what makes room", () => {
    const { register, run } = machine()
    const large = "x".repeat(1_000_000)
    let taken = 0
    while (run(write([put(`${taken}`, large)]))._tag === "Done") taken++
    assert.strictEqual(taken, 8)
    assert.isAtMost(register.size().bytes, Register.mostBytes)
    assert.strictEqual(run(write([put("0", "small")]))._tag, "Done")
    assert.strictEqual(run(write([put("again", large)]))._tag, "Done")
    assert.strictEqual(run(write([{ _tag: "Delete", key: "again" }]))._tag, "Done")
  })

  it("lets ephemeral keys go with their session, and no others", () => {
    const it = machine()
    const mine = (session: string, ...keys: ReadonlyArray<string>): Register.Command => ({
      ...write(keys.map((key) => put(key))),
      _tag: "Write",
      when: [],
      perform: keys.map((key) => put(key)),
      otherwise: [],
      session
    })
    it.run({ _tag: "Session", session: "one" })
    it.run(mine("one", "a", "b"))
    it.run(write([put("c")]))
    // Whoever writes a key without a session keeps it.
    it.run(write([put("b")]), 1)
    it.run({ _tag: "Session", session: "two" })
    assert.deepStrictEqual(keys(it), ["b", "c"])
    it.run(mine("two", "d"))
    it.run({ _tag: "Session", session: "" })
    assert.deepStrictEqual(keys(it), ["b", "c"])
  })

  it("takes a member for gone when f + 1 others miss it, not by the word of one; a word of its own counts more", () => {
    const it = machine()
    const missing: Register.Command = { _tag: "Missing", member: 0 }
    const expired: Array<number | undefined> = []
    it.register.onChange((whose) => void expired.push(whose))
    it.run({ _tag: "Session", session: "one" })
    it.run({ _tag: "Write", when: [], perform: [put("k")], otherwise: [], session: "one" })
    for (let k = 0; k < 3; k++) it.run(missing, 3)
    it.run(missing, 0)
    it.run({ _tag: "Look" }, 0)
    it.run(missing, 3)
    assert.deepStrictEqual(keys(it), ["k"])
    it.run(missing, 1)
    assert.deepStrictEqual(keys(it), [])
    assert.deepStrictEqual(
      expired.filter((whose) => whose !== undefined),
      [0]
    )
    assert.isTrue(Option.isNone(it.register.get("k")))
    assert.isFalse(it.register.owns(0))
  })

  it("forgets changes that are long ago, and says so to those who ask for them", () => {
    const { register, run } = machine()
    for (let k = 0; k < 10_000; k++) run(write([put("k", `${k}`)]))
    assert.isUndefined(register.since(1n))
    assert.strictEqual(register.since(register.revision() - 3n)?.length, 3)
  })
})
