import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
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

  it.effect("tells, without a boot, what the parts say when they are asked, and builds nothing again", () =>
    Effect.gen(function* () {
      let isThere = true
      const database = Effect.suspend(() => (isThere ? Effect.void : Effect.fail(new Error("no route to 10.0.0.9"))))
      const view = NodeView.withoutBoot({
        nodeId: "app",
        version: "1.0.0",
        probes: [
          { name: "security", check: Effect.void },
          { name: "database", check: database }
        ]
      })
      assert.containSubset(yield* view.health, {
        status: "healthy",
        ready: true,
        components: [
          { name: "security", status: "healthy" },
          { name: "database", status: "healthy", message: "" }
        ]
      })
      assert.containSubset(yield* view.status(true), { node: "app", outcome: "ready", accepting: true })
      isThere = false
      assert.containSubset(yield* view.health, {
        status: "unhealthy",
        ready: false,
        components: [{ name: "database", status: "unhealthy", message: "no route to 10.0.0.9" }]
      })
      assert.containSubset(yield* view.status(true), { outcome: "degraded" })
      assert.deepStrictEqual((yield* view.why("database")).reasons, [
        "database does not answer as it should: no route to 10.0.0.9"
      ])
      assert.deepInclude(yield* view.impact("database"), { state: "degraded", concerned: [] })
      assert.include((yield* Effect.flip(view.restore("database"))).message, "restart the application")
      assert.include((yield* Effect.flip(view.why("cache"))).message, "It has: security, database.")
    })
  )

  it.effect("does not wait, without a boot, for a part that never answers", () =>
    Effect.gen(function* () {
      const probes = [{ name: "database", check: Effect.never }]
      const asking = yield* Effect.forkChild(NodeView.withoutBoot({ nodeId: "app", version: "", probes }).health)
      yield* TestClock.adjust("3 seconds")
      assert.containSubset(yield* Fiber.join(asking), { status: "unhealthy", ready: false })
    })
  )
})
