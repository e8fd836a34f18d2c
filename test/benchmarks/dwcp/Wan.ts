/**
 * Links of a WAN on this machine, by the `wan-lab` that the variable `WAN_LAB` names; it needs root and a TUN device.
 * Each run has a lab of its own, which is gone when it ends.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"

const run = promisify(execFile)
const tool = process.env["WAN_LAB"] ?? ""
const program = join(import.meta.dirname, "../../../packages/dwcp/test/amst/fixtures/dwcp.ts")

/** Why there are no such links here, if there are none. */
export const missing = (): string | undefined => {
  if (tool === "" || !existsSync(tool)) return "WAN_LAB does not name a wan-lab"
  if (process.getuid?.() !== 0) return "wan-lab needs root"
  return existsSync("/dev/net/tun") ? undefined : "there is no TUN device"
}

export interface Link {
  readonly rttMillis: number
  readonly lossPercent: number
  readonly seed: number
  /** Mbit/s. Default: {@link rate}. */
  readonly mbit?: number
  /** What waits before the link, as wan-lab says it: `4bdp`, or a number of packets. Default: that of wan-lab, `1bdp`. */
  readonly queue?: string
}

/** Mbit/s of every link that does not say otherwise. */
export const rate = 100

export interface Lab {
  /** Runs a program of ours on one side. `onLine` hears its stderr. */
  readonly node: (
    host: "a" | "b",
    script: string,
    args: ReadonlyArray<string>,
    onLine?: (line: string) => void
  ) => Promise<string>
  /** Runs any program there, until it ends. */
  readonly program: (host: "a" | "b", file: string, args: ReadonlyArray<string>) => Promise<string>
  /** The same in the background; it ends with the lab. */
  readonly spawn: (host: "a" | "b", file: string, args: ReadonlyArray<string>) => Promise<unknown>
  readonly control: (command: string) => Promise<string>
  /** Of b, and of a. */
  readonly address: string
  readonly near: string
  readonly folder: string
  readonly file: (megabytes: number) => string
}

let labs = 0

