/**
 * The engine of members who do not trust each other: PBFT decides each write, and each member keeps what was decided.
 *
 * **Details**
 *
 * All writes are decisions, not only `compareAndSet`: a key that is decided by some and spread by others has no value that
 * anybody could rely on. A read asks for a place in the order and waits until this member has come to it, so it sees whatever
 * was acknowledged before, at any member. Watches tell what this member has carried out.
 *
 * While fewer than 2f + 1 members reach each other nothing is decided: reads and writes fail, and watches wait. This member
 * stays in place meanwhile, as whoever leaves makes it worse.
 *
 * **Gotchas**
 *
 * PBFT protects from members that lie about what was decided, not from members that may write and write nonsense: a value
 * says who wrote it only if its writer has signed it.
 */
import { randomUUID } from "node:crypto"
import { Deferred, Duration, Effect, Option, PubSub, Queue, type Redacted, Schedule, type Scope, Stream } from "effect"
import * as Pbft from "../pbft/index.ts"
import type { Consensus } from "../pbft/Settings.ts"
import {
  Conflict,
  EngineUnavailable,
  NotPromised,
  OutcomeUnknown,
  RequestRefused,
  type StateError,
  StoreFull,
  StoreUnreachable
} from "./Failures.ts"
import * as Picture from "./Picture.ts"
import * as Register from "./Register.ts"
import * as StateSync from "./StateSync.ts"

export interface Options {
  readonly settings: typeof Consensus.Type
  /** The room of this cluster: what was signed in another one counts for nothing. */
  readonly namespace: string
  readonly privateKey: Redacted.Redacted
  readonly tls: Pbft.Tls
  /** The address to listen at; the port is that of the settings. */
  readonly listenAddress: string
  /** A folder of this engine alone. */
  readonly directory: string
  /** After this long without a word a member's ephemeral keys may go. */
  readonly lease: Duration.Duration
}

const promises: StateSync.Promises = { consistency: "linearizable", compareAndSet: true, ephemeral: true }
const store = "a quorum of the members that decide"

