/**
 * Bearer tokens of an OpenID Connect issuer: JWTs, verified by the keys that the issuer publishes.
 *
 * **Details**
 *
 * The issuer is asked for its keys at the start, and again when a token names a key that nobody knows, at most every 30
 * seconds. A token counts when it is signed by one of them with an asymmetric algorithm, comes from the issuer, is made
 * for the audience, and has not run out; clocks may differ by five seconds.
 */
import { Clock, DateTime, Duration, Effect, Redacted, Ref, Schedule, Schema, Semaphore } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import type { errors as JoseErrors, JSONWebKeySet, JWTPayload } from "jose"
import { IssuerUnreachable, Unauthenticated } from "./Security.ts"

export interface Claims {
  readonly subject: string
  readonly roles: ReadonlyArray<string>
}

/** Verifies a token. */
export type Verify = (token: Redacted.Redacted) => Effect.Effect<Claims, Unauthenticated>

export interface Options {
  readonly issuer: string
  readonly audience: string
  /** The claim with the roles. */
  readonly rolesClaim: string
}

/** Asks the issuer for its keys, and verifies by them from then on. */
export const verifier = Effect.fn("Oidc.verifier")(function* ({ audience, issuer, rolesClaim }: Options) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const get = <A>(url: string, answer: Schema.Codec<A, unknown>) =>
    Effect.flatMap(client.get(url), HttpClientResponse.schemaBodyJson(answer)).pipe(
      Effect.timeout("2 seconds"),
      Effect.retry(Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 2 }))),
      Effect.mapError((cause) => new IssuerUnreachable({ issuer, cause }))
    )
  const fetchKeys = Effect.gen(function* () {
    const about = yield* get(`${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`, Discovery)
    if (about.issuer !== issuer) {
      return yield* new IssuerUnreachable({ issuer, cause: new Error(`It calls itself ${about.issuer}.`) })
    }
    // An issuer behind TLS does not keep its keys in the clear.
    if (new URL(about.jwks_uri).protocol !== new URL(issuer).protocol) {
      return yield* new IssuerUnreachable({ issuer, cause: new Error(`Its keys are at ${about.jwks_uri}.`) })
    }
    const keys = yield* get(about.jwks_uri, Keys)
    return { atMs: yield* Clock.currentTimeMillis, set: createLocalJWKSet(keys as JSONWebKeySet) }
  })
  const { createLocalJWKSet, errors, jwtVerify } = yield* Effect.promise(() => import("jose"))
  const known = yield* Ref.make(yield* fetchKeys)
  const turn = yield* Semaphore.make(1)

  /** Asks again, unless that was a moment ago. Yields whether there may be other keys now. */
  const refresh = turn.withPermit(
    Effect.gen(function* () {
      const { atMs } = yield* Ref.get(known)
      if ((yield* Clock.currentTimeMillis) - atMs < Duration.toMillis(pause)) return false
      return yield* Effect.matchEffect(fetchKeys, {
        onFailure: (error) => Effect.as(Effect.logWarning(error.message), false),
        onSuccess: (keys) => Effect.as(Ref.set(known, keys), true)
      })
    })
  )

  const payloadOf = (token: Redacted.Redacted): Effect.Effect<JWTPayload, unknown> =>
    Effect.gen(function* () {
      const { set } = yield* Ref.get(known)
      const now = yield* DateTime.now
      const { payload } = yield* Effect.tryPromise({
        try: () =>
          jwtVerify(Redacted.value(token), set, {
            algorithms,
            audience,
            issuer,
            clockTolerance: 5,
            currentDate: DateTime.toDate(now),
            requiredClaims: ["exp", "sub"]
          }),
        catch: (error) => error
      })
      return payload
    })

  const verify: Verify = (token) =>
    payloadOf(token).pipe(
      Effect.catch((error) =>
        error instanceof errors.JWKSNoMatchingKey
          ? Effect.flatMap(refresh, (isNew) => (isNew ? payloadOf(token) : Effect.fail(error)))
          : Effect.fail(error)
      ),
      Effect.map((payload) => ({ subject: payload.sub ?? "", roles: rolesIn(payload[rolesClaim]) })),
      // A code, because a message can quote the token.
      Effect.mapError((error) => new Unauthenticated({ reason: `${reasonOf(error, errors)}` }))
    )
  return verify
})

// ----------------------------------------------------------------------------------------------------------- private

const pause = Duration.seconds(30)

/** Signatures that the issuer alone can make. No `none`, and no secret that both sides share. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

const Discovery = Schema.Struct({
  issuer: Schema.String,
  jwks_uri: Schema.String.check(Schema.makeFilter((url: string) => URL.canParse(url)))
})

const Keys = Schema.Struct({
  keys: Schema.Array(
    Schema.StructWithRest(Schema.Struct({ kty: Schema.String }), [Schema.Record(Schema.String, Schema.Json)])
  )
})

const reasonOf = (error: unknown, errors: typeof JoseErrors): string => {
  if (error instanceof errors.JWTExpired) return "the token has run out"
  if (error instanceof errors.JWTClaimValidationFailed) return `the token has the wrong ${error.claim}`
  return error instanceof errors.JOSEError ? `the token is not good (${error.code})` : "the token is not good"
}

const rolesIn = (claim: unknown): ReadonlyArray<string> => {
  const roles: unknown = typeof claim === "string" ? claim.split(" ") : claim
  return Array.isArray(roles) ? roles.filter((role): role is string => typeof role === "string" && role !== "") : []
}
