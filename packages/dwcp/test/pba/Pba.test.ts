import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { afterAll } from "vitest"
import * as Pba from "../../src/pba/index.ts"
import * as series from "./fixtures/series.ts"

const folder = mkdtempSync(join(tmpdir(), "novacron-pba-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bytesOf = (seed: number): Uint8Array => Pba.Model.encode(6, series.model(seed).networks)

/** As an operator does it: a file is there whole, or not at all. */
const put = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(`${path}.new`, bytes)
  renameSync(`${path}.new`, path)
  return path
}

const made = (settings: { readonly [name: string]: unknown } = {}) =>
  Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(Pba.Settings)(settings)), Pba.make)

/** A value each second, as a link makes them. */
const feed = Effect.fnUntraced(function* (pba: Pba.Pba["Service"], link: string, values: ReadonlyArray<number>) {
  for (const value of values) {
    yield* pba.observe(link, value)
    yield* TestClock.adjust("1 second")
  }
})

const until = Effect.fnUntraced(function* (pba: Pba.Pba["Service"], tag: Pba.ModelState["_tag"]) {
  for (let k = 0; k < 600; k++) {
    const state = yield* pba.model
    if (state._tag === tag) return state
    yield* Effect.sleep("50 millis")
  }
  return yield* Effect.die(`The model did not come to be ${tag}`)
})

