import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Logger } from "@novacron/components"
import { Audit, Config, History } from "@novacron/config"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import * as Settings from "../src/Settings.ts"
import * as Reloading from "../src/Reloading.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

let dataDir: string
let file: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "novacron-reloading-"))
  file = join(dataDir, "n.yaml")
  writeFileSync(file, "logger:\n  level: info\n", { mode: 0o600 })
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const layer = Layer.mergeAll(
  NodeServices.layer,
  Logger.Logging.layer(),
  Layer.succeed(Surroundings)(stage().surroundings)
)

const begin = (ready: Effect.Effect<unknown> = Effect.void, follow: Effect.Effect<unknown> = Effect.void) =>
  Effect.gen(function* () {
    const sources = { file, resources: "skip" } as const
    const loaded = yield* Config.load(Settings.definition(), sources)
    const { reload } = yield* Reloading.make({
      loaded,
      sources,
      dataDir,
      user: "somebody",
      ready,
      follow: () => Effect.asVoid(follow)
    })
    return { reload, level: (yield* Logger.Logging).level }
  })

const lines = (): ReadonlyArray<Audit.Line> =>
  readFileSync(join(dataDir, "config-audit.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
const versions = () => lines().map(({ version }) => version)
const actions = () => lines().map(({ action, changedKeys, success }) => [action, success, changedKeys])

describe("settings that are read again", () => {
  it.live("are in effect at once when they are hot, and recorded without a value", () =>
    Effect.gen(function* () {
      const { level, reload } = yield* begin()
      assert.include(yield* reload, "nothing has changed")
      writeFileSync(file, "logger:\n  level: error\n")
      assert.match(yield* reload, /~ logger\.level: "info" → "error"/)
      assert.strictEqual(yield* level, "error")
      assert.deepInclude(actions(), ["load", true, []])
      assert.deepInclude(actions(), ["modify", true, ["logger.level"]])
      yield* Audit.verify(join(dataDir, "config-audit.jsonl"))
      // By the version one finds which of them was in effect when.
      const [first, second] = versions()
      assert.match(first ?? "", /^[0-9a-f]{16}$/)
      assert.match(second ?? "", /^[0-9a-f]{16}$/)
      assert.notStrictEqual(second, first)
      assert.strictEqual((yield* History.list(join(dataDir, "config-history"))).length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("change nothing when one of them needs a restart, or cannot be", () =>
    Effect.gen(function* () {
      const { level, reload } = yield* begin()
      writeFileSync(file, "logger:\n  level: error\nsystem:\n  node_id: other\n")
      assert.include((yield* Effect.flip(reload)).message, "system.node_id cannot change while this runs")
      writeFileSync(file, "logger:\n  level: loud\n")
      assert.include((yield* Effect.flip(reload)).message, "logger.level")
      assert.notStrictEqual(yield* level, "error")
      assert.deepInclude(actions(), ["validate", false, ["system.node_id"]])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("are told to whoever asks when the log has what the watcher of the file did before", () =>
    Effect.gen(function* () {
      const [entered, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const follow = Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(go))
      const { reload } = yield* begin(Effect.void, follow)
      // The watcher is there a moment later: a change that it has not seen is made again.
      const changing = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => writeFileSync(file, "logger:\n  level: error\n")),
            Effect.sleep("300 millis")
          )
        )
      )
      yield* Deferred.await(entered)
      yield* Fiber.interrupt(changing)
      const asked = yield* Effect.forkChild(Effect.map(reload, (said) => ({ said, actions: actions() })))
      yield* Effect.sleep("50 millis")
      assert.isUndefined(asked.pollUnsafe())
      yield* Deferred.succeed(go, undefined)
      const { actions: recorded, said } = yield* Fiber.join(asked)
      assert.include(said, "nothing has changed")
      assert.deepInclude(recorded, ["modify", true, ["logger.level"]])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("are recorded once they are in effect, also when the node ends meanwhile", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const follow = Effect.andThen(Deferred.succeed(entered, undefined), Effect.never)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { level, reload } = yield* begin(Effect.void, follow)
          writeFileSync(file, "logger:\n  level: error\n")
          yield* Effect.forkScoped(reload)
          yield* Deferred.await(entered)
          assert.strictEqual(yield* level, "error")
        })
      )
      assert.deepInclude(actions(), ["modify", true, ["logger.level"]])
      yield* Audit.verify(join(dataDir, "config-audit.jsonl"))
    }).pipe(Effect.provide(layer))
  )

  it.live("wait until the node is ready", () =>
    Effect.gen(function* () {
      const ready = yield* Deferred.make<void>()
      const { reload } = yield* begin(Deferred.await(ready))
      const reloading = yield* Effect.forkChild(reload)
      yield* Effect.sleep("30 millis")
      assert.isUndefined(reloading.pollUnsafe())
      yield* Deferred.succeed(ready, undefined)
      assert.include(yield* Fiber.join(reloading), "nothing has changed")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
