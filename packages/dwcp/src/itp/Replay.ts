/**
 * A trace placed on a fleet, and what came of it: hosts used beside the bound, what was refused and when first, how long a
 * decision took.
 *
 * **Details**
 *
 * Each row is decided when it arrives, from what has arrived and left before; its lifetime is known to the replay only,
 * and read when it ends. A request is known as a whole: how many of one size come with it at one moment. Where requests are
 * not recorded, what comes at one moment and in one size is one; with `oneByOne` nothing is known of who comes next.
 *
 * Who leaves at the moment another comes leaves first. Hosts and bound are means over time, from the first arrival to the
 * last; the bound is what ideal migration would need at each moment: the CPU or the memory in use, in whole hosts. All loads
 * are kept a second time here, and what a host holds beyond its size is a violation.
 */
// `!` after an index: positions come from loops over the same arrays.
import { Data, Result } from "effect"
import * as Fleet from "./Fleet.ts"
import type { Trace } from "./Trace.ts"

export interface Cluster {
  readonly hosts: number
  readonly cpu: number
  readonly memory: number
}

export interface Options {
  readonly cluster: Cluster
  /** Opens another host where there is none with room. */
  readonly unlimited: boolean
  /** Moves allowed over the whole trace, earned evenly with its arrivals. */
  readonly migrations: number
  /** Tells nobody how many come together, as where requests arrive one by one; `false` by default. */
  readonly oneByOne?: boolean
  /** Milliseconds, as fine as the machine has them: for the time of a decision. */
  readonly now: () => number
}

/** What the command prints; the names are its format. */
export interface Summary {
  readonly vms: number
  readonly placed: number
  readonly rejected: number
  readonly rejected_cpu: number
  readonly mean_hosts: number
  readonly peak_hosts: number
  readonly bound: number
  /** `mean_hosts` ÷ `bound` − 1. */
  readonly above_bound: number
  /** The same with a mean over arrivals in place of time. */
  readonly above_bound_at_arrivals: number
  /** CPU in use ÷ CPU there is, when something was refused first; `null` when nothing was. */
  readonly utilisation_at_first_rejection: number | null
  readonly migrations: number
  readonly violations: number
  readonly p50_us: number
  readonly p99_us: number
}

export class BadCluster extends Data.TaggedError("BadCluster")<{ readonly given: string; readonly problem: string }> {
  override get message(): string {
    return `There is no cluster "${this.given}": ${this.problem}. Say HOSTSxCPUxMEMORY_GB, for example 500x64x256.`
  }
}

/** The most hosts a cluster may have: what they take is allocated at once. */
export const maxHosts = 1_000_000

/** Reads `500x64x256`: hosts, vCPU of each, GB of each. */
export const cluster = (given: string): Result.Result<Cluster, BadCluster> => {
  const fail = (problem: string) => Result.fail(new BadCluster({ given, problem }))
  const match = /^(\d+)x(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)$/i.exec(given.trim())
  if (match === null) return fail("it is not three numbers")
  const [hosts, cpu, memory] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (hosts > maxHosts) return fail(`it has more than ${maxHosts} hosts`)
  if (!(hosts > 0 && cpu > 0 && memory > 0)) return fail("a size of it is 0")
  if (!(cpu <= 1e9 && memory <= 1e9)) return fail("a size of it is above 10^9")
  return Result.succeed({ hosts, cpu, memory })
}

/** How many arrivals lie between two looks for a host to empty. */
const drainEvery = 16

