import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import * as Secrets from "../../src/security/Secrets.ts"
import { folder, platform } from "./fixtures/place.ts"

describe("secrets in files", () => {
  it.live("are read by name, without the line break at their end", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const where = `${yield* folder}/secrets`
      const provider = yield* Secrets.fromFiles(where)
      yield* provider.check
      assert.strictEqual((yield* fileSystem.stat(where)).mode & 0o777, 0o700)
      yield* fileSystem.writeFileString(`${where}/database-password`, "PLANTED \n", { mode: 0o600 })
      const secret = yield* provider.read("database-password")
      assert.strictEqual(Redacted.value(secret), "PLANTED ")
      assert.notInclude(`${inspect(secret)} ${JSON.stringify(secret)}`, "PLANTED")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("are refused when others can read them, and the reason is kept", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const where = yield* folder
      const provider = yield* Secrets.fromFiles(where)
      yield* fileSystem.writeFileString(`${where}/a`, "PLANTED", { mode: 0o644 })
      const error = yield* Effect.flip(provider.read("a"))
      assert.strictEqual(error.code, "NVC-2003")
      assert.include(error.message, `"a" cannot be had from file`)
      assert.include(`${(error.cause as Error).message}`, "is open to other users (mode 0644)")
      assert.notInclude(inspect(error, { depth: 10 }), "PLANTED")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("that are missing, or whose name is a way out of the folder, cannot be had", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const outside = yield* folder
      yield* fileSystem.writeFileString(`${outside}/a`, "PLANTED", { mode: 0o600 })
      const provider = yield* Secrets.fromFiles(`${outside}/secrets`)
      for (const name of ["missing", "../a", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "a\0b", "x".repeat(200)]) {
        assert.strictEqual((yield* Effect.flip(provider.read(name)))._tag, "SecretUnavailable", name)
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("fail the check when their folder is gone", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const where = `${yield* folder}/secrets`
      const provider = yield* Secrets.fromFiles(where)
      yield* provider.check
      yield* fileSystem.remove(where, { recursive: true })
      assert.strictEqual((yield* Effect.flip(provider.check)).provider, "file")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("secrets in the environment", () => {
  const environment = {
    NOVACRON_SECRET_DATABASE_PASSWORD: "PLANTED",
    NOVACRON_SECRET_EMPTY: "",
    NOVACRON_SECRET_GONE: undefined,
    PASSWORD: "PLANTED-too"
  }

  it.effect("are variables of the name in capitals", () =>
    Effect.gen(function* () {
      const provider = Secrets.fromEnvironment(environment)
      yield* provider.check
      for (const name of ["database-password", "database.password", "DATABASE_PASSWORD"]) {
        assert.strictEqual(Redacted.value(yield* provider.read(name)), "PLANTED")
      }
    })
  )

  it.effect("are no other variables, and show themselves nowhere", () =>
    Effect.gen(function* () {
      const provider = Secrets.fromEnvironment(environment)
      for (const name of ["password", "empty", "gone", "PATH", ""]) {
        const error = yield* Effect.flip(provider.read(name))
        assert.strictEqual(error.provider, "env")
        assert.notInclude(inspect(error, { depth: 10, showHidden: true }), "PLANTED")
      }
      assert.notInclude(inspect([provider, yield* provider.read("database-password")], { showHidden: true }), "PLANTED")
    })
  )
})
