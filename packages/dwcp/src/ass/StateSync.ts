/**
 * The state that nodes share: keys with bytes, behind one service, whatever keeps it.
 *
 * **Details**
 *
 * | engine | environment | reads and writes | `compareAndSet`, `transaction` | acknowledged means |
 * |---|---|---|---|---|
 * | etcd | datacenter | linearizable | linearizable | on the disks of a majority |
 * | gossip | internet | eventual; a node sees its own writes at once | refused | in the document of this node |
 * | hybrid | hybrid | linearizable while a majority is near, else eventual | linearizable, or fails | one or the other |
 * | alone | no peers | linearizable | linearizable | committed by the node's PostgreSQL |
 * | pbft | `byzantine_tolerance` | linearizable, though f lie | linearizable | f + 1 of 3f + 1 members say it was decided |
 *
 * A write that fails was not done and will not be, with one exception that has an error of its own: `OutcomeUnknown`.
 *
 * Versions grow with every change of a key. They are compared only with versions that the same engine has given out.
 *
 * **Example** (a counter that nobody overwrites)
 *
 * ```ts
 * const sync = yield* StateSync
 * const seats = Typed.json(sync, Schema.Int)
 * const taken = yield* seats.get("seats/taken")
 * yield* seats.compareAndSet("seats/taken", Option.map(taken, (it) => it.version), 1)
 * ```
 */
import { Context, Duration, Effect, Option, Stream } from "effect"
import { type Conflict, type EngineUnavailable, type StateError, StoreUnreachable } from "./Failures.ts"

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  readonly version: bigint
}

/** What a watch tells: first the entries that are there, then `Current`, then each change. */
export type Change =
  | { readonly _tag: "Put"; readonly entry: Entry }
  | { readonly _tag: "Deleted"; readonly key: string; readonly version: bigint }
  | { readonly _tag: "Current" }

/** What has to hold for a transaction. */
export type Condition =
  | { readonly _tag: "Absent"; readonly key: string }
  | { readonly _tag: "Version"; readonly key: string; readonly version: bigint }
  | { readonly _tag: "Value"; readonly key: string; readonly value: Uint8Array }

/** Whether what stands under the key of a condition, if anything does, is as the condition wants it. */
export const isMet = (condition: Condition, entry: Entry | undefined): boolean => {
  switch (condition._tag) {
    case "Absent":
      return entry === undefined
    case "Version":
      return entry?.version === condition.version
    case "Value":
      return entry !== undefined && Buffer.compare(entry.value, condition.value) === 0
  }
}

export type Operation =
  | { readonly _tag: "Put"; readonly key: string; readonly value: Uint8Array }
  | { readonly _tag: "Delete"; readonly key: string }

/** If all of `when` hold, `perform` is done, otherwise `otherwise`; all of it or nothing, at one moment. */
export interface Transaction {
  readonly when: ReadonlyArray<Condition>
  readonly perform: ReadonlyArray<Operation>
  readonly otherwise?: ReadonlyArray<Operation>
}

export interface Outcome {
  /** Whether all conditions held. */
  readonly succeeded: boolean
  readonly version: bigint
}

export type EngineName = "etcd" | "gossip" | "hybrid" | "alone" | "pbft"

/** What an engine promises, for whoever has to decide by it. */
export interface Promises {
  readonly consistency: "linearizable" | "eventual" | "linearizable-or-eventual"
  readonly compareAndSet: boolean
  readonly ephemeral: boolean
}

/** How those who decide stand to each other, as this node sees it. Members are numbered as in the settings, from 0. */
export interface Decisions {
  readonly id: number
  readonly members: number
  /** How many may lie, or be gone, without harm: f. */
  readonly faults: number
  readonly view: number
  readonly primary: number
  /** Who can be spoken to, this node included. */
  readonly reached: number
  readonly silent: ReadonlyArray<number>
  readonly executed: number
  /** Requests that have come and are not decided. */
  readonly pending: number
}

