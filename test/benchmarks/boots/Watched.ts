/**
 * A boot of the bundled node that is looked at every few milliseconds from outside, by /proc: CPU, memory, files, bytes on
 * the network; its heap is looked at from inside. And the first requests that a node answers, beside later ones.
 *
 * **Details**
 *
 * The node has a network of its own, a namespace with nothing but a loopback, where this machine allows that: then what
 * its interfaces have counted is what the boot has sent, the server of its database included. Each byte counts once.
 *
 * **Gotchas**
 *
 * Being watched costs the node a few per cent; how long boots take is measured by others.
 */
import { execFileSync, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { connect, type TLSSocket } from "node:tls"
import * as Node from "../boot/Node.ts"

/** What a process had used at a moment. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly cpuMs: number
  readonly rssBytes: number
  readonly fds: number
  readonly threads: number
  readonly netBytes: number
  readonly heapBytes: number
}

/** The report of a boot, as far as it says when something was. */
export interface Report extends Node.Report {
  readonly startedAt: string
  readonly phases: ReadonlyArray<{
    readonly phase: string
    readonly startedAtMs: number | null
    readonly endedAtMs: number | null
  }>
  readonly components: ReadonlyArray<{
    readonly name: string
    readonly runningMs: number
    readonly startedAtMs: number | null
    readonly settledAtMs: number | null
  }>
  readonly criticalPath: ReadonlyArray<string>
}

export interface Watched {
  /** By time; the last one is that of READY. */
  readonly samples: ReadonlyArray<Sample>
  readonly report: Report
  /** Whether the network was its own. */
  readonly isAlone: boolean
}

/** How often it is looked at, in milliseconds. */
const every = 5

/** Boots, looks, and stops again. */
export const boot = async (home: Node.Home): Promise<Watched> => {
  const report = join(home.dataDir, "bench-report.json")
  const heap = join(home.dataDir, "bench-heap.json")
  const isAlone = canBeAlone()
  const command = [process.execPath, "--import", inside, home.program, "boot", "--exit-when-ready", "--report", report]
  const alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
  const [file = "", ...args] = [...(isAlone ? alone : []), ...command]
  const env = { ...Node.environment(home), BENCH_HEAP: heap }
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "ignore"] })
  const looks: Array<Omit<Sample, "heapBytes">> = []
  let isReady = false
  const looking = (async () => {
    while (!isReady) {
      const look = lookAt(child.pid ?? 0)
      if (look !== undefined) looks.push(look)
      await sleep(every)
    }
  })()
  try {
    await Node.saidReady(child, performance.now())
    const last = lookAt(child.pid ?? 0)
    if (last !== undefined) looks.push(last)
  } finally {
    isReady = true
    await looking
  }
  await Node.ended(child)
  const heaps: ReadonlyArray<readonly [at: number, bytes: number]> = JSON.parse(readFileSync(heap, "utf8"))
  const samples = looks.map((look) => ({ ...look, heapBytes: heaps.findLast(([at]) => at <= look.at)?.[1] ?? 0 }))
  return { samples, report: JSON.parse(readFileSync(report, "utf8")), isAlone }
}

const inside = join(import.meta.dirname, "heap.ts")

let alone: boolean | undefined

/** Whether a process may have a network of its own: root may, and who may have user namespaces. */
const canBeAlone = (): boolean => {
  if (alone !== undefined) return alone
  try {
    execFileSync("unshare", ["--net", "ip", "link", "set", "lo", "up"], { stdio: "ignore" })
    return (alone = true)
  } catch {
    return (alone = false)
  }
}

/** See proc_pid_statm(5) and proc_pid_schedstat: nanoseconds on the processor, one file for each thread. */
const lookAt = (pid: number): Omit<Sample, "heapBytes"> | undefined => {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8")
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    const ns = tasks.reduce((sum, task) => sum + Number(read(`task/${task}/schedstat`).split(" ")[0]), 0)
    const sent = read("net/dev").matchAll(/^\s*[\w.-]+:(?:\s+\d+){8}\s+(\d+)/gm)
    return {
      at: performance.timeOrigin + performance.now(),
      cpuMs: ns / 1e6,
      rssBytes: Number(read("statm").split(" ")[1]) * 4_096,
      fds: readdirSync(`/proc/${pid}/fd`).length,
      threads: tasks.length,
      netBytes: [...sent].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
    }
  } catch {
    // A thread has gone while we looked, or it all has.
    return undefined
  }
}

/** A figure at a moment: between two samples it went in a straight line. */
export const valueAt = (samples: ReadonlyArray<Sample>, at: number, of: (sample: Sample) => number): number => {
  const after = samples.find((sample) => sample.at >= at)
  const before = samples.findLast((sample) => sample.at <= at)
  if (before === undefined || after === undefined) return of((before ?? after)!)
  if (before === after) return of(before)
  return of(before) + ((of(after) - of(before)) * (at - before.at)) / (after.at - before.at)
}

// ------------------------------------------------------------------------------------------------------ first requests

/** The first request to a node that is just ready, on a connection that is open, and the median of those after it. */
export const firstRequest = async (
  home: Node.Home,
  path: string
): Promise<{ readonly firstMs: number; readonly laterMs: number }> => {
  const node = await Node.start(home)
  try {
    const { ca, serverName, token, url } = JSON.parse(readFileSync(join(home.dataDir, "api/local.json"), "utf8"))
    const socket = connect({ host: new URL(url).hostname, port: Number(new URL(url).port), servername: serverName, ca })
    await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject))
    socket.setNoDelay(true)
    const ask = () =>
      request(socket, `GET ${path} HTTP/1.1\r\nhost: ${serverName}\r\nauthorization: Bearer ${token}\r\n\r\n`)
    const firstMs = await ask()
    const later: Array<number> = []
    for (let k = 0; k < asks; k++) later.push(await ask())
    socket.destroy()
    return { firstMs, laterMs: later.toSorted((a, b) => a - b)[asks >> 1]! }
  } finally {
    await node.stop()
  }
}

/** How many follow the first one: fewer than the API lets anybody ask at once. */
const asks = 60

/** Until the first bytes of an answer with 200. */
const request = (socket: TLSSocket, text: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    let answer = ""
    const hear = (chunk: Buffer) => {
      answer += chunk.toString()
      const [head = "", body] = answer.split("\r\n\r\n")
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? NaN)
      if (body === undefined || Buffer.byteLength(body) < length) return
      socket.off("data", hear)
      if (head.startsWith("HTTP/1.1 200 ")) resolve(performance.now() - began)
      else reject(new Error(head))
    }
    socket.on("data", hear)
    socket.write(text)
  })
