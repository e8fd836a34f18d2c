import { join } from "node:path"
import { assert, describe, it } from "vitest"
import type { Task } from "../../src/itp/Inventory.ts"
import { field, type Lab, missing, type Running, within } from "./fixtures/lab.ts"

const gossiping = join(import.meta.dirname, "../ass/fixtures/measure.ts")
const region = join(import.meta.dirname, "fixtures/region.ts")

const done = (node: Running, what: string): Promise<true> =>
  node.said((line) => (field(line, "done") === what ? true : undefined))

const all = async (nodes: ReadonlyArray<Running>, line: string): Promise<void> => {
  for (const node of nodes) node.tell(line)
  await Promise.all(nodes.map((node) => done(node, line)))
}

const hosts = ["a", "b", "c", "d", "e", "f", "g"]

const gossip = (lab: Lab, host: string, directory: string): Running => {
  const seeds = host === "a" ? [] : [`/ip4/${lab.address("a")}/tcp/7946`]
  return lab.node(host, gossiping, ["node", lab.address(host), directory, ...seeds])
}

describe("nodes over a WAN", () => {
  it("come together, seven of them, after a partition in which both sides wrote, and when one was killed", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    await within(7, ["--delay", "30", "--rate", "100", "--loss", "0.5"], async (lab) => {
      const nodes = hosts.map((host) => gossip(lab, host, host === "g" ? join(lab.folder, "g") : "-"))
      await Promise.all(nodes.map((node) => done(node, "start")))
      await all(nodes, "peers - 6")
      const [first, , , , fifth, , last] = nodes
      if (first === undefined || fifth === undefined || last === undefined) return assert.fail("there are seven")

      await lab.control("partition a,b,c,d e,f,g")
      await Promise.all([all([first], "put here/ 100"), all([fifth], "put there/ 100")])
      await Promise.all([all(nodes.slice(0, 4), "await here/ 100"), all(nodes.slice(4), "await there/ 100")])
      await lab.control("heal")
      await Promise.all([all(nodes, "await here/ 100"), all(nodes, "await there/ 100")])

      // Its disk has what it had acknowledged, and the others are told when it is back.
      await lab.control("g down")
      await all([last], "put own/ 50")
      await last.end("SIGKILL")
      await lab.control("g up")
      nodes[6] = gossip(lab, "g", join(lab.folder, "g"))
      await done(nodes[6], "start")
      await all(nodes, "await own/ 50")
    })
  }, 180_000)

  it("are three regions far apart: writes of each reach all, and all place alike, where tasks allow it", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    const far = ["a-b delay 40 rate 100", "a-c delay 90 rate 50 loss 1", "b-c delay 120 rate 20 loss 1"]
    await within(
      3,
      far.flatMap((link) => ["--link", link]),
      async (lab) => {
        const seed = `/ip4/${lab.address("a")}/tcp/7946`
        const regions = { eu: "a", us: "b", asia: "c" }
        const nodes = Object.entries(regions).map(([name, host]) =>
          lab.node(host, region, [name, lab.address(host), ...(host === "a" ? [] : [seed])])
        )
        await Promise.all(nodes.map((node) => done(node, "start")))
        await Promise.all(nodes.map((node, k) => all([node], `write by/${k}/ 50`)))
        await all(nodes, "await by/ 150")
        await all(nodes, "await nodes/ 6")

        const small = { cpu: 4, memory: 8 }
        const tasks: ReadonlyArray<Task> = [
          { id: "home", ...small, regions: { required: ["asia"] } },
          { id: "abroad", ...small, regions: { excluded: ["eu", "asia"] } },
          { id: "large", cpu: 16, memory: 64, regions: { required: ["eu"] } },
          { id: "late", cpu: 16, memory: 64, regions: { required: ["eu"] } },
          { id: "mars", ...small, regions: { required: ["mars"] } },
          { id: "asia again", cpu: 8, memory: 8, regions: { required: ["asia", "mars"] } }
        ]
        const answers = await Promise.all(
          nodes.map((node) => {
            node.tell(`place ${JSON.stringify(tasks)}`)
            return node.said((line) => {
              const placed = field(line, "placed")
              return Array.isArray(placed) ? placed.map(String) : undefined
            })
          })
        )
        const [first = []] = answers
        for (const answer of answers) assert.deepStrictEqual(answer, first)
        assert.deepStrictEqual(
          first.map((line) => line.replace(/-\d+$/u, "")),
          ["home asia", "abroad us", "large eu", "late refused cpu", "mars refused region required", "asia again asia"]
        )
      }
    )
  }, 120_000)
})