/** Who has just started may still be on the way to the others. */
const patience = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(100)])
/** How often a lease is looked at. */
const roundsOfLease = 4
/** At the end nobody waits for long. */
const farewell = "2 seconds"

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<StateSync.Engine, EngineUnavailable, Scope.Scope> {
  const { lease, listenAddress, namespace, privateKey, settings } = options
  const unavailable = (cause: Error) => new EngineUnavailable({ engine: "pbft", reason: cause.message, cause })
  const { id } = yield* Effect.mapError(
    Effect.fromResult(Pbft.identify({ members: settings.members, privateKey })),
    unavailable
  )
  const { members } = settings
  const quorum = members.length - Math.floor((members.length - 1) / 3)
  const register = Register.make(members.length - quorum)
  const session = randomUUID()
  const changed = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
  const awaiting = new Map<Deferred.Deferred<void>, number>()
  let lost = false
  register.onChange((expired) => {
    lost ||= expired === id
    PubSub.publishUnsafe(changed, undefined)
    for (const [reached, sequence] of awaiting) {
      if (sequence <= register.sequence()) Deferred.doneUnsafe(reached, Effect.void)
    }
  })
  const pbft = yield* Pbft.make(
    {
      cluster: namespace,
      members,
      privateKey,
      journal: `${options.directory}/journal`,
      listen: { host: listenAddress, port: settings.bindPort ?? members[id]?.port ?? 0 },
      tls: options.tls,
      application: register
    },
    settings
  ).pipe(Effect.mapError(unavailable))

  // ---------------------------------------------------------------------------------------------------------- decisions

  const near = Effect.flatMap(pbft.position, ({ reached }) =>
    reached < quorum ? Effect.fail(new StoreUnreachable({ store })) : Effect.void
  ).pipe(Effect.retry(patience))

  const decide = Effect.fnUntraced(function* (command: Register.Command) {
    const bytes = Register.encode(command)
    yield* near
    const { result, sequence } = yield* Effect.mapError(pbft.propose(bytes), (error) =>
      error._tag === "Undecided"
        ? new OutcomeUnknown({ store, cause: error })
        : new RequestRefused({ reason: error.problem })
    )
    const answer = Register.decodeAnswer(result)
    switch (answer._tag) {
      case "Done":
        return { ...answer, sequence }
      case "Full":
        return yield* new StoreFull({ store, limit: `${Register.mostBytes} bytes are the most` })
      case "Refused":
        return yield* new RequestRefused({
          reason: "the members do not understand it; are all of them of one version?"
        })
    }
  })

  const write = (
    when: ReadonlyArray<StateSync.Condition>,
    perform: ReadonlyArray<StateSync.Operation>,
    otherwise: ReadonlyArray<StateSync.Operation> = []
  ) => decide({ _tag: "Write", when, perform, otherwise })

  /** Done when this member has carried out all that was decided before it was asked. */
  const look: Effect.Effect<void, StateError> = Effect.gen(function* () {
    const { sequence } = yield* decide({ _tag: "Look" })
    if (register.sequence() >= sequence) return
    const reached = yield* Deferred.make<void>()
    awaiting.set(reached, sequence)
    yield* Deferred.await(reached).pipe(
      Effect.timeoutOrElse({
        duration: settings.answer,
        orElse: () => Effect.fail(new StoreUnreachable({ store }))
      }),
      Effect.ensuring(Effect.sync(() => awaiting.delete(reached)))
    )
  }).pipe(
    // Whether a read was decided makes no difference.
    Effect.catchTag("OutcomeUnknown", ({ cause }) => Effect.fail(new StoreUnreachable({ store, cause })))
  )

  // ---------------------------------------------------------------------------------------------------------- ephemeral

  const held = new Map<string, Uint8Array>()
  let begun = false
  const begin = Effect.suspend(() =>
    begun ? Effect.void : Effect.map(decide({ _tag: "Session", session }), () => void (begun = true))
  )
  const hold = Effect.fnUntraced(function* (key: string, value: Uint8Array, when: ReadonlyArray<StateSync.Condition>) {
    yield* begin
    const done = yield* decide({ _tag: "Write", when, perform: [{ _tag: "Put", key, value }], otherwise: [], session })
    // Somebody else may have it by now.
    if (done.succeeded) held.set(key, value)
    else held.delete(key)
    return done.revision
  })
  const release = (operations: ReadonlyArray<StateSync.Operation>): void => {
    for (const { key } of operations) held.delete(key)
  }

  /** Whoever says nothing for a lease is called missing; and what others took from this member meanwhile is put again. */
  const watchOver = Effect.gen(function* () {
    const { silent } = yield* pbft.position
    for (const member of silent) {
      if (isOverdue(member) && register.owns(member)) yield* decide({ _tag: "Missing", member })
    }
    if (!lost) return
    lost = false
    begun = false
    yield* Effect.forEach([...held], ([key, value]) => hold(key, value, [{ _tag: "Absent", key }]), {
      discard: true
    }).pipe(Effect.onError(() => Effect.sync(() => void (lost = true))))
  })
  const rounds = new Map<number, number>()
  const each = Duration.max(Duration.millis(Duration.toMillis(lease) / roundsOfLease), Duration.millis(100))
  const isOverdue = (member: number): boolean => (rounds.get(member) ?? 0) >= roundsOfLease
  const count = Effect.map(pbft.position, ({ silent }) => {
    for (const member of members.keys()) rounds.set(member, silent.includes(member) ? (rounds.get(member) ?? 0) + 1 : 0)
  })
  yield* Effect.andThen(count, Effect.exit(watchOver)).pipe(Effect.repeat(Schedule.spaced(each)), Effect.forkScoped)
  // What a life of this member before has left behind goes as soon as anybody decides anything.
  yield* Effect.forkScoped(Effect.retry(begin, Schedule.spaced("1 second")))
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      held.size === 0
        ? Effect.void
        : Effect.ignore(Effect.timeoutOption(decide({ _tag: "Session", session: "" }), farewell))
    )
  )

  // ------------------------------------------------------------------------------------------------------------- engine

  const watch = (prefix: string): Stream.Stream<StateSync.Change, StateError> =>
    Stream.callback<StateSync.Change, StateError>(
      Effect.fnUntraced(function* (out) {
        const woken = yield* PubSub.subscribe(changed)
        const picture = Picture.make()
        const isMeant = (change: StateSync.Change): boolean =>
          change._tag !== "Current" && (change._tag === "Put" ? change.entry.key : change.key).startsWith(prefix)
        yield* Effect.retry(look, { schedule: Schedule.spaced("1 second"), while: isAway })
        let seen = register.revision()
        yield* Queue.offerAll(out, picture.differences(StateSync.byVersion(register.under(prefix)), seen))
        yield* Queue.offer(out, { _tag: "Current" })
        for (;;) {
          const now = register.revision()
          const changes =
            register.since(seen)?.filter(isMeant) ??
            picture.differences(StateSync.byVersion(register.under(prefix)), now)
          seen = now
          for (const change of changes) {
            picture.learn(change)
            yield* Queue.offer(out, change)
          }
          yield* PubSub.take(woken)
        }
      }),
      { bufferSize: 1024, strategy: "suspend" }
    )

  const status = Effect.gen(function* () {
    const { executed, faults, pending, primary, reached, silent, view } = yield* pbft.position
    const checked = yield* Effect.result(pbft.check)
    const { bytes, keys } = register.size()
    const named = (member: number) => `${member} (${members[member]?.host}:${members[member]?.port})`
    const who = `view ${view}, primary ${named(primary)}, f = ${faults} of ${members.length}`
    const quiet = silent.length === 0 ? "nobody is silent" : `silent: ${silent.map(named).join(", ")}`
    const detail = `${who}, ${reached} reached, ${quiet}; ${keys} keys with ${bytes} bytes`
    const seen: StateSync.Status = {
      engine: "pbft",
      promises,
      healthy: checked._tag === "Success",
      detail: checked._tag === "Success" ? detail : `${checked.failure.message} ${detail}`,
      peers: { connected: reached - 1, known: members.length - 1 },
      pending: 0,
      refused: StateSync.nothingRefused,
      decisions: { id, members: members.length, faults, view, primary, reached, silent, executed, pending }
    }
    return seen
  })

  return {
    get: (key) => Effect.map(look, () => register.get(key)),
    list: (prefix) => Effect.map(look, () => StateSync.byKey(register.under(prefix))),
    put: (key, value, how) =>
      how?.ephemeral === true
        ? hold(key, value, [])
        : Effect.map(write([], [{ _tag: "Put", key, value }]), ({ revision }) => {
            held.delete(key)
            return revision
          }),
    delete: (key) =>
      Effect.map(write([{ _tag: "Absent", key }], [], [{ _tag: "Delete", key }]), ({ succeeded }) => {
        held.delete(key)
        return !succeeded
      }),
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet: Effect.fnUntraced(function* (key, expected, value) {
      const version = Option.getOrUndefined(expected)
      const condition: StateSync.Condition =
        version === undefined ? { _tag: "Absent", key } : { _tag: "Version", key, version }
      const { found, revision, succeeded } = yield* write([condition], [{ _tag: "Put", key, value }])
      if (!succeeded) return yield* new Conflict({ key, expected: version, actual: found })
      held.delete(key)
      return revision
    }),
    transaction: ({ otherwise = [], perform, when }) =>
      Effect.map(write(when, perform, otherwise), ({ revision, succeeded }) => {
        release(succeeded ? perform : otherwise)
        return { succeeded, version: revision }
      }),
    check: Effect.asVoid(pbft.check).pipe(
      Effect.mapError((error) =>
        error._tag === "NoAgreement" ? new StoreUnreachable({ store, cause: error }) : unavailable(error)
      )
    ),
    status
  }
})

const isAway = (error: StateError): boolean => error._tag === "StoreUnreachable"

/**
 * What stands in its place when members were to decide and cannot, because v3 is not spoken: nobody decides then, least of
 * all one node alone.
 */
export const refusing = (reason: string): StateSync.Engine => {
  const no = (operation: string) => new NotPromised({ engine: "pbft", operation, reason })
  return {
    get: () => no("get"),
    list: () => no("list"),
    put: () => no("put"),
    delete: () => no("delete"),
    watch: () => Stream.fail(no("watch")),
    subscribe: () => Stream.fail(no("subscribe")),
    compareAndSet: () => no("compareAndSet"),
    transaction: () => no("transaction"),
    check: Effect.void,
    status: Effect.succeed({
      engine: "pbft",
      promises: { consistency: "linearizable", compareAndSet: false, ephemeral: false },
      healthy: false,
      detail: `nothing is decided, because ${reason}`,
      peers: { connected: 0, known: 0 },
      pending: 0,
      refused: StateSync.nothingRefused
    })
  }
}
