import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Holder from "../../src/lock/Holder.ts"

const holder: Holder.Holder = {
  version: 1,
  pid: 4711,
  bootId: "b00t",
  namespace: "pid:[1]",
  startTicks: "8812",
  since: "2026-11-22T18:00:00.000Z",
  nonce: "abc"
}
const running = (startTicks: string) => ({ _tag: "Running", startTicks }) as const
const gone = { _tag: "NotRunning" } as const

describe("Holder", () => {
  it("is there while its number belongs to a process that began at the same tick", () => {
    assert.strictEqual(Holder.presence(holder, holder, running("8812")), "Alive")
  })

  it("is gone when its number is free, is used again, or the machine was booted since", () => {
    assert.strictEqual(Holder.presence(holder, holder, gone), "Gone")
    assert.strictEqual(Holder.presence(holder, holder, running("9999")), "Gone")
    assert.strictEqual(Holder.presence(holder, { ...holder, bootId: "later" }, running("8812")), "Gone")
  })

  it("counts as held where nothing can be known: another container, or a system that tells nothing", () => {
    assert.strictEqual(Holder.presence(holder, { ...holder, namespace: "pid:[2]" }, gone), "Unknowable")
    assert.strictEqual(Holder.presence({ ...holder, bootId: "" }, holder, gone), "Unknowable")
    assert.strictEqual(Holder.presence(holder, { ...holder, bootId: "" }, gone), "Unknowable")
  })

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(fc.nat(), fc.string(), fc.string(), (pid, nonce, since) => {
        const one = { ...holder, pid, nonce, since }
        assert.deepStrictEqual(Holder.parse(Holder.format(one)), Option.some(one))
      })
    )
  })

  it("is not read out of half a file", () => {
    const text = Holder.format(holder)
    for (let length = 0; length < text.length - 1; length++) {
      assert.isTrue(Option.isNone(Holder.parse(text.slice(0, length))))
    }
  })

  it("finds the start of a process behind a name with spaces and parentheses", () => {
    const rest = Array.from({ length: 30 }, (_, i) => `${i + 4}`).join(" ")
    assert.deepStrictEqual(Holder.startTicksOf(`7 (evil) R ) 1 (x) S ${rest}`), running("22"))
    assert.deepStrictEqual(Holder.startTicksOf(`7 (node) Z ${rest}`), gone)
    assert.deepStrictEqual(Holder.startTicksOf(""), gone)
    assert.strictEqual(Holder.startTicksOf(readFileSync("/proc/self/stat", "utf8"))._tag, "Running")
  })
})
