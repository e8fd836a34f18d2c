/** The log as a component: from here on lines go where the settings say. */
import { Component } from "@novacron/boot"
import { Context, Effect } from "effect"
import { Logging } from "./Logging.ts"
import type { Settings } from "./Settings.ts"
import type { LogFileUnusable } from "./Sink.ts"

export { LogLine } from "./LogLine.ts"
export * from "./Logging.ts"
export { harmlessJson, harmlessText, make as makeRedactor, namesSecret, type Redactor } from "./Redaction.ts"
export { Level, Settings } from "./Settings.ts"
export { LogFileUnusable } from "./Sink.ts"

/** The log, configured. */
export class Log extends Context.Service<
  Log,
  {
    /** Another level, while the node runs. */
    readonly setLevel: Logging["Service"]["setLevel"]
    /** The last lines, for dumps. */
    readonly recent: Logging["Service"]["recent"]
    /** All other settings, while the node runs. */
    readonly configure: (settings: typeof Settings.Type) => Effect.Effect<void, LogFileUnusable>
  }
>()("novacron/logger") {}

/** Configures the {@link Logging} of the process, and writes what has waited when it stops. */
export const component = (settings: typeof Settings.Type) =>
  Component.make(Log, {
    phase: "pre",
    priority: 9,
    needs: [Logging],
    start: Effect.gen(function* () {
      const { configure, flush, recent, setLevel } = yield* Logging
      yield* configure(settings)
      yield* Effect.addFinalizer(() => flush)
      return { configure, recent, setLevel }
    }),
    health: () =>
      Effect.gen(function* () {
        const dropped = yield* (yield* Logging).dropped
        return dropped === 0 ? {} : { detail: `${dropped} log lines were dropped` }
      })
  })
