/**
 * `pnpm bench NAME [--json] [--check] [--record FILE] [--gate FILE]` runs `test/benchmarks/src/NAME.ts` and says what it
 * measured.
 *
 * **Details**
 *
 * With `--json` stdout is one object, `{ bench, node, cpus, loadavg, figures }`, and nothing else: what a benchmark
 * prints on the way goes to stderr. `--record` adds the figures to a history, and `--gate` holds them against one. Exit
 * codes: 0 measured, 1 a figure missed its bar and `--check` was given, or is worse than in the history of `--gate`,
 * 64 usage, 70 the benchmark itself broke.
 */
import { existsSync, globSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import type { Benchmark, Figure } from "../test/benchmarks/Figure.ts"
import * as History from "../test/benchmarks/History.ts"

const usage = "pnpm bench NAME [--json] [--check] [--record FILE] [--gate FILE]"
const folder = join(import.meta.dirname, "../test/benchmarks/src")

const main = async (): Promise<number> => {
  const asked = parse(process.argv.slice(2))
  if (typeof asked === "string") return refuse(asked)
  const { name, json, check, gate, record } = asked
  if (json) console.log = console.info = console.error
  const load = loadavg()
  const { figures } = await (await benchmark(name)).run()
  const result = { bench: name, node: process.version, cpus: availableParallelism(), loadavg: load, figures }
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : table(figures))
  const run = { ...result, at: new Date().toISOString() }
  const worse = gate === undefined ? [] : History.worse(History.read(gate), run)
  for (const { id, limit, runs, unit, usual, value } of worse) {
    const before = `${round(usual)} in ${runs} runs before`
    process.stderr.write(`WORSE ${id}: ${round(value)} ${unit}, ${before}, at the most to ${round(limit)}\n`)
  }
  // What is worse does not become usual by being measured often.
  if (record !== undefined && worse.length === 0) History.append(record, run)
  return worse.length > 0 || (check && figures.some((figure) => figure.ok === false)) ? 1 : 0
}

interface Asked {
  readonly name: string
  readonly json: boolean
  readonly check: boolean
  readonly record?: string | undefined
  readonly gate?: string | undefined
}

/** What the command line asks for, or why that cannot be. */
const parse = (args: ReadonlyArray<string>): Asked | string => {
  const options = {
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    record: { type: "string" },
    gate: { type: "string" }
  } as const
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const [name, ...more] = positionals
    if (name === undefined) return "Which benchmark?"
    if (more.length > 0) return `One benchmark at a time, not ${positionals.length}.`
    return known().includes(name) ? { name, ...values } : `There is no benchmark "${name}".${didYouMean(name)}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const refuse = (reason: string): number => {
  const names = known()
  const list = names.length === 0 ? "There are none yet." : names.map((name) => `  ${name}`).join("\n")
  process.stderr.write(`${reason}\n\n${usage}\n\nBenchmarks:\n${list}\n`)
  return 64
}

const known = (): ReadonlyArray<string> =>
  existsSync(folder)
    ? globSync("*.ts", { cwd: folder })
        .map((file) => basename(file, ".ts"))
        .toSorted()
    : []

const didYouMean = (name: string): string => {
  const near = known().toSorted((a, b) => distance(name, a) - distance(name, b))[0]
  return near !== undefined && distance(name, near) <= 3 ? ` Did you mean "${near}"?` : ""
}

/** How many letters must change to make one word of another (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1]
    for (const [j, other] of Array.from(b).entries()) {
      const swap = at(row, j) + (letter === other ? 0 : 1)
      next.push(Math.min(swap, at(row, j + 1) + 1, at(next, j) + 1))
    }
    row = next
  }
  return at(row, b.length)
}

const at = (row: ReadonlyArray<number>, i: number): number => row[i] ?? Infinity

const benchmark = async (name: string): Promise<Benchmark> => {
  const module: Partial<Benchmark> = await import(pathToFileURL(join(folder, `${name}.ts`)).href)
  if (module.run === undefined) throw new Error(`test/benchmarks/src/${name}.ts exports no run().`)
  return { run: module.run }
}

const table = (figures: ReadonlyArray<Figure>): string => {
  const rows = figures.map((figure) => [
    figure.ok === null ? " " : figure.ok ? "✓" : "✗",
    figure.id,
    figure.value === null ? "–" : round(figure.value),
    figure.unit,
    figure.skipped ?? (figure.bar === null ? "" : `${figure.better === "lower" ? "≤" : "≥"} ${round(figure.bar)}`)
  ])
  const width = (column: number): number => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0))
  const widths = [0, 1, 2, 3, 4].map(width)
  const line = (row: ReadonlyArray<string>): string =>
    row.map((cell, i) => (i === 2 ? cell.padStart(at(widths, i)) : cell.padEnd(at(widths, i)))).join("  ")
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("")
}

const round = (value: number): string =>
  value.toLocaleString("en", value < 1000 ? { maximumSignificantDigits: 4 } : { maximumFractionDigits: 0 })

process.exitCode = await main().catch((error: unknown) => {
  console.error(error)
  return 70
})