export const replay = (trace: Trace, { cluster, unlimited, migrations, oneByOne = false, now }: Options): Summary => {
  const { n, arrive, cpu, memory, lifetime, request } = trace
  const fleet = Fleet.make({
    hosts: unlimited ? 0 : cluster.hosts,
    cpu: cluster.cpu,
    memory: cluster.memory,
    unlimited
  })
  const leave = Float64Array.from(arrive, (time, i) => time + lifetime[i]!)
  const leaving = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => leave[a]! - leave[b]! || a - b)
  const together = oneByOne ? undefined : stillToCome(trace)
  const resident = new Int32Array(n).fill(-1)
  const usedCpu: Array<number> = []
  const usedMemory: Array<number> = []
  const took = new Float64Array(n)
  let next = 0
  let last = n === 0 ? 0 : arrive[0]!
  let inCpu = 0
  let inMemory = 0
  let hostSeconds = 0
  let boundSeconds = 0
  let hostArrivals = 0
  let boundArrivals = 0
  let peak = 0
  let rejected = 0
  let rejectedCpu = 0
  let firstRejection: number | null = null
  let moved = 0
  let violations = 0

  const bound = () => Math.max(Math.ceil(inCpu / cluster.cpu - 1e-9), Math.ceil(inMemory / cluster.memory - 1e-9))
  const pass = (time: number): void => {
    if (time <= last) return
    hostSeconds += fleet.open() * (time - last)
    boundSeconds += bound() * (time - last)
    last = time
  }
  /** Keeps the second ledger, and checks the first one against it. */
  const enter = (h: number, i: number, sign: 1 | -1): void => {
    const thenCpu = (usedCpu[h] ?? 0) + sign * cpu[i]!
    const thenMemory = (usedMemory[h] ?? 0) + sign * memory[i]!
    if (thenCpu > cluster.cpu * (1 + 1e-9) || thenMemory > cluster.memory * (1 + 1e-9)) violations++
    usedCpu[h] = thenCpu
    usedMemory[h] = thenMemory
  }
  const rowOf: Array<number> = []
  const drain = (time: number, arrivals: number): void => {
    const earned = Math.floor((migrations * arrivals) / n) - moved
    if (earned <= 0) return
    for (const { resident: r, from, to } of fleet.drain(earned, time)) {
      moved++
      enter(from, rowOf[r]!, -1)
      enter(to, rowOf[r]!, 1)
    }
  }

  for (let i = 0; i < n; i++) {
    const time = arrive[i]!
    while (next < n && leave[leaving[next]!]! <= time) {
      const j = leaving[next++]!
      // One that stays for no time at all leaves with the next arrival.
      if (j >= i) {
        next--
        break
      }
      const r = resident[j]!
      if (r < 0) continue
      pass(leave[j]!)
      enter(fleet.hostOf(r), j, -1)
      fleet.depart(r, leave[j]!)
      inCpu -= cpu[j]!
      inMemory -= memory[j]!
    }
    pass(time)
    const started = now()
    const r = fleet.place(cpu[i]!, memory[i]!, time, request[i], together?.[i])
    took[i] = now() - started
    resident[i] = r
    if (r < 0) {
      rejected++
      rejectedCpu += cpu[i]!
      firstRejection ??= inCpu / (fleet.hosts() * cluster.cpu)
    } else {
      inCpu += cpu[i]!
      inMemory += memory[i]!
      enter(fleet.hostOf(r), i, 1)
      rowOf[r] = i
    }
    if (migrations > 0 && i % drainEvery === 0) drain(time, i)
    peak = Math.max(peak, fleet.open())
    hostArrivals += fleet.open()
    boundArrivals += bound()
  }
  took.sort()
  const seconds = n === 0 ? 0 : arrive[n - 1]! - arrive[0]!
  const percentile = (q: number) => (n === 0 ? 0 : took[Math.min(n - 1, Math.floor(q * n))]! * 1e3)
  const above = (used: number, least: number) => (least === 0 ? 0 : used / least - 1)
  return {
    vms: n,
    placed: n - rejected,
    rejected,
    rejected_cpu: rejectedCpu,
    mean_hosts: seconds === 0 ? fleet.open() : hostSeconds / seconds,
    peak_hosts: peak,
    bound: seconds === 0 ? bound() : boundSeconds / seconds,
    above_bound: above(hostSeconds, boundSeconds),
    above_bound_at_arrivals: above(hostArrivals, boundArrivals),
    utilisation_at_first_rejection: firstRejection,
    migrations: moved,
    violations,
    p50_us: percentile(0.5),
    p99_us: percentile(0.99)
  }
}

/** Of each row: how many of its size come from here on, itself included, with the same request at the same moment. */
const stillToCome = ({ n, arrive, cpu, memory, request }: Trace): Int32Array => {
  const found = new Int32Array(n)
  const ofSize = new Map<string, number>()
  for (let i = n - 1; i >= 0; i--) {
    if (arrive[i] !== arrive[i + 1] || request[i] !== request[i + 1]) ofSize.clear()
    const size = `${cpu[i]} ${memory[i]}`
    found[i] = (ofSize.get(size) ?? 0) + 1
    ofSize.set(size, found[i]!)
  }
  return found
}
