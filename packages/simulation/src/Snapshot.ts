/**
 * Returns a record to what it was, in place: a simulation that begins a hundred thousand times would otherwise spend a
 * quarter of its time on making the same empty arrays.
 *
 * **Gotchas**
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
  // Apart, so that each loop sees one kind of array: it is several times as fast.
  readonly bytes: ReadonlyArray<Kept<Uint8Array, Uint8Array>>
  readonly shorts: ReadonlyArray<Kept<Int16Array, Int16Array>>
  readonly ints: ReadonlyArray<Kept<Int32Array, Int32Array>>
  readonly floats: ReadonlyArray<Kept<Float64Array, Float64Array>>
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
  const bytes: Array<Kept<Uint8Array, Uint8Array>> = []
  const shorts: Array<Kept<Int16Array, Int16Array>> = []
  const ints: Array<Kept<Int32Array, Int32Array>> = []
  const floats: Array<Kept<Float64Array, Float64Array>> = []
  const lists: Array<Kept<Array<unknown>, ReadonlyArray<unknown>>> = []
  const fields: Array<Kept<Record, Record> & { readonly key: string }> = []
  const visit = (to: Record, from: Record) => {
    for (const key of Object.keys(to)) {
      if (except.includes(key)) continue
      const [into, out] = [to[key], from[key]]
      if (into instanceof Uint8Array && out instanceof Uint8Array) bytes.push({ to: into, from: out })
      else if (into instanceof Int16Array && out instanceof Int16Array) shorts.push({ to: into, from: out })
      else if (into instanceof Int32Array && out instanceof Int32Array) ints.push({ to: into, from: out })
      else if (into instanceof Float64Array && out instanceof Float64Array) floats.push({ to: into, from: out })
      else if (Array.isArray(into) && Array.isArray(out)) visitList(into, out)
      else if (isRecord(into) && isRecord(out)) visit(into, out)
      else fields.push({ to, from, key })
    }
  }
  const visitList = (to: Array<unknown>, from: ReadonlyArray<unknown>) => {
    if (to.length > 0 && to.every(Array.isArray)) to.forEach((item, i) => visitList(item, asList(from[i])))
    else lists.push({ to, from })
  }
  visit(recordOf(to), recordOf(from))
  return { bytes, shorts, ints, floats, lists, fields }
}

/** Makes the record what the snapshot says. */
export const restore = (self: Snapshot): void => {
  const { bytes, fields, floats, ints, lists, shorts } = self
  for (let k = 0; k < bytes.length; k++) {
    const { from, to } = bytes[k]!
    for (let i = 0; i < from.length; i++) to[i] = from[i]!
  }
  for (let k = 0; k < shorts.length; k++) {
    const { from, to } = shorts[k]!
    for (let i = 0; i < from.length; i++) to[i] = from[i]!
  }
  for (let k = 0; k < ints.length; k++) {
    const { from, to } = ints[k]!
    for (let i = 0; i < from.length; i++) to[i] = from[i]!
  }
  for (let k = 0; k < floats.length; k++) {
    const { from, to } = floats[k]!
    for (let i = 0; i < from.length; i++) to[i] = from[i]!
  }
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

const isNumbers = (value: unknown): value is Uint8Array | Int16Array | Int32Array | Float64Array =>
  value instanceof Uint8Array ||
  value instanceof Int16Array ||
  value instanceof Int32Array ||
  value instanceof Float64Array

const isRecord = (value: unknown): value is Record =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const recordOf = (value: unknown): Record => (isRecord(value) ? value : {})

const asList = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
