/** The pre-flight as a component: who does not answer is known before the core of the node starts. */
import { Component } from "@novacron/boot"
import { Duration, Effect, Result } from "effect"
import * as Preflight from "./Preflight.ts"
import type { Settings } from "./Settings.ts"

export * from "./Preflight.ts"
export * as Dial from "./Dial.ts"
export { Endpoint, Policy, Settings } from "./Settings.ts"

/** Tries all endpoints. Critical for those that must answer. */
export const component = (settings: typeof Settings.Type) =>
  Component.make(Preflight.Preflight, {
    phase: "pre",
    start: Preflight.check(settings),
    health: ({ findings }) => {
      const silent = findings.filter(({ outcome }) => Result.isFailure(outcome)).map(({ name }) => name)
      const all = `${findings.length} endpoints answered at the start`
      return Effect.succeed({
        detail: silent.length === 0 ? all : `at the start nobody answered for ${silent.join(", ")}`
      })
    }
  }).pipe(Component.timeout(Duration.sum(Duration.seconds(10), Preflight.longestWait(settings.endpoints))))
