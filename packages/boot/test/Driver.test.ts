import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Random } from "effect"
import * as Component from "../src/Component.ts"
import { world } from "./fixtures/parts.ts"

describe("time", () => {
  it.effect("goes on when chance makes delays that end between two microseconds", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 200; seed++) {
        const { boot, part } = world()
        const stuck = part("stuck", { severity: "Warning", then: () => Effect.never })
        const optional = stuck.pipe(Component.timeout("600 millis"), Component.optional)
        const exit = yield* boot([optional], {}, () => Effect.sleep("1 minute")).pipe(Random.withSeed(seed))
        assert.isTrue(Exit.isSuccess(exit))
      }
    })
  )
})