describe("PBA", () => {
  it.effect("forecasts a link from its second value on, in bytes per second, with the model that is shipped", () =>
    Effect.gen(function* () {
      const pba = yield* made()
      assert.strictEqual((yield* pba.reload())._tag, "Ready")
      assert.isUndefined(yield* pba.forecast("a"))
      yield* feed(pba, "a", series.link(1, 60))
      const forecast = yield* pba.forecast("a")
      assert.isDefined(forecast)
      const { by, bytesPerSecond, h1, high, low, p10h1, values } = forecast
      assert.deepStrictEqual([by, values, bytesPerSecond, low], ["lstm", 60, h1, p10h1])
      assert.isAbove(h1, 40)
      assert.isBelow(h1, 400)
      assert.isAtMost(low, h1)
      assert.isAtLeast(high, h1)
      assert.strictEqual((yield* pba.check)._tag, "Ready")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live(
    "serves by classical means while a model is missing, loads it when it comes, degrades when it is damaged",
    () =>
      Effect.gen(function* () {
        const path = join(folder, "late.bin")
        const pba = yield* made({ model: path, watch: "50 millis", interval: "20 millis" })
        const by = Effect.gen(function* () {
          for (let k = 0; k < 600; k++) {
            yield* pba.observe("a", 100)
            yield* Effect.sleep("25 millis")
            const forecast = yield* pba.forecast("a")
            if (forecast !== undefined) return forecast.by
          }
          return "nothing"
        })
        const missing = yield* until(pba, "Degraded")
        assert.strictEqual(missing._tag === "Degraded" ? missing.error.reason : "", "Missing")
        assert.strictEqual(yield* by, "classical")

        put("late.bin", bytesOf(1))
        const first = yield* until(pba, "Ready")
        assert.strictEqual(yield* by, "lstm")

        put("late.bin", bytesOf(1).fill(7, 100, 200))
        yield* until(pba, "Degraded")
        assert.strictEqual(yield* by, "classical")
        const error = yield* Effect.flip(pba.check)
        assert.strictEqual(error.reason, "Damaged")
        assert.include(error.message, path)

        put("late.bin", bytesOf(2))
        const second = yield* until(pba, "Ready")
        assert.notStrictEqual(second._tag === "Ready" ? second.id : "", first._tag === "Ready" ? first.id : "")
        assert.strictEqual(yield* by, "lstm")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("exchanges its model for another file while links are forecast", () =>
    Effect.gen(function* () {
      const pba = yield* made({ model: put("one.bin", bytesOf(1)) })
      yield* pba.reload()
      yield* feed(pba, "a", series.link(1, 40))
      const state = yield* pba.reload(put("two.bin", bytesOf(2)))
      assert.strictEqual(state._tag === "Ready" ? state.file : "", join(folder, "two.bin"))
      yield* feed(pba, "a", series.link(2, 5))
      assert.strictEqual((yield* pba.forecast("a"))?.by, "lstm")
      assert.strictEqual((yield* pba.forecast("a"))?.values, 45)
      assert.strictEqual((yield* pba.reload("/nowhere.bin"))._tag, "Degraded")
      yield* feed(pba, "a", series.link(2, 1))
      assert.strictEqual((yield* pba.forecast("a"))?.by, "classical")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("passes over what is no measurement, and what only says that nothing more was asked of the link", () =>
    Effect.gen(function* () {
      const pba = yield* made()
      for (const value of [Number.NaN, -1, Infinity]) yield* pba.observe("a", value)
      assert.strictEqual(yield* pba.links, 0)
      yield* feed(
        pba,
        "a",
        Array.from({ length: 40 }, () => 1_000)
      )
      const before = (yield* pba.forecast("a"))!.h1
      for (let k = 0; k < 40; k++) {
        yield* pba.observe("a", 3, { appLimited: true })
        yield* TestClock.adjust("1 second")
      }
      assert.closeTo((yield* pba.forecast("a"))!.h1, before, 0.02 * before)
      for (let k = 0; k < 40; k++) {
        yield* pba.observe("a", 2_000, { appLimited: true })
        yield* TestClock.adjust("1 second")
      }
      assert.closeTo((yield* pba.forecast("a"))!.h1, 2_000, 100)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("takes all of one interval as one value, and fills what is missing", () =>
    Effect.gen(function* () {
      const pba = yield* made()
      for (let k = 0; k < 40; k++) {
        yield* pba.observe("a", 50)
        yield* pba.observe("a", 150)
        yield* TestClock.adjust("1 second")
      }
      assert.closeTo((yield* pba.forecast("a"))!.h1, 100, 1)
      yield* TestClock.adjust("30 seconds")
      const later = (yield* pba.forecast("a"))!
      assert.strictEqual(later.values, 70)
      assert.closeTo(later.h1, 100, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("forgets links that are silent, and remembers no more than it may", () =>
    Effect.gen(function* () {
      const pba = yield* made({ maxLinks: 8, silence: "1 minute" })
      for (let k = 0; k < 1_000; k++) yield* pba.observe(`link ${k}`, k)
      assert.strictEqual(yield* pba.links, 8)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(yield* pba.forecast("link 0"))
      assert.isDefined(yield* pba.forecast("link 999"))
      yield* TestClock.adjust("2 minutes")
      assert.isUndefined(yield* pba.forecast("link 999"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("survives a clock that jumps, forth and back", () =>
    Effect.gen(function* () {
      const pba = yield* made({ silence: "1000 days" })
      yield* feed(pba, "a", series.link(1, 40))
      yield* TestClock.adjust("900 days")
      const far = (yield* pba.forecast("a"))!
      assert.isBelow(far.values, 200)
      yield* TestClock.setTime(0)
      yield* feed(pba, "a", series.link(1, 40))
      assert.isDefined(yield* pba.forecast("a"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect(
    "divides what a link carries nine times of ten among the traffic classes, by the weights of its settings",
    () =>
      Effect.gen(function* () {
        const pba = yield* made({ critical: 60, normal: 20, background: 20 })
        assert.isUndefined(yield* pba.shares("a", { critical: 1 }))
        yield* feed(
          pba,
          "a",
          Array.from({ length: 60 }, () => 1_000)
        )
        const { low } = (yield* pba.forecast("a"))!
        assert.isAbove(low, 500)
        const all = (yield* pba.shares("a", { critical: Infinity, normal: Infinity, background: Infinity }))!
        assert.closeTo(all.critical, 0.6 * low, 1e-6)
        assert.closeTo(all.background, 0.2 * low, 1e-6)
        const idle = (yield* pba.shares("a", { background: Infinity, critical: 10 }))!
        assert.deepStrictEqual([idle.critical, idle.normal], [10, 0])
        assert.closeTo(idle.background, low - 10, 1e-6)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
