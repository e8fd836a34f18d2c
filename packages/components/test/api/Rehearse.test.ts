import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Ref, Schedule } from "effect"
import { environment, ask, start } from "./fixtures/server.ts"

const ready = { _tag: "BootReady", atMs: 1, outcome: "ready" } as const

describe("the rehearsal of the API", () => {
  it.live("asks once for what people ask first, when the boot is ready and not before", () =>
    Effect.gen(function* () {
      const { access, memory, orchestration, view } = yield* start()
      let lists = 0
      const list: typeof memory.service.list = (page) => {
        lists++
        return memory.service.list(page)
      }
      yield* Ref.set(orchestration, Option.some({ ...memory.service, list }))
      assert.strictEqual((yield* ask({ access }, "/v1/node", { token: access.token })).status, 200)
      assert.strictEqual(lists, 0)
      view.observe(ready)
      yield* Effect.repeat(
        Effect.sync(() => lists),
        { schedule: Schedule.spaced("20 millis"), until: (n) => n > 0 }
      ).pipe(Effect.timeout("30 seconds"))
      view.observe(ready)
      assert.strictEqual((yield* ask({ access }, "/v1/node", { token: access.token })).status, 200)
      assert.strictEqual(lists, 1)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("is nobody's trouble when it fails, or when the API stops in the middle of it", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { access, memory, orchestration, view } = yield* start({ drainTimeout: "100ms" })
          const list = () =>
            Effect.andThen(
              Ref.update(asked, (n) => n + 1),
              Effect.never
            )
          yield* Ref.set(orchestration, Option.some({ ...memory.service, list }))
          view.observe(ready)
          yield* Effect.repeat(Ref.get(asked), { schedule: Schedule.spaced("20 millis"), until: (n) => n === 1 }).pipe(
            Effect.timeout("30 seconds")
          )
          assert.strictEqual((yield* ask({ access }, "/v1/node", { token: access.token })).status, 200)
        })
      ).pipe(Effect.timeout("30 seconds"))
      assert.strictEqual(yield* Ref.get(asked), 1)
    }).pipe(Effect.provide(environment))
  )
})
