import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { BootEvent, Failure } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"

const failure = (severity: Failure["severity"]): Failure => ({ kind: "error", tag: "Down", message: "down", severity })

const variant = (name: string) => ({ name, attempts: 1, retryMs: 0, timeoutMs: 1_000, deadlineMs: Infinity })
const optional = { optional: true, severity: "warning" } as const
const cache = Manifest.make({
  name: "cache",
  severity: "degraded",
  variants: [variant("cache"), variant("memory")]
})

/** A boot that is told facts by name, and what it tells and commands. */
const boot = (...manifests: ReadonlyArray<Manifest.Manifest>) => {
  const plan = Result.getOrThrow(Plan.make(manifests))
  const state = Progress.make(plan)
  const output: Progress.Output = { events: [], commands: [] }
  const tell = (input: Progress.Input) => Progress.advance(state, input, output)
  const at = (name: string) => plan.index.get(name)!
  const take = () => {
    const told = output.events.map((event: BootEvent) =>
      "component" in event ? `${event._tag} ${event.component}` : event._tag
    )
    output.events.length = 0
    return told
  }
  return {
    state,
    tell,
    take,
    commands: output.commands,
    up: (name: string, atMs = 0) => tell({ _tag: "Healthy", atMs, component: at(name) }),
    fail: (name: string, severity: Failure["severity"], restoreInMs: number | null, atMs = 0) => {
      const component = at(name)
      tell({ _tag: "Failed", atMs, component, failure: failure(severity), retryInMs: null, restoreInMs })
      tell({ _tag: "Closed", atMs, component, closing: "clean" })
    },
    persisted: (atMs = 0) => tell({ _tag: "Persisted", atMs }),
    tick: (atMs: number) => tell({ _tag: "Tick", atMs }),
    component: at
  }
}

/** A boot whose cache runs on memory since 0, and is to be restored after a second. */
const degraded = () => {
  const it = boot(cache)
  it.tell({ _tag: "Begin", atMs: 0 })
  it.fail("cache", "degraded", 1_000)
  it.up("cache")
  it.persisted()
  assert.strictEqual(it.state.stage, "ready")
  it.take()
  return it
}

describe("Restoration", () => {
  it("swaps a degraded component back when its delay is over", () => {
    const it = degraded()
    it.tick(999)
    assert.deepStrictEqual(it.take(), [])
    it.tick(1_000)
    assert.deepStrictEqual(it.take(), ["SwapStarted cache"])
    assert.deepInclude(it.commands.at(-1), { _tag: "Swap", variant: 0 })
    const component = it.component("cache")
    it.tell({ _tag: "Swapped", atMs: 1_100, component, variant: 0, closing: "clean", restoreInMs: null })
    assert.deepStrictEqual(it.take(), ["SwapCompleted cache"])
    assert.strictEqual(it.state.status[component], Progress.Status.Ready)
    assert.isUndefined(Progress.nextWakeMs(it.state))
  })

  it("leaves the fallback in place when a swap fails, and tries again when its policy says so", () => {
    const it = degraded()
    it.tick(1_000)
    const component = it.component("cache")
    it.tell({ _tag: "SwapFailed", atMs: 1_100, component, variant: 0, failure: failure("degraded"), retryInMs: 2_000 })
    assert.strictEqual(it.state.status[component], Progress.Status.Degraded)
    assert.strictEqual(Progress.nextWakeMs(it.state), 3_100)
  })

  it("does not begin a second swap while one is under way", () => {
    const it = degraded()
    it.tell({ _tag: "Restore", atMs: 10, component: it.component("cache") })
    it.tell({ _tag: "Restore", atMs: 11, component: it.component("cache") })
    it.tick(1_000)
    assert.deepStrictEqual(it.take(), ["SwapStarted cache"])
  })

  it("gives way to a fallback when a component that has one turns unhealthy, and is restored later", () => {
    const it = boot(cache)
    it.tell({ _tag: "Begin", atMs: 0 })
    it.up("cache")
    it.persisted()
    it.take()
    const component = it.component("cache")
    it.tell({ _tag: "HealthChanged", atMs: 5, component, healthy: false, message: "no pong" })
    assert.deepStrictEqual(it.take(), ["HealthChanged cache", "SwapStarted cache"])
    it.tell({ _tag: "Swapped", atMs: 6, component, variant: 1, closing: "clean", restoreInMs: 1_000 })
    assert.strictEqual(it.state.status[component], Progress.Status.Degraded)
    assert.strictEqual(Progress.nextWakeMs(it.state), 1_006)
  })

  it("starts an absent component late, and then those that were skipped for want of it", () => {
    const it = boot(
      Manifest.make({ name: "index", ...optional }),
      Manifest.make({ name: "search", needs: ["index"], ...optional })
    )
    it.tell({ _tag: "Begin", atMs: 0 })
    it.fail("index", "warning", 1_000)
    it.persisted()
    assert.includeMembers(it.take(), ["ComponentAbsent index", "ComponentSkipped search", "BootReady"])
    it.tick(1_000)
    assert.deepStrictEqual(it.take(), ["ComponentStarted index"])
    it.up("index", 1_010)
    assert.deepStrictEqual(it.take(), ["ComponentReady index", "ComponentStarted search"])
  })

  it("says what else is missing when only one of two has come back", () => {
    const it = boot(
      Manifest.make({ name: "a", ...optional }),
      Manifest.make({ name: "b", ...optional }),
      Manifest.make({ name: "c", needs: ["a", "b"], ...optional })
    )
    it.tell({ _tag: "Begin", atMs: 0 })
    it.fail("a", "warning", 1_000)
    it.fail("b", "warning", null)
    it.persisted()
    it.tick(1_000)
    it.take()
    it.up("a", 1_010)
    assert.deepStrictEqual(it.take(), ["ComponentReady a", "ComponentSkipped c"])
    assert.deepStrictEqual(it.state.reason[it.component("c")], { _tag: "Need", need: "b" })
  })

  it("waits with restorations until the boot is ready", () => {
    const it = boot(cache, Manifest.make({ name: "slow" }))
    it.tell({ _tag: "Begin", atMs: 0 })
    it.fail("cache", "degraded", 100)
    it.up("cache")
    it.take()
    it.tick(2_000)
    assert.deepStrictEqual(it.take(), [])
    it.up("slow", 2_500)
    it.persisted(2_500)
    assert.includeMembers(it.take(), ["BootReady", "SwapStarted cache"])
  })
})
