/**
 * The connections to one database, as the SQL client that the node works with: counted, bounded in time, behind a circuit
 * breaker, and with a log of what is slow.
 *
 * **Details**
 *
 * `PgClient.make` of the driver shows neither its pool nor its statements, so the client is put together here, from the
 * driver's pool, its compiler and Effect's `SqlClient.make`. Sockets are opened here as well, to count them, and to know
 * when the last one is closed.
 *
 * The breaker counts lost connections and calls that never ended; an error in a statement shows that the server answers.
 * A transaction passes it once, where it begins.
 *
 * **Gotchas**
 *
 * Text in quotes is taken out of a statement before it is logged, and parameters are never there. Names are not: do not
 * call a table after a secret.
 */
import { connect, type Socket } from "node:net"
import type { ConnectionOptions } from "node:tls"
import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { CircuitBreaker } from "@novacron/boot"
import { Clock, Duration, Effect, Exit, Fiber, Option, type Redacted, Ref, Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import * as Lookup from "../preflight/Lookup.ts"
import { codeOf, PoolExhausted, textOf } from "./DatabaseError.ts"
import * as Loan from "./Loan.ts"
import { patienceMs, type Settings } from "./Settings.ts"
import { socketOf, type Target } from "./Target.ts"

/** What is known of the pool at one moment; counts begin with its making. */
export interface Stats {
  /** Connections that are open, or being opened. */
  readonly open: number
  readonly inUse: number
  /** Calls that wait for a connection. */
  readonly waiting: number
  readonly min: number
  readonly max: number
  /** Connections opened so far. */
  readonly established: number
  readonly statements: number
  /** Statements that failed by no fault of their own. */
  readonly failures: number
  /** Statements slower than `slow_query`. */
  readonly slow: number
  readonly breaker: CircuitBreaker.State["_tag"]
}

export interface Pool {
  readonly sql: PgClient.PgClient
  /** Opens connections until there are `pool.min`. */
  readonly warm: Effect.Effect<void, SqlError.SqlError>
  /** One round trip past the breaker, in milliseconds; a success closes it. Waits at most a second for a connection. */
  readonly ping: Effect.Effect<number, SqlError.SqlError>
  readonly stats: Effect.Effect<Stats>
}

export interface Options {
  readonly target: Target
  readonly settings: Settings
  /** Asked for each new connection. */
  readonly password: Effect.Effect<Redacted.Redacted> | undefined
  /** PEM of the authorities to trust; those of Node.js without. */
  readonly authorities: string | undefined
}

/** How the driver opens a connection. */
const driver = ({ authorities, password, settings, target }: Options): PgConnection.Config => ({
  ...(target.at._tag === "Tcp" ? { host: target.at.host, port: target.at.port } : { path: socketOf(target.at) }),
  database: target.database,
  username: target.user,
  password,
  ssl: tlsOf(target, authorities),
  connectTimeout: settings.connectTimeout,
  applicationName: "novacron"
})

const tlsOf = ({ sslmode }: Target, authorities: string | undefined): false | ConnectionOptions => {
  const verified = { minVersion: "TLSv1.2" as const, ...(authorities !== undefined && { ca: authorities }) }
  switch (sslmode) {
    case "disable":
      return false
    case "require":
      return { minVersion: "TLSv1.2", rejectUnauthorized: false }
    case "verify-ca":
      return { ...verified, checkServerIdentity: () => undefined }
    case "verify-full":
      return verified
  }
}

/** One connection of its own, without any limit on statements: for what is done before there is a pool. */
export const single = (
  options: Options,
  stream?: () => Socket
): Effect.Effect<PgClient.PgClient, SqlError.SqlError, Scope.Scope> =>
  withReactivity(PgClient.makeClient({ ...driver(options), stream, startupParameters: { statement_timeout: "0" } }))

/** Does something with a {@link single} connection. Interrupted, it is over a moment later, whatever the server does. */
export const alone = <A, E, E2>(
  options: Options,
  named: (error: SqlError.SqlError) => E2,
  use: (sql: PgClient.PgClient) => Effect.Effect<A, E>
): Effect.Effect<A, E | E2> =>
  Effect.suspend(() => {
    const sockets = socketsTo(options)
    const client = Effect.mapError(single(options, sockets.open), named)
    return Loan.leavable(Effect.scoped(Effect.flatMap(client, use)), Effect.sync(sockets.destroy))
  })

/**
 * The pool. Its connections are closed when the scope closes, and have gone when that is done: within {@link closesWithin},
 * whatever the server does and whoever still holds one.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Pool, SqlError.SqlError, Scope.Scope> {
  const { settings, target } = options
  const { max, min } = settings.pool
  const counts = { inUse: 0, waiting: 0, statements: 0, failures: 0, slow: 0 }
  const newBreaker = CircuitBreaker.make({
    name: "database",
    ...settings.breaker,
    classify: outcomeOf,
    onChange: ({ from, to }) => Effect.logWarning(`The breaker of the database went from ${from} to ${to}.`)
  })
  const breaker = yield* Ref.make(yield* newBreaker)
  const sockets = socketsTo(options)
  const pool = yield* closing(
    sockets,
    PgPool.make({
      ...driver(options),
      stream: sockets.open,
      minConnections: min,
      maxConnections: max,
      idleTimeout: settings.pool.idleTimeout,
      connectionTTL: settings.pool.lifetime,
      startupParameters: { statement_timeout: `${Math.ceil(Duration.toMillis(settings.statementTimeout))}` }
    })
  )

  // Whoever is turned away by the breaker asks why, and that it is open says nothing about the database.
  let lastLoss = ""
  const noted = (error: unknown): void => {
    if (SqlError.isSqlError(error) && outcomeOf(error) === "Failure") lastLoss = `${textOf(error.reason.cause)}. `
  }
  const guarded = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.flatMap(Ref.get(breaker), (it) =>
      Effect.mapError(it.call(Effect.tapError(effect, (error) => Effect.sync(() => noted(error)))), (error) => {
        if (!(error instanceof CircuitBreaker.CircuitOpen)) return error
        const words = `${lastLoss}${error.message}`
        return Loan.lost(words, new Error(words, { cause: error }))
      })
    )

  const lease = (
    get: Effect.Effect<PgConnection.PgConnection, SqlError.SqlError, Scope.Scope>,
    within: Duration.Duration
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        counts.waiting++
        const arrived = Effect.timeoutOrElse(Effect.mapError(get, named), {
          duration: within,
          orElse: () => Effect.fail(noneIn({ inUse: counts.inUse, max, within }))
        })
        return restore(arrived).pipe(
          Effect.onExit(() => Effect.sync(() => void counts.waiting--)),
          Effect.tap(() =>
            Effect.acquireRelease(
              Effect.sync(() => void counts.inUse++),
              () => Effect.sync(() => void counts.inUse--)
            )
          )
        )
      })
    )

  const slowMs = Duration.toMillis(settings.slowQuery)
  const observed: Loan.Observe = (text, statement) =>
    Effect.flatMap(nowMs, (from) =>
      Effect.onExit(Effect.mapError(statement, named), (exit) =>
        Effect.flatMap(nowMs, (to) => {
          counts.statements++
          if (Exit.isFailure(exit) && Option.exists(Exit.findErrorOption(exit), isTheirs)) counts.failures++
          if (to - from < slowMs) return Effect.void
          counts.slow++
          return Effect.logWarning(`A statement took ${Math.round(to - from)} ms: ${shown(text)}`)
        })
      )
    )
  const { lend } = yield* Loan.make(observed, Duration.millis(patienceMs(settings)))
  const lent = (it: PgConnection.PgConnection): SqlConnection.Connection => lend(it, pool.invalidate(it))
  const acquire = settings.pool.acquireTimeout
  const sql = yield* withReactivity(
    SqlClient.make({
      acquirer: guarded(Effect.map(lease(pool.get, acquire), lent)),
      borrower: (use) => guarded(Effect.scoped(Effect.flatMap(lease(pool.get, acquire), (it) => use(lent(it))))),
      transactionAcquirer: guarded(Effect.map(lease(pool.reserve, acquire), lent)),
      compiler: PgClient.makeCompiler(),
      driver: "pg",
      prepareTransactionControls: true,
      commit,
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
      spanAttributes: [
        ["db.system.name", "postgresql"],
        ["db.namespace", target.database],
        ["server.address", target.at._tag === "Tcp" ? target.at.host : target.at.directory],
        ["server.port", target.at.port]
      ]
    })
  )

  const openOne = Effect.flatMap(lease(pool.get, acquire), (it) =>
    Loan.leavable(it.query("SELECT 1"), pool.invalidate(it))
  )
  return {
    sql: Object.assign(sql, {
      [PgClient.TypeId]: PgClient.TypeId,
      config: { database: target.database, username: target.user },
      json: (value: unknown) => Statement.fragment([json(value)]),
      listen: (channel: string) =>
        leftWithScope(Effect.flatMap(guarded(lease(pool.reserve, acquire)), (it) => it.listen(channel))),
      notify: (channel: string, payload: string) =>
        Effect.asVoid(
          guarded(
            Effect.scoped(
              Effect.flatMap(lease(pool.get, acquire), (it) =>
                lent(it).executeRaw("SELECT pg_notify($1, $2)", [channel, payload])
              )
            )
          )
        )
    }),
    // All of them at once, or the pool would hand out the first one again and again.
    warm: Effect.scoped(
      Effect.forEach(Array.from({ length: min }), () => openOne, { concurrency: "unbounded", discard: true })
    ),
    ping: Effect.gen(function* () {
      const from = yield* nowMs
      yield* Effect.scoped(
        Effect.flatMap(lease(pool.get, Duration.seconds(1)), (it) => lent(it).executeRaw("SELECT 1", []))
      )
      const state = yield* Effect.flatMap(Ref.get(breaker), (it) => it.state)
      if (state._tag !== "Closed") yield* Ref.set(breaker, yield* newBreaker)
      return (yield* nowMs) - from
    }),
    stats: Effect.gen(function* () {
      const state = yield* Effect.flatMap(Ref.get(breaker), (it) => it.state)
      const { established, now } = sockets.count()
      return { ...counts, open: now, established, min, max, breaker: state._tag }
    })
  }
})

// ------------------------------------------------------------------------------------------------------------- errors

/** Why there was no connection: all are in use, or the server lets nobody in, which is no matter of how many there may be. */
const noneIn = (facts: ConstructorParameters<typeof PoolExhausted>[0]): SqlError.SqlError => {
  const { inUse, max, within } = facts
  if (inUse < max)
    return Loan.lost(`it let nobody in within ${Duration.format(within)} (${inUse} of ${max} are in use)`)
  const cause = new PoolExhausted(facts)
  return Loan.lost(cause.message, cause)
}

/** A server that is starting, stopping or full is one that is not reached: the driver does not know these by name. */
const named = (error: SqlError.SqlError): SqlError.SqlError =>
  error.reason._tag === "UnknownError" && /^(?:57P0[123]|53300)$/.test(codeOf(error.reason.cause) ?? "")
    ? Loan.lost(textOf(error.reason.cause), error.reason.cause)
    : error

/** A lost connection counts. A statement that the server refuses shows that it is there. */
const outcomeOf = (error: unknown): CircuitBreaker.Outcome => {
  if (!SqlError.isSqlError(error)) return "Ignored"
  if (error.reason.cause instanceof PoolExhausted) return "Ignored" // that is about us
  return error.reason._tag === "ConnectionError" ? "Failure" : "Success"
}

/** Whether a failure says something about the database, rather than about the statement. */
const isTheirs = (error: unknown): boolean => {
  if (!SqlError.isSqlError(error)) return false
  switch (error.reason._tag) {
    case "ConnectionError":
    case "AuthenticationError":
    case "DeadlockError":
    case "LockTimeoutError":
    case "StatementTimeoutError":
    case "UnknownError":
      return true
    case "AuthorizationError":
    case "SqlSyntaxError":
    case "UniqueViolation":
    case "ConstraintError":
    case "SerializationError":
      return false
  }
}

/** A statement for a log: without anything in quotes, on one line, and not too long. */
export const shown = (statement: string): string => {
  const bare = statement
    .replace(/\$([A-Za-z_]*)\$[\s\S]*?\$\1\$/g, "'…'")
    .replace(/[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/g, "'…'")
    .replace(/'(?:[^']|'')*(?:'|$)/g, "'…'")
    .replace(/\s+/g, " ")
    .trim()
  return bare.length <= 500 ? bare : `${bare.slice(0, 500)}…`
}

// --------------------------------------------------------------------------------------------------------- connections

/** PostgreSQL answers the COMMIT of a transaction that has failed with ROLLBACK, and with success. */
const commit = (connection: SqlConnection.Connection): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) => {
    const isRolledBack =
      typeof result === "object" && result !== null && "command" in result && result.command === "ROLLBACK"
    if (!isRolledBack) return Effect.void
    const message = "The transaction had failed and was rolled back instead of committed."
    const reason = new SqlError.UnknownError({ cause: new Error(message), message, operation: "commit" })
    return Effect.fail(new SqlError.SqlError({ reason }))
  })

