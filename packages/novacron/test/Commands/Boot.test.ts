import { writeFileSync } from "node:fs"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { boot } from "../../src/Commands/Boot.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

const flags = { ...asked, exitWhenReady: true, strict: false, report: undefined }

// What a boot does is shown by test/e2e, on the real program; this is what it does before there is one.
describe("boot", () => {
  it("tells all that is wrong with the settings before anything is started, and as JSON off a terminal", async () => {
    writeFileSync(room.path("novacron.yaml"), "health:\n  prot: 1\nlogger:\n  level: loud\n")
    const { code, err, out } = await room.run(boot, flags)
    assert.strictEqual(code, 78)
    assert.match(err, /^BOOT FAILED {2}before anything was started +NVC-\d{4} {2}exit 78\n/)
    assert.include(err, "health.port")
    assert.include(err, "logger.level")
    assert.strictEqual(JSON.parse(out).error.exit, 78)
  })

  it("says so when the data directory cannot be made", async () => {
    writeFileSync(room.path("file"), "")
    const { code, err } = await room.run(boot, { ...flags, dataDir: room.path("file/data") })
    assert.strictEqual(code, 73)
    assert.include(err, "NVC-3003")
  })
})
