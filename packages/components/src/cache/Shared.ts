/**
 * The cache that all nodes share: values in Redis, copies in the memory of this node, and news of changes between nodes.
 *
 * **Details**
 *
 * A write and the news of it are one transaction, so there is no change without news. News are dropped by whoever sent
 * them, and never answered. A copy is made only while news arrive, and only if none about that key has arrived since the
 * value was asked for; when the connection for news is lost, all copies are dropped at once.
 *
 * Commands go through a breaker: after three that failed in a row, none is made for a while.
 */
import { CircuitBreaker } from "@novacron/boot"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import type { ChainableCommander } from "ioredis"
import * as Traffic from "../network/Traffic.ts"
import { show } from "./Address.ts"
import { type Cache, CacheUnavailable } from "./Cache.ts"
import type { Debt, Ledger } from "./Ledger.ts"
import * as Lru from "./Lru.ts"
import { limitsOf } from "./Memory.ts"
import type { Client } from "./Redis.ts"
import type { Settings } from "./Settings.ts"

/** How long no command is made after three that failed. Short: a cache that is not asked is as good as none. */
const quiet = Duration.seconds(5)

/** How long the value stays that a probe writes, in milliseconds. */
const probeMs = 10_000

/** How many keys go into one command when many are dropped. */
const batch = 500

/** What one node tells the others. */
const News = Schema.fromJsonString(Schema.Struct({ by: Schema.String, key: Schema.NullOr(Schema.String) }))
const readNews = Schema.decodeUnknownOption(News)
const writeNews = Schema.encodeSync(News)

