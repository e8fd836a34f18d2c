/**
 * ASS, adaptive state synchronisation: the engine that fits the surroundings of a node, behind {@link StateSync}.
 *
 * **Example**
 *
 * ```ts
 * const program = Effect.gen(function* () {
 *   const sync = yield* Ass.StateSync
 *   yield* sync.put("nodes/a", bytes, { ephemeral: true })
 *   yield* Stream.runForEach(sync.watch("nodes/"), (change) => Console.log(change._tag))
 * })
 * program.pipe(Effect.provide(Ass.layer(settings, { sql })))
 * ```
 */
import { readFile } from "node:fs/promises"
import { Duration, Effect, Layer, type Option, Redacted, type Scope, type Stream } from "effect"
import type { SqlClient } from "effect/sql"
import * as Bounded from "./Bounded.ts"
import type { Pki } from "./EtcdClient.ts"
import { EngineUnavailable, type StateError, StoreRefused } from "./Failures.ts"
import * as Gossip from "./Gossip.ts"
import * as Hybrid from "./Hybrid.ts"
import * as Late from "./Late.ts"
import * as Local from "./Local.ts"
import type { Settings } from "./Settings.ts"
import { type Engine, StateSync } from "./StateSync.ts"

/** What a node brings along. */
export interface Surroundings {
  /** The database of the node, for the engine `alone`; and its notifications on `Local.channel`, if it has them. */
  readonly sql?: SqlClient.SqlClient
  readonly wake?: Stream.Stream<unknown, unknown>
}

/** The engine that the settings choose, until the scope closes. */
export const make = Effect.fn("Ass.make")(function* (
  settings: typeof Settings.Type,
  surroundings: Surroundings = {}
): Effect.fn.Return<Engine, StateError | EngineUnavailable, Scope.Scope> {
  return bounded(settings, yield* choose(settings, surroundings))
})

/** The engine of a node alone whose database may come later than it, or be away: it waits for it, and goes on without. */
export const makeAlone = (
  settings: Pick<typeof Settings.Type, "lease" | "maxValue" | "namespace" | "poll">,
  sql: Effect.Effect<Option.Option<SqlClient.SqlClient>>
): Effect.Effect<Engine, never, Scope.Scope> =>
  Effect.map(
    Late.make({
      engine: "alone",
      promises: Local.promises,
      store: Local.store,
      patience: Duration.seconds(5),
      build: Effect.gen(function* () {
        const { lease, namespace, poll } = settings
        return yield* Local.make({ sql: yield* Effect.fromOption(yield* sql), namespace, poll, lease })
      })
    }),
    (engine) => bounded(settings, engine)
  )

/** An engine that is asked for nothing that another one would not take. */
export const bounded = ({ maxValue }: Pick<typeof Settings.Type, "maxValue">, engine: Engine): Engine =>
  Bounded.make(engine, { maxValue: Number(maxValue) })

export const layer = (settings: typeof Settings.Type, surroundings: Surroundings = {}) =>
  Layer.effect(StateSync, make(settings, surroundings))

const choose = (
  settings: typeof Settings.Type,
  { sql, wake }: Surroundings
): Effect.Effect<Engine, StateError | EngineUnavailable, Scope.Scope> => {
  const { lease, namespace, poll } = settings
  switch (settings.environment) {
    case "datacenter":
      return etcd(settings)
    case "internet":
      return gossip(settings, settings.namespace)
    case "hybrid":
      return Effect.gen(function* () {
        const strong = yield* etcd(settings)
        // What is pending is no state of anybody, and stands in a room of its own.
        const weak = yield* gossip(settings, `${namespace}/pending`)
        return yield* Hybrid.make({ strong, weak, budget: settings.budget })
      })
    case "alone":
      if (sql === undefined) {
        return new EngineUnavailable({ engine: "alone", reason: "the node has no database" })
      }
      return Local.make({ sql, namespace, poll, lease, ...(wake !== undefined && { wake }) })
  }
}

const etcd = ({ etcd, lease, namespace }: typeof Settings.Type) => {
  const unavailable = (reason: string) => new EngineUnavailable({ engine: "etcd", reason })
  const { attempt, endpoints, insecure, timeout } = etcd
  if (endpoints.length === 0) return unavailable("etcd.endpoints is empty")
  for (const endpoint of endpoints) {
    const protocol = URL.canParse(endpoint) ? new URL(endpoint).protocol : ""
    if (protocol !== "https:" && protocol !== "http:") return unavailable(`${endpoint} is not an address with https://`)
    if (protocol === "http:" && !insecure)
      return unavailable(`${endpoint} goes without TLS, and etcd.insecure is not set`)
  }
  // With it comes gRPC, which takes a tenth of a second to load: only who asks for etcd waits for that.
  return Effect.flatMap(
    Effect.promise(() => import("./Etcd.ts")),
    (Etcd) => Etcd.make({ endpoints, attempt, timeout, namespace, lease, pki: readPki(etcd) })
  )
}

const minSecret = 16

const gossip = ({ gossip }: typeof Settings.Type, namespace: string) => {
  const { compactAt, maxDocument, secret, ...rest } = gossip
  const unavailable = (reason: string) => new EngineUnavailable({ engine: "gossip", reason })
  if (secret === undefined) return unavailable("gossip.secret is not set, and without it anybody could write")
  if (Redacted.value(secret).length < minSecret) {
    return unavailable(`gossip.secret is shorter than ${minSecret} characters`)
  }
  const sizes = { maxDocument: Number(maxDocument), compactAt: Number(compactAt) }
  return Gossip.make({ ...rest, ...sizes, secret, namespace })
}

type Files = Pick<(typeof Settings.Type)["etcd"], "ca" | "certificate" | "key">

export const readPki = ({ ca, certificate, key }: Files): Effect.Effect<Pki, StoreRefused> =>
  Effect.gen(function* () {
    const read = (path: string) =>
      Effect.tryPromise({
        try: () => readFile(path),
        catch: (cause) => new StoreRefused({ store: "etcd", reason: `${path} cannot be read`, cause })
      })
    return {
      ...(ca !== undefined && { ca: yield* read(ca) }),
      ...(certificate !== undefined && { certificate: yield* read(certificate) }),
      ...(key !== undefined && { key: yield* read(key) })
    }
  })
