import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { at, lines, world } from "./fixtures/parts.ts"

describe("a boot", () => {
  it.effect("starts each component as soon as its own needs are up", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot([
        part("api", { needs: ["database", "cache"], takes: 50 }),
        part("database", { needs: ["settings"], takes: 100 }),
        part("cache", { needs: ["settings"], takes: 300 }),
        part("jobs", { needs: ["database"], takes: 100 }),
        part("settings")
      ])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at(events, "Started"), {})
      assert.deepStrictEqual(at(events, "Ready"), {})
      assert.deepStrictEqual(lines(events, "Stopping", "Stopped"), [])
      assert.deepStrictEqual(ledger, [])
    })
  )
})
