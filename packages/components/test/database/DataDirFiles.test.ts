import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { exists, ioIn, textOf } from "../../src/database/DataDirFiles.ts"

const here = import.meta.filename
const nowhere = `${here}/none`

describe("files of a data directory", () => {
  it.effect("are there or not, and say what is in them or nothing", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* exists(here))
      assert.isFalse(yield* exists(nowhere))
      assert.include(yield* textOf(here), "files of a data directory")
      assert.strictEqual(yield* textOf(nowhere), "")
    })
  )

  it.effect("fail in the words of the system, with the directory and what to look at", () =>
    Effect.gen(function* () {
      assert.include(yield* ioIn("/srv/db")(() => readdir(import.meta.dirname)), "DataDirFiles.test.ts")
      const error = yield* Effect.flip(ioIn("/srv/db")(() => readdir(nowhere)))
      assert.strictEqual(error._tag, "DataDirUnusable")
      for (const part of ["/srv/db", "ENOTDIR", "May this user write there"]) assert.include(error.message, part)
    })
  )
})
