/** The bundled node as users start it, from outside: a child process, its stdout, its socket, its health port. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

/** Where a node lives: the bundle, and a data directory of its own. */
export interface Home {
  readonly program: string
  readonly dataDir: string
}

/** The variables of a node there: quiet ports, and no invariants. */
export const environment = ({ dataDir }: Home): NodeJS.ProcessEnv => {
  const { CI: _, ...rest } = process.env
  // The figures are those of a node as operators run it: the invariants are for CI.
  return { ...rest, NOVACRON_DATA_DIR: dataDir, ...Object.fromEntries(ports.map((name) => [`NOVACRON_${name}`, "0"])) }
}

/** Any that are free: others may run beside us. */
const ports = [
  "HEALTH_PORT",
  "NETWORK_BIND_PORT",
  "MONITORING_PORT",
  "DASHBOARD_PORT",
  "DWCP_BIND_PORT",
  "API_PORT",
  "API_GRPC_PORT"
]

/** What the figures need to know of a report. */
export interface Report {
  readonly criticalPathMs: number
  readonly sequentialMs: number
  readonly overheadMs: number
  readonly readyAtMs: number
  readonly components: ReadonlyArray<{ readonly name: string; readonly runningMs: number }>
}

/** What a process has used up to READY, by /proc; its children, the database server among them, are not in it. */
export interface Usage {
  readonly cpuMs: number
  readonly peakBytes: number
  readonly writtenBytes: number
  /** Calls that write, to disk, pipes and sockets. */
  readonly writes: number
}

/** From the start of a process until it says READY, in milliseconds, and its report; the node is stopped again. */
export const coldBoot = async (
  home: Home,
  more: NodeJS.ProcessEnv = {}
): Promise<{ readonly readyMs: number; readonly report: Report; readonly usage: Usage }> => {
  const file = join(home.dataDir, "bench-report.json")
  const args = [home.program, "boot", "--exit-when-ready", "--report", file]
  const began = performance.now()
  const env = { ...environment(home), ...more }
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "ignore"] })
  const readyMs = await saidReady(child, began)
  const usage = usageOf(child.pid ?? 0)
  await ended(child)
  return { readyMs, usage, report: JSON.parse(readFileSync(file, "utf8")) }
}

/** See proc_pid_stat(5), proc_pid_status(5) and proc_pid_io(5). */
const usageOf = (pid: number): Usage => {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8")
  const number = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0)
  const fields = read("stat").split(") ")[1]!.split(" ")
  const io = read("io")
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick,
    peakBytes: number(read("status"), "VmHWM") * 1_024,
    writtenBytes: number(io, "write_bytes"),
    writes: number(io, "syscw")
  }
}

/** What a process costs that does nothing, in milliseconds of wall time. */
export const bareProcess = async (): Promise<number> => {
  const began = performance.now()
  await promisify(execFile)(process.execPath, ["-e", "0"])
  return performance.now() - began
}

/** CPU of a process with these arguments, user and system, in milliseconds. Linux counts that of children in ticks. */
export const cpuOf = async (args: ReadonlyArray<string>): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", accounting, JSON.stringify(args)])
  return (Number(stdout) / runs) * msPerTick
}

const msPerTick = 10

/** How often a process is run for one figure: a tick is long. */
const runs = 5

/** Fields 16 and 17 of /proc/self/stat: what the children have cost that were waited for (proc(5)). */
const accounting = `
  const args = JSON.parse(process.argv[1])
  for (let k = 0; k < ${runs}; k++) require("node:child_process").spawnSync(process.execPath, args)
  const fields = require("node:fs").readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")
  console.log(Number(fields[13]) + Number(fields[14]))`

/** A node that runs until it is told to stop. */
export interface Running {
  readonly health: string
  readonly rssBytes: number
  readonly stop: () => Promise<void>
}

export const start = async (home: Home): Promise<Running> => {
  const child = spawn(process.execPath, [home.program, "boot"], {
    env: environment(home),
    stdio: ["ignore", "pipe", "ignore"]
  })
  await saidReady(child, performance.now())
  child.stdout.resume()
  const status = await promisify(execFile)(process.execPath, [home.program, "status", "--json"], {
    env: environment(home),
    maxBuffer: 1 << 24
  })
  const { health, rssBytes } = JSON.parse(status.stdout)
  return {
    health,
    rssBytes,
    stop: async () => {
      child.kill("SIGTERM")
      await ended(child)
    }
  }
}

export const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode === null ? new Promise((resolve) => child.once("exit", () => resolve())) : Promise.resolve()

/** Milliseconds from `began` until a node says READY. */
export const saidReady = (child: ChildProcess, began: number): Promise<number> =>
  new Promise((resolve, reject) => {
    let told = ""
    child.stdout!.on("data", (chunk: Buffer) => {
      if (told === "READY") return
      told += chunk.toString()
      if (!told.includes('"event":"BootReady"')) return
      told = "READY"
      resolve(performance.now() - began)
    })
    child.once("exit", (code) => reject(new Error(`the node left with ${code} before it was ready`)))
  })
