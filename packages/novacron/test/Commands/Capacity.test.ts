import { writeFileSync } from "node:fs"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { capacity } from "../../src/Commands/Capacity.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

/** What every machine has that runs this. */
const little = {
  "resources.min_cores": "1",
  "resources.min_memory": "1 MB",
  "resources.min_disk": "1 MB",
  "resources.min_bandwidth": "1",
  "network.max_connections": "10",
  "database.url": "postgres://u:p@db/n"
}

describe("novacron capacity", () => {
  it("says what the settings need and what this machine has, and is content when that is enough", async () => {
    writeFileSync(room.path("novacron.yaml"), "database:\n  pool: { max: 12 }\n", { mode: 0o600 })
    const { code, out } = await room.run(capacity, { ...asked, set: little })
    assert.strictEqual(code, 0, out)
    assert.match(out, /^ {2}connections to the database +12 +12\.5 MB +12\.5 MB +12 /m)
    assert.match(out, /^ {2}this machine has .*\d/m)
    assert.notInclude(out, "the database itself")
    assert.include(out, "That is there.")
  })

  it("leaves with 78 when a boot that enforces its demands would end, with what is not there, also as JSON", async () => {
    const set = { ...little, "resources.min_cores": "100000", "network.max_connections": "2000000000" }
    const { code, out } = await room.run(capacity, { ...asked, set, json: true })
    assert.strictEqual(code, 78)
    const { demand, findings, isEnough, machine, needs, shortfalls, sum } = JSON.parse(out)
    assert.isFalse(isEnough)
    assert.deepInclude(
      findings.find(({ what }: { readonly what: string }) => what === "cpu"),
      { wanted: 100_000, verdict: "too little" }
    )
    assert.isAbove(machine.memoryAvailableBytes, 0)
    assert.deepInclude(shortfalls, {
      what: "memory",
      wanted: demand.memoryBytes,
      available: machine.memoryAvailableBytes
    })
    const total = needs.reduce((all: number, { limit }: { readonly limit: number }) => all + limit, 0)
    assert.strictEqual(sum.limit, total)
    const text = await room.run(capacity, { ...asked, set })
    assert.strictEqual(text.code, 78)
    assert.match(text.out, /cpu: \d+ cores?, 100000 cores wanted/)
  })

  it("says what is wrong with settings that cannot be used, and counts nothing", async () => {
    const { code, err } = await room.run(capacity, { ...asked, set: { "database.pool.max": "many" } })
    assert.strictEqual(code, 78)
    assert.include(err, "database.pool.max")
  })
})
