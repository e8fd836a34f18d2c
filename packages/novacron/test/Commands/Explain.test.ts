import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { explain } from "../../src/Commands/Explain.ts"
import { Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

describe("explain", () => {
  it.each(["NVC-3001", "nvc-3001", "3001"])("prints the runbook of %s", async (code) => {
    const { code: exit, out } = await room.run(explain, { code, json: false })
    assert.strictEqual(exit, 0)
    assert.match(out, /^# NVC-3001 A node runs with this data directory already\n/)
  })

  it("lists all codes without one, also as JSON", async () => {
    const { out } = await room.run(explain, { code: undefined, json: false })
    assert.match(out, /^NVC-2103 {2}The database is not reachable$/m)
    const list = JSON.parse((await room.run(explain, { code: undefined, json: true })).out)
    assert.deepInclude(list, { code: "NVC-2103", title: "The database is not reachable" })
  })

  it("exits 64 for a code that there is not", async () => {
    const { code, err } = await room.run(explain, { code: "3099", json: false })
    assert.strictEqual(code, 64)
    assert.match(err, /There is no error code "3099"\. Near it: NVC-3001, /)
    assert.notInclude(err, "NVC-2103")
    assert.include((await room.run(explain, { code: "9999", json: false })).err, "novacron explain lists all of them.")
  })
})
