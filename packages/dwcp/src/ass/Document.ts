/**
 * The state of a cluster as a document that any node may change at any time, and that is the same everywhere in the end:
 * a map of the last write to each key, kept by Loro.
 *
 * **Details**
 *
 * Of writes to a key that did not know of each other the one with the greater Lamport time wins, then the one of the
 * greater writer; clocks of walls have no say. A delete is a write. What merges is commutative, associative and
 * idempotent, so changes may come late, twice and in any order; those that came before what they build on wait for it.
 *
 * History is what lets others be sent only what they lack. It is cut off where all of them have it. One that comes back
 * with less than that gets a snapshot: it takes it over, and writes what only it knew of once more on top.
 *
 * **Gotchas**
 *
 * A deleted key leaves a mark of some 7 bytes for ever: without it the delete could not win over a write that is late.
 */
import type * as Loro from "loro-crdt"
import { DocumentDamaged, NewerDocument } from "./Failures.ts"
import { byKey, type Change, type Entry } from "./StateSync.ts"

export type LoroModule = typeof Loro

/** What somebody knows, as bytes that can be sent: how much of each writer. */
export type Version = Uint8Array

/** `rebase`: history that the other cut off; only a snapshot brings the two together again. */
export type Merged =
  | { readonly _tag: "Merged"; readonly changes: ReadonlyArray<Change>; readonly incomplete: boolean }
  | { readonly _tag: "Apart" }

export interface Document {
  readonly get: (key: string) => Entry | undefined
  /** By key. */
  readonly list: (prefix: string) => ReadonlyArray<Entry>
  readonly put: (key: string, value: Uint8Array) => Change
  readonly delete: (key: string) => Change | undefined
  readonly version: () => Version
  /** Counts changes, of others too: whoever remembers it sees whether there is something new. */
  readonly revision: () => bigint
  /** What somebody with that version lacks; everything, if that is no longer told apart. */
  readonly since: (version: Version | undefined) => Uint8Array
  /** The writes of this node that were not given out by this before; nothing if there are none. */
  readonly fresh: () => Uint8Array | undefined
  readonly merge: (bytes: Uint8Array, from: string) => Merged | NewerDocument | DocumentDamaged
  /** Cuts off the history that all of these have. */
  readonly compact: (known: ReadonlyArray<Version>) => void
  /** Bytes of keys and values, and of the history since it was last cut, about. */
  readonly size: () => { readonly content: number; readonly history: number }
  readonly close: () => void
}

export interface Versions {
  /** Whether the first has something that the second lacks. */
  readonly exceeds: (one: Version, other: Version) => boolean
}

/** How versions compare. */
export const versions = ({ VersionVector }: LoroModule): Versions => ({
  exceeds: (one, other) => {
    const [a, b] = [VersionVector.decode(one), VersionVector.decode(other)]
    const order = a.compare(b)
    a.free()
    b.free()
    return order === undefined || order > 0
  }
})

interface Write {
  readonly key: string
  readonly value: Uint8Array | undefined
}

const room = "state"

