import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Exit, Layer, Option } from "effect"
import * as Component from "../src/Component.ts"
import { Environment } from "../src/Environment.ts"
import * as Policy from "../src/Policy.ts"
import { Critical, Defect, Degraded, TimedOut, Unhealthy, Warning } from "../src/Severity.ts"
import * as Virtual from "./fixtures/virtual.ts"

class Cache extends Context.Service<Cache, { readonly kind: string }>()("standalone/Cache") {}
class Down extends Data.TaggedError("Down")<{ readonly attempt: number }> {}

const healthy = () => Effect.void
const quick = Policy.make({ name: "quick", attempts: 3, delay: "1 second", jitter: 0 })

/** A cache that is down until its third attempt, and what it has done. */
const scripted = (upAt: number) => {
  const did: Array<string> = []
  let attempts = 0
  const start = Effect.gen(function* () {
    const attempt = ++attempts
    yield* Effect.acquireRelease(
      Effect.sync(() => did.push(`open ${attempt}`)),
      () => Effect.sync(() => did.push(`close ${attempt}`))
    )
    if (attempt < upAt) return yield* new Down({ attempt })
    return { kind: `redis ${attempt}` }
  })
  return { did, redis: Component.make(Cache, { severity: "Degraded", start, health: healthy }) }
}
const memory = Component.make(Cache, { start: Effect.succeed({ kind: "memory" }), health: healthy })

/** What the layer provides, or its error, in virtual time. */
const kindOf = <E>(layer: Layer.Layer<Cache, E>) =>
  Virtual.run(
    Effect.provide(
      Effect.map(Cache, ({ kind }) => kind),
      layer
    )
  )
const errorOf = (exit: Exit.Exit<unknown, unknown>) => {
  assert.isTrue(Exit.isFailure(exit))
  return Option.getOrUndefined(Exit.findErrorOption(exit))
}

describe("a component without the kernel", () => {
  it.effect("is a layer like any other", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* kindOf(memory.layer), Exit.succeed("memory"))
    })
  )

  it.effect("tries again under its policy, each time in a scope of its own", () =>
    Effect.gen(function* () {
      const { did, redis } = scripted(3)
      const layer = redis.pipe(Component.retry(quick)).layer
      assert.deepStrictEqual(yield* kindOf(layer), Exit.succeed("redis 3"))
      assert.deepStrictEqual(did, ["open 1", "close 1", "open 2", "close 2", "open 3", "close 3"])
    })
  )

  it.effect("fails with its severity when its attempts are used up", () =>
    Effect.gen(function* () {
      const { did, redis } = scripted(9)
      const error = errorOf(yield* kindOf(redis.pipe(Component.retry(quick)).layer))
      assert.instanceOf(error, Degraded)
      assert.deepStrictEqual(error.cause, new Down({ attempt: 3 }))
      assert.strictEqual(did.length, 6)
    })
  )

  it.effect("falls back", () =>
    Effect.gen(function* () {
      const layer = scripted(9).redis.pipe(Component.retry(quick), Component.fallback(memory)).layer
      assert.deepStrictEqual(yield* kindOf(layer), Exit.succeed("memory"))
    })
  )

  it.effect("does not try again what its policy gives up", () =>
    Effect.gen(function* () {
      const { did, redis } = scripted(9)
      const never = Policy.perError(quick, { Down: Policy.never })
      assert.instanceOf(errorOf(yield* kindOf(redis.pipe(Component.retry(never)).layer)), Degraded)
      assert.deepStrictEqual(did, ["open 1", "close 1"])
    })
  )

  it.effect("is absent when it fails with a warning and may be", () =>
    Effect.gen(function* () {
      const absent = Component.make(Cache, {
        severity: "Warning",
        start: Effect.fail(new Down({ attempt: 1 })),
        health: healthy
      })
      assert.instanceOf(errorOf(yield* kindOf(absent.layer)), Warning)
      const found = Effect.provide(Component.option(Cache), absent.pipe(Component.optional).layer)
      assert.deepStrictEqual(yield* found, Option.none())
      const later = Effect.provide(Effect.flatten(Component.late(Cache)), memory.layer)
      assert.deepStrictEqual(yield* later, Option.some({ kind: "memory" }))
    })
  )

  it.effect("exists in its environments alone", () =>
    Effect.gen(function* () {
      const layer = memory.pipe(Component.when("datacenter", "hybrid")).layer
      const found = Effect.provide(Component.option(Cache), layer)
      assert.deepStrictEqual(yield* found, Option.none())
      const there = Effect.provideService(found, Environment, "hybrid")
      assert.deepStrictEqual(yield* there, Option.some({ kind: "memory" }))
    })
  )

  it.effect("is given up when an attempt, or all of them, take too long", () =>
    Effect.gen(function* () {
      const slow = Component.make(Cache, {
        start: Effect.as(Effect.sleep("1 hour"), { kind: "slow" }),
        health: healthy
      })
      const attempt = errorOf(yield* kindOf(slow.pipe(Component.timeout("2 seconds")).layer))
      assert.instanceOf(attempt, Critical)
      assert.deepInclude(attempt.cause, { scope: "attempt", afterMs: 2_000, during: "start" })
      const all = slow.pipe(Component.timeout("2 seconds"), Component.retry(quick), Component.deadline("3 seconds"))
      const component = errorOf(yield* kindOf(all.layer))
      assert.instanceOf(component, Critical)
      assert.instanceOf(component.cause, TimedOut)
      assert.strictEqual(component.cause.scope, "component")
    })
  )

  it.effect("is not there when its probe says no, or does not answer", () =>
    Effect.gen(function* () {
      const probed = (health: Effect.Effect<unknown, string>) =>
        Component.make(Cache, { start: Effect.succeed({ kind: "sick" }), health: () => health }).pipe(
          Component.timeout("1 second")
        ).layer
      const sick = errorOf(yield* kindOf(probed(Effect.fail("no answer"))))
      assert.instanceOf(sick, Critical)
      assert.instanceOf(sick.cause, Unhealthy)
      const mute = errorOf(yield* kindOf(probed(Effect.never)))
      assert.instanceOf(mute, Critical)
      assert.deepInclude(mute.cause, { _tag: "TimedOut", during: "probe" })
    })
  )

  it.effect("takes a defect for critical, whatever its table says", () =>
    Effect.gen(function* () {
      const buggy = Component.make(Cache, { severity: "Warning", start: Effect.die("bug"), health: healthy })
      const error = errorOf(yield* kindOf(buggy.pipe(Component.optional).layer.pipe(Layer.provideMerge(memory.layer))))
      assert.instanceOf(error, Critical)
      assert.instanceOf(error.cause, Defect)
    })
  )

  it.effect("checks its settings first", () =>
    Effect.gen(function* () {
      const { did, redis } = scripted(1)
      const checked = Component.mapRecipe(redis, (recipe) => ({ ...recipe, validate: Effect.fail("bad url") }))
      const error = errorOf(yield* kindOf(checked.layer))
      assert.instanceOf(error, Critical)
      assert.strictEqual(error.cause, "bad url")
      assert.deepStrictEqual(did, [])
    })
  )
})
