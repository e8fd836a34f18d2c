/**
 * The same over gRPC: tasks, node, nodes and tokens as services of `novacron.v1`, with the standard services for health
 * and reflection. What an answer says comes from {@link Answers}, as over REST; {@link Admission} is the same door.
 *
 * **Details**
 *
 * The port speaks TLS with the node's own certificate, and connections are handed to grpc-js when the handshake is over:
 * so a client certificate may be shown and need not be, and a renewed certificate counts from the next handshake. A
 * problem is a status with its code in the metadata `novacron-code`. Health and reflection are open to everybody.
 */
import { createServer, type TLSSocket } from "node:tls"
import {
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  create,
  type MessageInitShape,
  type MessageShape
} from "@bufbuild/protobuf"
import * as Rpc from "@grpc/grpc-js"
import { Contract, Problem, Tasks, Tokens } from "@novacron/api"
import { Report } from "@novacron/boot/model"
import { ByteSize, Cause, Clock, Context, Duration, Effect, Exit, Schema, type Scope, Stream, Tracer } from "effect"
import type { Security } from "../security/Security.ts"
import type { Admission, Guest, Knock } from "./Admission.ts"
import type { Answers } from "./Answers.ts"
import { bearerOf, personOf } from "./Door.ts"
import type { Feed, Message } from "./Feed.ts"
import * as Ports from "./Ports.ts"
import type { Settings } from "./Settings.ts"
import * as Spans from "./Spans.ts"
import * as StandardServices from "./StandardServices.ts"
import * as HealthProto from "./wire/HealthProto.ts"
import * as NodeProto from "./wire/NodeProto.ts"
import * as ReflectionProto from "./wire/ReflectionProto.ts"
import * as TasksProto from "./wire/TasksProto.ts"
import * as TokensProto from "./wire/TokensProto.ts"
import * as Wire from "./Wire.ts"

/** The services, in the order of their files. */
export const services = [TasksProto.TaskService, NodeProto.NodeService, TokensProto.TokenService] as const

export interface GrpcServer {
  readonly host: string
  readonly port: number
  /** Whether tasks are taken, for the service of health. */
  readonly serving: (isServing: boolean) => void
  readonly check: Effect.Effect<void, Ports.ApiClosed>
}

export interface Options {
  readonly settings: Settings
  readonly security: Security["Service"]
  readonly admission: Admission
  readonly answers: Answers
  readonly feed: Feed
}

