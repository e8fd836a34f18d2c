/** What PBFT promises, over seeds: `SEEDS=100000` for the campaign of the release, and each mistake it must find. */
import { assert, describe, it } from "vitest"
import type * as M from "../../src/pbft/Message.ts"
import * as Proof from "../../src/pbft/Proof.ts"
import * as Replica from "../../src/pbft/Replica.ts"
import * as Liar from "./fixtures/Liar.ts"
import * as Mutants from "./fixtures/Mutants.ts"
import * as Sealed from "./fixtures/Sealed.ts"
import * as Simulation from "./fixtures/Simulation.ts"

const seeds = Number(process.env["SEEDS"] ?? 1_500)
const patience = 60_000 + seeds * 40

const run = (seed: number, more: Partial<Simulation.Options> = {}): Simulation.Run => {
  const replicas = more.replicas ?? (seed % 4 === 3 ? 7 : 4)
  return Simulation.run({
    seed,
    replicas,
    faulty: Proof.quorum(replicas).faults,
    make: Replica.make,
    keysOf: Sealed.make(),
    crashes: [0, 0.002, 0, 0.02][(seed >> 2) % 4]!,
    ...more
  })
}

describe("with f liars of any kind, on a network that does its worst, and honest replicas that crash", () => {
  it(
    `never decides two things at one place, and carries out every request once the network is good (${seeds} seeds)`,
    () => {
      const kinds = new Set<string>()
      let [answered, changed, restored, crashes] = [0, 0, 0, 0]
      for (let seed = 0; seed < seeds; seed++) {
        const result = run(seed)
        assert.isUndefined(result.violation)
        result.kinds.forEach((kind) => kinds.add(kind))
        answered += result.answered
        changed += result.highestView > 0 ? 1 : 0
        restored += result.restored
        crashes += result.crashes
      }
      // All of it has happened, and not only nothing.
      assert.strictEqual(answered, seeds * 12)
      assert.isAbove(changed, seeds / 10)
      assert.isAbove(restored, seeds / 100)
      assert.isAbove(crashes, seeds / 10)
      if (seeds > 500) assert.sameMembers([...kinds], [...Liar.kinds])
    },
    patience
  )

  it("decides the same again from the same seed", () => {
    assert.deepStrictEqual(run(7), run(7))
    assert.notDeepEqual(run(7), run(11))
  })

  it("does not decide two things when more than f only keep silent, and decides nothing new", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { answered, violation } = run(seed, {
        replicas: 4,
        faulty: 2,
        kinds: ["silent"],
        liveness: false,
        crashes: 0
      })
      assert.isUndefined(violation)
      assert.strictEqual(answered, 0)
    }
  })
})

describe("the simulation", () => {
  it("finds what more than f liars do", () => {
    const broken = Array.from({ length: 60 }, (_, seed) =>
      run(seed, { replicas: 4, faulty: 2, kinds: ["equivocating"], liveness: false, crashes: 0 })
    ).filter(({ violation }) => violation !== undefined)
    assert.isNotEmpty(broken)
  })

  for (const mutant of Mutants.all) {
    it(`finds that ${mutant.mistake}`, async () => {
      const make = await Mutants.load(mutant)
      const crashes = mutant.crashes ?? 0
      let found: string | undefined
      for (let seed = 0; seed < 10_000 && found === undefined; seed++) {
        found = run(seed, { make, crashes, ...(mutant.kinds === undefined ? {} : { kinds: mutant.kinds }) }).violation
      }
      assert.isDefined(found)
    }, 120_000)
  }
})

// ---------------------------------------------------------------------------------------------------------- one replica

