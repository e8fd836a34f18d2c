/**
 * The events of a boot for those who follow it: everything from the beginning first, then each as it happens. A reader
 * that was cut off goes on where it was.
 *
 * **Details**
 *
 * - Readers share one log and have a position in it, so one that does not read costs nothing but that position: what is
 *   written to it is one chunk, and the next one when it has been taken. Who has taken nothing for 30 seconds is cut off.
 * - A node that runs for months changes its health now and then. Above a limit the log is thinned out: of what happened
 *   after the boot, each component keeps the last event of each kind, which leads to the same state. Who was behind that
 *   begins anew from the thinned log.
 * - Events have numbers, `epoch.number` in the id that a browser sends when it comes back. An id of another epoch, or of
 *   before the thinning, begins anew.
 */
import { randomBytes } from "node:crypto"
import type { BootEvent } from "@novacron/boot/model"

/** Where a reader's text goes: the response to its request. `write` says whether it has room for more. */
export interface Sink {
  readonly write: (text: string) => boolean
  readonly onDrain: (listener: () => void) => void
  readonly cut: () => void
  readonly end: () => void
}

/** What is told to those who follow. */
export interface Feed {
  readonly observe: (event: BootEvent.BootEvent) => void
  /** Tells something that is true for the moment only: readers that are busy do not hear it. */
  readonly mention: (kind: string, data: unknown) => void
  /** Follows from after an event, or from the beginning; returns what ends that. Undefined when too many do already. */
  readonly attach: (sink: Sink, lastId: string | undefined) => (() => void) | undefined
  /** To be called now and then: readers hear that the node is there, and those that take nothing are cut off. */
  readonly beat: () => void
  /** Tells what is still to be told, and ends: the readers hear that it was meant. How many there were. */
  readonly end: () => number
  /** Everything that is kept. */
  readonly events: () => ReadonlyArray<BootEvent.BootEvent>
  readonly readers: () => number
}

/** What a feed may hold. */
export interface Limits {
  /** Events that are kept before the log is thinned out. */
  readonly events: number
  /** Events in one message. */
  readonly chunk: number
  readonly readers: number
  /** How long a reader may take nothing. */
  readonly patienceMs: number
}

const usual: Limits = { events: 50_000, chunk: 256, readers: 32, patienceMs: 30_000 }

interface Entry {
  readonly number: number
  readonly event: BootEvent.BootEvent
}

interface Reader {
  readonly sink: Sink
  /** Position in the log of what it hears next. */
  next: number
  /** Since when it has taken nothing. */
  stuckAtMs: number | undefined
  isNew: boolean
}

export const make = (nowMs: () => number, limits: Partial<Limits> = {}): Feed => {
  const { chunk, events: maxEvents, patienceMs, readers: maxReaders } = { ...usual, ...limits }
  const epoch = randomBytes(6).toString("hex")
  const readers = new Set<Reader>()
  let log: Array<Entry> = []
  let number = 0
  /** The number of the last event that was dropped. */
  let thinnedTo = 0
  let limit = maxEvents
  let isDue = false

  const observe = (event: BootEvent.BootEvent): void => {
    // A new boot begins a new story.
    if (event._tag === "BootStarted" && log.length > 0) replace([], number)
    log.push({ number: ++number, event })
    if (log.length > limit) thin()
    if (isDue || readers.size === 0) return
    isDue = true
    setImmediate(() => {
      isDue = false
      for (const reader of readers) pump(reader)
    })
  }

  /** Another log in place of this one; who has heard all that was dropped goes on. */
  const replace = (entries: ReadonlyArray<Entry>, droppedTo: number): void => {
    for (const reader of readers) {
      const heard = reader.next === 0 ? 0 : (log[reader.next - 1]?.number ?? 0)
      const goesOn = !reader.isNew && heard >= droppedTo && entries.length > 0
      reader.isNew = !goesOn
      reader.next = goesOn ? positionAfter(entries, heard) : 0
    }
    log = [...entries]
    thinnedTo = droppedTo
  }

  const thin = (): void => {
    const kept = new Set(thinned(log))
    const lastDropped = log.findLast((entry) => !kept.has(entry))
    if (lastDropped !== undefined) replace([...kept], lastDropped.number)
    // When there is little to drop, it is not tried again with every event.
    limit = Math.max(maxEvents, Math.ceil(kept.size * 1.5))
  }

  const pump = (reader: Reader): void => {
    if (reader.stuckAtMs !== undefined) return
    do {
      const from = reader.isNew ? 0 : reader.next
      const some = log.slice(from, from + chunk)
      if (some.length === 0 && !reader.isNew) return
      reader.next = from + some.length
      const id = `${epoch}.${some.at(-1)?.number ?? number}`
      const kind = reader.isNew ? "begin" : "events"
      reader.isNew = false
      const hasRoom = reader.sink.write(message(kind, JSON.stringify(some.map(({ event }) => event)), id))
      reader.stuckAtMs = hasRoom ? undefined : nowMs()
    } while (reader.stuckAtMs === undefined)
  }

  const positionOf = (lastId: string | undefined): number | undefined => {
    const [, of, digits] = /^([0-9a-f]{12})\.(\d{1,15})$/.exec(lastId ?? "") ?? []
    const last = Number(digits)
    if (of !== epoch || last > number || last < thinnedTo) return undefined
    return positionAfter(log, last)
  }

  return {
    observe,
    mention: (kind, data) => {
      const text = message(kind, JSON.stringify(data))
      for (const reader of readers)
        if (reader.stuckAtMs === undefined && !reader.sink.write(text)) reader.stuckAtMs = nowMs()
    },
    attach: (sink, lastId) => {
      if (readers.size >= maxReaders) return undefined
      const position = positionOf(lastId)
      const reader: Reader = { sink, next: position ?? 0, isNew: position === undefined, stuckAtMs: undefined }
      readers.add(reader)
      sink.onDrain(() => {
        reader.stuckAtMs = undefined
        if (readers.has(reader)) pump(reader)
      })
      pump(reader)
      return () => void readers.delete(reader)
    },
    beat: () => {
      for (const reader of readers) {
        if (reader.stuckAtMs === undefined) {
          if (!reader.sink.write("event: beat\ndata:\n\n")) reader.stuckAtMs = nowMs()
        } else if (nowMs() - reader.stuckAtMs > patienceMs) {
          readers.delete(reader)
          reader.sink.cut()
        }
      }
    },
    end: () => {
      const all = [...readers]
      for (const reader of all) {
        pump(reader)
        reader.sink.end()
      }
      readers.clear()
      return all.length
    },
    events: () => log.map(({ event }) => event),
    readers: () => readers.size
  }
}

const positionAfter = (entries: ReadonlyArray<Entry>, number: number): number => {
  const position = entries.findIndex((entry) => entry.number > number)
  return position === -1 ? entries.length : position
}

/** A message of server-sent events. JSON has no line breaks of its own, whatever it holds. */
const message = (kind: string, json: string, id?: string): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${kind}\ndata: ${json}\n\n`

/** All of the boot, and of what came after it the last event of each kind for each component. */
const thinned = (log: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const ready = log.findIndex(({ event }) => event._tag === "BootReady")
  if (ready === -1) return log
  const seen = new Set<string>()
  const later = log.slice(ready + 1).toReversed()
  const kept = later.filter(({ event }) => {
    if (!("component" in event)) return true
    const kind = `${event._tag} ${event.component}`
    return !seen.has(kind) && seen.add(kind)
  })
  return [...log.slice(0, ready + 1), ...kept.toReversed()]
}
