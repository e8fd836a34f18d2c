import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import * as BootEvent from "../src/BootEvent.ts"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import { fails, world } from "./fixtures/parts.ts"

describe("BootEvent", () => {
  it.effect("can be read again from the JSON of whatever a boot says", () =>
    Effect.gen(function* () {
      const exact = Policy.make({ name: "exact", attempts: Infinity, jitter: 0 })
      const w = world()
      const redis = w.part("redis", {
        as: "cache",
        severity: "Degraded",
        slow: "1 second",
        takes: 2_000,
        then: (n) => (n < 3 ? fails("redis") : Effect.void)
      })
      const flaky = w.part("flaky", {
        phase: "pre",
        takes: 6_000,
        then: (n) => (n < 2 ? fails("flaky") : Effect.void),
        probe: () => Effect.sleep(1)
      })
      const absent = w.part("absent", { severity: "Warning", then: () => fails("absent") })
      const needy = w.part("needy", { needs: ["absent"], severity: "Warning" })
      const parts = [
        redis.pipe(Component.fallback(w.part("memory", { as: "cache" }))),
        flaky.pipe(Component.retry(Policy.make({ name: "exact", jitter: 0 }))),
        absent.pipe(Component.optional),
        needy.pipe(Component.optional)
      ] as const
      const phases = { pre: "20 seconds" } as const
      const exit = yield* w.boot(parts, { concurrency: 1, monitor: "5 seconds", restoration: exact, phases }, () =>
        Effect.sleep("20 seconds")
      )
      assert.isTrue(Exit.isSuccess(exit))
      const failed = world()
      yield* failed.boot([failed.part("bad", { then: () => fails("bad") }), failed.part("slow", { takes: 1_000 })])
      const events = [...w.events, ...failed.events]
      const kinds = new Set(events.map(({ _tag }) => _tag))
      const missing = BootEvent.BootEvent.members
        .map((it) => it.fields._tag.schema.literal)
        .filter((it) => !kinds.has(it))
      assert.deepStrictEqual(missing, [])
      for (const event of events) {
        assert.deepStrictEqual(Result.getOrThrow(BootEvent.decode(JSON.parse(JSON.stringify(event)))), event)
      }
    })
  )

  it("is a closed union: what it does not know it does not read", () => {
    const known = { _tag: "ComponentReady", atMs: 1, component: "a" }
    assert.isTrue(Result.isSuccess(BootEvent.decode(known)))
    for (const unknown of [
      { ...known, _tag: "ComponentVanished" },
      { ...known, atMs: "1" },
      { ...known, atMs: NaN },
      7
    ]) {
      assert.isTrue(Result.isFailure(BootEvent.decode(unknown)))
    }
  })
})
