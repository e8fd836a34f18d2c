/**
 * `pnpm train bandwidth [--held-out] [--out FILE] [--networks N] [--updates N] [--hidden N]` trains the model of PBA on the
 * recorded traces beside the repository and writes `packages/dwcp/models/bandwidth.bin`.
 *
 * **Details**
 *
 * The same traces and options make the same file, however many processors there are: each network has its seed and a
 * thread of its own, and what a thread computes depends on nothing else. With `--held-out` a part of the traces is left
 * out, on which `pnpm bench control-plane` then measures; the file is that of the benchmark. Exit codes: 0 written,
 * 64 usage, 69 the traces are not there.
 */
import { writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { Pba } from "@novacron/dwcp"
import * as Traces from "../test/benchmarks/controlPlane/traces.ts"

const usage = "pnpm train bandwidth [--held-out] [--out FILE] [--networks N] [--updates N] [--hidden N]"
const root = join(import.meta.dirname, "..")

/** Errors of the best classical forecaster of each set, `[h1, h5, p10h1, p10h5]`: so each set counts alike. */
const classical: { readonly [set in Traces.Name]: ReadonlyArray<number> } = {
  hsdpa: [0.145, 0.29, 0.034, 0.062],
  fcc: [0.145, 0.175, 0.048, 0.051],
  "5g": [0.31, 0.59, 0.08, 0.1],
  puffer: [0.45, 0.55, 0.085, 0.093],
  abilene: [0.08, 0.125, 0.02, 0.028],
  geant: [0.085, 0.14, 0.024, 0.035],
  bitbrains: [0.305, 0.43, 0.045, 0.05]
}
/** How much points and quantiles count. */
const parts = [1, 1, 0.7, 0.5]

/** Few short series are of the kind of GEANT; those of Abilene in steps of 15 minutes are much like them. */
const borrowed = (name: Traces.Name, traces: ReadonlyArray<Traces.Trace>): ReadonlyArray<Traces.Trace> =>
  name === "geant" ? traces.filter(({ set }) => set === "abilene").map((trace) => coarser(trace, 3)) : []

/** Means of so many values each. */
const coarser = ({ v, ...trace }: Traces.Trace, times: number): Traces.Trace => ({
  ...trace,
  dt: trace.dt * times,
  v: Array.from({ length: Math.floor(v.length / times) }, (_, i) =>
    v.slice(i * times, (i + 1) * times).reduce((sum, value) => sum + value / times, 0)
  )
})

interface Task {
  readonly sets: ReadonlyArray<ReadonlyArray<Pba.Training.Example>>
  readonly options: Pba.Training.Options
}

const main = async (): Promise<number> => {
  const asked = parse(process.argv.slice(2))
  if (asked === undefined) return refuse(usage, 64)
  if (!Traces.present()) return refuse("The recorded traces are not beside the repository (../shared/data).", 69)
  const began = performance.now()
  const said = (text: string) =>
    console.error(`${((performance.now() - began) / 1e3).toFixed(0).padStart(4)} s  ${text}`)
  const traces = asked.heldOut ? Traces.split().seen : Traces.whole()
  const sets = Traces.names.map((name) =>
    [...traces.filter(({ set }) => set === name), ...borrowed(name, traces)].map(({ dt, v }) =>
      Pba.Training.example(
        v,
        dt,
        classical[name].map((error, i) => parts[i]! / error)
      )
    )
  )
  said(`${traces.length} series`)
  const waiting = Array.from({ length: asked.networks }, (_, i) => i)
  const networks: Array<Float64Array> = []
  const work = async (): Promise<void> => {
    for (let i = waiting.shift(); i !== undefined; i = waiting.shift()) {
      const options = { ...tuned, seed: i + 1, hidden: asked.hidden, updates: asked.updates }
      networks[i] = await trained({ sets, options }, (text) => said(`network ${i + 1}: ${text}`))
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
  const bytes = Pba.Model.encode(asked.hidden, networks)
  writeFileSync(asked.out, bytes)
  said(`${asked.out}: ${bytes.length} B`)
  return 0
}

/** The more there is of a set, the more lanes: small ones would be learned by heart. */
const lanes: { readonly [set in Traces.Name]: number } = {
  hsdpa: 1,
  fcc: 1,
  "5g": 2,
  puffer: 3,
  abilene: 3,
  geant: 1,
  bitbrains: 3
}
const tuned = { lanes: Traces.names.map((name) => lanes[name]), steps: 32, rate: 0.003, decay: 0.03 }

const parse = (args: ReadonlyArray<string>) => {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        "held-out": { type: "boolean", default: false },
        out: { type: "string" },
        networks: { type: "string", default: "4" },
        updates: { type: "string", default: "7000" },
        hidden: { type: "string", default: "40" }
      }
    })
    const [networks, updates, hidden] = [values.networks, values.updates, values.hidden].map(Number)
    const whole = [networks, updates, hidden].every((n) => Number.isInteger(n) && n! > 0)
    if (positionals.join() !== "bandwidth" || !whole) return undefined
    const heldOut = values["held-out"]
    const standard = heldOut ? "test/benchmarks/controlPlane/heldOut.bin" : "packages/dwcp/models/bandwidth.bin"
    return { heldOut, out: values.out ?? join(root, standard), networks: networks!, updates: updates!, hidden: hidden! }
  } catch {
    return undefined
  }
}

const refuse = (reason: string, code: number): number => {
  process.stderr.write(`${reason}\n`)
  return code
}

const trained = (task: Task, watch: (text: string) => void): Promise<Float64Array> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    worker.on("message", (said: string | Float64Array) => (typeof said === "string" ? watch(said) : resolve(said)))
    worker.on("error", reject)
  })

/** In a thread. */
const learn = ({ options, sets }: Task): void => {
  const parameters = Pba.Training.train(sets, options, (update, loss) => {
    if (update % 1_000 === 0) parentPort?.postMessage(`${update} of ${options.updates}, loss ${loss.toFixed(4)}`)
  })
  parentPort?.postMessage(parameters)
}

if (isMainThread) process.exitCode = await main()
else learn(workerData)
