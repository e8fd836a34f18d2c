/**
 * One measurement in a process of its own: `node child.ts RUNNER GRAPH N SEED [warm]` boots the graph once (twice when
 * warm, and counts the second) and prints what it cost, as JSON.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chain, dag, type Graph, nine, reference } from "./graphs.ts"
import * as Runners from "./runners.ts"

const [runner = "", shape = "", n = "0", seed = "1", ...rest] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), "novacron-bench-"))

const graphs: { readonly [shape: string]: () => Graph } = {
  dag: () => dag(Number(n), Number(seed)),
  chain: () => chain(Number(n)),
  reference: () => reference,
  nine: () => nine
}
const graph = graphs[shape]!()
const run = runner === "kernel"
  ? await Runners.kernel(directory)
  : await Runners[runner as "layers" | "avvio" | "nest"]()

if (rest.includes("warm")) await run(graph)
const before = process.cpuUsage()
const { readyMs, totalMs } = await run(graph)
const { system, user } = process.cpuUsage(before)
rmSync(directory, { recursive: true })
process.stdout.write(JSON.stringify({ cpuMs: (user + system) / 1000, readyMs, totalMs }))
process.exit(0)