/** Listens until the scope closes. */
export const make = Effect.fn("Grpc.make")(function* (
  options: Options
): Effect.fn.Return<GrpcServer, Ports.ApiPortTaken | Ports.ApiCannotListen, Scope.Scope> {
  const { security, settings } = options
  const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context())
  const run = Effect.runForkWith(context)
  const tracer = Context.get(context, Tracer.Tracer)
  const spans = Spans.make(yield* Clock.Clock)
  const peers = new Map<string, Peer>()
  const streams = new Set<Streaming>()
  const server = new Rpc.Server({
    "grpc.max_receive_message_length": ByteSize.toNumberUnsafe(settings.maxBody),
    "grpc.max_concurrent_streams": 1_000,
    "grpc.keepalive_time_ms": Duration.toMillis(settings.idleTimeout),
    "grpc.keepalive_timeout_ms": 10_000
  })

  const knockOf = (call: Calling): Knock => {
    const peer = peers.get(call.getPeer())
    const authorization = textIn(call.metadata, "authorization")
    if (peer?.knock !== undefined && peer.authorization === authorization) return peer.knock
    const person = peer === undefined ? { certificate: undefined, address: "" } : personOf(peer.socket)
    const knock = { ...person, bearer: authorization === undefined ? undefined : (bearerOf(authorization) ?? "") }
    if (peer !== undefined) Object.assign(peer, { authorization, knock })
    return knock
  }

  /** Lets in whoever may come, does the work in the trace of whoever calls, and says what has come of it. */
  const begin = <A>(
    method: DescMethod,
    call: Calling,
    action: string,
    work: (guest: Guest) => Effect.Effect<A, Problem.Problem>,
    done: (exit: Exit.Exit<A, Problem.Problem>) => void
  ) => {
    const knock = knockOf(call)
    const guest = options.admission.again(knock, action)
    const admitted: Effect.Effect<A, Problem.Problem> =
      guest === undefined ? Effect.flatMap(options.admission.admit(knock, action), work) : work(guest)
    const name = `${method.parent.typeName}/${method.name}`
    const span = spans.begin(tracer, name, textIn(call.metadata, "traceparent"))
    const fiber = run(span === undefined ? admitted : Effect.provideService(admitted, Tracer.ParentSpan, span))
    fiber.addObserver((exit) => {
      if (span !== undefined) spans.end(span, Exit.isFailure(exit))
      done(exit)
    })
    if (fiber.pollUnsafe() === undefined) call.once("cancelled", () => fiber.interruptUnsafe())
    return fiber
  }

  const book: Book = {
    unary: (method, action, answer) => ({
      method,
      handle: (
        call: Rpc.ServerUnaryCall<MessageShape<typeof method.input>, unknown>,
        reply: Rpc.sendUnaryData<unknown>
      ) => {
        begin(
          method,
          call,
          action,
          (guest) => answer(call.request, guest),
          (exit) => {
            if (Exit.isSuccess(exit)) reply(null, create(method.output, exit.value))
            else reply(statusOf(exit.cause, run))
          }
        )
      }
    }),
    streaming: (method, action, answer) => ({
      method,
      handle: (call: Rpc.ServerWritableStream<MessageShape<typeof method.input>, unknown>) => {
        streams.add(call)
        const lapse = options.admission.lapse(knockOf(call), action)
        const send = (message: MessageInitShape<typeof method.output>) => sent(call, create(method.output, message))
        const fiber = begin(
          method,
          call,
          action,
          (guest) => Effect.raceFirst(answer(call.request, send, guest, call), lapse),
          (exit) => {
            streams.delete(call)
            if (Exit.isSuccess(exit)) call.end()
            else call.emit("error", statusOf(exit.cause, run))
          }
        )
        call.once("close", () => {
          streams.delete(call)
          fiber.interruptUnsafe()
        })
      }
    })
  }
  const places = placesOf(book, options)
  for (const service of services) {
    const own = places.filter(({ method }) => method.parent === service)
    server.addService(
      StandardServices.definitionOf(service),
      Object.fromEntries(own.map(({ handle, method }) => [method.localName, handle]))
    )
  }
  const health = StandardServices.health(services)
  server.addService(StandardServices.definitionOf(HealthProto.Health), health.places)
  server.addService(
    StandardServices.definitionOf(ReflectionProto.ServerReflection),
    StandardServices.reflection([...services, HealthProto.Health, ReflectionProto.ServerReflection])
  )

  const injector = server.createConnectionInjector(Rpc.ServerCredentials.createInsecure())
  const serverTls = security.serverTls({ clients: "requested" })
  const listener = createServer(
    {
      ...(yield* serverTls),
      ALPNProtocols: ["h2"],
      handshakeTimeout: Duration.toMillis(settings.headersTimeout)
    },
    (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`
      peers.set(peer, { socket, authorization: undefined, knock: undefined })
      socket.setNoDelay(true)
      socket.on("error", () => socket.destroy())
      socket.once("close", () => peers.delete(peer))
      injector.injectConnection(socket)
    }
  )
  listener.maxConnections = settings.maxConnections
  listener.on("tlsClientError", (_, socket) => socket.destroy())
  const wanted = { host: settings.host, port: settings.grpc.port }

  const drain = Effect.gen(function* () {
    health.serving(false)
    listener.close()
    for (const call of streams) call.emit("error", { code: Problem.grpc.Unavailable, details: "The node stops." })
    const done = Effect.callback<void>((resume) => server.tryShutdown(() => resume(Effect.void)))
    yield* Effect.timeoutOption(done, settings.drainTimeout)
    server.forceShutdown()
    for (const { socket } of peers.values()) socket.destroy()
  })
  const { port } = yield* Effect.acquireRelease(Ports.listen(listener, "gRPC", wanted), () => drain)
  yield* Stream.runForEach(security.renewals, () =>
    Effect.map(serverTls, (tls) => listener.setSecureContext(tls))
  ).pipe(Effect.forkScoped)

  return {
    host: settings.host,
    port,
    serving: health.serving,
    check: Ports.check(listener, "gRPC", { host: settings.host, port })
  }
})

// ------------------------------------------------------------------------------------------------------------ places

/** Who is at the other end of a connection, and what he has shown last. */
interface Peer {
  readonly socket: TLSSocket
  authorization: string | undefined
  knock: Knock | undefined
}

type Calling = Pick<Rpc.ServerUnaryCall<unknown, unknown>, "getPeer" | "metadata" | "once">

const textIn = (metadata: Rpc.Metadata, name: string): string | undefined => metadata.get(name)[0]?.toString()

interface Place {
  readonly method: DescMethod
  readonly handle: Rpc.UntypedHandleCall
}

/** A call that is answered by many messages. */
type Streaming = Pick<
  Rpc.ServerWritableStream<unknown, unknown>,
  "emit" | "off" | "on" | "once" | "write" | "writableNeedDrain"
>

type Sending<O> = (message: O) => Effect.Effect<void>

/** How a place is written down: a method, what one must be allowed to do, and the answer. */
interface Book {
  readonly unary: <I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodUnary<I, O>,
    action: string,
    answer: (request: MessageShape<I>, guest: Guest) => Effect.Effect<MessageInitShape<O>, Problem.Problem>
  ) => Place
  readonly streaming: <I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodServerStreaming<I, O>,
    action: string,
    answer: (
      request: MessageShape<I>,
      send: Sending<MessageInitShape<O>>,
      guest: Guest,
      call: Streaming
    ) => Effect.Effect<void, Problem.Problem>
  ) => Place
}

const { groups } = Contract.Contract
const { node, nodes, tasks, tokens } = {
  node: groups.node.endpoints,
  tasks: groups.tasks.endpoints,
  nodes: groups.nodes.endpoints,
  tokens: groups.tokens.endpoints
}

const placesOf = ({ streaming, unary }: Book, { answers, feed }: Options): ReadonlyArray<Place> => {
  const task = TasksProto.TaskService.method
  const self = NodeProto.NodeService.method
  const token = TokensProto.TokenService.method
  return [
    unary(task.submitTask, Contract.action(tasks.submit), ({ submission }, guest) =>
      Effect.flatMap(checked(Tasks.Submission, Wire.fromSubmission(submission)), (wanted) =>
        Effect.map(answers.submit(guest, wanted), (task) => ({ task: Wire.toTask(task) }))
      )
    ),
    unary(task.getTask, Contract.action(tasks.get), ({ id }) =>
      Effect.map(answers.get(id), (task) => ({ task: Wire.toTask(task) }))
    ),
    unary(task.listTasks, Contract.action(tasks.list), ({ cursor, group, limit, node, state }) =>
      Effect.flatMap(
        checked(Contract.Filter, {
          ...(state.length === 0 ? {} : { state: state.map(Wire.stateOf) }),
          ...(group === undefined ? {} : { group }),
          ...(node === undefined ? {} : { node }),
          ...(limit === undefined ? {} : { limit }),
          ...(cursor === undefined ? {} : { cursor })
        }),
        (filter) =>
          Effect.map(answers.list(filter), ({ next, tasks }) => ({
            tasks: tasks.map(Wire.toTask),
            ...(next === null ? {} : { next })
          }))
      )
    ),
    unary(task.cancelTask, Contract.action(tasks.cancel), ({ id }, guest) =>
      Effect.map(answers.cancel(guest, id), (task) => ({ task: Wire.toTask(task) }))
    ),
    streaming(task.readOutput, Contract.action(tasks.output), ({ follow, id, offset }, send) =>
      Effect.flatMap(checked(Contract.Range, { offset: Number(offset) }), ({ offset = 0 }) =>
        Stream.runForEach(answers.output(id, { offset, follow }), (piece) => send({ output: Wire.toOutput(piece) }))
      )
    ),
    streaming(task.watchTasks, "status.events", ({ after }, _send, _guest, call) => watching(feed, call, after)),
    unary(self.getStatus, Contract.action(node.status), () => Effect.map(answers.status, Wire.toStatus)),
    unary(self.getReport, Contract.action(node.report), () =>
      Effect.map(answers.report, (report) => ({ report: Wire.toStruct(encodeReport(report)) }))
    ),
    unary(self.getHealth, Contract.action(node.health), () => Effect.map(answers.health, Wire.toHealth)),
    unary(self.explainComponent, Contract.action(node.why), ({ component }) =>
      Effect.map(answers.why(component), ({ component, reasons }) => ({ component, reasons: [...reasons] }))
    ),
    unary(self.getImpact, Contract.action(node.impact), ({ component }) =>
      Effect.map(answers.impact(component), (impact) => ({ impact: Wire.toImpact(impact) }))
    ),
    unary(self.restoreComponent, Contract.action(node.restore), ({ component }, guest) =>
      Effect.map(answers.restore(guest, component), (impact) => ({ impact: Wire.toImpact(impact) }))
    ),
    unary(self.listNodes, Contract.action(nodes.list), () =>
      Effect.map(answers.nodes, (all) => ({ nodes: all.map(Wire.toNode) }))
    ),
    unary(token.createToken, Contract.action(tokens.create), ({ lifetimeSeconds, name, roles }, guest) =>
      Effect.flatMap(
        checked(Tokens.Request, { name, roles, ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }) }),
        (wanted) =>
          Effect.map(answers.createToken(guest, wanted), ({ secret, token }) => ({
            secret,
            token: Wire.toToken(token)
          }))
      )
    ),
    unary(token.listTokens, Contract.action(tokens.list), () =>
      Effect.map(answers.tokens, (all) => ({ tokens: all.map(Wire.toToken) }))
    ),
    unary(token.revokeToken, Contract.action(tokens.revoke), ({ id }, guest) =>
      Effect.as(answers.revokeToken(guest, id), {})
    )
  ]
}

const encodeReport = Schema.encodeSync(Report.Report)

/** As the contract says it has to be. */
const checked = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  value: unknown
): Effect.Effect<S["Type"], Problem.InvalidRequest> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(value, { onExcessProperty: "error" }),
    (error) => new Problem.InvalidRequest({ detail: `${Problem.inWords(error).slice(0, 1_024)}.` })
  )

/** Completes when the message may be followed by another one. */
const sent = (call: Streaming, message: unknown): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (call.write(message)) return resume(Effect.void)
    call.once("drain", () => resume(Effect.void))
  })

/** Tells changes until the call ends; a slow reader gets the last version of each task. */
const watching = (feed: Feed, call: Streaming, after: string | undefined): Effect.Effect<never> =>
  Effect.callback<never>(() => {
    const take = ({ id, task }: Message): boolean => {
      if (call.writableNeedDrain) return false
      const body = task === undefined ? { id } : { id, task: Wire.toTask(task) }
      call.write(create(TasksProto.WatchTasksResponseSchema, body))
      return true
    }
    const subscription = feed.subscribe({ take }, { after, tasksOnly: true })
    call.on("drain", subscription.resume)
    return Effect.sync(() => {
      call.off("drain", subscription.resume)
      subscription.end()
    })
  })

// ------------------------------------------------------------------------------------------------------------ status

/** What gRPC says of what went wrong. */
const statusOf = (cause: Cause.Cause<Problem.Problem>, run: (effect: Effect.Effect<void>) => unknown) => {
  const [problem] = cause.reasons.flatMap((reason) => (Cause.isFailReason(reason) ? [reason.error] : []))
  const metadata = new Rpc.Metadata()
  if (problem === undefined) {
    if (Cause.hasInterruptsOnly(cause)) return { code: Rpc.status.CANCELLED, details: "cancelled", metadata }
    run(Effect.logError("A call over gRPC has failed", cause))
    metadata.set("novacron-code", "NVC-2820")
    return { code: Rpc.status.INTERNAL, details: "That is a bug of the node. Its log has the cause.", metadata }
  }
  metadata.set("novacron-code", problem.code)
  if ("retryAfterSeconds" in problem) metadata.set("retry-after", `${problem.retryAfterSeconds}`)
  return { code: Problem.grpc[problem._tag], details: problem.detail ?? problem.title, metadata }
}
