import type { BootEvent } from "@novacron/boot/model"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Beside from "../src/Beside.ts"

const started = (component: string): BootEvent.BootEvent => ({
  _tag: "ComponentStarted",
  atMs: 1,
  component,
  variant: 0,
  attempt: 1
})

/** One of them, and what it has loaded. */
const loading = (isOwn: boolean) => {
  const loads: Array<string> = []
  const beside = Beside.make(isOwn, () => {
    loads.push("loaded")
    return Promise.reject(new Error("of no concern to whoever waits"))
  })
  return { beside, loads }
}

const isOver = (fiber: Fiber.Fiber<void>): boolean => fiber.pollUnsafe() !== undefined

describe("what is loaded beside the server", () => {
  it.effect("waits until the server is launched, and is loaded then, once", () =>
    Effect.gen(function* () {
      const { beside, loads } = loading(true)
      beside.hear(started("network"))
      beside.hear(started("database"))
      const waiting = yield* Effect.forkChild(beside.turn, { startImmediately: true })
      assert.isFalse(isOver(waiting))
      assert.deepStrictEqual(loads, [])
      beside.launched()
      yield* Fiber.join(waiting)
      beside.hear(started("database")) // by hand, later
      beside.launched()
      yield* beside.turn
      assert.deepStrictEqual(loads, ["loaded"])
    })
  )

  it.effect("waits for nobody who has not begun", () =>
    Effect.gen(function* () {
      const { beside, loads } = loading(true)
      beside.hear(started("network"))
      yield* beside.turn
      assert.deepStrictEqual(loads, [])
    })
  )

  it.effect("waits for a launch that hangs for a second, and no longer", () =>
    Effect.gen(function* () {
      const { beside } = loading(true)
      beside.hear(started("database"))
      const waiting = yield* Effect.forkChild(beside.turn, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isFalse(isOver(waiting))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(waiting)
    })
  )

  it.effect("is loaded as soon as the database is asked for when the server is somebody else's", () =>
    Effect.gen(function* () {
      const { beside, loads } = loading(false)
      assert.deepStrictEqual(loads, [])
      beside.hear(started("database"))
      assert.deepStrictEqual(loads, ["loaded"])
      yield* beside.turn
    })
  )
})
