/**
 * Where tokens of the API are kept: never a token itself, only its SHA-256. A token has 256 random bits, so nobody finds
 * one by trying, and the hash needs no salt.
 *
 * **Details**
 *
 * `inFile` keeps them in a private file of this node, written as a whole and durably. `inDatabase` keeps them in a table
 * that it makes itself, so every node of the database knows them. Those that have run out are removed when one is added.
 */
import { createHash, randomBytes } from "node:crypto"
import type { Tokens } from "@novacron/api"
import { Clock, Data, DateTime, Effect, Option, Ref, Schema, Semaphore } from "effect"
import type { Database } from "../database/Database.ts"
import * as PrivateFiles from "../security/PrivateFiles.ts"
import { KeyMaterialUnusable } from "../security/Security.ts"

/** A token, as it is kept. Times are milliseconds since 1970. */
export const Kept = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  hash: Schema.String,
  roles: Schema.Array(Schema.String),
  createdBy: Schema.String,
  createdAtMs: Schema.Finite,
  expiresAtMs: Schema.Finite
})
export type Kept = typeof Kept.Type

/** The tokens cannot be read or written now. Whoever shows one is not known until they can. */
export class TokensUnavailable extends Data.TaggedError("TokensUnavailable")<{
  readonly place: string
  readonly cause: unknown
}> {
  override get message(): string {
    return `The tokens in ${this.place} cannot be read or written now. Nothing was changed; certificates still count.`
  }
}

/** A live token of that name is there already. */
export class NameTaken extends Data.TaggedError("NameTaken")<{ readonly name: string }> {
  override get message(): string {
    return `There is a token "${this.name}" already. Revoke it first, or give this one another name.`
  }
}

export interface TokenStore {
  readonly add: (token: Kept) => Effect.Effect<void, NameTaken | TokensUnavailable>
  /** The token of that hash, unless it has run out. */
  readonly find: (hash: string) => Effect.Effect<Option.Option<Kept>, TokensUnavailable>
  /** Those that are valid, in the order they were made. */
  readonly list: Effect.Effect<ReadonlyArray<Kept>, TokensUnavailable>
  /** The hash of what was removed; nothing if there was none. */
  readonly remove: (id: string) => Effect.Effect<Option.Option<string>, TokensUnavailable>
}

/** What every token of the API begins with: scanners of secrets know it, and nobody else's tokens are asked for here. */
export const prefix = "nvc_"

/** A token that nobody has had before. */
export const secret = (): string => `${prefix}${randomBytes(32).toString("base64url")}`

export const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex")

/** As others see it. */
export const shown = (token: Kept): Tokens.Token => ({
  id: token.id,
  name: token.name,
  roles: token.roles,
  createdBy: token.createdBy,
  createdAt: DateTime.formatIso(DateTime.makeUnsafe(token.createdAtMs)),
  expiresAt: DateTime.formatIso(DateTime.makeUnsafe(token.expiresAtMs))
})

// ------------------------------------------------------------------------------------------------------------- file

const fileName = "tokens.json"
const File = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), tokens: Schema.Array(Kept) }))

/** In the file `tokens.json` of a folder that nobody else may enter. */
export const inFile = Effect.fn("TokenStore.inFile")(function* (folder: string) {
  const files = yield* PrivateFiles.open(folder)
  const place = files.path(fileName)
  const unavailable = Effect.mapError((cause: unknown) => new TokensUnavailable({ place, cause }))
  const content = yield* files.read(fileName)
  const { tokens } = yield* Option.match(content, {
    onNone: () => Effect.succeed<typeof File.Type>({ version: 1, tokens: [] }),
    onSome: (bytes) =>
      Effect.mapError(
        Schema.decodeEffect(File)(Buffer.from(bytes).toString()),
        (cause) => new KeyMaterialUnusable({ path: place, reason: "it is no list of tokens", cause })
      )
  })
  const kept = yield* Ref.make(tokens)
  const turn = yield* Semaphore.make(1)
  const write = (tokens: ReadonlyArray<Kept>) =>
    Effect.gen(function* () {
      yield* files.write(fileName, Buffer.from(yield* Schema.encodeEffect(File)({ version: 1, tokens })))
      yield* Ref.set(kept, tokens)
    }).pipe(unavailable)
  const valid = Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    return (yield* Ref.get(kept)).filter(({ expiresAtMs }) => expiresAtMs > nowMs)
  })
  return {
    add: Effect.fn("TokenStore.add")(
      function* (token) {
        const tokens = yield* valid
        if (tokens.some(({ name }) => name === token.name)) return yield* new NameTaken({ name: token.name })
        yield* write([...tokens, token])
      },
      (add) => turn.withPermit(add)
    ),
    find: (hash) => Effect.map(valid, (tokens) => Option.fromUndefinedOr(tokens.find((one) => one.hash === hash))),
    list: valid,
    remove: Effect.fn("TokenStore.remove")(
      function* (id) {
        const tokens = yield* valid
        const found = tokens.find((one) => one.id === id)
        if (found === undefined) return Option.none<string>()
        yield* write(tokens.filter((one) => one.id !== id))
        return Option.some(found.hash)
      },
      (remove) => turn.withPermit(remove)
    )
  } satisfies TokenStore
})

