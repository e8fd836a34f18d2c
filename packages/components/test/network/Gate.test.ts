import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Cidr from "../../src/network/Cidr.ts"
import * as Gate from "../../src/network/Gate.ts"

const networks = (...texts: ReadonlyArray<string>) => texts.map((text) => Option.getOrThrow(Cidr.parse(text)))
const rules = { allow: networks(), deny: networks(), maxConnections: 10, maxPerAddress: 3 }
const nobody = { all: 0, fromAddress: 0 }

describe("the gate", () => {
  it("lets in everybody when there are no lists", () => {
    assert.isUndefined(Gate.judge(rules, "203.0.113.9", nobody))
  })

  it("lets in only who is allowed, and nobody who is denied, allowed or not", () => {
    const strict = { ...rules, allow: networks("10.0.0.0/8", "fd00::/8"), deny: networks("10.9.0.0/16") }
    const verdicts = [
      "10.1.2.3",
      "10.9.0.1",
      "11.0.0.1",
      "fd00::7",
      "2001:db8::1",
      "::ffff:10.1.2.3",
      "::ffff:10.9.0.1"
    ]
    assert.deepStrictEqual(
      verdicts.map((address) => Gate.judge(strict, address, nobody)),
      [undefined, "denied", "denied", undefined, "denied", undefined, "denied"]
    )
  })

  it("is full at its limits, and not before", () => {
    assert.isUndefined(Gate.judge(rules, "10.0.0.1", { all: 9, fromAddress: 2 }))
    assert.strictEqual(Gate.judge(rules, "10.0.0.1", { all: 10, fromAddress: 0 }), "limit")
    assert.strictEqual(Gate.judge(rules, "10.0.0.1", { all: 3, fromAddress: 3 }), "limit")
  })

  it("says that somebody is denied, not that it is full", () => {
    assert.strictEqual(Gate.judge({ ...rules, deny: networks("::/0") }, "::1", { all: 99, fromAddress: 99 }), "denied")
  })
})

describe("a tally", () => {
  it("counts who is inside, and forgets names that have left", () => {
    const move = fc.record({ name: fc.constantFrom("a", "b", "__proto__"), enters: fc.boolean() })
    fc.assert(
      fc.property(fc.array(move), (moves) => {
        const tally = Gate.tally()
        const inside: Array<string> = []
        for (const { enters, name } of moves) {
          if (enters) {
            tally.enter(name)
            inside.push(name)
          } else if (inside.includes(name)) {
            tally.leave(name)
            inside.splice(inside.indexOf(name), 1)
          }
          assert.strictEqual(tally.of(name), inside.filter((it) => it === name).length)
          assert.sameMembers(Object.keys(tally.all()), [...new Set(inside)])
        }
      })
    )
  })
})
