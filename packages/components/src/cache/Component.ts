/**
 * The cache as a part of the node: Redis, and memory while Redis cannot be had. It never keeps a node from running, unless
 * it is told something that cannot be right: an address that is none, a password that is refused, a server that cannot
 * prove who it is.
 *
 * **Details**
 *
 * With a `url`, a Redis that cannot be reached after `cache.retries` attempts leaves the cache degraded, on memory. When it
 * can be reached later, it is put in place without a restart; what was changed meanwhile is dropped from it first. A Redis
 * that stops answering while the node runs gives way to memory in the same manner.
 *
 * Without a `url` the cache is memory alone, and that is what was asked for: it is ready, not degraded.
 */
import { Component, Policy, type Severity } from "@novacron/boot"
import { Duration, Effect, Random, type Scope } from "effect"
import { Security } from "../security/Security.ts"
import * as Address from "./Address.ts"
import {
  Cache,
  type CacheMisconfigured,
  type CacheRefused,
  type CacheUnavailable,
  type CacheUntrusted
} from "./Cache.ts"
import * as Ledger from "./Ledger.ts"
import * as Memory from "./Memory.ts"
import type { Settings } from "./Settings.ts"

/** What can keep a node from booting because of its cache. */
export type Fatal = CacheMisconfigured | CacheRefused | CacheUntrusted

/** How patient a boot is with Redis: 1 second, then 2, before memory serves. What cannot become right is tried once. */
export const patience = (settings: Settings): Policy.Policy =>
  Policy.perError(Policy.make({ name: "cache", attempts: settings.retries }), {
    CacheMisconfigured: Policy.never,
    CacheRefused: Policy.never,
    CacheUntrusted: Policy.never
  })

/** The component `cache`. `retry` is for tests that cannot wait for seconds. Default: {@link patience}. */
export const component = (
  settings: Settings,
  options: { readonly retry?: Policy.Policy } = {}
): Component.Component<Component.Provided<Cache>, Severity.Critical<Fatal>, Security> => {
  const ledger = Ledger.make()
  const memory = (name: string, role: Memory.Role) =>
    Component.make(Cache, { name, start: Memory.make(settings, ledger, role), health: (cache) => cache.check })
  if (settings.url === undefined) return memory("cache", "alone")

  const address = Address.parse(settings.url)
  const start = Effect.flatMap(Effect.fromResult(address), (address) => shared(settings, ledger, address))
  const redis = Component.make(Cache, {
    name: "cache",
    needs: [Security],
    severity: {
      CacheMisconfigured: "Critical",
      CacheRefused: "Critical",
      CacheUntrusted: "Critical",
      CacheUnavailable: "Degraded"
    },
    validate: Effect.fromResult(address),
    start,
    health: (cache) => cache.check
  })
  return redis.pipe(
    Component.retry(options.retry ?? patience(settings)),
    Component.timeout("4 seconds"),
    Component.fallback(memory("memory", "instead"))
  )
}

/** A node without Redis does without. */
const code = Effect.promise(async () => {
  const [Redis, Shared] = await Promise.all([import("./Redis.ts"), import("./Shared.ts")])
  return { Redis, Shared }
})

const shared = Effect.fnUntraced(function* (
  settings: Settings,
  ledger: Ledger.Ledger,
  address: Address.Address
): Effect.fn.Return<Cache["Service"], CacheRefused | CacheUntrusted | CacheUnavailable, Security | Scope.Scope> {
  const security = yield* Security
  const { Redis, Shared } = yield* code
  const tls = !address.isEncrypted
    ? undefined
    : settings.trust === "node"
      ? yield* security.clientTls(address.host)
      : { servername: address.host }
  const id = yield* randomId
  const commandTimeoutMs = Duration.toMillis(settings.commandTimeout)
  const connect = (name: string) => Redis.connect(address, { name: `novacron-${name}-${id}`, commandTimeoutMs, tls })
  const [commands, news] = yield* Effect.all([connect("commands"), connect("news")], { concurrency: 2 })
  return yield* Shared.make(settings, ledger, { commands, news, id })
})

/** Tells the nodes that share a cache apart. */
const randomId = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 32 - 1), Random.nextIntBetween(0, 2 ** 32 - 1)]),
  (words) => words.map((word) => word.toString(16).padStart(8, "0")).join("")
)
