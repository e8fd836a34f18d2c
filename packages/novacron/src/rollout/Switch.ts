/**
 * A switch that stands before nodes: each connection that comes in goes to one of them, by weight. TLS goes through as it
 * is, so clients see the certificate of the node, and the node that of the client. It is told over a Unix socket of its
 * directory (0600) what to do, and writes down who told it.
 *
 * **Details**
 *
 * - A node that does not take a connection costs the client nothing: the next one gets it, and that node is left alone for
 *   a second. Connections that are there stay where they are, whatever the weights become.
 * - Weights can be given on trial. If nobody repeats them in time, the switch goes back by itself: whoever watches a rollout
 *   may be killed at any moment, and so may the switch, which begins with what was before the trial.
 * - Bounded: 10,000 connections, a connection is made within two seconds, a request to the socket has 64 KiB and 5 seconds.
 *
 * **Gotchas**
 *
 * The nodes see the address of the switch, and not that of the client.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { Audit } from "@novacron/config"
import { Clock, Data, Duration, Effect, FiberHandle, FiberSet, Result, Schema, type Scope } from "effect"
import * as ControlSocket from "../ControlSocket.ts"
import * as Turns from "./Turns.ts"

/** A node behind the switch. */
export const Backend = Schema.Struct({
  name: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)),
  host: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(253)),
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })),
  /** Its share, beside the weights of the others. 0 gets no new connection. */
  weight: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
})
export type Backend = typeof Backend.Type

const Backends = Schema.Array(Backend).check(Schema.isMinLength(1), Schema.isMaxLength(64))

/** What the switch is told: all of its nodes, who says so, and whether that is on trial. */
export const Change = Schema.Struct({
  backends: Backends,
  by: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)),
  /** Back to what was before, unless it is repeated within so many seconds. */
  trialSeconds: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 3_600 })))
})
export type Change = typeof Change.Type

/** How it is. */
export const View = Schema.Struct({
  listening: Schema.Struct({ host: Schema.String, port: Schema.Int }),
  backends: Schema.Array(
    Schema.Struct({
      ...Backend.fields,
      /** Connections now. */
      open: Schema.Int,
      /** Connections since the switch began, and how many of them ended without an answer or could not be made. */
      taken: Schema.Int,
      failed: Schema.Int
    })
  ),
  /** Whether the weights are on trial. */
  isTrial: Schema.Boolean
})
export type View = typeof View.Type

/** What is kept, so that a switch that was killed begins where it was. */
const Kept = Schema.Struct({ backends: Backends, before: Schema.NullOr(Backends) })
type Kept = typeof Kept.Type

/** Nobody could connect. */
export class SwitchCannotListen extends Data.TaggedError("SwitchCannotListen")<{
  readonly address: string
  readonly cause: unknown
}> {
  readonly code = "NVC-3013"
  override get message() {
    const { address, cause } = this
    return `The switch cannot listen at ${address} (${reasonOf(cause)}). It takes no connection, and nothing was changed.`
  }
}

/** Its directory cannot be used, or what is in it is not from a switch. */
export class SwitchDirUnusable extends Data.TaggedError("SwitchDirUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-3014"
  override get message() {
    return `${this.path} cannot be used by a switch (${reasonOf(this.cause)}). Without it, it would forget its weights.`
  }
}

