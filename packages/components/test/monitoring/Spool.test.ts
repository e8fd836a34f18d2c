import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { Span } from "../../src/monitoring/Span.ts"
import * as Spool from "../../src/monitoring/Spool.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-spool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const spans = Arbitrary.sampleEffect(Arbitrary.schema(Span), { count: 25 })

describe("Spool", () => {
  it.live("gives back what was put into it, with what the spans of a boot share", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "spans")
      const all = yield* spans
      assert.strictEqual(all.length, 25)
      for (let i = 0; i < all.length; i += 5) {
        const plain = all.slice(i, i + 5)
        const items = [
          ...plain.map((span) => ({ resource: first, span })),
          ...plain.map((span) => ({ resource: second, span }))
        ]
        assert.isTrue(yield* Spool.write(path, items))
        const back = yield* Spool.read(path)
        assert.deepStrictEqual(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify(items)))
      }
      yield* Spool.clear(path)
      yield* Spool.clear(path)
      assert.deepStrictEqual(yield* Spool.read(path), [])
    }).pipe(Effect.scoped)
  )

  it.live("gives back nothing of a file that was cut anywhere, and leaves no half of one behind", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const path = join(directory, "spans")
      const some = (yield* spans).slice(0, 2)
      yield* Spool.write(
        path,
        some.map((span) => ({ resource: first, span }))
      )
      assert.deepStrictEqual(readdirSync(directory), ["spans"])
      const whole = readFileSync(path)
      for (let length = 0; length < whole.length; length += Math.ceil(whole.length / 100)) {
        writeFileSync(path, whole.subarray(0, length))
        assert.deepStrictEqual(yield* Spool.read(path), [])
      }
    }).pipe(Effect.scoped)
  )
})

const first = { "service.name": "novacron", pid: 1 }
const second = { "service.name": "novacron", isOther: true }
