/**
 * The Unix socket by which commands talk to the node that runs: one request and one answer per connection, each a line
 * of JSON. It is in the data directory, for the user of the node alone (0600).
 *
 * **Details**
 *
 * - Bounded: a request has 8 KiB and 5 seconds, an answer 16 MiB; sixteen connections at a time, more are refused.
 * - A socket that nobody answers at was left behind by a process that was killed, and is replaced. One that somebody
 *   answers at belongs to a node that runs, and {@link serve} fails with {@link AlreadyRunning}.
 * - The path of a Unix socket may have 107 bytes. A data directory with a longer one is opened, and the socket found in it
 *   by the number of the descriptor: whoever knows that directory, by whatever name, finds the node.
 * - When the server closes, answers under way are still given.
 */
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, rmSync } from "node:fs"
import { createConnection, createServer, type Server, type Socket } from "node:net"
import { basename, dirname, join } from "node:path"
import { Cause, Data, Duration, Effect, Exit, FiberSet, Option, Schema, type Scope } from "effect"
import { isDenied, NoSuchComponent, WrongUser } from "./Errors.ts"
import { uidOfUser } from "./Surroundings.ts"

/** What may be asked of a node. */
export const Request = Schema.Union([
  Schema.TaggedStruct("Ping", {}),
  Schema.TaggedStruct("Status", {}),
  Schema.TaggedStruct("Report", {}),
  Schema.TaggedStruct("Health", {}),
  Schema.TaggedStruct("Why", { component: Schema.String }),
  /** Without `confirmed` only what it would concern is answered. */
  Schema.TaggedStruct("Restore", { component: Schema.String, confirmed: Schema.Boolean }),
  /** Without `confirmed` only what it would do is answered; with it the answer comes when it is over. */
  Schema.TaggedStruct("Restart", {
    component: Schema.String,
    withDependents: Schema.Boolean,
    confirmed: Schema.Boolean
  }),
  Schema.TaggedStruct("StopComponent", { component: Schema.String, confirmed: Schema.Boolean }),
  /** Answers with an address that opens the dashboard once, for somebody of that name with that role. */
  Schema.TaggedStruct("Dashboard", {
    name: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(64))),
    role: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(64)))
  }),
  /** Answers with the final report, when everything is down. */
  Schema.TaggedStruct("Stop", { because: Schema.String }),
  Schema.TaggedStruct("Reload", {})
])
export type Request = typeof Request.Type

const Answer = Schema.Union([
  Schema.TaggedStruct("Done", { value: Schema.Unknown }),
  Schema.TaggedStruct("NotDone", {
    message: Schema.String,
    /** That it has no such component: whoever asked has to ask otherwise. An older client goes by the message. */
    unknown: Schema.optionalKey(Schema.Struct({ name: Schema.String, names: Schema.Array(Schema.String) })),
    /** That it was asked for what cannot be, whenever it is asked. */
    exit: Schema.optionalKey(Schema.Literal(65))
  })
])

/** Another node uses the same data directory. */
export class AlreadyRunning extends Data.TaggedError("AlreadyRunning")<{
  readonly path: string
  readonly pid: number | undefined
}> {
  readonly code = "NVC-3001"
  override get message() {
    const who = this.pid === undefined ? "Another node" : `A node with pid ${this.pid}`
    return `${who} uses the data directory ${dirname(this.path)} already. Two nodes in one would spoil its data.`
  }
}

/** The socket cannot be made. */
export class ControlSocketFailed extends Data.TaggedError("ControlSocketFailed")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-3004"
  override get message() {
    return `The control socket ${this.path} cannot be created: ${wordsOf(this.cause)}. Nothing could talk to the node.`
  }
}

/** Nobody answers: there is no node, or it is not well. */
export class NoNode extends Data.TaggedError("NoNode")<{ readonly path: string; readonly cause: unknown }> {
  readonly code = "NVC-3007"
  /** That nobody is there, and not that somebody does not answer. */
  get isNobody(): boolean {
    return ["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(codeOf(this.cause) ?? "")
  }
  override get message() {
    const { cause, path } = this
    if (Cause.isTimeoutError(cause)) {
      return (
        `A node runs here and does not answer at ${path}: ${cause.message}. ` +
        "Its process has too much to do, or was stopped; look at it before another one is started in its place."
      )
    }
    return this.isNobody
      ? `No node runs here: nobody answers at ${path}.`
      : `The node at ${path} does not answer: ${wordsOf(cause)}.`
  }
}

/** The node understood and said no. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly reason: string
  /** Where it is not the node that stands against it, but what was asked for. */
  readonly exitCode?: 65
}> {
  readonly code = "NVC-3010"
  override get message() {
    return this.reason
  }
}

