import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { afterAll, beforeAll, describe, it as plain } from "vitest"
import { assert, it } from "@effect/vitest"
import { Policy, Severity } from "@novacron/boot"
import { Duration, Effect, Scope } from "effect"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import * as Errors from "../../src/database/DatabaseError.ts"
import * as Pool from "../../src/database/Pool.ts"
import { nobody, Postgres } from "./Postgres.ts"
import { connected, placeOf, poolOptions } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start({
    max_connections: "8",
    superuser_reserved_connections: "0",
    reserved_connections: "0"
  })
})
afterAll(() => server.remove())

/** What becomes of an attempt to connect. */
const refusal = (url: string, authorities?: string) =>
  Effect.scoped(Pool.single({ ...poolOptions(url), authorities })).pipe(
    Effect.flip,
    Effect.map((error) => Errors.fromSql(error, placeOf(url)))
  )

const attempts = (error: Errors.ConnectFailure) => Policy.forError(Errors.patience, error).attempts

describe("an error of a real server", () => {
  it.live("is none when all is well", () =>
    Effect.gen(function* () {
      const rows = yield* connected(server.url(), (sql) => sql`SELECT 1 AS one`)
      assert.deepStrictEqual(rows, [{ one: 1 }])
      assert.deepStrictEqual(yield* connected(server.socketUrl, (sql) => sql`SELECT 1 AS one`), [{ one: 1 }])
    })
  )

  it.live("is a refused login for a wrong password, without the password, and is not tried again", () =>
    Effect.gen(function* () {
      const error = yield* refusal(server.url({ password: "hunter22" }))
      assert.strictEqual(error._tag, "LoginRefused")
      assert.strictEqual(error.code, "NVC-2104")
      assert.include(error.message, `postgres://admin@127.0.0.1:${server.port}/postgres`)
      assert.notInclude(error.message + JSON.stringify(error), "hunter22")
      assert.strictEqual(attempts(error), 1)
    })
  )

  it.live("names an unknown database", () =>
    Effect.gen(function* () {
      const error = yield* refusal(server.url({ database: "nowhere" }))
      assert.strictEqual(error.code, "NVC-2105")
      assert.include(error.message, `"nowhere"`)
      assert.strictEqual(attempts(error), 1)
    })
  )

  it.live("names an unknown host", () =>
    Effect.gen(function* () {
      const error = yield* refusal("postgres://me:secret@nobody.invalid/app?sslmode=disable")
      // A machine without any name server says that it could not ask, which may pass.
      assert.include(["HostUnknown", "DatabaseUnreachable"], error._tag)
      assert.include(error.message, "nobody.invalid")
      // A command that is to be copied stands at the end.
      assert.match(Severity.messageOf(error), /(?:getent hosts nobody\.invalid|pg_isready .*)$/)
      const known = Errors.fromSql(
        // What a resolver that answers has to say about it.
        yield* Effect.flip(Effect.scoped(Pool.single(poolOptions("postgres://me@nobody.invalid/app")))),
        placeOf("postgres://me@nobody.invalid/app")
      )
      if (known._tag === "HostUnknown") assert.strictEqual(attempts(known), 1)
    })
  )

  it.live.each(["disable", "require"])("says that it is no PostgreSQL that answers (sslmode=%s)", (mode) =>
    Effect.gen(function* () {
      const web = createServer()
      const port = yield* Effect.promise(freePort)
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resume) => web.listen(port, "127.0.0.1", resume))),
        () => Effect.sync(() => web.close())
      )
      const error = yield* refusal(`postgres://me:secret@127.0.0.1:${port}/app?sslmode=${mode}`)
      assert.strictEqual(error.code, "NVC-2103")
      assert.include(error.message, "what answers there is no PostgreSQL")
      assert.strictEqual(attempts(error), 3)
    }).pipe(Effect.scoped)
  )

  it.live("says that nobody listens, with the command that shows it, and is tried three times", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const error = yield* refusal(`postgres://me:secret@127.0.0.1:${port}/app?sslmode=disable`)
      assert.strictEqual(error.code, "NVC-2103")
      assert.include(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`)
      assert.include(error.message, `pg_isready -h 127.0.0.1 -p ${port}`)
      assert.notInclude(error.message, "secret")
      assert.strictEqual(attempts(error), 3)
    })
  )

  it.live("says that a socket is not there", () =>
    Effect.gen(function* () {
      const error = yield* refusal("postgres://me@/app?host=/tmp/novacron-nowhere")
      assert.strictEqual(error.code, "NVC-2103")
      assert.include(error.message, "ENOENT")
    })
  )

  it.live("says that there is no connection left, which passes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.Scope
      const hold = Scope.provide(Pool.single(poolOptions(server.url())), scope)
      const error = yield* Effect.flip(Effect.forever(hold)) // until there is none
      const named = Errors.fromSql(error, placeOf(server.url()))
      assert.strictEqual(named.code, "NVC-2108")
      assert.strictEqual(attempts(named), 3)
    }).pipe(Effect.scoped)
  )

  it.live("says that the server has no TLS, and what to do", () =>
    Effect.gen(function* () {
      const error = yield* refusal(server.url({ ssl: "require" }))
      assert.strictEqual(error.code, "NVC-2107")
      assert.include(error.message, "sslmode")
      assert.strictEqual(attempts(error), 1)
    })
  )

  it.live("says that the server wants TLS, and whose certificate is not trusted", () =>
    Effect.gen(function* () {
      const certificate = certify(server)
      server.configure({ ssl: "on", ssl_cert_file: "server.crt", ssl_key_file: "server.key" })
      server.admit("hostssl all all 127.0.0.1/32 scram-sha-256", "local all all scram-sha-256")
      yield* Effect.promise(() => server.down())
      yield* Effect.promise(() => server.up())

      const wanted = yield* refusal(server.url())
      assert.strictEqual(wanted._tag, "TlsMismatch")
      assert.include(wanted.message, "require")
      const encrypted = yield* connected(
        server.url({ ssl: "require" }),
        (sql) => sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
      )
      assert.deepStrictEqual(encrypted, [{ ssl: true }])
      const pooled = Effect.flatMap(
        Pool.make(poolOptions(server.url({ ssl: "require" }), { pool: { min: 1, max: 1 } })),
        ({ sql }) => sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
      )
      assert.deepStrictEqual(yield* Effect.scoped(pooled), [{ ssl: true }])

      const untrusted = yield* refusal(server.url({ ssl: "verify-full" }))
      assert.strictEqual(untrusted._tag, "TlsMismatch")
      assert.include(untrusted.message, "ssl_root_cert")
      // The authority is right, and the certificate names another machine.
      const misnamed = yield* refusal(server.url({ ssl: "verify-full" }), certificate)
      assert.strictEqual(misnamed._tag, "TlsMismatch")
      yield* Effect.scoped(Pool.single({ ...poolOptions(server.url({ ssl: "verify-ca" })), authorities: certificate }))

      server.configure({ ssl: "off" })
      server.admit("host all all 127.0.0.1/32 scram-sha-256", "local all all scram-sha-256")
      yield* Effect.promise(() => server.down())
      yield* Effect.promise(() => server.up())
    })
  )

  it.live("says that the server is not ready yet, which passes", () =>
    Effect.gen(function* () {
      const signal = join(server.directory, "data", "standby.signal")
      yield* Effect.promise(() => server.down())
      writeFileSync(signal, "")
      server.configure({ hot_standby: "off" })
      yield* Effect.promise(() => server.up(/entering standby mode/))
      const error = yield* refusal(server.url())
      assert.strictEqual(error.code, "NVC-2109")
      assert.strictEqual(attempts(error), 3)
      rmSync(signal)
      yield* Effect.promise(() => server.down())
      yield* Effect.promise(() => server.up())
      assert.isNotEmpty(yield* connected(server.url(), (sql) => sql`SELECT 1`))
    })
  )
})

plain("each error has a code of its own from 2101 to 2149", () => {
  const cause = new Error("why")
  const target = "postgres://me@db/app"
  const all = [
    new Errors.BadDatabaseUrl({ problem: "it is not a URL" }),
    new Errors.NoDatabase({ reason: "none" }),
    new Errors.DatabaseUnreachable({ target, problem: "gone", isReady: "pg_isready", cause }),
    new Errors.LoginRefused({ target, problem: "no", remedy: "Correct it.", cause }),
    new Errors.DatabaseUnknown({ target, database: "app", cause }),
    new Errors.HostUnknown({ target, host: "db", cause }),
    new Errors.TlsMismatch({ target, problem: "none", remedy: "Turn it on.", cause }),
    new Errors.TooManyConnections({ target, cause }),
    new Errors.DatabaseNotReady({ target, problem: "starting", cause }),
    new Errors.EmbeddedFailed({ directory: "/d", problem: "did not start", output: "", isFinal: true }),
    new Errors.DataDirInUse({ directory: "/d", pid: 7, who: "node" }),
    new Errors.DataDirUnusable({ directory: "/d", problem: "full", remedy: "Make room." }),
    new Errors.MigrationFailed({ migration: "1 a", problem: "no", cause }),
    new Errors.MigrationChanged({ migration: "1 a" }),
    new Errors.SchemaDiffers({ object: "table a", found: "gone", expected: "table", others: 0 }),
    new Errors.MigrationsPending({ migration: "1 a" }),
    new Errors.NotPermitted({ target, problem: "no", cause }),
    new Errors.MigrationsLocked({ afterMs: 10, cause }),
    new Errors.DatabaseFailed({ target, problem: "no", cause }),
    new Errors.PoolExhausted({ inUse: 5, max: 5, within: Duration.seconds(1) })
  ]
  const codes = all.map(({ code }) => code)
  assert.strictEqual(new Set(codes).size, all.length)
  for (const code of codes) assert.match(code, /^NVC-21[0-4]\d$/)
  for (const { message } of all) assert.match(message, /^[A-Z].*[^ .]$|\.$/)
})

/** A key and a certificate for another machine, signed by itself. */
const certify = ({ directory }: Postgres): string => {
  const [key, certificate] = ["server.key", "server.crt"].map((name) => join(directory, "data", name))
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"].concat(
      ["-subj", "/CN=elsewhere.example", "-addext", "subjectAltName=DNS:elsewhere.example"],
      ["-keyout", `${key}`, "-out", `${certificate}`]
    ),
    { stdio: "ignore" }
  )
  for (const file of [`${key}`, `${certificate}`]) {
    if (nobody.uid !== undefined) chownSync(file, nobody.uid, nobody.gid)
    chmodSync(file, 0o600)
  }
  return execFileSync("cat", [`${certificate}`], { encoding: "utf8" })
}
