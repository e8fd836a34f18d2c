import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { graph, plan } from "../../src/Commands/Plan.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

describe("plan and graph", () => {
  it("show the node of these settings, and start nothing", async () => {
    const { code, out } = await room.run(plan, asked)
    assert.strictEqual(code, 0)
    assert.match(out, /^Plan for "hybrid": \d+ components/)
    const json = JSON.parse((await room.run(plan, { ...asked, json: true })).out)
    assert.isAbove(json.nodes.length, 10)
    assert.strictEqual(json.slots, 8)
  })

  it("draw every need, in each format", async () => {
    const edges = JSON.parse((await room.run(graph, { ...asked, format: "json" })).out).edges.length
    const dot = (await room.run(graph, { ...asked, format: "dot" })).out
    assert.isAtLeast(dot.match(/->/g)?.length ?? 0, edges)
    const mermaid = (await room.run(graph, { ...asked, format: "mermaid" })).out
    assert.isAtLeast(mermaid.match(/--?>|==>|-\.->/g)?.length ?? 0, edges)
  })

  it("exit 78 for settings that cannot be used", async () => {
    const { code, err } = await room.run(plan, { ...asked, set: { "cahce.url": "x" } })
    assert.strictEqual(code, 78)
    assert.include(err, "did you mean cache.url?")
  })
})
