/** How files of an older version are read: what moved, what is gone, what is written differently. Places are kept. */
import type { Entry, Item } from "./Document.ts"

/** From the version before `to` to that version. Keys are dotted, as in a file. */
export interface Migration {
  readonly to: number
  /** For people: why. */
  readonly describe: string
  /** `{ "system.loglevel": "system.log_level" }`. The new key wins when both are there. */
  readonly moved?: { readonly [from: string]: string }
  readonly dropped?: ReadonlyArray<string>
  /** By the key as it is called after `moved`. */
  readonly changed?: { readonly [key: string]: (value: Primitive) => Primitive }
}

type Primitive = string | number | boolean | null

/** Brings a file from `version` to the latest. */
export const migrate = (item: Item, version: number, migrations: ReadonlyArray<Migration>): Item => {
  const due = migrations.filter(({ to }) => to > version).toSorted((a, b) => a.to - b.to)
  return due.reduce(step, item)
}

const step = (item: Item, { changed = {}, dropped = [], moved = {} }: Migration): Item => {
  let now = item
  for (const [from, to] of Object.entries(moved)) {
    const entry = entryAt(now, from.split("."))
    if (entry === undefined) continue
    now = change(now, from.split("."), () => undefined)
    now = change(now, to.split("."), (existing) => existing ?? entry)
  }
  for (const key of dropped) now = change(now, key.split("."), () => undefined)
  for (const [key, to] of Object.entries(changed)) {
    now = change(now, key.split("."), (entry) =>
      entry?.item._tag === "Scalar" ? { ...entry, item: { ...entry.item, value: to(entry.item.value) } } : entry
    )
  }
  return now
}

/** What stands at a path of a file. */
export const entryAt = (item: Item, path: ReadonlyArray<string>): Entry | undefined => {
  const [first, ...rest] = path
  if (first === undefined || item._tag !== "Map") return undefined
  const entry = item.entries.get(first)
  return entry === undefined || rest.length === 0 ? entry : entryAt(entry.item, rest)
}

const change = (item: Item, path: ReadonlyArray<string>, to: (entry: Entry | undefined) => Entry | undefined): Item => {
  const [first = "", ...rest] = path
  // An empty section is written as nothing at all.
  const isEmpty = item._tag === "Scalar" && item.value === null
  if (item._tag !== "Map" && !isEmpty) return item
  const entries = new Map(item._tag === "Map" ? item.entries : [])
  const before = entries.get(first)
  const after = rest.length === 0 ? to(before) : inside(before)
  if (after === undefined) entries.delete(first)
  else entries.set(first, after)
  return { _tag: "Map", entries, line: item.line, column: item.column }

  function inside(entry: Entry | undefined): Entry | undefined {
    if (entry !== undefined) return { ...entry, item: change(entry.item, rest, to) }
    const made = change({ _tag: "Map", entries: new Map(), line: item.line, column: item.column }, rest, to)
    return made._tag === "Map" && made.entries.size > 0
      ? { item: made, line: item.line, column: item.column }
      : undefined
  }
}
