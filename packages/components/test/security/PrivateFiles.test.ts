import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import * as PrivateFiles from "../../src/security/PrivateFiles.ts"
import { contents, files, folder, platform } from "./fixtures/place.ts"

const text = (content: Option.Option<Uint8Array>) => Option.map(content, (bytes) => Buffer.from(bytes).toString())

describe("private files", () => {
  it.live("keep what is written, for nobody else", () =>
    Effect.gen(function* () {
      const box = yield* files
      assert.deepStrictEqual(yield* box.read("a.key"), Option.none())
      yield* box.write("a.key", Buffer.from("one"))
      yield* box.write("a.key", Buffer.from("two"))
      assert.deepStrictEqual(text(yield* box.read("a.key")), Option.some("two"))
      assert.deepStrictEqual(yield* box.names, ["a.key"])
      assert.deepStrictEqual(
        (yield* contents(box.folder)).map(({ mode }) => mode),
        [0o600]
      )
      yield* box.remove("a.key")
      assert.deepStrictEqual(yield* box.names, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  for (const mode of [0o640, 0o604, 0o620]) {
    it.live(`refuse a file of mode ${mode.toString(8)}, and say how to close it`, () =>
      Effect.gen(function* () {
        const box = yield* files
        yield* box.write("a.key", Buffer.from("secret"))
        assert.isTrue(Option.isSome(yield* box.read("a.key")))
        const fileSystem = yield* FileSystem.FileSystem
        yield* fileSystem.chmod(box.path("a.key"), mode)
        const error = yield* Effect.flip(box.read("a.key"))
        assert.strictEqual(error._tag, "KeyMaterialExposed")
        assert.strictEqual(error.code, "NVC-2001")
        assert.include(error.message, `(mode 0${mode.toString(8)})`)
        assert.include(error.message, `chmod go= ${box.path("a.key")}`)
        assert.notInclude(error.message, "secret,")
      }).pipe(Effect.scoped, Effect.provide(platform))
    )
  }

  it.live("refuse a folder that others can enter", () =>
    Effect.gen(function* () {
      const outside = yield* folder
      const fileSystem = yield* FileSystem.FileSystem
      yield* PrivateFiles.open(`${outside}/keys`)
      yield* fileSystem.chmod(`${outside}/keys`, 0o755)
      const error = yield* Effect.flip(PrivateFiles.open(`${outside}/keys`))
      assert.strictEqual(error._tag, "KeyMaterialExposed")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("refuse what is too large to be a key, and what cannot be read as a file", () =>
    Effect.gen(function* () {
      const box = yield* files
      const fileSystem = yield* FileSystem.FileSystem
      yield* box.write("large.key", new Uint8Array(1024 * 1024 + 1))
      assert.strictEqual((yield* Effect.flip(box.read("large.key")))._tag, "KeyMaterialUnusable")
      // Whoever may look into it: closing it makes no key of it.
      for (const mode of [0o700, 0o755]) {
        yield* fileSystem.makeDirectory(box.path(`${mode}.key`), { mode })
        const error = yield* Effect.flip(box.read(`${mode}.key`))
        assert.strictEqual(error._tag, "KeyMaterialUnusable")
        assert.strictEqual(error.code, "NVC-2002")
        assert.include(error.message, `${mode}.key cannot be used: it is a folder.`)
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("refuse a file in the place of the folder, and say that it is one", () =>
    Effect.gen(function* () {
      const outside = yield* folder
      const fileSystem = yield* FileSystem.FileSystem
      yield* fileSystem.writeFileString(`${outside}/keys`, "")
      const error = yield* Effect.flip(PrivateFiles.open(`${outside}/keys`))
      assert.strictEqual(error._tag, "KeyMaterialUnusable")
      assert.include(error.message, "keys cannot be used: it is no folder.")
      assert.include(error.message, "move it away")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("say so when the disk is full, and keep what was there", () =>
    Effect.gen(function* () {
      const outside = yield* folder
      const fileSystem = yield* FileSystem.FileSystem
      const box = yield* PrivateFiles.open(outside)
      yield* box.write("a.key", Buffer.from("old"))
      // /dev/full takes nothing: the unfinished file is led there.
      yield* fileSystem.symlink("/dev/full", box.path("a.key.unfinished"))
      const error = yield* Effect.flip(box.write("a.key", Buffer.from("new")))
      assert.strictEqual(error._tag, "KeyMaterialUnavailable")
      assert.include(error.message, "it cannot be written (ENOSPC)")
      assert.include(error.message, "no room on its disk")
      assert.deepStrictEqual(text(yield* box.read("a.key")), Option.some("old"))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("say that the process has no descriptors left, and tell nobody to move a key away that may be whole", () =>
    Effect.gen(function* () {
      const outside = yield* folder
      const box = yield* PrivateFiles.open(outside)
      yield* box.write("a.key", Buffer.from("old"))
      // In a process of its own: this one needs its descriptors.
      const script = `
        import { openSync } from "node:fs"
        import { Effect } from "effect"
        import { NodeServices } from "@effect/platform-node"
        import * as PrivateFiles from ${JSON.stringify(import.meta.resolve("../../src/security/PrivateFiles.ts"))}
        const box = await Effect.runPromise(Effect.provide(PrivateFiles.open(process.argv[1]), NodeServices.layer))
        try { for (;;) openSync("/dev/null") } catch {}
        const error = await Effect.runPromise(Effect.flip(box.read("a.key")))
        process.stdout.write(JSON.stringify([error._tag, error.message]))`
      const limited = `ulimit -n 256 && exec "$0" --input-type=module -e "$1" "$2"`
      const told = execFileSync("/bin/sh", ["-c", limited, process.execPath, script, outside], {
        cwd: import.meta.dirname,
        encoding: "utf8"
      })
      const [tag, message] = JSON.parse(told)
      assert.strictEqual(tag, "KeyMaterialUnavailable")
      assert.include(message, `${outside}/a.key cannot be had: it cannot be read (EMFILE)`)
      assert.include(message, "leave it where it is")
      assert.include(message, "LimitNOFILE=")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
