import { assert, describe, it } from "@effect/vitest"
import type { Health } from "@novacron/boot"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as SystemHealth from "../../src/post/SystemHealth.ts"

const part = (name: string, probe: Health.Check["probe"], critical = true): Health.Check => ({
  name,
  critical,
  needs: [],
  probe
})
const deadline = Duration.seconds(2)
const refused = Effect.fail(new Error("connection refused"))

describe("SystemHealth", () => {
  it.effect("asks every part, and passes when all that is critical is well", () =>
    Effect.gen(function* () {
      const { report } = yield* SystemHealth.make(
        [part("database", Effect.void), part("network", Effect.void), part("ml", refused, false)],
        deadline
      )
      assert.strictEqual(report.status, "degraded")
      assert.deepStrictEqual(
        report.components.map(({ status }) => status),
        ["healthy", "healthy", "unhealthy"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("names every critical part that is not well, after one failure", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        SystemHealth.make(
          [part("database", refused), part("network", Effect.die("bug")), part("api", Effect.void)],
          deadline
        )
      )
      assert.strictEqual(error.code, "NVC-2401")
      assert.include(error.message, "database (connection refused), network (bug)")
    }).pipe(Effect.scoped)
  )

  it.effect("takes one deadline for all that hang, not their sum", () =>
    Effect.gen(function* () {
      const asked = yield* Effect.forkChild(
        Effect.flip(SystemHealth.make([part("a", Effect.never), part("b", Effect.never)], deadline))
      )
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(asked)
      assert.include(error.message, "a (no answer within 2s), b (no answer within 2s)")
    }).pipe(Effect.scoped)
  )

  it.effect("checks anew when it is asked again", () =>
    Effect.gen(function* () {
      let isWell = true
      const { check } = yield* SystemHealth.make(
        [
          part(
            "database",
            Effect.suspend(() => (isWell ? Effect.void : refused))
          )
        ],
        deadline
      )
      assert.strictEqual((yield* check).status, "healthy")
      isWell = false
      assert.instanceOf(yield* Effect.flip(check), SystemHealth.SystemUnhealthy)
    }).pipe(Effect.scoped)
  )
})
