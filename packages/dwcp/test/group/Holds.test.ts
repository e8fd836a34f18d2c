import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Holds from "../../src/group/Holds.ts"
import { folder, platform } from "./fixtures/nodes.ts"

describe("what was taken back", () => {
  it.live("is kept in a file of the node alone, and read again", () =>
    Effect.gen(function* () {
      const directory = join(yield* folder, "dwcp")
      const { read, write } = yield* Holds.file(directory)
      assert.deepStrictEqual(yield* read, [])
      const holds = [{ feature: "transport" as const, because: "it was slow", atMillis: 1 }]
      yield* write(holds)
      assert.deepStrictEqual(yield* read, holds)
      assert.strictEqual(statSync(join(directory, "rollout.json")).mode & 0o777, 0o600)
      yield* write([])
      assert.deepStrictEqual(yield* read, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("is nothing when the file is something else, and a disk that takes nothing costs no more than that", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const path = join(directory, "rollout.json")
      for (const text of ["", "{}", "null", `{"version":1,"holds":[{"feature":"magic"}]}`, "x".repeat(1_000)]) {
        writeFileSync(path, text)
        const { read } = yield* Holds.file(directory)
        assert.deepStrictEqual(yield* read, [])
      }
      const { write } = yield* Holds.file("/dev/null/nowhere")
      yield* write([])
      assert.strictEqual(readFileSync(path, "utf8"), "x".repeat(1_000))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
