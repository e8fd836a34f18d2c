/**
 * Where nodes are entered, and how: the database that they share, or keys of a shared state that go with their node.
 *
 * **Details**
 *
 * In the database an entry has a lease by the clock of the server: nobody's own clock matters. What has run out is not
 * there for those who look, and is removed by whoever comes by. An entry belongs to one process: another one of the same
 * node id takes it over, and the first is told so the next time it renews.
 */
import { Data, Duration, Effect, Option, Result, Schema, Scope, Semaphore } from "effect"
import type { SqlClient } from "effect/sql"
import type { Migration } from "../database/Migration.ts"

/** A node, as it is entered. */
export const Peer = Schema.Struct({
  id: Schema.NonEmptyString,
  /** Another one for each process. */
  incarnation: Schema.String,
  /** Addresses by what is there, such as `api` and `network`. */
  addresses: Schema.Record(Schema.String, Schema.String),
  version: Schema.String,
  /** Where it runs: `datacenter`, `internet` or `hybrid`; empty when it does not say. */
  environment: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed(""))),
  /** Milliseconds since 1970. */
  startedAt: Schema.Finite
})
export type Peer = typeof Peer.Type

/** A registry did not do what it was asked. */
export class RegistryUnavailable extends Data.TaggedError("RegistryUnavailable")<{
  readonly registry: string
  readonly cause: unknown
}> {
  override get message() {
    return `The nodes cannot be looked up in ${this.registry}. Who was found before is still used; it is tried again.`
  }
}

/** Where nodes are entered. */
export interface Registry {
  readonly name: string
  /** Enters this node, or renews its entry with the addresses of now. `Replaced`: another process of the same id is there. */
  readonly keep: (self: Peer) => Effect.Effect<"Kept" | "Replaced", RegistryUnavailable>
  /** Takes the entry away, if it is still this one's. */
  readonly remove: (self: Peer) => Effect.Effect<void, RegistryUnavailable>
  /** Who is there. */
  readonly list: Effect.Effect<ReadonlyArray<Peer>, RegistryUnavailable>
}

/** More than that nobody has to remember. */
const mostPeers = 10_000

// ------------------------------------------------------------------------------------------------------------ database

/** To be put behind those of the database and of orchestration: `[…, ...Discovery.migrations]`. */
export const migrations: ReadonlyArray<Migration> = [
  {
    id: 2901,
    name: "peers",
    sql: [
      `CREATE TABLE novacron_peers (
        id text PRIMARY KEY,
        incarnation text NOT NULL,
        addresses jsonb NOT NULL,
        version text NOT NULL,
        started_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
      )`
    ]
  },
  {
    id: 2902,
    name: "where peers run",
    sql: ["ALTER TABLE novacron_peers ADD COLUMN environment text NOT NULL DEFAULT ''"]
  }
]

const Row = Schema.Struct({
  id: Schema.NonEmptyString,
  incarnation: Schema.String,
  addresses: Peer.fields.addresses,
  version: Schema.String,
  environment: Schema.String,
  startedAt: Schema.Finite
})

/** In the table of {@link migrations}. */
export const database = (
  sql: SqlClient.SqlClient,
  lease: Duration.Duration,
  /** Asks the database whether it is back, after it was not there. */
  revive: Effect.Effect<unknown, unknown> = Effect.void
): Registry => {
  const name = "the database"
  const seconds = Duration.toSeconds(lease)
  const named = <A>(asked: Effect.Effect<A, unknown>) =>
    asked.pipe(
      Effect.tapError(() => Effect.ignore(revive)),
      Effect.mapError((cause) => new RegistryUnavailable({ registry: name, cause }))
    )
  const enter = ({ addresses, environment, id, incarnation, startedAt, version }: Peer) =>
    sql`INSERT INTO novacron_peers (id, incarnation, addresses, version, environment, started_at, expires_at)
      VALUES (${id}, ${incarnation}, ${JSON.stringify(addresses)}::jsonb, ${version}, ${environment},
        to_timestamp(${startedAt / 1_000}::float8), now() + ${seconds}::float8 * interval '1 second')
      ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, addresses = excluded.addresses,
        version = excluded.version, environment = excluded.environment, started_at = excluded.started_at,
        expires_at = excluded.expires_at`
  const entered = new Set<string>()
  return {
    name,
    keep: (self) =>
      Effect.gen(function* () {
        const [row] = yield* sql<{ incarnation: string }>`
          UPDATE novacron_peers AS it SET expires_at = CASE WHEN it.incarnation = ${self.incarnation}
            THEN now() + ${seconds}::float8 * interval '1 second' ELSE it.expires_at END,
            addresses = CASE WHEN it.incarnation = ${self.incarnation}
            THEN ${JSON.stringify(self.addresses)}::text::jsonb ELSE it.addresses END
          WHERE id = ${self.id} RETURNING it.incarnation`
        const isOurs = row?.incarnation === self.incarnation
        if (!isOurs) {
          // Who had an entry and finds another's in its place was replaced; who comes anew replaces.
          if (row !== undefined && entered.has(self.incarnation)) return "Replaced" as const
          yield* enter(self)
        }
        entered.add(self.incarnation)
        // Whoever looks ignores them at once; they are removed when nobody can mean them any more.
        yield* sql`DELETE FROM novacron_peers WHERE expires_at < now() - ${10 * seconds}::float8 * interval '1 second'`
        return "Kept" as const
      }).pipe(named),
    remove: ({ id, incarnation }) =>
      named(Effect.asVoid(sql`DELETE FROM novacron_peers WHERE id = ${id} AND incarnation = ${incarnation}`)),
    list: sql`SELECT id, incarnation, addresses, version, environment,
        (extract(epoch FROM started_at) * 1000)::float8 AS "startedAt"
      FROM novacron_peers WHERE expires_at > now() ORDER BY id LIMIT ${mostPeers}`.pipe(
      Effect.map((rows) => rows.flatMap((row) => Option.toArray(Schema.decodeUnknownOption(Row)(row)))),
      named
    )
  }
}

