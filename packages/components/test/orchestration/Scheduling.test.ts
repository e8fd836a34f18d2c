import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Available } from "../../src/orchestration/NodeTable.ts"
import * as Scheduling from "../../src/orchestration/Scheduling.ts"
import type { Candidate, Resident } from "../../src/orchestration/TaskTable.ts"

const node = (id: string, more: Partial<Available> = {}): Available => ({
  id,
  region: null,
  labels: {},
  cpu: 4,
  memory: 4_096,
  slots: 100,
  ...more
})

const task = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  id,
  driver: "process",
  group: null,
  demand: null,
  constraints: null,
  explanation: null,
  ...more
})

const decide = (
  nodes: ReadonlyArray<Available>,
  candidates: ReadonlyArray<Candidate>,
  residents: ReadonlyArray<Resident> = []
) => Scheduling.decide("datacenter", nodes, residents, candidates)

describe("Scheduling", () => {
  it("never gives a node more than it has, beside what runs there, and decides on each task once", () => {
    const demand = fc.option(
      fc.record({ cpu: fc.integer({ min: 0, max: 3 }), memory: fc.integer({ min: 0, max: 2_048 }) })
    )
    const nodes = [node("a"), node("b", { slots: 3 }), node("c", { cpu: 1 })]
    fc.assert(
      fc.property(fc.array(demand, { maxLength: 30 }), fc.array(demand, { maxLength: 4 }), (asked, running) => {
        const residents = running.map((one, i) => ({ ...task(`r${i}`, { demand: one }), node: "a" }))
        const fits = residents.reduce((sum, { demand }) => sum + (demand?.cpu ?? 0), 0) <= 4
        fc.pre(fits && residents.reduce((sum, { demand }) => sum + (demand?.memory ?? 0), 0) <= 4_096)
        const candidates = asked.map((one, i) => task(`t${i}`, { demand: one }))
        const round = decide(nodes, candidates, residents)
        const all = [...round.placed, ...round.crowded, ...round.impossible].map(({ id }) => id)
        assert.sameMembers(
          all,
          candidates.map(({ id }) => id)
        )
        for (const { cpu, id, memory, slots } of nodes) {
          const here = [
            ...round.placed
              .filter(({ placement }) => placement.node === id)
              .map((it) => candidates.find((c) => c.id === it.id)),
            ...residents.filter((it) => it.node === id)
          ]
          assert.isAtMost(here.length, slots)
          assert.isAtMost(
            here.reduce((sum, it) => sum + (it?.demand?.cpu ?? 0), 0),
            cpu
          )
          assert.isAtMost(
            here.reduce((sum, it) => sum + (it?.demand?.memory ?? 0), 0),
            memory
          )
        }
      })
    )
  })

  it("keeps every constraint of a task", () => {
    const nodes = [
      node("a", { region: "eu", labels: { disk: "hdd" } }),
      node("b", { region: "us", labels: { disk: "ssd" } })
    ]
    const where = (constraints: Candidate["constraints"], group: string | null = null) =>
      decide(nodes, [task("t", { constraints, group })], [{ ...task("r", { group: "web" }), node: "a" }]).placed[0]
        ?.placement.node
    assert.strictEqual(where({ labels: { disk: "ssd" } }), "b")
    assert.strictEqual(where({ regions: ["eu"] }), "a")
    assert.strictEqual(where({ excludedRegions: ["eu"] }), "b")
    assert.strictEqual(where({ node: "b" }), "b")
    assert.strictEqual(where({ affinity: ["web"] }), "a")
    assert.strictEqual(where({ antiAffinity: ["web"] }), "b")
    assert.isUndefined(where({ node: "c" }))
    assert.isUndefined(where({ regions: ["eu"], labels: { disk: "ssd" } }))
  })

  it("tells what no node could ever take from what has no room now", () => {
    const { crowded, impossible, placed } = decide(
      [node("a", { slots: 1 })],
      [task("1"), task("2"), task("3", { demand: { cpu: 64, memory: 0 } })]
    )
    assert.deepStrictEqual(
      placed.map(({ id }) => id),
      ["1"]
    )
    assert.deepStrictEqual(
      crowded.map(({ id }) => id),
      ["2"]
    )
    assert.deepStrictEqual(
      impossible.map(({ id }) => id),
      ["3"]
    )
    const because = "No node because of slots: of 1, it fails by slots on 1"
    const why = [...crowded, ...impossible].map(({ placement }) => placement.explanation)
    assert.deepStrictEqual(why, [
      `${because}. It is tried again whenever there is more room.`,
      `${because}, cpu on 1. It asks for 64 cores, no node has more than 4: cancel it, or add such a node.`
    ])
  })

  it("says what of a wish nobody can fulfil", () => {
    const outlook = (more: Partial<Candidate>) =>
      decide([node("a"), node("b", { cpu: 8 })], [task("1", more)]).impossible[0]?.placement.explanation.replace(
        /^.*?\. /,
        ""
      )
    assert.strictEqual(
      outlook({ demand: { cpu: 1, memory: 8_192 } }),
      "It asks for 8192 MiB, no node has more than 4096: cancel it, or add such a node."
    )
    assert.strictEqual(
      outlook({ constraints: { labels: { disk: "ssd" } } }),
      "No node has disk=ssd: cancel it, or add such a node."
    )
    assert.strictEqual(
      outlook({ constraints: { node: "c" } }),
      "It asks for the node c, which is not there or takes nothing: cancel it, or bring that node back."
    )
    // Each part of it is there, and nowhere all of them.
    assert.strictEqual(
      outlook({ demand: { cpu: 8, memory: 0 }, constraints: { node: "a" } }),
      "None would take it if it were empty: cancel it, or add such a node."
    )
  })

  it("places machines where they can be run, and says who could where none can", () => {
    const vm = task("1", { driver: "vm", demand: { cpu: 1, memory: 64 } })
    const able = node("b", { labels: { "novacron.vm": "qemu" } })
    assert.strictEqual(decide([node("a"), able], [vm]).placed[0]?.placement.node, "b")
    // Not because it asks so much: a program that asks as much has room.
    const [impossible] = decide([node("a")], [vm, { ...vm, id: "2", driver: "process" }]).impossible
    assert.strictEqual(impossible?.id, "1")
    assert.match(impossible?.placement.explanation ?? "", /No node can run virtual machines: install QEMU on one/)
  })

  it("calls nothing impossible while there are no nodes", () => {
    const { crowded } = decide([], [task("1")])
    assert.strictEqual(crowded[0]?.placement.explanation, "There is no node that takes tasks.")
  })

  it("places whom a group was waited for by, as soon as it is there", () => {
    const follower = task("follower", { constraints: { affinity: ["web"] } })
    const { placed } = decide(
      [node("a"), node("b")],
      [follower, task("web", { group: "web" }), { ...follower, id: "second" }]
    )
    assert.deepStrictEqual(
      placed.map(({ id }) => id),
      ["web", "second"]
    )
  })

  it("decides on ten thousand tasks alike in one round without asking ten thousand times", () => {
    const round = decide(
      [node("a", { slots: 5 })],
      Array.from({ length: 10_000 }, (_, i) => task(String(i)))
    )
    assert.strictEqual(round.placed.length, 5)
    assert.strictEqual(round.crowded.length, 9_995)
  })

  it("leaves a node out that announces nonsense", () => {
    const { placed } = decide([node("a", { cpu: NaN }), node("b")], [task("1")])
    assert.strictEqual(placed[0]?.placement.node, "b")
  })
})
