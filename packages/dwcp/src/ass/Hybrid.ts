/**
 * The engine for links that come and go: a majority first, gossip when it does not answer, and agreement afterwards.
 *
 * **Details**
 *
 * A write asks the strong engine and waits for its budget. If no majority answers by then the write is acknowledged as a
 * record in the weak engine: this node sees it at once, those in reach by gossip soon. Whoever reaches a majority again
 * puts such records before it; {@link Pending.judge} has the rule, and a write that loses is kept at
 * `conflicts/KEY/RECORD`. Reads come from a majority within the budget, else from what it was when last seen; records
 * that are pending lie over both.
 *
 * `compareAndSet`, `transaction` and ephemeral keys need a majority, and fail without one.
 *
 * **Gotchas**
 *
 * A write whose majority is only late is in both. So each says which version it builds on: late, it changes nothing that
 * was written after it.
 */
import { randomUUID } from "node:crypto"
import {
  Clock,
  type Duration,
  Effect,
  Latch,
  Option,
  PubSub,
  Queue,
  Schedule,
  type Scope,
  Semaphore,
  Stream
} from "effect"
import { Conflict, type StateError, StoreRefused, StoreUnreachable } from "./Failures.ts"
import * as Pending from "./Pending.ts"
import * as Picture from "./Picture.ts"
import * as StateSync from "./StateSync.ts"

export interface Options {
  readonly strong: StateSync.Engine
  readonly weak: StateSync.Engine
  /** How long a majority may take. */
  readonly budget: Duration.Duration
}

/** Where records and what became of them stand in the weak engine. Keys of users have no such character. */
const pendingAt = "pending/"
const settledAt = "settled/"
const apart = "\u0000"
/** Where lost writes stand in the strong one. */
const conflictsAt = "conflicts/"

const promises: StateSync.Promises = { consistency: "linearizable-or-eventual", compareAndSet: true, ephemeral: true }
const look = Schedule.spaced("500 millis")
/** Records of others are left to their writers for so long, and what became of one is remembered for so long. */
const courtesyMillis = 3000
const remembersMillis = 600_000
/** A put of a key that others write at the same time is tried so often from the version that it knows. */
const tries = 4

/** Versions of the strong engine, with room between them for what is pending. */
const wide = 32n
const widened = (version: bigint): bigint => version << wide

