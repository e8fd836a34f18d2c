import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import { Replacement } from "../src/index.ts"
import { layer as world, write } from "./fixtures/shop.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

layer(world)("a replacement", (it) => {
  it.effect("has the new content and the mode of before, and leaves nothing else behind", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", "old")
      const folder = file.slice(0, file.lastIndexOf("/"))
      const names = yield* files.readDirectory(folder)
      for (const mode of [0o600, 0o640, 0o644]) {
        yield* files.chmod(file, mode)
        yield* Replacement.write(file, bytes(`new ${mode}`))
        assert.strictEqual(yield* files.readFileString(file), `new ${mode}`)
        assert.strictEqual((yield* files.stat(file)).mode & 0o777, mode)
      }
      assert.deepStrictEqual(yield* files.readDirectory(folder), names)
    }).pipe(Effect.scoped)
  )

  it.effect("keeps the owner, for whom root writes it", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", "old")
      const mine = Option.getOrThrow((yield* files.stat(file)).uid)
      // Only root may give a file away: as anybody else it is one's own before and after.
      const owner = mine === 0 ? 65_534 : mine
      yield* files.chown(file, owner, Option.getOrThrow((yield* files.stat(file)).gid))
      yield* Replacement.write(file, bytes("new"))
      assert.strictEqual(yield* files.readFileString(file), "new")
      assert.strictEqual(Option.getOrThrow((yield* files.stat(file)).uid), owner)
    }).pipe(Effect.scoped)
  )

  it.effect("goes where a link points, and the link stays", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", "old")
      const link = `${file}.link`
      yield* files.symlink(file, link)
      yield* Replacement.write(link, bytes("new"))
      assert.strictEqual(yield* files.readLink(link), file)
      assert.strictEqual(yield* files.readFileString(file), "new")
    }).pipe(Effect.scoped)
  )

  it.effect("makes a file that was not there, for its owner alone", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = `${yield* write("shop.yaml", "")}.new`
      yield* Replacement.write(file, bytes("new"))
      assert.strictEqual(yield* files.readFileString(file), "new")
      assert.strictEqual((yield* files.stat(file)).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.effect("that cannot be made leaves the file as it is", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", "old")
      yield* Effect.flip(Replacement.write(`${file}/below`, bytes("new")))
      assert.strictEqual(yield* files.readFileString(file), "old")
    }).pipe(Effect.scoped)
  )
})
