import { assert, describe, it } from "@effect/vitest"
import { Component } from "@novacron/boot"
import { Context, Effect } from "effect"
import type * as Case from "../src/Case.ts"
import * as Fault from "../src/Fault.ts"
import * as Replay from "../src/Replay.ts"
import * as Simulate from "../src/Simulate.ts"
import * as Stops from "../src/Stops.ts"
import * as Sweep from "../src/Sweep.ts"
import * as Trial from "../src/Trial.ts"
import { app, settings } from "./fixtures/App.ts"
import { hoard, mail } from "./fixtures/Careless.ts"

const trial = Trial.make(app)
const quiet: Case.Case = {
  seed: 1,
  fuzz: false,
  components: ["settings", "cache", "engine", "api"],
  faults: [],
  settings: {},
  stopAfterMs: 100,
  cancelAtMs: null
}

describe("Trial", () => {
  it("boots, stops, and finds nothing wrong", () => {
    const { events, outcome, steps, timeMs, violations } = Trial.run(trial, quiet)
    assert.deepStrictEqual(violations, [])
    assert.strictEqual(outcome, "ready")
    assert.strictEqual(events.at(-1)?._tag, "BootEnded")
    assert.isTrue(timeMs >= 165 && timeMs < 200 && steps > 0)
  })

  it("boots those that the case names", () => {
    const { events, violations } = Trial.run(trial, { ...quiet, components: ["settings", "engine"] })
    assert.deepStrictEqual(violations, [])
    assert.isFalse(events.some((event) => "component" in event && event.component === "api"))
  })

  it("tells who failed, and how often each fault struck", () => {
    const faults = [Fault.make("Dies", { component: "api", variant: 0, attempt: 1 })]
    const { failed, outcome, struck, violations } = Trial.run(trial, { ...quiet, faults })
    assert.deepStrictEqual(violations, [])
    assert.deepStrictEqual({ failed, outcome, struck }, { failed: ["api"], outcome: "failed", struck: [1] })
  })

  it("cancels at any moment, even before the begin", () => {
    for (let cancelAtMs = 0; cancelAtMs <= 70; cancelAtMs++) {
      const { outcome, violations } = Trial.run(trial, { ...quiet, cancelAtMs })
      assert.deepStrictEqual(violations, [], `cancelled at ${cancelAtMs} ms`)
      assert.strictEqual(outcome, cancelAtMs <= 65 ? "cancelled" : "ready", `cancelled at ${cancelAtMs} ms`)
    }
  })

  it("cancels where a fault says so", () => {
    const faults = [Fault.make("Cancels", { component: "api", variant: 0, attempt: 1 }, { await: 1 })]
    const { outcome, struck, violations } = Trial.run(trial, { ...quiet, faults })
    assert.deepStrictEqual({ outcome, struck, violations }, { outcome: "cancelled", struck: [1], violations: [] })
  })

  it("makes errors without stacks when nobody reads them, and leaves those of everybody else alone", () => {
    const seen: Array<string> = []
    const observing = (stacks: boolean) =>
      Trial.make(app, { stacks, boot: { observe: () => seen.push(new Error("told").stack ?? "") } })
    const before: unknown = Reflect.get(Error, "stackTraceLimit")
    Trial.run(observing(false), quiet)
    assert.isAbove(seen.length, 0)
    for (const stack of seen.splice(0)) assert.notInclude(stack, "\n    at ")
    assert.strictEqual(Reflect.get(Error, "stackTraceLimit"), before)
    Trial.run(observing(true), quiet)
    assert.isTrue(seen.some((stack) => stack.includes("\n    at ")))
  })

  it("finds a fiber that is left behind", () => {
    const careless = Trial.make([settings, hoard])
    const it = { ...quiet, components: ["settings", "hoard"] }
    assert.deepStrictEqual(Trial.run(careless, it).violations, [])
    const [violation] = Trial.run(careless, { ...it, cancelAtMs: 20 }).violations
    assert.strictEqual(violation?.promise, "nothing is left behind")
  })

  it("does not wait for a worker who is left behind and goes on for ever", () => {
    class Worker extends Context.Service<Worker, number>()("test/worker") {}
    const work = Effect.forever(Effect.sleep("10 millis"))
    const worker = Component.make(Worker, { start: Effect.as(Effect.forkScoped(work), 1), health: () => Effect.void })
    const faults = [Fault.make("FinalizerHangs", { component: "worker", variant: 0, attempt: 1 })]
    const { events, struck, violations } = Trial.run(Trial.make([worker]), { ...quiet, components: ["worker"], faults })
    assert.deepStrictEqual(violations, [])
    assert.deepStrictEqual(struck, [1])
    assert.isTrue(events.some((event) => event._tag === "ComponentStopped" && event.closing === "abandoned"))
  })

  it("finds a component that waits for a promise and is never closed", () => {
    const { violations } = Trial.run(Trial.make([mail]), { ...quiet, components: ["mail"] })
    assert.strictEqual(violations[0]?.promise, "nothing leaks")
    assert.strictEqual(violations[0]?.component, "mail")
  })

  it("has the same log for the same case, and another for another seed", () => {
    const faults = [Fault.make("Fails", { component: "cache", variant: 0, attempt: 1 })]
    const log = (seed: number) => Trial.log(Trial.run(trial, { ...quiet, faults, seed }))
    assert.strictEqual(log(1), log(1))
    assert.notStrictEqual(log(1), log(2))
  })

  it("counts awaits when it is a counting one", () => {
    const counted = Trial.awaits(Trial.make(app, { counting: true }), quiet)
    assert.deepStrictEqual(
      counted.map(({ awaits }) => awaits),
      [1, 2, 1, 1]
    )
  })

  it("boots with the settings of the case", () => {
    const { events, violations } = Trial.run(trial, {
      ...quiet,
      settings: { environment: "hybrid", concurrency: 2, scheduling: "phased", monitorMs: 50, drainMs: 10 }
    })
    assert.deepStrictEqual(violations, [])
    const [started] = events
    assert.isTrue(started?._tag === "BootStarted" && started.environment === "hybrid" && started.concurrency === 2)
  })

  it("hears an oracle of every boot, and adds what it says to its own", () => {
    const heard: Array<string> = []
    const oracle: Trial.Oracle = (it, { events, outcome, violations }) => {
      heard.push(it.components.join(), outcome, events.at(-1)?._tag ?? "", ...violations.map(({ promise }) => promise))
      return [{ promise: "our own", message: "it was broken", atMs: 0 }]
    }
    const ours = Trial.make([settings, hoard], { oracle })
    const broken = Trial.run(ours, { ...quiet, components: ["settings", "hoard"], cancelAtMs: 20 }).violations
    assert.deepStrictEqual(heard, ["settings,hoard", "cancelled", "BootEnded", "nothing is left behind"])
    assert.deepStrictEqual(
      broken.map(({ promise }) => promise),
      ["nothing is left behind", "our own"]
    )
    for (const { violations } of [
      Sweep.sweep([settings], { kinds: ["Dies"], oracle }),
      Stops.everywhere([settings], { oracle }),
      Simulate.simulate([settings], { seeds: 1, oracle })
    ]) {
      assert.isNotEmpty(violations)
      for (const { promise, replay } of violations) {
        assert.strictEqual(promise, "our own")
        assert.isTrue(Replay.run([settings], replay, { oracle }).reproduced)
        assert.isFalse(Replay.run([settings], replay).reproduced)
      }
    }
  })
})
