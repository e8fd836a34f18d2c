import { assert, describe, it } from "@effect/vitest"
import type { Tasks } from "@novacron/api"
import * as fc from "fast-check"
import * as Fit from "../../src/operator/Fit.ts"

const node = (id: string, more: Partial<Tasks.Node> = {}): Tasks.Node => ({
  id,
  address: "",
  state: "up",
  isCoordinator: false,
  region: null,
  labels: {},
  capacity: { cpu: 4, memory: 4_096 },
  used: { cpu: 0, memory: 0 },
  tasks: 0,
  version: "1",
  seenAt: "2026-11-23T00:00:00.000Z",
  ...more
})

const task = (id: string, submission: Partial<Tasks.Submission> = {}, more: Partial<Tasks.Task> = {}): Tasks.Task => ({
  id,
  name: id,
  group: submission.group ?? null,
  state: "queued",
  version: 1,
  submission: { name: id, run: { driver: "process", command: ["true"] }, ...submission },
  submittedBy: "ada",
  createdAt: "2026-11-23T00:00:00.000Z",
  updatedAt: "2026-11-23T00:00:00.000Z",
  placement: null,
  attempts: [],
  ...more
})

const on = (node: string): Partial<Tasks.Task> => ({
  state: "running",
  placement: {
    node,
    explanation: "Score 0.900 = packing 0.86 × 0.7 + performance 1.00 × 0.3.",
    considered: 3,
    feasible: 2
  }
})

const judge = (it: Tasks.Task, nodes: ReadonlyArray<Tasks.Node>, neighbours: ReadonlyArray<Tasks.Task> = []) =>
  Fit.judge("datacenter", it, nodes, neighbours)

describe("what a node is to a task", () => {
  it("is the one that was chosen, with what was said then, beside what the others would score", () => {
    const chosen = task("a", { demand: { cpu: 2, memory: 0 } }, on("one"))
    const fits = judge(chosen, [node("one", { used: { cpu: 2, memory: 0 } }), node("two"), node("three")], [chosen])
    assert.deepStrictEqual(
      fits.map(({ node, verdict }) => `${node} ${verdict}`),
      ["one chosen", "two fits", "three fits"]
    )
    assert.strictEqual(fits[0]?.why, chosen.placement?.explanation)
    // It is not in its own way: both nodes are empty but for it.
    assert.strictEqual(fits[0]?.score, fits[1]?.score)
    assert.isAbove(fits[1]?.score ?? 0, 0)
  })

  it("is refused by its room, in numbers, whether the tasks there are known or only their sum", () => {
    const wanted = task("a", { demand: { cpu: 3, memory: 1_000 } })
    const there = task("b", { demand: { cpu: 2, memory: 0 } }, on("one"))
    const used = { cpu: 2, memory: 0 }
    for (const neighbours of [[there], []]) {
      const [fit] = judge(wanted, [node("one", { used })], neighbours)
      assert.deepStrictEqual(
        [fit?.verdict, fit?.why],
        ["refuses", "Wants 3 cores, 2 of 4 are free."],
        `${neighbours.length} known`
      )
    }
  })

  it("names every constraint that fails, and what it asks for", () => {
    const wanted = task("a", {
      demand: { cpu: 8, memory: 8_192 },
      constraints: {
        labels: { disk: "ssd", zone: "b" },
        regions: ["eu", "us"],
        antiAffinity: ["web"],
        affinity: ["db"]
      }
    })
    const there = task("web-1", { group: "web" }, on("one"))
    const [fit] = judge(wanted, [node("one", { region: "asia", labels: { disk: "ssd" } })], [there])
    assert.strictEqual(
      fit?.why,
      "Wants the region eu or us, this is asia; wants zone=b; wants 8 cores, 4 of 4 are free; wants 8192 MiB, " +
        "4096 of 4096 are free; wants to be with db; must not be with web."
    )
  })

  it("refuses for the sake of a task that is there and keeps apart", () => {
    const there = task("alone", { constraints: { antiAffinity: ["web"] } }, on("one"))
    const [fit] = judge(task("a", { group: "web" }), [node("one")], [there])
    assert.strictEqual(fit?.why, "Is of the group web, which a task there must not be with.")
  })

  it("is away when it is down or leaves, whatever it has room for", () => {
    const fits = judge(task("a"), [node("one", { state: "down" }), node("two", { state: "draining" })])
    assert.deepStrictEqual(
      fits.map(({ verdict, why }) => [verdict, why]),
      [
        ["away", "It is down."],
        ["away", "It is leaving, and takes no tasks."]
      ]
    )
  })

  it("keeps a task with its group, when the group is somewhere else already", () => {
    const wanted = task("a", { group: "web", constraints: { affinity: ["web"] } })
    const founder = task("b", { group: "web" }, on("one"))
    const verdicts = (neighbours: ReadonlyArray<Tasks.Task>) =>
      judge(wanted, [node("one"), node("two")], neighbours).map(({ verdict }) => verdict)
    assert.deepStrictEqual(verdicts([]), ["fits", "fits"])
    assert.deepStrictEqual(verdicts([founder]), ["fits", "refuses"])
  })

  it("wants the node that it names, and no other", () => {
    const [one, two] = judge(task("a", { constraints: { node: "two" } }), [node("one"), node("two")])
    assert.deepStrictEqual([one?.verdict, one?.why, two?.verdict], ["refuses", "Wants the node two.", "fits"])
  })

  it("is judged for every node, and says why with every no", () => {
    const amounts = fc.record({ cpu: fc.nat(8), memory: fc.nat(8_192) })
    fc.assert(
      fc.property(amounts, fc.array(amounts, { maxLength: 8 }), (demand, used) => {
        const nodes = used.map((used, i) => node(`node-${i}`, { used }))
        const fits = judge(task("a", { demand }), nodes)
        assert.strictEqual(fits.length, nodes.length)
        for (const [i, { score, verdict, why }] of fits.entries()) {
          const free = { cpu: 4 - (used[i]?.cpu ?? 0), memory: 4_096 - (used[i]?.memory ?? 0) }
          // A node that has given more than it has is judged by nobody: it takes what is known to fit.
          if (free.cpu < 0 || free.memory < 0) continue
          assert.strictEqual(verdict, demand.cpu <= free.cpu && demand.memory <= free.memory ? "fits" : "refuses")
          assert.isTrue(verdict === "fits" ? score !== null : why.includes("are free"))
        }
      })
    )
  })
})
