/**
 * A document of settings that is kept in etcd or Consul instead of a file, under a name that says where:
 *
 * | | |
 * |---|---|
 * | `etcds://10.0.0.5:2379/novacron/node.yaml` | a key of etcd 3.4 or later, by its JSON gateway |
 * | `consuls://10.0.0.5:8501/novacron/node.yaml` | a key of Consul's KV store, by its HTTP interface |
 *
 * **Details**
 *
 * The key is what follows the first slash, so `etcds://host:2379//a` is the key `/a`. A user and password before an `@` are
 * those of etcd; for Consul the password is the token. They are shown nowhere. `etcd://` and `consul://` without TLS are for
 * this machine alone. A detached signature is the key with `.sig` behind it, as the bytes that openssl has made.
 *
 * A read ends after 10 seconds, and after 1 MiB.
 */
import { Data, Effect, Predicate, Queue, Result, Schedule, Schema, Stream } from "effect"
import { maxBytes } from "./Document.ts"

/** The document cannot be had: the store does not answer, says no, or has no such key. */
export class RemoteUnreadable extends Data.TaggedError("RemoteUnreadable")<{
  /** Without user and password. */
  readonly place: string
  readonly reason: string
  readonly cause?: unknown
  /** `Silent` may answer later: it is down, too slow, or says that the fault is its own. `Forbidden`: not for this user. */
  readonly why: "Forbidden" | "Silent" | "Wrong"
}> {
  override get message() {
    return `${this.place} cannot be read. ${this.reason}`
  }
}

/** Whether a name of settings is one of these, and not a path. */
export const isRemote = (place: string): boolean => /^(?:etcd|consul)s?:\/\//.test(place)

/** The name without user and password. */
export const shown = (place: string): string => place.replace(/^(\w+:\/\/)[^/@]*@/, "$1")

/** The name of the document's signature. */
export const signatureOf = (place: string): string => `${place}.sig`

/** The bytes of the document as they are now. */
export const read = (place: string): Effect.Effect<Uint8Array, RemoteUnreadable> =>
  Effect.flatMap(storeOf(place), (store) =>
    store.kind === "etcd"
      ? Effect.map(range(store), ({ bytes }) => bytes)
      : Effect.map(get(store), ({ bytes }) => bytes)
  ).pipe(Effect.withSpan("Remote.read", { attributes: { place: shown(place) } }))

/**
 * Something for each time the document may have changed, as long as somebody listens. A store that goes away is asked again
 * after 1 to 30 seconds, and what happened meanwhile counts as one change.
 */
export const changes = (place: string): Stream.Stream<void, RemoteUnreadable> =>
  Stream.unwrap(
    Effect.map(storeOf(place), (store) => {
      const once = store.kind === "etcd" ? watched(store) : polled(store)
      return Stream.concat(once, Stream.fail(silent(store, "The connection has ended."))).pipe(
        Stream.retry(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]))
      )
    })
  )

// ------------------------------------------------------------------------------------------------------------ places

interface Store {
  readonly kind: "etcd" | "consul"
  readonly origin: string
  readonly key: string
  readonly user: string
  readonly password: string
  readonly place: string
}

const storeOf = (place: string): Effect.Effect<Store, RemoteUnreadable> => {
  const no = (reason: string) => Effect.fail(new RemoteUnreadable({ place: shown(place), reason, why: "Wrong" }))
  const scheme = /^(etcd|consul)(s?):\/\//.exec(place)
  const address = place.replace(/^\w+:/, "http:")
  if (scheme === null || !URL.canParse(address)) return no("It is no address of etcd or Consul.")
  const { hostname, host, password, pathname, username } = new URL(address)
  const isSafe = scheme[2] === "s" || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
  if (!isSafe) return no(`Without TLS only this machine is asked: write ${scheme[1]}s://.`)
  const parts = Result.try(() => [pathname.slice(1), username, password].map(decodeURIComponent))
  if (Result.isFailure(parts)) return no("A % in it is not followed by two hexadecimal digits (% itself is %25).")
  const [key = "", user = "", secret = ""] = parts.success
  if (key === "") return no("It names no key.")
  return Effect.succeed({
    kind: scheme[1] === "etcd" ? "etcd" : "consul",
    origin: `${scheme[2] === "s" ? "https" : "http"}://${host}`,
    key,
    user,
    password: secret,
    place: shown(place)
  })
}

const unreadable = ({ place }: Store, reason: string, cause?: unknown) =>
  new RemoteUnreadable({ place, reason, cause, why: "Wrong" })

const forbidden = ({ place }: Store) =>
  new RemoteUnreadable({ place, reason: "The store refuses this user.", why: "Forbidden" })

const silent = ({ place }: Store, reason: string, cause?: unknown) =>
  new RemoteUnreadable({ place, reason, cause, why: "Silent" })

// -------------------------------------------------------------------------------------------------------------- HTTP

const patience = "10 seconds"

/** In base64, and with what a store says around it. */
const maxAnswer = 2 * maxBytes

const ask = (store: Store, path: string, options: RequestInit): Effect.Effect<Response, RemoteUnreadable> =>
  Effect.tryPromise({
    try: (signal) => fetch(`${store.origin}${path}`, { redirect: "error", ...options, signal }),
    catch: (cause) =>
      silent(store, `The store does not answer${codeOf(cause)}. Is it up, and is this the right address?`, cause)
  })

/** What the system calls it: `fetch` has it in the cause of its own error. */
const codeOf = (cause: unknown): string =>
  cause instanceof Error && Predicate.hasProperty(cause.cause, "code") ? ` (${String(cause.cause.code)})` : ""

