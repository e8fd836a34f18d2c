import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { graph, plan } from "../../src/Commands/Plan.ts"
import { asked, Room } from "../fixtures/Room.ts"
import { boot, fileAt, journal } from "../trace/fixtures/journals.ts"

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

  it("say what the boot will take, by what the boots before it took", async () => {
    const before = await room.run(plan, asked)
    assert.notInclude(before.out, "expected to be up")
    const journals = join(room.directory, ".novacron/journal")
    mkdirSync(journals, { recursive: true })
    for (const [k, databaseMs] of [90, 100, 110].entries()) {
      writeFileSync(join(journals, fileAt(1_790_000_000_000 + k)), journal(boot({ bootId: `b${k}`, databaseMs })))
    }
    const { out } = await room.run(plan, asked)
    assert.match(
      out,
      /^expected to be up after \d+(?:\.\d+)? m?s, after \d+(?:\.\d+)? m?s when everything takes long$/m
    )
    assert.match(out, /^ {2}database +100 ms +109 ms +3$/m)
    assert.match(out, /^ {2}nothing is known of /m)
    const { expected } = JSON.parse((await room.run(plan, { ...asked, json: true })).out)
    assert.isAtLeast(expected.lateMs, expected.expectedMs)
    assert.isAtLeast(expected.expectedMs, 100)
    assert.deepInclude(
      expected.components.find(({ name }: { readonly name: string }) => name === "database"),
      { samples: 3, p50Ms: 100, p95Ms: 109 }
    )
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
