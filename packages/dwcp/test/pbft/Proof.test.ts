import { assert, describe, it } from "@effect/vitest"
import type * as M from "../../src/pbft/Message.ts"
import * as Proof from "../../src/pbft/Proof.ts"
import * as Real from "./fixtures/real.ts"

const keys = Real.keysOf()(0)
const all = Array.from({ length: 4 }, (_, id) => Real.keysOf()(id))
const q = Proof.quorum(4)
const nothing = keys.ofBatch([])
const [window, digest] = [8, keys.ofBatch([Real.request(1, "x")])]
const resigned = <B extends M.Body>(signed: M.Signed<B>, body: Partial<B>): M.Signed<B> =>
  all[signed.from]!.sign({ ...signed.body, ...body })

describe("quorums", () => {
  it("are those of the paper for 3f+1", () => {
    for (let f = 0; f < 9; f++)
      assert.deepStrictEqual(Proof.quorum(3 * f + 1), { replicas: 3 * f + 1, faults: f, size: 2 * f + 1 })
  })

  it("share an honest replica, and can be had without the faulty ones, however many replicas there are", () => {
    for (let n = 1; n < 60; n++) {
      const { faults, size } = Proof.quorum(n)
      assert.isAbove(2 * size - n, faults)
      assert.isAtMost(size, n - faults)
    }
  })
})

describe("a decision", () => {
  const commit = (id: number, body: Partial<M.Commit> = {}) =>
    all[id]!.sign({ _tag: "Commit", view: 0, sequence: 3, digest, ...body })

  it("is proved by a quorum that says the same", () => {
    assert.deepStrictEqual(
      Proof.committed(
        [0, 1, 2].map((id) => commit(id)),
        q,
        keys
      ),
      { sequence: 3, digest }
    )
    assert.deepStrictEqual(
      Proof.committed(
        [3, 1, 2, 0].map((id) => commit(id)),
        q,
        keys
      ),
      { sequence: 3, digest }
    )
  })

  it("is not proved by fewer, by one twice, by others, by what differs or by what is forged", () => {
    const no = (commits: ReadonlyArray<M.Signed<M.Commit>>) => assert.isUndefined(Proof.committed(commits, q, keys))
    no([])
    no([commit(0), commit(1)])
    no([commit(0), commit(1), commit(1)])
    no([commit(0), commit(1), Real.keysOf()(5).sign({ _tag: "Commit", view: 0, sequence: 3, digest })])
    no([commit(0), commit(1), commit(2, { digest: nothing })])
    no([commit(0), commit(1), commit(2, { view: 1 })])
    no([commit(0), commit(1), commit(2, { sequence: 4 })])
    no([commit(0), commit(1), { ...commit(2), from: 3 }])
  })
})

describe("a view change", () => {
  const valid = Real.change(1)

  it("is believed with proofs of all it says", () => {
    assert.isTrue(Proof.viewChange(valid, q, window, keys))
    assert.isTrue(Proof.viewChange(Real.change(3), q, window, keys))
  })

  it("is not believed without", () => {
    const { prepares, proposal } = Real.certificate
    const no = (body: Partial<M.ViewChange>) => assert.isFalse(Proof.viewChange(resigned(valid, body), q, window, keys))
    no({ proof: Real.proof.slice(1) })
    no({ stable: 4 })
    no({ stable: 0, proof: [] })
    no({ view: 4 })
    no({ prepared: [{ proposal, prepares: prepares.slice(1) }] })
    no({ prepared: [{ proposal, prepares: [prepares[0]!, prepares[0]!] }] })
    no({ prepared: [Real.certificate, Real.certificate] })
    no({ prepared: [{ proposal: resigned(proposal, { digest: nothing }), prepares }] })
    no({ prepared: [{ proposal: { ...proposal, from: 2 }, prepares }] })
    assert.isFalse(Proof.viewChange({ ...valid, from: 2 }, q, window, keys))
  })
})

describe("a new view", () => {
  it("takes up each place from the last checkpoint on with what was prepared there in the highest view", () => {
    const { body } = Real.newView
    const { base, digests } = Proof.opening(body.changes, nothing)
    assert.deepStrictEqual({ base, digests }, { base: 8, digests: [body.proposals[0]!.body.digest] })
    const higher: M.Certificate = {
      ...Real.certificate,
      proposal: all[0]!.sign({ _tag: "PrePrepare", view: 4, sequence: 11, digest: nothing })
    }
    const changes = [...body.changes.slice(1), resigned(body.changes[0]!, { prepared: [higher] })]
    assert.lengthOf(Proof.opening(changes, nothing).digests, 3)
    assert.strictEqual(Proof.opening(changes, nothing).digests[1], nothing)
    assert.isTrue(Proof.newView(Real.newView, q, window, keys, nothing))
  })

  it("takes the certificate of the highest view, in whatever order they come", () => {
    const of = (view: number, what: string): M.Certificate => ({
      ...Real.certificate,
      proposal: all[view % 4]!.sign({ _tag: "PrePrepare", view, sequence: 9, digest: what })
    })
    const changes = [of(3, nothing), of(4, digest), of(1, nothing)].map((one) =>
      resigned(Real.change(1), { prepared: [one] })
    )
    for (const order of [changes, changes.toReversed(), [changes[1]!, changes[0]!, changes[2]!]]) {
      assert.deepStrictEqual(Proof.opening(order, nothing).digests, [digest])
    }
  })

  it("is not believed when it forgets, adds or changes anything, or when it is not its primary's", () => {
    const { body } = Real.newView
    const no = (change: Partial<M.NewView>) =>
      assert.isFalse(Proof.newView(resigned(Real.newView, change), q, window, keys, nothing))
    no({ proposals: [] })
    no({ proposals: [...body.proposals, ...body.proposals] })
    no({ proposals: body.proposals.map((one) => resigned(one, { digest: nothing })) })
    no({ proposals: body.proposals.map((one) => ({ ...one, signature: new Uint8Array(64) })) })
    no({ changes: body.changes.slice(1) })
    no({ changes: [body.changes[0]!, body.changes[0]!, body.changes[1]!] })
    no({ view: 9 })
    assert.isFalse(Proof.newView(all[2]!.sign(body), q, window, keys, nothing))
  })
})
