import { ConfigInvalid } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { explained } from "../src/Explained.ts"
import * as Leave from "../src/Leave.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

const problem = {
  code: "NVC-1015",
  key: "cache.url",
  message: "This secret stands in plain text in a file that others may read.",
  source: { _tag: "File", file: "n.yaml", line: 2, column: 8 }
} as const

describe("an error, explained", () => {
  it.effect("is told line by line, with its code, and becomes its exit code", () =>
    Effect.gen(function* () {
      const it = stage()
      const failing = Effect.fail(new ConfigInvalid({ problems: [problem] }))
      const left = yield* Effect.flip(
        Effect.provideService(explained(failing, false, "BOOT FAILED"), Surroundings, it.surroundings)
      )
      assert.strictEqual(left.exit, 77)
      assert.match(it.err(), /^BOOT FAILED +NVC-1015 {2}exit 77\n/)
      assert.include(it.err(), "n.yaml:2:8  cache.url")
    })
  )

  it.effect("is left alone when it has been told already", () =>
    Effect.gen(function* () {
      const it = stage()
      const left = yield* Effect.flip(
        Effect.provideService(explained(Leave.quietly(69), true), Surroundings, it.surroundings)
      )
      assert.deepStrictEqual([left.exit, it.err(), it.out()], [69, "", ""])
    })
  )
})
