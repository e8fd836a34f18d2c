import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Severity } from "@novacron/boot"
import { Context, Effect, Schema } from "effect"
import * as Logger from "../../src/logger/Component.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-log-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("the logger component", () => {
  it.live("writes the lines from before the boot first, and the last ones from after it", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      const logger = Logger.component(Schema.decodeUnknownSync(Logger.Settings)({ output: "none", file }))
      assert.strictEqual(logger.manifest.name, "logger")
      yield* Effect.gen(function* () {
        yield* Effect.logInfo("before the boot")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { services } = yield* Boot.make([logger])
            yield* Context.get(services, Logger.Log).setLevel("debug")
            yield* Effect.logDebug("while it is up")
          })
        )
        yield* Effect.logInfo("after the stop")
      }).pipe(Effect.provide(Logger.Logging.layer()))
      const messages = readFileSync(file, "utf8").match(/"message":"[^"]+"/g)
      assert.deepStrictEqual(
        messages?.filter((one) => !one.includes("boot ")),
        ['"message":"before the boot"', '"message":"while it is up"', '"message":"after the stop"']
      )
    }).pipe(Effect.scoped)
  )

  it.live("ends the boot when its file cannot be opened", () =>
    Effect.gen(function* () {
      const settings = Schema.decodeUnknownSync(Logger.Settings)({
        output: "none",
        file: join(yield* directory, "no/no.log")
      })
      const failure = yield* Effect.flip(Effect.scoped(Boot.make([Logger.component(settings)])))
      assert.instanceOf(failure, Severity.Critical)
      assert.instanceOf(failure.cause, Logger.LogFileUnusable)
    }).pipe(Effect.provide(Logger.Logging.layer()), Effect.scoped)
  )
})
