/**
 * Who may come in: knows who asks, by a token of the API or whatever else security knows, counts how often, and compares
 * the roles with what is asked for. REST, gRPC and WebSocket have the same door.
 *
 * **Details**
 *
 * Somebody who was let in is remembered for five seconds, with what they may do: a token that is revoked on another node
 * counts here as long as that at most. A refusal is never remembered, so each is in the audit log, as far as
 * {@link AuditLog.limited} lets them: addresses cost nothing, and a loopback has millions. An address that shows
 * many credentials which nobody knows has to wait, before they are looked at; not so whoever was let in before, or has the
 * token of this machine: a stranger at the same address must not lock them out. Whoever listens to a stream is looked at as
 * often for as long as it goes on: a token that was revoked or has run out hears no more.
 */
import { Problem } from "@novacron/api"
import { Clock, Effect, Option, Redacted } from "effect"
import * as AuditLog from "../security/AuditLog.ts"
import type { Principal, Security } from "../security/Security.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Settings } from "./Settings.ts"
import * as TokenStore from "./TokenStore.ts"

/** What somebody shows at the door. */
export interface Knock {
  /** What follows `Bearer` in the header `authorization`. */
  readonly bearer: string | undefined
  /** Of a certificate that TLS has verified. */
  readonly certificate: { readonly commonName: string; readonly fingerprint256: string } | undefined
  readonly address: string
}

/** Somebody who was let in. */
export type Guest = Principal

export type Refusal = Problem.Unauthenticated | Problem.NotAllowed | Problem.TooManyRequests | Problem.Unavailable

export interface Admission {
  /** As {@link admit}, for somebody who has just been let in with that very knock to do the same; else `undefined`. */
  readonly again: (knock: Knock, action: string) => Guest | undefined
  readonly admit: (knock: Knock, action: string) => Effect.Effect<Guest, Refusal>
  /** For whoever goes on doing what {@link admit} let them do: fails when they may no longer. It counts as no request. */
  readonly lapse: (knock: Knock, action: string) => Effect.Effect<never, Problem.Unauthenticated | Problem.NotAllowed>
  /** Whether a guest may do something else besides. A refusal is in the audit log. */
  readonly may: (guest: Guest, action: string) => Effect.Effect<void, Problem.NotAllowed>
  /** A token that is no longer good is forgotten at once. */
  readonly forget: (hash: string) => void
}

export interface Options {
  readonly security: Security["Service"]
  readonly rate: Settings["rate"]
  /** Nothing while there is none yet. */
  readonly tokens: Effect.Effect<Option.Option<TokenStore.TokenStore>>
  /** The token of whoever may read the files of this node; it has the role `admin`. */
  readonly local: string
  readonly retryAfterSeconds: number
}

interface Known extends Guest {
  readonly bucket: string
  /** 0 once it is forgotten. */
  untilMs: number
  readonly allowed: Set<string>
}

/** How long somebody is remembered. */
const memoryMs = 5_000
const maxKnown = 10_000
/** Longer than any token; what is longer is not looked at. */
const maxTokenLength = 16_384

