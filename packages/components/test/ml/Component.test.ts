import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Pba } from "@novacron/dwcp"
import { Context, Effect, Exit, Option, Schema } from "effect"
import * as MlComponent from "../../src/ml/Component.ts"
import { Settings } from "../../src/ml/Settings.ts"

const settings = (encoded: typeof Settings.Encoded = {}) => Schema.decodeUnknownSync(Settings)(encoded)

/** A directory of models. */
const room = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "novacron-ml-"))
    for (const kind of ["bandwidth", "placement"]) mkdirSync(join(path, kind))
    const put = (name: string, text: string, at = 1_700_000_000) => {
      writeFileSync(join(path, name), text)
      utimesSync(join(path, name), at, at)
    }
    const weights = (packing: number) => JSON.stringify({ format: 1, weights: { packing } })
    return { path, put, weights, ship: (name: string) => copyFileSync(Pba.Model.shipped(), join(path, name)) }
  }),
  ({ path }) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const history = { values: [1e6, 1.1e6, 1.2e6] }
const candidate = (id: string) => ({ node: { id, cpu: 8, memory: 8 }, free: { cpu: 8, memory: 8 } })
const choice = {
  environment: "datacenter",
  task: { id: "t", cpu: 1, memory: 1 },
  nodes: [candidate("a"), candidate("b")]
} as const

