/**
 * What bandwidth forecasts are worth, on recorded series that were neither learned from nor tuned on.
 *
 * **Details**
 *
 * The model is that of `pnpm train bandwidth --held-out`, the same recipe as the one that is shipped, which has learned
 * from all series and cannot be judged by any of them. Judged is from the forecast at the 33rd value on: mean over the
 * series of a set of mean absolute error over mean, or pinball loss over mean, over that of the best classical
 * forecaster for that set; then the mean over the seven sets. `pba_SET_*` are the sets, for reading.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Pba } from "@novacron/dwcp"
import { Result } from "effect"
import { type Figure, figure } from "../Figure.ts"
import type { Group } from "../Groups.ts"
import { classical, from, horizons } from "./baselines.ts"
import * as Traces from "./traces.ts"

const main = join(import.meta.dirname, "../../../packages/novacron/src/main.ts")
const file = join(import.meta.dirname, "heldOut.bin")

export const figures: Group = async ({ quick }) => {
  const why = !Traces.present()
    ? "the recorded data is not beside the repository"
    : existsSync(file)
      ? undefined
      : "there is no model to judge: pnpm train bandwidth --held-out"
  if (why !== undefined)
    return bars.map(({ bar, id, unit }) => ({ ...figure(id, unit, bar, "lower", []), skipped: why }))
  const model = Result.getOrThrow(Pba.Model.read(file))
  const { held, seen } = Traces.split()
  const sets = Traces.names.map((name) => {
    console.error(`… pba ${name}`)
    const few = held.filter(({ set }) => set === name).filter((_, i) => !quick || i % 4 === 0)
    const best = classical(
      seen.filter(({ set }) => set === name),
      few
    )
    const ours = judged(few, model)
    const bests = [...best.points, ...best.lows]
    console.error(
      `  ${bests.map((b, i) => `${b.name} ${b.value.toFixed(4)}, ours ${ours.losses[i]!.toFixed(4)}`).join(" · ")}`
    )
    return {
      name,
      error: ours.losses[0]!,
      ratios: bests.map(({ value }, i) => ours.losses[i]! / value),
      below: ours.below
    }
  })
  const mean = (of: (set: (typeof sets)[number]) => number): number =>
    sets.reduce((sum, set) => sum + of(set), 0) / sets.length
  // One minus the mean error of h1, as a share of the mean.
  const accuracy = (id: string, bar: number, of: ReadonlyArray<Traces.Name>): Figure => {
    const errors = sets.filter(({ name }) => of.includes(name)).map(({ error }) => error)
    const value = 1 - errors.reduce((sum, error) => sum + error, 0) / errors.length
    return figure(id, "share", bar, "higher", [value])
  }
  const violation = mean(({ below }) => below[0]!)
  return [
    figure("pba_h1", "ratio", 0.95, "lower", [mean(({ ratios }) => ratios[0]!)]),
    figure("pba_h5", "ratio", 0.95, "lower", [mean(({ ratios }) => ratios[1]!)]),
    figure("pba_worst", "ratio", 1.02, "lower", [Math.max(...sets.flatMap(({ ratios }) => ratios.slice(0, 2)))]),
    figure("pba_p10", "ratio", 0.92, "lower", [mean(({ ratios }) => ratios[2]!)]),
    figure("pba_p10_h5", "ratio", null, "lower", [mean(({ ratios }) => ratios[3]!)]),
    // A bar with two sides: what lies below 8 % is as wrong as what lies above 12 %.
    { ...figure("pba_violation", "share", 0.12, "lower", [violation]), ok: violation >= 0.08 && violation <= 0.12 },
    figure("pba_violation_h5", "share", null, "lower", [mean(({ below }) => below[1]!)]),
    accuracy("pba_accuracy_datacenter", 0.85, ["abilene", "geant", "bitbrains"]),
    accuracy("pba_accuracy_internet", 0.7, ["hsdpa", "fcc", "5g", "puffer"]),
    ...sets.flatMap(({ below, name, ratios }) => [
      figure(`pba_${name}_h1`, "ratio", null, "lower", [ratios[0]!]),
      figure(`pba_${name}_h5`, "ratio", null, "lower", [ratios[1]!]),
      figure(`pba_${name}_p10`, "ratio", null, "lower", [ratios[2]!]),
      figure(`pba_${name}_violation`, "share", null, "lower", [below[0]!])
    ]),
    latency(held, model),
    command(held)
  ]
}

const bars = [
  { id: "pba_h1", unit: "ratio", bar: 0.95 },
  { id: "pba_h5", unit: "ratio", bar: 0.95 },
  { id: "pba_worst", unit: "ratio", bar: 1.02 },
  { id: "pba_p10", unit: "ratio", bar: 0.92 },
  { id: "pba_violation", unit: "share", bar: 0.12 },
  { id: "pba_us", unit: "µs", bar: 200 },
  { id: "pba_100k_s", unit: "s", bar: 60 }
]

/** Losses of h1, h5, p10h1, p10h5 over the mean, of the mean series; shares of values below p10h1 and p10h5. */
const judged = (traces: ReadonlyArray<Traces.Trace>, model: Pba.Model.Model) => {
  const sums = [0, 0, 0, 0]
  const counts = [0, 0, 0, 0]
  const below = [0, 0]
  const values = [0, 0]
  for (const { dt, v } of traces) {
    const series = Pba.Series.make(dt, model)
    const losses = [0, 0, 0, 0]
    const totals = [0, 0]
    for (const [i, value] of v.entries()) {
      const { h1, h5, p10h1, p10h5 } = series.push(value)
      if (i < from) continue
      for (const [k, steps] of horizons.entries()) {
        const truth = v[i + steps]
        if (truth === undefined) continue
        totals[k]! += truth
        losses[k]! += Math.abs(truth - [h1, h5][k]!)
        const error = truth - [p10h1, p10h5][k]!
        losses[2 + k]! += error >= 0 ? 0.1 * error : -0.9 * error
        values[k]!++
        if (error < 0) below[k]!++
      }
    }
    for (const [i, loss] of losses.entries()) {
      if (totals[i % 2]! === 0) continue
      sums[i]! += loss / totals[i % 2]!
      counts[i]!++
    }
  }
  return { losses: sums.map((sum, i) => sum / counts[i]!), below: below.map((n, k) => n / values[k]!) }
}

