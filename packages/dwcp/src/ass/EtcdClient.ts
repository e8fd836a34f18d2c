/**
 * Calls to the members of an etcd: each to the member that answered last, and to the next one when it does not.
 *
 * **Details**
 *
 * A read may be asked again anywhere. A write is given to another member only if it is sure that it was not taken: nothing
 * was sent, or the member said that it has no leader. Else its outcome is unknown, and the caller is told so: a write that
 * was done twice, with another one in between, would break the order that etcd promises.
 *
 * **Gotchas**
 *
 * Time is that of timers and not of the wall clock, which gRPC would use for its deadlines: it may jump.
 */
import {
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  create,
  toBinary
} from "@bufbuild/protobuf"
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status
} from "@grpc/grpc-js"
import { Clock, Duration, Effect, Option, type Scope } from "effect"
import * as Messages from "./EtcdMessages.ts"
import {
  OutcomeUnknown,
  type StateError,
  RequestRefused,
  StoreFull,
  StoreRefused,
  StoreUnreachable
} from "./Failures.ts"

/** One of etcd's methods, and what a second call of it does. */
export interface Method<I extends DescMessage, O extends DescMessage> {
  readonly path: string
  readonly request: I
  readonly response: O
  /** Whether it changes something. */
  readonly writes: boolean
}

const method = <I extends DescMessage, O extends DescMessage>(
  path: string,
  request: I,
  response: O,
  writes: boolean
): Method<I, O> => ({ path: `/etcdserverpb.${path}`, request, response, writes })

export const range = method("KV/Range", Messages.RangeRequestSchema, Messages.RangeResponseSchema, false)
export const put = method("KV/Put", Messages.PutRequestSchema, Messages.PutResponseSchema, true)
export const deleteRange = method(
  "KV/DeleteRange",
  Messages.DeleteRangeRequestSchema,
  Messages.DeleteRangeResponseSchema,
  true
)
export const txn = method("KV/Txn", Messages.TxnRequestSchema, Messages.TxnResponseSchema, true)
export const watch = method("Watch/Watch", Messages.WatchRequestSchema, Messages.WatchResponseSchema, false)
// A lease that nobody knows of ends by itself: granted twice it does no harm.
export const leaseGrant = method(
  "Lease/LeaseGrant",
  Messages.LeaseGrantRequestSchema,
  Messages.LeaseGrantResponseSchema,
  false
)
export const leaseRevoke = method(
  "Lease/LeaseRevoke",
  Messages.LeaseRevokeRequestSchema,
  Messages.LeaseRevokeResponseSchema,
  false
)
export const leaseKeepAlive = method(
  "Lease/LeaseKeepAlive",
  Messages.LeaseKeepAliveRequestSchema,
  Messages.LeaseKeepAliveResponseSchema,
  false
)
export const memberStatus = method(
  "Maintenance/Status",
  Messages.StatusRequestSchema,
  Messages.StatusResponseSchema,
  false
)

/** PEM texts. Without `ca` the authorities of the system are trusted. */
export interface Pki {
  readonly ca?: Uint8Array
  readonly certificate?: Uint8Array
  readonly key?: Uint8Array
}

export interface Options {
  /** `https://host:port`; `http://` goes without TLS. */
  readonly endpoints: ReadonlyArray<string>
  /** Asked when connections are made, and again after they were refused. */
  readonly pki: Effect.Effect<Pki, StoreRefused>
  /** How long one member may take, and all of them together. */
  readonly attempt: Duration.Duration
  readonly timeout: Duration.Duration
}

export interface EtcdClient {
  readonly call: <I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>
  ) => Effect.Effect<MessageShape<O>, StateError>
  /** A stream to the member that answered last. What it says goes to `tell`, why it ended to `ended`, once. */
  readonly open: <I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    tell: (message: MessageShape<O>) => void,
    ended: (why: Failure) => void
  ) => Effect.Effect<(request: MessageInitShape<I>) => void, StateError, Scope.Scope>
  /** How many members there are, and to how many there is a connection. */
  readonly members: () => { readonly connected: number; readonly known: number }
  /** For the sentences of errors. */
  readonly name: string
}

/** What a call came to that did not succeed, and what that means for the next attempt. */
export interface Failure {
  /** `elsewhere`: surely not done here; `unknown`: perhaps done; `final`: no other member would say otherwise. */
  readonly _tag: "elsewhere" | "unknown" | "refused" | "final"
  readonly error: StateError
}

