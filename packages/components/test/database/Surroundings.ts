/** What the database needs around it in tests: settings, and a security component that knows secrets and nothing else. */
import { Component } from "@novacron/boot"
import { Effect, Option, Redacted, Result, Schema, Stream } from "effect"
import type { PgClient } from "@effect/sql-pg"
import type { Place } from "../../src/database/DatabaseError.ts"
import * as Pool from "../../src/database/Pool.ts"
import { Settings } from "../../src/database/Settings.ts"
import * as Target from "../../src/database/Target.ts"
import { SecretUnavailable, Security } from "../../src/security/Security.ts"

export const settings = (encoded: typeof Settings.Encoded = {}): Settings => Schema.decodeSync(Settings)(encoded)

/** Grants everything and hands out the given secrets. */
export const security = (secrets: { readonly [name: string]: string } = {}) =>
  Component.make(Security, {
    start: Effect.succeed<Security["Service"]>({
      serverTls: () => Effect.succeed({}),
      clientTls: () => Effect.succeed({}),
      secret: (name) => {
        const secret = secrets[name]
        return secret === undefined
          ? Effect.fail(new SecretUnavailable({ name, provider: "file", cause: new Error("there is none") }))
          : Effect.succeed(Redacted.make(secret))
      },
      seal: (plain) => Effect.succeed(plain),
      open: (sealed) => Effect.succeed(sealed),
      authenticate: () => Effect.succeed({ name: "test", by: "none", roles: [] }),
      authorize: () => Effect.void,
      audit: () => Effect.void,
      roles: [],
      renewals: Stream.empty,
      check: Effect.void
    }),
    health: (it) => it.check
  })

const targetOf = (url: string): Target.Target =>
  Result.getOrThrow(Target.fromUrl(Redacted.make(url), { sslmode: "require" }))

export const placeOf = (url: string): Place => {
  const target = targetOf(url)
  return {
    target: Target.describe(target),
    database: target.database,
    host: target.at._tag === "Tcp" ? target.at.host : target.at.directory,
    isReady: Target.isReady(target),
    login: "Correct user and password in database.url."
  }
}

export const poolOptions = (url: string, encoded: typeof Settings.Encoded = {}): Pool.Options => {
  const target = targetOf(url)
  return {
    target,
    settings: settings(encoded),
    password: Option.getOrUndefined(Option.map(target.password, Effect.succeed)),
    authorities: undefined
  }
}

/** One connection, for what a test does by itself. */
export const connected = <A, E>(url: string, use: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(Pool.single(poolOptions(url)), use))
