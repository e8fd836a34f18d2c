/**
 * What is decided when nobody is trusted alone: keys with values, as the pure machine that all replicas carry out alike.
 *
 * **Details**
 *
 * An operation is bytes that any member may have made, a liar too: what makes no sense is refused by all in the same way. A
 * write that changes something raises the revision, which is the version of what it wrote. How much there may be is the same
 * everywhere and no setting, as replicas with other limits would differ.
 *
 * Ephemeral keys belong to a session of a member. They go when the member begins another session or ends this one, and when
 * f + 1 members say that they have not heard from it: one of those is honest. A word of the member itself takes that back.
 */
import { Option, Schema } from "effect"
import type { Application } from "../pbft/index.ts"
import { type Change, type Condition, type Entry, isMet, type Operation } from "./StateSync.ts"

export type Command =
  | {
      readonly _tag: "Write"
      readonly when: ReadonlyArray<Condition>
      readonly perform: ReadonlyArray<Operation>
      readonly otherwise: ReadonlyArray<Operation>
      /** The session whose keys those that are put become. */
      readonly session?: string
    }
  /** Changes nothing: whoever has its answer has seen all that was decided before. */
  | { readonly _tag: "Look" }
  /** The member begins this session, and ends the one before; without a name it only ends. */
  | { readonly _tag: "Session"; readonly session: string }
  /** The member has not been heard from. */
  | { readonly _tag: "Missing"; readonly member: number }

export type Answer =
  | {
      readonly _tag: "Done"
      readonly succeeded: boolean
      readonly revision: bigint
      /** The version of the first key of `when` as it was before; `undefined`: it was absent. */
      readonly found?: bigint | undefined
    }
  | { readonly _tag: "Full" }
  | { readonly _tag: "Refused" }

/** Bytes of all keys and values together, with what each entry costs beside. */
export const mostBytes = 8 << 20
const entryBytes = 64
/** Changes that a slow watcher may be behind; beyond that it is told the difference. */
const behind = 4_096

export interface Register extends Application {
  readonly get: (key: string) => Option.Option<Entry>
  readonly under: (prefix: string) => ReadonlyArray<Entry>
  readonly revision: () => bigint
  /** The place of the last operation that was carried out. */
  readonly sequence: () => number
  readonly size: () => { readonly keys: number; readonly bytes: number }
  /** Whether the member has ephemeral keys. */
  readonly owns: (member: number) => boolean
  /** What has changed since that revision, if that is still known. */
  readonly since: (revision: bigint) => ReadonlyArray<Change> | undefined
  /** Called after each operation, and after a state was taken over. `expired`: whose keys have just gone, if anybody's. */
  readonly onChange: (hear: (expired: number | undefined) => void) => void
}

interface Kept extends Entry {
  readonly owner?: { readonly member: number; readonly session: string } | undefined
}

