/**
 * The cache in the memory of this node alone. What is changed here while Redis cannot be had goes into the ledger, so that
 * nobody finds the old value there later.
 */
import { ByteSize, Clock, Duration, Effect, Option } from "effect"
import type { Cache } from "./Cache.ts"
import * as Traffic from "../network/Traffic.ts"
import type { Ledger } from "./Ledger.ts"
import * as Lru from "./Lru.ts"
import type { Settings } from "./Settings.ts"

/** Why memory serves: no Redis is configured, or there is one and it cannot be had. */
export type Role = "alone" | "instead"

/** A cache that starts empty. */
export const make = Effect.fnUntraced(function* (
  settings: Settings,
  ledger: Ledger,
  role: Role
): Effect.fn.Return<Cache["Service"]> {
  const { counts, owed } = ledger
  const lru = Lru.make(limitsOf(settings))
  const traffic = Traffic.make(yield* Clock.currentTimeMillis)
  const detail =
    role === "alone" ? "memory of this node; no Redis is configured" : "memory of this node, instead of Redis"

  const change = (key: string, run: (nowMs: number) => void) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      run(nowMs)
      if (role === "instead") owed.add(key)
      traffic.succeeded()
    })

  return {
    get: (key) =>
      Effect.map(Clock.currentTimeMillis, (nowMs) => {
        const entry = lru.get(key, nowMs)
        traffic.succeeded()
        if (entry === undefined) counts.misses++
        else counts.hits++
        return Option.fromUndefinedOr(entry?.value)
      }),
    set: (key, value, ttl = settings.ttl) =>
      change(key, (nowMs) => {
        counts.evictions += lru.set(key, value, nowMs + Duration.toMillis(ttl), nowMs)
      }),
    delete: (key) => change(key, () => void lru.delete(key)),
    stats: Effect.sync(() => ({
      tier: "memory",
      entries: lru.size(),
      bytes: lru.bytes(),
      ...counts,
      owed: owed.size()
    })),
    invalidations: ledger.invalidations,
    check: Effect.map(Clock.currentTimeMillis, (nowMs) => traffic.read(nowMs, 0, detail))
  }
})

/** The bounds of what one node keeps in memory, in either tier. */
export const limitsOf = (settings: Settings): Lru.Limits => ({
  maxEntries: settings.maxEntries,
  maxBytes: Option.getOrElse(ByteSize.toNumber(settings.maxMemory), () => Number.MAX_SAFE_INTEGER)
})
