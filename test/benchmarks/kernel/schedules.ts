/**
 * How good the schedule of a boot is, told by the real driver in virtual time: beside the bound that no schedule beats,
 * and beside one that waits for whole levels. What the driver itself takes is not in these figures.
 */
import { Boot, Manifest, Plan } from "@novacron/boot"
import { Simulation, StandIn } from "@novacron/simulation"
import { Effect, Exit, Result } from "effect"
import { type Graph, weighted } from "./graphs.ts"

/** What is given to the boot besides the graph. */
interface Given {
  readonly slots: number
  /** Whether it knows what each component takes, as after an earlier boot. */
  readonly learned: boolean
}

/**
 * For each size the mean, over random graphs, of what a boot takes over its lower bound: the critical path, or all work
 * shared among sixteen slots. Durations are known.
 */
export const efficiency = (sizes: ReadonlyArray<readonly [size: number, graphs: number]>): ReadonlyArray<number> =>
  sizes.map(([size, graphs]) => {
    const ratios = seeds(graphs).map((seed) => {
      const graph = weighted(size, seed)
      return readyMs(graph, { slots: 16, learned: true }) / boundMs(graph, 16)
    })
    return ratios.reduce((sum, ratio) => sum + ratio, 0) / graphs
  })

/**
 * What a boot takes with barriers between levels, over what it takes without, for as many random graphs of 20 components:
 * a level begins when all of the one before is up. Slots for everybody, so that only the barriers differ.
 */
export const levelsBesideDataflow = (graphs: number): ReadonlyArray<number> =>
  seeds(graphs).map((seed) => {
    const graph = weighted(20, seed)
    const given = { slots: 100, learned: true }
    return readyMs(withBarriers(graph), given) / readyMs(graph, given)
  })

/** The same graph, with a part of no duration after each level, for which the whole next level waits. */
const withBarriers = (graph: Graph): Graph => {
  const level: Array<number> = []
  for (const { needs } of graph) level.push(1 + Math.max(-1, ...needs.map((need) => level[need]!)))
  const order = graph.map((_, i) => i).toSorted((a, b) => level[a]! - level[b]! || a - b)
  const out: Array<Graph[number]> = []
  let barrier: number | undefined
  for (let k = 0; k <= Math.max(...level); k++) {
    const first = out.length
    for (const i of order.filter((i) => level[i] === k)) {
      out.push({ ...graph[i]!, needs: barrier === undefined ? [] : [barrier] })
    }
    const needs = Array.from({ length: out.length - first }, (_, i) => first + i)
    barrier = out.push({ name: `level${k}`, ms: 0, needs }) - 1
  }
  return out
}

/** When the real driver has the graph up, in virtual milliseconds. */
const readyMs = (graph: Graph, { learned, slots }: Given): number => {
  const durationsMs = Object.fromEntries(graph.map(({ ms, name }) => [name, ms]))
  const components = StandIn.make(manifests(graph), { startMs: (name) => durationsMs[name]! })
  let atMs = NaN
  const boot = Boot.make(components, {
    concurrency: slots,
    ...(learned ? { durationsMs } : {}),
    checked: false,
    // Ten thousand components are not a node of which somebody waits.
    deadline: "1 hour",
    phases: { core: "1 hour" },
    observe: (event) => {
      if (event._tag === "BootReady") atMs = event.atMs
    }
  })
  const { exit } = Simulation.run(Effect.asVoid(Effect.scoped(boot)), { seed: 1 })
  if (Exit.isFailure(exit)) throw new Error(`a boot of ${graph.length} components failed`)
  return atMs
}

const boundMs = (graph: Graph, slots: number): number => {
  const durationsMs = Object.fromEntries(graph.map(({ ms, name }) => [name, ms]))
  return Plan.lowerBoundMs(Result.getOrThrow(Plan.make(manifests(graph), { durationsMs })), slots)
}

const manifests = (graph: Graph): ReadonlyArray<Manifest.Manifest> =>
  graph.map(({ name, needs }) => Manifest.make({ name, needs: needs.map((need) => graph[need]!.name) }))

const seeds = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => i + 1)
