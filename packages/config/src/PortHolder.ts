/**
 * Who has a port that is taken: the first question of whoever reads that it is.
 *
 * **Details**
 *
 * Linux knows, and tells in `/proc`: of a process of another user only whose it is, of one in another container nothing.
 * Where nothing is known it is "another process". Reading takes some milliseconds in which nothing else happens: ask when
 * something has failed.
 *
 * **Example**
 *
 * ```ts
 * PortHolder.of(8080) // "process 4711 (node in /srv/novacron)"
 * ```
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { basename } from "node:path"

/** The process that listens on a TCP port of this machine, in words. Never throws. */
export const of = (port: number): string => {
  const socket = listening(port)
  if (socket === undefined) return "another process"
  const pid = processWith(`socket:[${socket.inode}]`)
  if (pid === undefined) return `a process of user ${socket.uid}`
  const program = attempt(() => basename(readlinkSync(`/proc/${pid}/exe`)))
  const directory = attempt(() => readlinkSync(`/proc/${pid}/cwd`))
  return `process ${pid} (${program ?? "gone"}${directory === undefined ? "" : ` in ${directory}`})`
}

/** The state of a socket that listens, as `/proc/net/tcp` has it. */
const listens = "0A"

const listening = (port: number): { readonly inode: string; readonly uid: string } | undefined => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (attempt(() => readFileSync(table, "utf8")) ?? "").split("\n")) {
      const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/)
      if (state !== listens || uid === undefined || inode === undefined) continue
      if (local?.endsWith(suffix) === true) return { inode, uid }
    }
  }
  return undefined
}

/** The first process that has this open, of those that may be looked into. */
const processWith = (link: string): string | undefined => {
  const processes = attempt(() => readdirSync("/proc")) ?? []
  return processes.find((pid) => {
    if (!/^\d+$/.test(pid)) return false
    const descriptors = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []
    return descriptors.some((descriptor) => attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`)) === link)
  })
}

/** Processes come and go while they are looked at. */
const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
