/**
 * What the control groups of a process let it use, version 1 and version 2, also both at once. The limits of all groups
 * above it count as well: the smallest one holds.
 *
 * **Gotchas**
 *
 * In a container the path in `/proc/self/cgroup` is often the one of the machine, which cannot be seen from inside. Then
 * the root of what is mounted is the group of the container.
 */
import { Effect, Option } from "effect"
import { Host } from "../environment/Host.ts"

/** Limits; what is unlimited or not told is not there. */
export interface Limits {
  readonly cores?: number
  readonly memoryBytes?: number
  /** Already used of `memoryBytes`. */
  readonly memoryUsedBytes?: number
}

// --------------------------------------------------------------------------------------------------------------- pure

/** A group as files: the directory of a controller and everything above it, up to where it is mounted. */
export interface Group {
  readonly version: 1 | 2
  readonly controllers: ReadonlyArray<string>
  /** From the group itself up. */
  readonly directories: ReadonlyArray<string>
}

/** The groups of a process, from its `/proc/self/cgroup` and `/proc/self/mountinfo`. */
export const groups = (cgroup: string, mountinfo: string): ReadonlyArray<Group> => {
  const mounts = mountsOf(mountinfo)
  return cgroup.split("\n").flatMap((line): ReadonlyArray<Group> => {
    const [, id, names = "", path = ""] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? []
    if (id === undefined) return []
    const version = id === "0" && names === "" ? 2 : 1
    const controllers = names.split(",").filter((name) => name !== "")
    const mount = mounts.find((one) =>
      version === 2
        ? one.type === "cgroup2"
        : one.type === "cgroup" && controllers.some((name) => one.options.has(name))
    )
    if (mount === undefined) return []
    return [{ version, controllers, directories: directories(mount.at, inside(path, mount.root)) }]
  })
}

const mountsOf = (mountinfo: string) =>
  mountinfo.split("\n").flatMap((line) => {
    const [before = "", after] = line.split(" - ")
    if (after === undefined) return []
    const [, , , root = "/", at = ""] = before.split(" ")
    const [type = "", , options = ""] = after.split(" ")
    return [{ root, at, type, options: new Set(options.split(",")) }]
  })

/** The path of a group below the mount; the mount itself when the group is not below it. */
const inside = (path: string, root: string): string => {
  if (root === "/" || root === "") return path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : ""
}

const directories = (mount: string, path: string): ReadonlyArray<string> => {
  const names = path.split("/").filter((name) => name !== "" && name !== "..")
  return names.map((_, i) => [mount, ...names.slice(0, names.length - i)].join("/")).concat(mount)
}

/** The cores that a quota grants: `cpu.max`, or quota and period of version 1. */
export const coresOf = (quota: string, period: string): number | undefined => {
  const [micros, each] = [Number(quota), Number(period)]
  return quota !== "max" && quota !== "" && micros > 0 && each > 0 ? micros / each : undefined
}

/** A number of bytes; version 1 says "unlimited" with a number that no machine has. */
export const bytesOf = (text: string): number | undefined => {
  const bytes = text.trim() === "" ? NaN : Number(text)
  return Number.isFinite(bytes) && bytes < 2 ** 60 ? bytes : undefined
}

// ------------------------------------------------------------------------------------------------------------- effect

/** The limits of this process. */
export const limits = Effect.gen(function* () {
  const host = yield* Host
  const text = (path: string) => Effect.map(host.read(path), (found) => Option.getOrElse(found, () => "").trim())
  const all = groups(yield* text("/proc/self/cgroup"), yield* text("/proc/self/mountinfo"))
  const found: Array<Limits> = []
  for (const { controllers, directories, version } of all) {
    for (const at of directories) {
      const hasCpu = version === 2 || controllers.includes("cpu")
      const hasMemory = version === 2 || controllers.includes("memory")
      if (hasCpu) {
        const [quota = "", period = ""] =
          version === 2
            ? (yield* text(`${at}/cpu.max`)).split(" ")
            : [yield* text(`${at}/cpu.cfs_quota_us`), yield* text(`${at}/cpu.cfs_period_us`)]
        const cores = coresOf(quota, period)
        if (cores !== undefined) found.push({ cores })
      }
      if (hasMemory) {
        const [limit, usage] = version === 2 ? ["max", "current"] : ["limit_in_bytes", "usage_in_bytes"]
        const memoryBytes = bytesOf(yield* text(`${at}/memory.${limit}`))
        const memoryUsedBytes = bytesOf(yield* text(`${at}/memory.${usage}`)) ?? 0
        if (memoryBytes !== undefined) found.push({ memoryBytes, memoryUsedBytes })
      }
    }
  }
  return smallest(found)
})

const smallest = (all: ReadonlyArray<Limits>): Limits => {
  const cores = all.flatMap(({ cores }) => cores ?? [])
  const tightest = all
    .filter(({ memoryBytes }) => memoryBytes !== undefined)
    .toSorted((a, b) => (a.memoryBytes ?? 0) - (b.memoryBytes ?? 0))[0]
  return { ...(cores.length === 0 ? {} : { cores: Math.min(...cores) }), ...tightest }
}
