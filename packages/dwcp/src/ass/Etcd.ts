/**
 * The engine of a datacenter: etcd, which agrees by Raft.
 *
 * **Details**
 *
 * Every read is linearizable: etcd asks a majority before it answers. A write is acknowledged when it is on the disks of a
 * majority, so one that was acknowledged survives the loss of any minority. A write in whose middle a member was lost ends
 * with `OutcomeUnknown`.
 *
 * Ephemeral keys hang on one lease of this node. If the lease ran out while the node was cut off, a new one is taken, and
 * those of its keys that nobody took meanwhile are put again.
 *
 * A watch is resumed where it broke, at whichever member answers. Where etcd has compacted that place away, and where the
 * watcher is too slow, the state is read anew and the difference told.
 */
import { Cause, Clock, Duration, Effect, Option, Queue, Schedule, type Scope, Semaphore, Stream } from "effect"
import type { WatchResponse } from "./EtcdMessages.ts"
import * as EtcdClient from "./EtcdClient.ts"
import { Conflict, type StateError, StoreFull } from "./Failures.ts"
import * as Picture from "./Picture.ts"
import * as StateSync from "./StateSync.ts"

export interface Options extends EtcdClient.Options {
  readonly namespace: string
  readonly lease: Duration.Duration
}

/** Entries of one page of a list. */
const page = 1000n
/** Messages of a watch that may wait for the watcher; with more of them it is told the difference. */
const maxWaiting = 4096
const reconnect = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

const promises: StateSync.Promises = { consistency: "linearizable", compareAndSet: true, ephemeral: true }

