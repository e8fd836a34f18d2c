import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import * as Failures from "../../src/hde/Failures.ts"
import { corrupt, tooLarge } from "../../src/hde/Refused.ts"

describe("what goes wrong with encoded data", () => {
  const failures = [
    new Failures.HdeCorrupt({ reason: "it ends too early" }),
    new Failures.BaselineMismatch({ wanted: "ab".repeat(32), offered: "cd".repeat(32) }),
    new Failures.TooLarge({ what: "A block", bytes: 10, limit: 5 }),
    new Failures.HdeUnavailable({ what: "A file cannot be read", cause: new Error("a cause") })
  ]

  it("has a code each, and says what follows and what to do", () => {
    assert.deepStrictEqual(
      failures.map(({ code }) => code),
      ["NVC-4201", "NVC-4202", "NVC-4203", "NVC-4204"]
    )
    for (const { message } of failures) assert.match(message, /^[A-Z].*\. .*\.$/)
  })

  it("keeps its cause apart from its message", () => {
    const [, , , unavailable] = failures
    assert.notInclude(unavailable!.message, "a cause")
  })

  it.effect("is a failure when it is ours, and a defect when it is a bug", () =>
    Effect.gen(function* () {
      const throwing = (error: unknown) =>
        Failures.reading(() => {
          throw error
        })
      assert.deepStrictEqual(yield* Effect.flip(throwing(corrupt("it ends too early"))), failures[0])
      assert.deepStrictEqual(yield* Effect.flip(throwing(tooLarge("A block", 10, 5))), failures[2])
      const promised = Failures.waiting("A file cannot be read", () => Promise.reject(tooLarge("A block", 10, 5)))
      assert.deepStrictEqual(yield* Effect.flip(promised), failures[2])
      const lost = Failures.waiting("A file cannot be read", () => Promise.reject(new Error("a cause")))
      assert.strictEqual((yield* Effect.flip(lost))._tag, "HdeUnavailable")
      const exit = yield* Effect.exit(throwing(new TypeError("a bug")))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )
})
