/** Lists of coreutils, signatures of openssl. */
import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Program from "../../src/security/Program.ts"
import { release } from "./fixtures/release.ts"
import { folder, platform } from "./fixtures/place.ts"

const testing = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(platform))

const refusal = (manifest: string, key: string) =>
  Effect.map(Effect.flip(Program.check(manifest, [key])), ({ _tag, code, reason }) => {
    assert.deepStrictEqual([_tag, code], ["ProgramTampered", "NVC-2011"])
    return reason
  })

describe("a program", () => {
  it.live("is itself as long as its files are those of a list that is signed", () =>
    testing(
      Effect.gen(function* () {
        const { key, manifest } = yield* release(yield* folder)
        const { digest, files } = yield* Program.check(manifest, [key])
        assert.match(digest, /^[0-9a-f]{64}$/)
        assert.sameMembers([...files.keys()], ["main.mjs", "parts/database/pool.mjs", "parts/cache.mjs"])
        // And the other way round: what we accept is what coreutils accept.
        execFileSync("sha256sum", ["--strict", "--status", "-c", "SHA256SUMS"], {
          cwd: manifest.replace(/\/[^/]+$/, "")
        })
      })
    )
  )

  it.live("is refused when one bit of one file is another, and the file is named", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const { dist, key, manifest } = yield* release(yield* folder)
        const path = `${dist}/parts/database/pool.mjs`
        const bytes = yield* fileSystem.readFile(path)
        bytes[0]! ^= 1
        yield* fileSystem.writeFile(path, bytes)
        assert.strictEqual(
          yield* refusal(manifest, key),
          "these files are not what was signed: parts/database/pool.mjs"
        )
      })
    )
  )

  it.live("is refused when a file is gone, or one is there that nobody has signed", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const { dist, key, manifest } = yield* release(yield* folder)
        yield* fileSystem.writeFileString(`${dist}/parts/extra.mjs`, "")
        assert.strictEqual(yield* refusal(manifest, key), "these files are not in the list: parts/extra.mjs")
        yield* fileSystem.remove(`${dist}/parts/extra.mjs`)
        yield* fileSystem.remove(`${dist}/main.mjs`)
        assert.strictEqual(yield* refusal(manifest, key), "these files are not what was signed: main.mjs (gone)")
      })
    )
  )

  it.live("is refused when its list was changed, is signed by somebody else, or not at all", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const { dist, key, manifest } = yield* release(yield* folder)
        const other = yield* release(yield* folder)
        assert.include(yield* refusal(manifest, other.key), "the signature of the list is not accepted")
        // Whoever changes a file and its line in the list has no key for the signature.
        yield* fileSystem.writeFileString(`${dist}/main.mjs`, "evil()")
        const text = execFileSync("sha256sum", ["main.mjs", "parts/cache.mjs", "parts/database/pool.mjs"], {
          cwd: dist
        })
        yield* fileSystem.writeFile(manifest, text)
        assert.include(yield* refusal(manifest, key), "the signature of the list is not accepted")
        yield* fileSystem.remove(`${manifest}.sig`)
        assert.include(yield* refusal(manifest, key), "the signature of the list is not accepted")
        yield* fileSystem.remove(manifest)
        assert.strictEqual(yield* refusal(manifest, key), "the list of its files cannot be read")
      })
    )
  )

  it.live("has no list that leads out of its folder, or that nobody can read, not even a signed one", () =>
    testing(
      Effect.gen(function* () {
        const digest = "0".repeat(64)
        for (const line of [
          `${digest}  ../outside`,
          `${digest}  /etc/passwd`,
          "no list",
          `${digest.slice(1)}  a`,
          ""
        ]) {
          const { key, manifest } = yield* release(yield* folder, `${line}\n`)
          assert.match(yield* refusal(manifest, key), /^the list of its files (?:has a line|is empty)/)
        }
      })
    )
  )
})
