import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type * as Amst from "../../src/amst/Amst.ts"
import * as Carrier from "../../src/group/Carrier.ts"
import type { Coded } from "../../src/group/Coding.ts"

/** A link that notes what it is given, and is done after a second. */
const world = Effect.gen(function* () {
  const log: Array<string> = []
  const scope = yield* Scope.make()
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => void log.push("closed"))
  )
  const receipt: Amst.Receipt = { hash: "", bytes: 0, resumedBytes: 0 }
  const send: Amst.Link["send"] = (bytes, options) =>
    Effect.as(Effect.sleep("1 second"), receipt).pipe(
      Effect.tap(() => Effect.sync(() => void log.push(`${bytes.length} ${options?.priority} ${options?.name}`))),
      Effect.onInterrupt(() => Effect.sync(() => void log.push("withdrawn")))
    )
  const link: Amst.Link = { send, sendFile: () => Effect.never, status: Effect.never, sever: () => Effect.void }
  const half = (content: Uint8Array): Effect.Effect<Coded> =>
    Effect.succeed({ encoding: "hde", bytes: content.subarray(content.length / 2), codec: "half" })
  const carrier = Carrier.ofAmst(link, half, { peer: "b:1", scope, mode: "hybrid" })
  const envelope = { sender: "0".repeat(32), number: 1, floor: 1, channel: "c", encoding: "plain" as const }
  const go = Carrier.using(carrier, (it) => it.send(envelope, Buffer.alloc(10), "critical"))
  return { carrier, go, log }
})

const within = Duration.seconds(10)

describe("Carrier", () => {
  it.effect("writes on the envelope what was done to the content, and says what was sent for it", () =>
    Effect.gen(function* () {
      const { carrier, go, log } = yield* world
      const sending = yield* Effect.forkChild(go)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(sending), { wireBytes: 5, codec: "half" })
      assert.match(log[0] ?? "", /^5 critical .*"e":"hde"/u)
      assert.strictEqual(carrier.users, 0)
    })
  )

  it.effect("drains: it closes after its last user", () =>
    Effect.gen(function* () {
      const { carrier, go, log } = yield* world
      const sending = yield* Effect.forkChild(go)
      yield* Effect.yieldNow
      const draining = yield* Effect.forkChild(Carrier.drain(carrier, within))
      yield* Effect.yieldNow
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      yield* Fiber.join(draining)
      assert.strictEqual(log[1], "closed")
    })
  )

  it.effect("cuts off what does not end in time, takes it back, and only then closes", () =>
    Effect.gen(function* () {
      const { carrier, go, log } = yield* world
      const sending = yield* Effect.forkChild(Effect.exit(go))
      yield* Effect.yieldNow
      yield* Carrier.drain(carrier, Duration.zero).pipe(
        Effect.forkChild,
        Effect.tap(() => TestClock.adjust("1 millis")),
        Effect.flatMap(Fiber.join)
      )
      assert.isTrue(Exit.isFailure(yield* Fiber.join(sending)))
      assert.deepStrictEqual(log, ["withdrawn", "closed"])
      assert.isTrue(carrier.closed)
    })
  )
})
