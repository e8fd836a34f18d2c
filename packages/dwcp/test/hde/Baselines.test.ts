import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as Baselines from "../../src/hde/Baselines.ts"
import * as Source from "../../src/hde/Source.ts"
import { inserted, noise } from "./fixtures/contents.ts"
import { make } from "../../src/hde/Hde.ts"
import { settingsOf, withHde } from "./fixtures/service.ts"

const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const files = (folder: string): ReadonlyArray<string> => readdirSync(join(folder, "state/baselines")).toSorted()

describe("baselines", () => {
  it.live("are kept under their hash, for their owner alone", () =>
    withHde(({ baselines }, folder) =>
      Effect.gen(function* () {
        const content = noise(300_000, 1)
        writeFileSync(join(folder, "input"), content, { mode: 0o644 })
        const kept = [yield* baselines.keep(content), yield* baselines.keepFile(join(folder, "input"))]
        for (const { hash } of kept) assert.strictEqual(hash, sha(content))
        assert.deepStrictEqual(files(folder), [sha(content)])
        const place = join(folder, "state/baselines", sha(content))
        assert.strictEqual(statSync(place).mode & 0o777, 0o600)
        assert.strictEqual(statSync(join(folder, "state/baselines")).mode & 0o777, 0o700)
        const found = Option.getOrThrow(yield* baselines.find(sha(content)))
        assert.strictEqual(found.source.size, content.length)
        assert.isTrue(Option.isNone(yield* baselines.find(sha(Buffer.alloc(1)))))
      })
    )
  )

  it.live("go when there are too many, the one unused for longest first", () =>
    withHde(
      ({ baselines }, folder) =>
        Effect.gen(function* () {
          const contents = [1, 2, 3, 4].map((seed) => noise(20_000, seed))
          const [a, b, c, d] = contents.map(sha)
          for (const content of contents.slice(0, 3)) {
            yield* baselines.keep(content)
            yield* Effect.sleep("5 millis")
          }
          yield* baselines.find(a!)
          yield* Effect.sleep("5 millis")
          yield* baselines.keep(contents[3]!)
          assert.deepStrictEqual(files(folder), [a!, c!, d!].toSorted())
          assert.isTrue(Option.isNone(yield* baselines.find(b!)))
        }),
      { baselines: 3 }
    )
  )

  it.live("go when they are too large together, but not the one just kept", () =>
    withHde(
      ({ baselines }, folder) =>
        Effect.gen(function* () {
          yield* baselines.keep(noise(60_000, 1))
          yield* Effect.sleep("5 millis")
          yield* baselines.keep(noise(60_000, 2))
          assert.deepStrictEqual(files(folder), [sha(noise(60_000, 2))])
          yield* Effect.sleep("5 millis")
          yield* baselines.keep(noise(200_000, 3))
          assert.deepStrictEqual(files(folder), [sha(noise(200_000, 3))])
        }),
      { baselineBytes: "100 KiB" }
    )
  )

  it.live("are there again after a restart; one that rotted is not, and is gone", () =>
    withHde(({ baselines }, folder) =>
      Effect.gen(function* () {
        const [sound, rotten] = [noise(50_000, 1), noise(50_000, 2)]
        yield* baselines.keep(sound)
        yield* baselines.keep(rotten)
        const place = join(folder, "state/baselines", sha(rotten))
        const bytes = readFileSync(place)
        bytes[25_000]! ^= 1
        writeFileSync(place, bytes)
        utimesSync(place, 1, 1)
        writeFileSync(join(folder, "state/baselines/arriving"), "cut by a crash")
        const again = (yield* make(settingsOf(), join(folder, "state"))).baselines
        assert.strictEqual((yield* again.offer).baselines.length, 2)
        assert.isTrue(Option.isSome(yield* again.find(sha(sound))))
        assert.isTrue(Option.isNone(yield* again.find(sha(rotten))))
        assert.deepStrictEqual(files(folder), [sha(sound)])
      })
    )
  )

  it.live("of two nodes that are most like a content are found by what they offer each other", () =>
    withHde(({ baselines }) =>
      Effect.gen(function* () {
        const contents = [1, 2, 3].map((seed) => noise(3_000_000, seed))
        for (const content of contents) yield* baselines.keep(content)
        const mine = yield* baselines.offer
        const wire = Schema.decodeUnknownSync(Baselines.Offer)(JSON.parse(JSON.stringify(mine)))
        assert.deepStrictEqual(wire, mine)
        const after = Source.memory(inserted(contents[1]!, 1_000_000, noise(1000, 9)))
        const best = Option.getOrThrow(yield* baselines.nearest(after, wire))
        assert.strictEqual(best.hash, sha(contents[1]!))
        // What only one of both has is of no use.
        const theirs = { baselines: wire.baselines.filter(({ hash }) => hash !== best.hash) }
        assert.isTrue(Option.isNone(yield* baselines.nearest(after, theirs)))
        assert.isTrue(Option.isNone(yield* baselines.nearest(Source.memory(noise(3_000_000, 77)), wire)))
      })
    )
  )

  it("from a peer that lies about their form are refused", () => {
    const good = { hash: sha(Buffer.alloc(1)), size: 1, sketch: [] }
    const accepts = Schema.is(Baselines.Offer)
    assert.isTrue(accepts({ baselines: [good] }))
    for (const bad of [
      { ...good, hash: "../../etc/passwd" },
      { ...good, size: -1 },
      { ...good, sketch: Array.from({ length: 65 }, () => "0".repeat(16)) }
    ]) {
      assert.isFalse(accepts({ baselines: [bad] }))
    }
    assert.isFalse(accepts({ baselines: Array.from({ length: 1025 }, () => good) }))
  })
})
