import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger } from "effect"
import * as Log from "../src/Log.ts"

const written = (isTerminal: boolean, log: Effect.Effect<void>) =>
  Effect.gen(function* () {
    let text = ""
    const logger = Log.to({ isTerminal, write: (line) => void (text += line) }, {})
    yield* Effect.provide(log, Logger.layer([logger]))
    return text
  })

describe("a line of log", () => {
  it.effect("is JSON off a terminal, with the stack of what went wrong", () =>
    Effect.gen(function* () {
      const line = JSON.parse(yield* written(false, Effect.logError("no", Cause.die(new Error("unforeseen")))))
      assert.deepInclude(line, { level: "error", message: "no" })
      assert.include(line.cause, "unforeseen")
      assert.strictEqual(line.timestamp, "1970-01-01T00:00:00.000Z")
    })
  )

  it.effect("is text on one, and obeys nothing that it is given", () =>
    Effect.gen(function* () {
      const text = yield* written(true, Effect.logWarning("a\u001b[2Jb\nc", { d: 1 }))
      assert.match(text, /a\\u\{1b\}\[2Jb c \{"d":1\}\n$/)
    })
  )
})
