import { assert, describe, it } from "@effect/vitest"
import { Boot, Component, Severity } from "@novacron/boot"
import { Context, Effect, Schema } from "effect"
import * as Preflight from "../../src/preflight/Component.ts"

class Core extends Context.Service<Core, { readonly up: true }>()("test/core") {}

describe("the preflight component", () => {
  it.live("ends the boot before the core starts when somebody who must answer does not", () =>
    Effect.gen(function* () {
      let hasStarted = false
      const core = Component.make(Core, {
        start: Effect.sync(() => ((hasStarted = true), { up: true as const })),
        health: () => Effect.void
      })
      const endpoints = [{ name: "database", path: "/nowhere/.s.PGSQL.5432", policy: "enforce" }]
      const settings = Schema.decodeUnknownSync(Preflight.Settings)({ endpoints })
      const failure = yield* Effect.flip(Effect.scoped(Boot.make([core, Preflight.component(settings)])))
      assert.instanceOf(failure, Severity.Critical)
      assert.instanceOf(failure.cause, Preflight.PreflightFailed)
      assert.isFalse(hasStarted)
    })
  )

  it.live("goes on with a warning otherwise, and says in its health what it found", () =>
    Effect.gen(function* () {
      const settings = Schema.decodeUnknownSync(Preflight.Settings)({
        endpoints: [{ name: "cache", path: "/nowhere" }]
      })
      const { health } = yield* Boot.make([Preflight.component(settings)])
      const { message } = yield* Effect.orDie(health.check("preflight"))
      assert.strictEqual(message, "at the start nobody answered for cache")
    }).pipe(Effect.scoped)
  )
})
