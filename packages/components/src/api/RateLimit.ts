/**
 * How often one may ask: a bucket of tokens for each caller, which fills up at a steady rate.
 *
 * **Details**
 *
 * Who waits long enough has a full bucket and is forgotten, so there are never more of them than there are callers at a
 * time, and never more than `maxCallers`: then the one that was seen longest ago is forgotten, to its advantage.
 */

export interface Options {
  readonly perMinute: number
  /** What a full bucket holds. */
  readonly burst: number
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** Default: 10,000. */
  readonly maxCallers?: number
}

export interface RateLimit {
  /** Takes one; 0, or the milliseconds until there is one. `nowMs` is for whoever has just looked at the clock. */
  readonly take: (caller: string, nowMs?: number) => number
  /** As {@link take}, and takes nothing. */
  readonly look: (caller: string) => number
  /** How many callers are remembered. */
  readonly size: () => number
}

interface Bucket {
  tokens: number
  atMs: number
}

export const make = ({ burst, maxCallers = 10_000, now, perMinute }: Options): RateLimit => {
  const perMs = perMinute / 60_000
  const buckets = new Map<string, Bucket>()

  const levelOf = ({ atMs, tokens }: Bucket, nowMs: number): number => Math.min(burst, tokens + (nowMs - atMs) * perMs)

  const waitFor = (tokens: number): number => (tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs)))

  const forgetSome = (nowMs: number): void => {
    for (const [caller, bucket] of buckets) if (levelOf(bucket, nowMs) >= burst) buckets.delete(caller)
    for (const caller of buckets.keys()) {
      if (buckets.size < maxCallers) return
      buckets.delete(caller)
    }
  }

  return {
    take: (caller, nowMs = now()) => {
      const bucket = buckets.get(caller)
      if (bucket === undefined) {
        if (buckets.size >= maxCallers) forgetSome(nowMs)
        buckets.set(caller, { tokens: burst - 1, atMs: nowMs })
        return burst >= 1 ? 0 : waitFor(burst)
      }
      const tokens = levelOf(bucket, nowMs)
      const waitMs = waitFor(tokens)
      bucket.tokens = waitMs === 0 ? tokens - 1 : tokens
      bucket.atMs = nowMs
      return waitMs
    },
    look: (caller) => {
      const bucket = buckets.get(caller)
      return bucket === undefined ? 0 : waitFor(levelOf(bucket, now()))
    },
    size: () => buckets.size
  }
}
