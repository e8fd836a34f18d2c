/**
 * The servers of the figures of `rest.ts`, each in a process of its own: `node restServers.ts api|bare|bareGrpc DATA_DIR`.
 * Says where it listens, and answers what it is asked, over the channel to its parent.
 *
 * **Details**
 *
 * `api` is the API as the node has it: TLS, tokens, roles, limits, request ids, and a tracer that makes a span of each
 * request. `bare` is the same contract with the same handlers on Effect's HttpApi over TLS, and nobody at the door.
 * `bareGrpc` is grpc-js over TLS with the same message. Tasks are in memory: what is measured is the API.
 */
import { createRequire } from "node:module"
import { createServer } from "node:https"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { Contract, type Tasks } from "@novacron/api"
import { Component } from "@novacron/boot"
import { Api, Database, Orchestration, Security } from "@novacron/components"
import { Cause, Context, Effect, Layer, Option, PubSub, Schema, type Scope, Stream, Tracer } from "effect"
import { FetchHttpClient, HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"

const components = join(import.meta.dirname, "../../../packages/components")

/** What the parent may ask. */
export type Question = "cpu" | "change"

/** A token that the servers of a data directory know. */
export const token = "a-token-that-is-only-for-benchmarks"

const at = "2026-11-22T21:00:00.000Z"

/** A task as it usually is: it was placed, and has been tried once. */
const task: Tasks.Task = {
  id: "0190a5b0-7e2c-7a3e-9d51-6f0f6b1c2d3e",
  name: "nightly-report",
  group: "reports",
  state: "running",
  version: 4,
  submission: {
    name: "nightly-report",
    group: "reports",
    run: { driver: "process", command: ["/usr/bin/report", "--day", "yesterday"], env: { TZ: "UTC" } },
    demand: { cpu: 1, memory: 512 },
    attempts: 3,
    timeoutMs: 600_000
  },
  submittedBy: "bench",
  createdAt: at,
  updatedAt: at,
  placement: { node: "node-1", explanation: "most room: 3 of 4 cores, 7680 of 8192 MiB", considered: 3, feasible: 3 },
  attempts: [{ number: 1, node: "node-1", startedAt: at, endedAt: null, exitCode: null, signal: null, error: null }]
}

/** What the child answers: where it listens, and the CPU time it has used. */
export type Answer =
  | { readonly port: number; readonly grpcPort?: number; readonly ca: string }
  | { readonly cpuMicros: number }

const told = (message: Answer): void => void process.send?.(message)

const answered = (change: () => void): void => {
  process.on("message", (question: Question) => {
    if (question === "change") return change()
    const { system, user } = process.cpuUsage()
    told({ cpuMicros: user + system })
  })
}

const security = (dataDir: string) =>
  Security.component(
    Schema.decodeUnknownSync(Security.Settings)({
      authentication: { method: "token", tokens: { bench: { token, roles: ["admin"] } } }
    }),
    { dataDir, nodeId: "node-1", environment: {} }
  ).layer

/** TLS as the node speaks it. */
const tls = Effect.gen(function* () {
  const it = yield* Security.Security
  const options = yield* it.serverTls({ clients: "none" })
  return { options, ca: String(options.ca) }
})

// --------------------------------------------------------------------------------------------------------------- api

const settings = Schema.decodeUnknownSync(Api.Settings)({
  port: 0,
  grpc: { port: 0 },
  rate: { perMinute: 1_000_000_000, burst: 1_000_000_000 },
  sockets: { max: 20_000 },
  // Until as many connections are open as it takes, the first ones have nothing to ask.
  idleTimeout: "10m",
  tokens: { store: "file" }
})

/** Makes a span of each request, with all that it is told, and throws it away. */
const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

const api = Effect.fnUntraced(function* (dataDir: string) {
  const changed = yield* PubSub.unbounded<Tasks.Task>()
  const orchestration: Orchestration.Orchestration["Service"] = {
    submit: () => Effect.succeed(task),
    get: (id) => (id === task.id ? Effect.succeed(task) : Effect.fail(new Orchestration.NoSuchTask({ task: id }))),
    list: () => Effect.succeed({ tasks: [task], next: Option.none() }),
    cancel: () => Effect.succeed(task),
    output: () => Stream.empty,
    changes: Stream.fromPubSub(changed),
    nodes: Effect.succeed([]),
    check: Effect.succeed({ detail: "in memory", degraded: false })
  }
  const view = Api.NodeView.make({ nodeId: "node-1", version: "0.1.0" })
  const component = Api.component(settings, { dataDir, view })
  const { grpcPort, port } = yield* Effect.map(
    Layer.build(component.layer).pipe(
      Effect.provideService(Component.late(Orchestration.Orchestration), Effect.succeedSome(orchestration)),
      Effect.provideService(Component.late(Database.Database), Effect.succeedNone),
      Effect.provideService(Tracer.Tracer, tracer)
    ),
    (context) => Context.get(context, Api.Api)
  )
  const { ca } = yield* tls
  // The name carries when it was changed: the clock that counts since the machine was started is the same everywhere.
  answered(() => {
    PubSub.publishUnsafe(changed, { ...task, name: `${process.hrtime.bigint()}` })
  })
  told({ port, ca, ...(grpcPort === undefined ? {} : { grpcPort }) })
})

// -------------------------------------------------------------------------------------------------------------- bare

const never = Effect.die("it is not asked for")

const places = Layer.mergeAll(
  HttpApiBuilder.group(Contract.Contract, "node", (handlers) =>
    handlers.handleAll({
      status: () => never,
      report: () => never,
      health: () => never,
      why: () => never,
      impact: () => never,
      restore: () => never
    })
  ),
  HttpApiBuilder.group(Contract.Contract, "tasks", (handlers) =>
    handlers.handleAll({
      submit: () => never,
      list: () => never,
      get: () => Effect.succeed(task),
      cancel: () => never,
      output: () => never
    })
  ),
  HttpApiBuilder.group(Contract.Contract, "nodes", (handlers) => handlers.handleAll({ list: () => never })),
  HttpApiBuilder.group(Contract.Contract, "tokens", (handlers) =>
    handlers.handleAll({ create: () => never, list: () => never, revoke: () => never })
  )
)

/** Nobody at the door. */
const open = Layer.succeed(Contract.Admission, (answer) =>
  Effect.provideService(answer, Contract.Caller, { name: "anybody", by: "none", roles: [] })
)

const bare = Effect.gen(function* () {
  const { ca, options } = yield* tls
  const server = createServer(options)
  const app = HttpApiBuilder.layer(Contract.Contract).pipe(Layer.provide(places), Layer.provide(open))
  yield* Layer.build(
    HttpRouter.serve(app, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
    )
  )
  const address = server.address()
  answered(() => undefined)
  told({ ca, port: typeof address === "object" && address !== null ? address.port : 0 })
})

const bareGrpc = Effect.gen(function* () {
  const { ca, options } = yield* tls
  // What the package uses inside of itself, to measure it: it is no dependency of the benchmarks.
  const load = (path: string) => import(pathToFileURL(join(components, path)).href)
  const require = createRequire(join(components, "package.json"))
  const [{ Server, ServerCredentials }, { create }] = ["@grpc/grpc-js", "@bufbuild/protobuf"].map((name) =>
    require(name)
  )
  const [wire, proto, standard] = yield* Effect.promise(() =>
    Promise.all([load("src/api/Wire.ts"), load("src/api/wire/TasksProto.ts"), load("src/api/StandardServices.ts")])
  )
  const answer = create(proto.GetTaskResponseSchema, { task: wire.toTask(task) })
  const server = new Server()
  const { getTask } = standard.definitionOf(proto.TaskService)
  server.addService(
    { getTask },
    { getTask: (_: unknown, reply: (e: null, it: unknown) => void) => reply(null, answer) }
  )
  const pair = { private_key: options.key, cert_chain: Buffer.from(String(options.cert)) }
  const credentials = ServerCredentials.createSsl(null, [pair], false)
  const port = yield* Effect.callback<number>((resume) =>
    server.bindAsync("127.0.0.1:0", credentials, (_: unknown, port: number) => resume(Effect.succeed(port)))
  )
  answered(() => undefined)
  told({ ca, port })
})

// -------------------------------------------------------------------------------------------------------------- main

/** Serves until the parent is gone. */
const serve = <E>(
  program: Effect.Effect<void, E, NodeServices.NodeServices | Scope.Scope | Security.Security>,
  dataDir: string
): void => {
  process.on("disconnect", () => process.exit())
  Effect.runFork(
    Effect.andThen(program, Effect.never).pipe(
      Effect.scoped,
      Effect.provide(security(dataDir)),
      Effect.provide(Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer)),
      Effect.tapCause((cause) => Effect.sync(() => console.error(Cause.pretty(cause)))),
      Effect.onError(() => Effect.sync(() => process.exit(1)))
    )
  )
}

const [, file, mode, dataDir = ""] = process.argv
if (file === import.meta.filename) {
  if (mode === "api") serve(api(dataDir), dataDir)
  else if (mode === "bare") serve(bare, dataDir)
  else serve(bareGrpc, dataDir)
}
