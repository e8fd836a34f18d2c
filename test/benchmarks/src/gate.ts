/**
 * What a commit must not lose, in a few seconds: `pnpm bench gate --check`. CI runs it as a test.
 *
 * **Details**
 *
 * Only figures that hold on a machine under load: counts in virtual time, and ratios of CPU time of work that is done in
 * turn by one process, of which the best turn counts. Their bars are wider than those of `pnpm bench kernel`, which is the
 * measurement; this one notices what has become twice as bad.
 */
import { Manifest, Plan } from "@novacron/boot"
import { Result } from "effect"
import { type Figure, figure } from "../Figure.ts"
import { chain, dag, type Graph } from "../kernel/graphs.ts"
import { makespan } from "../kernel/inProcess.ts"
import { kernel, layers } from "../kernel/runners.ts"

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => ({
  figures: [
    figure("makespan_vs_bound", "ratio", 1.03, "lower", makespan()),
    figure("plan_growth_dag", "ratio", 25, "lower", growth(dag(300, 1), dag(3_000, 1)), least),
    figure("plan_growth_chain", "ratio", 25, "lower", growth(chain(300), chain(3_000)), least),
    figure("cpu_vs_layers_1k", "ratio", 1.5, "lower", await besideLayers(), least)
  ]
})

/** The turn that was disturbed least. */
const least = (samples: ReadonlyArray<number>): number => Math.min(...samples)

/** What a plan of ten times as many costs, over the smaller one ten times. */
const growth = (small: Graph, large: Graph): ReadonlyArray<number> => {
  const [few, many] = [declared(small), declared(large)]
  const planned = (all: ReadonlyArray<Manifest.Manifest>) => void Result.getOrThrow(Plan.make(all))
  return Array.from({ length: 7 }, () => {
    const once = cpu(() => Array.from({ length: 10 }, () => planned(few))) / 10
    return cpu(() => planned(many)) / Math.max(once, 0.001)
  })
}

const declared = (graph: Graph): ReadonlyArray<Manifest.Manifest> =>
  graph.map(({ name, needs }) => Manifest.make({ name, needs: needs.map((need) => graph[need]!.name) }))

/** A boot and a stop of a thousand by the kernel that keeps nothing, over the same by plain layers. */
const besideLayers = async (): Promise<ReadonlyArray<number>> => {
  const graph = dag(1_000, 1)
  const [ours, theirs] = [await kernel("", "nothing"), await layers()]
  const samples: Array<number> = []
  for (let turn = 0; turn < 8; turn++) {
    const mine = await cpuOf(() => ours(graph))
    const plain = await cpuOf(() => theirs(graph))
    samples.push(mine / plain)
  }
  return samples.slice(2)
}

const cpu = (work: () => unknown): number => {
  const before = process.cpuUsage()
  work()
  return milliseconds(before)
}

const cpuOf = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  return milliseconds(before)
}

const milliseconds = (before: NodeJS.CpuUsage): number => {
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1_000
}
