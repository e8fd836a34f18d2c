/**
 * Forecasts and rankings for the other parts of the node, by models that come with it, are put into a directory, or by none:
 * whoever asks always gets an answer, and what it comes from.
 *
 * **Example**
 *
 * ```ts
 * const ml = yield* Ml
 * const { answer, by } = yield* ml.bandwidth.infer({ values: [12e6, 11e6, 12.5e6] })
 * const { answer: nodes } = yield* ml.placement.infer({ environment: "datacenter", task, nodes: candidates })
 * yield* ml.bandwidth.use("2026-11")
 * ```
 */
import { readdir } from "node:fs/promises"
import { Component } from "@novacron/boot"
import { Context, Data, Effect, Schedule, type Scope } from "effect"
import type * as Kind from "./Kind.ts"
import type { Settings } from "./Settings.ts"
import * as Shelf from "./Shelf.ts"

/** What models serve. */
export class Ml extends Context.Service<
  Ml,
  {
    readonly bandwidth: Shelf.Shelf<Kind.History, Kind.Forecast>
    readonly placement: Shelf.Shelf<Kind.Choice, Kind.Ranking>
    /** Fails when a version that was asked for, or is there, cannot be used. */
    readonly check: Effect.Effect<{ readonly detail: string }, Shelf.ModelUnusable>
  }
>()("novacron/ml") {}

/** The directory of models that the settings name cannot be read: whoever put models there expects them to serve. */
export class ModelsUnreadable extends Data.TaggedError("ModelsUnreadable")<{
  readonly directory: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2911"
  override get message() {
    return (
      `The directory of models ${this.directory} cannot be read. The node goes on without models: whoever would ask them ` +
      "decides without. Let the user of the node read it, then novacron restore ml; or correct ml.directory, and restart " +
      "the node."
    )
  }
}

/** Opens no model; looks for new versions of what is in use until the scope closes. */
export const make = Effect.fn("Ml.make")(function* (
  settings: Settings
): Effect.fn.Return<Ml["Service"], ModelsUnreadable, Scope.Scope> {
  const { directory } = settings
  if (directory !== "") {
    yield* Effect.tryPromise({
      try: () => readdir(directory),
      catch: (cause) => new ModelsUnreadable({ directory, cause })
    })
  }
  const kinds = yield* Effect.promise(() => import("./Kind.ts"))
  const bandwidth = Shelf.make(kinds.bandwidth, { directory, pinned: settings.bandwidth })
  const placement = Shelf.make(kinds.placement(), { directory, pinned: settings.placement })
  const renew = Effect.andThen(bandwidth.renew, placement.renew)
  yield* Effect.forkScoped(Effect.repeat(Effect.delay(renew, settings.watch), Schedule.forever))
  const check = Effect.gen(function* () {
    const states = { bandwidth: yield* bandwidth.state, placement: yield* placement.state }
    for (const state of Object.values(states)) {
      if (state._tag === "Fallback" && state.why !== undefined) return yield* state.why
    }
    const told = Object.entries(states).map(([name, state]) => `${name} ${wordsOf(state)}`)
    return { detail: told.join(", ") }
  })
  return { bandwidth, placement, check }
})

const wordsOf = (state: Shelf.State): string => {
  switch (state._tag) {
    case "Unused":
      return "not asked for yet"
    case "Serving":
      return `by version ${state.version}`
    case "Fallback":
      return "by its fallback"
  }
}

/** The component `ml`: a node is as good without it, for consumers have fallbacks of their own. */
export const component = (settings: Settings) =>
  Component.make(Ml, {
    phase: "service",
    severity: "Warning",
    start: make(settings),
    health: ({ check }) => check
  }).pipe(Component.optional)
