import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Context, Effect } from "effect"
import * as NodeView from "../../src/api/NodeView.ts"

class First extends Context.Service<First, object>()("test/first") {}
class Second extends Context.Service<Second, object>()("test/second") {}

const parts = [
  Component.make(First, { start: Effect.succeed({}), health: () => Effect.void }),
  Component.make(Second, { needs: [First], start: Effect.as(First, {}), health: () => Effect.void })
] as const

describe("NodeView", () => {
  it.live("tells of a boot before it is up as far as it has come, and everything after", () =>
    Effect.gen(function* () {
      const view = NodeView.make({ nodeId: "node-1", version: "1.2.3" })
      const seen: Array<string> = []
      const unfollow = view.follow((event) => void seen.push(event._tag))
      const before = yield* view.status(false)
      assert.deepStrictEqual(before.components, [])
      assert.strictEqual((yield* Effect.flip(view.health))._tag, "StillBooting")
      assert.strictEqual((yield* Effect.flip(view.impact("first")))._tag, "NoSuchComponent")

      const running = yield* Boot.make(parts, { observe: view.observe })
      assert.strictEqual((yield* Effect.flip(view.impact("first")))._tag, "StillBooting")
      view.adopt(running)
      assert.containSubset(yield* view.status(true), {
        node: "node-1",
        version: "1.2.3",
        outcome: "ready",
        accepting: true,
        components: [
          { name: "first", state: "ready" },
          { name: "second", state: "ready" }
        ]
      })
      assert.deepStrictEqual(yield* view.impact("first"), {
        component: "first",
        state: "ready",
        concerned: [{ component: "second", effect: "fails-boot" }],
        restoring: false
      })
      assert.strictEqual((yield* view.health).status, "healthy")
      assert.isNotEmpty((yield* view.why("second")).reasons)
      assert.strictEqual((yield* Effect.flip(view.why("third")))._tag, "NoSuchComponent")
      assert.strictEqual((yield* Effect.flip(view.restore("first")))._tag, "NotRestored")
      assert.include(seen, "BootReady")
      unfollow()
      const before_ = seen.length
      yield* running.stop()
      assert.strictEqual(seen.length, before_)
      assert.strictEqual((yield* view.report).outcome, "stopped")
    }).pipe(Effect.scoped)
  )
})
