import { Config } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import * as Settings from "../src/Settings.ts"

const load = (environment: { readonly [name: string]: string }) =>
  Effect.provide(Config.load(Settings.definition(), { environment, flags: {}, resources: "skip" }), NodeServices.layer)

describe("the settings of a node", () => {
  it.effect("have a default for everything", () =>
    Effect.gen(function* () {
      const { settings, warnings } = yield* load({})
      assert.deepStrictEqual(warnings, [])
      assert.strictEqual(settings.health.port, 8080)
      assert.deepStrictEqual(Settings.secretsOf(settings), [])
    })
  )

  it.effect("know their secrets, and the passwords in addresses as they are written and as they are", () =>
    Effect.gen(function* () {
      const { settings } = yield* load({ NOVACRON_DATABASE_URL: "postgres://nova:s%40cret@127.0.0.1/nova" })
      const secrets = Settings.secretsOf(settings)
      assert.includeMembers([...secrets], ["s%40cret", "s@cret"])
    })
  )

  it.effect.each([
    // A % that begins no escape, the directory of a socket in the place of a host, and the words of libpq.
    { url: "postgres://nova:sword%zzfish@127.0.0.1/nova", password: "sword%zzfish" },
    { url: "postgres://nova:swordfish@/nova?host=/run/postgresql", password: "swordfish" },
    { url: "postgres://127.0.0.1/nova?user=nova&password=swordfish", password: "swordfish" }
  ])("know the password in $url", ({ password, url }) =>
    Effect.gen(function* () {
      const { settings } = yield* load({ NOVACRON_DATABASE_URL: url })
      assert.deepStrictEqual([...new Set(Settings.secretsOf(settings))], [url, password])
    })
  )

  it.effect("log at the level of the system, if that says one", () =>
    Effect.gen(function* () {
      assert.strictEqual(Settings.loggerOf((yield* load({ NOVACRON_LOGGER_LEVEL: "warn" })).settings).level, "warn")
      const both = yield* load({ NOVACRON_LOGGER_LEVEL: "warn", NOVACRON_LOG_LEVEL: "debug" })
      assert.strictEqual(Settings.loggerOf(both.settings).level, "debug")
    })
  )
})
