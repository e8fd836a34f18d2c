import { assert, describe, it } from "@effect/vitest"
import { Boot, Severity } from "@novacron/boot"
import { Context, Effect, Schema } from "effect"
import * as Resources from "../../src/resources/Component.ts"

const settings = (all: typeof Resources.Settings.Encoded) => Schema.decodeUnknownSync(Resources.Settings)(all)
/** More than any machine has. */
const huge = { minCores: 100_000, minMemory: "900 TB" }

describe("the resources component", () => {
  it.live("ends the boot of this machine when it is to have what no machine has", () =>
    Effect.gen(function* () {
      const resources = Resources.component(
        settings({ ...huge, policy: "enforce" }),
        "/tmp",
        Resources.Capacity.nothing
      )
      assert.deepInclude(resources.manifest, { name: "resources", phase: "pre" })
      const failure = yield* Effect.flip(Effect.scoped(Boot.make([resources])))
      assert.instanceOf(failure, Severity.Critical)
      assert.instanceOf(failure.cause, Resources.ResourcesInsufficient)
    })
  )

  it.live("goes on with a warning otherwise, and says in its health what the machine lacks", () =>
    Effect.gen(function* () {
      const { health, services } = yield* Boot.make([
        Resources.component(settings(huge), "/tmp", Resources.Capacity.nothing)
      ])
      const { machine, tier } = Context.get(services, Resources.Resources)
      assert.strictEqual(tier, Resources.Tier.of(machine))
      const { message } = yield* Effect.orDie(health.check("resources"))
      assert.match(message, new RegExp(`^${tier} machine; cpu: [\\d.]+ cores?, 100000 cores wanted; memory: `))
    }).pipe(Effect.scoped)
  )
})
