/**
 * Which nodes there are: this one is entered in the database that nodes share, and those that are entered there are found.
 *
 * **Details**
 *
 * A boot does not wait for it: the entry is made, renewed three times per lease, and the others are looked up, by a fiber.
 * While a registry is away what was found last is still told. The entry is removed when the node stops, and runs out when
 * it dies. A node that finds another process under its id says so and stays away: two of one name would be one for others.
 */
import { Component } from "@novacron/boot"
import {
  Clock,
  Context,
  Data,
  Duration,
  Effect,
  Random,
  Schedule,
  Schema,
  type Scope,
  type Stream,
  SubscriptionRef
} from "effect"
import { Database } from "../database/Database.ts"
import * as Registry from "./Registry.ts"
import type { Settings } from "./Settings.ts"

/** This node is not found by others, or will soon not be. */
export class NotFoundByOthers extends Data.TaggedError("NotFoundByOthers")<{
  readonly registry: string
  readonly why: "Unavailable" | "Replaced"
  readonly cause?: unknown
}> {
  readonly code = "NVC-2405"
  override get message() {
    return this.why === "Replaced"
      ? `Another process is entered in ${this.registry} under the id of this node. Give each node an id: system.node_id.`
      : `This node could not be entered in ${this.registry} for longer than its lease: others do not find it.`
  }
}

/** The other nodes. */
export class Discovery extends Context.Service<
  Discovery,
  {
    readonly self: Omit<Registry.Peer, "addresses">
    /** Who else is there, as it was found last; by id. */
    readonly peers: Effect.Effect<ReadonlyArray<Registry.Peer>>
    /** Who else is there now, then each time that changes. */
    readonly changes: Stream.Stream<ReadonlyArray<Registry.Peer>>
    /** Looks now. */
    readonly look: Effect.Effect<ReadonlyArray<Registry.Peer>, Registry.RegistryUnavailable>
    /** Fails when others do not find this node. */
    readonly check: Effect.Effect<void, NotFoundByOthers>
  }
>()("novacron/discovery") {}

/** What is entered of this node. */
export interface Self {
  readonly id: string
  readonly version: string
  /** Where it runs: `datacenter`, `internet` or `hybrid`. */
  readonly environment?: string
  /**
   * Addresses by what is there, as of now: `{ api: "https://10.0.0.1:8443" }`. `discovery.advertise` goes before them.
   * Asked each time the entry is renewed.
   */
  readonly addresses: () => { readonly [name: string]: string }
}

/** Enters this node in all registries, until the scope closes. */
export const make = Effect.fn("Discovery.make")(function* (
  settings: Settings,
  { addresses, environment = "", id, version }: Self,
  registries: ReadonlyArray<Registry.Registry>
): Effect.fn.Return<Discovery["Service"], never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const self = { id, version, environment, incarnation: yield* incarnation, startedAt: yield* Clock.currentTimeMillis }
  const entered = (): Registry.Peer => ({ ...self, addresses: { ...addresses(), ...advertised(settings.advertise) } })
  const found = yield* SubscriptionRef.make<ReadonlyArray<Registry.Peer>>([])
  const kept = registries.map((registry): Entry => ({ registry, since: nowMs(), replaced: false, cause: undefined }))

  const keep = (entry: Entry) =>
    Effect.gen(function* () {
      const { registry } = entry
      if (entry.replaced) return
      const outcome = yield* registry.keep(entered())
      if (outcome === "Replaced") {
        entry.replaced = true
        yield* Effect.logWarning(new NotFoundByOthers({ registry: registry.name, why: "Replaced" }).message)
      } else if (entry.cause !== undefined) yield* Effect.logInfo(`This node is entered in ${registry.name} again.`)
      entry.since = nowMs()
      entry.cause = undefined
    }).pipe(
      Effect.catch((error) => {
        const isNews = entry.cause === undefined
        entry.cause = error
        return isNews ? Effect.logWarning(error.message) : Effect.void
      })
    )

  const look = Effect.gen(function* () {
    const all = yield* Effect.forEach(registries, ({ list }) => list, { concurrency: "unbounded" })
    const others = merged(all.flat(), id)
    const before = yield* SubscriptionRef.get(found)
    if (!isSame(before, others)) yield* SubscriptionRef.set(found, others)
    return others
  })

  yield* Effect.addFinalizer(() =>
    Effect.forEach(kept, ({ registry }) => Effect.ignore(registry.remove(entered())), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.timeoutOption(farewell))
  )
  const third = Duration.millis(Math.max(10, Duration.toMillis(settings.lease) / 3))
  for (const entry of kept) yield* Effect.forkScoped(Effect.repeat(keep(entry), Schedule.spaced(third)))
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.spaced(settings.interval)))

  return {
    self,
    peers: SubscriptionRef.get(found),
    changes: SubscriptionRef.changes(found),
    look,
    check: Effect.suspend(() => {
      const lapsed = kept.find(({ replaced, since }) => replaced || nowMs() - since > Duration.toMillis(settings.lease))
      if (lapsed === undefined) return Effect.void
      const { cause, registry, replaced } = lapsed
      return new NotFoundByOthers({ registry: registry.name, why: replaced ? "Replaced" : "Unavailable", cause })
    })
  }
})