// -------------------------------------------------------------------------------------------------------- shared state

/** As much of a state that nodes share as this needs; the engines of ASS are one. */
export interface SharedState {
  readonly put: (
    key: string,
    value: Uint8Array,
    options: { readonly ephemeral: boolean }
  ) => Effect.Effect<unknown, unknown>
  readonly get: (key: string) => Effect.Effect<Option.Option<{ readonly value: Uint8Array }>, unknown>
  readonly list: (prefix: string) => Effect.Effect<ReadonlyArray<{ readonly value: Uint8Array }>, unknown>
  readonly delete: (key: string) => Effect.Effect<boolean, unknown>
}

const prefix = "discovery/nodes/"

/** A shared state that is opened when it is asked for first, and tried again as long as it cannot be. */
export const opening = Effect.fnUntraced(function* <E>(open: Effect.Effect<SharedState, E, Scope.Scope>) {
  const scope = yield* Effect.scope
  const one = Semaphore.makeUnsafe(1)
  let opened: SharedState | undefined
  const state = one.withPermit(
    Effect.suspend(() =>
      opened === undefined
        ? Effect.tap(Scope.provide(open, scope), (it) => Effect.sync(() => (opened = it)))
        : Effect.succeed(opened)
    )
  )
  const made: SharedState = {
    put: (key, value, options) => Effect.flatMap(state, (it) => it.put(key, value, options)),
    get: (key) => Effect.flatMap(state, (it) => it.get(key)),
    list: (prefix) => Effect.flatMap(state, (it) => it.list(prefix)),
    delete: (key) => Effect.flatMap(state, (it) => it.delete(key))
  }
  return made
})

/** As ephemeral keys, which go with their node: in etcd. */
export const shared = (name: string, state: SharedState): Registry => {
  const named = Effect.mapError((cause: unknown) => new RegistryUnavailable({ registry: name, cause }))
  const entered = new Set<string>()
  const read = (value: Uint8Array): Option.Option<Peer> => {
    const parsed = Result.try((): unknown => JSON.parse(new TextDecoder().decode(value)))
    return Result.isSuccess(parsed) ? Schema.decodeUnknownOption(Peer)(parsed.success) : Option.none()
  }
  const found = (id: string) =>
    Effect.map(
      state.get(prefix + id),
      Option.flatMap(({ value }) => read(value))
    )
  return {
    name,
    keep: (self) =>
      Effect.gen(function* () {
        const there = Option.getOrUndefined(yield* found(self.id))
        const isOurs = there?.incarnation === self.incarnation
        if (there !== undefined && !isOurs && entered.has(self.incarnation)) return "Replaced" as const
        if (!isOurs || !isSame(there.addresses, self.addresses)) {
          yield* state.put(prefix + self.id, new TextEncoder().encode(JSON.stringify(self)), { ephemeral: true })
        }
        entered.add(self.incarnation)
        return "Kept" as const
      }).pipe(named),
    remove: (self) =>
      Effect.gen(function* () {
        const there = Option.getOrUndefined(yield* found(self.id))
        if (there?.incarnation === self.incarnation) yield* state.delete(prefix + self.id)
      }).pipe(named),
    list: state.list(prefix).pipe(
      Effect.map((entries) => entries.slice(0, mostPeers).flatMap(({ value }) => Option.toArray(read(value)))),
      named
    )
  }
}

const isSame = (a: Peer["addresses"], b: Peer["addresses"]): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, address]) => b[name] === address)