describe("the ML engine", () => {
  it.live("opens no file before the first question, and answers that one by a model", () =>
    Effect.gen(function* () {
      const { path, ship } = yield* room
      const { services } = yield* Boot.make([MlComponent.component(settings({ directory: path }))])
      const ml = Option.getOrThrow(Context.get(services, Component.option(MlComponent.Ml)))
      assert.deepStrictEqual(yield* ml.bandwidth.state, { _tag: "Unused" })
      assert.include((yield* ml.check).detail, "bandwidth not asked for yet")
      // It comes after the boot, and is found all the same: nothing was opened before.
      ship("bandwidth/2026-11.bin")
      const answers = yield* Effect.all(
        Array.from({ length: 8 }, () => ml.bandwidth.infer(history)),
        { concurrency: "unbounded" }
      )
      assert.isTrue(answers.every(({ by }) => by === "2026-11"))
      assert.isAbove(answers[0]?.answer.h1 ?? 0, 5e5)
      assert.include((yield* ml.check).detail, "bandwidth by version 2026-11")
    }).pipe(Effect.scoped)
  )

  it.live("uses what comes with the program, and falls back where nothing does", () =>
    Effect.gen(function* () {
      const ml = yield* MlComponent.make(settings())
      assert.strictEqual((yield* ml.bandwidth.infer(history)).by, "shipped")
      const placed = yield* ml.placement.infer(choice)
      assert.deepStrictEqual([placed.by, placed.answer], [undefined, ["a", "b"]])
      assert.deepStrictEqual((yield* ml.placement.infer(choice)).answer, ["b", "a"])
      assert.deepStrictEqual(yield* ml.placement.state, { _tag: "Fallback", why: undefined })
      assert.include((yield* ml.check).detail, "placement by its fallback")
    }).pipe(Effect.scoped)
  )

  it.live("lists versions, the latest first, and exchanges what is in use while it serves", () =>
    Effect.gen(function* () {
      const { path, put, weights } = yield* room
      for (const version of ["v9", "v10", "v2"]) put(`placement/${version}.json`, weights(1))
      put("placement/readme.txt", "no model")
      const { placement } = yield* MlComponent.make(settings({ directory: path }))
      const versions = (yield* placement.versions).map(({ version }) => version)
      assert.deepStrictEqual(versions, ["v10", "v9", "v2"])
      assert.strictEqual((yield* placement.infer(choice)).by, "v10")
      yield* placement.use("v2")
      assert.strictEqual((yield* placement.infer(choice)).by, "v2")
      put("placement/v11.json", weights(2))
      yield* placement.renew
      assert.strictEqual((yield* placement.infer(choice)).by, "v2", "what was chosen stays")
    }).pipe(Effect.scoped)
  )

  it.live("takes a newer version by itself, and keeps the old one when the newer is no good", () =>
    Effect.gen(function* () {
      const { path, put, weights } = yield* room
      put("placement/v1.json", weights(1))
      const { check, placement } = yield* MlComponent.make(settings({ directory: path }))
      assert.strictEqual((yield* placement.infer(choice)).by, "v1")
      put("placement/v2.json", weights(3))
      yield* placement.renew
      assert.strictEqual((yield* placement.infer(choice)).by, "v2")
      put("placement/v3.json", "{ broken")
      put("placement/v4.json", weights(0))
      yield* placement.renew
      assert.strictEqual((yield* placement.infer(choice)).by, "v2")
      const error = yield* Effect.flip(placement.use("v4"))
      assert.include(error.message, "no term counts anything")
      assert.include((yield* Effect.flip(placement.use("v7"))).message, "there is no such version")
      assert.strictEqual((yield* placement.infer(choice)).by, "v2")
      yield* check
      // It was put right: another file, another chance.
      put("placement/v3.json", weights(5), 1_700_000_100)
      yield* placement.renew
      assert.strictEqual((yield* placement.infer(choice)).by, "v3")
    }).pipe(Effect.scoped)
  )

  it.live("serves by the moving average, and says why, when its model is damaged, huge, or not there", () =>
    Effect.gen(function* () {
      const { path, put } = yield* room
      put("bandwidth/damaged.bin", "NVPB and then nothing")
      put("bandwidth/huge.bin", "x".repeat(9 * 1024 * 1024))
      for (const version of ["damaged", "huge", "missing"]) {
        const ml = yield* MlComponent.make(settings({ directory: path, bandwidth: version }))
        const { answer, by } = yield* ml.bandwidth.infer(history)
        assert.isUndefined(by)
        assert.closeTo(answer.h1, 1.1e6, 1)
        const exit = yield* Effect.exit(ml.check)
        assert.isTrue(Exit.isFailure(exit))
        assert.include(String(exit), `Version ${version} of the bandwidth model is not used`)
      }
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["is not there", "/proc/nowhere"],
    ["is a file", import.meta.filename]
  ] as const)("is absent, and the node ready, when the directory that it is told of %s", ([, directory]) =>
    Effect.gen(function* () {
      const { report, services } = yield* Boot.make([MlComponent.component(settings({ directory }))])
      assert.isTrue(Option.isNone(Context.get(services, Component.option(MlComponent.Ml))))
      const { components, failures, outcome } = yield* report
      assert.strictEqual(outcome, "ready")
      assert.deepStrictEqual(
        components.map(({ attempts, name, state }) => [name, state, attempts.length]),
        [["ml", "absent", 1]]
      )
      assert.strictEqual(failures[0]?.tag, "ModelsUnreadable")
      assert.include(failures[0]?.message, directory)
      // A component that is built again reads no settings.
      assert.include(failures[0]?.message, "then novacron restore ml; or correct ml.directory, and restart the node.")
    }).pipe(Effect.scoped)
  )

  it.live("is unhealthy, and the node ready, while the version that it is told to use is damaged", () =>
    Effect.gen(function* () {
      const { path, put } = yield* room
      put("bandwidth/damaged.bin", "NVPB and then nothing")
      const component = MlComponent.component(settings({ directory: path, bandwidth: "damaged" }))
      const { health, report, services } = yield* Boot.make([component])
      const ml = Option.getOrThrow(Context.get(services, Component.option(MlComponent.Ml)))
      assert.isUndefined((yield* ml.bandwidth.infer(history)).by)
      const { components } = yield* health.report
      assert.deepStrictEqual(
        components.map(({ critical, name, status }) => [name, status, critical]),
        [["ml", "unhealthy", false]]
      )
      assert.include(components[0]?.message, "Version damaged of the bandwidth model is not used")
      assert.strictEqual((yield* report).outcome, "ready")
    }).pipe(Effect.scoped)
  )
})
