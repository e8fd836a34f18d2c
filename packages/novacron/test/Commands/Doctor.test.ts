import { createServer } from "node:net"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { doctor } from "../../src/Commands/Doctor.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

describe("doctor", () => {
  it("finds nothing wrong on a machine that a node can boot on", async () => {
    const { code, out } = await room.run(doctor, asked)
    assert.strictEqual(code, 0, out)
    assert.match(out, /✓ settings .*\n {2}✓ plan /)
  })

  it("finds settings that are wrong, all of them, and exits 78", async () => {
    const { code, out } = await room.run(doctor, { ...asked, set: { "a.b": "1", "c.d": "2" } })
    assert.strictEqual(code, 78)
    assert.match(out, /✗ settings/)
    assert.include(out, "a.b")
    assert.include(out, "c.d")
  })

  it("finds a health port that is taken", async () => {
    const other = createServer()
    const port = await new Promise<number>((resume) =>
      other.listen(0, "127.0.0.1", () => {
        const address = other.address()
        resume(typeof address === "object" && address !== null ? address.port : 0)
      })
    )
    const { code, out } = await room.run(doctor, { ...asked, json: true, set: { "health.port": `${port}` } })
    other.close()
    assert.strictEqual(code, 78)
    const findings: ReadonlyArray<{ readonly subject: string; readonly state: string }> = JSON.parse(out)
    assert.strictEqual(findings.find(({ subject }) => subject === "health port")?.state, "bad")
  })
})
