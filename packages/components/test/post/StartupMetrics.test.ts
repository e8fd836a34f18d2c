import { assert, describe, it } from "@effect/vitest"
import { Boot, Component, Policy } from "@novacron/boot"
import { Context, Effect, Metric } from "effect"
import * as StartupMetrics from "../../src/post/StartupMetrics.ts"

class Steady extends Context.Service<Steady, { readonly up: true }>()("test/steady") {}
class Shaky extends Context.Service<Shaky, { readonly up: true }>()("test/shaky") {}

/** A boot of two components, one of which needs three attempts. */
const boot = Effect.suspend(() => {
  let attempts = 0
  const steady = Component.make(Steady, { start: Effect.succeed({ up: true }), health: () => Effect.void })
  const shaky = Component.make(Shaky, {
    needs: [Steady],
    start: Effect.suspend(() =>
      ++attempts < 3 ? Effect.fail(new Error("not yet")) : Effect.succeed({ up: true as const })
    ),
    health: () => Effect.void
  }).pipe(Component.retry(Policy.make({ name: "quick", attempts: 3, delay: "1 millis" })))
  return Boot.make([steady, shaky])
})

describe("StartupMetrics", () => {
  it.live("gives the figures of a boot their canonical names, with every phase and every component", () =>
    Effect.gen(function* () {
      const { report } = yield* boot
      const figures = StartupMetrics.figures(yield* report)
      const of = (name: string, labels: { readonly [label: string]: string } = {}) =>
        figures.find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.value
      assert.deepStrictEqual(
        figures.flatMap(({ labels, name }) => (name === "novacron_init_duration_seconds" ? labels["phase"] : [])),
        ["pre_init", "core_init", "service_init", "post_init"]
      )
      assert.strictEqual(of("novacron_component_retry_attempts_total", { component: "shaky" }), 2)
      assert.strictEqual(of("novacron_component_retry_attempts_total", { component: "steady" }), 0)
      assert.strictEqual(of("novacron_component_init_failures_total", { component: "shaky" }), 2)
      assert.strictEqual(of("novacron_component_init_success_total", { component: "shaky" }), 1)
      assert.strictEqual(of("novacron_components_initialized_total"), 2)
      assert.strictEqual(of("novacron_components_failed_total"), 0)
      assert.isAbove(of("novacron_init_total_duration_seconds") ?? 0, 0)
      assert.isAbove(of("novacron_component_init_duration_seconds", { component: "shaky" }) ?? 0, 0)
    }).pipe(Effect.scoped)
  )

  it.live("writes them into the registry, and counts nothing twice when it writes again", () =>
    Effect.gen(function* () {
      const { report } = yield* boot
      const write = StartupMetrics.recorder()
      const figures = StartupMetrics.figures(yield* report)
      yield* write(figures)
      yield* write(figures)
      const all = yield* Metric.snapshot
      const of = (id: string, component?: string) =>
        all.find((one) => one.id === id && (component === undefined || one.attributes?.["component"] === component))
      const retries = of("novacron_component_retry_attempts_total", "shaky")
      assert.deepInclude(retries, { type: "Counter", state: { count: 2, incremental: true } })
      assert.strictEqual(of("novacron_init_duration_seconds")?.type, "Gauge")
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, new Set(figures.map(({ name }) => name)).size)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), Effect.scoped)
  )
})
