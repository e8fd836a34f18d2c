import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, FileSystem, Option } from "effect"
import * as fc from "fast-check"
import { TestClock } from "effect/testing"
import * as KeyRing from "../../src/security/KeyRing.ts"
import * as PrivateFiles from "../../src/security/PrivateFiles.ts"
import { files, folder, platform } from "./fixtures/place.ts"
import { stopping } from "./fixtures/stopping.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const rotation = Duration.days(90)
const overlap = Duration.days(365)

const ringOf = (files: PrivateFiles.PrivateFiles, master = Option.none<Buffer>()) =>
  KeyRing.make({ files, master, rotation, overlap })

const ring = Effect.flatMap(files, (files) => ringOf(files))

describe("a key ring", () => {
  it.effect("opens what it has sealed", () =>
    Effect.gen(function* () {
      const { open, seal } = yield* ring
      const check = (plain: Uint8Array, context: string) =>
        Effect.gen(function* () {
          const sealed = yield* seal(plain, context)
          assert.deepStrictEqual(yield* open(sealed, context), plain)
          assert.strictEqual(sealed.length, plain.length + 33)
        })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.string(), (plain, context) =>
            Effect.runPromise(check(new Uint8Array(plain), context))
          )
        )
      )
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("seals the same thing differently each time, and shows nothing of it", () =>
    Effect.gen(function* () {
      const { seal } = yield* ring
      const one = yield* seal(bytes("a plain secret"), "place")
      const two = yield* seal(bytes("a plain secret"), "place")
      assert.notDeepEqual(one, two)
      assert.notInclude(Buffer.from(one).toString("latin1"), "secret")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("opens nothing of which one bit is different, nothing in another place, nothing cut", () =>
    Effect.gen(function* () {
      const { open, seal } = yield* ring
      const sealed = yield* seal(bytes("value"), "database.password")
      assert.strictEqual(text(yield* open(sealed, "database.password")), "value")
      for (let i = 0; i < sealed.length * 8; i++) {
        const changed = sealed.slice()
        changed[i >> 3]! ^= 1 << (i & 7)
        const error = yield* Effect.flip(open(changed, "database.password"))
        assert.strictEqual(error.code, "NVC-2004", `bit ${i}`)
      }
      for (let length = 0; length < sealed.length; length++) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(open(sealed.subarray(0, length), "database.password"))))
      }
      const error = yield* Effect.flip(open(sealed, "cache.password"))
      assert.include(error.message, `"cache.password"`)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("opens after a restart what it had sealed before", () =>
    Effect.gen(function* () {
      const box = yield* files
      const sealed = yield* (yield* ringOf(box)).seal(bytes("kept"), "place")
      assert.strictEqual(text(yield* (yield* ringOf(box)).open(sealed, "place")), "kept")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("of another node opens none of it", () =>
    Effect.gen(function* () {
      const sealed = yield* (yield* ring).seal(bytes("mine"), "place")
      assert.isTrue(Exit.isFailure(yield* Effect.exit((yield* ring).open(sealed, "place"))))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("takes a master key from elsewhere, keeps none then, and opens with no other", () =>
    Effect.gen(function* () {
      const box = yield* files
      const master = () => Option.some(Buffer.alloc(32, 7))
      const sealed = yield* (yield* ringOf(box, master())).seal(bytes("kept"), "place")
      assert.notInclude(yield* box.names, "master.key")
      assert.strictEqual(text(yield* (yield* ringOf(box, master())).open(sealed, "place")), "kept")
      const error = yield* Effect.flip(ringOf(box, Option.some(Buffer.alloc(32, 8))))
      assert.include(error.message, "the master key does not open it")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("seals and opens nothing once it is wiped, and has overwritten the master key", () =>
    Effect.gen(function* () {
      const master = Buffer.alloc(32, 7)
      const { open, seal, wipe } = yield* ringOf(yield* files, Option.some(master))
      const sealed = yield* seal(bytes("value"), "place")
      assert.strictEqual(text(yield* open(sealed, "place")), "value")
      yield* wipe
      assert.isTrue(Exit.hasDies(yield* Effect.exit(seal(bytes("value"), "place"))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(open(sealed, "place"))))
      assert.deepStrictEqual(master, Buffer.alloc(32))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a rotation", () => {
  it.effect("happens when it is due and not before, and the old key opens on", () =>
    Effect.gen(function* () {
      const box = yield* files
      const { numbers, open, rotateWhenDue, seal } = yield* ringOf(box)
      const old = yield* seal(bytes("old"), "place")
      yield* TestClock.adjust("89 days")
      assert.isFalse(yield* rotateWhenDue)
      yield* TestClock.adjust("1 day")
      assert.isTrue(yield* rotateWhenDue)
      assert.isFalse(yield* rotateWhenDue)
      assert.deepStrictEqual(yield* numbers, { current: 2, previous: [1] })
      const recent = yield* seal(bytes("new"), "place")
      const later = yield* ringOf(box)
      for (const { open: opens } of [{ open }, later]) {
        assert.strictEqual(text(yield* opens(old, "place")), "old")
        assert.strictEqual(text(yield* opens(recent, "place")), "new")
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("removes a key whose overlap is over, and keeps all others", () =>
    Effect.gen(function* () {
      const box = yield* files
      const { numbers, open, rotateWhenDue, seal } = yield* ringOf(box)
      const first = yield* seal(bytes("first"), "place")
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust(rotation)
        assert.isTrue(yield* rotateWhenDue)
      }
      // Retired after 90 days, 360 days ago.
      assert.strictEqual(text(yield* open(first, "place")), "first")
      yield* TestClock.adjust(rotation)
      assert.isTrue(yield* rotateWhenDue)
      assert.deepStrictEqual(yield* numbers, { current: 7, previous: [6, 5, 4, 3, 2] })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(open(first, "place"))))
      assert.notInclude(yield* box.names, "data-1.key")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("that fails keeps the old key, and succeeds the next time", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const box = yield* files
      const { numbers, open, rotateWhenDue, seal } = yield* ringOf(box)
      const old = yield* seal(bytes("old"), "place")
      yield* TestClock.adjust(rotation)
      yield* fileSystem.symlink("/dev/full", box.path("data-2.key.unfinished"))
      const error = yield* Effect.flip(rotateWhenDue)
      assert.strictEqual(error.code, "NVC-2014")
      assert.deepStrictEqual(yield* numbers, { current: 1, previous: [] })
      assert.strictEqual(text(yield* open(yield* seal(bytes("still"), "place"), "place")), "still")
      yield* fileSystem.remove(box.path("data-2.key.unfinished"))
      assert.isTrue(yield* rotateWhenDue)
      assert.strictEqual(text(yield* open(old, "place")), "old")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("does not take a next key that is damaged: it writes another one", () =>
    Effect.gen(function* () {
      const box = yield* files
      const { numbers, rotateWhenDue } = yield* ringOf(box)
      yield* TestClock.adjust(rotation)
      yield* box.write("data-2.key", bytes(`{"createdAtMs":0,"key":"AAAA"}`))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(rotateWhenDue)))
      assert.deepStrictEqual(yield* numbers, { current: 1, previous: [] })
      assert.isTrue(yield* rotateWhenDue)
      assert.deepStrictEqual(yield* numbers, { current: 2, previous: [1] })
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("keys that are lost", () => {
  for (const [name, says] of [
    ["master.key", "there are keys that only it opens"],
    ["data-1.key", "it is gone"]
  ] as const) {
    it.effect(`are not replaced: without ${name} nothing starts`, () =>
      Effect.gen(function* () {
        const box = yield* files
        yield* ringOf(box)
        yield* box.remove(name)
        const before = yield* box.names
        const error = yield* Effect.flip(ringOf(box))
        assert.include(error.message, box.path(name))
        assert.include(error.message, says)
        assert.deepStrictEqual(yield* box.names, before)
      }).pipe(Effect.scoped, Effect.provide(platform))
    )
  }

  for (const name of ["master.key", "data-1.key", "keys.json"]) {
    it.effect(`or changed are refused, and not shown: ${name}`, () =>
      Effect.gen(function* () {
        const box = yield* files
        yield* ringOf(box)
        yield* box.write(name, bytes("PLANTED"))
        const error = yield* Effect.flip(ringOf(box))
        assert.strictEqual(error.code, "NVC-2002")
        assert.notInclude(`${error.message} ${JSON.stringify(error)} ${String(error.cause)}`, "PLANTED")
      }).pipe(Effect.scoped, Effect.provide(platform))
    )
  }

  it.effect("of a backup cannot take the place of others", () =>
    Effect.gen(function* () {
      const box = yield* files
      const { rotateWhenDue } = yield* ringOf(box)
      const old = Option.getOrThrow(yield* box.read("data-1.key"))
      yield* TestClock.adjust(rotation)
      assert.isTrue(yield* rotateWhenDue)
      yield* box.write("data-2.key", old)
      assert.include((yield* Effect.flip(ringOf(box))).message, "data-2.key")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a process that is killed", () => {
  it.effect("at any step of the first boot leaves a folder that boots", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      let killed = 0
      for (let changes = 0; ; changes++) {
        const path = `${yield* folder}/security`
        const open = Effect.flatMap(PrivateFiles.open(path), (files) => ringOf(files))
        const exit = yield* Effect.exit(
          open.pipe(Effect.provideService(FileSystem.FileSystem, stopping(fileSystem, changes)))
        )
        const { open: opens, seal } = yield* open
        assert.strictEqual(text(yield* opens(yield* seal(bytes("value"), "place"), "place")), "value")
        if (Exit.isSuccess(exit)) break
        killed++
      }
      assert.isAtLeast(killed, 18)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("at any step of a rotation leaves keys that open everything, and the next boot comes to the end", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      let killed = 0
      for (let changes = 0; ; changes++) {
        const path = `${yield* folder}/security`
        const open = Effect.flatMap(PrivateFiles.open(path), (files) =>
          KeyRing.make({ files, master: Option.none(), rotation, overlap: Duration.days(30) })
        )
        // Two keys, of which the rotation to come removes the older one.
        const before = yield* open
        yield* TestClock.adjust(rotation)
        assert.isTrue(yield* before.rotateWhenDue)
        const sealed = yield* before.seal(bytes("value"), "place")
        yield* TestClock.adjust(rotation)

        const rotating = Effect.flatMap(open, ({ rotateWhenDue }) => rotateWhenDue)
        // Its folder is there: that is one change which is none.
        const dying = Effect.provideService(rotating, FileSystem.FileSystem, stopping(fileSystem, changes))
        const exit = yield* Effect.exit(dying)

        const after = yield* open
        assert.strictEqual(text(yield* after.open(sealed, "place")), "value")
        yield* after.rotateWhenDue
        assert.deepStrictEqual(yield* after.numbers, { current: 3, previous: [2] })
        assert.strictEqual(text(yield* after.open(sealed, "place")), "value")
        assert.strictEqual(text(yield* after.open(yield* after.seal(bytes("new"), "p"), "p")), "new")
        const names = yield* fileSystem.readDirectory(path)
        assert.sameMembers(
          names.filter((name) => !name.endsWith(".unfinished")),
          ["data-2.key", "data-3.key", "keys.json", "master.key"]
        )
        if (Exit.isSuccess(exit)) break
        killed++
      }
      assert.isAtLeast(killed, 12)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