/** One value in, four forecasts out, in a process that has forecast before. */
const latency = (traces: ReadonlyArray<Traces.Trace>, model: Pba.Model.Model): Figure => {
  console.error("… pba_us")
  const values = traces
    .filter(({ set }) => set === "bitbrains")
    .flatMap(({ v }) => v)
    .slice(0, 30_000)
  const samples = [1, 2, 3].map(() => {
    const series = Pba.Series.make(300, model)
    const took = new Float64Array(values.length)
    for (const [i, value] of values.entries()) {
      const began = performance.now()
      series.push(value)
      took[i] = performance.now() - began
    }
    return took.sort()[took.length >> 1]! * 1e3
  })
  return figure("pba_us", "µs", 200, "lower", samples)
}

/** `novacron dwcp forecast` as anyone runs it, starting included. */
const command = (traces: ReadonlyArray<Traces.Trace>): Figure => {
  console.error("… pba_100k_s")
  const folder = mkdtempSync(join(tmpdir(), "bench-pba-"))
  try {
    const lines: Array<string> = []
    let points = 0
    for (const { dt, id, v } of traces.filter(({ set }) => set === "bitbrains")) {
      if (points < 100_000) lines.push(JSON.stringify({ id, dt, v }))
      points += Math.max(0, v.length - from)
    }
    const input = join(folder, "series.jsonl.gz")
    writeFileSync(input, gzipSync(lines.join("\n")))
    const began = performance.now()
    const { status, stdout } = spawnSync(process.execPath, [main, "dwcp", "forecast", input], {
      maxBuffer: 1 << 30,
      encoding: "utf8"
    })
    const seconds = (performance.now() - began) / 1e3
    const answers = stdout.split("\n").length - 1
    if (status !== 0 || answers < 100_000) throw new Error(`forecast gave ${answers} answers and left with ${status}`)
    return figure("pba_100k_s", "s", 60, "lower", [(seconds * 100_000) / answers])
  } finally {
    rmSync(folder, { recursive: true })
  }
}