/** Why a node does not do what it was asked for. */
export type Declined = NoSuchComponent | Refused

const limits = { requestBytes: 8 * 1024, answerBytes: 16 * 1024 * 1024, pathBytes: 100, connections: 16 } as const

/** How long a request may take to come in. */
const patience = Duration.seconds(5)

/** Where the socket of a data directory is. */
export const pathOf = (dataDir: string): string => join(dataDir, "control.sock")

/** What the system takes for the path of a socket, as long as the scope is open. */
export const addressOf = (path: string): Effect.Effect<string, unknown, Scope.Scope> =>
  Buffer.byteLength(path) <= limits.pathBytes
    ? Effect.succeed(path)
    : Effect.map(
        Effect.acquireRelease(
          Effect.try({ try: () => openSync(dirname(path), "r"), catch: (cause) => cause }),
          (directory) => Effect.sync(() => closeSync(directory))
        ),
        (directory) => `/proc/self/fd/${directory}/${basename(path)}`
      )

// -------------------------------------------------------------------------------------------------------- the server

/** Answers requests until the scope closes. What `answer` yields must be data that JSON can hold. */
export const serve = Effect.fn("ControlSocket.serve")(function* (options: {
  readonly path: string
  readonly answer: (request: Request) => Effect.Effect<unknown, Declined>
}) {
  const { answer, path } = options
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const busy = new Set<Socket>()
  const server = createServer((socket) => {
    busy.add(socket)
    socket.once("close", () => busy.delete(socket))
    socket.on("error", () => socket.destroy())
    run(converse(socket, answer))
  })
  server.maxConnections = limits.connections
  const failed = (cause: unknown) => new ControlSocketFailed({ path, cause })
  yield* Effect.try({ try: () => prepare(dirname(path)), catch: failed })
  const address = yield* Effect.mapError(addressOf(path), failed)
  yield* Effect.acquireRelease(claim(server, path, address), () => close(server, path, busy))
})

/** Listens, or replaces the socket of a process that is gone. */
const claim = (
  server: Server,
  path: string,
  address: string
): Effect.Effect<void, AlreadyRunning | ControlSocketFailed> =>
  Effect.gen(function* () {
    const first = yield* Effect.exit(listen(server, address))
    if (Exit.isSuccess(first)) return
    const cause = Cause.squash(first.cause)
    if (codeOf(cause) !== "EADDRINUSE") return yield* new ControlSocketFailed({ path, cause })
    const other = yield* Effect.exit(ask(path, { _tag: "Ping" }, Duration.seconds(2)))
    if (Exit.isSuccess(other)) {
      const pid = Option.getOrUndefined(decodePing(other.value))?.pid
      return yield* new AlreadyRunning({ path, pid })
    }
    const silence = Cause.squash(other.cause)
    const isLeftBehind = silence instanceof NoNode && codeOf(silence.cause) === "ECONNREFUSED"
    // It takes connections and gives no answer: it is alive, however busy.
    if (!isLeftBehind) return yield* new AlreadyRunning({ path, pid: undefined })
    yield* Effect.try({
      try: () => rmSync(path, { force: true }),
      catch: (cause) => new ControlSocketFailed({ path, cause })
    })
    yield* Effect.mapError(listen(server, address), (cause) => new ControlSocketFailed({ path, cause }))
  })

const decodePing = Schema.decodeUnknownOption(Schema.Struct({ pid: Schema.Int }))

/** Only this user may look inside; a directory of somebody else is none of ours. */
const prepare = (directory: string): void => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(directory)
  if (uid !== uidOfUser() && uidOfUser() !== 0) throw new Error(`${directory} belongs to another user`)
}

const listen = (server: Server, address: string): Effect.Effect<void, unknown> =>
  Effect.callback<void, unknown>((resume) => {
    const failed = (cause: unknown) => {
      server.off("listening", listening)
      resume(Effect.fail(cause))
    }
    const listening = () => {
      server.off("error", failed)
      resume(Effect.try({ try: () => chmodSync(address, 0o600), catch: (cause) => cause }))
    }
    server.once("error", failed)
    server.once("listening", listening)
    server.listen(address)
  })

