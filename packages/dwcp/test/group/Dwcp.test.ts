import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { authority, node, platform } from "./fixtures/nodes.ts"

describe("Dwcp", () => {
  it.live(
    "offers effects, and functions that return effects, so that one can take the place of another behind a face",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const { dwcp } = yield* node("a", issue("a"))
        for (const [name, member] of Object.entries(dwcp)) {
          const follows = Effect.isEffect(member) || typeof member === "function"
          assert.isTrue(follows || Stream.isStream(member), name)
        }
        const { detail, errorRate } = yield* dwcp.check
        assert.match(detail, /^v3 in mode hybrid, listening on 127\.0\.0\.1:\d+, 0 links$/u)
        assert.strictEqual(errorRate, 0)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )
})