/** A link while `use` runs, with `serve` of ours on its other side. */
export const within = async <A>(
  { lossPercent, mbit = rate, queue, rttMillis, seed }: Link,
  use: (lab: Lab) => Promise<A>
): Promise<A> => {
  const name = `bench${process.pid}x${labs++}`
  const net = `10.${80 + (process.pid % 100)}.${labs % 250}`
  const folder = mkdtempSync(join(tmpdir(), "novacron-wan-"))
  const inbox = join(folder, "inbox")
  mkdirSync(inbox)
  const loss = lossPercent === 0 ? [] : ["--loss", String(lossPercent)]
  const waiting = queue === undefined ? [] : ["--queue", queue]
  const options = [
    "--delay",
    String(rttMillis / 2),
    "--rate",
    String(mbit),
    ...loss,
    ...waiting,
    "--seed",
    String(seed)
  ]
  try {
    await run(tool, ["up", name, "--net", net, ...options])
    try {
      const address = `${net}.2`
      await run(tool, ["spawn", name, "b", process.execPath, program, "serve", address, "4700", inbox])
      await sleep(2_000)
      return await use({
        address,
        near: `${net}.1`,
        folder,
        program: async (host, file, args) => (await run(tool, ["exec", name, host, file, ...args])).stdout,
        spawn: (host, file, args) => run(tool, ["spawn", name, host, file, ...args]),
        node: (host, script, args, onLine) => node(name, host, [script, ...args], onLine),
        control: async (command) => (await run(tool, ["ctl", name, command])).stdout,
        file: (megabytes) => {
          const path = join(folder, `content-${megabytes}`)
          if (!existsSync(path)) writeFileSync(path, randomBytes(megabytes * 1e6))
          return path
        }
      })
    } finally {
      await run(tool, ["down", name])
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const node = (name: string, host: string, args: ReadonlyArray<string>, onLine?: (line: string) => void) =>
  new Promise<string>((resolve, reject) => {
    const env = onLine === undefined ? process.env : { ...process.env, TRACE: "1" }
    const child = spawn(tool, ["exec", name, host, process.execPath, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    child.stdout.on("data", (data) => (out += String(data)))
    createInterface({ input: child.stderr }).on("line", (line) => onLine?.(line))
    child.on("error", reject)
    child.on("close", (code) =>
      code === 0 ? resolve(out) : reject(new Error(`It ended with ${code}: ${args.join(" ")}`))
    )
  })

export interface Sent {
  readonly seconds: number
  readonly mbitPerSecond: number
  readonly streams: number
  readonly sha256: string
}

/** Sends a file of random bytes across, and says how long that took. */
export const send = async (
  lab: Lab,
  megabytes: number,
  congestion = "auto",
  onProgress?: (arrivedBytes: number, atMillis: number) => void,
  streams: number | "auto" = "auto"
): Promise<Sent> => {
  const args = ["send", lab.file(megabytes), lab.address, "4700", String(streams), congestion]
  const heard = (line: string) => {
    const progress: { arrivedBytes?: number } = line.startsWith("{") ? JSON.parse(line) : {}
    if (progress.arrivedBytes !== undefined) onProgress?.(progress.arrivedBytes, performance.now())
  }
  const out = await lab.node("a", program, args, onProgress === undefined ? undefined : heard)
  return JSON.parse(out) as Sent
}

/** What the simplest sender that anyone would write reaches on the same link, in Mbit/s: `baseline.mjs` of the lab. */
export const baseline = async (lab: Lab, megabytes: number, streams: number): Promise<number> => {
  const script = join(dirname(tool), "baseline.mjs")
  // It never ends by itself.
  await lab.spawn("b", process.execPath, [script, "server", "4800"])
  await sleep(700)
  const out = await lab.node("a", script, ["client", lab.address, "4800", String(megabytes), String(streams)])
  const { mbit }: { mbit: number } = JSON.parse(out)
  return mbit
}

/** What iperf3 moves in ten seconds over so many streams, in Mbit/s; undefined where it is not installed. */
export const iperf = async (lab: Lab, streams: number, congestion: string): Promise<number | undefined> => {
  if (!existsSync("/usr/bin/iperf3")) return undefined
  const server = lab.program("b", "iperf3", ["-s", "-1", "-p", "4900"]).catch(() => "ended with the lab")
  await sleep(700)
  const args = ["-c", lab.address, "-p", "4900", "-J", "-t", "10", "-P", String(streams)]
  const out = await lab.program("a", "iperf3", [...args, "-C", congestion])
  void server
  const { end }: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(out)
  return end.sum_received.bits_per_second / 1e6
}

/** What the kernel of the sender says of all streams together, by `ss`. */
export interface Look {
  readonly atMillis: number
  /** Mean of their smoothed round trips. */
  readonly rttMillis: number
  /** Of all that there were. */
  readonly ackedBytes: number
}

/** Looks at the streams to b ten times a second while `busy` is. */
export const looks = async (lab: Lab, busy: Promise<unknown>): Promise<ReadonlyArray<Look>> => {
  let over = false
  const end = busy.finally(() => {
    over = true
  })
  const found: Array<Look> = []
  const acked = new Map<string, number>()
  while (!over) {
    const said = await lab.program("a", "ss", ["-tinH", "state", "established", "dst", `${lab.address}:4700`])
    // Two lines a stream: its ends, and what is known of it.
    const streams = [...said.matchAll(/:(\d+)\s+\S+:4700\s*\n(.*)/gu)].flatMap(([, port = "", line = ""]) => {
      const rtt = /\brtt:([\d.]+)/u.exec(line)?.[1]
      const bytes = /\bbytes_acked:(\d+)/u.exec(line)?.[1]
      if (rtt === undefined || bytes === undefined) return []
      acked.set(port, Number(bytes))
      return [Number(rtt)]
    })
    if (streams.length > 0) {
      const rttMillis = streams.reduce((sum, each) => sum + each, 0) / streams.length
      const ackedBytes = [...acked.values()].reduce((sum, each) => sum + each, 0)
      found.push({ atMillis: performance.now(), rttMillis, ackedBytes })
    }
    await sleep(100)
  }
  await end
  return found
}
