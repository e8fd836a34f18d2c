/**
 * What it costs to see a node: `pnpm --silent bench observability --json`.
 *
 * **Details**
 *
 * A boot with a trace, a journal and metrics takes turns with one without any of it, each a process of its own with the
 * nine parts of the architecture review, ten times as fast, beside a collector that takes the spans. The wall time is
 * that until READY, from when the code is there; CPU is that of the whole process, from its start to its end, with a
 * compile cache as the program has it. The same with a thousand components that take 1 to 100 ms each. `BENCH_QUICK=1`
 * takes fewer samples. The figures of the dashboard are those of `dashboard/figures.ts`. Values are medians.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { load } from "../boot/Load.ts"
import { type Figure, figure } from "../Figure.ts"
import * as Collector from "../observability/Collector.ts"
import { lost } from "../observability/spans.ts"

const quick = process.env["BENCH_QUICK"] === "1"

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const directory = mkdtempSync(join(tmpdir(), "novacron-bench-"))
  try {
    const figures: Array<Figure> = []
    for (const measure of [telemetry, scrapes, journals]) figures.push(...(await measure(directory)))
    figures.push(...(await spans()), ...(await dashboard()))
    return { figures }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

// ---------------------------------------------------------------------------------------------------------- telemetry

const novacron = join(import.meta.dirname, "../../../packages/novacron/src/main.ts")
const child = join(import.meta.dirname, "../observability/child.ts")

interface Life {
  readonly readyMs: number
  readonly cpuMs: number
}

const life = async (how: "on" | "off" | "on-1k" | "off-1k", directory: string, collector: string): Promise<Life> => {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled"), CI: "" }
  const { stdout } = await promisify(execFile)(process.execPath, [child, how, directory, collector], { env })
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "")
}

const telemetry = async (directory: string): Promise<ReadonlyArray<Figure>> => {
  const collector = await Collector.make()
  await collector.up()
  try {
    await life("on", directory, collector.url) // until its code is compiled, and files are in the cache
    const { cpu, cpuMs, wall } = await compared("", quick ? 3 : 15, directory, collector.url)
    const large = await compared("-1k", quick ? 2 : 7, directory, collector.url)
    if (collector.spans.size === 0) throw new Error("no span has arrived: nothing was measured")
    return [
      figure("telemetry_cpu_ratio", "ratio", 1.15, "lower", cpu),
      figure("telemetry_wall_ratio", "ratio", 1.03, "lower", wall),
      figure("telemetry_cpu_ms", "ms", null, "lower", cpuMs),
      figure("telemetry_1k_wall_ratio", "ratio", 1.2, "lower", large.wall),
      figure("telemetry_1k_cpu_ratio", "ratio", null, "lower", large.cpu),
      figure("telemetry_1k_cpu_us_per_component", "µs", null, "lower", large.cpuMs)
    ]
  } finally {
    await collector.down()
  }
}

/** With and without, in turn, of nine parts or of a thousand. */
const compared = async (size: "" | "-1k", pairs: number, directory: string, collector: string) => {
  const [cpu, wall, cpuMs]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? (["off", "on"] as const) : (["on", "off"] as const)
    const lives = { off: { readyMs: 0, cpuMs: 0 }, on: { readyMs: 0, cpuMs: 0 } }
    for (const how of order) lives[how] = await life(`${how}${size}`, directory, collector)
    cpu.push(lives.on.cpuMs / lives.off.cpuMs)
    cpuMs.push(lives.on.cpuMs - lives.off.cpuMs)
    wall.push(lives.on.readyMs / lives.off.readyMs)
  }
  return { cpu, wall, cpuMs }
}

/** From a node that is up, over connections that are kept. */
const scrapes = async (directory: string): Promise<ReadonlyArray<Figure>> => {
  const node = spawn(process.execPath, [child, "scrapes", directory, ""], { stdio: ["ignore", "pipe", "inherit"] })
  try {
    const said = await new Promise<string>((resolve, reject) => {
      node.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()))
      node.once("exit", (code) => reject(new Error(`it left with ${code}`)))
    })
    const { port }: { readonly port: number } = JSON.parse(said)
    const perSecond: Array<number> = []
    for (let turn = 0; turn < (quick ? 3 : 8); turn++) perSecond.push((await load(port, "/metrics", 1_000)).perSecond)
    return [figure("scrapes_per_s", "1/s", 2_000, "higher", perSecond.slice(1))]
  } finally {
    node.kill("SIGKILL")
  }
}

/** Ten thousand journals listed and one of them opened: what that takes longer than where there is only the one. */
const journals = async (directory: string): Promise<ReadonlyArray<Figure>> => {
  const { stdout } = await promisify(execFile)(process.execPath, [child, "on", directory, ""])
  if (!stdout.includes("readyMs")) throw new Error("there is no journal to copy")
  const [one = ""] = readdirSync(directory).filter((file) => file.endsWith(".journal"))
  const text = readFileSync(join(directory, one))
  const homes = [1, 10_000].map((count) => {
    const home = join(directory, `${count}`)
    mkdirSync(join(home, "journal"), { recursive: true })
    for (let k = 0; k < count; k++) {
      writeFileSync(join(home, "journal", `${1_790_000_000_000 + k}`.padStart(15, "0").concat(".journal")), text)
    }
    return { home, which: `last~${count >> 1}` }
  })
  const took = async ({ home, which }: { readonly home: string; readonly which: string }) => {
    const began = performance.now()
    await promisify(execFile)(process.execPath, [novacron, "trace", which, "--json", "--data-dir", home], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled") },
      maxBuffer: 1 << 26
    })
    return performance.now() - began
  }
  const samples: Array<number> = []
  for (let turn = 0; turn < (quick ? 3 : 7); turn++) samples.push(-(await took(homes[0]!)) + (await took(homes[1]!)))
  return [figure("journals_list_ms", "ms", 200, "lower", samples.slice(1))]
}

const spans = async (): Promise<ReadonlyArray<Figure>> => {
  const { lost: gone, spans: all } = await lost(quick ? 16 : 200)
  console.error(`… ${all} spans, ${gone} lost`)
  return [figure("spans_lost", "spans", 0, "lower", [gone])]
}

// ---------------------------------------------------------------------------------------------------------- dashboard

/** What `dashboard/figures.ts` exports. */
type Figures = (options: { readonly quick: boolean }) => Promise<ReadonlyArray<Figure>>

const dashboard = async (): Promise<ReadonlyArray<Figure>> => {
  const file = join(import.meta.dirname, "../dashboard/figures.ts")
  if (!existsSync(file)) return []
  try {
    const { figures }: { readonly figures: Figures } = await import(pathToFileURL(file).href)
    return await figures({ quick })
  } catch (error) {
    // The figures of the others are not lost with it.
    console.error(error)
    return [{ id: "dashboard_broke", value: 1, unit: "count", bar: 0, better: "lower", ok: false, samples: [1] }]
  }
}
