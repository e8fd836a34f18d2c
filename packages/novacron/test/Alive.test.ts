import type { BootEvent } from "@novacron/boot/model"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as Alive from "../src/Alive.ts"
import { begun, degraded, stage } from "./fixtures/Stage.ts"

/** A node of which these things have happened. */
const node = (...events: ReadonlyArray<BootEvent.BootEvent>) => {
  const it = Alive.make(stage().surroundings)
  for (const event of events) it.step(event)
  return it
}

describe("a node while it lives", () => {
  it.effect("ends for the first reason that it is given", () =>
    Effect.gen(function* () {
      const it = node()
      assert.isTrue(yield* Alive.end(it, { because: "SIGTERM", signal: "SIGTERM" }))
      assert.isFalse(yield* Alive.end(it, { because: "SIGINT", signal: "SIGINT" }))
      assert.deepStrictEqual(yield* Deferred.await(it.ending), { because: "SIGTERM", signal: "SIGTERM" })
    })
  )

  it.effect("is alive and takes no work while it boots, and says how far each part is", () =>
    Effect.gen(function* () {
      const it = node(begun, { _tag: "ComponentStarted", atMs: 1, component: "cache", variant: 0, attempt: 1 })
      const asked = Alive.whileBooting(it)
      assert.isFalse(asked.accepting())
      assert.isFalse(yield* asked.ready)
      assert.strictEqual(asked.reason(), "the node is starting")
      const { components, status } = yield* asked.report
      assert.strictEqual(status, "unknown")
      assert.deepInclude(components[0], { name: "cache", status: "unknown", message: "it is running" })
      yield* Alive.end(it, { because: "SIGINT", signal: "SIGINT" })
      assert.strictEqual(asked.reason(), "the node stops")
    })
  )

  it("is told in a line, with whoever is not well", () => {
    assert.strictEqual(Alive.statusLine(node(begun).report()), "booting")
    assert.strictEqual(Alive.statusLine(node(begun, ...degraded).report()), "degraded: cache degraded")
  })

  it("names those that keep it from ending", () => {
    const busy = node(begun, { _tag: "ComponentStarted", atMs: 1, component: "cache", variant: 0, attempt: 1 })
    assert.strictEqual(Alive.blockers(busy.report()), "cache (running)")
    assert.strictEqual(Alive.blockers(node(begun, ...degraded).report()), "the process itself")
  })

  it("dumps what is going on, with the reasons", () => {
    const text = Alive.dump(node(begun, ...degraded))
    assert.match(text, /^--- state of pid 4711: degraded: cache degraded, rss 100 MB, heap 50 MB$/m)
    assert.include(text, "cache is degraded, on its fallback memory")
  })

  it.effect("is as old as its boot", () =>
    Effect.gen(function* () {
      // The test clock stands at the beginning of time, as this boot does.
      assert.strictEqual(yield* Alive.uptimeMs(node(begun).report()), 0)
      assert.strictEqual(yield* Alive.uptimeMs(node().report()), 0)
    })
  )
})
