import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import * as Alive from "../src/Alive.ts"
import * as Answers from "../src/Answers.ts"
import { begun, degraded, stage } from "./fixtures/Stage.ts"

const node = () => {
  const it = Alive.make(stage().surroundings)
  for (const event of [begun, ...degraded]) it.step(event)
  return it
}

describe("the answers of a node", () => {
  it.effect("keep to their schemas", () =>
    Effect.gen(function* () {
      const status = yield* Answers.answer(node(), { _tag: "Status" })
      const read = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Answers.Status))(JSON.stringify(status))
      assert.deepInclude(read, { pid: 4711, isStopping: false })
      assert.strictEqual(read.report.outcome, "degraded")
      assert.deepStrictEqual(yield* Answers.answer(node(), { _tag: "Ping" }), { pid: 4711 })
    })
  )

  it.effect("say why, and know whom they do not know", () =>
    Effect.gen(function* () {
      const lines = yield* Answers.answer(node(), { _tag: "Why", component: "cache" })
      assert.match(JSON.stringify(lines), /cache is degraded, on its fallback memory/)
      const unknown = yield* Effect.flip(Answers.answer(node(), { _tag: "Why", component: "cahce" }))
      assert.strictEqual(unknown.message, 'No component is called "cahce". Did you mean cache? There are cache.')
    })
  )

  it.effect("are no before the node is up", () =>
    Effect.gen(function* () {
      for (const request of [{ _tag: "Restore", component: "cache", confirmed: true }, { _tag: "Reload" }] as const) {
        const no = yield* Effect.flip(Answers.answer(node(), request))
        assert.include(no.message, "not up yet")
      }
      const health = yield* Answers.answer(node(), { _tag: "Health" })
      assert.deepInclude(health, { ready: false, status: "unknown" })
    })
  )

  it.effect("to a stop come when everything is down", () =>
    Effect.gen(function* () {
      const it = node()
      const asking = yield* Effect.forkChild(Answers.answer(it, { _tag: "Stop", because: "a test" }))
      assert.strictEqual((yield* Deferred.await(it.ending)).because, "a test")
      yield* Deferred.succeed(it.over, it.report())
      assert.deepInclude(yield* Fiber.join(asking), { outcome: "degraded" })
    })
  )
})
