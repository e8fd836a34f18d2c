import { assert, describe, it } from "vitest"
import { generateKeyPairSync } from "node:crypto"
import * as Membership from "../../src/pbft/Membership.ts"

const pems = Array.from({ length: 7 }, () =>
  generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString()
)
const oneLine = (pem: string): string => pem.split("\n").slice(1, -2).join("")
const of = (...keys: ReadonlyArray<string>) => Membership.problemOf(keys.map((publicKey) => ({ publicKey })))

describe("members", () => {
  it("can decide when there are four or more with keys of their own, as PEM or in one line", () => {
    assert.isUndefined(of(...pems.slice(0, 4)))
    assert.isUndefined(of(...pems.map(oneLine)))
  })

  it("cannot when they are fewer: the sentence says how many it takes", () => {
    for (const few of [[], pems.slice(0, 1), pems.slice(0, 3)]) {
      assert.match(of(...few) ?? "", new RegExp(`^there are ${few.length} members.* 3f \\+ 1 are needed`))
    }
  })

  it("cannot when a key is none, of another kind, or that of two", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ type: "spki", format: "pem" })
    const [a = "", b = "", c = ""] = pems
    assert.strictEqual(of(a, b, c, "nonsense"), "the key of member 3 cannot be read")
    assert.strictEqual(of(a, rsa.toString(), c, b), "the key of member 1 is not Ed25519")
    assert.strictEqual(of(a, b, c, oneLine(b)), "two members have the same key: 1 and 3")
  })
})