export interface Status {
  readonly engine: EngineName
  readonly promises: Promises
  /** Whether reads and writes are answered as promised. */
  readonly healthy: boolean
  /** One line for a person: who answers, or why nobody does. */
  readonly detail: string
  /** Members or peers that are connected, and that are known. */
  readonly peers: { readonly connected: number; readonly known: number }
  /** Writes that the cluster has not agreed on yet. Always 0 but for `hybrid`. */
  readonly pending: number
  /** Messages that were refused since the start: forged, damaged, or of a newer version. */
  readonly refused: { readonly forged: number; readonly damaged: number; readonly newer: number }
  /** Of the engine `pbft`. */
  readonly decisions?: Decisions
}

export interface Engine {
  readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, StateError>
  /** The entries whose keys begin with `prefix`, by key. */
  readonly list: (prefix: string) => Effect.Effect<ReadonlyArray<Entry>, StateError>
  /** With `ephemeral` the key goes when this service does: at once if it closes, after `lease` if it dies. */
  readonly put: (
    key: string,
    value: Uint8Array,
    options?: { readonly ephemeral?: boolean }
  ) => Effect.Effect<bigint, StateError>
  /** Whether there was something to delete. */
  readonly delete: (key: string) => Effect.Effect<boolean, StateError>
  /**
   * The entries under `prefix` and their changes, in order and without gaps. Through outages it waits, and then goes on;
   * where history was compacted meanwhile it tells the difference, so that a fold of it is right, though not each step.
   */
  readonly watch: (prefix: string) => Stream.Stream<Change, StateError>
  /** The value of one key now, then each time it changes. Who is slow gets the latest and not all. */
  readonly subscribe: (key: string) => Stream.Stream<Option.Option<Entry>, StateError>
  /** Writes if the key is at that version; `none`: if it is absent. The new version, or a `Conflict`. */
  readonly compareAndSet: (
    key: string,
    expected: Option.Option<bigint>,
    value: Uint8Array
  ) => Effect.Effect<bigint, StateError | Conflict>
  readonly transaction: (transaction: Transaction) => Effect.Effect<Outcome, StateError>
  /** Succeeds if reads are answered as promised. */
  readonly check: Effect.Effect<void, StateError | EngineUnavailable>
  readonly status: Effect.Effect<Status>
}

export class StateSync extends Context.Service<StateSync, Engine>()("novacron/dwcp/StateSync") {}

/** The states of one key, out of a watch of it: those that came in between are passed over. */
export const latest = (
  changes: Stream.Stream<Change, StateError>,
  key: string
): Stream.Stream<Option.Option<Entry>, StateError> =>
  Stream.suspend(() => {
    let current = Option.none<Entry>()
    let told = false
    return changes.pipe(
      Stream.flatMap((change) => {
        switch (change._tag) {
          case "Put":
            if (change.entry.key !== key) return Stream.empty
            current = Option.some(change.entry)
            break
          case "Deleted":
            if (change.key !== key) return Stream.empty
            current = Option.none()
            break
          case "Current":
            told = true
        }
        return told ? Stream.succeed(current) : Stream.empty
      })
    )
  }).pipe(Stream.buffer({ capacity: 1, strategy: "sliding" }))

/**
 * How long a status waits for servers. Who asks for one, the health of the node, takes two seconds for silence; that the
 * servers are away is to be known by then, however long a read or a write would wait for them.
 */
export const patience = Duration.millis(1_500)

/** What the servers of a store say for its status, or that they are away. */
export const soon = <A, E>(store: string, asked: Effect.Effect<A, E>): Effect.Effect<A, E | StoreUnreachable> =>
  Effect.timeoutOrElse(asked, { duration: patience, orElse: () => Effect.fail(new StoreUnreachable({ store })) })

/** In the order of keys as every engine lists them: by their bytes. */
export const byKey = (entries: Iterable<Entry>): ReadonlyArray<Entry> =>
  Array.from(entries, (entry) => ({ entry, bytes: Buffer.from(entry.key) }))
    .toSorted((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ entry }) => entry)

/** In the order in which they were written. */
export const byVersion = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  entries.toSorted((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0))

/** The counts of a status when nothing was ever refused: of engines whose members have to be let in first. */
export const nothingRefused = { forged: 0, damaged: 0, newer: 0 }
