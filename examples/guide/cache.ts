/** The code of docs/WRITING_A_COMPONENT.md, step by step. */
import { Component, Policy } from "@novacron/boot"
import { Context, Effect, Option } from "effect"
import { connect } from "./redis.ts"

// 1. What it offers

export class Cache extends Context.Service<
  Cache,
  {
    readonly get: (key: string) => Effect.Effect<Option.Option<string>>
    readonly set: (key: string, value: string) => Effect.Effect<void>
    readonly ping: Effect.Effect<void>
  }
>()("guide/cache") {}

// 2. How it starts, and how one sees that it works

export const first = Component.make(Cache, {
  start: Effect.acquireRelease(connect("localhost:6379"), (connection) => connection.quit),
  health: (cache) => cache.ping
})

// 3. How bad its failures are

export const honest = Component.make(Cache, {
  severity: { Refused: "Degraded", BadAddress: "Critical" },
  start: Effect.acquireRelease(connect("localhost:6379"), (connection) => connection.quit),
  health: (cache) => cache.ping
})

// 4. How patient the boot is with it

export const patient = honest.pipe(
  Component.retry(Policy.make({ name: "patient", attempts: 3, delay: "500 millis" })),
  Component.timeout("2 seconds")
)

// 5. What serves instead

const memory = Component.make(Cache, {
  name: "memory",
  start: Effect.sync(() => {
    const entries = new Map<string, string>()
    return {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key))),
      set: (key, value) => Effect.sync(() => void entries.set(key, value)),
      ping: Effect.void
    }
  }),
  health: (cache) => cache.ping
})

export const cache = patient.pipe(Component.fallback(memory))

// 6. What it needs, and who needs it

export class Settings extends Context.Service<Settings, { readonly cache: string }>()("guide/settings") {}

export const configured = Component.make(Cache, {
  needs: [Settings],
  severity: { Refused: "Degraded", BadAddress: "Critical" },
  start: Effect.gen(function* () {
    const settings = yield* Settings
    return yield* Effect.acquireRelease(connect(settings.cache), (connection) => connection.quit)
  }),
  health: (cache) => cache.ping
}).pipe(
  Component.retry(Policy.make({ name: "patient", attempts: 3, delay: "500 millis" })),
  Component.timeout("2 seconds"),
  Component.fallback(memory)
)

export const settings = Component.make(Settings, {
  phase: "pre",
  start: Effect.succeed({ cache: "localhost:6379" }),
  health: () => Effect.void
})

// Needs that may be absent

export class Counter extends Context.Service<Counter, { readonly add: (name: string) => Effect.Effect<void> }>()(
  "guide/counter"
) {}

export const counter = Component.make(Counter, {
  severity: "Warning",
  start: Effect.succeed({ add: () => Effect.void }),
  health: () => Effect.void
}).pipe(Component.optional)

export class Pages extends Context.Service<Pages, { readonly render: (path: string) => Effect.Effect<string> }>()(
  "guide/pages"
) {}

export const pages = Component.make(Pages, {
  phase: "service",
  needs: [Cache, Component.option(Counter)],
  start: Effect.gen(function* () {
    const cache = yield* Cache
    const counter = yield* Component.option(Counter)
    const render = Effect.fn("Pages.render")(function* (path: string) {
      if (Option.isSome(counter)) yield* counter.value.add(path)
      return Option.getOrElse(yield* cache.get(path), () => `a new ${path}`)
    })
    return { render }
  }),
  health: (pages) => pages.render("/")
})
