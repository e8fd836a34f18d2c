/**
 * A recorded trace of tasks or VMs: when each came, what it needed, how long it stayed. Parsed at the door, line by line,
 * into typed arrays.
 *
 * **Details**
 *
 * CSV with a header; needed are the columns `arrive_s`, `cpu`, `mem_gb` and `lifetime_s`. Neighbours with the same `batch`,
 * where there is such a column, came with one request. Other columns are ignored. Rows out of order are sorted by arrival.
 * Cells may be quoted.
 */
import { Data, Result } from "effect"

export interface Trace {
  readonly n: number
  readonly arrive: Float64Array
  readonly cpu: Float64Array
  readonly memory: Float64Array
  readonly lifetime: Float64Array
  /** The number of the request it came with, -1 where that is not recorded. */
  readonly request: Float64Array
}

/** A trace is refused beyond this many rows, before memory runs out. */
export const maxRows = 20_000_000

export class BadTrace extends Data.TaggedError("BadTrace")<{ readonly line: number; readonly problem: string }> {
  override get message(): string {
    return `Line ${this.line} of the trace cannot be used: ${this.problem}. Nothing was placed; correct the file.`
  }
}

const columns = ["arrive_s", "cpu", "mem_gb", "lifetime_s"] as const

/** Takes the lines one by one; `finish` gives the trace, or what was wrong first. */
export const reader = (): {
  readonly line: (text: string) => boolean
  readonly finish: () => Result.Result<Trace, BadTrace>
} => {
  let number = 0
  let at: ReadonlyArray<number> | undefined
  let batchAt = -1
  let batch = ""
  let requests = 0
  let bad: BadTrace | undefined
  const rows = columns.map(() => new Column())
  const request = new Column()
  const fail = (problem: string): boolean => {
    bad ??= new BadTrace({ line: number, problem })
    return false
  }
  const line = (text: string): boolean => {
    number++
    if (bad !== undefined) return false
    const trimmed = text.trim()
    if (trimmed === "") return true
    const cells = cellsOf(trimmed)
    if (at === undefined) {
      const missing = columns.filter((name) => !cells.includes(name))
      if (missing.length > 0) return fail(`it has no column ${missing.join(", ")}`)
      at = columns.map((name) => cells.indexOf(name))
      batchAt = cells.indexOf("batch")
      return true
    }
    if ((rows[0]?.length ?? 0) >= maxRows) return fail(`there are more than ${maxRows} rows`)
    for (const [c, column] of rows.entries()) {
      const cell = cells[at[c] ?? 0]
      const value = cell === undefined || cell === "" ? Number.NaN : Number(cell)
      if (!Number.isFinite(value) || value < 0) return fail(`${columns[c]} is ${cell ?? "missing"}, not an amount`)
      column.push(value)
    }
    const its = cells[batchAt] ?? ""
    if (its !== batch) requests++
    batch = its
    request.push(its === "" ? -1 : requests)
    return true
  }
  const finish = (): Result.Result<Trace, BadTrace> => {
    if (bad === undefined && at === undefined) fail("it is empty, not even a header is there")
    return bad === undefined
      ? Result.succeed(inOrder([...rows, request].map((column) => column.values())))
      : Result.fail(bad)
  }
  return { line, finish }
}

// ---------------------------------------------------------------------------------------------------------------------

/** The cells of a row, without the spaces and quotes around them; a comma between quotes parts nothing (RFC 4180). */
const cellsOf = (row: string): ReadonlyArray<string> => {
  if (!row.includes('"')) return row.split(",").map((cell) => cell.trim())
  return Array.from(`,${row}`.matchAll(/,\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))/g), ([, quoted, plain = ""]) =>
    quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"').trim()
  )
}

class Column {
  length = 0
  #values = new Float64Array(1024)
  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(this.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.length++] = value
  }
  values(): Float64Array {
    return this.#values.subarray(0, this.length)
  }
}

const inOrder = (values: ReadonlyArray<Float64Array>): Trace => {
  const none = new Float64Array(0)
  const [arrive = none, cpu = none, memory = none, lifetime = none, request = none] = values
  const n = arrive.length
  const sorted = arrive.every((time, i) => i === 0 || time >= (arrive[i - 1] ?? 0))
  if (sorted) return { n, arrive, cpu, memory, lifetime, request }
  const order = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => (arrive[a] ?? 0) - (arrive[b] ?? 0) || a - b)
  const by = (column: Float64Array) => Float64Array.from(order, (i) => column[i] ?? 0)
  return { n, arrive: by(arrive), cpu: by(cpu), memory: by(memory), lifetime: by(lifetime), request: by(request) }
}
