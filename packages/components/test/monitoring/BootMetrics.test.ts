import { assert, describe, it } from "@effect/vitest"
import type { BootEvent } from "@novacron/boot/model"
import { Effect, Exit } from "effect"
import * as BootMetrics from "../../src/monitoring/BootMetrics.ts"
import * as Exposition from "../../src/monitoring/Exposition.ts"
import * as Tally from "../../src/monitoring/Tally.ts"
import { boot, type World } from "./fixtures/Boots.ts"
import { parse } from "./fixtures/Promtool.ts"

/** The metrics of a life, when it is up and when it is over. */
const life = (world: World, forMs = 0) =>
  Effect.gen(function* () {
    const fold = BootMetrics.make(Tally.make(100))
    let cpuSeconds = 0
    const usage = () => ({ cpuSeconds: (cpuSeconds += 0.5), heapBytes: cpuSeconds * 1_000 })
    const exit = yield* boot(world, (event) => {
      BootMetrics.step(fold, event, BootMetrics.changesUsage(event) ? usage() : undefined)
    })
    yield* Effect.sleep(forMs)
    const up = read(fold)
    if (Exit.isSuccess(exit)) yield* exit.value.stop()
    return { up, over: read(fold), fold, used: () => cpuSeconds }
  }).pipe(Effect.scoped)

const read = (fold: BootMetrics.Fold) => {
  const families = [...fold.tally.families(), ...Exposition.ofFigures(BootMetrics.figures(fold))]
  const { samples } = parse(Exposition.write("text", families, 1_000).text)
  return (name: string, labels: { readonly [label: string]: string } = {}) =>
    samples.find(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value)
    )?.value
}

/** Those of the boot. `search` fails, and the boot goes without it. */
const names = ["settings", "database", "cache", "search", "group", "group/inner", "api"]