export const make = Effect.fnUntraced(function* ({
  budget,
  strong,
  weak
}: Options): Effect.fn.Return<StateSync.Engine, never, Scope.Scope> {
  const node = randomUUID()
  /** What the majority was when it was last seen, and the records over it. */
  const mirror = new Map<string, StateSync.Entry>()
  const pending = new Map<string, Map<string, Pending.Record>>()
  const settled = new Map<string, Pending.Record>()
  const firstSeen = new Map<string, number>()
  /** What was deleted here, of both engines, and the watches have yet to tell. */
  const gone = new Map<string, bigint>()
  const done = new Set<string>()
  const view = new Map<string, StateSync.Entry>()
  const mirrored = yield* Latch.make(false)
  const changed = yield* PubSub.sliding<void>(1)
  const reconciling = yield* Semaphore.make(1)
  let newest = 0n
  let conflicts = 0

  // ----------------------------------------------------------------------------------------------------------- view

  const recordsOf = (key: string): ReadonlyArray<Pending.Record> =>
    Pending.ranked([...(pending.get(key)?.values() ?? [])])

  /** What this node says of a key: the record that stands for it, or what the majority has. */
  const see = (key: string): void => {
    const record = recordsOf(key).at(-1)
    const before = view.get(key)
    const agreed = mirror.get(key)
    const value = record === undefined ? agreed?.value : record.value
    if (value === undefined) view.delete(key)
    else if (record === undefined && agreed !== undefined) {
      view.set(key, { ...agreed, version: widened(agreed.version) })
    } else if (before === undefined || Buffer.compare(before.value, value) !== 0) {
      view.set(key, { key, value, version: nextVersion() })
    }
  }
  let steps = 0n
  const nextVersion = (): bigint => widened(newest) + ++steps

  /** By the watch, or because it was done here: then it is known before the watch comes to it. */
  const learnAgreed = (change: StateSync.Change, isOwn = false): void => {
    if (change._tag === "Current") return
    const { key, version } = change._tag === "Put" ? change.entry : change
    const deleted = gone.get(key) ?? -1n
    if (change._tag === "Put") {
      if (version <= deleted || version <= (mirror.get(key)?.version ?? -1n)) return
      mirror.set(key, change.entry)
    } else {
      if (isOwn) gone.set(key, version)
      else if (version >= deleted) gone.delete(key)
      if ((mirror.get(key)?.version ?? -1n) <= version) mirror.delete(key)
    }
    grow(version)
    see(key)
  }
  const grow = (version: bigint): void => {
    if (version <= newest) return
    newest = version
    steps = 0n
  }

  const learnPending = (change: StateSync.Change, isOwn = false): void => {
    switch (change._tag) {
      case "Current":
        return
      case "Put": {
        const record = Option.getOrUndefined(Pending.decode(change.entry.value))
        if (record === undefined || done.has(change.entry.key)) return
        pending.set(record.key, (pending.get(record.key) ?? new Map()).set(change.entry.key, record))
        return see(record.key)
      }
      case "Deleted": {
        if (isOwn) note(done, change.key)
        else done.delete(change.key)
        const key = change.key.slice(pendingAt.length, change.key.lastIndexOf(apart))
        const records = pending.get(key)
        records?.delete(change.key)
        if (records?.size === 0) pending.delete(key)
        firstSeen.delete(change.key)
        return see(key)
      }
    }
  }

  /** What became of a record is also what the majority has, for who does not reach it. */
  const learnSettled = (change: StateSync.Change): void => {
    if (change._tag === "Current") return
    const at = change._tag === "Put" ? change.entry.key : change.key
    const key = at.slice(settledAt.length)
    const note = change._tag === "Put" ? Option.getOrUndefined(Pending.decode(change.entry.value)) : undefined
    if (note === undefined || typeof note.base !== "bigint") {
      settled.delete(key)
      return
    }
    const { base: version, value } = note
    settled.set(key, note)
    learnAgreed(
      value === undefined ? { _tag: "Deleted", key, version } : { _tag: "Put", entry: { key, value, version } }
    )
  }

  const learnWeak = (change: StateSync.Change): void => {
    if (change._tag === "Current") return
    const key = change._tag === "Put" ? change.entry.key : change.key
    if (key.startsWith(pendingAt)) learnPending(change)
    else if (key.startsWith(settledAt)) learnSettled(change)
  }

  /** Follows an engine for as long as this one lives, whatever becomes of the watch. */
  const follow = (engine: StateSync.Engine, learn: (change: StateSync.Change) => void) =>
    Stream.runForEach(engine.watch(""), (change) => {
      learn(change)
      const isCurrent = engine === strong && change._tag === "Current"
      return Effect.andThen(isCurrent ? mirrored.open : Effect.void, PubSub.publish(changed, undefined))
    }).pipe(Effect.exit, Effect.repeat(look), Effect.forkScoped)

  yield* follow(strong, learnAgreed)
  yield* follow(weak, learnWeak)

  // --------------------------------------------------------------------------------------------------------- strong

  /** What a majority says, or nothing if it does not within the budget. */
  const withinBudget = <A>(ask: Effect.Effect<A, StateError>): Effect.Effect<Option.Option<A>, StateError> =>
    ask.pipe(
      Effect.timeoutOption(budget),
      Effect.catch((error) => (isAway(error) ? Effect.succeed(Option.none<A>()) : Effect.fail(error)))
    )

  /** Writes from the version that this node knows, so that it cannot come late over what was written since. */
  const writeStrong = Effect.fnUntraced(function* (key: string, value: Uint8Array | undefined) {
    const perform: ReadonlyArray<StateSync.Operation> = [
      value === undefined ? { _tag: "Delete", key } : { _tag: "Put", key, value }
    ]
    let known = mirror.get(key)
    for (let i = 0; i < tries; i++) {
      const when = [conditionOf(key, known?.version ?? "absent")]
      const outcome = yield* strong.transaction({ when, perform })
      if (outcome.succeeded) {
        const { version } = outcome
        const existed = known !== undefined
        if (value !== undefined) learnAgreed({ _tag: "Put", entry: { key, value, version } })
        else if (existed) learnAgreed({ _tag: "Deleted", key, version }, true)
        yield* PubSub.publish(changed, undefined)
        return { version, existed }
      }
      known = Option.getOrUndefined(yield* strong.get(key))
    }
    const version = (yield* strong.transaction({ when: [], perform })).version
    return { version, existed: known !== undefined }
  })

  /** Records that were replaced, or are agreed on. */
  const drop = Effect.fnUntraced(function* (records: ReadonlyArray<string>) {
    for (const at of records) {
      learnPending({ _tag: "Deleted", key: at, version: 0n }, true)
      yield* weak.delete(at)
    }
    yield* PubSub.publish(changed, undefined)
  })

  const write = Effect.fnUntraced(function* (key: string, value: Uint8Array | undefined) {
    const over = [...(pending.get(key)?.keys() ?? [])]
    const agreed = yield* withinBudget(writeStrong(key, value))
    if (Option.isSome(agreed)) {
      // What this replaces need not be agreed on any more.
      yield* drop(over)
      return { version: widened(agreed.value.version), existed: agreed.value.existed || over.length > 0 }
    }
    const existed = view.has(key)
    const base = mirror.get(key)?.version ?? (mirrored.isOpen() ? ("absent" as const) : ("unknown" as const))
    const id = randomUUID()
    const record = Pending.next({ key, base, node, id, value }, recordsOf(key))
    const at = `${pendingAt}${key}${apart}${id}`
    yield* weak.put(at, Pending.encode(record))
    // Seen here before it is acknowledged, and not when the watch comes to it.
    learnPending({ _tag: "Put", entry: { key: at, value: Pending.encode(record), version: 0n } })
    yield* drop(over)
    return { version: view.get(key)?.version ?? nextVersion(), existed }
  })

  // ------------------------------------------------------------------------------------------------- reconciliation

  /** Puts the records of a key before the majority, until each is agreed on or overruled. */
  const reconcile = Effect.fnUntraced(function* (key: string) {
    for (;;) {
      const all = [...(pending.get(key)?.entries() ?? [])]
      if (all.length === 0) return
      const records = all.map(([, record]) => record)
      const found = Option.getOrUndefined(yield* strong.get(key))
      const version = found?.version ?? "absent"
      const note = settled.get(key)
      // A key that was deleted has no version; that it was this record is all there is to know.
      const isBy = found === undefined ? note !== undefined && note.value === undefined : note?.base === found.version
      const by = isBy ? note?.id : undefined
      const verdict = Pending.judge(records, { version, value: found?.value, by })
      if (verdict._tag !== "Settled") {
        const perform = verdict.lost.map((it): StateSync.Operation => ({
          _tag: "Put",
          key: `${conflictsAt}${key}/${it.id}`,
          value: Pending.encode(it)
        }))
        if (verdict._tag === "Write") {
          const { value } = verdict.record
          perform.push(value === undefined ? { _tag: "Delete", key } : { _tag: "Put", key, value })
        }
        const outcome = yield* strong.transaction({ when: [conditionOf(key, version)], perform })
        // Somebody else was faster: what does it look like now?
        if (!outcome.succeeded) continue
        conflicts += verdict.lost.length
        if (verdict._tag === "Write") {
          const note = { ...verdict.record, base: outcome.version }
          yield* weak.put(`${settledAt}${key}`, Pending.encode(note))
          const { value } = note
          if (value !== undefined) learnAgreed({ _tag: "Put", entry: { key, value, version: outcome.version } })
          else learnAgreed({ _tag: "Deleted", key, version: outcome.version }, true)
        }
      }
      yield* drop(all.map(([at]) => at))
    }
  })
  const reconcileOne = (key: string) => (pending.has(key) ? reconciling.withPermits(1)(reconcile(key)) : Effect.void)

  const reconcileAll = Effect.gen(function* () {
    const now = Number((yield* Clock.monotonicTimeNanos) / 1_000_000n)
    const age = (at: string): number => {
      if (!firstSeen.has(at)) firstSeen.set(at, now)
      return now - (firstSeen.get(at) ?? now)
    }
    for (const [key, records] of Array.from(pending)) {
      const due = [...records].some(([at, record]) => age(at) > courtesyMillis || record.node === node)
      if (due) yield* reconcileOne(key)
    }
    for (const key of Array.from(settled.keys())) {
      const at = `${settledAt}${key}`
      if (age(at) < remembersMillis || pending.has(key)) continue
      firstSeen.delete(at)
      yield* weak.delete(at)
    }
  })
  // While nobody answers it is tried again; what is pending stays so.
  yield* Effect.forkScoped(Effect.repeat(Effect.exit(reconcileAll), look))

  // --------------------------------------------------------------------------------------------------------- engine

  const get = Effect.fnUntraced(function* (key: string) {
    if (!pending.has(key)) {
      const found = yield* withinBudget(strong.get(key))
      if (Option.isSome(found)) return Option.map(found.value, (it) => ({ ...it, version: widened(it.version) }))
    }
    return Option.fromUndefinedOr(view.get(key))
  })

  const list = Effect.fnUntraced(function* (prefix: string) {
    const found = yield* withinBudget(strong.list(prefix))
    const entries = new Map<string, StateSync.Entry>()
    if (Option.isSome(found)) {
      for (const entry of found.value) entries.set(entry.key, { ...entry, version: widened(entry.version) })
    } else for (const [key, entry] of view) if (key.startsWith(prefix)) entries.set(key, entry)
    for (const key of pending.keys()) {
      if (!key.startsWith(prefix)) continue
      const entry = view.get(key)
      if (entry === undefined) entries.delete(key)
      else entries.set(key, entry)
    }
    return StateSync.byKey(entries.values())
  })

  const watch = (prefix: string): Stream.Stream<StateSync.Change, StateError> =>
    Stream.callback<StateSync.Change, StateError>(
      Effect.fnUntraced(function* (out) {
        const woken = yield* PubSub.subscribe(changed)
        const picture = Picture.make()
        const tell = Effect.suspend(() => {
          const entries = [...view.values()].filter(({ key }) => key.startsWith(prefix))
          const ordered = entries.toSorted((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0))
          return Queue.offerAll(out, picture.differences(ordered, nextVersion()))
        })
        // What was never seen of the majority cannot be told; it comes when it is.
        yield* Effect.timeoutOption(mirrored.await, "1 second")
        yield* tell
        yield* Queue.offer(out, { _tag: "Current" })
        for (;;) {
          yield* PubSub.take(woken)
          yield* tell
        }
      }),
      { bufferSize: 1024, strategy: "suspend" }
    )

  const agreed = Effect.catchTag(strong.check, "EngineUnavailable", ({ reason }) =>
    Effect.fail(new StoreRefused({ store: "a majority", reason }))
  )

  const status = Effect.gen(function* () {
    const near = yield* Effect.timeoutOption(strong.status, "2 seconds")
    const { peers, refused } = yield* weak.status
    const records = [...pending.values()].reduce((sum, it) => sum + it.size, 0)
    const healthy = Option.isSome(near) && near.value.healthy
    const who = Option.match(near, { onNone: () => "no majority answers", onSome: ({ detail }) => detail })
    const detail = `${who}; ${records} writes are not agreed on; ${conflicts} have lost and stand at ${conflictsAt}`
    return { engine: "hybrid" as const, promises, healthy, detail, peers, pending: records, refused }
  })

  return {
    get,
    list,
    put: (key, value, how) =>
      how?.ephemeral === true
        ? Effect.map(Effect.andThen(reconcileOne(key), strong.put(key, value, how)), widened)
        : Effect.map(write(key, value), ({ version }) => version),
    delete: (key) => Effect.map(write(key, undefined), ({ existed }) => existed),
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet: Effect.fnUntraced(function* (key, expected, value) {
      yield* reconcileOne(key)
      const version = Option.getOrUndefined(expected)
      // What was pending when it was read has another version now.
      if (version !== undefined && widened(version >> wide) !== version) {
        return yield* new Conflict({ key, expected: version, actual: view.get(key)?.version })
      }
      const wanted = Option.map(expected, (it) => it >> wide)
      const set = Effect.mapError(strong.compareAndSet(key, wanted, value), (error) =>
        error._tag === "Conflict" ? new Conflict({ key, expected: version, actual: widenedIf(error.actual) }) : error
      )
      return widened(yield* set)
    }),
    transaction: Effect.fnUntraced(function* ({ otherwise, perform, when }) {
      const touched = [...when, ...perform, ...(otherwise ?? [])].map(({ key }) => key)
      yield* Effect.forEach(new Set(touched), reconcileOne, { discard: true })
      const narrow = when.map((it) => (it._tag === "Version" ? { ...it, version: it.version >> wide } : it))
      const { succeeded, version } = yield* strong.transaction({
        when: narrow,
        perform,
        ...(otherwise && { otherwise })
      })
      return { succeeded, version: widened(version) }
    }),
    check: Effect.suspend(() =>
      Effect.flatMap(withinBudget(agreed), (answer) =>
        Option.isSome(answer) ? Effect.void : new StoreUnreachable({ store: "a majority" })
      )
    ),
    status
  }
})

const widenedIf = (version: bigint | undefined) => (version === undefined ? undefined : widened(version))

/** Of what a watch never told, because it came and went too fast, the oldest is not waited for any more. */
const maxNoted = 4096
const note = (set: Set<string>, key: string): void => {
  set.add(key)
  const [oldest] = set
  if (set.size > maxNoted && oldest !== undefined) set.delete(oldest)
}

/** Whether it is for gossip to take over. */
const isAway = (error: StateError | Conflict): boolean =>
  error._tag === "StoreUnreachable" || error._tag === "OutcomeUnknown" || error._tag === "StoreRefused"

const conditionOf = (key: string, version: bigint | "absent"): StateSync.Condition =>
  version === "absent" ? { _tag: "Absent", key } : { _tag: "Version", key, version }
