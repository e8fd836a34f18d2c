/**
 * The one door to the process around us: arguments, environment, output, signals. Everything else takes what it needs
 * from here, so a test gives it surroundings of its own.
 */
import { existsSync } from "node:fs"
import { hostname, userInfo } from "node:os"
import { Context, Effect } from "effect"

/** The signals that this program listens to. */
export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR2"

/** A stream that text goes to. Writing never fails: whoever stops reading is not our concern. */
export interface Output {
  readonly isTerminal: boolean
  readonly write: (text: string) => void
}

/** What is around the process. */
export class Surroundings extends Context.Service<
  Surroundings,
  {
    readonly args: ReadonlyArray<string>
    readonly env: { readonly [name: string]: string | undefined }
    readonly cwd: string
    readonly pid: number
    readonly nodeVersion: string
    readonly hostname: string
    /** Who runs this, for audit logs. */
    readonly user: string
    readonly stdout: Output
    readonly stderr: Output
    /** All that is piped in, of which more than `limitBytes` is a failure; undefined at a terminal. */
    readonly piped: (limitBytes: number) => Promise<Uint8Array> | undefined
    /** Hears signals from now on, instead of dying by them: one that comes at the very end must not be the end. */
    readonly onSignal: (hear: (signal: Signal) => void) => Effect.Effect<void>
    /** When all that was written has been taken, however slowly, or whoever read it is gone: whether stdout is still read. */
    readonly flushed: () => Promise<boolean>
    /** Ends the process at once, whatever is still going on, and what nobody has read yet is lost. */
    readonly leave: (code: number) => void
    readonly memory: () => { readonly rssBytes: number; readonly heapBytes: number }
    /** What those need who start programs, and end them. */
    readonly host: Pick<NodeJS.Process, "execPath" | "getuid" | "kill" | "pid">
    /** What the process says of what it uses, for metrics. */
    readonly usage: Pick<NodeJS.Process, "cpuUsage" | "memoryUsage" | "uptime" | "versions">
  }
>()("novacron/process") {}

// oxlint-disable-next-line no-restricted-globals -- this is the door
const real = process

/** Whoever read our output has gone: not an error, and no reason to stop. */
const readerGone = (): void => undefined

const writerOf = (stream: NodeJS.WriteStream): Output => {
  // Heard once, however often the process is asked for.
  stream.off("error", readerGone).on("error", readerGone)
  return {
    isTerminal: stream.isTTY === true,
    write: (text) => void stream.write(text)
  }
}

/** A pipe holds 64 KiB; what is beyond waits in this process. */
const flushed = (stream: NodeJS.WriteStream) =>
  new Promise<boolean>((resolve) => stream.write("", (error) => resolve(error === null || error === undefined)))

/** Opened by whoever reads it alone: a node has no use for what its terminal says. */
const piped = (limitBytes: number): Promise<Uint8Array> | undefined => {
  const { stdin } = real
  if (stdin.isTTY === true) return undefined
  return (async () => {
    const chunks: Array<Buffer> = []
    let length = 0
    for await (const chunk of stdin) {
      chunks.push(chunk)
      length += chunk.length
      if (length > limitBytes) throw new Error(`more than ${limitBytes} bytes came in`)
    }
    return Buffer.concat(chunks)
  })()
}

/** The number of the user, whom the list of users need not name: a container runs as any. */
export const uidOfUser = (): number => real.getuid?.() ?? -1

/** The name of the user, or the number of one who is not in the list of users. */
const nameOfUser = (): string => {
  try {
    return userInfo().username
  } catch {
    return `uid ${uidOfUser()}`
  }
}

/**
 * Ends the process. Node waits for its threads first, and a thread that asks for a name cannot be stopped: with no answer
 * from a name server that is ten seconds and more for each name. No thread outlives another program in our place.
 */
const leave = (code: number): void => {
  const isAsking = real.getActiveResourcesInfo().includes("GetAddrInfoReqWrap")
  // Also there when Node itself was removed or exchanged since.
  const self = "/proc/self/exe"
  if (isAsking && real.execve !== undefined && existsSync(self)) {
    const { NODE_OPTIONS: _, ...env } = real.env
    real.execve(self, ["node", "-e", `process.exit(${code})`], env)
  }
  real.exit(code)
}

/** The process that we are. */
export const thisProcess = (): Surroundings["Service"] => ({
  args: real.argv.slice(2),
  env: real.env,
  cwd: real.cwd(),
  pid: real.pid,
  nodeVersion: real.version,
  hostname: hostname(),
  user: nameOfUser(),
  stdout: writerOf(real.stdout),
  stderr: writerOf(real.stderr),
  piped,
  onSignal: (hear) =>
    Effect.sync(() => {
      const listener = (signal: NodeJS.Signals): void => {
        const known = signals.find((one) => one === signal)
        if (known !== undefined) hear(known)
      }
      for (const signal of signals) real.on(signal, listener)
    }),
  flushed: async () => {
    const [isRead] = await Promise.all([flushed(real.stdout), flushed(real.stderr)])
    return isRead
  },
  leave,
  memory: () => {
    const { heapUsed, rss } = real.memoryUsage()
    return { rssBytes: rss, heapBytes: heapUsed }
  },
  host: real,
  usage: real
})

const signals: ReadonlyArray<Signal> = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"]