const reasonOf = (cause: unknown): string => {
  if (typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string")
    return cause.code
  return cause instanceof Error ? cause.message : String(cause)
}

/** What a switch is made of. */
export interface Options {
  readonly host: string
  /** 0 for any. */
  readonly port: number
  /** For its socket, its weights and its audit log. */
  readonly directory: string
  /** Its nodes, unless the directory knows some. */
  readonly backends: ReadonlyArray<Backend>
  /** How long connections may go on when it closes. */
  readonly drain: Duration.Duration
}

/** A switch that runs. */
export interface Switch {
  readonly view: () => View
  readonly change: (change: Change) => Effect.Effect<View, SwitchDirUnusable>
}

const limits = {
  connections: 10_000,
  connectMs: 2_000,
  restMs: 1_000,
  bodyBytes: 64 * 1024,
  requestMs: 5_000,
  talkers: 16
} as const

/** Where the socket of a switch is. */
export const socketOf = (directory: string): string =>
  ControlSocket.pathOf(directory).replace(/control\.sock$/, "switch.sock")

/** Listens until the scope closes, and then until its connections have ended, as long as `drain`. */
export const make = Effect.fn("Switch.make")(function* (options: Options) {
  const { directory } = options
  const clock = yield* Clock.Clock
  const file = join(directory, "switch.json")
  const unusable = (path: string) => (cause: unknown) => new SwitchDirUnusable({ path, cause })
  yield* Effect.try({
    try: () => mkdirSync(directory, { recursive: true, mode: 0o700 }),
    catch: unusable(directory)
  })
  const audit = yield* Effect.mapError(
    Audit.make(join(directory, "switch-audit.jsonl")),
    unusable(join(directory, "switch-audit.jsonl"))
  )
  const write = (kept: Kept) =>
    Effect.try({
      try: () => {
        writeFileSync(`${file}.next`, JSON.stringify(kept), { mode: 0o600 })
        renameSync(`${file}.next`, file)
      },
      catch: unusable(file)
    })

  const read = yield* Effect.try({ try: () => readKept(file), catch: unusable(file) })
  // A trial that nobody watched to its end was none.
  let kept: Kept = { backends: read?.before ?? read?.backends ?? options.backends, before: null }
  yield* write(kept)

  const relay = relayOf(
    () => kept.backends,
    () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  )
  const trial = yield* FiberHandle.make()

  const tell = (from: Kept, to: Kept, by: string) => {
    const changed = differences(from.backends, to.backends)
    return changed.length === 0
      ? Effect.void
      : Effect.mapError(
          audit.append({ user: by, action: "modify", source: "api", success: true, changedKeys: changed }),
          unusable(join(directory, "switch-audit.jsonl"))
        )
  }
  // What cannot be told and kept is not done.
  const put = Effect.fnUntraced(function* (next: Kept, by: string) {
    yield* tell(kept, next, by)
    yield* write(next)
    kept = next
  })
  // The way back is gone whatever the disk says.
  const goBack = Effect.suspend(() => {
    if (kept.before === null) return Effect.void
    const [from, to] = [kept, { backends: kept.before, before: null }]
    kept = to
    return Effect.andThen(Effect.ignore(write(to)), Effect.ignore(tell(from, to, "the switch: nobody went on")))
  })
  const change = Effect.fn("Switch.change")(function* ({ backends, by, trialSeconds }: Change) {
    yield* FiberHandle.clear(trial)
    if (trialSeconds === undefined) yield* put({ backends, before: null }, by)
    else {
      yield* put({ backends, before: kept.before ?? kept.backends }, by)
      const late = Effect.andThen(Effect.sleep(Duration.seconds(trialSeconds)), goBack)
      yield* FiberHandle.run(trial, late)
    }
    return view()
  })

  const where = `${options.host}:${options.port}`
  const port = yield* Effect.acquireRelease(
    listen(relay.server, { host: options.host, port: options.port }, where),
    () => relay.close(options.drain)
  )
  const view = (): View => ({
    listening: { host: options.host, port },
    backends: kept.backends.map((one) => ({ ...one, ...relay.countsOf(one.name) })),
    isTrial: kept.before !== null
  })
  const made: Switch = { view, change }
  yield* serve(socketOf(directory), made)
  return made
})

const readKept = (file: string): Kept | undefined => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch (cause) {
    if (reasonOf(cause) === "ENOENT") return undefined
    throw cause
  }
  return Schema.decodeSync(Schema.fromJsonString(Kept))(text)
}

/** What changes, as the audit log tells it: `green.weight=10`. */
const differences = (from: ReadonlyArray<Backend>, to: ReadonlyArray<Backend>): ReadonlyArray<string> => {
  const told = (all: ReadonlyArray<Backend>) =>
    new Set(
      all.flatMap(({ host, name, port, weight }) => [`${name}.address=${host}:${port}`, `${name}.weight=${weight}`])
    )
  const before = told(from)
  const gone = from.filter(({ name }) => to.every((one) => one.name !== name)).map(({ name }) => `${name}.gone`)
  return [...[...told(to)].filter((one) => !before.has(one)), ...gone]
}

// --------------------------------------------------------------------------------------------------- the connections

interface Counts {
  open: number
  taken: number
  failed: number
}

/** Takes connections and hands each to a node. */
const relayOf = (backends: () => ReadonlyArray<Backend>, now: () => number) => {
  const counts = new Map<string, Counts>()
  const of = (name: string): Counts => {
    const known = counts.get(name) ?? { open: 0, taken: 0, failed: 0 }
    counts.set(name, known)
    return known
  }
  const resting = new Map<string, number>()
  const open = new Set<Socket>()
  let debts = Turns.none

  const next = (tried: ReadonlySet<string>): Backend | undefined => {
    const left = backends().filter(({ name }) => !tried.has(name))
    const awake = left.filter(({ name }) => (resting.get(name) ?? 0) <= now())
    const turn = Turns.next(awake.some(({ weight }) => weight > 0) ? awake : left, debts)
    debts = turn.debts
    return left.find(({ name }) => name === turn.name)
  }

  const hand = (incoming: Socket, tried: ReadonlySet<string>): void => {
    if (incoming.destroyed) return
    const backend = next(tried)
    if (backend === undefined) return void incoming.destroy()
    const its = of(backend.name)
    const outgoing = connect({ host: backend.host, port: backend.port, allowHalfOpen: true, noDelay: true })
    outgoing.setTimeout(limits.connectMs)
    const refused = () => {
      outgoing.destroy()
      its.taken++
      its.failed++
      resting.set(backend.name, now() + limits.restMs)
      hand(incoming, new Set([...tried, backend.name]))
    }
    outgoing.once("error", refused).once("timeout", refused)
    outgoing.once("connect", () => {
      outgoing.off("error", refused).off("timeout", refused)
      outgoing.setTimeout(0)
      relayed(incoming, outgoing, its)
    })
    incoming.once("close", () => outgoing.destroy())
  }

  const server = createServer(
    { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, keepAlive: true },
    (incoming) => {
      open.add(incoming)
      incoming.once("close", () => open.delete(incoming))
      incoming.on("error", () => incoming.destroy())
      hand(incoming, new Set())
    }
  )
  server.maxConnections = limits.connections

  const close = (drain: Duration.Duration): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
    }).pipe(
      Effect.timeoutOption(drain),
      Effect.andThen(
        Effect.sync(() => {
          for (const socket of open) socket.destroy()
        })
      )
    )
  return { server, close, countsOf: (name: string): Readonly<Counts> => ({ ...of(name) }) }
}

