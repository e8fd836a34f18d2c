import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FileSystem, Queue, Stream, SubscriptionRef } from "effect"
import { Config, Reload } from "../src/index.ts"
import { shop, write, layer as world } from "./fixtures/shop.ts"

const begin = (text: string, options?: Reload.Options) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const file = yield* write("shop.yaml", text)
    const sources = { file }
    const loaded = yield* Config.load(shop, sources)
    const made = yield* Reload.make(shop, loaded, sources, options)
    const current = Effect.map(SubscriptionRef.get(made.current), ({ settings }) => settings)
    return { ...made, made, file, settings: current, put: (text: string) => files.writeFileString(file, text) }
  })

layer(world)("a reload", (it) => {
  it.effect("changes keys that are hot, all of them at once, and says which", () =>
    Effect.gen(function* () {
      const { put, reload, settings } = yield* begin("system: { log_level: info, ratio: 0.25 }")
      yield* put("system: { log_level: debug, ratio: 0.75 }\nflags: { beta: { percentage: 10 } }")
      const { differences, from, to } = yield* reload
      assert.deepStrictEqual(differences.map(({ from, key, to }) => [key, from, to]).slice(0, 3), [
        ["system.log_level", '"info"', '"debug"'],
        ["system.ratio", "0.25", "0.75"],
        ["flags.beta.percentage", undefined, "10"]
      ])
      assert.notStrictEqual(from, to)
      const now = yield* settings
      assert.deepInclude(now.system, { logLevel: "debug", ratio: 0.75 })
      assert.strictEqual(now.flags["beta"]?.percentage, 10)
    }).pipe(Effect.scoped)
  )

  it.effect("changes nothing when one key is not hot, and names it", () =>
    Effect.gen(function* () {
      const { put, reload, settings } = yield* begin("system: { log_level: info }")
      yield* put("system: { log_level: debug, max_concurrency: 7 }")
      const rejected = yield* Effect.flip(reload)
      assert.deepStrictEqual(rejected.reason, { _tag: "NeedsRestart", keys: ["system.max_concurrency"] })
      assert.strictEqual(rejected.code, "NVC-1020")
      assert.include(rejected.message, "system.max_concurrency")
      assert.strictEqual((yield* settings).system.logLevel, "info")
      yield* put("system: { log_level: debug }")
      yield* reload
      assert.strictEqual((yield* settings).system.logLevel, "debug")
    }).pipe(Effect.scoped)
  )

  it.effect("changes nothing when something is wrong, and tells all of it", () =>
    Effect.gen(function* () {
      const { file, put, reload, settings } = yield* begin("system: { log_level: info }")
      yield* put("system: { log_level: debug, ratio: x, peers: 1 }")
      const rejected = yield* Effect.flip(reload)
      assert.strictEqual(rejected.reason._tag, "Invalid")
      assert.strictEqual(rejected.code, "NVC-1004")
      assert.include(rejected.message, `${file}:1:36`)
      assert.strictEqual((yield* settings).system.logLevel, "info")
      yield* put("system: [")
      assert.strictEqual((yield* Effect.flip(reload)).code, "NVC-1002")
      assert.strictEqual((yield* settings).system.logLevel, "info")
    }).pipe(Effect.scoped)
  )

  it.effect("notices a secret that changed, and does not say what it was", () =>
    Effect.gen(function* () {
      const { put, reload } = yield* begin("database: { password: open sesame }")
      yield* put("database: { password: close sesame }")
      const rejected = yield* Effect.flip(reload)
      assert.deepStrictEqual(rejected.reason, { _tag: "NeedsRestart", keys: ["database.password"] })
      assert.notInclude(rejected.message, "sesame")
    }).pipe(Effect.scoped)
  )

  it.effect("of a file that says the same changes nothing and tells nobody", () =>
    Effect.gen(function* () {
      const { current, put, reload } = yield* begin("system: { ratio: 0.25 }")
      const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(SubscriptionRef.changes(current), 2)), {
        startImmediately: true
      })
      yield* put("# a comment\nsystem:\n  ratio: 0.250\n")
      assert.deepStrictEqual((yield* reload).differences, [])
      yield* put("system: { ratio: 0.5 }")
      yield* reload
      const ratios = [...(yield* Fiber.join(seen))].map(({ settings }) => settings.system.ratio)
      assert.deepStrictEqual(ratios, [0.25, 0.5])
    }).pipe(Effect.scoped)
  )

  it.effect("waits until the application is ready", () =>
    Effect.gen(function* () {
      const ready = yield* Deferred.make<void>()
      const { put, reload, settings } = yield* begin("system: { ratio: 0.25 }", { ready: Deferred.await(ready) })
      yield* put("system: { ratio: 0.5 }")
      const waiting = yield* Effect.forkChild(reload, { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      assert.strictEqual((yield* settings).system.ratio, 0.25)
      yield* Deferred.succeed(ready, undefined)
      yield* Fiber.join(waiting)
      assert.strictEqual((yield* settings).system.ratio, 0.5)
    }).pipe(Effect.scoped)
  )
})

describe("a reload", () => {
  it.live("happens by itself when the file changes, is replaced, or is broken and mended", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const { file, made, put, settings } = yield* begin("system: { ratio: 0.25 }")
      const outcomes = yield* Queue.unbounded<Exit.Exit<Reload.Change, Reload.ReloadRejected>>()
      const watching = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Reload.watch(made, file, (outcome) => Effect.asVoid(Queue.offer(outcomes, outcome)), {
          onReady: () => Deferred.doneUnsafe(watching, Exit.void)
        })
      )
      yield* Deferred.await(watching)
      /** Waits for an outcome after which it is so; a slow disk may show a file that is half written before. */
      const until = (isSo: (outcome: Exit.Exit<unknown, unknown>, ratio: number) => boolean) =>
        Effect.gen(function* () {
          while (!isSo(yield* Queue.take(outcomes), (yield* settings).system.ratio)) yield* Effect.yieldNow
        })
      yield* files.writeFileString(`${file}.other`, "not ours")
      yield* put("system: { ratio: 0.625 }")
      yield* until((outcome, ratio) => Exit.isSuccess(outcome) && ratio === 0.625)

      yield* files.writeFileString(`${file}.next`, "system: { ratio: 0.75 }")
      yield* files.rename(`${file}.next`, file)
      yield* until((outcome, ratio) => Exit.isSuccess(outcome) && ratio === 0.75)

      yield* put("system: { ratio: x }")
      yield* until(Exit.isFailure)
      yield* put("system: { ratio: 1 }")
      yield* until((outcome, ratio) => Exit.isSuccess(outcome) && ratio === 1)
    }).pipe(Effect.scoped, Effect.provide(world))
  )
})
