/**
 * Values in memory, within bounds: so many of them, so many bytes, each for so long. When there is no room, those go that
 * nobody has used for longest.
 *
 * **Details**
 *
 * It is told what time it is. A value whose time is over is not there; it keeps its room until somebody asks for it or the
 * room is needed.
 */

export interface Limits {
  readonly maxEntries: number
  readonly maxBytes: number
}

export interface Entry {
  readonly value: string
  readonly expiresAtMs: number
  readonly bytes: number
}

export interface Lru {
  /** The value, and from now on it is the one used last. */
  readonly get: (key: string, nowMs: number) => Entry | undefined
  /** Answers how many others had to go. A value that would not fit into an empty store is not kept, nor the one before it. */
  readonly set: (key: string, value: string, expiresAtMs: number, nowMs: number) => number
  /** Answers whether it was there. */
  readonly delete: (key: string) => boolean
  readonly clear: () => void
  readonly size: () => number
  readonly bytes: () => number
}

/** What an entry takes besides its text, roughly: a slot of the map, the object, two headers of strings. */
export const overheadBytes = 96

/** What keeping a value takes. */
export const costOf = (key: string, value: string): number =>
  overheadBytes + Buffer.byteLength(key) + Buffer.byteLength(value)

export const make = (limits: Limits): Lru => {
  // A Map remembers the order of insertion: the first is the one used longest ago.
  const entries = new Map<string, Entry>()
  let bytes = 0

  const remove = (key: string): boolean => {
    const entry = entries.get(key)
    if (entry === undefined) return false
    bytes -= entry.bytes
    return entries.delete(key)
  }

  const makeRoom = (): number => {
    let gone = 0
    for (const key of entries.keys()) {
      if (entries.size <= limits.maxEntries && bytes <= limits.maxBytes) break
      remove(key)
      gone++
    }
    return gone
  }

  return {
    get: (key, nowMs) => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.expiresAtMs <= nowMs) {
        remove(key)
        return undefined
      }
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    set: (key, value, expiresAtMs, nowMs) => {
      remove(key)
      const cost = costOf(key, value)
      if (cost > limits.maxBytes || expiresAtMs <= nowMs) return 0
      entries.set(key, { value, expiresAtMs, bytes: cost })
      bytes += cost
      return makeRoom()
    },
    delete: remove,
    clear: () => {
      entries.clear()
      bytes = 0
    },
    size: () => entries.size,
    bytes: () => bytes
  }
}