const cluster = () => {
  const keysOf = Sealed.make()
  const keys = Array.from({ length: 5 }, (_, id) => keysOf(id))
  const replica = (id: number, facts: ReadonlyArray<M.Fact> = []) =>
    Replica.make({ id, replicas: 4, keys: keys[id]!, application: Simulation.adder(), ...Simulation.settings, facts })
  const request = (timestamp: number, ...operation: ReadonlyArray<number>) =>
    keys[4]!.sign({ _tag: "Request", timestamp, operations: [Uint8Array.from(operation)] })
  const proposal = (view: number, sequence: number, batch: M.Batch): M.Proposal => {
    const digest = keys[0]!.ofBatch(batch)
    return { _tag: "Proposal", header: keys[view % 4]!.sign({ _tag: "PrePrepare", view, sequence, digest }), batch }
  }
  return { keys, replica, request, proposal }
}

const said = (outputs: ReadonlyArray<Replica.Output>, tag: M.Body["_tag"]): ReadonlyArray<M.Body> =>
  outputs.flatMap((output) =>
    output._tag === "Send" && output.message._tag === "Signed" && output.message.body._tag === tag
      ? [output.message.body]
      : []
  )

const written = (outputs: ReadonlyArray<Replica.Output>): ReadonlyArray<M.Fact> =>
  outputs.flatMap((output) => (output._tag === "Write" ? [output.fact] : []))

describe("a replica", () => {
  it("votes once for a place in a view, after a crash too", () => {
    const { proposal, replica, request } = cluster()
    const [one, other] = [proposal(0, 1, [request(1, 1)]), proposal(0, 1, [request(2, 2)])]
    const before = replica(1)
    const outputs = before.receive(one)
    assert.lengthOf(said(outputs, "Prepare"), 1)
    assert.lengthOf(said(before.receive(other), "Prepare"), 0)
    const after = replica(1, written(outputs))
    assert.lengthOf(said(after.receive(other), "Prepare"), 0)
    assert.lengthOf(said(replica(1).receive(other), "Prepare"), 1)
  })

  it("writes down what it votes for before it says so", () => {
    const { proposal, replica, request } = cluster()
    const tags = replica(1)
      .receive(proposal(0, 1, [request(1, 1)]))
      .map((output) => output._tag)
    assert.isBelow(tags.indexOf("Write"), tags.indexOf("Send"))
    assert.include(tags, "Write")
  })

  it("takes proposals of the primary of its view only, and within its window", () => {
    const { keys, proposal, replica, request } = cluster()
    const batch = [request(1, 1)]
    assert.lengthOf(said(replica(2).receive(proposal(0, 1, batch)), "Prepare"), 1)
    assert.isEmpty(replica(2).receive(proposal(1, 1, batch)))
    assert.isEmpty(replica(2).receive(proposal(0, 9, batch)))
    assert.isEmpty(replica(2).receive(proposal(0, 0, batch)))
    const { body } = proposal(0, 1, batch).header
    assert.isEmpty(replica(2).receive({ _tag: "Proposal", header: keys[3]!.sign(body), batch }))
  })

  it("waits for the request that has waited longest, and then asks for another primary", () => {
    const { replica, request } = cluster()
    const backup = replica(1)
    assert.deepInclude(backup.receive(request(1, 1)), { _tag: "Arm", millis: Simulation.settings.patienceMillis })
    assert.notInclude(
      backup.receive(request(2, 2)).map(({ _tag }) => _tag),
      "Arm"
    )
    const outputs = backup.expired()
    assert.deepInclude(said(outputs, "ViewChange")[0], { view: 1, stable: 0 })
    assert.deepInclude(written(outputs)[0], { _tag: "Left", view: 1 })
    assert.deepInclude(backup.position(), { view: 1, active: false })
  })

  it("does not vote in a view that it has left, after a crash too", () => {
    const { proposal, replica, request } = cluster()
    const backup = replica(1)
    const facts = written([...backup.receive(request(1, 1)), ...backup.expired()])
    for (const one of [backup, replica(1, facts)]) {
      assert.isEmpty(one.receive(proposal(0, 1, [request(1, 1)])))
    }
  })
})
