import { assert, describe, it } from "@effect/vitest"
import { Boot } from "@novacron/boot"
import { Context, Effect, Schema } from "effect"
import * as Environment from "../../src/environment/Component.ts"

const settings = (all: typeof Environment.Settings.Encoded) => Schema.decodeUnknownSync(Environment.Settings)(all)

describe("the environment component", () => {
  it.live("is a part of the first phase and shows its evidence", () =>
    Effect.gen(function* () {
      const component = Environment.component(settings({}))
      assert.strictEqual(component.manifest.name, "environment")
      assert.strictEqual(component.manifest.phase, "pre")
      const { health, services } = yield* Boot.make([component])
      const detection = Context.get(services, Environment.Environment)
      const { message } = yield* Effect.orDie(health.check("environment"))
      assert.strictEqual(message, Environment.describe(detection))
      assert.match(
        message,
        /^(datacenter|internet|hybrid) \(datacenter [\d.]+, internet [\d.]+, 0.7 needed\): latency /
      )
    }).pipe(Effect.scoped)
  )

  it.live("shows what was found before the plan was made, and does not measure again", () =>
    Effect.gen(function* () {
      const before = yield* Environment.detect(settings({ kind: "datacenter" }))
      const { services } = yield* Boot.make([Environment.component(settings({}), before)])
      assert.strictEqual(Context.get(services, Environment.Environment), before)
      assert.strictEqual(Environment.describe(before), "datacenter, because the settings say so; nothing was measured")
    }).pipe(Effect.scoped)
  )
})
