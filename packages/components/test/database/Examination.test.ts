import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe } from "vitest"
import * as DataDir from "../../src/database/DataDir.ts"
import * as Examination from "../../src/database/Examination.ts"
import { nobody, processesIn, temporary } from "./Postgres.ts"

const root = temporary()
const data = join(root, "data")
beforeAll(() => Effect.runPromise(Effect.scoped(DataDir.open(root))))
afterAll(() => {
  assert.deepStrictEqual(processesIn(root), [])
  rmSync(root, { recursive: true, force: true })
})

const opened = Effect.scoped(DataDir.open(root))

describe("a directory", () => {
  const unusable: ReadonlyArray<readonly [how: string, change: () => unknown, problem: string, remedy: string]> = [
    [
      "that others may read",
      () => chmodSync(data, 0o755),
      `${data} is open to other users (mode 0755)`,
      `chmod 700 ${data}`
    ],
    [
      "of another version",
      () => writeFileSync(join(data, "PG_VERSION"), "17\n"),
      "it is of PostgreSQL 17, and this one is 18",
      "Write it out with the release that made it"
    ],
    [
      "without its password",
      () => rmSync(join(root, "password")),
      `no such file or directory, open '${root}/password'`,
      `Restore ${root}/password from a backup`
    ],
    [
      "whose password others may read",
      () => chmodSync(join(root, "password"), 0o644),
      `${root}/password is open to other users (mode 0644)`,
      `chmod 600 ${root}/password`
    ]
  ]
  const foreign: typeof unusable = [
    [
      "of another user",
      () => execFileSync("chown", ["-R", "12345", data]),
      `${data} belongs to user 12345, and the server runs as user ${nobody.uid}`,
      `chown -R ${nobody.uid}:${nobody.gid} ${data}`
    ]
  ]
  // Only root can give away what it has.
  for (const [how, change, problem, remedy] of [...unusable, ...(nobody.uid === undefined ? [] : foreign)]) {
    it.live(`${how} is refused with what to do about it, and left as it was`, () =>
      Effect.gen(function* () {
        const kept = `${root}.kept`
        execFileSync("cp", ["-a", root, kept])
        yield* Examination.examine(root)
        change()
        const foreseen = yield* Effect.flip(Examination.examine(root))
        const error = yield* Effect.flip(opened)
        assert.strictEqual(error._tag, "DataDirUnusable")
        assert.strictEqual(foreseen.message, error.message)
        assert.include(error.message, problem)
        assert.include(error.message, remedy)
        rmSync(root, { recursive: true })
        renameSync(kept, root)
        assert.isFalse((yield* opened).isNew)
      })
    )
  }

  it.live("that is not there yet, or empty, is one to make a database in", () =>
    Effect.gen(function* () {
      const empty = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-db-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
      )
      yield* Examination.examine(join(empty, "none"))
      mkdirSync(join(empty, "data"), { mode: 0o755 })
      yield* Examination.examine(empty)
      // With something in it the same directory is refused: it was looked at.
      writeFileSync(join(empty, "data", "PG_VERSION"), "17\n")
      assert.strictEqual((yield* Effect.flip(Examination.examine(empty)))._tag, "DataDirUnusable")
    }).pipe(Effect.scoped)
  )
})
