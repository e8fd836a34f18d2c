/**
 * Tells the service manager how the node is: the datagrams of `sd_notify`, in order, and never in the way of the node.
 *
 * **Details**
 *
 * Node has no datagram sockets of the Unix kind, so one of two carriers is used:
 *
 * 1. A descriptor that systemd (253 or later) has opened for us: `OpenFile=/run/systemd/notify:notify` in the unit. One
 *    write is one datagram, sent by this very process.
 * 2. Otherwise `systemd-notify`, one short process for each message. As root it speaks in the name of this process; as
 *    anybody else the unit must say `NotifyAccess=all`.
 *
 * `ready` is sent once, and once more after each `reloading`, which is how systemd learns that the reload is over. Of
 * several states that wait to be sent, only the last one is. After `stopping` nothing more is said.
 *
 * **Gotchas**
 *
 * Nothing here fails: a service manager that does not listen is no reason not to serve. It is logged once, as a warning.
 */
import { execFile } from "node:child_process"
import { fstatSync, write } from "node:fs"
import { Clock, Data, Duration, Effect, Schedule } from "effect"
import type { Scope } from "effect"

/** What can be told. `watchdog` says that the node is still alive. */
export type Message = "ready" | "reloading" | "stopping" | "watchdog" | { readonly status: string }

/** The service manager, as far as it listens. */
export interface Notify {
  /** Sends it in turn; comes back at once. */
  readonly tell: (message: Message) => void
  /** Completes when all that was told is sent, or could not be. */
  readonly told: Effect.Effect<void>
  /** How often it wants to hear `watchdog`; it ends the node when it hears nothing for this long. */
  readonly watchdog: Duration.Duration | undefined
}

/** Nobody could be told. Logged, never failed with. */
export class NotifyUnavailable extends Data.TaggedError("NotifyUnavailable")<{
  readonly carrier: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2403"
  override get message() {
    return (
      `The service manager cannot be told (${this.carrier} failed). Install systemd-notify, or add ` +
      "OpenFile=/run/systemd/notify:notify to the unit."
    )
  }
}

// ----------------------------------------------------------------------------------------------------------- decision

/** How messages travel. */
export type Carrier =
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Descriptor"; readonly fd: number }
  | { readonly _tag: "Binary"; readonly socket: string; readonly path: string }

/** What systemd gives a process to know, from the environment of the process. */
export interface Given {
  readonly env: { readonly [name: string]: string | undefined }
  readonly pid: number
}

/** How messages travel for a process that was started like this. */
export const carrierOf = ({ env, pid }: Given): Carrier => {
  const isOurs = env["LISTEN_PID"] === undefined || env["LISTEN_PID"] === `${pid}`
  const at = (env["LISTEN_FDNAMES"] ?? "").split(":").indexOf("notify")
  if (isOurs && at >= 0 && at < Number(env["LISTEN_FDS"] ?? 0)) return { _tag: "Descriptor", fd: 3 + at }
  const socket = env["NOTIFY_SOCKET"] ?? ""
  return socket === "" ? { _tag: "Nobody" } : { _tag: "Binary", socket, path: env["PATH"] ?? "/usr/bin:/bin" }
}

/** How often the watchdog of systemd wants to hear from a process that was started like this. */
export const watchdogOf = ({ env, pid }: Given): Duration.Duration | undefined => {
  const micros = Number(env["WATCHDOG_USEC"] ?? 0)
  const isOurs = env["WATCHDOG_PID"] === undefined || env["WATCHDOG_PID"] === `${pid}`
  return isOurs && Number.isSafeInteger(micros) && micros > 0 ? Duration.micros(BigInt(micros)) : undefined
}

/** The lines of a message. A reload has to say since when, in microseconds of the monotonic clock. */
export const linesOf = (message: Message, monotonicMicros: bigint): ReadonlyArray<string> => {
  switch (message) {
    case "ready":
      return ["READY=1"]
    case "reloading":
      return ["RELOADING=1", `MONOTONIC_USEC=${monotonicMicros}`]
    case "stopping":
      return ["STOPPING=1"]
    case "watchdog":
      return ["WATCHDOG=1"]
    default:
      // eslint-disable-next-line no-control-regex
      return [`STATUS=${message.status.replace(/[\u0000-\u001f\u007f]+/g, " ").slice(0, maxStatus)}`]
  }
}

