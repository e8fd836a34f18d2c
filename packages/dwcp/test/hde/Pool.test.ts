import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { HdeUnavailable } from "../../src/hde/Failures.ts"
import * as Pool from "../../src/hde/Pool.ts"
import * as Source from "../../src/hde/Source.ts"
import { noise } from "./fixtures/contents.ts"

const bytes = noise(300_000, 1)
const hash = createHash("sha256").update(bytes).digest("hex")

describe("a pool of threads", () => {
  it.live("answers more tasks than it has threads", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make(2)
      const source = Source.memory(bytes)
      const answers = yield* Effect.forEach(Array.from({ length: 9 }), () => pool.run("hash", source), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(answers), new Set([hash]))
    }).pipe(Effect.scoped)
  )

  it.live("says what failed, and goes on", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make(1)
      const failure = yield* Effect.flip(pool.run("hash", Source.file("/nothing/there", 5)))
      assert.instanceOf(failure, HdeUnavailable)
      assert.include(failure.message, "hash a file")
      assert.match(String(failure instanceof HdeUnavailable && failure.cause), /ENOENT/)
      assert.strictEqual(yield* pool.run("hash", Source.memory(bytes)), hash)
    }).pipe(Effect.scoped)
  )

  it.live("gives the place of an interrupted task to the next one", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make(1)
      const long = yield* Effect.forkChild(pool.run("hash", Source.memory(Buffer.alloc(200_000_000))))
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(long)
      assert.strictEqual(yield* pool.run("hash", Source.memory(bytes)), hash)
    }).pipe(Effect.scoped)
  )

  it.live("lets nobody wait who is still there when it is closed, be it for an answer or for a turn", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(Pool.make(1), scope)
      const ask = (size: number) => Effect.flip(pool.run("hash", Source.memory(Buffer.alloc(size))))
      const waiting = yield* Effect.forEach([200_000_000, 10, 10], (size) => Effect.forkChild(ask(size)))
      yield* Effect.sleep("20 millis")
      yield* Scope.close(scope, Exit.void)
      const failures = yield* Effect.timeout(Effect.forEach(waiting, Fiber.join), "5 seconds")
      for (const failure of [...failures, yield* ask(10)]) {
        assert.instanceOf(failure, HdeUnavailable)
        assert.match(String(failure instanceof HdeUnavailable && failure.cause), /closed/)
      }
    })
  )
})
