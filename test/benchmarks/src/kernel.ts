/**
 * What the kernel costs, beside plain Effect layers, avvio and Nest.
 *
 * **Details**
 *
 * Every sample of a ratio is a pair of fresh processes, one after the other, each of which boots and stops the graph a few
 * times and counts its later, warmed-up boots by CPU time; which of the two goes first alternates. `value` is the median
 * of the pairs' ratios, so that a machine that grows slower under its neighbours slows both sides. The kernel keeps a
 * journal on disk, synced, and folds status and report; plain layers have nothing of the kind.
 */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { type Figure, figure } from "../Figure.ts"
import * as Graphs from "../kernel/graphs.ts"
import { makespan, planCpuMs, planGrowth } from "../kernel/inProcess.ts"
import { efficiency, levelsBesideDataflow } from "../kernel/schedules.ts"

const { criticalPathMs, nine, reference } = Graphs

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const figures: Array<Figure> = []
  const add = async (name: string, measured: Promise<ReadonlyArray<Figure>>) => {
    console.error(`… ${name}`)
    figures.push(...(await measured))
  }
  await add("CPU beside layers, 1,000", cpuBesideLayers("1k", 1_000, 7))
  await add("CPU beside layers, 10,000", cpuBesideLayers("10k", 10_000, 5))
  await add("growth", growth())
  await add("overhead beside layers", overheadBesideLayers())
  await add("nine components", besideCriticalPath())
  await add("levels of equal parts", inParallel())
  await add("random graphs of 10 to 10,000", beyondTheBound())
  await add("avvio and Nest", besideFrameworks())
  figures.push(figure("makespan_vs_bound", "ratio", 1.03, "lower", makespan()))
  figures.push(figure("levels_vs_dataflow", "ratio", 1.17, "higher", levelsBesideDataflow(1_000)))
  figures.push(
    ...planGrowth().map((samples, i) =>
      figure(`growth_plan_${i === 0 ? "10k" : "100k"}`, "ratio", 15, "lower", samples)
    )
  )
  figures.push(figure("plan_1k_ms", "ms", 10, "lower", planCpuMs()))
  figures.push(figure("sim_boots_per_cpu_s", "boots/s", 1_500, "higher", await simulated("driver")))
  figures.push(figure("progress_boots_per_cpu_s", "boots/s", 50_000, "higher", await simulated("progress")))
  return { figures }
}

// ------------------------------------------------------------------------------------------------------------ figures

/** Warm, because that is what the work costs; cold too, for the record, because a process boots once. */
const cpuBesideLayers = async (name: string, n: number, pairs: number): Promise<ReadonlyArray<Figure>> => {
  const measured = await inPairs(pairs, ["kernel", "dag", n], ["layers", "dag", n])
  const ratio = (of: (sample: Sample) => number) => measured.map(([kernel, layers]) => of(kernel) / of(layers))
  return [
    figure(
      `cpu_vs_layers_${name}`,
      "ratio",
      1,
      "lower",
      ratio(({ cpuMs }) => cpuMs)
    ),
    {
      ...figure(
        `cold_cpu_vs_layers_${name}`,
        "ratio",
        null,
        "lower",
        ratio(({ coldCpuMs }) => coldCpuMs)
      )
    },
    {
      ...figure(
        `cpu_per_component_${name}_us`,
        "µs",
        null,
        "lower",
        measured.map(([kernel]) => (kernel.cpuMs / n) * 1e3)
      )
    }
  ]
}

const growth = async (): Promise<ReadonlyArray<Figure>> => {
  const of = async (shape: "dag" | "chain") => {
    const measured = await inPairs(7, ["kernel", shape, 10_000], ["kernel", shape, 1_000])
    return figure(
      `growth_${shape}`,
      "ratio",
      12,
      "lower",
      measured.map(([large, small]) => large.cpuMs / small.cpuMs)
    )
  }
  // The first boot of a process is what anybody pays for; later ones share their memory with what the first has left.
  const last = await inPairs(1, ["kernel", "chain", 100_000], ["kernel", "chain", 10_000])
  const decade = (of: (sample: Sample) => number) => last.map(([large, small]) => of(large) / of(small))
  const cold = decade(({ coldCpuMs }) => coldCpuMs)
  const warm = decade(({ cpuMs }) => cpuMs)
  return [
    await of("dag"),
    await of("chain"),
    figure("cold_growth_chain_100k", "ratio", 15, "lower", cold),
    figure("growth_chain_100k", "ratio", 15, "lower", warm)
  ]
}

/** As the kernel comes, without a journal. What READY costs when its last checkpoint is on disk first is there to be read. */
const overheadBesideLayers = async (): Promise<ReadonlyArray<Figure>> => {
  const measured = await inPairs(41, ["bare", "reference", 0], ["layers", "reference", 0])
  const over = ({ readyMs }: Sample) => readyMs - criticalPathMs(reference)
  const kept: Array<number> = []
  for (let k = 0; k < 5; k++) kept.push(over(await child(["kernel", "reference", 0])))
  return [
    figure(
      "overhead_vs_layers",
      "ratio",
      1,
      "lower",
      measured.map(([kernel, layers]) => over(kernel) / over(layers))
    ),
    figure(
      "overhead_ms",
      "ms",
      null,
      "lower",
      measured.map(([kernel]) => over(kernel))
    ),
    figure("overhead_with_journal_ms", "ms", null, "lower", kept)
  ]
}

