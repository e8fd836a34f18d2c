/**
 * What is to be packed, parsed at the door: whole numbers in typed arrays, so that no sum of sizes can drift.
 *
 * **Details**
 *
 * Sizes that are decimals, or shares such as a third, are scaled to whole numbers where that is exact; others are rounded
 * up to a grid of 2⁻⁴⁰ of the capacity, so an answer never overfills a host.
 *
 * **Gotchas**
 *
 * A size may be negative by up to {@link limits.credit} of the capacity: published instances have items that give a little
 * back. Anything below that is a mistake and refused.
 */
import { Data, Result } from "effect"

/** Vector bin packing as people write it: `cap[d]` of every host, `items[n][d]`. */
export interface Instance {
  readonly id?: string
  readonly cap: ReadonlyArray<number>
  readonly items: ReadonlyArray<ReadonlyArray<number>>
}

/** The same, checked and flat: `size[i * d + k]`. Never larger than the limits below. */
export interface Workload {
  readonly n: number
  readonly d: number
  readonly cap: Float64Array
  readonly size: Float64Array
  /** No packing uses fewer hosts than this. */
  readonly bound: number
}

/** More than this is refused before memory is taken: items, resources of an item, negative share of the capacity. */
export const limits = { items: 100_000, dimensions: 16, credit: 0.05 } as const

/** An instance that no packing can answer, and which of its parts says so. */
export class BadInstance extends Data.TaggedError("BadInstance")<{
  readonly id: string
  readonly problem: string
}> {
  override get message(): string {
    return `Instance ${this.id} cannot be packed: ${this.problem}. Nothing was placed; correct the instance.`
  }
}

export const make = (instance: Instance): Result.Result<Workload, BadInstance> => {
  const problem = problemOf(instance)
  if (problem !== undefined) return Result.fail(new BadInstance({ id: instance.id ?? "(unnamed)", problem }))
  const d = instance.cap.length
  const n = instance.items.length
  const cap = Float64Array.from(instance.cap)
  const size = new Float64Array(n * d)
  for (let k = 0; k < d; k++) {
    const column = instance.items.map((item) => at(item, k))
    const scale = exactScale([at(cap, k), ...column])
    const grid = 2 ** 40 / at(cap, k)
    const whole = at(cap, k) === 0 ? 0 : scale === undefined ? 2 ** 40 : Math.round(at(cap, k) * scale)
    for (let i = 0; i < n; i++) {
      const value = at(column, i)
      size[i * d + k] = value === 0 ? 0 : scale === undefined ? Math.ceil(value * grid) : Math.round(value * scale)
    }
    cap[k] = whole
  }
  return Result.succeed({ n, d, cap, size, bound: boundOf(n, d, cap, size) })
}

// ---------------------------------------------------------------------------------------------------------------------

const problemOf = ({ cap, items }: Instance): string | undefined => {
  const amount = (x: unknown, least: number): boolean =>
    typeof x === "number" && Number.isFinite(x) && x >= least && x <= 1e15
  if (!Array.isArray(cap) || cap.length === 0) return "it has no capacity"
  if (cap.length > limits.dimensions) return `it has ${cap.length} resources, the most is ${limits.dimensions}`
  if (!cap.every((x) => amount(x, 0))) return `its capacity [${cap.join(", ")}] is not made of amounts`
  if (!Array.isArray(items)) return "it has no list of items"
  if (items.length > limits.items) return `it has ${items.length} items, the most is ${limits.items}`
  for (const [i, item] of items.entries()) {
    if (!Array.isArray(item) || item.length !== cap.length) return `item ${i} does not have ${cap.length} sizes`
    for (const [k, value] of item.entries()) {
      if (!amount(value, -limits.credit * at(cap, k)))
        return `size ${k} of item ${i} is ${String(value)}, which is not an amount`
      if (value > at(cap, k)) return `item ${i} needs ${value} of resource ${k} and a host has ${at(cap, k)}`
    }
  }
  return undefined
}

/** Thirds, sixths, twelfths: a multiple of what people divide a host by. Rounded up, three thirds would fill no host. */
const parts = 64 * 27 * 25 * 7 * 11 * 13

/** The power of ten that makes whole numbers of all of them, or the number of parts, if there is one. */
const exactScale = (values: ReadonlyArray<number>): number | undefined => {
  for (const scale of [1, 10, 100, 1e3, 1e4, 1e5, 1e6, parts]) {
    const exact = (x: number) => {
      const whole = Math.round(x * scale)
      return whole / scale === x && whole < 2 ** 43
    }
    if (values.every(exact)) return scale
  }
  return undefined
}

/** The fuller resource, or the items of which no two share a host. */
const boundOf = (n: number, d: number, cap: Float64Array, size: Float64Array): number => {
  let bound = n === 0 ? 0 : 1
  for (let k = 0; k < d; k++) {
    let sum = 0
    let large = 0
    let credit = false
    for (let i = 0; i < n; i++) {
      const value = at(size, i * d + k)
      sum += value
      if (value < 0) credit = true
      if (2 * value > at(cap, k)) large++
    }
    if (at(cap, k) > 0) bound = Math.max(bound, Math.ceil(sum / at(cap, k)), credit ? 0 : large)
  }
  return bound
}

const at = (list: ArrayLike<number>, i: number): number => list[i] ?? 0