const maxStatus = 256

// ------------------------------------------------------------------------------------------------------- construction

/** Opens the way to the service manager. What was told is sent, for 2 seconds at the most, before the scope closes. */
export const make = Effect.fn("Notify.make")(function* (given: Given): Effect.fn.Return<Notify, never, Scope.Scope> {
  const carrier = carrierOf(given)
  const watchdog = watchdogOf(given)
  if (carrier._tag === "Nobody") return { tell: () => undefined, told: Effect.void, watchdog }
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const send = carrier._tag === "Descriptor" ? throughDescriptor(carrier.fd) : throughBinary(carrier)

  const waiting: Array<Message> = []
  let isSending = false
  let isReady = false
  let isReloading = false
  let isStopping = false
  let hasComplained = false
  let idle: Array<() => void> = []

  const complain = (cause: unknown) => {
    if (hasComplained) return
    hasComplained = true
    const carrierName = carrier._tag === "Descriptor" ? `descriptor ${carrier.fd}` : "systemd-notify"
    Effect.runForkWith(context)(Effect.logWarning(new NotifyUnavailable({ carrier: carrierName, cause })))
  }
  const pump = (): void => {
    if (isSending) return
    const message = waiting.shift()
    if (message === undefined) {
      for (const one of idle.splice(0)) one()
      return
    }
    isSending = true
    send(linesOf(message, clock.monotonicTimeNanosUnsafe() / 1_000n), (error) => {
      isSending = false
      if (error) complain(error)
      pump()
    })
  }
  const tell = (message: Message): void => {
    if (isStopping) return
    if (message === "stopping") isStopping = true
    else if (message === "ready") {
      if (isReady && !isReloading) return
      isReady = true
      isReloading = false
    } else if (message === "reloading") isReloading = true
    else {
      // Only the last state counts, and one sign of life is enough.
      const isSame = (one: Message) => (message === "watchdog" ? one === "watchdog" : typeof one === "object")
      const before = waiting.findIndex(isSame)
      if (before >= 0) waiting.splice(before, 1)
    }
    waiting.push(message)
    pump()
  }
  const told = Effect.callback<void>((resume) => {
    idle = [...idle, () => resume(Effect.void)]
    pump()
  })
  yield* Effect.addFinalizer(() => Effect.timeoutOption(told, "2 seconds"))
  return { tell, told, watchdog }
})

/** Says `watchdog` twice in each interval, as long as the node is alive, until the scope closes. */
export const keepAlive = (notify: Notify, isAlive: Effect.Effect<boolean>): Effect.Effect<void, never, Scope.Scope> => {
  if (notify.watchdog === undefined) return Effect.void
  return Effect.map(isAlive, (isAlive) => (isAlive ? notify.tell("watchdog") : undefined)).pipe(
    Effect.repeat(Schedule.spaced(Duration.millis(Duration.toMillis(notify.watchdog) / 2))),
    Effect.forkScoped,
    Effect.asVoid
  )
}

// ------------------------------------------------------------------------------------------------------------ carriers

type Send = (lines: ReadonlyArray<string>, done: (error?: Error | null) => void) => void

const throughDescriptor =
  (fd: number): Send =>
  (lines, done) => {
    try {
      if (!fstatSync(fd).isSocket()) throw new Error(`descriptor ${fd} is no socket`)
      write(fd, lines.join("\n"), (error) => done(error))
    } catch (cause) {
      done(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }

const throughBinary =
  ({ path, socket }: Extract<Carrier, { _tag: "Binary" }>): Send =>
  (lines, done) => {
    const options = { env: { NOTIFY_SOCKET: socket, PATH: path }, timeout: 10_000 }
    execFile("systemd-notify", lines, options, (error) => done(error))
  }
