/**
 * Writes that a majority has not agreed on yet, as records that nodes gossip about, and what becomes of them. Pure.
 *
 * **Details**
 *
 * A record says on which version of a key its writer built, and which records it knew of and replaced. Records of one key
 * that did not know of each other are siblings; the one with the greatest order, then node, stands for the key.
 *
 * The rule, once a majority can be asked: a record is agreed on if the key is still as its writer knew it, or became what
 * it is by a record that its writer replaced. Otherwise what was agreed on meanwhile stays. A write that lost, to a sibling
 * or to that, is kept below `conflicts/`, where nothing removes it but a person.
 */
import { Option, Schema } from "effect"

const Fields = Schema.Struct({
  key: Schema.String,
  /** Of the majority: `""` if the key was absent, nothing if the writer did not know. */
  base: Schema.NullOr(Schema.String),
  order: Schema.Number,
  node: Schema.String,
  id: Schema.String,
  /** Identities of records that this one replaces. */
  after: Schema.Array(Schema.String),
  /** In base64; nothing for a delete. */
  value: Schema.NullOr(Schema.String)
})

export interface Record {
  readonly key: string
  readonly base: bigint | "absent" | "unknown"
  readonly order: number
  readonly node: string
  readonly id: string
  readonly after: ReadonlyArray<string>
  /** `undefined`: the key is to be deleted. */
  readonly value: Uint8Array | undefined
}

const text = Schema.fromJsonString(Fields)
const decodeFields = Schema.decodeUnknownOption(text)
const encodeFields = Schema.encodeSync(text)

export const encode = ({ base, value, ...rest }: Record): Uint8Array =>
  new TextEncoder().encode(
    encodeFields({
      ...rest,
      base: base === "unknown" ? null : base === "absent" ? "" : `${base}`,
      value: value === undefined ? null : Buffer.from(value).toString("base64")
    })
  )

export const decode = (bytes: Uint8Array): Option.Option<Record> =>
  decodeFields(new TextDecoder().decode(bytes)).pipe(
    Option.filter(({ base }) => base === null || /^\d*$/.test(base)),
    Option.map(({ base, value, ...rest }) => ({
      ...rest,
      base: base === null ? "unknown" : base === "" ? "absent" : BigInt(base),
      value: value === null ? undefined : Buffer.from(value, "base64")
    }))
  )

/** How many replaced records one remembers. */
const memory = 64

/** The record of a write by somebody who knows of `siblings`. */
export const next = (
  write: Pick<Record, "key" | "base" | "node" | "id" | "value">,
  siblings: ReadonlyArray<Record>
): Record => ({
  ...write,
  order: 1 + siblings.reduce((most, { order }) => Math.max(most, order), 0),
  after: [...new Set(siblings.flatMap(({ after, id }) => [id, ...after]))].slice(0, memory),
  // Built on what those were built on.
  base: siblings.at(-1)?.base ?? write.base
})

/** By their rank; the last one stands for the key. Those that others replace are left out. */
export const ranked = (records: ReadonlyArray<Record>): ReadonlyArray<Record> => {
  const replaced = new Set(records.flatMap(({ after }) => after))
  return records
    .filter(({ id }) => !replaced.has(id))
    .toSorted((a, b) => a.order - b.order || (a.node < b.node ? -1 : 1) || (a.id < b.id ? -1 : 1))
}

/** What a majority has of a key, and by which record it came to be so, if by one. */
export interface Agreed {
  readonly version: bigint | "absent"
  readonly value: Uint8Array | undefined
  readonly by: string | undefined
}

export type Verdict =
  /** It is so already. */
  | { readonly _tag: "Settled" }
  /** Write it, if the key is still at that version. */
  | { readonly _tag: "Write"; readonly record: Record; readonly lost: ReadonlyArray<Record> }
  /** What was agreed on stays. */
  | { readonly _tag: "Overruled"; readonly lost: ReadonlyArray<Record> }

export const judge = (records: ReadonlyArray<Record>, agreed: Agreed): Verdict => {
  const siblings = ranked(records)
  const record = siblings.at(-1)
  if (record === undefined) return { _tag: "Settled" }
  const differing = siblings.slice(0, -1).filter(({ value }) => !same(value, record.value))
  if (same(record.value, agreed.value)) {
    return differing.length === 0 ? { _tag: "Settled" } : { _tag: "Overruled", lost: differing }
  }
  const isOurs = agreed.by !== undefined && record.after.includes(agreed.by)
  const isFirst = record.base === "unknown" && agreed.version === "absent"
  if (record.base === agreed.version || isOurs || isFirst) return { _tag: "Write", record, lost: differing }
  // It was agreed on before, and something else since.
  if (agreed.by === record.id) return { _tag: "Settled" }
  return { _tag: "Overruled", lost: [...differing, record] }
}

const same = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0