/** No further connection; who waits for an answer gets it, within a second. Node removes the file with the server. */
const close = (server: Server, path: string, busy: ReadonlySet<Socket>): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    for (const socket of busy) if (socket.bytesWritten === 0 && socket.bytesRead === 0) socket.destroy()
  }).pipe(
    Effect.timeoutOrElse({
      duration: "1 second",
      orElse: () =>
        Effect.sync(() => {
          for (const socket of busy) socket.destroy()
        })
    }),
    Effect.andThen(Effect.ignore(Effect.try(() => rmSync(path, { force: true }))))
  )

const converse = (
  socket: Socket,
  answer: (request: Request) => Effect.Effect<unknown, Declined>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const line = yield* Effect.timeout(lineOf(socket, limits.requestBytes), patience)
    const request = yield* Effect.mapError(decodeRequest(line), () => new Refused({ reason: notUnderstood }))
    return yield* answer(request)
  }).pipe(
    Effect.matchCause({
      onSuccess: (value) => ({ _tag: "Done", value: value ?? null }),
      onFailure: (cause) => declinedBy(Cause.squash(cause))
    }),
    Effect.flatMap((said) =>
      Effect.callback<void>((resume) => {
        socket.once("close", () => resume(Effect.void))
        if (socket.destroyed) resume(Effect.void)
        else socket.end(`${JSON.stringify(said)}\n`)
      })
    )
  )

const declinedBy = (error: unknown): typeof Answer.Type => ({
  _tag: "NotDone",
  message: wordsOf(error),
  ...(error instanceof NoSuchComponent ? { unknown: { name: error.name, names: error.names } } : {}),
  ...(error instanceof Refused && error.exitCode !== undefined ? { exit: error.exitCode } : {})
})

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(Request))

const notUnderstood = "This node does not understand that request. Is the command of the same version as the node?"

// -------------------------------------------------------------------------------------------------------- the client

/** Asks the node at a socket, and waits for its answer as long as `within`; it has been asked even when that is nothing. */
export const ask = (
  path: string,
  request: Request,
  within: Duration.Input = "10 seconds"
): Effect.Effect<unknown, Declined | NoNode | WrongUser> =>
  Effect.gen(function* () {
    const socket = yield* connect(yield* addressOf(path))
    socket.write(`${JSON.stringify(request)}\n`)
    return yield* Effect.timeout(Effect.flatMap(lineOf(socket, limits.answerBytes), decodeAnswer), within)
  }).pipe(
    Effect.scoped,
    Effect.mapError((cause) => (isDenied(cause) ? new WrongUser({ path, cause }) : new NoNode({ path, cause }))),
    Effect.flatMap((answer): Effect.Effect<unknown, Declined> => {
      if (answer._tag === "Done") return Effect.succeed(answer.value)
      const { exit, message, unknown } = answer
      if (unknown !== undefined) return Effect.fail(new NoSuchComponent(unknown))
      return Effect.fail(new Refused({ reason: message, ...(exit === undefined ? {} : { exitCode: exit }) }))
    })
  )

const decodeAnswer = Schema.decodeUnknownEffect(Schema.fromJsonString(Answer))

const connect = (address: string): Effect.Effect<Socket, unknown, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket, unknown>((resume) => {
      const socket = createConnection(address)
      socket.once("error", (cause) => resume(Effect.fail(cause)))
      socket.once("connect", () => resume(Effect.succeed(socket)))
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

// ------------------------------------------------------------------------------------------------------------- lines

/** The first line that comes in; fails when it is longer than the limit, or when the other side hangs up before. */
const lineOf = (socket: Socket, limit: number): Effect.Effect<string, unknown> =>
  Effect.callback<string, unknown>((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const done = (outcome: Effect.Effect<string, unknown>) => {
      socket.off("data", data).off("end", end).off("error", error)
      resume(outcome)
    }
    const data = (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length > limit) done(Effect.fail(new Error(`a line of more than ${limit} bytes`)))
      else if (chunk.includes(10)) done(Effect.succeed(`${Buffer.concat(chunks).toString("utf8").split("\n")[0]}`))
    }
    const end = () => done(Effect.fail(new Error("it hung up")))
    const error = (cause: unknown) => done(Effect.fail(cause))
    socket.on("data", data).on("end", end).on("error", error)
    return Effect.sync(() => {
      socket.off("data", data).off("end", end).off("error", error)
    })
  })

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

const wordsOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
