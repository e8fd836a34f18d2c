/**
 * The real program for tests: the bundle that is published, as a process of its own in a directory of its own, and what
 * it leaves behind when it is gone.
 */
import { type ChildProcess, spawn } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../scripts/bundle.ts"

const root = join(import.meta.dirname, "../..")

/** Where runs of tests keep their programs: out of what is published, and where the same packages are found. */
const kept = join(root, "packages/novacron/node_modules/.novacron-e2e")

/** When the newest source was changed: who watches sources has runs that outlive them. */
const newest = (): number => {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "src"))
  const sources = folders.flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))) : []
  )
  return sources.reduce((latest, path) => Math.max(latest, statSync(path).mtimeMs), 0)
}

/** One for all processes of a run, which are children of one process. */
const outdir = join(kept, `${process.ppid}-${Math.round(newest())}`)
let made: Promise<string> | undefined

/** The bundled program, made once for each run of tests. What runs that are over have left is removed. */
const program = (): Promise<string> => (made ??= make())

const make = async (): Promise<string> => {
  const left = existsSync(kept) ? readdirSync(kept).filter((name) => !existsSync(`/proc/${name.split("-")[0]}`)) : []
  for (const name of left) rmSync(join(kept, name), { recursive: true, force: true })
  mkdirSync(outdir, { recursive: true })
  const [making, done] = [join(outdir, "making"), join(outdir, "done")]
  try {
    writeFileSync(making, `${process.pid}`, { flag: "wx" })
  } catch {
    // Somebody else of this run makes it, or has.
    await eventually(() => existsSync(done) || !isAlive(making), "the program is made")
    if (existsSync(done)) return readFileSync(done, "utf8")
    throw new Error(`Whoever made the program in ${outdir} is gone without having done it. Run the tests again.`)
  }
  const path = await bundle(outdir)
  writeFileSync(`${done}.half`, path)
  renameSync(`${done}.half`, done)
  return path
}

/** Whether the process whose id is in a file is there; one that is just being written is. */
const isAlive = (file: string): boolean => {
  const pid = readFileSync(file, "utf8")
  return pid === "" || existsSync(`/proc/${pid}`)
}

/** A line of JSON that a boot writes. */
export interface Line {
  readonly event: string
  readonly component?: string
  readonly [fact: string]: unknown
}

/** Variables of a process; `undefined` takes one of ours away. */
export interface Environment {
  readonly [name: string]: string | undefined
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the program. */
export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The events so far. */
  readonly lines: () => ReadonlyArray<Line>
  /** Completes when the output has such a line; fails when the process ends without it. */
  readonly until: (isIt: (line: Line) => boolean) => Promise<Line>
  readonly ended: Promise<Ended>
}

/** A place for one node: its data directory, its files, and the processes that were started in it. */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), "novacron-e2e-"))
  /** A command that runs the program instead of this process: `ip netns exec NAME`. It must become the program. */
  within: ReadonlyArray<string> = []
  private readonly running: Array<Running> = []

  get dataDir(): string {
    return join(this.directory, "data")
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Starts a command and does not wait. Ports are any that are free, unless `env` says otherwise. */
  async start(args: ReadonlyArray<string>, env: Environment = {}): Promise<Running> {
    const [command = "", ...rest] = [...this.within, join(root, "node_modules/node/bin/node"), await program(), ...args]
    const child = spawn(command, rest, {
      cwd: this.directory,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.directory,
        XDG_CACHE_HOME: join(outdir, "cache"),
        CI: process.env["CI"] ?? "",
        NOVACRON_SYSTEM_DATA_DIR: this.dataDir,
        NOVACRON_HEALTH_PORT: "0",
        NOVACRON_NETWORK_BIND_PORT: "0",
        NOVACRON_MONITORING_PORT: "0",
        NOVACRON_DASHBOARD_PORT: "0",
        NOVACRON_DWCP_BIND_PORT: "0",
        NOVACRON_API_PORT: "0",
        NOVACRON_API_GRPC_PORT: "0",
        ...env
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const running = watch(child)
    this.running.push(running)
    return running
  }

  /** Runs a command to its end. */
  async run(args: ReadonlyArray<string>, env?: Environment): Promise<Ended> {
    return (await this.start(args, env)).ended
  }

  /** A node that is ready. */
  async ready(args: ReadonlyArray<string> = [], env?: Environment): Promise<Running> {
    const node = await this.start(["boot", ...args], env)
    await node.until(({ event }) => event === "BootReady")
    return node
  }

  /**
   * What is left of it: processes that work in its directory, sockets, locks, the lock of the database. Empty after
   * every orderly end, however the boot went.
   */
  leftovers(): ReadonlyArray<string> {
    return [
      ...processesIn(this.directory).map((pid) => `process ${pid}: ${commandOf(pid)}`),
      ...["control.sock", "novacron.lock", "postgresql/data/postmaster.pid"].flatMap((name) =>
        existsSync(join(this.dataDir, name)) ? [name] : []
      )
    ]
  }

  /** Kills what is still there, by its pid, and removes everything. */
  remove(): void {
    for (const { child } of this.running) child.kill("SIGKILL")
    for (const pid of processesIn(this.directory)) kill(pid)
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

const watch = (child: ChildProcess): Running => {
  let stdout = ""
  let stderr = ""
  const looking = new Set<() => void>()
  const look = () => looking.forEach((one) => one())
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
    look()
  })
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<Ended>((resume) =>
    child.once("close", (code, signal) => resume({ code, signal, stdout, stderr }))
  )
  const lines = () => linesOf(stdout)
  const until = (isIt: (line: Line) => boolean) =>
    new Promise<Line>((resume, reject) => {
      const one = () => {
        const found = lines().find(isIt)
        if (found === undefined) return
        looking.delete(one)
        resume(found)
      }
      looking.add(one)
      one()
      void ended.then(({ code }) => {
        one()
        reject(new Error(`ended with ${code} before that:\n${stderr.slice(-1_000)}`))
      })
    })
  return { child, stdout: () => stdout, stderr: () => stderr, lines, until, ended }
}

/** The whole lines of JSON in a text. */
export const linesOf = (text: string): ReadonlyArray<Line> =>
  text
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []))

/** The processes that work in a directory or below it, or were started with it on their command line. */
export const processesIn = (directory: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      if (pid === process.pid) return false
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(directory) || commandOf(pid).includes(directory)
      } catch {
        // It has gone while we looked.
        return false
      }
    })

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()
  } catch {
    // As above.
    return ""
  }
}

/** Ends a process, if it is still there. */
export const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It was faster.
  }
}

/** Whether somebody listens on a port of this machine. */
export const isOpen = (port: number): Promise<boolean> =>
  new Promise((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(true)
    })
    socket.once("error", () => resume(false))
  })

/** Asks until it is so; fails after half a minute. */
export const eventually = async (isSo: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await isSo()) return
    await new Promise((resume) => setTimeout(resume, 100))
  }
  throw new Error(`never: ${what}`)
}
