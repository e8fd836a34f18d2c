/**
 * The recorded bandwidth beside the repository, and which part of it is held out.
 *
 * **Details**
 *
 * Where series share a time (the traffic matrices of one network) the end of all of them is held out and begins without a
 * past; elsewhere three of ten homes, trips, sessions or machines are, whole, by a hash of their name. So nothing that is
 * held out has been seen in any form.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"

export const names = ["hsdpa", "fcc", "5g", "puffer", "abilene", "geant", "bitbrains"] as const
export type Name = (typeof names)[number]

export interface Trace {
  readonly set: Name
  readonly id: string
  /** Seconds between two values. */
  readonly dt: number
  readonly v: ReadonlyArray<number>
}

const folder = join(import.meta.dirname, "../../../../shared/data")
const fileOf = (name: Name): string => join(folder, `bw-${name}`, "series.jsonl.gz")

export const present = (): boolean => names.every((name) => existsSync(fileOf(name)))

/** All series, as those that may be learned from and those that may not. */
export const split = (): { readonly seen: ReadonlyArray<Trace>; readonly held: ReadonlyArray<Trace> } => {
  const seen: Array<Trace> = []
  const held: Array<Trace> = []
  for (const { recorded, set } of names.flatMap(read)) {
    const { dt, id, v } = recorded
    const end = ends[set]
    if (end === undefined) (isHeld(set, recorded) ? held : seen).push({ set, id, dt, v })
    else {
      seen.push({ set, id, dt, v: v.slice(0, end) })
      held.push({ set, id, dt, v: v.slice(end) })
    }
  }
  return { seen: seen.filter(hasTraffic), held: held.filter(hasTraffic) }
}

/** Everything, for the model that is shipped. */
export const whole = (): ReadonlyArray<Trace> =>
  names
    .flatMap(read)
    .map(({ recorded: { dt, id, v }, set }) => ({ set, id, dt, v }))
    .filter(hasTraffic)

/** From which value on the traffic matrices are held out. */
const ends: { readonly [set: string]: number } = { abilene: 2_016, geant: 144 }

interface Recorded {
  readonly id: string
  readonly dt: number
  readonly v: ReadonlyArray<number>
  readonly unit_id?: string
  readonly trip?: string
  readonly session?: string
}

const read = (set: Name): ReadonlyArray<{ readonly set: Name; readonly recorded: Recorded }> =>
  gunzipSync(readFileSync(fileOf(set)))
    .toString("utf8")
    .trim()
    .split("\n")
    .map((line) => ({ set, recorded: JSON.parse(line) }))

const hasTraffic = ({ v }: Trace): boolean => v.length > 40 && v.some((value) => value > 0)

/** A machine of two months is held out in both. */
const isHeld = (set: Name, { id, session, trip, unit_id }: Recorded): boolean => {
  const key = unit_id ?? trip ?? session ?? id.replace(/^2013-\d\//, "")
  return hash(`${set === "5g" ? "z" : set}${key}`) % 10 < 3
}

const hash = (text: string): number => {
  let h = 2_166_136_261
  for (const letter of text) h = Math.imul(h ^ letter.charCodeAt(0), 16_777_619)
  h = Math.imul(h ^ (h >>> 15), 2_246_822_519)
  return (h ^ (h >>> 13)) >>> 0
}
