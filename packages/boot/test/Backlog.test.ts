import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result } from "effect"
import * as Backlog from "../src/Backlog.ts"
import type { BootEvent } from "../src/BootEvent.ts"
import { readies, ready } from "./fixtures/bootEvents.ts"

const path = "/var/boot.journal"

const backlog = (options: { readonly capacity?: number; readonly fsync?: boolean } = {}) =>
  Effect.withFiber((fiber) =>
    Effect.sync(() =>
      Backlog.make(path, { capacity: 100, fsync: true, ...options, dispatcher: fiber.currentDispatcher })
    )
  )

describe("a backlog", () => {
  it.effect("hands out what was appended, in order, once", () =>
    Effect.gen(function* () {
      const it = yield* backlog()
      readies(3).forEach(it.append)
      assert.deepStrictEqual(it.take(), readies(3))
      it.append(ready(3))
      it.written(0)
      assert.deepStrictEqual(it.take(), [ready(3)])
      it.written(0)
      assert.isEmpty(it.take())
    })
  )

  it.effect("hands out no more at once than can be encoded without a pause", () =>
    Effect.gen(function* () {
      const it = yield* backlog({ capacity: 20_000 })
      const all = readies(10_000)
      all.forEach(it.append)
      const taken: Array<unknown> = []
      for (let batch = it.take(); batch.length > 0; batch = it.take()) {
        assert.isBelow(batch.length, 5000)
        taken.push(...batch)
        it.written(0)
      }
      assert.deepStrictEqual(taken, [...all])
    })
  )

  it.effect("drops what is beyond its capacity, what is being written included, and marks where it is missing", () =>
    Effect.gen(function* () {
      const it = yield* backlog({ capacity: 4 })
      readies(2).forEach(it.append)
      it.take()
      readies(7).slice(2).forEach(it.append)
      it.written(0)
      assert.deepStrictEqual(it.take(), [ready(2), ready(3), { _tag: "Hole", dropped: 3 }])
      it.written(0)
      it.synced()
      const { reason } = yield* Effect.flip(it.flush)
      assert.deepStrictEqual(reason, { _tag: "Full", path, lost: 3, capacity: 4 })
    })
  )

  it.effect("wants a sync for a checkpoint, for whoever waits, and at the end; not for anything else", () =>
    Effect.gen(function* () {
      const it = yield* backlog()
      const write = (...events: ReadonlyArray<BootEvent>) => {
        events.forEach(it.append)
        it.take()
        it.written(0)
        return it.mustSync()
      }
      assert.isFalse(write(ready(0)))
      assert.isTrue(write({ _tag: "CheckpointReached", atMs: 1, checkpoint: "init_start" }))
      it.synced()
      assert.isFalse(it.mustSync())
      assert.isFalse(write(ready(1)))
      const waiting = yield* Effect.forkChild(it.flush, { startImmediately: true })
      assert.isTrue(it.mustSync())
      assert.isUndefined(waiting.pollUnsafe())
      it.synced()
      yield* Effect.yieldNow
      assert.isDefined(waiting.pollUnsafe())
      assert.isFalse(write(ready(2)))
      it.close()
      assert.isTrue(it.mustSync())
    })
  )

  it.effect("is durable once it is written when nothing is synced", () =>
    Effect.gen(function* () {
      const it = yield* backlog({ fsync: false })
      it.append(ready(0))
      it.take()
      it.written(0)
      assert.isFalse(it.mustSync())
      yield* it.flush
    })
  )

  it.effect("that has failed says at which step, how many events that costs, and takes no more", () =>
    Effect.gen(function* () {
      const it = yield* backlog()
      readies(2).forEach(it.append)
      it.take()
      it.written(0)
      it.append(ready(2))
      it.take()
      it.append(ready(3))
      const waiting = yield* Effect.forkChild(Effect.result(it.flush), { startImmediately: true })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(it.trying("Sync", Effect.fail("EIO")))))
      it.fail("EIO")
      assert.isTrue(Result.isFailure(yield* Fiber.join(waiting)))
      it.append(ready(4))
      const error = yield* Effect.flip(it.flush)
      assert.deepStrictEqual(error.reason, { _tag: "Sync", path, lost: 5 })
      assert.strictEqual(error.cause, "EIO")
      assert.isEmpty(it.take())
    })
  )

  it.effect("that is closing takes no more, and has none once all is durable", () =>
    Effect.gen(function* () {
      const it = yield* backlog()
      it.append(ready(0))
      it.close()
      it.append(ready(1))
      assert.isTrue(yield* it.more)
      assert.deepStrictEqual(it.take(), [ready(0)])
      it.written(0)
      assert.isTrue(yield* it.more)
      it.synced()
      assert.isFalse(yield* it.more)
    })
  )
})