export const make = (loro: LoroModule): Document => {
  const { LoroDoc, VersionVector } = loro
  let doc = new LoroDoc()
  let entries = new Map<string, Entry>()
  let revision = 0n
  let content = 0
  let history = 0
  let collected: Array<Change> | undefined
  let given = 0

  /** What the document now says of a key. */
  const take = (key: string, value: Uint8Array | undefined): Change => {
    const before = entries.get(key)
    revision += 1n
    if (before !== undefined) content -= key.length + before.value.length
    if (value === undefined) {
      entries.delete(key)
      return { _tag: "Deleted", key, version: revision }
    }
    content += key.length + value.length
    const entry = { key, value, version: revision }
    entries.set(key, entry)
    return { _tag: "Put", entry }
  }

  const bytesOf = (value: unknown): Uint8Array | undefined =>
    value instanceof Uint8Array ? value : value === undefined ? undefined : new Uint8Array()

  // Loro tells what an import has changed before the import returns.
  const listen = () =>
    doc.subscribe((batch) => {
      if (collected === undefined) return
      for (const { diff } of batch.events) {
        if (diff.type !== "map") continue
        for (const [key, value] of Object.entries(diff.updated)) {
          const bytes = bytesOf(value)
          if (bytes !== undefined || entries.has(key)) collected.push(take(key, bytes))
        }
      }
    })
  let deaf = listen()

  const replace = (next: Loro.LoroDoc) => {
    deaf()
    doc.free()
    doc = next
    deaf = listen()
    history = 0
  }

  const write = (key: string, value: Uint8Array | undefined): void => {
    const map = doc.getMap(room)
    if (value === undefined) map.delete(key)
    else map.set(key, value)
    doc.commit()
    history += key.length + (value?.length ?? 0)
  }

  const meet = (known: ReadonlyArray<Version>): Loro.VersionVector => {
    let shared = doc.oplogVersion().toJSON()
    for (const bytes of known) {
      const other = VersionVector.decode(bytes).toJSON()
      shared = new Map(
        [...shared].flatMap(([writer, count]) => {
          const both = Math.min(count, other.get(writer) ?? 0)
          return both > 0 ? [[writer, both] as const] : []
        })
      )
    }
    return new VersionVector(shared)
  }

  const since = (version: Version | undefined): Uint8Array => {
    if (version === undefined || version.length === 0) return snapshot()
    const theirs = VersionVector.decode(version)
    const start = doc.shallowSinceVV()
    const order = theirs.compare(start)
    // Their history ends before ours begins.
    if (start.length() > 0 && (order === undefined || order < 0)) return snapshot()
    return doc.export({ mode: "update", from: theirs })
  }

  const fresh = (): Uint8Array | undefined => {
    const peer = doc.peerIdStr
    const written = doc.oplogVersion().get(peer) ?? 0
    // What was cut off is with the others already.
    const counter = Math.max(given, doc.shallowSinceVV().get(peer) ?? 0)
    given = written
    if (written <= counter) return undefined
    return doc.export({ mode: "updates-in-range", spans: [{ id: { peer, counter }, len: written - counter }] })
  }

  const snapshot = (): Uint8Array => doc.export({ mode: "shallow-snapshot", frontiers: doc.oplogFrontiers() })

  const merge = (bytes: Uint8Array, from: string): Merged | NewerDocument | DocumentDamaged => {
    const changes: Array<Change> = []
    collected = changes
    try {
      const isSnapshot = loro.decodeImportBlobMeta(bytes, true).mode.includes("snapshot")
      if (isSnapshot && entries.size > 0) return adopt(bytes)
      if (isSnapshot && doc.opCount() > 0) return adopt(bytes)
      const { pending } = doc.import(bytes)
      history += bytes.length
      return { _tag: "Merged", changes, incomplete: pending !== null && pending !== undefined && pending.size > 0 }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      if (/shallow history/.test(reason)) return { _tag: "Apart" }
      const version = /version "(\d+)" is incompatible/.exec(reason)?.[1]
      return version !== undefined || /upgrade/.test(reason)
        ? new NewerDocument({ from, version: Number(version ?? 0), known: 4 })
        : new DocumentDamaged({ from, reason, cause })
    } finally {
      collected = undefined
    }
  }

  /** Takes a snapshot over, and what it does not know of again on top of it. */
  const adopt = (bytes: Uint8Array): Merged => {
    const next = new LoroDoc()
    next.import(bytes)
    const theirs = next.oplogVersion()
    const order = theirs.compare(doc.oplogVersion())
    // An old one; nothing in it is new.
    if (order !== undefined && order <= 0) {
      next.free()
      return { _tag: "Merged", changes: [], incomplete: false }
    }
    const map = next.getMap(room)
    for (const { key, value } of own(theirs)) {
      if (value === undefined) map.delete(key)
      else map.set(key, value)
    }
    next.commit()
    given = 0 // of a new writer
    const now = contentOf(next)
    const changes = [...entries.keys()].filter((key) => !now.has(key)).map((key) => take(key, undefined))
    for (const [key, value] of now) {
      const before = entries.get(key)
      if (before === undefined || Buffer.compare(before.value, value) !== 0) changes.push(take(key, value))
    }
    replace(next)
    return { _tag: "Merged", changes, incomplete: false }
  }

  /** The writes that somebody with that version has not seen, in their order. */
  const own = (theirs: Loro.VersionVector): ReadonlyArray<Write> => {
    const from = meet([theirs.encode()])
    const start = doc.shallowSinceVV()
    const order = from.compare(start)
    if (start.length() > 0 && (order === undefined || order < 0)) {
      // Both have cut off what the other one lacks: what is here counts as written now.
      return [...entries.values()]
    }
    const { changes } = doc.exportJsonUpdates(from, doc.oplogVersion(), false)
    return changes
      .toSorted((a, b) => a.lamport - b.lamport || (a.id < b.id ? -1 : 1))
      .flatMap((change) => change.ops)
      .flatMap(({ content: it }): ReadonlyArray<Write> => {
        if (it.type === "insert" && "key" in it) return [{ key: it.key, value: listed(it.value) }]
        if (it.type === "delete" && "key" in it) return [{ key: it.key, value: undefined }]
        return []
      })
  }

  const compact = (known: ReadonlyArray<Version>): void => {
    const cut = meet(known)
    if (cut.length() === 0) return
    const left = doc.export({ mode: "update", from: cut }).length
    const next = new LoroDoc()
    next.import(doc.export({ mode: "shallow-snapshot", frontiers: doc.vvToFrontiers(cut) }))
    // Its writes go on where they were: no number of it is given out twice.
    next.setPeerId(doc.peerId)
    replace(next)
    history = left
  }

  return {
    get: (key) => entries.get(key),
    list: (prefix) => byKey([...entries.values()].filter(({ key }) => key.startsWith(prefix))),
    put: (key, value) => {
      write(key, value)
      return take(key, value)
    },
    delete: (key) => {
      if (!entries.has(key)) return undefined
      write(key, undefined)
      return take(key, undefined)
    },
    version: () => doc.oplogVersion().encode(),
    revision: () => revision,
    since,
    fresh,
    merge,
    compact,
    size: () => ({ content, history }),
    close: () => {
      deaf()
      doc.free()
      entries = new Map()
    }
  }
}

const contentOf = (doc: Loro.LoroDoc): ReadonlyMap<string, Uint8Array> =>
  new Map(
    doc
      .getMap(room)
      .entries()
      .flatMap(([key, value]) => (value instanceof Uint8Array ? [[key, value] as const] : []))
  )

/** Bytes are lists of numbers where Loro writes JSON. */
const listed = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : Uint8Array.from(Array.isArray(value) ? value.map(Number) : [])
