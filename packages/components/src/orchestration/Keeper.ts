/**
 * The process beside the node that starts programs for it, hands on what they print, and lets none of them outlive the node.
 *
 * **Details**
 *
 * Starting a program copies the page tables of whoever starts it: some 30 ms for a node of 300 MB, 1 ms for this one. It
 * reads from a pipe which only the node holds. When the pipe closes, the node is gone; when nothing comes for as long as
 * the lease, the node may be frozen, and others will take its tasks up. Either way it kills every group it has started.
 *
 * **Gotchas**
 *
 * {@link keeper} is not called here: its text is what the other process runs, whatever this module was bundled into. So it
 * must use nothing but its parameters.
 */

import type { Readable } from "node:stream"

/** What the node tells, a line of JSON each. An empty line says that the node is alive. */
export type Order =
  | {
      readonly start: number
      readonly program: string
      readonly args: ReadonlyArray<string>
      readonly env: { readonly [name: string]: string }
      readonly cwd: string
      readonly uid: number | undefined
      readonly gid: number | undefined
      readonly group: ControlGroup | undefined
    }
  | { readonly signal: number; readonly name: NodeJS.Signals }
  | { readonly killAll: true }

/** A control group to make for an attempt: its directory, and what to write into its files. */
export interface ControlGroup {
  readonly directory: string
  /** The group of the node, and of this process while it starts nothing. */
  readonly home: string
  readonly files: { readonly [name: string]: string }
}

/** What is told to the node. Each has a head of 9 bytes: the kind, the number of the attempt, the length of the rest. */
export const kinds = { stdout: 1, stderr: 2, started: 3, failed: 4, ended: 5, skipped: 6 } as const

/** How often a stream that never rests is told, in milliseconds; and after how many bytes reading it pauses for as long. */
const breath = { bytes: 4 * 1024 * 1024, millis: 10 }

/**
 * When a program has ended, what it printed may still be on its way, and somebody who has left its group may hold the pipes
 * open for ever: they are read until nothing came between two looks, so many milliseconds apart, or more than fits into
 * two pipes, or after so many looks.
 */
const rest = { millis: 250, looks: 20, bytes: 2 * 1024 * 1024 }

/** The text of a program for `node -e`. */
export const program = (leaseMs: number, keep: number, cgroup: string | undefined): string =>
  `(${keeper.toString()})(process, ${JSON.stringify({ leaseMs, keep, cgroup, kinds, breath, rest })})`

interface Settings {
  readonly leaseMs: number
  /** Of what is printed between two tellings, in bytes, for each stream: the latest. */
  readonly keep: number
  readonly cgroup?: string | undefined
  readonly kinds: { readonly [K in keyof typeof kinds]: number }
  readonly breath: typeof breath
  readonly rest: typeof rest
}

