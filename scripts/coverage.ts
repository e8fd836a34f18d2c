/**
 * `node scripts/coverage.ts [SUITE …] [--missing] [--check]` runs suites of packages and says how many lines of the packages
 * they executed. Without names it is the kernel: boot, config, simulation. With `--check` it exits with 1 below 80 per cent,
 * with `--missing` it prints the lines that were not.
 *
 * **Details**
 *
 * V8 counts, Node writes it down (`NODE_V8_COVERAGE`), and nothing else is needed: modules run as Node runs them, with types
 * blanked out in place, so that what is counted is where it is in the file. A line counts when code is left on it without
 * types and comments; it is covered when any of it was executed in any process. A file that nobody has loaded counts in full.
 *
 * CI checks the kernel. The other suites run there anyway, and running them a second time would cost many minutes.
 */
import { spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"

const root = join(import.meta.dirname, "..")
const least = 0.8
const kernel: ReadonlyArray<string> = ["boot", "config", "simulation"]

/** What Node writes, as far as it is read here. See the Profiler domain of the inspector's protocol. */
interface Written {
  readonly result: ReadonlyArray<{
    readonly url: string
    readonly functions: ReadonlyArray<{ readonly ranges: ReadonlyArray<Range> }>
  }>
}

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { check: { type: "boolean" }, missing: { type: "boolean" } }
})
const missing = values.missing === true

const main = (): number => {
  const suites = positionals.length === 0 ? kernel : positionals
  const directory = mkdtempSync(join(tmpdir(), "novacron-coverage-"))
  try {
    const status = run(suites, directory)
    const executed = read(directory)
    const rows = suites.map((suite) => ({ suite, ...linesOf(suite, executed) }))
    const total = rows.reduce((sum, one) => ({ covered: sum.covered + one.covered, all: sum.all + one.all }), none)
    for (const row of [...rows, { suite: "total", ...total }]) console.log(say(row))
    if (status !== 0) return status
    return values.check === true && total.covered < least * total.all ? 1 : 0
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Lines {
  readonly covered: number
  readonly all: number
}

const none: Lines = { covered: 0, all: 0 }

const say = ({ all, covered, suite }: Lines & { readonly suite: string }): string =>
  `${suite.padEnd(12)} ${((100 * covered) / Math.max(1, all)).toFixed(1).padStart(5)} %  ${covered} of ${all} lines`

/** By themselves those of the kernel, where `SEEDS` is how many boots there are: elsewhere it multiplies what is tried. */
const run = (suites: ReadonlyArray<string>, directory: string): number => {
  const vitest = join(root, "node_modules/vitest/vitest.mjs")
  const [others, ofKernel] = [
    suites.filter((suite) => !kernel.includes(suite)),
    suites.filter((suite) => kernel.includes(suite))
  ]
  return Math.max(
    ...[others, ofKernel].map((some) => {
      if (some.length === 0) return 0
      const projects = some.flatMap((suite) => ["--project", suite])
      const args = ["run", "--config", "vitest.workspace.ts", "--experimental.viteModuleRunner=false", ...projects]
      const seeds = some === ofKernel ? { SEEDS: "100" } : {}
      const env = { ...seeds, ...process.env, NODE_V8_COVERAGE: directory }
      return spawnSync(process.execPath, [vitest, ...args], { cwd: root, env, stdio: "inherit" }).status ?? 1
    })
  )
}

/** By file, the places that were executed by somebody. */
const read = (directory: string): ReadonlyMap<string, Uint8Array> => {
  const executed = new Map<string, Uint8Array>()
  for (const name of readdirSync(directory)) {
    for (const { functions, url } of whole(readFileSync(join(directory, name), "utf8"))) {
      if (!/^file:.*\/packages\/\w+\/src\/.*\.ts$/.test(url)) continue
      const ranges = functions.flatMap((one) => one.ranges).toSorted(outermostFirst)
      const length = ranges[0]?.endOffset ?? 0
      const now = new Uint8Array(length)
      for (const { count, endOffset, startOffset } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      const before = executed.get(url)
      if (before !== undefined) for (const [i, one] of before.entries()) if (one === 1) now[i] = 1
      executed.set(url, now)
    }
  }
  return executed
}

/** A process that a test has killed while it wrote leaves a part of it; what that one executed does not count. */
const whole = (text: string): Written["result"] => {
  try {
    const written: Written = JSON.parse(text)
    return written.result
  } catch {
    return []
  }
}

const outermostFirst = (a: Range, b: Range): number => a.startOffset - b.startOffset || b.endOffset - a.endOffset

const linesOf = (suite: string, executed: ReadonlyMap<string, Uint8Array>): Lines =>
  globSync(`packages/${suite}/src/**/*.ts`, { cwd: root })
    .map((file) => inFile(join(root, file), executed.get(pathToFileURL(join(root, file)).href)))
    .reduce((sum, one) => ({ covered: sum.covered + one.covered, all: sum.all + one.all }), none)

const inFile = (file: string, executed: Uint8Array = new Uint8Array(0)): Lines => {
  const code = stripTypeScriptTypes(readFileSync(file, "utf8"))
  let [at, covered, all] = [0, 0, 0]
  for (const [number, line] of code.split("\n").entries()) {
    if (!/^\s*(?:$|\/\/|\/?\*)/.test(line)) {
      all++
      if (isExecuted(line, executed.subarray(at, at + line.length))) covered++
      else if (missing) console.log(`${file}:${number + 1}: ${line.trim()}`)
    }
    at += line.length + 1
  }
  return { covered, all }
}

/** Any of what is written there. */
const isExecuted = (line: string, executed: Uint8Array): boolean =>
  executed.some((one, i) => one === 1 && line.charAt(i).trim() !== "")

process.exitCode = main()
