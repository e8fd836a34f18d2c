import { assert, describe, it } from "@effect/vitest"
import * as Checkpoints from "../../src/pbft/Checkpoints.ts"
import type * as M from "../../src/pbft/Message.ts"
import * as Proof from "../../src/pbft/Proof.ts"
import * as Real from "./fixtures/real.ts"

const keysOf = Real.keysOf()
const q = Proof.quorum(4)
const state = Buffer.from("state")

/** What a replica says of its state at a place. */
const said = (from: number, sequence: number, digest = "a"): M.Signed<M.Checkpoint> =>
  keysOf(from).sign({ _tag: "Checkpoint", sequence, digest })

const make = () => Checkpoints.make(q, 8, keysOf(0), Buffer.from("first"))

/** What a quorum says, as the last of them says it. */
const sharedAt = (checkpoints: Checkpoints.Checkpoints, sequence: number, digest = "a"): Checkpoints.Shared => {
  const [, , shared] = [1, 2, 3].map((from) => checkpoints.take(said(from, sequence, digest)))
  assert.isDefined(shared)
  return shared
}

describe("Checkpoints", () => {
  it("are shared when a quorum says the same, each of them once, and that is a proof", () => {
    const checkpoints = make()
    assert.isUndefined(checkpoints.take(said(1, 8)))
    assert.isUndefined(checkpoints.take(said(1, 8)))
    assert.isUndefined(checkpoints.take(said(2, 8, "b")))
    assert.isUndefined(checkpoints.take(said(3, 8)))
    const shared = checkpoints.take(said(0, 8))
    assert.deepStrictEqual([shared?.sequence, shared?.digest], [8, "a"])
    assert.deepStrictEqual(Proof.stable(shared?.proof ?? [], q, keysOf(1)), { sequence: 8, digest: "a" })
  })

  it("are not taken from who did not sign them, at places where nothing is compared, or when they are over", () => {
    const checkpoints = make()
    const forged = { ...said(1, 8), from: 2 }
    for (const wrong of [forged, said(1, 9), said(4, 8)]) checkpoints.take(wrong)
    assert.deepStrictEqual(
      [1, 2].map((from) => [...checkpoints.of(from)].length),
      [0, 0]
    )
    checkpoints.take(said(1, 16))
    assert.strictEqual([...checkpoints.of(1)].length, 1)
    checkpoints.keep({ sequence: 16, proof: [], bytes: state })
    assert.deepStrictEqual([...checkpoints.of(1)], [])
    checkpoints.take(said(1, 16))
    assert.deepStrictEqual([...checkpoints.of(1)], [])
  })

  it("of one replica are few, whatever it says: the lowest goes", () => {
    const checkpoints = make()
    for (let place = 1; place <= 9; place++) checkpoints.take(said(1, place * 8))
    assert.deepStrictEqual(
      [...checkpoints.of(1)].map(({ body }) => body.sequence),
      [48, 56, 64, 72]
    )
  })

  it("tell a state that is the same from one that is not, and what is over", () => {
    const checkpoints = make()
    checkpoints.reach(8, "a", state)
    assert.deepStrictEqual(checkpoints.compare(sharedAt(checkpoints, 8), 8), { _tag: "Same", bytes: state })
    checkpoints.reach(16, "a", state)
    assert.deepStrictEqual(checkpoints.compare(sharedAt(checkpoints, 16, "b"), 16), { _tag: "Different" })
    checkpoints.keep({ sequence: 8, proof: [], bytes: state })
    assert.deepStrictEqual(checkpoints.compare({ sequence: 8, digest: "a", proof: [] }, 16), { _tag: "Past" })
  })

  it("that are ahead are asked for, of one signer after the other, until this replica has come there", () => {
    const checkpoints = make()
    const shared = sharedAt(checkpoints, 16)
    assert.deepStrictEqual(checkpoints.compare(shared, 3), { _tag: "Ahead" })
    assert.strictEqual(checkpoints.ahead(), shared)
    // It may be on its way.
    assert.isUndefined(checkpoints.next(1))
    const asked = [1, 2, 3].map(() => checkpoints.next(1))
    assert.deepStrictEqual(asked, [
      { whom: 3, sequence: 16 },
      { whom: 2, sequence: 16 },
      { whom: 3, sequence: 16 }
    ])
    checkpoints.compare(sharedAt(checkpoints, 8), 3)
    assert.strictEqual(checkpoints.ahead(), shared)
    checkpoints.keep({ sequence: 16, proof: shared.proof, bytes: state })
    assert.isUndefined(checkpoints.next(1))
    assert.deepStrictEqual(checkpoints.stable(), { sequence: 16, proof: shared.proof, bytes: state })
  })
})
