/**
 * Many boots of the node as operators start it, one after the other: how long they take, how many come up, and what they
 * use. `BOOTS=` says how many; the default is 20, and a hundred is enough for a p99.
 *
 * **Details**
 *
 * Each is a process of its own, on a data directory that exists. The bars are those of the design: half a minute, 99.9 %,
 * 80 % of the processors, 10 GB (ours: 500 MB), 500 writes a second. Besides, three first boots on empty directories.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../../scripts/bundle.ts"
import * as Node from "../boot/Node.ts"
import type { Figure } from "../Figure.ts"

const boots = Number(process.env["BOOTS"] ?? 20)

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const program = await bundle()
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
    return {
      figures: [
        figure("success_share", "ratio", 0.999, "higher", all.length / boots, boots),
        figure("ready_p50_ms", "ms", 30_000, "lower", quantile(ready, 0.5), ready),
        figure("ready_p95_ms", "ms", 30_000, "lower", quantile(ready, 0.95), boots),
        figure("ready_p99_ms", "ms", 30_000, "lower", quantile(ready, 0.99), boots),
        figure("first_ready_ms", "ms", 30_000, "lower", quantile(first, 0.5), first),
        figure("cpu_share", "ratio", 0.8, "lower", quantile(shares, 0.5), shares),
        figure("peak_mb", "MB", 500, "lower", Math.max(...all.map(({ usage }) => usage.peakBytes)) / 1e6, boots),
        figure(
          "writes_per_s",
          "1/s",
          500,
          "lower",
          quantile(
            all.map(({ readyMs, usage }) => usage.writes / (readyMs / 1_000)),
            0.5
          ),
          boots
        ),
        figure(
          "written_kb",
          "kB",
          null,
          "lower",
          quantile(
            all.map(({ usage }) => usage.writtenBytes / 1e3),
            0.5
          ),
          boots
        ),
        // What a boot of one part after the other would take, over the longest chain of needs: the most there is to win.
        figure("speedup_bound", "ratio", null, "higher", quantile(speedups, 0.5), boots),
        ...names.flatMap((name) => [
          figure(`${name}_p50_ms`, "ms", null, "lower", quantile(runningMs(name), 0.5), boots),
          figure(`${name}_p95_ms`, "ms", null, "lower", quantile(runningMs(name), 0.95), boots)
        ])
      ]
    }
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
}

/** The smallest sample that this share of all samples do not exceed. */
const quantile = (samples: ReadonlyArray<number>, share: number): number =>
  samples.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(samples.length * share) - 1)] ?? Number.NaN

const figure = (
  id: string,
  unit: string,
  bar: number | null,
  better: "lower" | "higher",
  value: number,
  samples: number | ReadonlyArray<number>
): Figure => {
  const ok = bar === null ? null : better === "lower" ? value <= bar : value >= bar
  return { id, unit, bar, better, samples, value, ok }
}
