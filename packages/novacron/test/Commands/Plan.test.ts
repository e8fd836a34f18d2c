import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { graph, impact, plan } from "../../src/Commands/Plan.ts"
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

  it("say when a boot is given up, whatever its parts may take", async () => {
    const { out } = await room.run(plan, { ...asked, set: { "system.boot_timeout": "7s" } })
    assert.match(out, /^Worst case: \d+ min/m)
    assert.match(
      out,
      /^A boot that takes longer is given up.*: system\.boot_timeout = "7s" from -s system\.boot_timeout/m
    )
  })

  it("draw every need, in each format", async () => {
    const edges = JSON.parse((await room.run(graph, { ...asked, format: "json" })).out).edges.length
    const dot = (await room.run(graph, { ...asked, format: "dot" })).out
    assert.isAtLeast(dot.match(/->/g)?.length ?? 0, edges)
    const mermaid = (await room.run(graph, { ...asked, format: "mermaid" })).out
    assert.isAtLeast(mermaid.match(/--?>|==>|-\.->/g)?.length ?? 0, edges)
  })

  it("draw the stages, from the foundation to what tells that all is well", async () => {
    const { out } = await room.run(graph, { ...asked, format: "stages" })
    const lines = out.trimEnd().split("\n")
    assert.match(lines[0] ?? "", /^ 0 {2}pre_init {6}environment · lock · /)
    lines.forEach((line, stage) => assert.isTrue(line.startsWith(String(stage).padStart(2)), line))
    assert.match(lines.at(-1) ?? "", /post_init {5}/)
    const inAll = lines.flatMap((line) => line.slice(18).split(" · "))
    const { nodes } = JSON.parse((await room.run(plan, { ...asked, json: true })).out)
    const there = nodes.filter(({ excluded }: { readonly excluded: boolean }) => !excluded)
    assert.sameMembers(
      inAll,
      there.map(({ name }: { readonly name: string }) => name)
    )
  })

  it("exit 78 for settings that cannot be used", async () => {
    const { code, err } = await room.run(plan, { ...asked, set: { "cahce.url": "x" } })
    assert.strictEqual(code, 78)
    assert.include(err, "did you mean cache.url?")
  })
})

describe("impact", () => {
  const ask = async (component: string) => JSON.parse((await room.run(impact, { ...asked, component, json: true })).out)

  it("lists exactly those who need a component, directly or not, and what becomes of each", async () => {
    const { edges, nodes } = JSON.parse((await room.run(plan, { ...asked, json: true })).out)
    const needsOf = (kind: string) => (name: string) =>
      edges.flatMap((edge: { readonly component: string; readonly need: string; readonly kind: string }) =>
        edge.component === name && edge.kind === kind ? [edge.need] : []
      )
    for (const { name } of nodes) {
      // By the definition, and not by the walk that the program takes: whoever reaches it by hard needs.
      const reaches = (one: string): boolean =>
        needsOf("hard")(one).some((need: string) => need === name || reaches(need))
      const { concerned } = await ask(name)
      const fallen = concerned.filter(({ effect }: { readonly effect: string }) => effect !== "absent-option")
      assert.sameMembers(
        fallen.map(({ component }: { readonly component: string }) => component),
        nodes.map((node: { readonly name: string }) => node.name).filter(reaches),
        name
      )
    }
  })

  it("says what the component itself gives way to, and what that means for the boot", async () => {
    const cache = await room.run(impact, {
      ...asked,
      component: "cache",
      set: { "cache.url": "redis://127.0.0.1:6379" }
    })
    assert.match(cache.out, /^cache is degraded; it gives way to memory\.$/m)
    const database = await room.run(impact, { ...asked, component: "database" })
    assert.match(database.out, /^database is critical\.\nWhen it cannot be had, the boot fails, and /)
    assert.match(database.out, /^ {2}orchestration +\S/m)
    const member = await room.run(impact, { ...asked, component: "dwcp/amst" })
    assert.match(member.out, /its group dwcp fails/)
    assert.match(member.out, /^ {2}dwcp\/itp +cannot start, and may not be missing$/m)
  })

  it("exits 64 for a name that nobody has, and says the names", async () => {
    const { code, err } = await room.run(impact, { ...asked, component: "databsae" })
    assert.strictEqual(code, 64)
    assert.match(
      err,
      /No component is called "databsae"\. Did you mean database\? There are .*database.*; members as dwcp\//
    )
    const member = await room.run(impact, { ...asked, component: "amst" })
    assert.include(member.err, "Did you mean dwcp/amst?")
  })
})
