/**
 * Secrets from HashiCorp Vault, KV version 2, over its HTTP API.
 *
 * **Details**
 *
 * Logs in with a token or by AppRole, and renews what it was given when two thirds of the lease are over. What cannot be
 * renewed any more is replaced by a new login; a token of the settings cannot be, and a warning says so. Errors of the
 * server (5xx), throttling (429) and lost connections are tried again under a short policy; a refusal is final, except
 * that an AppRole logs in once more, because its token may have been revoked.
 *
 * **Gotchas**
 *
 * No real Vault was ever asked: none can be had where the tests of this project run. They ask a server that was written
 * from Vault's published API. Nothing of what is sent is traced, because spans keep headers and bodies.
 */
import { Duration, Effect, Option, Redacted, Ref, Schedule, Schema, Semaphore } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { type Provider, withName } from "./Secrets.ts"
import { SecretUnavailable, VaultRefused, VaultUnreachable } from "./Security.ts"
import type { Settings } from "./Settings.ts"

type Failure = VaultRefused | VaultUnreachable

/** Three more tries within two seconds. */
const patience = Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))

/** How a login is renewed that could not be renewed: as long as it takes, and less and less often. */
const persistence = Schedule.min([Schedule.exponential("10 seconds"), Schedule.spaced("2 minutes")])

/** Logs in, and keeps the login alive as long as the scope lasts. */
export const make = Effect.fn("Vault.make")(function* (settings: (typeof Settings.Type)["secrets"]["vault"]) {
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest((request) => {
      const addressed = HttpClientRequest.prependUrl(request, `${settings.address.replace(/\/+$/, "")}/v1`)
      const marked = HttpClientRequest.setHeader(addressed, "X-Vault-Request", "true")
      return settings.namespace === undefined
        ? marked
        : HttpClientRequest.setHeader(marked, "X-Vault-Namespace", settings.namespace)
    })
  )
  const unreachable = (status?: number, cause?: unknown) =>
    new VaultUnreachable({ address: settings.address, status, cause })

  /** One request with its answer, `None` for 404. What it is about is said without any value. */
  const ask = <A>(about: string, request: HttpClientRequest.HttpClientRequest, answer: Schema.Codec<A, unknown>) =>
    Effect.gen(function* () {
      // An error of the client holds the request, and with it the token: only what is beneath is kept.
      const response = yield* Effect.mapError(client.execute(request), ({ cause }) => unreachable(undefined, cause))
      const { status } = response
      if (status === 404) return Option.none<A>()
      if (isFailing(status)) return yield* unreachable(status)
      if (status >= 300) return yield* new VaultRefused({ request: about, status })
      return yield* HttpClientResponse.schemaBodyJson(answer)(response).pipe(
        Effect.asSome,
        // As before: it would show what was answered.
        Effect.mapError(() => unreachable(status, new Error(`The answer to "${about}" is not as Vault's API says.`)))
      )
    }).pipe(
      Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.fail(unreachable()) }),
      Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "VaultUnreachable" }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )
  const askFor = <A>(about: string, request: HttpClientRequest.HttpClientRequest, answer: Schema.Codec<A, unknown>) =>
    Effect.flatMap(
      ask(about, request, answer),
      Option.match({
        onNone: () => Effect.fail(new VaultRefused({ request: about, status: 404 })),
        onSome: Effect.succeed
      })
    )

  const { roleId, secretId, token } = settings
  const login: Effect.Effect<Login, Failure> =
    roleId !== undefined && secretId !== undefined
      ? Effect.map(
          askFor(
            "login by AppRole",
            HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post("/auth/approle/login"), {
              role_id: roleId,
              secret_id: Redacted.value(secretId)
            }),
            Auth
          ),
          ({ auth }) => loginOf(auth)
        )
      : Effect.suspend(() => {
          const given = token ?? Redacted.make("")
          return Effect.map(
            askFor("look up the token", withToken("GET", "/auth/token/lookup-self", given), Lookup),
            (it) => ({
              token: given,
              lease: Duration.seconds(it.data.ttl),
              isRenewable: it.data.renewable
            })
          )
        })
  const canLogInAgain = roleId !== undefined

  const current = yield* Ref.make(yield* login)
  const turn = yield* Semaphore.make(1)
  /** Several requests can find at once that the login is over: one of them logs in again. */
  const logInInsteadOf = (old: Login) =>
    turn.withPermit(
      Effect.gen(function* () {
        if ((yield* Ref.get(current)) === old) yield* Ref.set(current, yield* login)
      })
    )

  const renew = Effect.gen(function* () {
    const old = yield* Ref.get(current)
    const renewed = old.isRenewable
      ? yield* askFor("renew the token", withToken("POST", "/auth/token/renew-self", old.token), Auth).pipe(
          Effect.map(({ auth }) => Option.some(loginOf(auth))),
          Effect.catchTag("VaultRefused", () => Effect.succeedNone)
        )
      : Option.none<Login>()
    // Beyond its longest life a token is renewed for less and less time.
    const isWorthIt = (login: Login) => Duration.toMillis(login.lease) * 2 > Duration.toMillis(old.lease)
    if (Option.isSome(renewed) && (isWorthIt(renewed.value) || !canLogInAgain))
      return yield* Ref.set(current, renewed.value)
    if (canLogInAgain) return yield* logInInsteadOf(old)
    yield* Effect.logWarning(
      "The Vault token cannot be renewed: secrets end with it. Give the node another one, or an AppRole."
    )
    yield* Ref.set(current, { ...old, lease: Duration.zero })
  })
  const renewing: Effect.Effect<never> = Effect.gen(function* () {
    const { lease } = yield* Ref.get(current)
    // A lease of 0 has no end.
    if (Duration.isZero(lease)) return yield* Effect.never
    yield* Effect.sleep(Duration.times(lease, 2 / 3))
    yield* renew.pipe(
      Effect.tapError(({ message }) => Effect.logWarning(`The login to Vault is not renewed yet. ${message}`)),
      Effect.retry(persistence),
      Effect.ignore
    )
  }).pipe(Effect.forever)
  yield* Effect.forkScoped(renewing)

  /** With the token of now; an AppRole whose token is refused logs in again, once. */
  const withLogin = <A>(request: (token: Redacted.Redacted) => Effect.Effect<A, Failure>): Effect.Effect<A, Failure> =>
    Effect.flatMap(Ref.get(current), (login) =>
      Effect.catchTag(request(login.token), "VaultRefused", (refused) =>
        canLogInAgain && refused.status === 403
          ? Effect.flatMap(Effect.andThen(logInInsteadOf(login), Ref.get(current)), ({ token }) => request(token))
          : Effect.fail(refused)
      )
    )

  const unavailable = (name: string) => (cause: unknown) => new SecretUnavailable({ name, provider: "vault", cause })
  const read = Effect.fnUntraced(function* (name: string) {
    const path = `${settings.mount}/data/${settings.path}/${name}`
    const found = yield* withLogin((token) => ask(`read ${path}`, withToken("GET", `/${path}`, token), Secret))
    const value = Option.isSome(found) ? found.value.data.data[settings.field] : undefined
    if (typeof value === "string") return Redacted.make(value, { label: name })
    return yield* Effect.fail(new Error(`There is no text in the field ${settings.field} of ${path}.`))
  })
  return {
    read: (name) => withName(name, "vault", () => Effect.mapError(read(name), unavailable(name))),
    check: Effect.asVoid(
      withLogin((token) => askFor("look up the token", withToken("GET", "/auth/token/lookup-self", token), Lookup))
    ).pipe(Effect.mapError(unavailable("*")))
  } satisfies Provider
})