/** Leases are given back when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<StateSync.Engine, StateError, Scope.Scope> {
  const client = yield* EtcdClient.make(options)
  const keys = keysOf(options.namespace)
  const session = yield* makeSession(client, options.lease)

  const entryOf = (kv: { readonly key: Uint8Array; readonly value: Uint8Array; readonly modRevision: bigint }) => ({
    key: keys.read(kv.key),
    value: kv.value,
    version: kv.modRevision
  })

  const get = (key: string) =>
    Effect.map(client.call(EtcdClient.range, { key: keys.of(key) }), ({ kvs }) =>
      Option.map(Option.fromUndefinedOr(kvs[0]), entryOf)
    )

  /** All pages as of one revision; from the beginning where that is compacted away before the last of them. */
  const read = Effect.fnUntraced(function* (prefix: string) {
    let entries: Array<StateSync.Entry> = []
    let key = keys.of(prefix)
    let revision = 0n
    for (;;) {
      const asked = { key, rangeEnd: keys.end(prefix), limit: page, revision }
      const got = yield* Effect.catchIf(client.call(EtcdClient.range, asked), EtcdClient.isCompacted, () => Effect.void)
      if (got === undefined) {
        ;[entries, key, revision] = [[], keys.of(prefix), 0n]
        continue
      }
      if (revision === 0n) revision = got.header?.revision ?? 0n
      for (const kv of got.kvs) entries.push(entryOf(kv))
      const last = got.kvs.at(-1)
      if (!got.more || last === undefined) return { entries, revision }
      // The next key there could be.
      key = Buffer.concat([last.key, Buffer.of(0)])
    }
  })

  const plainPut = (key: string, value: Uint8Array, lease: bigint) =>
    Effect.map(client.call(EtcdClient.put, { key: keys.of(key), value, lease }), ({ header }) => header?.revision ?? 0n)

  const put: StateSync.Engine["put"] = (key, value, how) => {
    if (how?.ephemeral === true) return session.hold(keys.of(key), value, (lease) => plainPut(key, value, lease))
    session.release(keys.of(key))
    return plainPut(key, value, 0n)
  }

  const remove = (key: string) => {
    session.release(keys.of(key))
    return Effect.map(client.call(EtcdClient.deleteRange, { key: keys.of(key) }), ({ deleted }) => deleted > 0n)
  }

  const condition = (it: StateSync.Condition) => {
    const key = keys.of(it.key)
    switch (it._tag) {
      case "Absent":
        return { target: 1, key, targetUnion: { case: "createRevision" as const, value: 0n } }
      case "Version":
        return { target: 2, key, targetUnion: { case: "modRevision" as const, value: it.version } }
      case "Value":
        return { target: 3, key, targetUnion: { case: "value" as const, value: it.value } }
    }
  }

  const operation = (it: StateSync.Operation) => {
    const key = keys.of(it.key)
    return it._tag === "Put"
      ? { request: { case: "requestPut" as const, value: { key, value: it.value } } }
      : { request: { case: "requestDeleteRange" as const, value: { key } } }
  }

  const transaction: StateSync.Engine["transaction"] = ({ otherwise = [], perform, when }) =>
    Effect.map(
      client.call(EtcdClient.txn, {
        compare: when.map(condition),
        success: perform.map(operation),
        failure: otherwise.map(operation)
      }),
      ({ header, succeeded }) => {
        for (const { key } of succeeded ? perform : otherwise) session.release(keys.of(key))
        return { succeeded, version: header?.revision ?? 0n }
      }
    )

  const compareAndSet: StateSync.Engine["compareAndSet"] = Effect.fnUntraced(function* (key, expected, value) {
    const at = keys.of(key)
    const want = Option.getOrUndefined(expected)
    const { header, responses, succeeded } = yield* client.call(EtcdClient.txn, {
      compare: [condition(want === undefined ? { _tag: "Absent", key } : { _tag: "Version", key, version: want })],
      success: [operation({ _tag: "Put", key, value })],
      failure: [{ request: { case: "requestRange", value: { key: at } } }]
    })
    if (succeeded) {
      session.release(at)
      return header?.revision ?? 0n
    }
    const found = responses[0]?.response
    const actual = found?.case === "responseRange" ? found.value.kvs[0]?.modRevision : undefined
    return yield* new Conflict({ key, expected: want, actual })
  })

  /** Tells what comes after a revision until the stream breaks; where to go on, or that it has to be read anew. */
  const follow = Effect.fnUntraced(function* (prefix: string, after: bigint, tell: (change: StateSync.Change) => Told) {
    const inbox = yield* Queue.dropping<WatchResponse, Ended>(maxWaiting)
    const send = yield* client.open(
      EtcdClient.watch,
      (message) => {
        if (!Queue.offerUnsafe(inbox, message)) Queue.failCauseUnsafe(inbox, Cause.fail<Ended>("anew"))
      },
      (why) => Queue.failCauseUnsafe(inbox, Cause.fail<Ended>(isSaid(why) ? why.error : "broken"))
    )
    send({
      requestUnion: {
        case: "createRequest",
        value: { key: keys.of(prefix), rangeEnd: keys.end(prefix), startRevision: after + 1n, progressNotify: true }
      }
    })
    let seen = after
    for (;;) {
      const took = yield* Effect.result(Queue.take(inbox))
      if (took._tag === "Failure") {
        if (took.failure === "anew") return Option.none<bigint>()
        if (took.failure === "broken") return Option.some(seen)
        return yield* Effect.fail(took.failure)
      }
      const { canceled, compactRevision, events, header } = took.success
      if (compactRevision > 0n) return Option.none<bigint>()
      if (canceled) return Option.some(seen)
      for (const { kv, type } of events) {
        if (kv === undefined) continue
        yield* tell(
          type === 0
            ? { _tag: "Put", entry: entryOf(kv) }
            : { _tag: "Deleted", key: keys.read(kv.key), version: kv.modRevision }
        )
      }
      if (header !== undefined && header.revision > seen) seen = header.revision
    }
  })

  const watch = (prefix: string): Stream.Stream<StateSync.Change, StateError> =>
    Stream.callback<StateSync.Change, StateError>(
      Effect.fnUntraced(
        function* (out) {
          const picture = Picture.make()
          const tell = (change: StateSync.Change): Told =>
            picture.learn(change) ? Effect.asVoid(Queue.offer(out, change)) : Effect.void
          let told = false
          for (;;) {
            const { entries, revision } = yield* patiently(read(prefix), told)
            for (const change of picture.differences(entries, revision)) yield* Queue.offer(out, change)
            if (!told) yield* Queue.offer(out, { _tag: "Current" })
            told = true
            let after = Option.some(revision)
            while (Option.isSome(after)) {
              const began = yield* Clock.currentTimeMillis
              // Certificates are read again with the state, and that is waited for until they are accepted.
              after = yield* Effect.catchTag(Effect.scoped(follow(prefix, after.value, tell)), "StoreRefused", () =>
                Effect.succeed(Option.none<bigint>())
              )
              // What breaks at once would else be tried as fast as it breaks.
              if ((yield* Clock.currentTimeMillis) - began < 1000) yield* Effect.sleep("50 millis")
            }
          }
        },
        (watching, out) => Effect.catch(watching, (error) => Queue.fail(out, error))
      ),
      { bufferSize: 1024, strategy: "suspend" }
    )

  const check = Effect.asVoid(client.call(EtcdClient.range, { key: keys.of("check"), countOnly: true }))

  const status = Effect.gen(function* () {
    const both = Effect.andThen(check, client.call(EtcdClient.memberStatus, {}))
    const asked = yield* Effect.result(StateSync.soon(client.name, both))
    const common = { engine: "etcd" as const, promises, pending: 0, refused: StateSync.nothingRefused }
    if (asked._tag === "Failure") {
      return { ...common, healthy: false, detail: asked.failure.message, peers: client.members() }
    }
    const { errors, leader, version } = asked.success
    // The alarm alone would not say what to do.
    const full = errors.some((error) => error.includes("NOSPACE"))
      ? [new StoreFull({ store: client.name }).message]
      : []
    const detail = [...full, `etcd ${version}, led by ${leader.toString(16)}`, ...errors].join("; ")
    return { ...common, healthy: errors.length === 0, detail, peers: client.members() }
  })

  return {
    get,
    list: (prefix) => Effect.map(read(prefix), ({ entries }) => entries),
    put,
    delete: remove,
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet,
    transaction,
    check,
    status
  }
})