/** Subscribes and serves. `id` is this node's, among all who share the cache. */
export const make = Effect.fnUntraced(function* (
  settings: Settings,
  ledger: Ledger,
  connection: { readonly commands: Client; readonly news: Client; readonly id: string }
): Effect.fn.Return<Cache["Service"], CacheUnavailable> {
  const { commands, id, news } = connection
  const { counts, owed } = ledger
  const limits = limitsOf(settings)
  const copies = Lru.make(limits)
  const traffic = Traffic.make(yield* Clock.currentTimeMillis)
  const breaker = yield* CircuitBreaker.make({ name: "redis", openFor: quiet })
  const channel = `${settings.prefix}news:${commands.address.database}`
  const at = (key: string) => `${settings.prefix}value:${key}`

  /** Who is about to make a copy of a key. News about it take the permission away. */
  const copying = new Map<string, object>()
  let hearsNews = false

  const forgetCopies = (): void => {
    copies.clear()
    copying.clear()
  }

  const listen = Effect.gen(function* () {
    news.listen({
      connected: () => void Effect.runFork(Effect.ignore(subscribe)),
      lost: () => {
        if (!hearsNews) return
        hearsNews = false
        forgetCopies()
        ledger.tell({ _tag: "Anything" })
      },
      message: (text) => {
        const message = Option.getOrUndefined(readNews(text))
        if (message === undefined || message.by === id) return
        if (message.key === null) {
          forgetCopies()
          return ledger.tell({ _tag: "Anything" })
        }
        copying.delete(message.key)
        copies.delete(message.key)
        ledger.tell({ _tag: "Changed", key: message.key })
      }
    })
    yield* subscribe
  })

  const subscribe = Effect.map(
    news.run((redis) => redis.subscribe(channel)),
    () => void (hearsNews = true)
  )

  /** A transaction; an error of one command is an error of all. */
  const transact = (fill: (all: ChainableCommander) => ChainableCommander) =>
    Effect.flatMap(
      commands.run((redis) => fill(redis.multi()).exec()),
      (replies) => {
        const failed = replies?.find(([error]) => error !== null)
        if (replies !== null && failed === undefined) return Effect.succeed(replies.map(([, reply]) => reply))
        const cause = failed?.[0] ?? "the transaction was not carried out"
        return Effect.fail(new CacheUnavailable({ address: show(commands.address), cause: messageOf(cause) }))
      }
    )

  /** Without a connection a call fails at once and says nothing about the one after it. */
  const guarded = <A>(effect: Effect.Effect<A, CacheUnavailable>) =>
    Effect.suspend(() => (commands.isConnected() ? breaker.call(effect) : effect))

  /** A call of somebody who uses the cache: counted, and none while the breaker is open. */
  const call = <A>(effect: Effect.Effect<A, CacheUnavailable>): Effect.Effect<Option.Option<A>> =>
    Effect.match(guarded(effect), {
      onSuccess: (value) => {
        traffic.succeeded()
        return Option.some(value)
      },
      onFailure: () => {
        traffic.failed()
        counts.errors++
        return Option.none()
      }
    })

  const publish = (key: string | null) => writeNews({ by: id, key })

  const drop = (key: string) => transact((all) => all.unlink(at(key)).publish(channel, publish(key)))

  /** Drops a value that is out of date, here and for all. Until that has worked the key is owed. */
  const forget = (key: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      copying.delete(key)
      copies.delete(key)
      return Effect.asVoid(owing(key, drop(key)))
    })

  /** Changes a value. It is owed if that does not work, or if nobody knows because whoever wanted it has left. */
  const owing = (key: string, change: Effect.Effect<unknown, CacheUnavailable>): Effect.Effect<boolean> => {
    return Effect.onInterrupt(
      Effect.map(call(change), (done) => {
        if (Option.isSome(done)) owed.drop(key)
        else owed.add(key)
        return Option.isSome(done)
      }),
      () => Effect.sync(() => owed.add(key))
    )
  }

  const dropMany = (keys: ReadonlyArray<string>) =>
    transact((all) => {
      all.unlink(...keys.map(at))
      for (const key of keys) all.publish(channel, publish(key))
      return all
    })

  const dropAll = Effect.gen(function* () {
    let cursor = "0"
    do {
      const [next, found] = yield* commands.run((redis) =>
        redis.scan(cursor, "MATCH", `${escaped(settings.prefix)}value:*`, "COUNT", batch)
      )
      if (found.length > 0) yield* commands.run((redis) => redis.unlink(...found))
      cursor = next
    } while (cursor !== "0")
    yield* commands.run((redis) => redis.publish(channel, publish(null)))
  })

  const pay = (debt: Debt): Effect.Effect<void, CacheUnavailable> => {
    if (debt._tag === "Everything") return dropAll
    const batches = Array.from({ length: Math.ceil(debt.keys.length / batch) }, (_, i) =>
      debt.keys.slice(i * batch, (i + 1) * batch)
    )
    return Effect.forEach(batches, dropMany, { discard: true })
  }

  const settle = Effect.suspend(() => {
    if (owed.size() === 0) return Effect.void
    const debt = owed.take()
    // Not only when it fails: what was interrupted is owed as well.
    return Effect.onExit(pay(debt), (exit) => Effect.sync(() => void (exit._tag === "Failure" && owed.add(debt))))
  })

  const get = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Option.Option<string>> {
    const nowMs = yield* Clock.currentTimeMillis
    if (owed.size() > 0 && owed.has(key)) {
      yield* forget(key)
      counts.misses++
      return Option.none()
    }
    const copy = copies.get(key, nowMs)
    if (copy !== undefined) {
      counts.hits++
      traffic.succeeded()
      return Option.some(copy.value)
    }
    const permission = {}
    copying.set(key, permission)
    const replies = yield* call(transact((all) => all.get(at(key)).pttl(at(key))))
    const mayCopy = copying.get(key) === permission && hearsNews
    if (copying.get(key) === permission) copying.delete(key)
    const [value, leftMs] = Option.getOrElse(replies, () => [])
    // It may have become out of date while it was on its way.
    if (typeof value !== "string" || owed.has(key)) {
      counts.misses++
      return Option.none()
    }
    counts.hits++
    if (mayCopy) {
      const endMs = typeof leftMs === "number" && leftMs >= 0 ? nowMs + leftMs : Infinity
      counts.evictions += copies.set(key, value, endMs, nowMs)
    }
    return Option.some(value)
  })

  const set = Effect.fnUntraced(function* (key: string, value: string, ttl: Duration.Input = settings.ttl) {
    const nowMs = yield* Clock.currentTimeMillis
    const ttlMs = Math.ceil(Duration.toMillis(ttl))
    if (ttlMs <= 0 || Lru.costOf(key, value) > limits.maxBytes) return yield* forget(key)
    copies.delete(key)
    const permission = {}
    copying.set(key, permission)
    const isDone = yield* owing(
      key,
      transact((all) => {
        const written = ttlMs === Infinity ? all.set(at(key), value) : all.set(at(key), value, "PX", ttlMs)
        return written.publish(channel, publish(key))
      })
    )
    const mayCopy = copying.get(key) === permission && hearsNews
    if (copying.get(key) === permission) copying.delete(key)
    if (isDone && mayCopy) counts.evictions += copies.set(key, value, nowMs + ttlMs, nowMs)
  })

  const check = Effect.gen(function* () {
    const startMs = yield* Clock.currentTimeMillis
    // Not a ping: a Redis that is full, or that may not write, answers pings.
    yield* commands.run((redis) => redis.set(`${settings.prefix}probe:${id}`, "", "PX", probeMs))
    yield* Effect.catch(
      news.run((redis) => redis.ping()),
      () => Effect.sync(news.renew)
    )
    yield* settle
    const nowMs = yield* Clock.currentTimeMillis
    const where = `Redis at ${show(commands.address)}`
    return traffic.read(nowMs, nowMs - startMs, hearsNews ? where : `${where}, without copies on this node`)
  })

  yield* listen
  // What is owed is settled by the first probe, before anybody gets to use this.
  return {
    get,
    set,
    delete: forget,
    stats: Effect.sync(() => ({
      tier: "redis",
      entries: copies.size(),
      bytes: copies.bytes(),
      ...counts,
      owed: owed.size()
    })),
    invalidations: ledger.invalidations,
    check
  }
})

const escaped = (prefix: string): string => prefix.replace(/[\\*?[\]]/g, "\\$&")

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
