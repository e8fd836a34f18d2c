import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Difference } from "../../src/amst/index.ts"
import * as Hde from "../../src/hde/index.ts"
import { folder, noise } from "./fixtures/worlds.ts"

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** An earlier and a later version of a file, what encodes, and a receiver with a folder. */
const world = Effect.gen(function* () {
  const [mine, theirs, kept] = [yield* folder, yield* folder, yield* folder]
  const before = noise(2_000_000)
  const after = Buffer.concat([before.subarray(0, 700_000), noise(3_000), before.subarray(700_000)])
  const [base, file] = [join(mine, "monday"), join(mine, "tuesday")]
  writeFileSync(base, before)
  writeFileSync(file, after)
  const hde = yield* Hde.make(Schema.decodeUnknownSync(Hde.Settings)({}), kept)
  const taker = yield* Difference.taker(hde, theirs)
  return { mine, theirs, before, after, base, file, hde, taker }
})
const named = (bytes: Uint8Array) => ({ hash: sha(bytes), size: bytes.length })

describe("Difference", () => {
  it.live("makes the file again from the one that both have, and leaves nothing else behind", () =>
    Effect.gen(function* () {
      const { after, base, before, file, hde, taker, theirs } = yield* world
      writeFileSync(join(theirs, "called otherwise"), before)
      const packed = yield* Difference.pack(hde, file, base)
      assert.deepStrictEqual(packed.difference, { name: "tuesday", base: named(before), content: named(after) })
      assert.isBelow(packed.storedBytes, 20_000)
      const found = yield* Effect.promise(() => taker.find(packed.difference.base))
      assert.strictEqual(found, join(theirs, "called otherwise"))
      const [frame, output] = [join(theirs, ".frame"), join(theirs, "tuesday")]
      copyFileSync(packed.path, frame)
      const refused = yield* Effect.promise(() => taker.unpack(frame, output, found!, packed.difference.content))
      assert.isUndefined(refused)
      assert.isTrue(readFileSync(output).equals(after))
      assert.strictEqual(statSync(output).mode & 0o777, 0o600)
      assert.deepStrictEqual(readdirSync(theirs).toSorted(), ["called otherwise", "tuesday"])
      yield* packed.over
      assert.isFalse(existsSync(packed.path))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("keeps what was packed for another go, where only its owner can read it, and knows when a file changed", () =>
    Effect.gen(function* () {
      const { base, file, hde } = yield* world
      const first = yield* Difference.pack(hde, file, base)
      assert.strictEqual(statSync(dirname(first.path)).mode & 0o077, 0)
      const { ino, mtimeNs } = statSync(first.path, { bigint: true })
      const again = yield* Difference.pack(hde, file, base)
      const seen = statSync(again.path, { bigint: true })
      assert.deepStrictEqual([again.path, seen.ino, seen.mtimeNs], [first.path, ino, mtimeNs])
      utimesSync(file, 1, 1)
      const other = yield* Difference.pack(hde, file, base)
      assert.notStrictEqual(other.path, first.path)
      yield* Effect.andThen(first.over, other.over)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("finds a file by its content only, and sees when that changes", () =>
    Effect.gen(function* () {
      const { before, taker, theirs } = yield* world
      const find = Effect.promise(() => taker.find(named(before)))
      const path = join(theirs, "base")
      const alike = Buffer.from(before)
      alike[1_000_000]! ^= 1
      writeFileSync(path, alike)
      writeFileSync(join(theirs, ".base.part"), before) // not a file that anybody sees
      assert.isUndefined(yield* find)
      writeFileSync(path, before)
      assert.strictEqual(yield* find, path)
      writeFileSync(path, alike)
      utimesSync(path, 5, 5)
      assert.isUndefined(yield* find)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("makes nothing of what is changed, of another base, of other sizes and hashes than were said", () =>
    Effect.gen(function* () {
      const { after, base, file, hde, mine, taker, theirs } = yield* world
      const packed = yield* Difference.pack(hde, file, base)
      const good = readFileSync(packed.path)
      yield* packed.over
      const other = join(mine, "other")
      writeFileSync(other, noise(2_000_000))
      const bomb = Buffer.from(good)
      bomb.writeBigUInt64LE(2n ** 43n, 8)
      const changed = Buffer.from(good)
      changed[good.length >> 1]! ^= 1
      const is = named(after)
      const cases: ReadonlyArray<readonly [string, Buffer, string, { readonly hash: string; readonly size: number }]> =
        [
          ["base", good, other, is],
          ["base", good, join(mine, "monday2"), is],
          ["hash", changed, base, is],
          ["hash", good.subarray(0, good.length - 20), base, is],
          ["hash", good, base, { ...is, hash: sha(good) }],
          ["size", good, base, { ...is, size: is.size - 1 }],
          ["size", bomb, base, is],
          ["size", Buffer.alloc(0), base, is],
          ["size", noise(5_000), base, is]
        ]
      writeFileSync(join(mine, "monday2"), Buffer.concat([readFileSync(base), Buffer.from("x")]))
      for (const [reason, bytes, from, content] of cases) {
        const frame = join(theirs, ".frame")
        writeFileSync(frame, bytes)
        const refused = yield* Effect.promise(() => taker.unpack(frame, join(theirs, "out"), from, content))
        assert.strictEqual(refused?.reason, reason, refused?.detail)
        assert.deepStrictEqual(readdirSync(theirs), [])
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("says which file cannot be read", () =>
    Effect.gen(function* () {
      const { file, hde, mine } = yield* world
      const error = yield* Effect.flip(Difference.pack(hde, file, join(mine, "nothing")))
      assert.strictEqual(error._tag, "FileUnavailable")
      assert.include(error.message, "nothing")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
