/**
 * What a watcher was told so far: the versions of the keys that are there. Pure but for its own map.
 *
 * **Details**
 *
 * Where the history of a store has a gap, what it has now is compared with this, and the difference is told instead.
 */
import type { Change, Entry } from "./StateSync.ts"

export interface Picture {
  /** Takes note of a change; `false` if it is nothing new and nobody needs to hear of it. */
  readonly learn: (change: Change) => boolean
  /** What is to be told when the store has just these entries, as of `version`. */
  readonly differences: (entries: ReadonlyArray<Entry>, version: bigint) => ReadonlyArray<Change>
}

export const make = (): Picture => {
  const versions = new Map<string, bigint>()
  const learn = (change: Change): boolean => {
    switch (change._tag) {
      case "Current":
        return true
      case "Put":
        if ((versions.get(change.entry.key) ?? -1n) >= change.entry.version) return false
        versions.set(change.entry.key, change.entry.version)
        return true
      case "Deleted":
        if ((versions.get(change.key) ?? change.version) >= change.version) return false
        return versions.delete(change.key)
    }
  }
  const differences = (entries: ReadonlyArray<Entry>, version: bigint): ReadonlyArray<Change> => {
    const present = new Set(entries.map((entry) => entry.key))
    const gone = [...versions.keys()].filter((key) => !present.has(key))
    return [
      ...gone.map((key): Change => ({ _tag: "Deleted", key, version })),
      ...entries.map((entry): Change => ({ _tag: "Put", entry }))
    ].filter(learn)
  }
  return { learn, differences }
}
