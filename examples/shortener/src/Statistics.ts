/** How often each link was followed. A shortener without it is still a shortener. */
import { Component } from "@novacron/boot"
import { Context, Effect } from "effect"

export class Statistics extends Context.Service<
  Statistics,
  {
    readonly count: (slug: string) => Effect.Effect<void>
    readonly clicks: (slug: string) => Effect.Effect<number>
  }
>()("shortener/statistics") {}

export const statistics = Component.make(Statistics, {
  severity: "Warning",
  start: Effect.sync(() => {
    const counts = new Map<string, number>()
    const clicks = (slug: string) => counts.get(slug) ?? 0
    return {
      count: (slug) => Effect.sync(() => void counts.set(slug, clicks(slug) + 1)),
      clicks: (slug) => Effect.sync(() => clicks(slug))
    }
  }),
  health: (statistics) => statistics.clicks("")
}).pipe(Component.optional)