// ----------------------------------------------------------------------------------------------------------- private

interface Login {
  readonly token: Redacted.Redacted
  readonly lease: Duration.Duration
  readonly isRenewable: boolean
}

const loginOf = (auth: (typeof Auth.Type)["auth"]): Login => ({
  token: auth.client_token,
  lease: Duration.seconds(auth.lease_duration),
  isRenewable: auth.renewable
})

const Auth = Schema.Struct({
  auth: Schema.Struct({
    client_token: Schema.RedactedFromValue(Schema.NonEmptyString),
    lease_duration: Schema.Finite,
    renewable: Schema.Boolean
  })
})

const Lookup = Schema.Struct({ data: Schema.Struct({ ttl: Schema.Finite, renewable: Schema.Boolean }) })

/** A secret whose newest version was deleted is a 404. */
const Secret = Schema.Struct({
  data: Schema.Struct({ data: Schema.Record(Schema.String, Schema.NullOr(Schema.Json)) })
})

const withToken = (method: "GET" | "POST", path: string, token: Redacted.Redacted) =>
  HttpClientRequest.setHeader(HttpClientRequest.make(method)(path), "X-Vault-Token", Redacted.value(token))

/** Worth another try. Vault says 472 and 473 for replicas that do not answer, and 412 when one is behind. */
const isFailing = (status: number): boolean => status >= 500 || [412, 429, 472, 473].includes(status)