/** `faults`: how many members may lie. */
export const make = (faults: number): Register => {
  let entries = new Map<string, Kept>()
  let sessions = new Map<number, string>()
  let votes = new Map<number, Set<number>>()
  let revision = 0n
  let sequence = 0
  let bytes = 0
  let log: Array<{ readonly revision: bigint; readonly change: Change }> = []
  let floor = 0n
  const listeners: Array<(expired: number | undefined) => void> = []
  const tell = (expired?: number): void => listeners.forEach((hear) => hear(expired))

  const sizeOf = (key: string, value: Uint8Array | undefined): number =>
    value === undefined ? 0 : Buffer.byteLength(key) + value.length + entryBytes

  const note = (change: Change): void => {
    log.push({ revision, change })
    if (log.length <= 2 * behind) return
    floor = log[log.length - behind - 1]?.revision ?? floor
    log = log.slice(-behind)
  }

  const perform = (operation: Operation, owner: Kept["owner"]): void => {
    const { key } = operation
    bytes -= sizeOf(key, entries.get(key)?.value)
    if (operation._tag === "Put") {
      const entry = { key, value: operation.value, version: revision }
      entries.set(key, { ...entry, owner })
      bytes += sizeOf(key, operation.value)
      return note({ _tag: "Put", entry })
    }
    if (entries.delete(key)) note({ _tag: "Deleted", key, version: revision })
  }

  const holds = (condition: Condition): boolean => isMet(condition, entries.get(condition.key))

  const write = (command: Extract<Command, { readonly _tag: "Write" }>, member: number): Answer => {
    const { session, when } = command
    const succeeded = when.every(holds)
    const found = when[0] === undefined ? undefined : entries.get(when[0].key)?.version
    const operations = (succeeded ? command.perform : command.otherwise).filter(
      ({ _tag, key }) => _tag === "Put" || entries.has(key)
    )
    const after = operations.reduce(
      (sum, it) =>
        sum - sizeOf(it.key, entries.get(it.key)?.value) + (it._tag === "Put" ? sizeOf(it.key, it.value) : 0),
      bytes
    )
    // What makes room is never refused.
    if (after > mostBytes && after > bytes) return { _tag: "Full" }
    if (operations.length > 0) revision++
    for (const each of operations) perform(each, session === undefined ? undefined : { member, session })
    return { _tag: "Done", succeeded, revision, found }
  }

  /** All keys of the member but those of this session. */
  const end = (member: number, but: string | undefined): boolean => {
    const keys = [...entries.values()].flatMap(({ key, owner }) =>
      owner?.member === member && owner.session !== but ? [key] : []
    )
    if (keys.length > 0) revision++
    for (const key of keys) perform({ _tag: "Delete", key }, undefined)
    return keys.length > 0
  }

  const missing = (member: number, by: number): number | undefined => {
    if (member === by || !sessions.has(member)) return undefined
    const agreed = votes.get(member) ?? new Set()
    votes.set(member, agreed.add(by))
    if (agreed.size <= faults) return undefined
    votes.delete(member)
    return end(member, undefined) ? member : undefined
  }

  const carryOut = (command: Command, member: number): { readonly answer: Answer; readonly expired?: number } => {
    const done = (): Answer => ({ _tag: "Done", succeeded: true, revision, found: undefined })
    votes.delete(member)
    switch (command._tag) {
      case "Write":
        return { answer: write(command, member) }
      case "Look":
        return { answer: done() }
      case "Session":
        end(member, command.session)
        if (command.session === "") sessions.delete(member)
        else sessions.set(member, command.session)
        return { answer: done() }
      case "Missing": {
        const expired = missing(command.member, member)
        return { answer: done(), ...(expired === undefined ? {} : { expired }) }
      }
    }
  }

  return {
    apply: (operation, at) => {
      sequence = at.sequence
      const command = decode(operation)
      const { answer, expired } =
        command === undefined
          ? { answer: { _tag: "Refused" } satisfies Answer, expired: undefined }
          : { expired: undefined, ...carryOut(command, at.client) }
      tell(expired)
      return encodeAnswer(answer)
    },
    snapshot: () =>
      encodeState({
        revision,
        sequence,
        entries: inOrder(entries).map(([, entry]) => entry),
        sessions: inOrder(sessions),
        votes: inOrder(votes).map(([member, by]) => [member, [...by].toSorted((a, b) => a - b)])
      }),
    restore: (from) => {
      const state = decodeState(from)
      entries = new Map(state.entries.map((entry) => [entry.key, entry]))
      sessions = new Map(state.sessions)
      votes = new Map(state.votes.map(([member, by]) => [member, new Set(by)]))
      revision = state.revision
      sequence = state.sequence
      bytes = state.entries.reduce((sum, { key, value }) => sum + sizeOf(key, value), 0)
      log = []
      floor = revision
      tell()
    },
    get: (key) => Option.fromUndefinedOr(entries.get(key)),
    under: (prefix) => [...entries.values()].filter(({ key }) => key.startsWith(prefix)),
    revision: () => revision,
    sequence: () => sequence,
    size: () => ({ keys: entries.size, bytes }),
    owns: (member) => [...entries.values()].some(({ owner }) => owner?.member === member),
    since: (known) =>
      known < floor
        ? undefined
        : log.slice(log.findLastIndex((it) => it.revision <= known) + 1).map(({ change }) => change),
    onChange: (hear) => void listeners.push(hear)
  }
}

