import { writeFileSync } from "node:fs"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { dataDirFor } from "../../src/Commands/DataDir.ts"
import type { Asked } from "../../src/Configuration.ts"
import * as Program from "../../src/Program.ts"
import { Surroundings } from "../../src/Surroundings.ts"
import { Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

const find = Program.make(
  Effect.fnUntraced(function* (asked: Asked & { readonly json: boolean }) {
    const { stdout } = yield* Surroundings
    stdout.write(yield* dataDirFor(asked))
  })
)

describe("the data directory of the node that is asked", () => {
  it("is found without reading settings when it is named", async () => {
    writeFileSync(room.path("novacron.yaml"), "no settings: [")
    const named = await room.run(find, { set: {}, json: false, dataDir: "d" })
    assert.strictEqual(named.out, room.path("d"))
    const env = { NOVACRON_SYSTEM_DATA_DIR: "/e" }
    assert.strictEqual((await room.run(find, { set: {}, json: false }, env)).out, "/e")
    assert.strictEqual((await room.run(find, { set: {}, json: false })).code, 78)
  })

  it("is otherwise that of the settings", async () => {
    writeFileSync(room.path("novacron.yaml"), "system:\n  data_dir: from-file\n")
    assert.strictEqual((await room.run(find, { set: {}, json: false })).out, room.path("from-file"))
  })
})
