/**
 * What it costs to see a node: `pnpm --silent bench observability --json`.
 *
 * **Details**
 *
 * A boot with a trace, a journal and metrics takes turns with one without any of it, each a process of its own with the
 * nine parts of the architecture review, ten times as fast, beside a collector that takes the spans. The wall time is that until
 * READY, from when the code is there; CPU is that of the whole process, from its start to its end, with a compile cache as
 * the program has it. `BENCH_QUICK=1` takes fewer samples. The figures of the dashboard are those of `dashboard/figures.ts`.
 * Values are medians.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import * as Boots from "../../../packages/novacron/src/trace/Boots.ts"
import { fileAt, boot as exampleBoot, journal } from "../../../packages/novacron/test/trace/fixtures/journals.ts"
import * as Receiver from "../../../packages/novacron/src/trace/Receiver.ts"
import { Effect, Result } from "effect"
import { load } from "../boot/Load.ts"
import type { Figure } from "../Figure.ts"
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

const child = join(import.meta.dirname, "../observability/child.ts")

interface Life {
  readonly readyMs: number
  readonly cpuMs: number
}

const life = async (how: "on" | "off", directory: string, collector: string): Promise<Life> => {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, "compiled"), CI: "" }
  const { stdout } = await promisify(execFile)(process.execPath, [child, how, directory, collector], { env })
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "")
}

const telemetry = (directory: string) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const { store, url } = yield* Receiver.serve({ port: 0 })
        return yield* Effect.promise(async () => {
          const [cpu, wall, cpuMs]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
          await life("on", directory, url) // until files are in the cache
          for (let pair = 0; pair < (quick ? 3 : 15); pair++) {
            const order = pair % 2 === 0 ? (["off", "on"] as const) : (["on", "off"] as const)
            const lives = { off: { readyMs: 0, cpuMs: 0 }, on: { readyMs: 0, cpuMs: 0 } }
            for (const how of order) lives[how] = await life(how, directory, url)
            cpu.push(lives.on.cpuMs / lives.off.cpuMs)
            cpuMs.push(lives.on.cpuMs - lives.off.cpuMs)
            wall.push(lives.on.readyMs / lives.off.readyMs)
          }
          if (store.spans === 0) throw new Error("no span has arrived: nothing was measured")
          return [
            figure("telemetry_cpu_ratio", "ratio", 1.15, "lower", cpu),
            figure("telemetry_wall_ratio", "ratio", 1.03, "lower", wall),
            figure("telemetry_cpu_ms", "ms", null, "lower", cpuMs)
          ]
        })
      })
    )
  )

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

/** Ten thousand journals listed and one of them opened. */
const journals = async (directory: string): Promise<ReadonlyArray<Figure>> => {
  const text = journal(exampleBoot())
  for (let k = 0; k < 10_000; k++) writeFileSync(join(directory, fileAt(1_790_000_000_000 + k)), text)
  const took: Array<number> = []
  for (let turn = 0; turn < 5; turn++) {
    const began = performance.now()
    const heads = Result.getOrThrow(Boots.list(directory))
    const opened = Boots.open(directory, heads[5_000]?.file ?? "")
    took.push(performance.now() - began)
    if (heads.length < 10_000 || Result.isFailure(opened)) throw new Error("they were not read")
  }
  return [figure("journals_list_ms", "ms", 200, "lower", took)]
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

const figure = (
  id: string,
  unit: string,
  bar: number | null,
  better: "lower" | "higher",
  samples: ReadonlyArray<number>
): Figure => {
  const value = samples.toSorted((a, b) => a - b)[samples.length >> 1]!
  return {
    id,
    unit,
    bar,
    better,
    samples,
    value,
    ok: bar === null ? null : better === "lower" ? value <= bar : value >= bar
  }
}
