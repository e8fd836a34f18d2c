/**
 * Many boots of the node as operators start it, one after the other: how long they take, how many come up, and what they
 * use. `BOOTS=` says how many; the default is 20, and a hundred is enough for a p99.
 *
 * **Details**
 *
 * Each is a process of its own, on a data directory that exists. The bars are those of the design: half a minute, 99.9 %,
 * 80 % of the processors, 10 GB (ours: 500 MB), 500 blocks of 4 KiB a second to the disk; calls that write go to pipes and
 * sockets as well, and are counted without a bar. Besides, three first boots on empty directories; and a few boots, no more
 * than ten of each kind, of `boots/figures.ts`: what is used when and by whom, what is gained, how first requests fare.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../../scripts/bundle.ts"
import * as Node from "../boot/Node.ts"
import { firstRequests, optimised, used } from "../boots/figures.ts"
import { type Figure, figure } from "../Figure.ts"

const boots = Number(process.env["BOOTS"] ?? 20)

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  // Not where others bundle too: a boot takes its code while it is under way.
  const outdir = join(import.meta.dirname, "../../../packages/novacron/node_modules", `.novacron-boots-${process.pid}`)
  const program = await bundle(outdir)
  const folders = Array.from({ length: 3 }, () => mkdtempSync(join(tmpdir(), "novacron-bench-")))
  try {
    const first: Array<number> = []
    for (const dataDir of folders) first.push((await Node.coldBoot({ program, dataDir })).readyMs)
    const all: Array<Awaited<ReturnType<typeof Node.coldBoot>>> = []
    for (let boot = 0; boot < boots; boot++) {
      try {
        all.push(await Node.coldBoot({ program, dataDir: folders[0]! }))
      } catch (error) {
        console.error(error)
      }
    }
    const ready = all.map(({ readyMs }) => readyMs)
    const shares = all.map(({ readyMs, usage }) => usage.cpuMs / (readyMs * availableParallelism()))
    const names = all[0]?.report.components.map(({ name }) => name) ?? []
    const runningMs = (name: string) =>
      all.flatMap(({ report }) => report.components.flatMap((one) => (one.name === name ? [one.runningMs] : [])))
    const speedups = all.map(({ report }) => report.sequentialMs / report.criticalPathMs)
    const usages = all.map(({ usage }) => usage)
    const home = { program, dataDir: folders[0]! }
    const few = Math.max(1, Math.min(10, Math.round(boots / 4)))
    const more = [...(await used(home, few)), ...(await optimised(home, few)), ...(await firstRequests(home, few))]
    const p50 = (samples: ReadonlyArray<number>) => quantile(samples, 0.5)
    const p95 = (samples: ReadonlyArray<number>) => quantile(samples, 0.95)
    const p99 = (samples: ReadonlyArray<number>) => quantile(samples, 0.99)
    const perSecond = all.map(({ readyMs, usage }) => usage.writes / (readyMs / 1_000))
    const blocks = all.map(({ readyMs, usage }) => usage.writtenBytes / 4_096 / (readyMs / 1_000))
    const written = usages.map(({ writtenBytes }) => writtenBytes / 1e3)
    const peaks = usages.map(({ peakBytes }) => peakBytes / 1e6)
    return {
      figures: [
        figure("success_share", "ratio", 0.999, "higher", [all.length / boots]),
        figure("ready_p50_ms", "ms", 30_000, "lower", ready, p50),
        figure("ready_p95_ms", "ms", 30_000, "lower", ready, p95),
        figure("ready_p99_ms", "ms", 30_000, "lower", ready, p99),
        figure("first_ready_ms", "ms", 30_000, "lower", first, p50),
        figure("cpu_share", "ratio", 0.8, "lower", shares, p50),
        figure("peak_mb", "MB", 500, "lower", peaks, (all) => Math.max(...all)),
        figure("disk_blocks_per_s", "1/s", 500, "lower", blocks, p50),
        figure("write_calls_per_s", "1/s", null, "lower", perSecond, p50),
        figure("written_kb", "kB", null, "lower", written, p50),
        // What a boot of one part after the other would take, over the longest chain of needs: the most there is to win.
        figure("speedup_bound", "ratio", null, "higher", speedups, p50),
        ...more,
        ...names.flatMap((name) => [
          figure(`${name}_p50_ms`, "ms", null, "lower", runningMs(name), p50),
          figure(`${name}_p95_ms`, "ms", null, "lower", runningMs(name), p95)
        ])
      ]
    }
  } finally {
    for (const folder of [...folders, outdir]) rmSync(folder, { recursive: true, force: true })
  }
}

/** The smallest sample that this share of all samples do not exceed. */
const quantile = (samples: ReadonlyArray<number>, share: number): number | null =>
  samples.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(samples.length * share) - 1)] ?? null
