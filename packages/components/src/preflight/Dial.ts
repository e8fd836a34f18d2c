/**
 * Whether somebody answers at an address: the name is looked up, a connection is opened and closed again at once. Nothing
 * is sent. How long the connection took is one round trip, also when it is refused: a refusal is an answer.
 *
 * Who listens may not be ready yet; where there is a path to ask for that, it is asked for by HTTP.
 */
import { lookup } from "node:dns"
import { get } from "node:http"
import { connect } from "node:net"
import { Clock, Data, type Duration, Effect } from "effect"

/** Where somebody should answer. */
export type Address =
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly path: string }

/** Why nobody does. */
export type Reason =
  | "refused"
  | "timed out"
  | "unknown host"
  | "no name server answers"
  | "unreachable"
  | "not allowed"
  | "no such socket"
  | "not ready"
  | "failed"

/** Somebody answered, within this. */
export interface Answered {
  readonly roundTripMs: number
  /** The address that the name stands for; the path of a socket. */
  readonly at: string
}

/** Nobody answered. */
export class Unanswered extends Data.TaggedError("Unanswered")<{
  readonly address: Address
  readonly reason: Reason
  /** Of a refusal: the machine is there, the service is not. */
  readonly roundTripMs?: number
  readonly cause?: unknown
}> {
  override get message() {
    return `${format(this.address)}: ${this.reason}`
  }
}

/** As people write it: `db.example:5432`, `[::1]:5432`, `/run/db.sock`. */
export const format = (address: Address): string => {
  if (address._tag === "Unix") return address.path
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** Dials once; name and connection together within the limit. An answer that waits to be heard by then counts. */
export const dial = (address: Address, limit: Duration.Duration): Effect.Effect<Answered, Unanswered> =>
  Effect.suspend(() => {
    let isFound = address._tag === "Unix"
    return within(
      limit,
      address,
      Effect.flatMap(resolved(address), (at) => {
        isFound = true
        return knock(address, at)
      }),
      () => (isFound ? "timed out" : "no name server answers")
    )
  })

/** Asks by HTTP whether the one who answers there is ready, once and within the limit: any answer but 2xx is a no. */
export const ask = (
  address: Address & { readonly _tag: "Tcp" },
  path: string,
  limit: Duration.Duration
): Effect.Effect<void, Unanswered> =>
  within(
    limit,
    address,
    Effect.callback<void, Unanswered>((resume) => {
      const { host, port } = address
      const request = get({ host, port, path, agent: false }, (response) => {
        response.destroy()
        const { statusCode = 0 } = response
        const isReady = statusCode >= 200 && statusCode < 300
        resume(isReady ? Effect.void : Effect.fail(new Unanswered({ address, reason: "not ready" })))
      })
      request.on("error", (cause) => resume(Effect.fail(unanswered(address, cause))))
      return Effect.sync(() => request.destroy())
    })
  )

const within = <A>(
  limit: Duration.Duration,
  address: Address,
  asked: Effect.Effect<A, Unanswered>,
  reason: () => Reason = () => "timed out"
) =>
  Effect.raceFirst(
    asked,
    Effect.sleep(limit).pipe(
      Effect.andThen(turn),
      Effect.andThen(Effect.suspend(() => Effect.fail(new Unanswered({ address, reason: reason() }))))
    )
  )

/** A process that was busy sees that time is up before it sees what has come in meanwhile: once round, and it has. */
export const turn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void))
})

const resolved = (address: Address): Effect.Effect<string, Unanswered> => {
  if (address._tag === "Unix") return Effect.succeed(address.path)
  return Effect.callback((resume) => {
    lookup(address.host, (cause, found) =>
      resume(cause === null ? Effect.succeed(found) : Effect.fail(unanswered(address, cause)))
    )
  })
}

const knock = (address: Address, at: string): Effect.Effect<Answered, Unanswered> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    Effect.callback<Answered, Unanswered>((resume) => {
      const began = clock.monotonicTimeNanosUnsafe()
      const elapsedMs = () => Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6
      const socket = connect(address._tag === "Unix" ? { path: at } : { host: at, port: address.port })
      socket.once("connect", () => {
        resume(Effect.succeed({ roundTripMs: elapsedMs(), at }))
        socket.destroy()
      })
      socket.on("error", (cause: NodeJS.ErrnoException) => {
        resume(Effect.fail(unanswered(address, cause, elapsedMs())))
        socket.destroy()
      })
      return Effect.sync(() => socket.destroy())
    })
  )

const unanswered = (address: Address, cause: NodeJS.ErrnoException, roundTripMs?: number): Unanswered => {
  const reason = reasons[cause.code ?? ""] ?? "failed"
  const answer = reason === "refused" && roundTripMs !== undefined ? { roundTripMs } : {}
  return new Unanswered({ address, reason, cause, ...answer })
}

const reasons: { readonly [code: string]: Reason | undefined } = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timed out",
  ENOTFOUND: "unknown host",
  EAI_AGAIN: "no name server answers",
  EAI_NONAME: "unknown host",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EACCES: "not allowed",
  EPERM: "not allowed",
  ENOENT: "no such socket",
  ENOTSOCK: "no such socket"
}
