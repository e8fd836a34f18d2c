import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, FileSystem, Layer, Option, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll } from "vitest"
import * as TokenStore from "../../src/api/TokenStore.ts"
import * as DatabaseComponent from "../../src/database/Component.ts"
import { Database } from "../../src/database/Database.ts"
import { Settings } from "../../src/database/Settings.ts"
import { Postgres } from "../database/Postgres.ts"
import { security } from "../database/Surroundings.ts"

let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
})
afterAll(() => postgres.remove())

const tokenOf = (name: string, expiresAtMs: number) => {
  const secret = TokenStore.secret()
  const kept: TokenStore.Kept = {
    id: `id-of-${name}`,
    name,
    hash: TokenStore.hashOf(secret),
    roles: ["viewer", "a role"],
    createdBy: "a test",
    createdAtMs: 0,
    expiresAtMs
  }
  return { secret, kept }
}

const folder = Effect.flatMap(FileSystem.FileSystem, (fileSystem) =>
  Effect.map(fileSystem.makeTempDirectoryScoped({ prefix: "novacron-tokens-" }), (path) => `${path}/api`)
)

const inDatabase = Effect.gen(function* () {
  const settings = Schema.decodeUnknownSync(Settings)({
    url: postgres.url(),
    sslmode: "disable",
    pool: { min: 1, max: 4 }
  })
  const layer = DatabaseComponent.component(settings, { dataDir: "/nowhere" }).layer.pipe(
    Layer.provide(security().layer)
  )
  const database = Context.get(yield* Layer.build(layer), Database)
  yield* database.sql`DROP TABLE IF EXISTS novacron_api_tokens`
  return yield* TokenStore.inDatabase(database)
})

const promises = (
  name: string,
  make: Effect.Effect<TokenStore.TokenStore, unknown, FileSystem.FileSystem | Scope.Scope>
) => {
  const run = <A, E>(test: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
    test.pipe(Effect.scoped, Effect.provide(NodeServices.layer))

  describe(name, () => {
    it.effect("finds a token by its hash as long as it is valid, and not longer", () =>
      run(
        Effect.gen(function* () {
          const store = yield* make
          const { kept } = tokenOf("ci", 60_000)
          yield* store.add(kept)
          assert.deepStrictEqual(yield* store.find(kept.hash), Option.some(kept))
          assert.deepStrictEqual(yield* store.find(TokenStore.hashOf("another")), Option.none())
          assert.deepStrictEqual(yield* store.list, [kept])
          yield* TestClock.adjust("60 seconds")
          assert.deepStrictEqual(yield* store.find(kept.hash), Option.none())
          assert.deepStrictEqual(yield* store.list, [])
        })
      )
    )

    it.effect("takes a name once, and again when its token has run out or was revoked", () =>
      run(
        Effect.gen(function* () {
          const store = yield* make
          const first = tokenOf("ci", 60_000).kept
          yield* store.add(first)
          const second = { ...tokenOf("ci", 120_000).kept, id: "second" }
          const taken = yield* Effect.flip(store.add(second))
          assert.strictEqual(taken._tag, "NameTaken")
          yield* TestClock.adjust("60 seconds")
          yield* store.add(second)
          assert.deepStrictEqual(yield* store.remove("second"), Option.some(second.hash))
          assert.deepStrictEqual(yield* store.remove("second"), Option.none())
          yield* store.add({ ...tokenOf("ci", 120_000).kept, id: "third" })
        })
      )
    )
  })
}

promises("TokenStore.inFile", Effect.flatMap(folder, TokenStore.inFile))
promises("TokenStore.inDatabase", inDatabase)

describe("TokenStore", () => {
  it("makes tokens that nobody has had, with 256 random bits", () => {
    const all = Array.from({ length: 1_000 }, TokenStore.secret)
    assert.strictEqual(new Set(all).size, all.length)
    for (const one of all) assert.strictEqual(Buffer.from(one.slice(TokenStore.prefix.length), "base64url").length, 32)
  })

  it.effect("keeps hashes in a file of mode 0600, which another start reads", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const store = yield* TokenStore.inFile(path)
      const { kept, secret } = tokenOf("ci", 60_000)
      yield* store.add(kept)
      assert.strictEqual(statSync(`${path}/tokens.json`).mode & 0o777, 0o600)
      assert.notInclude(readFileSync(`${path}/tokens.json`, "utf8"), secret)
      assert.deepStrictEqual(yield* (yield* TokenStore.inFile(path)).list, [kept])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("does not begin with a file that others may read, or that is no list", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const store = yield* TokenStore.inFile(path)
      yield* store.add(tokenOf("ci", 60_000).kept)
      chmodSync(`${path}/tokens.json`, 0o644)
      assert.strictEqual((yield* Effect.flip(TokenStore.inFile(path)))._tag, "KeyMaterialExposed")
      chmodSync(`${path}/tokens.json`, 0o600)
      writeFileSync(`${path}/tokens.json`, "[]")
      assert.strictEqual((yield* Effect.flip(TokenStore.inFile(path)))._tag, "KeyMaterialUnusable")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("makes its table once, whichever nodes start at a time", () =>
    Effect.gen(function* () {
      const stores = yield* Effect.all([inDatabase, inDatabase], { concurrency: 1 })
      const exits = yield* Effect.all(
        stores.map((store, i) => Effect.exit(store.add({ ...tokenOf("ci", Date.now() + 60_000).kept, id: `${i}` }))),
        { concurrency: 2 }
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
    }).pipe(Effect.scoped)
  )
})
