/**
 * What a boot uses, and when: over its phases and its components, from a few boots that are looked at; what the ways to make
 * it faster are worth; and how long the first requests take.
 *
 * **Details**
 *
 * CPU of a phase is per cent of one processor, so threads can make it more than a hundred. A phase begins with the end of the
 * one before it. Growth of memory while a component started is all of it, whoever started beside it: no component has taken
 * more than that, and those of an estimate of the architecture review (5.2, its lower end) are held against it.
 *
 * With `BOOTS_SERIES=FILE` the samples of the boots are written there, one boot a line.
 */
import { appendFileSync } from "node:fs"
import type { Home } from "../boot/Node.ts"
import * as Node from "../boot/Node.ts"
import { type Figure, figure } from "../Figure.ts"
import * as Watched from "./Watched.ts"

/** Megabytes, the lower end of the review's estimates. The cache is in the node's own memory here. */
const estimatesMb: { readonly [component: string]: number } = {
  logger: 50,
  database: 100,
  cache: 1_000,
  network: 100,
  dwcp: 200
}

/** Of so many boots: what they use while they boot. */
export const used = async (home: Home, boots: number): Promise<ReadonlyArray<Figure>> => {
  const all: Array<Watched.Watched> = []
  for (let k = 0; k < boots; k++) all.push(await Watched.boot(home))
  const series = process.env["BOOTS_SERIES"]
  if (series !== undefined) for (const { samples } of all) appendFileSync(series, `${JSON.stringify(samples)}\n`)
  const peak = (of: (sample: Watched.Sample) => number) => all.map(({ samples }) => Math.max(...samples.map(of)))
  const names = all[0]?.report.components.filter(({ name }) => !name.includes("/")).map(({ name }) => name) ?? []
  const alone = all.filter(({ isAlone }) => isAlone)
  return [
    figure(
      "samples_per_boot",
      "count",
      null,
      "higher",
      all.map(({ samples }) => samples.length)
    ),
    figure(
      "heap_peak_mb",
      "MB",
      null,
      "lower",
      peak(({ heapBytes }) => heapBytes / 1e6)
    ),
    figure(
      "fds_peak",
      "count",
      null,
      "lower",
      peak(({ fds }) => fds)
    ),
    figure(
      "threads_peak",
      "count",
      null,
      "lower",
      peak(({ threads }) => threads)
    ),
    ...["pre", "core", "service", "post"].map((phase) =>
      figure(
        `${phase}_cpu_percent`,
        "%",
        null,
        "lower",
        all.flatMap((one) => cpuPercent(one, phase))
      )
    ),
    {
      ...figure("network_mbit_per_s", "Mbit/s", 100, "lower", alone.map(mbits)),
      ...(alone.length === 0 ? { skipped: "this machine gives no process a network of its own" } : {})
    },
    figure(
      "total_mb_below_estimate",
      "MB",
      2_000,
      "lower",
      peak(({ rssBytes }) => rssBytes / 1e6)
    ),
    ...names.map((name) =>
      figure(
        `${name}_rss_at_most_mb`,
        "MB",
        estimatesMb[name] ?? null,
        "lower",
        all.map((one) => grownMb(one, name))
      )
    ),
    figure(
      "monitoring_on_critical_path",
      "ratio",
      0,
      "lower",
      all.map(({ report }) => (report.criticalPath.includes("monitoring") ? 1 : 0)),
      (samples) => samples.reduce((sum, one) => sum + one, 0) / Math.max(1, samples.length)
    )
  ]
}

/** Since 1970, from when the boot began. */
const moment = ({ report }: Watched.Watched, afterMs: number): number => Date.parse(report.startedAt) + afterMs

const cpuPercent = (boot: Watched.Watched, phase: string): ReadonlyArray<number> => {
  const at = boot.report.phases.findIndex((one) => one.phase === phase)
  const from = at === 0 ? 0 : (boot.report.phases[at - 1]?.endedAtMs ?? null)
  const to = boot.report.phases[at]?.endedAtMs ?? boot.report.readyAtMs
  if (from === null || to - from < 1) return []
  const cpu = (ms: number) => Watched.valueAt(boot.samples, moment(boot, ms), ({ cpuMs }) => cpuMs)
  return [(100 * (cpu(to) - cpu(from))) / (to - from)]
}

/** A network of its own has counted nothing before. */
const mbits = ({ samples }: Watched.Watched): number => {
  const [first, last] = [samples[0]!, samples.at(-1)!]
  return (last.netBytes * 8) / 1e6 / ((last.at - first.at) / 1_000)
}

const grownMb = (boot: Watched.Watched, name: string): number => {
  const found = boot.report.components.find((one) => one.name === name)
  const from = found?.startedAtMs ?? null
  if (found === undefined || from === null) return 0
  const rss = (ms: number) => Watched.valueAt(boot.samples, moment(boot, ms), ({ rssBytes }) => rssBytes / 1e6)
  return Math.max(0, rss(found.settledAtMs ?? boot.report.readyAtMs) - rss(from))
}

/** The slower way takes one part after the other, and compiles its code each time. Pairs, and who begins alternates. */
export const optimised = async (home: Home, pairs: number): Promise<ReadonlyArray<Figure>> => {
  const off = { NOVACRON_SYSTEM_MAX_CONCURRENCY: "1", NODE_DISABLE_COMPILE_CACHE: "1" }
  const ratios: Array<number> = []
  for (let pair = 0; pair < pairs; pair++) {
    const before = pair % 2 === 0 ? await Node.coldBoot(home, off) : undefined
    const on = await Node.coldBoot(home)
    ratios.push(on.readyMs / (before ?? (await Node.coldBoot(home, off))).readyMs)
  }
  return [figure("optimised_vs_not", "ratio", 0.9, "lower", ratios)]
}

/** Of nodes that have just become ready. The first of them teaches us to ask, and does not count. */
export const firstRequests = async (home: Home, nodes: number): Promise<ReadonlyArray<Figure>> => {
  const all: Array<Awaited<ReturnType<typeof Watched.firstRequest>>> = []
  for (let k = 0; k <= nodes; k++) all.push(await Watched.firstRequest(home, "/v1/tasks"))
  return [
    figure(
      "first_request_ms",
      "ms",
      null,
      "lower",
      all.slice(1).map(({ firstMs }) => firstMs)
    ),
    figure(
      "first_request_vs_later",
      "ratio",
      null,
      "lower",
      all.slice(1).map(({ firstMs, laterMs }) => firstMs / laterMs)
    )
  ]
}