/** What is read of an answer, up to its limit. */
const body = (store: Store, response: Response): Effect.Effect<Uint8Array, RemoteUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const pieces: Array<Uint8Array> = []
      let bytes = 0
      for await (const piece of response.body ?? []) {
        bytes += piece.length
        if (bytes > maxAnswer) throw new TooLarge()
        pieces.push(piece)
      }
      return Buffer.concat(pieces)
    },
    catch: (cause) =>
      cause instanceof TooLarge
        ? unreadable(store, `It has more than ${maxBytes} bytes.`, cause)
        : silent(store, "The answer broke off.", cause)
  })

class TooLarge extends Data.TaggedError("TooLarge") {}

const complaint = (store: Store, status: number) =>
  status === 401 || status === 403
    ? forbidden(store)
    : (status < 500 ? unreadable : silent)(store, `The store answers with HTTP ${status}.`)

const inTime = <A>(store: Store, work: Effect.Effect<A, RemoteUnreadable>) =>
  Effect.timeoutOrElse(work, {
    duration: patience,
    orElse: () => Effect.fail(silent(store, `There was no answer within ${patience}.`))
  })

// -------------------------------------------------------------------------------------------------------------- etcd

/** The JSON gateway writes 64-bit numbers as texts, and bytes in base64. */
const Range = Schema.fromJsonString(
  Schema.Struct({ kvs: Schema.optionalKey(Schema.Array(Schema.Struct({ value: Schema.optionalKey(Schema.String) }))) })
)
const Authenticated = Schema.fromJsonString(Schema.Struct({ token: Schema.String }))

const base64 = (text: string): string => Buffer.from(text).toString("base64")

const post = (store: Store, path: string, content: unknown) =>
  Effect.gen(function* () {
    const headers: Record<string, string> = { "content-type": "application/json" }
    if (store.user !== "") {
      const who = JSON.stringify({ name: store.user, password: store.password })
      const login = yield* ask(store, "/v3/auth/authenticate", { method: "POST", headers, body: who })
      if (login.status >= 500) return yield* complaint(store, login.status)
      if (!login.ok) return yield* forbidden(store)
      headers["authorization"] = (yield* decoded(store, Authenticated, yield* body(store, login))).token
    }
    const response = yield* ask(store, path, { method: "POST", headers, body: JSON.stringify(content) })
    return response.ok ? response : yield* complaint(store, response.status)
  })

const decoded = <S extends Schema.Decoder<unknown>>(store: Store, schema: S, bytes: Uint8Array) =>
  Effect.mapError(Schema.decodeUnknownEffect(schema)(Buffer.from(bytes).toString("utf8")), (cause) =>
    unreadable(store, "What answers is not such a store.", cause)
  )

const range = (store: Store) =>
  inTime(
    store,
    Effect.gen(function* () {
      const response = yield* post(store, "/v3/kv/range", { key: base64(store.key) })
      const { kvs = [] } = yield* decoded(store, Range, yield* body(store, response))
      const [found] = kvs
      if (found === undefined) return yield* unreadable(store, "There is no such key.")
      return { bytes: yield* bounded(store, Buffer.from(found.value ?? "", "base64")) }
    })
  )

const bounded = (store: Store, bytes: Uint8Array) =>
  bytes.length > maxBytes ? unreadable(store, `It has more than ${maxBytes} bytes.`) : Effect.succeed(bytes)

/** A watch is an answer without an end: a line of JSON for its beginning, and one for each change. */
const watched = (store: Store): Stream.Stream<void, RemoteUnreadable> =>
  Stream.unwrap(
    Effect.map(post(store, "/v3/watch", { create_request: { key: base64(store.key) } }), ({ body }) =>
      body === null
        ? Stream.empty
        : Stream.fromReadableStream({
            evaluate: () => body,
            onError: (cause) => silent(store, "The watch broke off.", cause)
          }).pipe(
            Stream.decodeText,
            Stream.splitLines,
            Stream.filter((line) => line.includes('"result"')),
            Stream.map(() => undefined)
          )
    )
  )

// ------------------------------------------------------------------------------------------------------------ Consul

const get = (store: Store, index?: string) =>
  Effect.gen(function* () {
    const wait = index === undefined ? "" : `&index=${encodeURIComponent(index)}&wait=60s`
    const headers: Record<string, string> = store.password === "" ? {} : { "x-consul-token": store.password }
    const path = `/v1/kv/${store.key.split("/").map(encodeURIComponent).join("/")}?raw=true${wait}`
    const response = yield* ask(store, path, { headers })
    if (response.status === 404) return yield* unreadable(store, "There is no such key.")
    if (!response.ok) return yield* complaint(store, response.status)
    const bytes = yield* bounded(store, yield* body(store, response))
    return { bytes, index: response.headers.get("x-consul-index") ?? "0" }
  }).pipe((it) => (index === undefined ? inTime(store, it) : it))

/** Blocking queries: each is answered when the index has moved on, or after a minute. */
const polled = (store: Store): Stream.Stream<void, RemoteUnreadable> =>
  Stream.callback<void, RemoteUnreadable>((queue) =>
    Effect.gen(function* () {
      let { index } = yield* get(store)
      yield* Queue.offer(queue, undefined)
      while (true) {
        const next = yield* get(store, index)
        // An index that goes back is one of a store that was made anew: begin again, as its documentation says.
        if (next.index === index) continue
        index = Number(next.index) < Number(index) ? "0" : next.index
        yield* Queue.offer(queue, undefined)
      }
    }).pipe(Effect.catch((error) => Queue.fail(queue, error)))
  )
