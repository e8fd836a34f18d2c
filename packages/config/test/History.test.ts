import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Option, PlatformError } from "effect"
import { Config, History } from "../src/index.ts"
import { blame, shop, write, layer as world } from "./fixtures/shop.ts"

const contents = (n: number) => `# version ${n}\nsystem: { max_concurrency: ${n} }\n`

/** A file that was kept in these states, one after the other. */
const kept = (...states: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const file = yield* write("shop.yaml", "")
    const options = { directory: `${file}.history`, user: "root" }
    for (const n of states) {
      yield* files.writeFileString(file, contents(n))
      yield* History.record(options, file)
    }
    return { file, files, options, directory: options.directory }
  })

layer(world)("the history", (it) => {
  it.effect("has a number for each state of the file, and one only while it stays the same", () =>
    Effect.gen(function* () {
      const { directory } = yield* kept(1, 1, 2, 2, 2, 1)
      const versions = yield* History.list(directory)
      assert.deepStrictEqual(
        versions.map(({ action, number, user }) => [number, action, user]),
        [1, 2, 3].map((number) => [number, "saved", "root"])
      )
      assert.match(versions[0]?.hash ?? "", /^[0-9a-f]{64}$/)
      assert.strictEqual(versions[0]?.hash, versions[2]?.hash)
      assert.notStrictEqual(versions[0]?.hash, versions[1]?.hash)
    }).pipe(Effect.scoped)
  )

  it.effect("belongs to its owner alone", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* kept(1, 2)
      assert.strictEqual((yield* files.stat(directory)).mode & 0o777, 0o700)
      const names = yield* files.readDirectory(directory)
      assert.deepStrictEqual(names.toSorted(), ["000001.yaml", "000002.yaml", "index"])
      for (const name of names) assert.strictEqual((yield* files.stat(`${directory}/${name}`)).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.effect("brings an older state back, as a new version", () =>
    Effect.gen(function* () {
      const { directory, file, files, options } = yield* kept(1, 2, 3)
      const back = yield* History.rollback(options, 1, file)
      assert.deepInclude(back, { number: 4, action: "rollback to 1" })
      assert.strictEqual(yield* files.readFileString(file), contents(1))
      assert.strictEqual((yield* Config.load(shop, { file })).settings.system.maxConcurrency, 1)
      assert.strictEqual((yield* History.list(directory)).length, 4)
      assert.strictEqual((yield* files.stat(file)).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.effect("brings it back where a link points, with the mode that it had, and the link stays", () =>
    Effect.gen(function* () {
      const { file, files, options } = yield* kept(1, 2)
      const link = `${file}.link`
      yield* files.symlink(file, link)
      yield* files.chmod(file, 0o640)
      yield* History.rollback(options, 1, link)
      assert.strictEqual(yield* files.readLink(link), file)
      assert.strictEqual(yield* files.readFileString(file), contents(1))
      assert.strictEqual((yield* files.stat(file)).mode & 0o777, 0o640)
    }).pipe(Effect.scoped)
  )

  it.effect("brings the signature of that state back too, or takes the wrong one away", () =>
    Effect.gen(function* () {
      const { directory, file, files, options } = yield* kept(1)
      yield* files.writeFileString(file, contents(2))
      yield* files.writeFileString(`${file}.sig`, "signature 2")
      yield* History.record(options, file)
      yield* History.rollback(options, 1, file)
      assert.isFalse(yield* files.exists(`${file}.sig`))
      yield* History.rollback(options, 2, file)
      assert.strictEqual(yield* files.readFileString(`${file}.sig`), "signature 2")
      assert.strictEqual(yield* files.readFileString(`${yield* History.version(directory, 4)}.sig`), "signature 2")
    }).pipe(Effect.scoped)
  )

  it.effect("does not bring back what is not there or was changed, and leaves the file alone", () =>
    Effect.gen(function* () {
      const { directory, file, files, options } = yield* kept(1, 2, 3)
      const { code, exitCode } = yield* Effect.flip(History.rollback(options, 7, file))
      assert.deepStrictEqual([code, exitCode], ["NVC-1030", 65])
      yield* files.writeFileString(yield* History.version(directory, 1), "system: { max_concurrency: 666 }")
      const { message } = yield* Effect.flip(History.rollback(options, 1, file))
      assert.include(message, "its bytes were changed")
      assert.strictEqual(yield* files.readFileString(file), contents(3))
      assert.strictEqual((yield* History.list(directory)).length, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a disk that says no from a user who may not", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* kept(1)
      const exitWith = (_tag: "PermissionDenied" | "Unknown") => {
        const no = PlatformError.systemError({
          _tag,
          module: "FileSystem",
          method: "readFileString",
          description: "no"
        })
        const asked = Effect.provideService(History.list(directory), FileSystem.FileSystem, {
          ...files,
          readFileString: () => Effect.fail(no)
        })
        return Effect.map(Effect.flip(asked), ({ exitCode }) => exitCode)
      }
      assert.deepStrictEqual([yield* exitWith("PermissionDenied"), yield* exitWith("Unknown")], [77, 73])
    }).pipe(Effect.scoped)
  )

  it.effect("has the last good state when the file is damaged", () =>
    Effect.gen(function* () {
      const { directory, file, files } = yield* kept(1, 2)
      yield* files.writeFileString(file, "system: { max_conc")
      assert.match((yield* blame(Config.load(shop, { file })))[0] ?? "", /^NVC-1002 1:/)
      const good = Option.getOrThrow(yield* History.lastGood(directory))
      assert.strictEqual(good.number, 2)
      const loaded = yield* Config.load(shop, { file: good.path })
      assert.strictEqual(loaded.settings.system.maxConcurrency, 2)
      yield* files.writeFileString(good.path, "also damaged")
      assert.strictEqual(Option.getOrThrow(yield* History.lastGood(directory)).number, 1)
      assert.isTrue(Option.isNone(yield* History.lastGood(`${directory}/none`)))
    }).pipe(Effect.scoped)
  )

  it.effect("forgets the oldest, and never uses a number again", () =>
    Effect.gen(function* () {
      const { directory, file, files, options } = yield* kept(1, 2, 3)
      yield* files.writeFileString(file, contents(4))
      yield* History.record({ ...options, keep: 2 }, file)
      assert.deepStrictEqual(
        (yield* History.list(directory)).map(({ number }) => number),
        [3, 4]
      )
      yield* files.remove(`${directory}/000004.yaml`)
      yield* files.writeFileString(file, contents(5))
      assert.strictEqual((yield* History.record(options, file)).number, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("survives an index that was cut off", () =>
    Effect.gen(function* () {
      const { directory, file, files, options } = yield* kept(1, 2)
      const index = yield* files.readFileString(`${directory}/index`)
      yield* files.writeFileString(`${directory}/index`, index.slice(0, -5))
      assert.deepStrictEqual(
        (yield* History.list(directory)).map(({ number }) => number),
        [1]
      )
      yield* files.writeFileString(file, contents(3))
      const next = yield* History.record(options, file)
      assert.deepStrictEqual(
        (yield* History.list(directory)).map(({ number }) => number),
        [1, next.number]
      )
      assert.isDefined(yield* History.version(directory, next.number))
    }).pipe(Effect.scoped)
  )
})