const besideCriticalPath = async (): Promise<ReadonlyArray<Figure>> => {
  const samples: Array<number> = []
  for (let k = 0; k < 3; k++) samples.push((await child(["kernel", "nine", 0])).readyMs / criticalPathMs(nine))
  return [figure("boot_vs_critical_path", "ratio", 1.02, "lower", samples)]
}

/** What parts that take as long win on a real clock, beside what their needs allow. */
const inParallel = async (): Promise<ReadonlyArray<Figure>> => {
  const infrastructure = await readyMsOf("infrastructure")
  const speedUp = async (name: string, graph: Graphs.Graph, bar: number) => {
    const samples = (await readyMsOf(name)).map((ms) => Graphs.workMs(graph) / ms)
    return figure(`speedup_${name}`, "ratio", bar, "higher", samples)
  }
  const bound = Graphs.workMs(Graphs.wide) / criticalPathMs(Graphs.wide)
  return [
    figure("parallel_level_infrastructure_ms", "ms", 400, "lower", infrastructure),
    await speedUp("services", Graphs.services, 1.8),
    await speedUp("endpoints", Graphs.endpoints, 1.8),
    await speedUp("wide", Graphs.wide, 2.8),
    figure("speedup_wide_bound", "ratio", null, "higher", [bound])
  ]
}

const readyMsOf = async (graph: string): Promise<ReadonlyArray<number>> => {
  const samples: Array<number> = []
  for (let k = 0; k < 3; k++) samples.push((await child(["kernel", graph, 0])).readyMs)
  return samples
}

/**
 * What a boot takes over the bound: in virtual time with sixteen slots, which is the schedule alone; and on a real clock
 * with slots for all, where what the kernel itself does for ten thousand parts on one thread is there to be read.
 */
const beyondTheBound = async (): Promise<ReadonlyArray<Figure>> => {
  const sizes = [10, 100, 1_000, 10_000] as const
  const scheduled = efficiency(sizes.map((size) => [size, Math.max(2, 2_000 / size)]))
  const figures = sizes.map((size, i) => figure(`schedule_vs_bound_${size}`, "ratio", 1.03, "lower", [scheduled[i]!]))
  for (const size of sizes) {
    const { cpuMs, peakMb, readyMs } = await child(["bare", "weighted", size])
    const achieved = readyMs / criticalPathMs(Graphs.weighted(size, 1))
    figures.push(figure(`boot_vs_bound_${size}`, "ratio", null, "lower", [achieved]))
    if (size === 100) figures.push(figure("cpu_per_component_100_us", "µs", null, "lower", [(cpuMs / size) * 1e3]))
    if (size === 10_000) figures.push(figure("peak_memory_10k_mb", "MB", 500, "lower", [peakMb]))
  }
  return figures
}

/** As they all come: none keeps a journal. */
const besideFrameworks = async (): Promise<ReadonlyArray<Figure>> => {
  const of = async (peer: "avvio" | "nest", bar: number) => {
    const measured = await inPairs(11, ["bare", "reference", 0], [peer, "reference", 0])
    return figure(
      `wall_vs_${peer}`,
      "ratio",
      bar,
      "lower",
      measured.map(([kernel, other]) => kernel.readyMs / other.readyMs)
    )
  }
  return [await of("avvio", 0.6), await of("nest", 1)]
}

// ----------------------------------------------------------------------------------------------------------- processes

type Task = readonly [runner: string, graph: string, n: number]

/** What a child prints. */
interface Sample {
  readonly cpuMs: number
  readonly coldCpuMs: number
  readonly readyMs: number
  readonly peakMb: number
}

/** A and B in turn, and who begins alternates. */
const inPairs = async (pairs: number, a: Task, b: Task): Promise<ReadonlyArray<readonly [Sample, Sample]>> => {
  const done: Array<readonly [Sample, Sample]> = []
  for (let k = 0; k < pairs; k++) {
    if (k % 2 === 0) {
      const first = await child(a)
      done.push([first, await child(b)])
    } else {
      const second = await child(b)
      done.push([await child(a), second])
    }
  }
  return done
}

const simulated = async (what: "driver" | "progress"): Promise<ReadonlyArray<number>> => {
  const script = join(import.meta.dirname, "../kernel/simulated.ts")
  const { stdout } = await promisify(execFile)(process.execPath, [script, what])
  return JSON.parse(stdout) as ReadonlyArray<number>
}

const child = async ([runner, graph, n]: Task): Promise<Sample> => {
  const script = join(import.meta.dirname, "../kernel/child.ts")
  const { stdout } = await promisify(execFile)(process.execPath, [script, runner, graph, String(n)])
  return JSON.parse(stdout) as Sample
}
