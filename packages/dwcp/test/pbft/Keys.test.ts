import { assert, describe, it } from "@effect/vitest"
import * as Codec from "../../src/pbft/Codec.ts"
import type * as M from "../../src/pbft/Message.ts"
import * as Proof from "../../src/pbft/Proof.ts"
import * as Replica from "../../src/pbft/Replica.ts"
import * as Real from "./fixtures/real.ts"
import * as Simulation from "./fixtures/Simulation.ts"

const passedOn = (message: M.Message): M.Signed<M.Body> => {
  const read = Codec.decode(Codec.encode(message))
  assert.strictEqual(read?._tag, "Signed")
  if (read?._tag !== "Signed") throw new Error("not signed")
  return read
}

describe("Keys", () => {
  const keys = Real.keysOf()(1)
  const signed = keys.sign({ _tag: "Commit", view: 0, sequence: 1, digest: keys.ofBatch([]) })

  it("know what was signed, by whom, and in which cluster", () => {
    const other = Real.keysOf()(2)
    assert.isTrue(other.verify(passedOn(signed)))
    assert.isFalse(other.verify({ ...passedOn(signed), from: 3 }))
    assert.isFalse(other.verify({ ...passedOn(signed), from: 99 }))
    assert.isFalse(other.verify({ ...passedOn(signed), body: { ...signed.body, sequence: 2 } }))
    // A vote of one kind is none of another.
    assert.isFalse(other.verify({ ...passedOn(signed), body: { ...signed.body, _tag: "Prepare" } }))
    assert.isFalse(Real.keysOf("another")(2).verify(passedOn(signed)))
    assert.isFalse(keys.verify({ ...signed, body: { ...signed.body, sequence: 2 } }))
  })

  it("tell batches apart by everything that is in them", () => {
    const batches = [
      [],
      [Real.request(1, "a")],
      [Real.request(1, "b")],
      [Real.request(2, "a")],
      [Real.request(1, "", "a")]
    ]
    assert.strictEqual(new Set(batches.map(keys.ofBatch)).size, batches.length)
    assert.strictEqual(keys.ofBatch([Real.request(1, "a")]), keys.ofBatch([Real.request(1, "a")]))
  })

  it("hold in the simulation what stands for them there", () => {
    for (const [seed, replicas] of [4, 4, 4, 7, 4, 4].entries()) {
      const { answered, violation } = Simulation.run({
        seed,
        replicas,
        faulty: Proof.quorum(replicas).faults,
        make: Replica.make,
        keysOf: Real.keysOf(),
        requestsEach: 3
      })
      assert.isUndefined(violation)
      assert.strictEqual(answered, 6)
    }
  }, 120_000)
})
