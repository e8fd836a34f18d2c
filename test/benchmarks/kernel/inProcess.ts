/**
 * Figures that need no process of their own: how good the schedule is, how long a plan takes, and how many boots a CPU
 * second simulates. Each yields its samples.
 */
import { Boot, Manifest, Plan, Progress } from "@novacron/boot"
import { Graphs, Simulate, Simulation, StandIn, World } from "@novacron/simulation"
import { Effect, Exit, Result } from "effect"
import { chain, dag, type Graph, weighted } from "./graphs.ts"

/** Milliseconds of CPU, user and system. */
const cpuMs = (run: () => void): number => {
  const before = process.cpuUsage()
  run()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1000
}

const manifests = (graph: Graph): ReadonlyArray<Manifest.Manifest> =>
  graph.map(({ name, needs }) => Manifest.make({ name, needs: needs.map((need) => graph[need]!.name) }))

const planOf = (graph: Graph, durationsMs: { readonly [name: string]: number } = {}): Plan.Plan =>
  Result.getOrThrow(Plan.make(manifests(graph), { durationsMs }))

/**
 * The mean, over 1,000 random graphs of 20 components and two slots, of what the real driver takes in virtual time, over
 * the lower bound: the critical path, or half of all the work. Durations are known, as after an earlier boot.
 */
export const makespan = (): ReadonlyArray<number> => {
  let sum = 0
  for (let seed = 1; seed <= 1_000; seed++) {
    const graph = weighted(20, seed)
    const durationsMs = Object.fromEntries(graph.map(({ ms, name }) => [name, ms]))
    const components = StandIn.make(manifests(graph), { startMs: (name) => durationsMs[name]! })
    let readyMs = 0
    const boot = Boot.make(components, {
      concurrency: 2,
      durationsMs,
      checked: false,
      observe: (event) => {
        if (event._tag === "BootReady") readyMs = event.atMs
      }
    })
    const { exit } = Simulation.run(Effect.asVoid(Effect.scoped(boot)), { seed })
    if (Exit.isFailure(exit)) throw new Error(`the boot of graph ${seed} failed`)
    sum += readyMs / Plan.lowerBoundMs(planOf(graph, durationsMs), 2)
  }
  return [sum / 1_000]
}

/** A plan of 1,000 components with up to three needs each, warm. */
export const planCpuMs = (): ReadonlyArray<number> => {
  const declared = manifests(dag(1_000, 1))
  const plan = () => void Result.getOrThrow(Plan.make(declared))
  for (let k = 0; k < 30; k++) plan()
  // One plan is too short for the clock of the CPU: samples are means of five.
  return Array.from({ length: 11 }, () => cpuMs(() => Array.from({ length: 5 }, plan)) / 5)
}

/** What the plan of a chain takes over that of one a tenth as long, to 10,000 and to 100,000, warm and in turn. */
export const planGrowth = (): ReadonlyArray<ReadonlyArray<number>> => {
  const declared = [1_000, 10_000, 100_000].map((n) => manifests(chain(n)))
  const repeats = [100, 10, 1]
  const plan = (size: number): number =>
    cpuMs(() => {
      for (let k = 0; k < repeats[size]!; k++) Result.getOrThrow(Plan.make(declared[size]!))
    }) / repeats[size]!
  for (const size of [0, 1, 2]) plan(size)
  const samples = Array.from({ length: 7 }, () => [0, 1, 2].map(plan))
  return [1, 2].map((size) => samples.map((ms) => ms[size]! / ms[size - 1]!))
}

/** Boots and stops of the 19 components on the real driver, faults and oracles on. */
export const simulatedBootsPerCpuSecond = (): ReadonlyArray<number> => {
  const components = StandIn.make(Graphs.reference, { startMs: (name) => Graphs.referenceMs[name] ?? 10 })
  const campaign = (seedFrom: number, seeds: number) => {
    const { boots, violations } = Simulate.simulate(components, { seeds, seedFrom })
    if (violations.length > 0) throw new Error(`a simulated boot broke a promise: ${violations[0]!.message}`)
    return boots
  }
  campaign(0, 4_000) // until the compiler has done its work
  // So many that each sample has its share of the collections of garbage: of a thousand boots one has two and one has none.
  return perCpuSecond((sample) => campaign(10_000 * (sample + 1), 4_000))
}

/** The same for the decisions alone. */
export const progressBootsPerCpuSecond = (): ReadonlyArray<number> => {
  const plan = Result.getOrThrow(Plan.make(Graphs.reference))
  const world = World.make(plan, Progress.defaultLimits)
  const boots = (from: number, seeds: number) => {
    for (let seed = from; seed < from + seeds; seed++) {
      const { violation } = World.boot(world, seed)
      if (violation !== undefined) throw new Error(`seed ${seed} broke a promise: ${violation.message}`)
    }
    return seeds
  }
  // It gets faster for a second and a half: a campaign of a hundred thousand seeds is mostly what comes after that.
  boots(0, 80_000)
  return perCpuSecond((sample) => boots(100_000 * (sample + 1), 20_000))
}

const perCpuSecond = (boots: (sample: number) => number): ReadonlyArray<number> =>
  Array.from({ length: 7 }, (_, sample) => {
    let count = 0
    const ms = cpuMs(() => {
      count = boots(sample)
    })
    return (count / ms) * 1_000
  })