/** What the compiler of the driver knows as JSON. */
const json = Statement.custom<Statement.Custom<"PgJson", unknown>>("PgJson")

const withReactivity = <A, E, R>(effect: Effect.Effect<A, E, R | Reactivity.Reactivity>) =>
  Effect.provideServiceEffect(effect, Reactivity.Reactivity, Reactivity.make)

// ------------------------------------------------------------------------------------------------------------- sockets

/** How long closing a pool may take: half of it for those who hold a connection, half for those that went without. */
const closesWithin = Duration.seconds(2)

/** How long a server has to hang up after goodbye was said, in milliseconds. */
const hangUpMs = 1_000

/** Opens a pool whose end waits for nobody for long: who does not give a connection back finds that it is gone. */
const closing = (
  sockets: Sockets,
  open: Effect.Effect<PgPool.PgPool, SqlError.SqlError, Scope.Scope>
): Effect.Effect<PgPool.PgPool, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.gen(function* () {
        const half = Duration.divideUnsafe(closesWithin, 2)
        const closed = yield* Effect.forkDetach(Effect.andThen(Scope.close(scope, exit), sockets.closed))
        const inOrder = yield* within(Fiber.await(closed), half)
        sockets.destroy()
        if (Option.isNone(inOrder)) yield* within(Fiber.await(closed), half)
      }).pipe(Effect.withSpan("Pool.close"))
    )
    return yield* Scope.provide(open, scope)
  })