// ---------------------------------------------------------------------------------------------------------- database

const Row = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  hash: Schema.String,
  roles: Schema.Array(Schema.String),
  created_by: Schema.String,
  created_at_ms: Schema.Finite,
  expires_at_ms: Schema.Finite
})

/** Ours: no migration of somebody else takes it, and two nodes that make the table at a time wait for each other. */
const lockKey = 728_801

/** In the table `novacron_api_tokens`, which is made when it is not there. */
export const inDatabase = Effect.fn("TokenStore.inDatabase")(function* ({ sql, transaction }: Database["Service"]) {
  const unavailable = Effect.mapError((cause: unknown) => new TokensUnavailable({ place: "the database", cause }))
  yield* unavailable(
    transaction(
      Effect.gen(function* () {
        yield* sql`SELECT pg_advisory_xact_lock(${lockKey})`
        yield* sql`CREATE TABLE IF NOT EXISTS novacron_api_tokens (
          id text PRIMARY KEY,
          name text NOT NULL UNIQUE,
          hash text NOT NULL UNIQUE,
          roles jsonb NOT NULL,
          created_by text NOT NULL,
          created_at_ms double precision NOT NULL,
          expires_at_ms double precision NOT NULL
        )`
      })
    )
  )
  const decode = Effect.fnUntraced(function* (rows: ReadonlyArray<unknown>) {
    const decoded = yield* Schema.decodeUnknownEffect(Schema.Array(Row))(rows)
    return decoded.map(({ created_at_ms, created_by, expires_at_ms, ...row }): Kept => ({
      ...row,
      createdBy: created_by,
      createdAtMs: created_at_ms,
      expiresAtMs: expires_at_ms
    }))
  })
  return {
    add: Effect.fn("TokenStore.add")(function* (token) {
      const nowMs = yield* Clock.currentTimeMillis
      const { createdAtMs, createdBy, expiresAtMs, hash, id, name, roles } = token
      const added = yield* transaction(
        Effect.andThen(
          sql`DELETE FROM novacron_api_tokens WHERE expires_at_ms <= ${nowMs}`,
          sql`INSERT INTO novacron_api_tokens (id, name, hash, roles, created_by, created_at_ms, expires_at_ms)
            VALUES (${id}, ${name}, ${hash}, ${JSON.stringify(roles)}::text::jsonb, ${createdBy}, ${createdAtMs},
              ${expiresAtMs})
            ON CONFLICT (name) DO NOTHING RETURNING id`
        )
      ).pipe(unavailable)
      if (added.length === 0) return yield* new NameTaken({ name })
    }),
    find: Effect.fn("TokenStore.find")(function* (hash) {
      const nowMs = yield* Clock.currentTimeMillis
      const rows = yield* sql`SELECT * FROM novacron_api_tokens WHERE hash = ${hash} AND expires_at_ms > ${nowMs}`
      return Option.fromUndefinedOr((yield* decode(rows))[0])
    }, unavailable),
    list: Effect.gen(function* () {
      const nowMs = yield* Clock.currentTimeMillis
      return yield* decode(
        yield* sql`SELECT * FROM novacron_api_tokens WHERE expires_at_ms > ${nowMs} ORDER BY created_at_ms, id`
      )
    }).pipe(unavailable),
    remove: Effect.fn("TokenStore.remove")(function* (id) {
      const rows = yield* sql`DELETE FROM novacron_api_tokens WHERE id = ${id} RETURNING *`
      return Option.map(Option.fromUndefinedOr((yield* decode(rows))[0]), ({ hash }) => hash)
    }, unavailable)
  } satisfies TokenStore
})