/** Both ways, until both have ended. A node that was asked and hung up without a byte has failed. */
const relayed = (incoming: Socket, outgoing: Socket, its: Counts): void => {
  its.taken++
  its.open++
  let [isOver, isJudged] = [false, false]
  const over = (): void => {
    if (isOver) return
    isOver = true
    its.open--
    incoming.destroy()
    outgoing.destroy()
  }
  const judge = (): void => {
    if (isJudged || incoming.destroyed) return
    isJudged = true
    if (outgoing.bytesWritten > 0 && outgoing.bytesRead === 0) its.failed++
  }
  incoming.once("close", over)
  outgoing.once("end", judge).once("close", over)
  outgoing.on("error", () => {
    judge()
    outgoing.destroy()
  })
  incoming.pipe(outgoing)
  outgoing.pipe(incoming)
}

const listen = (server: Server, at: { readonly host: string; readonly port: number }, address: string) =>
  Effect.callback<number, SwitchCannotListen>((resume) => {
    const failed = (cause: unknown) => resume(Effect.fail(new SwitchCannotListen({ address, cause })))
    server.once("error", failed)
    server.listen({ ...at, backlog: 1_024 }, () => {
      server.off("error", failed).on("error", () => undefined)
      const bound = server.address()
      resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : at.port))
    })
  })

// ----------------------------------------------------------------------------------------------------- who tells it

/** `GET /` answers with the view, `PUT /` takes a change. JSON, also for `curl --unix-socket`. */
const serve = (path: string, it: Switch): Effect.Effect<void, SwitchCannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void, never>()
    const server = createHttpServer(
      { requestTimeout: limits.requestMs, headersTimeout: limits.requestMs },
      (asked, answer) => {
        const chunks: Array<Buffer> = []
        let length = 0
        asked.on("data", (chunk: Buffer) => {
          length += chunk.length
          if (length > limits.bodyBytes) asked.destroy()
          else chunks.push(chunk)
        })
        asked.on("error", () => asked.destroy())
        asked.on("end", () => run(answered(it, asked, Buffer.concat(chunks).toString("utf8"), answer)))
      }
    )
    server.maxConnections = limits.talkers
    const unlistening = (cause: unknown) => new SwitchCannotListen({ address: path, cause })
    const address = yield* Effect.mapError(ControlSocket.addressOf(path), unlistening)
    const isTaken = yield* isAnswered(address)
    if (isTaken) return yield* unlistening({ code: "EADDRINUSE" })
    yield* Effect.acquireRelease(
      Effect.callback<void, SwitchCannotListen>((resume) => {
        server.once("error", (cause) => resume(Effect.fail(unlistening(cause))))
        rmSync(path, { force: true })
        server.listen(address, () => {
          chmodSync(path, 0o600)
          resume(Effect.void)
        })
      }),
      () =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
          rmSync(path, { force: true })
        })
    )
  })

/** Whether another switch uses the directory. */
const isAnswered = (address: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(address)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

const answered = (
  it: Switch,
  { method }: IncomingMessage,
  body: string,
  answer: ServerResponse
): Effect.Effect<void> => {
  const say = (status: number, value: unknown) =>
    Effect.sync(() => {
      answer.writeHead(status, { "content-type": "application/json" })
      answer.end(`${JSON.stringify(value)}\n`)
    })
  if (method === "GET") return say(200, it.view())
  if (method !== "PUT") return say(405, { message: "GET looks, PUT changes." })
  const change = Schema.decodeResult(Schema.fromJsonString(Change))(body)
  if (Result.isFailure(change)) return say(400, { message: `That is no change: ${change.failure.message}` })
  const wrong = problemOf(change.success.backends)
  if (wrong !== undefined) return say(400, { message: wrong })
  return Effect.matchEffect(it.change(change.success), {
    onSuccess: (view) => say(200, view),
    onFailure: ({ message }) => say(500, { message })
  })
}

/** What is wrong with nodes, apart from each of them. */
export const problemOf = (backends: ReadonlyArray<Backend>): string | undefined => {
  if (new Set(backends.map(({ name }) => name)).size < backends.length) return "Two nodes have the same name."
  return backends.some(({ weight }) => weight > 0) ? undefined : "No node has a weight: nobody would be served."
}
