import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Layer, Option } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"

class Settings extends Context.Service<Settings, { readonly url: string }>()("component/Settings") {}
class Cache extends Context.Service<Cache, { readonly kind: string }>()("component/Cache") {}
class Clock extends Context.Service<Clock, { readonly now: number }>()("component/Clock") {}
class Listener extends Context.Service<Listener, { readonly hears: ReadonlyArray<boolean> }>()("component/Listener") {}
class Down extends Data.TaggedError("Down")<{ readonly host: string }> {}
class BadUrl extends Data.TaggedError("BadUrl")<{ readonly url: string }> {}

const healthy = () => Effect.void
const start = Effect.gen(function* () {
  const { url } = yield* Settings
  if (url === "") return yield* new BadUrl({ url })
  if (url === "down") return yield* new Down({ host: url })
  return { kind: url }
})
const redis = Component.make(Cache, {
  name: "cache",
  needs: [Settings, Component.option(Clock), Component.late(Clock)],
  severity: { Down: "Degraded", BadUrl: "Critical" },
  phase: "service",
  priority: 3,
  slow: "1 second",
  stop: "2 seconds",
  start,
  health: healthy
})
const memory = Component.make(Cache, { name: "memory", start: Effect.succeed({ kind: "memory" }), health: healthy })

describe("Component", () => {
  it("declares everything once: the manifest is what was said", () => {
    const { manifest } = redis.pipe(
      Component.retry(Policy.standard),
      Component.timeout("3 seconds"),
      Component.deadline("9 seconds"),
      Component.fallback(memory)
    )
    assert.deepStrictEqual(manifest, {
      name: "cache",
      provides: ["component/Cache"],
      needs: [
        { key: "component/Settings", kind: "hard" },
        { key: "component/Clock", kind: "optional" },
        { key: "component/Clock", kind: "late" }
      ],
      phase: "service",
      severity: "degraded",
      optional: false,
      priority: 3,
      environments: undefined,
      variants: [
        { name: "cache", attempts: 3, retryMs: 3_000, timeoutMs: 3_000, deadlineMs: 9_000 },
        { name: "memory", attempts: 1, retryMs: 0, timeoutMs: 10_000, deadlineMs: Infinity }
      ],
      slowMs: 1_000,
      stopMs: 2_000,
      group: undefined
    })
  })

  it("is named after its service, and is critical, unless it says otherwise", () => {
    const { manifest } = Component.make(Clock, { start: Effect.succeed({ now: 0 }), health: healthy })
    assert.strictEqual(manifest.name, "Clock")
    assert.strictEqual(manifest.severity, "critical")
    assert.strictEqual(manifest.phase, "core")
  })

  it("leaves the component that a combinator was given as it was", () => {
    redis.pipe(Component.retry(Policy.standard), Component.fallback(memory), Component.when("datacenter"))
    assert.strictEqual(redis.manifest.variants.length, 1)
    assert.strictEqual(redis.manifest.variants[0].attempts, 1)
    assert.isUndefined(redis.manifest.environments)
  })

  const listener = Component.make(Listener, {
    needs: [Component.option(Clock), Component.late(Clock)],
    start: Effect.gen(function* () {
      const [now, later] = [yield* Component.option(Clock), yield* yield* Component.late(Clock)]
      return { hears: [now, later].map(Option.isSome) }
    }),
    health: healthy
  })

  it.effect("gets none of what an application says that it has none of, with the kernel and without", () =>
    Effect.gen(function* () {
      for (const layer of [listener.layer, Boot.layer([listener])]) {
        const { hears } = yield* Listener.pipe(Effect.provide(layer), Effect.provide(Component.absent(Clock)))
        assert.deepStrictEqual(hears, [false, false])
      }
    })
  )

  it.effect("gets what the boot has, whatever was said outside of it", () =>
    Effect.gen(function* () {
      const clock = Component.make(Clock, { start: Effect.succeed({ now: 0 }), health: healthy })
      const { hears } = yield* Listener.pipe(
        Effect.provide(Boot.layer([clock, listener])),
        Effect.provide(Component.absent(Clock))
      )
      assert.isTrue(hears[0])
    })
  )

  it("works data-first as well", () => {
    const piped = redis.pipe(Component.retry(Policy.standard), Component.timeout("1 second"))
    const direct = Component.timeout(Component.retry(redis, Policy.standard), "1 second")
    assert.deepStrictEqual(direct.manifest, piped.manifest)
  })

  it("may be absent only if a warning is the mildest of its failures", () => {
    const warning = Component.make(Clock, { severity: "Warning", start: Effect.fail("x"), health: healthy })
    assert.isTrue(warning.pipe(Component.optional).manifest.optional)
    assert.isFalse(redis.pipe(Component.optional).manifest.optional)
  })

  it("needs what its fallback needs, each once", () => {
    const other = Component.make(Cache, { name: "other", needs: [Settings, Clock], start, health: healthy })
    const { needs } = Component.make(Cache, {
      needs: [Settings],
      severity: "Degraded",
      start,
      health: healthy
    }).pipe(Component.fallback(other)).manifest
    assert.deepStrictEqual(
      needs.map(({ key }) => key),
      ["component/Settings", "component/Clock"]
    )
  })

  it.effect("makes a component of any layer, and builds it anew each time", () =>
    Effect.gen(function* () {
      let built = 0
      const layer = Layer.effect(
        Clock,
        Effect.sync(() => ({ now: ++built }))
      )
      const clock = Component.fromLayer(Clock, layer)
      const now = Effect.provide(
        Effect.map(Clock, ({ now }) => now),
        clock.layer
      )
      assert.deepStrictEqual([yield* now, yield* now], [1, 2])
      assert.strictEqual(clock.manifest.name, "Clock")
    })
  )

  it("makes one component of several: what they provide, and what they need from outside", () => {
    const store = Component.make(Clock, { needs: [Cache], start: Effect.succeed({ now: 1 }), health: healthy })
    const { manifest } = Component.group("storage", [redis.pipe(Component.fallback(memory)), store], {
      severity: "Degraded",
      phase: "service"
    })
    assert.strictEqual(manifest.name, "storage")
    assert.deepStrictEqual(manifest.provides, ["component/Cache", "component/Clock"])
    assert.deepStrictEqual(manifest.needs, [{ key: "component/Settings", kind: "hard" }])
    assert.strictEqual(manifest.severity, "degraded")
    assert.deepStrictEqual(
      manifest.group?.map(({ name }) => name),
      ["cache", "Clock"]
    )
  })
})
