import { assert, describe, it } from "@effect/vitest"
import type { BootEvent } from "@novacron/boot"
import { Effect, Fiber, Queue } from "effect"
import * as BootTrail from "../../src/security/BootTrail.ts"
import type { AuditEntry } from "../../src/security/Security.ts"

const ready: BootEvent.BootEvent = { _tag: "BootReady", atMs: 1, outcome: "ready" }
const phase: BootEvent.BootEvent = { _tag: "PhaseStarted", atMs: 1, phase: "core" }
const takenDown = (why: "failed" | "cancelled" | "deadline" | "stopped"): BootEvent.BootEvent => ({
  _tag: "RollbackStarted",
  atMs: 1,
  why,
  because: "PLANTED",
  budgetMs: 1
})
const swapped = (variant: number): BootEvent.BootEvent => ({
  _tag: "SwapCompleted",
  atMs: 1,
  component: "cache",
  variant,
  closing: "clean"
})

describe("the trail of a boot", () => {
  it.effect("writes what it heard before somebody listened, what it hears then, and all of it at the end", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const append = ({ action }: AuditEntry) => Effect.sync(() => void written.push(action))
      const trail = yield* BootTrail.make
      trail.observe(phase)
      trail.observe(ready)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* trail.writeTo(append)
          assert.deepStrictEqual(written, ["boot.ready"])
          trail.observe(swapped(0))
          yield* Effect.yieldNow
          yield* Effect.yieldNow
          assert.deepStrictEqual(written, ["boot.ready", "component.restored"])
          trail.observe(takenDown("failed"))
        })
      )
      assert.deepStrictEqual(written, ["boot.ready", "component.restored", "boot.rolled-back"])
    })
  )

  it.effect("loses nothing that is being written when it ends", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const gate = yield* Queue.unbounded<void>()
      const append = ({ action }: AuditEntry) =>
        Effect.andThen(
          Queue.take(gate),
          Effect.sync(() => void written.push(action))
        )
      const trail = yield* BootTrail.make
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            yield* trail.writeTo(append)
            trail.observe(swapped(0))
            trail.observe(takenDown("deadline"))
            yield* Effect.yieldNow
          })
        )
      )
      yield* Effect.yieldNow
      yield* Queue.offerAll(gate, [undefined, undefined])
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(written, ["component.restored", "boot.rolled-back"])
    })
  )

  it.effect("says why a boot was taken down, and not what anybody said about it", () =>
    Effect.gen(function* () {
      const written: Array<AuditEntry> = []
      const trail = yield* BootTrail.make
      for (const why of ["failed", "cancelled", "deadline", "stopped"] as const) trail.observe(takenDown(why))
      trail.observe(swapped(1))
      yield* Effect.scoped(trail.writeTo((entry) => Effect.sync(() => void written.push(entry))))
      assert.deepStrictEqual(written, [
        { action: "boot.rolled-back", subject: "failed", success: false },
        { action: "boot.rolled-back", subject: "cancelled", success: false },
        { action: "boot.rolled-back", subject: "deadline", success: false },
        { action: "boot.stopped", success: true }
      ])
    })
  )
})