type Told = Effect.Effect<void>

/** Why a watch does not go on: its stream broke, the state has to be read anew, or a member said that it does not. */
type Ended = "broken" | "anew" | StateError

const isSaid = ({ _tag }: EtcdClient.Failure): boolean => _tag === "final" || _tag === "refused"

/** A watch lasts longer than an outage. One that was never let in says so; later that is waited for as well. */
const patiently = <A>(read: Effect.Effect<A, StateError>, wasLetIn: boolean): Effect.Effect<A, StateError> =>
  Effect.retry(read, {
    schedule: reconnect,
    while: ({ _tag }) => _tag === "StoreUnreachable" || (wasLetIn && _tag === "StoreRefused")
  })

// ------------------------------------------------------------------------------------------------------------- keys

/** Keys of this cluster stand below its namespace. */
const keysOf = (namespace: string) => {
  const root = `${namespace}/`
  const of = (key: string): Uint8Array => Buffer.from(root + key)
  return {
    of,
    read: (bytes: Uint8Array): string => Buffer.from(bytes).toString().slice(root.length),
    /** The first key behind all that begin with the prefix. No byte of UTF-8 is 0xff. */
    end: (prefix: string): Uint8Array => Buffer.concat([of(prefix), Buffer.of(0xff)])
  }
}

// ---------------------------------------------------------------------------------------------------------- session

/** The lease of this node, taken with its first ephemeral key, and the keys that hang on it. */
const makeSession = Effect.fnUntraced(function* (client: EtcdClient.EtcdClient, length: Duration.Duration) {
  const held = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array }>()
  const one = yield* Semaphore.make(1)
  const ttl = BigInt(Math.max(2, Math.ceil(Duration.toSeconds(length))))
  let lease: bigint | undefined

  const take = Effect.gen(function* () {
    if (lease !== undefined) return lease
    const { id } = yield* client.call(EtcdClient.leaseGrant, { ttl })
    lease = id
    return id
  })

  /** Until all keys are there again: etcd may be lost, or full, in the middle of that. */
  let isWhole = true
  const lost = () => {
    lease = undefined
    isWhole = false
  }
  const restore = Effect.gen(function* () {
    const id = yield* take
    for (const { key, value } of held.values()) {
      yield* client.call(EtcdClient.txn, {
        compare: [{ target: 1, key, targetUnion: { case: "createRevision", value: 0n } }],
        success: [{ request: { case: "requestPut", value: { key, value, lease: id } } }]
      })
    }
    isWhole = true
  })

  /** Whether the lease lives on; nothing if nobody answered. */
  const renew = Effect.fnUntraced(function* (id: bigint) {
    const answer = yield* Queue.dropping<boolean>(1)
    const send = yield* client.open(
      EtcdClient.leaseKeepAlive,
      (message) => Queue.offerUnsafe(answer, message.ttl > 0n),
      () => Queue.shutdownUnsafe(answer)
    )
    send({ id })
    return yield* Queue.take(answer)
  }, Effect.scoped)

  const keep = Effect.gen(function* () {
    const lives = lease === undefined ? Option.none() : yield* Effect.timeoutOption(renew(lease), "2 seconds")
    if (Option.isSome(lives) && !lives.value) lost()
    if (!isWhole) yield* restore
  })

  yield* one
    .withPermits(1)(keep)
    .pipe(
      // Whatever it was, the next time comes well before the lease ends.
      Effect.exit,
      Effect.repeat(Schedule.spaced(Duration.millis((Number(ttl) * 1000) / 3))),
      Effect.forkScoped
    )
  yield* Effect.addFinalizer(() =>
    lease === undefined
      ? Effect.void
      : client.call(EtcdClient.leaseRevoke, { id: lease }).pipe(Effect.timeoutOption("1 second"), Effect.ignore)
  )

  return {
    hold: <A>(key: Uint8Array, value: Uint8Array, write: (lease: bigint) => Effect.Effect<A, StateError>) =>
      one.withPermits(1)(
        Effect.flatMap(take, write).pipe(
          // A node that stood still for longer than its lease: whoever writes first finds out.
          Effect.catchIf(EtcdClient.isLeaseGone, () =>
            Effect.suspend(() => {
              lost()
              return Effect.andThen(restore, Effect.flatMap(take, write))
            })
          ),
          Effect.tap(() => Effect.sync(() => held.set(Buffer.from(key).toString(), { key, value })))
        )
      ),
    release: (key: Uint8Array): void => {
      if (held.size > 0) held.delete(Buffer.from(key).toString())
    }
  }
})
