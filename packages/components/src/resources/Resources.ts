/**
 * Finds out what the machine has, all at the same time, and compares it with what the settings demand: the minimum that a
 * node must have, and what this node plans to use.
 */
import { Context, Data, Effect, Option } from "effect"
import { fastestLink } from "../environment/Detection.ts"
import { Host } from "../environment/Host.ts"
import * as Capacity from "./Capacity.ts"
import * as Cgroup from "./Cgroup.ts"
import type { Settings } from "./Settings.ts"
import * as Tier from "./Tier.ts"

/** What this machine has for the node, and what the node makes of it. */
export class Resources extends Context.Service<Resources, Assessment>()("novacron/resources") {}

/** A machine with what it has left. */
export interface Measured extends Tier.Machine {
  readonly memoryAvailableBytes?: number | undefined
  readonly diskAvailableBytes?: number | undefined
  /** Files and sockets that this process may have open. */
  readonly descriptors?: number | undefined
}

/** One demand and what there is. `has` is missing when it is unknown. */
export interface Finding {
  readonly what: "cpu" | "memory" | "disk" | "bandwidth"
  readonly wanted: number
  readonly has: number | undefined
  /** `scarce`: more than the minimum, and less than is wanted where this node runs. */
  readonly verdict: "enough" | "scarce" | "too little" | "unknown"
}

export interface Assessment {
  readonly machine: Measured
  readonly tier: Tier.Tier
  readonly findings: ReadonlyArray<Finding>
  readonly demand: Capacity.Demand
  readonly shortfalls: ReadonlyArray<Capacity.Shortfall>
}

/** The machine is smaller than the settings demand. */
export class ResourcesInsufficient extends Data.TaggedError("ResourcesInsufficient")<{
  readonly findings: ReadonlyArray<Finding>
}> {
  readonly code = "NVC-1121"
  override get message() {
    const all = this.findings.map(describeFinding).join("; ")
    return `This machine is too small: ${all}. Use a larger one, lower resources.min_*, or set resources.policy to warn.`
  }
}

/** The settings plan more than the machine has. */
export class CapacityExceeded extends Data.TaggedError("CapacityExceeded")<{
  readonly shortfalls: ReadonlyArray<Capacity.Shortfall>
}> {
  readonly code = "NVC-1122"
  readonly exitCode = 78
  override get message() {
    const all = this.shortfalls.map(describeShortfall).join("; ")
    return `The settings plan more than this machine has: ${all}. Lower limits and pools, or raise what there is.`
  }
}

// ---------------------------------------------------------------------------------------------------------- measuring

/** What this machine has, for a node with this data directory. Everything is read at the same time. */
export const measure = Effect.fn("Resources.measure")(function* (
  dataDirectory: string
): Effect.fn.Return<Measured, never, Host> {
  const host = yield* Host
  const { cgroup, cores, limits, link, memory, meminfo, space } = yield* Effect.all(
    {
      cores: host.cores,
      memory: host.memory,
      meminfo: host.read("/proc/meminfo"),
      limits: host.read("/proc/self/limits"),
      cgroup: Cgroup.limits,
      space: host.space(dataDirectory),
      link: fastestLink
    },
    { concurrency: "unbounded" }
  )
  const free = Option.flatMap(meminfo, availableIn)
  const granted = cgroup.memoryBytes === undefined ? Infinity : cgroup.memoryBytes - (cgroup.memoryUsedBytes ?? 0)
  return {
    cores: Math.min(cores, cgroup.cores ?? Infinity),
    memoryBytes: Math.min(memory, cgroup.memoryBytes ?? Infinity),
    memoryAvailableBytes: Option.match(free, {
      onNone: () => (granted === Infinity ? undefined : granted),
      onSome: (bytes) => Math.min(bytes, granted)
    }),
    diskBytes: Option.getOrUndefined(space)?.totalBytes,
    diskAvailableBytes: Option.getOrUndefined(space)?.availableBytes,
    linkMbps: Option.getOrUndefined(link),
    descriptors: Option.getOrUndefined(Option.flatMap(limits, descriptorsIn))
  }
})

/** `MemAvailable` of `/proc/meminfo`, in bytes. */
export const availableIn = (meminfo: string): Option.Option<number> => {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1]
  return kib === undefined ? Option.none() : Option.some(Number(kib) * 1024)
}