export const make = Effect.fn("Admission.make")(function* (options: Options) {
  const { rate, retryAfterSeconds, security, tokens } = options
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const requests = RateLimit.make({ perMinute: rate.perMinute, burst: rate.burst, now })
  const failures = RateLimit.make({ perMinute: rate.failures, burst: rate.failures, now })
  /** A caller that does not stop asking is one line of the audit log a minute. */
  const lines = RateLimit.make({ perMinute: 1, burst: 1, now })
  const refusal = AuditLog.limited(security.audit)
  const known = new Map<string, Known>()
  /** A connection shows the same again and again: then nothing is hashed. */
  const byKnock = new WeakMap<Knock, Known>()
  const localHash = TokenStore.hashOf(options.local)

  const remember = (key: string, principal: Principal, expiresInMs = Infinity): Known => {
    for (const old of known.keys()) {
      if (known.size < maxKnown) break
      known.delete(old)
    }
    const untilMs = now() + Math.min(memoryMs, expiresInMs)
    const bucket = `${principal.by} ${principal.name}`
    const guest = { ...principal, bucket, untilMs, allowed: new Set<string>() }
    known.delete(key)
    known.set(key, guest)
    return guest
  }

  const byOwnToken = Effect.fnUntraced(function* (hash: string) {
    if (hash === localHash) return { principal: { name: "local", by: "token", roles: ["admin"] } as const }
    const store = yield* tokens
    if (Option.isNone(store)) {
      return yield* new Problem.Unavailable({
        retryAfterSeconds,
        detail: "Tokens cannot be looked up yet: the database is not up. Ask again in a moment."
      })
    }
    const found = yield* Effect.mapError(
      store.value.find(hash),
      ({ message }) => new Problem.Unavailable({ retryAfterSeconds, detail: message })
    )
    if (Option.isNone(found)) {
      yield* refusal({ action: "auth.failed", subject: "a token of the API that is not valid", success: false })
      return yield* new Problem.Unauthenticated({ detail: "The token is not known, was revoked, or has run out." })
    }
    const { expiresAtMs, name, roles } = found.value
    const expiresInMs = expiresAtMs - (yield* Clock.currentTimeMillis)
    return { principal: { name, by: "token", roles } as const, expiresInMs }
  })

  const bySecurity = (knock: Knock): Effect.Effect<{ readonly principal: Principal }, Problem.Unauthenticated> => {
    const { bearer, certificate } = knock
    const credential =
      bearer !== undefined
        ? { _tag: "Bearer" as const, token: Redacted.make(bearer) }
        : certificate !== undefined
          ? { _tag: "Certificate" as const, ...certificate }
          : { _tag: "Anonymous" as const }
    return Effect.mapBoth(security.authenticate(credential), {
      onFailure: () =>
        new Problem.Unauthenticated({
          detail: "Show a client certificate of the CA of this node, or a token: Authorization: Bearer TOKEN."
        }),
      onSuccess: (principal) => ({ principal })
    })
  }

  const limited = (bucket: string, principal: string): Effect.Effect<void> =>
    Effect.suspend(() =>
      lines.take(bucket) > 0 ? Effect.void : refusal({ action: "access.limited", principal, success: false })
    )

  const lookUp = Effect.fnUntraced(function* (knock: Knock, { hash, key }: Shown) {
    const isOwn = hash !== undefined && knock.bearer?.startsWith(TokenStore.prefix) === true
    const found: { readonly principal: Principal; readonly expiresInMs?: number } = yield* isOwn
      ? byOwnToken(hash)
      : bySecurity(knock)
    return remember(key, found.principal, found.expiresInMs)
  })

  const identify = Effect.fnUntraced(function* (knock: Knock, shown: Shown) {
    const isKnown = known.has(shown.key) || shown.hash === localHash
    const waitMs = isKnown ? 0 : failures.look(knock.address)
    if (waitMs > 0) {
      yield* limited(knock.address, knock.address)
      return yield* tooMany(waitMs, "Too many failures from this address.")
    }
    return yield* Effect.tapErrorTag(lookUp(knock, shown), "Unauthenticated", () =>
      Effect.sync(() => {
        known.delete(shown.key)
        failures.take(knock.address)
      })
    )
  })

  const remembered = ({ key }: Shown): Known | undefined => {
    const guest = known.get(key)
    return guest !== undefined && guest.untilMs > now() ? guest : undefined
  }

  const may = (guest: Guest, action: string): Effect.Effect<void, Problem.NotAllowed> =>
    Effect.mapError(
      security.authorize(guest, action),
      ({ message }) => new Problem.NotAllowed({ action, detail: message })
    )

  const allowed = (guest: Known, action: string): Effect.Effect<Guest, Problem.NotAllowed> => {
    if (guest.allowed.has(action)) return Effect.succeed(guest)
    return Effect.map(may(guest, action), () => {
      guest.allowed.add(action)
      return guest
    })
  }

  const enter = (guest: Known, action: string): Effect.Effect<Guest, Problem.NotAllowed | Problem.TooManyRequests> => {
    const waitMs = requests.take(guest.bucket)
    if (waitMs > 0)
      return Effect.andThen(limited(guest.bucket, guest.name), tooMany(waitMs, `${guest.name} asks too often.`))
    return allowed(guest, action)
  }

  return {
    again: (knock, action) => {
      const guest = byKnock.get(knock)
      if (guest === undefined || !guest.allowed.has(action)) return undefined
      const nowMs = now()
      if (guest.untilMs <= nowMs) return undefined
      return requests.take(guest.bucket, nowMs) > 0 ? undefined : guest
    },
    admit: (knock, action) =>
      Effect.suspend((): Effect.Effect<Guest, Refusal> => {
        const { bearer } = knock
        if (bearer !== undefined && bearer.length > maxTokenLength) {
          return Effect.fail(new Problem.Unauthenticated({ detail: "The token is longer than any." }))
        }
        const shown = shownBy(knock)
        const guest = remembered(shown)
        if (guest !== undefined) {
          byKnock.set(knock, guest)
          return enter(guest, action)
        }
        return Effect.flatMap(identify(knock, shown), (guest) => {
          byKnock.set(knock, guest)
          return enter(guest, action)
        })
      }),
    lapse: (knock, action) => {
      const shown = shownBy(knock)
      const look = Effect.suspend(() => {
        const guest = remembered(shown)
        const found = guest === undefined ? lookUp(knock, shown) : Effect.succeed(guest)
        return Effect.flatMap(found, (guest) => allowed(guest, action))
      })
      // A database that is away is nobody's fault: it is asked again.
      const patient = Effect.catchTag(look, "Unavailable", () => Effect.void)
      return Effect.forever(Effect.andThen(Effect.sleep(memoryMs), patient))
    },
    may,
    forget: (hash) => {
      const guest = known.get(hash)
      if (guest === undefined) return
      guest.untilMs = 0
      known.delete(hash)
    }
  } satisfies Admission
})

/** What is looked for: the hash of a token, and under which name whoever shows it is remembered. */
interface Shown {
  readonly hash: string | undefined
  readonly key: string
}

const shownBy = ({ bearer, certificate }: Knock): Shown => {
  const hash = bearer === undefined ? undefined : TokenStore.hashOf(bearer)
  return { hash, key: hash ?? certificate?.fingerprint256 ?? "anonymous" }
}

const tooMany = (waitMs: number, detail: string): Effect.Effect<never, Problem.TooManyRequests> =>
  Effect.fail(new Problem.TooManyRequests({ retryAfterSeconds: Math.ceil(waitMs / 1_000), detail }))