/** What the other process does. */
const keeper = (host: NodeJS.Process, { breath, cgroup, keep, kinds, leaseMs, rest: last }: Settings): void => {
  const { spawn } = host.getBuiltinModule("node:child_process")
  const { closeSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } =
    host.getBuiltinModule("node:fs")
  const { performance } = host.getBuiltinModule("node:perf_hooks")
  const { clearTimeout, setImmediate, setInterval, setTimeout } = host.getBuiltinModule("node:timers")
  host.title = "novacron-keeper" // not the text of all this
  const groups = new Map<number, number>()
  /** Those that were killed because nothing had come for as long as the lease. */
  const lost = new Set<number>()
  const paused = new Set<{ resume: () => unknown }>()

  /** None of these must fail: what cannot be limited is not, and whom nobody finds has ended. */
  const attempt = (act: () => unknown): boolean => {
    try {
      act()
      return true
    } catch {
      return false
    }
  }
  // What whoever started the node had left open is nothing for those whom we start. What Node opens closes by itself there.
  const closesOnExec = 0o2000000
  for (const name of readdirSync("/proc/self/fd")) {
    if (Number(name) <= 2) continue
    attempt(() => {
      const [, flags = ""] = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, "utf8")) ?? []
      if ((Number.parseInt(flags, 8) & closesOnExec) === 0) closeSync(Number(name))
    })
  }
  // What is open to our groups is not open to those whom we start.
  attempt(() => host.setgroups?.([]))
  const killGroup = (directory: string) => attempt(() => writeFileSync(`${directory}/cgroup.kill`, "1"))
  const signal = (pid: number, name: NodeJS.Signals) => attempt(() => host.kill(-pid, name))
  const killAll = () => {
    for (const pid of groups.values()) signal(pid, "SIGKILL")
    if (cgroup !== undefined) killGroup(cgroup)
  }

  const tell = (kind: number, attempt: number, rest: Uint8Array): boolean => {
    const head = Buffer.allocUnsafe(9)
    head.writeUInt8(kind, 0)
    head.writeUInt32LE(attempt, 1)
    head.writeUInt32LE(rest.length, 5)
    host.stdout.write(head)
    return host.stdout.write(rest)
  }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  host.stdout.on("drain", () => {
    for (const stream of paused) stream.resume()
    paused.clear()
  })

  /** Whether the system has killed somebody of a group for its memory. */
  const isOutOfMemory = (directory: string): boolean => {
    let events = ""
    attempt(() => void (events = readFileSync(`${directory}/memory.events`, "utf8")))
    return /^oom_kill [1-9]/m.test(events)
  }
  const removeSoon = (directory: string, times: number): void => {
    // Those who were killed take a moment to be gone.
    if (!attempt(() => rmdirSync(directory)) && times > 0) setTimeout(() => removeSoon(directory, times - 1), 100)
  }
  /** Tells what a stream says, at once when it has been silent, and not all when it is too much. */
  const follow = (kind: number, number: number, stream: Readable) => {
    let chunks: Array<Buffer> = []
    let [size, skipped, sinceBreath, read] = [0, 0, 0, 0]
    let isWaiting = false
    const flush = (): void => {
      if (skipped > 0) tell(kinds.skipped, number, json({ kind, count: skipped }))
      skipped = 0
      if (size === 0) return
      const all = Buffer.concat(chunks)
      chunks = []
      size = 0
      if (!tell(kind, number, all)) {
        stream.pause()
        paused.add(stream)
      }
    }
    const rested = (): void => {
      isWaiting = false
      if (size > 0) flushAndRest()
    }
    const flushAndRest = (): void => {
      flush()
      isWaiting = true
      setTimeout(rested, breath.millis)
    }
    stream.on("error", () => undefined) // it was destroyed
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      read += chunk.length
      size += chunk.length
      while (chunks.length > 1 && size - (chunks[0]?.length ?? 0) >= keep) {
        const gone = chunks.shift()?.length ?? 0
        size -= gone
        skipped += gone
      }
      if (!isWaiting) flushAndRest()
      sinceBreath += chunk.length
      if (sinceBreath < breath.bytes) return
      // Whoever prints without end must leave room for others.
      sinceBreath = 0
      stream.pause()
      setTimeout(() => stream.resume(), breath.millis)
    })
    return { flush, read: () => read, isPaused: () => paused.has(stream), end: () => stream.destroy() }
  }
  /** As whom it is for: a child would go there before it changes its user, through what is closed to that one. */
  const goTo = (directory: string, uid: number | undefined, gid: number | undefined): void => {
    const [ownUid, ownGid] = [host.geteuid?.() ?? 0, host.getegid?.() ?? 0]
    try {
      if (gid !== undefined) host.setegid?.(gid)
      if (uid !== undefined) host.seteuid?.(uid)
      host.chdir(directory)
    } finally {
      if (uid !== undefined) host.seteuid?.(ownUid)
      if (gid !== undefined) host.setegid?.(ownGid)
    }
  }
  const start = (order: Extract<Order, { readonly start: number }>): void => {
    const { args, cwd, env, gid, group, program, start: number, uid } = order
    let made = group !== undefined && attempt(() => mkdirSync(group.directory)) ? group : undefined
    for (const [name, value] of Object.entries(made?.files ?? {})) {
      attempt(() => writeFileSync(`${made?.directory}/${name}`, value))
    }
    const enter = (directory: string | undefined) =>
      directory !== undefined && attempt(() => writeFileSync(`${directory}/cgroup.procs`, "0"))
    const remove = () => {
      if (made !== undefined) removeSoon(made.directory, 20)
    }
    const failed = (cause: unknown) => {
      remove()
      const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown } // whatever was thrown
      tell(kinds.failed, number, json({ code: String(code), message: String(message) }))
    }
    let child
    // A child is born where its parent is; to be moved afterwards would be too late for what it starts at once.
    const isInside = enter(made?.directory)
    try {
      goTo(cwd, uid, gid)
      const as = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
      child = spawn(program, args, { ...as, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    } catch (cause) {
      enter(made?.home)
      return failed(cause)
    } finally {
      host.chdir("/")
    }
    // Should there be no way back, the group must not be killed: we are in it.
    if (isInside && !enter(made?.home)) made = undefined
    const { pid, stderr, stdout } = child
    if (pid === undefined) {
      child.once("error", failed)
      return
    }
    groups.set(number, pid)
    tell(kinds.started, number, json({ pid }))
    const streams = [follow(kinds.stdout, number, stdout), follow(kinds.stderr, number, stderr)]
    child.once("exit", (exitCode, name) => {
      const outOfMemory = made !== undefined && isOutOfMemory(made.directory) ? { isOutOfMemory: true } : {}
      const byLease = lost.delete(number) && name === "SIGKILL" ? { lost: "NoLease" } : {}
      // Whatever is left of it ends with it.
      signal(pid, "SIGKILL")
      if (made !== undefined) killGroup(made.directory)
      groups.delete(number)
      const readSoFar = () => streams.reduce((sum, { read }) => sum + read(), 0)
      const atEnd = readSoFar()
      let [before, looks] = [-1, 0]
      const look = (): void => {
        const now = readSoFar()
        // Whom the node keeps waiting has not been silent.
        const isWaiting = streams.some(({ isPaused }) => isPaused())
        if (!isWaiting && (now === before || now - atEnd > last.bytes || looks++ >= last.looks)) {
          for (const { end } of streams) end()
          return
        }
        before = isWaiting ? -1 : now
        looking = setTimeout(look, last.millis)
      }
      let looking = setTimeout(look, last.millis)
      child.once("close", () => {
        clearTimeout(looking)
        remove()
        for (const { flush } of streams) flush()
        tell(kinds.ended, number, json({ exitCode, signal: name, ...outOfMemory, ...byLease }))
      })
    })
  }

  const leave = () => {
    killAll()
    clearAway(20)
  }
  /** Nobody is left to tell; of us nothing stays. */
  const clearAway = (times: number): void => {
    const removed =
      cgroup === undefined ||
      !existsSync(cgroup) || // the node has cleared away itself, if it was not killed
      attempt(() => {
        for (const name of readdirSync(cgroup, { withFileTypes: true }))
          if (name.isDirectory()) rmdirSync(`${cgroup}/${name.name}`)
        rmdirSync(cgroup)
      })
    if (removed || times === 0) host.exit(0)
    else setTimeout(() => clearAway(times - 1), 50)
  }
  const parent = host.ppid
  const asked: Array<Extract<Order, { readonly start: number }>> = []
  /** One at a time, so that what ends in between is told; and none for a node that has died since it asked. */
  const startNext = (): void => {
    const order = asked.shift()
    if (order === undefined) return
    if (host.ppid !== parent) return leave()
    start(order)
    if (asked.length > 0) setImmediate(startNext)
  }
  const neverBegun = (number: number, name: string) => {
    tell(kinds.started, number, json({}))
    tell(kinds.ended, number, json({ exitCode: null, signal: name }))
  }
  const obey = (order: Order): void => {
    if ("start" in order) {
      if (asked.push(order) === 1) setImmediate(startNext)
      return
    }
    if ("killAll" in order) {
      for (const { start: number } of asked.splice(0)) neverBegun(number, "SIGKILL")
      return killAll()
    }
    const before = asked.findIndex(({ start }) => start === order.signal)
    if (before >= 0) {
      asked.splice(before, 1)
      return neverBegun(order.signal, order.name)
    }
    const pid = groups.get(order.signal)
    if (pid === undefined) return
    signal(pid, order.name)
  }
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) host.on(name, () => undefined) // these are for the node
  let heardMs = performance.now()
  let rest = ""
  host.stdin.setEncoding("utf8")
  host.stdin.on("data", (text: string) => {
    heardMs = performance.now()
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) if (line !== "") obey(JSON.parse(line))
  })
  host.stdin.on("close", leave)
  host.stdout.on("error", leave)
  setInterval(() => {
    if (groups.size === 0 || performance.now() - heardMs <= leaseMs) return
    for (const number of groups.keys()) lost.add(number)
    killAll()
  }, leaseMs / 8)
}
