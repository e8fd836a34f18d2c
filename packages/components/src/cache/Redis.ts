/**
 * Connections to Redis: what its refusals mean, and a client that is bounded in everything it does.
 *
 * **Details**
 *
 * A connection that was lost comes back by itself, for short interruptions. A command is never kept for later: without a
 * connection it fails at once, and with one it has `cache.command_timeout`. The client library is loaded when somebody
 * connects, so that a node without Redis does not pay for it.
 *
 * **Gotchas**
 *
 * An error of the library carries the command that failed, and the first command carries the password. What leaves this
 * file has neither.
 */
import * as Net from "node:net"
import * as Tls from "node:tls"
import { Data, Duration, Effect, Redacted, type Scope } from "effect"
import type { Redis } from "ioredis"
import * as Lookup from "../preflight/Lookup.ts"
import { type Address, show } from "./Address.ts"
import { CacheRefused, CacheUnavailable, CacheUntrusted } from "./Cache.ts"

/** How it goes on after a connection was lost, in milliseconds. */
const reconnect = { firstMs: 50, capMs: 2_000 }

/** How long a connection may take, TLS included, in milliseconds. */
const connectMs = 2_000

/** Less than that, so that it is said when it is the name that nobody knows. */
const lookup = Lookup.within(Duration.millis(connectMs * 0.8))

/** How long closing may take before the socket is simply dropped, in milliseconds. */
const closeMs = 250

/** What an error of Redis, of the network or of TLS means for whoever wanted to use it. */
export const judge = (address: Address, error: unknown): CacheRefused | CacheUntrusted | CacheUnavailable => {
  const { code, message } = factsOf(error)
  const why = { address: show(address), cause: new RedisError({ message, code }) }
  if (refusals.test(message)) return new CacheRefused(why)
  if (distrust.test(code) || distrust.test(message)) return new CacheUntrusted(why)
  return new CacheUnavailable(why)
}

/** What Redis or the network said, without the command that it was said about. */
export class RedisError extends Data.TaggedError("RedisError")<{ readonly message: string; readonly code: string }> {}

const anyOf = (...patterns: ReadonlyArray<RegExp>): RegExp => new RegExp(patterns.map((it) => it.source).join("|"))

const refusals = anyOf(
  /^(?:WRONGPASS|NOAUTH|NOPERM)\b/,
  /invalid (?:password|username|DB index)/,
  /DB index is out of range/,
  /called without any password/
)

/** Names and words of OpenSSL and Node for certificates that do not convince, and for peers that speak no TLS. */
const distrust = anyOf(
  /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH/,
  /ERR_TLS_|ERR_SSL_|\bEPROTO\b/,
  /wrong version number|alert (?:number|bad|unknown|handshake)/
)

const factsOf = (error: unknown): { readonly code: string; readonly message: string } => {
  if (!(error instanceof Error)) return { code: "", message: "something that is no error" }
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  // Several addresses of one name were tried: what one of them said stands for all.
  if (error instanceof AggregateError && error.errors.length > 0) return factsOf(error.errors[0])
  return { code, message: error.message === "" ? code : error.message }
}

/** A connection, and what it is for. */
export interface Client {
  readonly address: Address
  /** Whether a command would go anywhere now. */
  readonly isConnected: () => boolean
  /** One command, or several in one go. */
  readonly run: <A>(command: (redis: Redis) => Promise<A>) => Effect.Effect<A, CacheUnavailable>
  /** Calls when the connection is there again after it was lost, when it is lost, and when a message has come. */
  readonly listen: (to: Listener) => void
  /** Gives the connection up and makes a new one. */
  readonly renew: () => void
}

export interface Listener {
  readonly connected: () => void
  readonly lost: () => void
  readonly message: (text: string) => void
}

/** Connects, and closes with the scope. A connection that cannot be had is an error and not tried again here. */
export const connect = (
  address: Address,
  options: {
    /** Who it is in the client list of Redis. */
    readonly name: string
    readonly commandTimeoutMs: number
    readonly tls: Tls.ConnectionOptions | undefined
  }
): Effect.Effect<Client, CacheRefused | CacheUntrusted | CacheUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { AbstractConnector, Redis } = yield* Effect.promise(() => import("ioredis"))
    const { tls } = options
    /** The library's own listens for one error of a socket; the second one, which TLS likes to have, ends the process. */
    class Connector extends AbstractConnector {
      constructor() {
        super(closeMs)
      }
      connect() {
        const { host, port } = address
        const at = { host, port, lookup }
        const socket = tls === undefined ? Net.connect(at) : Tls.connect({ ...tls, ...at })
        socket.on("error", (error) => void (this.firstError ??= error))
        this.connecting = true
        this.stream = socket
        return Promise.resolve(socket)
      }
    }
    let isUp = false
    let complaint: unknown
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const redis = new Redis({
          lazyConnect: true,
          Connector,
          db: address.database,
          connectionName: options.name,
          connectTimeout: connectMs,
          commandTimeout: options.commandTimeoutMs,
          disableClientInfo: true,
          enableOfflineQueue: false,
          // Its own waits for a server that loads cannot be interrupted; the probe waits instead.
          enableReadyCheck: false,
          autoResubscribe: false,
          autoResendUnfulfilledCommands: false,
          maxRetriesPerRequest: 0,
          retryStrategy: (times) => (isUp ? Math.min(reconnect.firstMs * 2 ** (times - 1), reconnect.capMs) : null),
          ...(address.username === undefined ? {} : { username: address.username }),
          ...(address.password === undefined ? {} : { password: Redacted.value(address.password) }),
          // Which event of the socket it has to wait for.
          ...(tls === undefined ? {} : { tls })
        })
        // Also what keeps the library from printing.
        redis.on("error", (error) => void (complaint ??= error))
        return redis
      }),
      close
    )
    const judged = (error: unknown) => judge(address, complaint ?? error)
    yield* Effect.tryPromise({ try: () => redis.connect(), catch: judged })
    // A database that is not there is complained about, and the connection is on another one.
    if (complaint !== undefined) return yield* judged(complaint)
    isUp = true
    redis.on("ready", () => void (complaint = undefined))
    redis.on("error", (error) => {
      // Refused after it was let in: to go on would be to go on elsewhere, or as somebody else.
      if (!(judge(address, error) instanceof CacheUnavailable)) isUp = false
      if (!isUp) redis.disconnect()
    })
    return {
      address,
      isConnected: () => redis.status === "ready",
      run: (command) =>
        Effect.tryPromise({
          try: () => command(redis),
          catch: (error) => new CacheUnavailable({ address: show(address), cause: judge(address, error).cause })
        }),
      listen: ({ connected, lost, message }) => {
        redis.on("ready", connected)
        redis.on("close", lost)
        redis.on("message", (_channel: string, text: string) => message(text))
      },
      renew: () => redis.disconnect(true)
    }
  })

/** Until the socket is gone: what is closed keeps neither a port nor a process. */
const close = (redis: Redis): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const isOpen = redis.status === "connecting" || redis.status === "connect" || redis.status === "ready"
    if (isOpen) redis.once("end", () => resume(Effect.void))
    redis.disconnect()
    if (!isOpen) resume(Effect.void)
  }).pipe(
    Effect.interruptible,
    Effect.timeoutOrElse({ duration: closeMs * 4, orElse: () => Effect.sync(() => void redis.stream?.destroy()) })
  )