describe("BootMetrics", () => {
  it.live("has the figures of a boot: phases, components, retries, errors by type, probes, states and health", () =>
    Effect.gen(function* () {
      let tries = 0
      const { over, up } = yield* life({ cacheIsDown: () => ++tries < 1_000 }, 100)
      assert.strictEqual(up("novacron_boot_outcome", { outcome: "degraded" }), 1)
      assert.strictEqual(up("novacron_boot_outcome", { outcome: "ready" }), 0)
      for (const phase of ["pre_init", "core_init", "service_init", "post_init"]) {
        assert.isDefined(up("novacron_init_duration_seconds", { phase }), phase)
      }
      // The database takes ten milliseconds, in this phase.
      assert.isAtLeast(up("novacron_init_duration_seconds", { phase: "core_init" }) ?? 0, 0.009)
      assert.isAtLeast(up("novacron_component_init_duration_seconds", { component: "database" }) ?? 0, 0.009)
      assert.isAtLeast(up("novacron_init_total_duration_seconds") ?? 0, 0.012)
      const successes = names.map((component) => up("novacron_component_init_success_total", { component }))
      assert.deepStrictEqual(successes, [1, 1, 1, 0, 1, 1, 1])
      for (const component of names) {
        assert.isDefined(up("novacron_component_init_duration_seconds", { component }), component)
      }
      assert.strictEqual(up("novacron_component_init_failures_total", { component: "database" }), 0)
      assert.isAtLeast(up("novacron_component_init_failures_total", { component: "cache" }) ?? 0, 2)
      // The group is one, as in the report.
      assert.strictEqual(up("novacron_components_initialized_total"), 5)
      assert.strictEqual(up("novacron_components_failed_total"), 1)
      const cache = { component: "cache" }
      assert.strictEqual(up("novacron_component_health_status", { component: "database" }), 1)
      assert.strictEqual(up("novacron_component_health_status", cache), 0.5)
      assert.strictEqual(up("novacron_component_health_status", { component: "search" }), 0)
      assert.strictEqual(up("novacron_component_state", { ...cache, state: "degraded" }), 1)
      assert.strictEqual(up("novacron_component_state", { ...cache, state: "running" }), 0)
      assert.strictEqual(up("novacron_component_retry_attempts_total", cache), 2)
      assert.strictEqual(up("novacron_component_retry_successes_total", cache), 0)
      assert.strictEqual(up("novacron_component_retry_success_ratio", cache), 0)
      assert.isAtLeast(up("novacron_component_errors_total", { ...cache, error_type: "Refused" }) ?? 0, 3)
      assert.isAtLeast(up("novacron_component_restorations_total", { ...cache, outcome: "failed" }) ?? 0, 1)
      assert.strictEqual(up("novacron_component_health_check_duration_seconds_count", { component: "database" }), 1)
      assert.isAbove(up("novacron_component_health_check_duration_seconds_sum", { component: "database" }) ?? 0, 0.001)
      assert.isUndefined(up("novacron_shutdown_duration_seconds"))
      assert.isAbove(over("novacron_shutdown_duration_seconds") ?? 0, 0)
      assert.strictEqual(over("novacron_shutdown_clean"), 1)
      assert.strictEqual(over("novacron_boot_outcome", { outcome: "stopped" }), 1)
      assert.strictEqual(over("novacron_component_health_status", { component: "database" }), 0)
      // A counter does not go down when everything does.
      assert.strictEqual(over("novacron_components_initialized_total"), up("novacron_components_initialized_total"))
      assert.isUndefined(over("novacron_rollbacks_total"))
    })
  )

  it("knows how long each repair took: from the first sign until the component is itself and well again", () => {
    const fold = BootMetrics.make(Tally.make(100))
    const begun = { bootId: "b", nodeId: "n", environment: "hybrid", configVersion: "", startedAt: 0, concurrency: 1 }
    const step = (event: BootEvent.BootEvent) => BootMetrics.step(fold, event)
    step({ _tag: "BootStarted", atMs: 0, version: 1, worstCaseMs: 1, components: [], ...begun })
    const turns = (atMs: number, component: string, healthy: boolean) =>
      step({ _tag: "HealthChanged", atMs, component, healthy, message: "" })
    const swaps = (atMs: number, variant: number) =>
      step({ _tag: "SwapCompleted", atMs, component: "cache", variant, closing: "clean" })
    const repairs = (component: string) => {
      const of = read(fold)
      return ["count", "sum"].map((it) => of(`novacron_component_repair_duration_seconds_${it}`, { component }))
    }
    // Well from the beginning: nothing was repaired.
    turns(500, "database", true)
    turns(1_000, "database", false)
    turns(1_000, "cache", false)
    swaps(1_500, 1)
    assert.deepStrictEqual(repairs("cache"), [undefined, undefined])
    // Its fallback is well, which is not what was broken.
    turns(2_000, "cache", true)
    assert.deepStrictEqual(repairs("cache"), [undefined, undefined])
    turns(4_000, "database", true)
    assert.deepStrictEqual(repairs("database"), [1, 3])
    swaps(9_000, 0)
    assert.deepStrictEqual(repairs("cache"), [1, 8])
    turns(9_500, "cache", true)
    assert.deepStrictEqual(repairs("cache"), [1, 8])
    turns(10_000, "database", false)
    turns(10_500, "database", true)
    assert.deepStrictEqual(repairs("database"), [2, 3.5])
  })

  it.live("counts a rollback and how long it took, by its reason", () =>
    Effect.gen(function* () {
      const { over } = yield* life({ databaseFails: true })
      assert.strictEqual(over("novacron_rollbacks_total", { reason: "failed" }), 1)
      assert.strictEqual(over("novacron_rollback_duration_seconds_count", { reason: "failed" }), 1)
      assert.strictEqual(over("novacron_boot_outcome", { outcome: "failed" }), 1)
      assert.strictEqual(over("novacron_component_init_failures_total", { component: "database" }), 2)
      assert.isUndefined(over("novacron_shutdown_clean"))
    })
  )

  it.live(
    "shares all CPU time that was used while something was starting, and gives memory only to those that were alone",
    () =>
      Effect.gen(function* () {
        const { fold, up } = yield* life({})
        const shared = [...fold.cpuSeconds.values()].reduce((sum, one) => sum + one, 0)
        assert.isAbove(shared, 1)
        assert.isAbove(up("novacron_component_init_cpu_seconds", { component: "settings" }) ?? 0, 0)
        assert.strictEqual(up("novacron_component_init_heap_bytes", { component: "settings" }), 500)
        // The cache was starting together with the database.
        assert.isUndefined(up("novacron_component_init_heap_bytes", { component: "cache" }))
      })
  )

  it("takes the worse of what the boot and a probe say, and counts what turned unhealthy as an error", () => {
    const fold = BootMetrics.make(Tally.make(100))
    const member = { phase: "core", severity: "critical", needs: [], fallbacks: [] } as const
    const events: ReadonlyArray<BootEvent.BootEvent> = [
      { ...begin, components: [{ ...member, name: "a" }] },
      { _tag: "ComponentStarted", atMs: 1, component: "a", variant: 0, attempt: 1 },
      { _tag: "ComponentReady", atMs: 2, component: "a" }
    ]
    for (const event of events) BootMetrics.step(fold, event)
    assert.strictEqual(read(fold)("novacron_component_health_status"), 1)
    BootMetrics.probed(fold, "a", 0.2, 0.5, 1)
    assert.strictEqual(read(fold)("novacron_component_health_status"), 0.5)
    BootMetrics.step(fold, { _tag: "HealthChanged", atMs: 3, component: "a", healthy: false, message: "no" })
    assert.strictEqual(read(fold)("novacron_component_health_status"), 0)
    assert.strictEqual(read(fold)("novacron_component_errors_total", { error_type: "Unhealthy" }), 1)
    assert.strictEqual(read(fold)("novacron_component_health_check_duration_seconds_sum"), 0.2)
  })
})

const begin: BootEvent.Of<"BootStarted"> = {
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId: "b",
  nodeId: "n",
  environment: "test",
  configVersion: "",
  startedAt: 1_700_000_000_000,
  concurrency: 4,
  worstCaseMs: 1,
  components: []
}
