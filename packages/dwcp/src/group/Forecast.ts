/** What links will carry, as the others ask for it; and the moving average, which stands in for PBA. */
import { Effect } from "effect"

export interface Forecast {
  /** Bytes per second. */
  readonly bytesPerSecond: number
  readonly low: number
  readonly high: number
  /** `lstm`, `moving-average`, … */
  readonly by: string
}

export interface Forecasting {
  readonly observe: (
    link: string,
    bytesPerSecond: number,
    how?: { readonly appLimited?: boolean }
  ) => Effect.Effect<void>
  /** `undefined` while nothing is known of the link. */
  readonly forecast: (link: string) => Effect.Effect<Forecast | undefined>
  /** Fails while it does less than it should. */
  readonly check: Effect.Effect<unknown, unknown>
  /** What forecasts, in a few words. */
  readonly by: Effect.Effect<string>
}

/** How many measurements count, and of how many links. */
const remembered = 10
const mostLinks = 1_024

/** The mean of the last ten measurements; from the least to the most of them. */
export const movingAverage = (): Forecasting => {
  const links = new Map<string, ReadonlyArray<number>>()
  return {
    observe: (link, bytesPerSecond) =>
      Effect.sync(() => {
        if (!(bytesPerSecond > 0) || !Number.isFinite(bytesPerSecond)) return
        const before = links.get(link) ?? []
        links.delete(link)
        links.set(link, [...before, bytesPerSecond].slice(-remembered))
        if (links.size > mostLinks) links.delete(links.keys().next().value ?? "")
      }),
    check: Effect.void,
    by: Effect.succeed("the mean of the last ten"),
    forecast: (link) =>
      Effect.sync(() => {
        const seen = links.get(link)
        if (seen === undefined || seen.length === 0) return undefined
        return {
          bytesPerSecond: seen.reduce((sum, each) => sum + each, 0) / seen.length,
          low: Math.min(...seen),
          high: Math.max(...seen),
          by: "moving-average"
        }
      })
  }
}