const channelOptions: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 500,
  // What a member is asked again is decided here, by what is known of the call.
  "grpc.enable_retries": 0,
  "grpc.max_receive_message_length": 64 << 20,
  // etcd closes connections that ask more often than each 5 s.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3_000
}

/** A round of all members without success is followed by this pause. */
const betweenRounds = "50 millis"

// A member that has lost its leader says so at once, instead of waiting for the next one.
const metadata = new Metadata()
metadata.set("hasleader", "true")

/** The connections are opened when they are first used, and closed with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<EtcdClient, StoreRefused, Scope.Scope> {
  const name = `etcd (${options.endpoints.join(", ")})`
  const connect = Effect.map(options.pki, (pki) => options.endpoints.map((endpoint) => dial(endpoint, pki)))
  let members = yield* Effect.acquireRelease(connect, () =>
    Effect.sync(() => {
      for (const member of members) member.close()
    })
  )
  let current = 0
  const member = (): Client => {
    const client = members[current % members.length]
    if (client === undefined) throw new Error("an etcd without endpoints")
    return client
  }

  const attempt = <I extends DescMessage, O extends DescMessage>(
    of: Method<I, O>,
    request: Buffer
  ): Effect.Effect<MessageShape<O>, Failure> =>
    Effect.suspend(() => {
      let sent = false
      const answer = Effect.callback<MessageShape<O>, Failure>((resume) => {
        let abandon = (): void => undefined
        let wanted = true
        whenSettled(member(), (client) => {
          if (!wanted) return
          sent = true
          const call = client.makeUnaryRequest(
            of.path,
            (bytes: Buffer) => bytes,
            (bytes) => fromBinary(of.response, bytes),
            request,
            metadata,
            (error, response) =>
              resume(
                response === undefined || error !== null
                  ? Effect.fail(failureOf(name, of.writes, error ?? undefined))
                  : Effect.succeed(response)
              )
          )
          abandon = () => call.cancel()
        })
        return Effect.sync(() => {
          wanted = false
          abandon()
        })
      })
      return Effect.timeoutOrElse(answer, {
        duration: options.attempt,
        orElse: () => Effect.fail(silent(name, sent && of.writes))
      })
    })

  // Certificates that were renewed are taken up where the old ones were refused.
  const reconnect = Effect.gen(function* () {
    const fresh = yield* connect
    // Looked at now: another call may have done the same meanwhile.
    const old = members
    members = fresh
    for (const it of old) it.close()
  })

  const call = <I extends DescMessage, O extends DescMessage>(
    of: Method<I, O>,
    init: MessageInitShape<I>
  ): Effect.Effect<MessageShape<O>, StateError> => {
    const request = bytesOf(of.request, init)
    return Effect.catch(attempt(of, request), (failure) => elsewhere(of, request, failure))
  }

  /** The story after a first attempt that failed. */
  const elsewhere = Effect.fnUntraced(function* <I extends DescMessage, O extends DescMessage>(
    of: Method<I, O>,
    request: Buffer,
    first: Failure
  ): Effect.fn.Return<MessageShape<O>, StateError> {
    const until = (yield* Clock.monotonicTimeNanos) + Option.getOrElse(Duration.toNanos(options.timeout), () => 0n)
    let failure = first
    let inARow = 1
    let refusal: StateError | undefined
    let refused = 0 // of this round
    let isRenewed = false
    for (;;) {
      if (failure._tag === "final") return yield* Effect.fail(failure.error)
      // The member that lost it may be about to die: the next call goes to another one.
      current = (current + 1) % members.length
      if (failure._tag === "unknown") return yield* Effect.fail(failure.error)
      if (failure._tag === "refused") {
        refusal = failure.error
        refused++
      }
      const isRound = inARow % members.length === 0
      if (isRound && refused > 0) {
        // All have refused, and again with the certificates as they are now.
        if (isRenewed && refused === members.length) return yield* Effect.fail(failure.error)
        if (!isRenewed) yield* reconnect
        isRenewed = true
        refused = 0
      }
      // Who let nobody in is more to the point than who was silent.
      if ((yield* Clock.monotonicTimeNanos) >= until) return yield* Effect.fail(refusal ?? failure.error)
      if (isRound) yield* Effect.sleep(betweenRounds)
      const result = yield* Effect.result(attempt(of, request))
      if (result._tag === "Success") return result.success
      failure = result.failure
      inARow++
    }
  })

  const open = <I extends DescMessage, O extends DescMessage>(
    of: Method<I, O>,
    tell: (message: MessageShape<O>) => void,
    ended: (why: Failure) => void
  ) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const stream: ClientDuplexStream<Buffer, MessageShape<O>> = member().makeBidiStreamRequest(
          of.path,
          (bytes: Buffer) => bytes,
          (bytes) => fromBinary(of.response, bytes),
          metadata
        )
        let over = false
        const finish = (error?: ServiceError) => {
          if (over) return
          over = true
          current = (current + 1) % members.length
          ended(failureOf(name, false, error))
        }
        stream.on("data", tell)
        stream.on("error", finish)
        stream.on("end", () => finish())
        return { stream, close: () => ((over = true), stream.cancel()) }
      }),
      ({ close }) => Effect.sync(close)
    ).pipe(
      Effect.map(({ stream }) => (init: MessageInitShape<I>) => {
        stream.write(bytesOf(of.request, init))
      })
    )

  return {
    call,
    open,
    name,
    members: () => ({
      known: members.length,
      connected: members.filter((it) => it.getChannel().getConnectivityState(false) === connectivityState.READY).length
    })
  }
})

