/**
 * Values that may be forgotten at any time: what was expensive to find out, kept near.
 *
 * **Details**
 *
 * There are two tiers. `redis` is shared by all nodes, with copies in the memory of each; a node that changes a value tells
 * the others, who drop their copies. `memory` is this node's alone: it serves when no Redis is configured, and stands in
 * while Redis cannot be had.
 *
 * A cache does not fail. What cannot be read is not there, and what cannot be written is remembered as out of date: it is
 * not served again before it is gone from Redis too. `stats` and the probe say how often that happened.
 *
 * **Gotchas**
 *
 * While a node cannot reach Redis, the others do not hear of its changes. They may serve an older value until it can
 * again, or until the value's time is over.
 */
import { Context, Data, type Duration, type Effect, type Option, type Stream } from "effect"
import type * as Traffic from "../network/Traffic.ts"

export class Cache extends Context.Service<
  Cache,
  {
    /** The value under a key, if it is there and its time is not over. */
    readonly get: (key: string) => Effect.Effect<Option.Option<string>>
    /** Keeps a value for `ttl`. Default: `cache.ttl`; zero or less forgets it. One above `cache.max_memory` is not kept. */
    readonly set: (key: string, value: string, ttl?: Duration.Input) => Effect.Effect<void>
    /** Forgets a value, on all nodes. */
    readonly delete: (key: string) => Effect.Effect<void>
    /** What it holds in the memory of this node, and how it has done since the boot. */
    readonly stats: Effect.Effect<Stats>
    /** What other nodes have changed, from now on. Goes on when tiers change. Keeps the last 256 for one who is slow. */
    readonly invalidations: Stream.Stream<Invalidation>
    /** Fails when values cannot be written and read. Answers how it goes: latency, operations a second, share of errors. */
    readonly check: Effect.Effect<Traffic.Reading, CacheUnavailable>
  }
>()("novacron/cache") {}

/** A value that somebody else has changed, or, when news of changes may have been missed, any value at all. */
export type Invalidation = { readonly _tag: "Changed"; readonly key: string } | { readonly _tag: "Anything" }

export interface Stats {
  readonly tier: "memory" | "redis"
  /** Values in the memory of this node, those included whose time is over and that nobody asked for since. */
  readonly entries: number
  /** What these take, an estimate. */
  readonly bytes: number
  readonly hits: number
  readonly misses: number
  /** Values that had to go because there was no room. */
  readonly evictions: number
  /** Commands that Redis did not carry out. */
  readonly errors: number
  /** Values that Redis may hold and that are out of date. None of them is served. */
  readonly owed: number
}

/** The address of Redis cannot be right. Nobody tries it. */
export class CacheMisconfigured extends Data.TaggedError("CacheMisconfigured")<{ readonly reason: string }> {
  readonly code = "NVC-2201"
  override get message() {
    return `cache.url is no address of a Redis: ${this.reason}. It looks like redis://user:password@host:6379/0.`
  }
}

/** Redis answered, and wants nothing to do with us: password, user, rights, or number of the database. */
export class CacheRefused extends Data.TaggedError("CacheRefused")<{
  readonly address: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2202"
  override get message() {
    const hint = "Correct the user, the password or the database in cache.url, or the rights of that user"
    return `Redis at ${this.address} refuses this node. ${hint}; it is not tried again as it is.`
  }
}

/** Whoever answers cannot prove to be the Redis that was meant. */
export class CacheUntrusted extends Data.TaggedError("CacheUntrusted")<{
  readonly address: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2203"
  override get message() {
    const hint = "Check its certificate and cache.trust, and whether the port speaks TLS"
    return `Redis at ${this.address} is not who it should be, so nothing was sent to it. ${hint}.`
  }
}

/** Redis does not answer, or not with what was asked for. Memory serves instead. */
export class CacheUnavailable extends Data.TaggedError("CacheUnavailable")<{
  readonly address: string
  readonly cause: unknown
}> {
  override get message() {
    return `Redis at ${this.address} cannot be used. Is it running, and can this node reach it?`
  }
}