/** With a scope that is closed beside this one, and left when that takes longer than a moment. */
const leftWithScope = <A, E>(open: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.flatMap(Effect.forkDetach(Scope.close(scope, exit)), (closed) =>
        within(Fiber.await(closed), Loan.farewell)
      )
    )
    return yield* Loan.leavable(Scope.provide(open, scope))
  })

/** What is only waited for is let go of, wherever that is done: releases cannot be interrupted. */
const within = <A>(wait: Effect.Effect<A>, patience: Duration.Duration) =>
  Effect.timeoutOption(Effect.interruptible(wait), patience)

interface Sockets {
  /** Another one, for the driver. */
  readonly open: () => Socket
  /** Open now, and connected so far. */
  readonly count: () => { readonly now: number; readonly established: number }
  /** Done when none is open. */
  readonly closed: Effect.Effect<void>
  readonly destroy: () => void
}

/** Opens sockets for the driver and knows which are open. One that was said goodbye to is not kept by a silent server. */
const socketsTo = ({ settings, target }: Options): Sockets => {
  // Less than the driver waits for the connection, which knows nothing of names.
  const lookup = Lookup.within(Duration.times(settings.connectTimeout, 0.8))
  const live = new Set<Socket>()
  let established = 0
  const open = (): Socket => {
    const socket =
      target.at._tag === "Unix"
        ? connect({ path: socketOf(target.at) })
        : connect({ host: target.at.host, port: target.at.port, lookup, ...tcp })
    live.add(socket)
    socket.once("connect", () => void established++)
    socket.once("close", () => void live.delete(socket))
    socket.once("finish", () => socket.setTimeout(hangUpMs, () => socket.destroy()))
    return socket
  }
  return {
    open,
    count: () => ({ now: live.size, established }),
    closed: Effect.suspend(() => Effect.forEach([...live], closed, { concurrency: "unbounded", discard: true })),
    destroy: () => live.forEach((socket) => socket.destroy())
  }
}

/** A server that has gone without a word is noticed after 40 seconds. */
const tcp = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const

const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
