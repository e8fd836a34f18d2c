/**
 * Returns a record to what it was, in place: a simulation that begins a hundred thousand times would otherwise spend a
 * quarter of its time on making the same empty arrays.
 *
 * **Details**
 *
 * The lists of numbers of a record are moved into one buffer when a snapshot of it is made, and are restored by one copy:
 * thirty short ones, one after the other, take a twentieth of a simulated boot.
 *
 * **Gotchas**
 *
 * A list of numbers that was taken out of a record before its first snapshot is no longer the record's. A second snapshot
 * of the same record has to leave the same fields alone.
 *
 * It knows records of plain data as `Progress` and `Invariants` keep them: numbers, texts, typed arrays, lists, and
 * records of these. A list inside a list is returned as well; what else lies in one is only put back into its place.
 * A field that holds a record must hold the same one for good.
 *
 * **Example**
 *
 * ```ts
 * const state = Progress.make(plan, limits)
 * const fresh = Snapshot.take(state, ["plan", "limits"])
 * Progress.advance(state, { _tag: "Begin", atMs: 0 }, output)
 * Snapshot.restore(fresh) // the state before the boot
 * ```
 */

/** How one record becomes like another. Make it with {@link take} or {@link link}. */
export interface Snapshot {
  /** All lists of numbers at once. */
  readonly numbers: Kept<Uint8Array, Uint8Array>
  readonly lists: ReadonlyArray<Kept<Array<unknown>, ReadonlyArray<unknown>>>
  readonly fields: ReadonlyArray<Kept<Record, Record> & { readonly key: string }>
}

interface Kept<To, From> {
  readonly to: To
  readonly from: From
}

interface Record {
  [key: string]: unknown
}

/** Keeps what a record is now. Fields of the `except`ed names are left alone, with all that is in them. */
export const take = (subject: object, except: ReadonlyArray<string> = []): Snapshot =>
  link(subject, copyOf(subject, except), except)

/** Ties a record to another one of the same make: {@link restore} makes it what the other one is by then. */
export const link = <A extends object>(to: A, from: A, except: ReadonlyArray<string> = []): Snapshot => {
  const numbers: Array<Kept<Place, Place>> = []
  const lists: Array<Kept<Array<unknown>, ReadonlyArray<unknown>>> = []
  const fields: Array<Kept<Record, Record> & { readonly key: string }> = []
  const visit = (to: Record, from: Record) => {
    for (const key of Object.keys(to)) {
      if (except.includes(key)) continue
      const [into, out] = [to[key], from[key]]
      if (isNumbers(into) && isNumbers(out)) {
        numbers.push({ to: { record: to, key, list: into }, from: { record: from, key, list: out } })
      } else if (Array.isArray(into) && Array.isArray(out)) visitList(into, out)
      else if (isRecord(into) && isRecord(out)) visit(into, out)
      else fields.push({ to, from, key })
    }
  }
  const visitList = (to: Array<unknown>, from: ReadonlyArray<unknown>) => {
    if (to.length > 0 && to.every(Array.isArray)) to.forEach((item, i) => visitList(item, asList(from[i])))
    else lists.push({ to, from })
  }
  visit(recordOf(to), recordOf(from))
  const both = { to: gather(numbers.map(({ to }) => to)), from: gather(numbers.map(({ from }) => from)) }
  return { numbers: both, lists, fields }
}

/** Makes the record what the snapshot says. */
export const restore = (self: Snapshot): void => {
  const { fields, lists, numbers } = self
  numbers.to.set(numbers.from)
  for (let k = 0; k < lists.length; k++) {
    const { from, to } = lists[k]!
    while (to.length > from.length) to.pop()
    for (let i = 0; i < from.length; i++) to[i] = from[i]
  }
  for (let k = 0; k < fields.length; k++) {
    const { from, key, to } = fields[k]!
    to[key] = from[key]
  }
}

// ---------------------------------------------------------------------------------------------------- lists of numbers

type Numbers = Uint8Array | Int16Array | Int32Array | Float64Array

/** Where a list of numbers stands. */
interface Place {
  readonly record: Record
  readonly key: string
  readonly list: Numbers
}

/** Moves the lists into one buffer, the widest numbers first, unless they are in one; returns its bytes. */
const gather = (places: ReadonlyArray<Place>): Uint8Array => {
  const sorted = places.toSorted((a, b) => b.list.BYTES_PER_ELEMENT - a.list.BYTES_PER_ELEMENT)
  const shared = sorted[0]?.list.buffer
  if (shared !== undefined && sorted.every(({ list }) => list.buffer === shared)) return new Uint8Array(shared)
  const bytes = new Uint8Array(sorted.reduce((sum, { list }) => sum + list.byteLength, 0))
  let at = 0
  for (const { key, list, record } of sorted) {
    record[key] = moved(list, bytes.buffer, at)
    at += list.byteLength
  }
  return bytes
}

const moved = (list: Numbers, buffer: ArrayBuffer, at: number): Numbers => {
  const make = list.constructor as new (buffer: ArrayBuffer, at: number, length: number) => Numbers
  const copy = new make(buffer, at, list.length)
  copy.set(list)
  return copy
}

// ------------------------------------------------------------------------------------------------------------- records

const copyOf = (value: unknown, except: ReadonlyArray<string>): object => {
  const copy: Record = {}
  for (const [key, field] of Object.entries(recordOf(value))) {
    if (except.includes(key)) continue
    if (isNumbers(field)) copy[key] = field.slice()
    else if (Array.isArray(field)) copy[key] = copyOfList(field)
    else copy[key] = isRecord(field) ? copyOf(field, except) : field
  }
  return copy
}

const copyOfList = (list: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  list.map((item) => (Array.isArray(item) ? copyOfList(item) : item))

const isNumbers = (value: unknown): value is Numbers =>
  value instanceof Uint8Array ||
  value instanceof Int16Array ||
  value instanceof Int32Array ||
  value instanceof Float64Array

const isRecord = (value: unknown): value is Record =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const recordOf = (value: unknown): Record => (isRecord(value) ? value : {})

const asList = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
