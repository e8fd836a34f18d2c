/**
 * The node as operators start it: the bundled program, cold, on a data directory that exists and on an empty one.
 *
 * **Details**
 *
 * Every cold boot is one half of a pair with a bare `node -e 0`, and the health endpoint takes turns with a bare
 * `node:http` server that answers the same bytes to the same client. Values are medians.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../../scripts/bundle.ts"
import { answering, load } from "../boot/Load.ts"
import * as Node from "../boot/Node.ts"
import { type Figure, figure } from "../Figure.ts"

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const program = await bundle()
  const folders = Array.from({ length: 3 }, () => mkdtempSync(join(tmpdir(), "novacron-bench-")))
  try {
    const [firstMs, databaseS]: [Array<number>, Array<number>] = [[], []]
    for (const dataDir of folders) {
      const { readyMs, report } = await Node.coldBoot({ program, dataDir })
      firstMs.push(readyMs)
      databaseS.push(databaseSeconds(report))
    }
    const home = { program, dataDir: folders[0]! }
    return {
      figures: [
        figure(
          "first_boot_s",
          "s",
          6,
          "lower",
          firstMs.map((ms) => ms / 1_000)
        ),
        figure("postgres_first_s", "s", 3, "lower", databaseS),
        ...(await cold(home)),
        ...(await help(home)),
        ...(await whileItRuns(home))
      ]
    }
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
}

/** From nothing to a pool that is warm, over a schema that is checked: the server is the largest part of it. */
const databaseSeconds = ({ components }: Node.Report): number =>
  (components.find(({ name }) => name === "database")?.runningMs ?? NaN) / 1_000

const cold = async (home: Node.Home): Promise<ReadonlyArray<Figure>> => {
  const [ratios, overheads, readyMs]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
  const databaseS: Array<number> = []
  for (let pair = 0; pair < 11; pair++) {
    const before = pair % 2 === 0 ? await Node.bareProcess() : undefined
    const boot = await Node.coldBoot(home)
    const bare = before ?? (await Node.bareProcess())
    readyMs.push(boot.readyMs)
    ratios.push(boot.readyMs / (bare + boot.report.criticalPathMs))
    overheads.push(boot.report.overheadMs)
    databaseS.push(databaseSeconds(boot.report))
  }
  return [
    figure("cold_ready_ratio", "ratio", 1.25, "lower", ratios),
    figure("cold_ready_ms", "ms", null, "lower", readyMs),
    figure("kernel_overhead_ms", "ms", 2, "lower", overheads),
    figure("postgres_later_s", "s", 0.3, "lower", databaseS)
  ]
}

const help = async ({ program }: Node.Home): Promise<ReadonlyArray<Figure>> => {
  const above: Array<number> = []
  for (let pair = 0; pair < 11; pair++) {
    const bare = await Node.cpuOf(["-e", "0"])
    above.push((await Node.cpuOf([program, "--help"])) - bare)
  }
  return [figure("help_cpu_ms", "ms", 60, "lower", above)]
}

const whileItRuns = async (home: Node.Home): Promise<ReadonlyArray<Figure>> => {
  const node = await Node.start(home)
  try {
    const port = Number(new URL(node.health).port)
    const body = await (await fetch(`${node.health}/health`)).text()
    const bare = await answering(body)
    const [ratios, slowest]: [Array<number>, Array<number>] = [[], []]
    for (let turn = 0; turn < 6; turn++) {
      const ours = await load(port, "/health", 1_000)
      const theirs = await load(bare.port, "/health", 1_000)
      if (turn === 0) continue // until both are warm
      ratios.push(ours.perSecond / theirs.perSecond)
      slowest.push(ours.p99Ms)
    }
    bare.stop()
    return [
      figure("health_rps_ratio", "ratio", 0.4, "higher", ratios),
      figure("health_p99_ms", "ms", 5, "lower", slowest),
      figure("rss_mb", "MB", 200, "lower", [node.rssBytes / 1e6])
    ]
  } finally {
    await node.stop()
  }
}
