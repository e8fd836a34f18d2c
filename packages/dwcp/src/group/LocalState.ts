/**
 * State of a node that is alone, or that has gone back to v1: in memory, with the promises of a store of one. It is gone with
 * the process, and no other node sees it.
 */
import { Effect, Option, PubSub, type Scope, Stream } from "effect"
import { Conflict, RequestRefused, StoreFull } from "../ass/Failures.ts"
import * as StateSync from "../ass/StateSync.ts"

/** Bytes of all keys and values. */
const mostBytes = 64 << 20
/** Changes that a slow watcher may be behind; more are told to it as a difference. */
const behind = 4_096

const store = "the memory of this node"

export const make: Effect.Effect<StateSync.Engine, never, Scope.Scope> = Effect.gen(function* () {
  const entries = new Map<string, StateSync.Entry>()
  const changed = yield* Effect.acquireRelease(PubSub.sliding<StateSync.Change>(behind), PubSub.shutdown)
  let version = 0n
  let bytes = 0

  const sizeOf = (key: string, value: Uint8Array | undefined) => (value === undefined ? 0 : key.length + value.length)

  const putNow = (key: string, value: Uint8Array): StateSync.Change => {
    bytes += sizeOf(key, value) - sizeOf(key, entries.get(key)?.value)
    const entry = { key, value: Uint8Array.from(value), version }
    entries.set(key, entry)
    return { _tag: "Put", entry }
  }
  const deleteNow = (key: string): StateSync.Change => {
    bytes -= sizeOf(key, entries.get(key)?.value)
    entries.delete(key)
    return { _tag: "Deleted", key, version }
  }

  const full = (operations: ReadonlyArray<StateSync.Operation>): boolean =>
    operations.reduce((sum, each) => sum + (each._tag === "Put" ? sizeOf(each.key, each.value) : 0), bytes) > mostBytes

  /** All of it at one moment. */
  const write = (operations: ReadonlyArray<StateSync.Operation>): Effect.Effect<bigint, StoreFull | RequestRefused> =>
    Effect.suspend((): Effect.Effect<bigint, StoreFull | RequestRefused> => {
      if (full(operations)) return Effect.fail(new StoreFull({ store, limit: `${mostBytes} bytes are used` }))
      if (operations.some(({ key }) => key.length === 0 || key.length > 1_024)) {
        return Effect.fail(new RequestRefused({ reason: "keys have 1 to 1,024 characters" }))
      }
      version++
      const told = operations.flatMap((each) =>
        each._tag === "Put" ? [putNow(each.key, each.value)] : entries.has(each.key) ? [deleteNow(each.key)] : []
      )
      return Effect.as(
        Effect.forEach(told, (change) => PubSub.publish(changed, change), { discard: true }),
        version
      )
    })

  const holds = (condition: StateSync.Condition): boolean => StateSync.isMet(condition, entries.get(condition.key))

  const under = (prefix: string) =>
    [...entries.values()].filter(({ key }) => key.startsWith(prefix)).toSorted((a, b) => (a.key < b.key ? -1 : 1))

  const watch = (prefix: string): Stream.Stream<StateSync.Change> =>
    Stream.unwrap(
      Effect.gen(function* () {
        // Listening begins before what is there is told, so nothing is missed in between.
        const later = yield* PubSub.subscribe(changed)
        const now = under(prefix).map((entry): StateSync.Change => ({ _tag: "Put", entry }))
        const known = version
        const isNew = (change: StateSync.Change) =>
          change._tag === "Put"
            ? change.entry.key.startsWith(prefix) && change.entry.version > known
            : change._tag === "Deleted" && change.key.startsWith(prefix) && change.version > known
        return Stream.concat(
          Stream.fromIterable<StateSync.Change>([...now, { _tag: "Current" }]),
          Stream.filter(Stream.fromSubscription(later), isNew)
        )
      })
    )

  return {
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key))),
    list: (prefix) => Effect.sync(() => under(prefix)),
    put: (key, value) => write([{ _tag: "Put", key, value }]),
    delete: (key) =>
      Effect.suspend(() =>
        entries.has(key) ? Effect.as(write([{ _tag: "Delete", key }]), true) : Effect.succeed(false)
      ),
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet: (key, expected, value) =>
      Effect.suspend((): Effect.Effect<bigint, StoreFull | RequestRefused | Conflict> => {
        const actual = entries.get(key)?.version
        return actual === Option.getOrUndefined(expected)
          ? write([{ _tag: "Put", key, value }])
          : Effect.fail(new Conflict({ key, expected: Option.getOrUndefined(expected), actual }))
      }),
    transaction: (transaction) =>
      Effect.suspend(() => {
        const succeeded = transaction.when.every(holds)
        const operations = succeeded ? transaction.perform : (transaction.otherwise ?? [])
        return Effect.map(write(operations), (version): StateSync.Outcome => ({ succeeded, version }))
      }),
    check: Effect.void,
    status: Effect.sync(() => ({
      engine: "alone" as const,
      promises: { consistency: "linearizable" as const, compareAndSet: true, ephemeral: true },
      healthy: true,
      detail: `${entries.size} keys in memory, of this node alone`,
      peers: { connected: 0, known: 0 },
      pending: 0,
      refused: StateSync.nothingRefused
    }))
  }
})
