import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Environment } from "../src/Environment.ts"

describe("Environment", () => {
  it.effect("is development when nobody says otherwise", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Environment, "development")
      const elsewhere = Effect.provideService(Effect.map(Environment, String), Environment, "datacenter")
      assert.strictEqual(yield* elsewhere, "datacenter")
    })
  )
})