const dial = (endpoint: string, pki: Pki): Client => {
  const url = new URL(endpoint)
  const buffer = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : Buffer.from(bytes))
  return new Client(
    url.host,
    url.protocol === "https:"
      ? credentials.createSsl(buffer(pki.ca), buffer(pki.key), buffer(pki.certificate))
      : credentials.createInsecure(),
    channelOptions
  )
}

/** Goes on when the connection is there, or when it is clear that it will not be: then the call says why. */
const whenSettled = (client: Client, go: (client: Client) => void): void => {
  const channel = client.getChannel()
  const state = channel.getConnectivityState(true)
  if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return go(client)
  if (state === connectivityState.SHUTDOWN) return
  channel.watchConnectivityState(state, Infinity, (error) => {
    if (error === undefined) whenSettled(client, go)
  })
}

const bytesOf = <I extends DescMessage>(schema: I, init: MessageInitShape<I>): Buffer => {
  const bytes = toBinary(schema, create(schema, init))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** What it means that nothing was heard. */
const silent = (store: string, perhapsDone: boolean): Failure =>
  perhapsDone
    ? { _tag: "unknown", error: new OutcomeUnknown({ store }) }
    : { _tag: "elsewhere", error: new StoreUnreachable({ store }) }

/** What gRPC says when nothing of the call has left this machine. */
const notSent = /^No connection established|^Name resolution failed|^Failed to connect/
const untrusted = /certificate|CERT_|self[- ]signed|unable to verify|alert|issuer|altnames|EPROTO|SSL routines/i

const faultsOfTheCaller = new Set([
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.NOT_FOUND
])

/** What an error of gRPC or etcd means. */
export const failureOf = (store: string, writes: boolean, cause: ServiceError | undefined): Failure => {
  const details = cause?.details ?? "the stream ended"
  const unreachable: Failure = { _tag: "elsewhere", error: new StoreUnreachable({ store, cause }) }
  const final = (error: StateError): Failure => ({ _tag: "final", error })
  const code = cause?.code ?? status.UNAVAILABLE
  if (code === status.RESOURCE_EXHAUSTED) {
    // Of the other kind are too many requests: this one was not taken.
    return /space exceeded/.test(details) ? final(new StoreFull({ store, cause })) : unreachable
  }
  if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED) {
    return final(new StoreRefused({ store, reason: details, cause }))
  }
  if (faultsOfTheCaller.has(code)) return final(new RequestRefused({ reason: details }))
  if (notSent.test(details)) {
    if (!untrusted.test(details)) return unreachable
    const reason = details.replace(/^.*Last error: /s, "")
    return { _tag: "refused", error: new StoreRefused({ store, reason, cause }) }
  }
  // It is asked before anything is done.
  if (!writes || /no leader/.test(details)) return unreachable
  return { _tag: "unknown", error: new OutcomeUnknown({ store, cause }) }
}

/** Whether the revision that was asked for is no longer there. */
export const isCompacted = (error: StateError): error is RequestRefused => says(error, /has been compacted/)

/** Whether the lease that a key was to hang on has run out. */
export const isLeaseGone = (error: StateError): error is RequestRefused => says(error, /requested lease not found/)

const says = (error: StateError, words: RegExp): error is RequestRefused =>
  error._tag === "RequestRefused" && words.test(error.reason)
