/**
 * One side of a comparison, in a process of its own: `node child.ts RUNNER GRAPH N` boots and stops the graph several
 * times and prints what it cost, as JSON: the first boot, and the median of those after it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  chain,
  dag,
  endpoints,
  type Graph,
  infrastructure,
  nine,
  reference,
  services,
  weighted,
  wide
} from "./graphs.ts"
import * as Runners from "./runners.ts"

const [runner = "", shape = "", n = "0"] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), "novacron-bench-"))

const graphs: { readonly [shape: string]: () => Graph } = {
  dag: () => dag(Number(n), 1),
  chain: () => chain(Number(n)),
  reference: () => reference,
  nine: () => nine,
  infrastructure: () => infrastructure,
  services: () => services,
  endpoints: () => endpoints,
  wide: () => wide,
  weighted: () => weighted(Number(n), 1)
}
const runners: { readonly [runner: string]: () => Promise<Runners.Runner> } = {
  kernel: () => Runners.kernel(directory),
  bare: () => Runners.kernel(directory, "nothing"),
  layers: Runners.layers,
  avvio: Runners.avvio,
  nest: Runners.nest
}

const graph = graphs[shape]!()
const boot = await runners[runner]!()

/** CPU time needs repetition until the compiler has done its work; where the graph sleeps, a few boots are enough. */
const repeated = graph.length > 50_000 ? 4 : graph.length > 5_000 ? 14 : 28
const times = { dag: repeated, chain: repeated, nine: 4, weighted: 6 }[shape] ?? 10

const samples: Array<{ readonly cpuMs: number; readonly readyMs: number }> = []
for (let k = 0; k < times; k++) {
  const before = process.cpuUsage()
  const { readyMs } = await boot(graph)
  const { system, user } = process.cpuUsage(before)
  samples.push({ cpuMs: (user + system) / 1000, readyMs })
}
rmSync(directory, { recursive: true })

const [cold] = samples
const warm = samples.slice(samples.length >> 2)
const median = (of: (sample: (typeof samples)[number]) => number): number =>
  warm.map(of).toSorted((a, b) => a - b)[warm.length >> 1]!

const result = {
  cpuMs: median((s) => s.cpuMs),
  coldCpuMs: cold!.cpuMs,
  readyMs: median((s) => s.readyMs),
  peakMb: process.resourceUsage().maxRSS / 1024
}
process.stdout.write(JSON.stringify(result), () => process.exit(0))
