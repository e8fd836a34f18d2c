/**
 * Looks up the address of a name for a socket, and says so when no name server answers: the socket alone would say that
 * the connection took too long, and whoever reads that looks for a server that is down.
 */
import { lookup, type LookupAddress, type LookupOptions } from "node:dns"
import type { LookupFunction } from "node:net"
import { Duration, Effect } from "effect"

/** Asks the system, and waits for it at most that long, which must be less than the connection may take. */
export const within =
  (limit: Duration.Duration): LookupFunction =>
  (name, options, tell) => {
    const late = () => Effect.fail(silent(name, limit))
    Effect.runFork(
      Effect.match(Effect.timeoutOrElse(asked(name, options), { duration: limit, orElse: late }), {
        onFailure: (error) => tell(error, []),
        onSuccess: ({ address, family }) => tell(null, address, family)
      })
    )
  }

interface Found {
  readonly address: string | Array<LookupAddress>
  readonly family: number
}

/** Whoever waits no more is not told: the system cannot be stopped in its search. */
const asked = (name: string, options: LookupOptions): Effect.Effect<Found, NodeJS.ErrnoException> =>
  Effect.callback((resume) => {
    lookup(name, options, (error, address, family) =>
      resume(error === null ? Effect.succeed({ address, family }) : Effect.fail(error))
    )
  })

const silent = (name: string, limit: Duration.Duration): NodeJS.ErrnoException =>
  Object.assign(
    new Error(`no name server has said within ${Duration.format(limit)} where ${name} is (getent hosts ${name})`),
    { code: "EAI_AGAIN", syscall: "getaddrinfo" }
  )
