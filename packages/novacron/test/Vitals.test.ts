import type { BootEvent } from "@novacron/boot/model"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Post } from "@novacron/components"
import * as Vitals from "../src/Vitals.ts"
import { begun } from "./fixtures/Stage.ts"

const failure = (message: string, tag = "AlreadyRunning"): BootEvent.Failure => ({
  kind: "error",
  tag,
  message,
  severity: "critical"
})

/** What is told after these events, a minute after the boot has begun. */
const told = (...events: ReadonlyArray<BootEvent.BootEvent>) => {
  const vitals = Vitals.make()
  for (const event of [begun, ...events]) Vitals.step(vitals, event)
  return Vitals.details(vitals, 60_000)
}

const started = (atMs: number, attempt = 1): BootEvent.BootEvent => ({
  _tag: "ComponentStarted",
  atMs,
  component: "cache",
  variant: 0,
  attempt
})
const ready = (atMs: number): BootEvent.BootEvent => ({ _tag: "ComponentReady", atMs, component: "cache" })
const failed = (atMs: number, message: string, component = "cache"): BootEvent.BootEvent => ({
  _tag: "AttemptFailed",
  atMs,
  component,
  attempt: 1,
  failure: failure(message),
  retryInMs: 10
})

describe("Vitals", () => {
  it("count attempts, failures and restarts, and say since when a component is as it is", () => {
    const { cache } = told(
      started(1),
      failed(5, "no route"),
      started(20, 2),
      ready(30),
      { _tag: "SwapStarted", atMs: 40, component: "cache", variant: 0 },
      { _tag: "SwapFailed", atMs: 45, component: "cache", variant: 0, failure: failure("gone"), retryInMs: null },
      { _tag: "ComponentStopping", atMs: 50, component: "cache", byHand: { how: "restart", of: "cache" } },
      { _tag: "ComponentStopped", atMs: 55, component: "cache", closing: "clean" },
      started(55),
      ready(10_000)
    )
    assert.deepStrictEqual(cache?.metrics, { attempts: 3, failures: 2, restarts: 1, inStateSeconds: 50 })
  })

  it("tell the last three errors with their time and code, and none of them is long", () => {
    const { cache } = told(
      failed(1, "one"),
      failed(2, "two"),
      failed(3, "three"),
      failed(1_000, `four ${"x".repeat(999)}`)
    )
    assert.lengthOf(cache?.errors ?? [], 3)
    assert.strictEqual(cache?.errors[0], "1970-01-01T00:00:00.002Z NVC-3001 AlreadyRunning: two")
    assert.match(cache?.errors[2] ?? "", /^1970-01-01T00:00:01\.000Z NVC-3001 AlreadyRunning: four x+$/)
    assert.isBelow((cache?.errors[2] ?? "").length, 330)
  })

  it("tell a failure once that ended a component, and a health that turned", () => {
    const { cache } = told(
      failed(1, "no"),
      { _tag: "ComponentFailed", atMs: 9, component: "cache", failure: failure("no") },
      { _tag: "HealthChanged", atMs: 20, component: "cache", healthy: false, message: "no pong\nat all" },
      { _tag: "HealthChanged", atMs: 21, component: "cache", healthy: true, message: "" }
    )
    assert.deepStrictEqual(
      cache?.errors.map((line) => line.slice(25)),
      ["NVC-3001 AlreadyRunning: no", "NVC-3011 Unhealthy: no pong at all"]
    )
  })

  it("tell of a group what went wrong inside it, and do not count it twice", () => {
    const { cache } = told(started(1), failed(2, "port taken", "cache/door"))
    assert.include(cache?.errors[0] ?? "", "NVC-3001 door: AlreadyRunning: port taken")
    assert.strictEqual(cache?.metrics.failures, 0)
    assert.deepStrictEqual(Object.keys(told(failed(2, "x", "cache/door"))), ["cache"])
  })

  it("begin anew with a boot, and are what the health endpoints promise", () => {
    assert.deepStrictEqual(told(failed(1, "old"), begun), {})
    const { cache } = told(started(1))
    const decode = Schema.decodeUnknownSync(Post.HealthView.Details)
    assert.deepStrictEqual(decode({ state: "running", ...cache }).metrics, { ...cache?.metrics })
  })
})