/** The soft limit of open files in `/proc/self/limits`. */
export const descriptorsIn = (limits: string): Option.Option<number> => {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
  return soft === undefined || soft === "unlimited" ? Option.none() : Option.some(Number(soft))
}

// ----------------------------------------------------------------------------------------------------------- deciding

/** The demands of the settings beside what there is. Pure. */
export const compare = (
  settings: Pick<typeof Settings.Type, "minBandwidth" | "minCores" | "minDisk" | "minMemory" | "wantedBandwidth">,
  machine: Tier.Machine
): ReadonlyArray<Finding> => {
  const finding = (what: Finding["what"], wanted: number, has: number | undefined): Finding => ({
    what,
    wanted,
    has,
    verdict: has === undefined ? "unknown" : has >= wanted ? "enough" : "too little"
  })
  const least = finding("bandwidth", settings.minBandwidth, machine.linkMbps)
  const wanted = finding("bandwidth", settings.wantedBandwidth ?? settings.minBandwidth, machine.linkMbps)
  return [
    finding("cpu", settings.minCores, machine.cores),
    finding("memory", Number(settings.minMemory), machine.memoryBytes),
    finding("disk", Number(settings.minDisk), machine.diskBytes),
    least.verdict === "enough" && wanted.verdict === "too little" ? { ...wanted, verdict: "scarce" } : least
  ]
}

/** Measures and decides. What the policy does not forbid is a warning; what is unknown never ends a boot. */
export const validate = Effect.fn("Resources.validate")(function* (
  settings: typeof Settings.Type,
  dataDirectory: string,
  plans: Capacity.Plans
): Effect.fn.Return<Assessment, ResourcesInsufficient | CapacityExceeded, Host> {
  const assessment = assess(settings, yield* measure(dataDirectory), plans)
  const { findings, shortfalls } = assessment
  if (settings.policy === "enforce" && isShort(assessment)) {
    const tooLittle = findings.filter(({ verdict }) => verdict === "too little")
    if (tooLittle.length > 0) return yield* new ResourcesInsufficient({ findings: tooLittle })
    return yield* new CapacityExceeded({ shortfalls })
  }
  for (const finding of findings) {
    if (finding.verdict !== "enough") yield* Effect.logWarning(describeFinding(finding))
  }
  for (const shortfall of shortfalls) yield* Effect.logWarning(describeShortfall(shortfall))
  return assessment
})

/** What a machine is to a node with these settings and plans. Pure. */
export const assess = (
  settings: Parameters<typeof compare>[0],
  machine: Measured,
  plans: Capacity.Plans
): Assessment => {
  const demand = Capacity.estimate(plans)
  const { descriptors, memoryAvailableBytes: memoryBytes } = machine
  const shortfalls = Capacity.shortfalls(demand, { memoryBytes, descriptors })
  return { machine, tier: Tier.of(machine), findings: compare(settings, machine), demand, shortfalls }
}

/** Whether a boot that enforces what it demands would end. */
export const isShort = ({ findings, shortfalls }: Assessment): boolean =>
  shortfalls.length > 0 || findings.some(({ verdict }) => verdict === "too little")

// --------------------------------------------------------------------------------------------------------------- words

/** `cpu: 2 cores, 4 wanted` */
export const describeFinding = ({ has, wanted, what }: Finding): string => {
  const amount = what === "cpu" ? cores : what === "bandwidth" ? speed : bytes
  return `${what}: ${has === undefined ? "unknown" : amount(has)}, ${amount(wanted)} wanted`
}

/** `memory: the settings need 5.1 GB, there are 2 GB` */
export const describeShortfall = ({ available, wanted, what }: Capacity.Shortfall): string => {
  const amount = what === "memory" ? bytes : String
  return `${what}: the settings need ${amount(wanted)}, there are ${amount(available)}`
}

const cores = (n: number): string => `${rounded(n)} ${n === 1 ? "core" : "cores"}`
const speed = (mbps: number): string => (mbps >= 1_000 ? `${rounded(mbps / 1_000)} Gbit/s` : `${mbps} Mbit/s`)
/** `5.1 GB` */
export const bytes = (n: number): string =>
  n >= 1e12 ? `${rounded(n / 1e12)} TB` : n >= 1e9 ? `${rounded(n / 1e9)} GB` : `${rounded(n / 1e6)} MB`

/** Down, so that too little never reads like enough. */
const rounded = (n: number): number => Math.floor(n * 10) / 10