/** How this node stands in a registry. */
interface Entry {
  readonly registry: Registry.Registry
  /** When it was kept last, on the monotonic clock. */
  since: number
  replaced: boolean
  cause: unknown
}

/** A hundred bits: no two processes have the same. */
const incarnation = Effect.map(Effect.all([Random.next, Random.next]), (chances) =>
  chances.map((chance) => Math.floor(chance * 2 ** 50).toString(36)).join("-")
)

/** How long the end of the node may take to say goodbye. */
const farewell = Duration.seconds(2)

const advertised = (pairs: ReadonlyArray<string>): { readonly [name: string]: string } =>
  Object.fromEntries(
    pairs.map((pair) => {
      const cut = pair.indexOf("=")
      return cut < 0 ? ["node", pair] : [pair.slice(0, cut), pair.slice(cut + 1)]
    })
  )

/** Each node once, the latest process of it, without this one. */
const merged = (all: ReadonlyArray<Registry.Peer>, id: string): ReadonlyArray<Registry.Peer> => {
  const byId = new Map<string, Registry.Peer>()
  for (const peer of all) {
    const known = byId.get(peer.id)
    if (peer.id !== id && (known === undefined || known.startedAt < peer.startedAt)) byId.set(peer.id, peer)
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

const isSame = (a: ReadonlyArray<Registry.Peer>, b: ReadonlyArray<Registry.Peer>): boolean =>
  a.length === b.length && JSON.stringify(a) === JSON.stringify(b)

/** The etcd of the settings, by the engine of ASS. Nothing is asked of it before the node is to be entered. */
export const etcd = Effect.fnUntraced(function* ({ etcd, lease }: Settings) {
  const { namespace, ...rest } = etcd
  const open = Effect.gen(function* () {
    const { Ass } = yield* Effect.promise(() => import("@novacron/dwcp"))
    const encoded = { environment: "datacenter", namespace, lease: `${Duration.toMillis(lease)} ms`, etcd: rest }
    return yield* Ass.make(yield* Schema.decodeUnknownEffect(Ass.Settings)(encoded))
  })
  return Registry.shared("etcd", yield* Registry.opening(open))
})

/** The component `discovery`: a node is as good without it, and alone. */
export const component = (settings: Settings, self: Self) =>
  Component.make(Discovery, {
    phase: "post",
    needs: [Database],
    severity: "Warning",
    start: Effect.gen(function* () {
      const { check, sql } = yield* Database
      const registries = [
        Registry.database(sql, settings.lease, check),
        ...(settings.etcd.endpoints.length === 0 ? [] : [yield* etcd(settings)])
      ]
      return yield* make(settings, self, settings.enabled ? registries : [])
    }),
    health: ({ check }) => check
  }).pipe(Component.optional)
