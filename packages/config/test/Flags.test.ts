import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import { Flags } from "../src/index.ts"

const flag = (fields: typeof Flags.Flag.Encoded) => Schema.decodeSync(Flags.Flag)(fields)

describe("the bucket of a node", () => {
  it.each([
    ["", 61],
    ["a", 20],
    ["node-1", 87],
    ["node-2", 6],
    ["novacron-node-1", 64],
    ["node-123", 60],
    ["node-456", 67]
  ])("of %j is %i", (node, bucket) => {
    assert.strictEqual(Flags.bucket(node), bucket)
  })

  it("spreads nodes evenly", () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) => `node-${i}`)
    const share = (percentage: number) => nodes.filter((node) => Flags.isOn(flag({ percentage }), node)).length / 100
    assert.strictEqual(share(10), 9.71)
    assert.strictEqual(share(50), 49.46)
    assert.strictEqual(share(0), 0)
    assert.strictEqual(share(100), 100)
  })
})

describe("a flag", () => {
  it("that a node has stays on while its percentage grows", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(100), fc.nat(100), (node, a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)]
        return !Flags.isOn(flag({ percentage: less }), node) || Flags.isOn(flag({ percentage: more }), node)
      })
    )
  })

  it("can be given to nodes by name, be kept from them, and be killed for all", () => {
    assert.isTrue(Flags.isOn(flag({ percentage: 0, only: ["n"] }), "n"))
    assert.isFalse(Flags.isOn(flag({ percentage: 0, only: ["n"] }), "m"))
    assert.isTrue(Flags.isOn(flag({ percentage: 100 }), "n"))
    assert.isFalse(Flags.isOn(flag({ percentage: 100, except: ["n"] }), "n"))
    assert.isFalse(Flags.isOn(flag({ percentage: 100, only: ["n"], killed: true }), "n"))
  })

  it("that nobody has heard of is off", () => {
    assert.isFalse(Flags.isOn(undefined, "node-2"))
    assert.isTrue(Flags.isOn(flag({ percentage: 7 }), "node-2"))
  })
})
