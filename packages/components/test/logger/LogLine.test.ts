import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Logger, Redacted, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as LogLine from "../../src/logger/LogLine.ts"
import * as Redaction from "../../src/logger/Redaction.ts"

/** The lines that an effect logs. */
const linesOf = <A, E>(effect: Effect.Effect<A, E>, redactor = Redaction.make()) =>
  Effect.suspend(() => {
    const lines: Array<LogLine.LogLine> = []
    const logger = Logger.make<unknown, void>((call) => void lines.push(LogLine.make(call, redactor)))
    return effect.pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All"),
      Effect.exit,
      Effect.as(lines)
    )
  })

const valid = (line: LogLine.LogLine) =>
  Schema.decodeUnknownSync(LogLine.LogLine, { onExcessProperty: "error" })(JSON.parse(LogLine.toJson(line)))

describe("LogLine", () => {
  it.effect("gives the facts of a component their places, and the rest to data", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const [line] = yield* linesOf(
        Effect.logInfo("database is up", { pool: 5 }).pipe(
          Effect.annotateLogs({
            component: "database",
            phase: "core_init",
            event: "started",
            duration_ms: 41.5,
            dependencies: ["security"],
            metrics: { connections_established: 5, schema_validated: true },
            zone: "b"
          })
        )
      )
      assert.deepStrictEqual(line, {
        timestamp: "1970-01-01T01:00:00.000Z",
        level: "info",
        component: "database",
        phase: "core_init",
        event: "started",
        duration_ms: 41.5,
        dependencies: ["security"],
        metrics: { connections_established: 5, schema_validated: true },
        message: "database is up",
        data: { zone: "b", pool: 5 }
      })
      assert.deepStrictEqual(valid(line!), line)
    })
  )

  it.effect("carries level, cause with its causes, span and trace", () =>
    Effect.gen(function* () {
      class Refused extends Data.TaggedError("Refused")<{ readonly cause: unknown }> {
        override get message() {
          return "PostgreSQL refused"
        }
      }
      const failing = Effect.fail(new Refused({ cause: new Error("ECONNREFUSED") }))
      const [line, other] = yield* linesOf(
        Effect.tapCause(failing, (cause) => Effect.logError("no database", cause)).pipe(
          Effect.withLogSpan("boot"),
          Effect.withSpan("start"),
          Effect.ensuring(Effect.logFatal("over"))
        )
      )
      assert.isDefined(line)
      assert.isDefined(other)
      assert.strictEqual(line.level, "error")
      assert.include(line.cause, "PostgreSQL refused")
      assert.include(line.cause, "ECONNREFUSED")
      assert.match(`${line.trace_id}`, /^[0-9a-f]{32}$/)
      assert.match(`${line.span_id}`, /^[0-9a-f]{16}$/)
      assert.deepStrictEqual(line.spans, { boot: 0 })
      assert.strictEqual(other.level, "fatal")
      assert.isUndefined(other.trace_id)
      valid(line)
    })
  )

  it.effect("keeps annotations that are not what their names say out of their places", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(
        Effect.logDebug("odd").pipe(
          Effect.annotateLogs({
            component: 5,
            duration_ms: "long",
            metrics: { deep: { er: 1 } },
            event: Redacted.make("e")
          })
        )
      )
      assert.deepStrictEqual(line!.data, { component: 5, duration_ms: "long", metrics: { deep: { er: 1 } } })
      assert.strictEqual(line!.event, "<redacted>")
      valid(line!)
    })
  )

  it.effect("shows no secret, whichever way it gets into a call", () =>
    Effect.gen(function* () {
      const canary = "planted-canary-8812"
      const redactor = Redaction.make()
      redactor.hide(canary)
      const lines = yield* linesOf(
        Effect.gen(function* () {
          yield* Effect.logInfo(`text ${canary}`, { password: "p4ss", inner: { note: canary } })
          yield* Effect.logInfo(canary).pipe(
            Effect.annotateLogs({ [canary]: canary, token: "t0k3n" }),
            Effect.withLogSpan(canary)
          )
          yield* Effect.logError("plain", { _tag: "Odd", secret: "s3cr3t" })
          yield* Effect.tapCause(Effect.fail({ _tag: "Odd", password: "p4ss" }), (cause) =>
            Effect.logError("data", cause)
          )
        }).pipe(Effect.catchCause((cause) => Effect.logFatal("died", cause))),
        redactor
      )
      assert.strictEqual(lines.length, 5)
      const written = lines.flatMap((line) => [LogLine.toJson(line), LogLine.toText(line, true)]).join("\n")
      for (const secret of [canary, "p4ss", "t0k3n", "s3cr3t"]) assert.notInclude(written, secret)
      assert.include(written, "Odd")
    })
  )

  it.effect("is one line as JSON and cannot paint or forge on a terminal", () =>
    Effect.gen(function* () {
      const evil = '\u001b[2J\n{"level":"fatal"}\r'
      const [line] = yield* linesOf(
        Effect.logWarning(evil).pipe(Effect.annotateLogs({ component: evil, [evil]: evil }))
      )
      const json = LogLine.toJson(line!)
      const text = LogLine.toText(line!, false)
      for (const written of [json, text]) {
        assert.strictEqual(written.split("\n").length, 1)
        assert.notInclude(written, "\u001b")
      }
      assert.strictEqual(valid(line!).message, evil)
    })
  )

  it("reads well as text", () => {
    const line: LogLine.LogLine = {
      timestamp: "2026-11-22T18:00:00.123Z",
      level: "warn",
      component: "cache",
      message: "falls back to memory",
      duration_ms: 3012.04,
      cause: "RedisDown: refused\n    at x"
    }
    assert.strictEqual(
      LogLine.toText(line, false),
      "18:00:00.123 WARN  cache falls back to memory (3012 ms)\n    RedisDown: refused\n        at x"
    )
    assert.include(LogLine.toText(line, true), "\u001b[33mWARN ")
  })
})
