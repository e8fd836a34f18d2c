import { mkdirSync, writeFileSync } from "node:fs"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { trace } from "../../src/Commands/Trace.ts"
import { asked, Room } from "../fixtures/Room.ts"
import { boot, fileAt, journal } from "../trace/fixtures/journals.ts"

let room: Room
beforeEach(() => {
  room = new Room()
  mkdirSync(room.path("data/journal"), { recursive: true })
  writeFileSync(room.path(`data/journal/${fileAt(1)}`), journal(boot()))
})
afterEach(() => room.remove())

const flags = { ...asked, dataDir: "data", formats: [], list: false, diff: false, whatIf: {} } as const

describe("trace", () => {
  it("shows the last boot of the data directory, for people and for programs", async () => {
    const { code, err, out } = await room.run(trace, flags)
    assert.deepStrictEqual([code, err], [0, ""])
    assert.match(out, /^\* database .*█.*100 ms$/m)
    assert.strictEqual(JSON.parse((await room.run(trace, { ...flags, json: true })).out).report.bootId, "boot-0001")
  })

  it("exits with 64 for a boot that nobody knows, 65 for one that cannot be read, 69 for none", async () => {
    writeFileSync(room.path(`data/journal/${fileAt(2)}`), "GIF89a")
    const codeOf = async (more: object) => (await room.run(trace, { ...flags, ...more })).code
    assert.strictEqual(await codeOf({ boot: "nobody" }), 64)
    assert.strictEqual(await codeOf({ boot: fileAt(2) }), 65)
    assert.strictEqual(await codeOf({ dataDir: "elsewhere" }), 69)
    assert.strictEqual(await codeOf({ whatIf: { database: "fast" } }), 64)
    assert.strictEqual(await codeOf({ otlp: "no address" }), 64)
    assert.strictEqual(await codeOf({ out: "no/such/place" }), 73)
    const told = await room.run(trace, { ...flags, boot: "nobody", json: true })
    assert.match(JSON.parse(told.out).error.message, /There is no boot "nobody"/)
  })
})

describe("what contradicts itself", () => {
  it.each([
    ["--html and --svg", { formats: ["html", "svg"] }],
    ["--svg and --json", { formats: ["svg"], json: true }],
    ["--list and --html", { list: true, formats: ["html"] }],
    ["--diff and --what-if", { diff: true, whatIf: { database: "0.5" } }],
    ["compared with --diff", { boot: "last~1", other: "last" }]
  ] as const)("is refused, with 64 and the flags: %s", async (words, more) => {
    const { code, err, out } = await room.run(trace, { ...flags, ...more })
    assert.strictEqual(code, 64)
    assert.include(err, words)
    assert.notInclude(out, "boot-0001")
  })

  it("is not what has one format, or one thing to do as JSON", async () => {
    const { out } = await room.run(trace, { ...flags, formats: ["svg"] })
    assert.match(out, /^<svg/)
    assert.lengthOf(JSON.parse((await room.run(trace, { ...flags, list: true, json: true })).out), 1)
  })
})