/** The same at all, whatever the history of the map. */
const inOrder = <K extends string | number, V>(map: ReadonlyMap<K, V>): ReadonlyArray<[K, V]> =>
  [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))

// ---------------------------------------------------------------------------------------------------------------- words

/** The first byte of what is proposed: another kind of words is refused, and not guessed at. */
const language = 1

const Bytes = Schema.Uint8ArrayFromBase64
const Key = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(1_024))
const Version = Schema.BigIntFromString
const ConditionOf = Schema.Union([
  Schema.TaggedStruct("Absent", { key: Key }),
  Schema.TaggedStruct("Version", { key: Key, version: Version }),
  Schema.TaggedStruct("Value", { key: Key, value: Bytes })
])
const OperationOf = Schema.Union([
  Schema.TaggedStruct("Put", { key: Key, value: Bytes }),
  Schema.TaggedStruct("Delete", { key: Key })
])
const most = Schema.isMaxLength(128)
const Member = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Session = Schema.String.check(Schema.isMaxLength(64))
const CommandOf = Schema.fromJsonString(
  Schema.Union([
    Schema.TaggedStruct("Write", {
      when: Schema.Array(ConditionOf).check(most),
      perform: Schema.Array(OperationOf).check(most),
      otherwise: Schema.Array(OperationOf).check(most),
      session: Schema.optionalKey(Session)
    }),
    Schema.TaggedStruct("Look", {}),
    Schema.TaggedStruct("Session", { session: Session }),
    Schema.TaggedStruct("Missing", { member: Member })
  ])
)
const AnswerOf = Schema.fromJsonString(
  Schema.Union([
    Schema.TaggedStruct("Done", {
      succeeded: Schema.Boolean,
      revision: Version,
      found: Schema.optional(Version)
    }),
    Schema.TaggedStruct("Full", {}),
    Schema.TaggedStruct("Refused", {})
  ])
)
const StateOf = Schema.fromJsonString(
  Schema.Struct({
    revision: Version,
    sequence: Schema.Int,
    entries: Schema.Array(
      Schema.Struct({
        key: Schema.String,
        value: Bytes,
        version: Version,
        owner: Schema.optional(Schema.Struct({ member: Member, session: Session }))
      })
    ),
    sessions: Schema.Array(Schema.Tuple([Member, Session])),
    votes: Schema.Array(Schema.Tuple([Member, Schema.Array(Member)]))
  })
)

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8")
const commandText = Schema.encodeSync(CommandOf)
const commandIn = Schema.decodeUnknownOption(CommandOf)

export const encode = (command: Command): Uint8Array =>
  Buffer.concat([Buffer.of(language), Buffer.from(commandText(command))])

const decode = (bytes: Uint8Array): Command | undefined =>
  bytes[0] === language ? Option.getOrUndefined(commandIn(text(bytes.subarray(1)))) : undefined

const answerText = Schema.encodeSync(AnswerOf)
const encodeAnswer = (answer: Answer): Uint8Array => Buffer.from(answerText(answer))
const answerIn = Schema.decodeUnknownOption(AnswerOf)
/** What the members have answered; `Refused` if this node does not understand it. */
export const decodeAnswer = (bytes: Uint8Array): Answer =>
  Option.getOrElse(answerIn(text(bytes)), (): Answer => ({ _tag: "Refused" }))

const stateText = Schema.encodeSync(StateOf)
const encodeState = (state: typeof StateOf.Type): Uint8Array => Buffer.from(stateText(state))
const stateIn = Schema.decodeSync(StateOf)
const decodeState = (bytes: Uint8Array): typeof StateOf.Type => stateIn(text(bytes))
