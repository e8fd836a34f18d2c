/**
 * REST: the contract over HTTP. Routes are built once, when the component starts; everything that goes wrong is answered
 * with a problem.
 *
 * **Details**
 *
 * The middleware of the contract stands before each place: it looks at the body before it is read, asks {@link Admission},
 * and turns what cannot be decoded into a problem that says where. Around all places stands a guard for what no place has
 * an answer to: an address that there is not, a method that is not used there, a bug.
 */
import type { IncomingMessage } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Contract, Problem, type Tasks } from "@novacron/api"
import { ByteSize, Cause, Clock, Context, Effect, Layer, SchemaIssue, Scope, Tracer } from "effect"
import {
  HttpIncomingMessage,
  HttpMiddleware,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { HttpApiBuilder, HttpApiError } from "effect/http-api"
import type { Admission, Guest, Knock, Refusal } from "./Admission.ts"
import { Answer } from "./Answer.ts"
import type { Answers } from "./Answers.ts"
import { hints } from "./Hints.ts"
import * as Spans from "./Spans.ts"

export interface Rest {
  readonly handle: (request: IncomingMessage, response: Answer) => void
}

export interface Options {
  readonly answers: Answers
  readonly admission: Admission
  readonly maxBody: ByteSize.ByteSize
}

/** Builds all routes; what they run ends with the scope. */
export const make = Effect.fn("Rest.make")(function* (options: Options): Effect.fn.Return<Rest, never, Scope.Scope> {
  // Of its own, and older than the door: requests under way end after the door has drained, and not before.
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
  const spans = Spans.make(yield* Clock.Clock)
  const routes = HttpApiBuilder.layer(Contract.Contract).pipe(
    Layer.provide(places(options.answers)),
    Layer.provide(Layer.succeed(Contract.Admission, door(options, spans))),
    Layer.provide(NodeHttpServer.layerHttpServices)
  )
  // What a request does belongs to the trace of the request, and not to that of the start.
  const app = yield* HttpRouter.toHttpEffect(routes).pipe(
    Effect.updateContext((context: Context.Context<Scope.Scope>) => Context.omit(Tracer.ParentSpan)(context)),
    Effect.provideService(HttpRouter.RouterConfig, { ignoreDuplicateSlashes: false, maxParamLength: 256 })
  )
  const handler = yield* NodeHttpServer.makeHandler(guarded(app), { scope }).pipe(
    Effect.updateContext((context: Context.Context<Scope.Scope>) => roomy(context)),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, options.maxBody),
    // The door makes the span, which knows the place and costs half as much.
    Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
  )
  return { handle: handler }
})

/** The same services, with room for what a request adds: beyond eight additions, the default, all of them are copied. */
const roomy = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(new Map(context.mapUnsafe), { maxDepth: 24 })

/** The door makes the answer to each request. */
const answerOf = (asked: HttpServerRequest.HttpServerRequest): Answer => {
  const response = NodeHttpServerRequest.toServerResponse(asked)
  if (response instanceof Answer) return response
  throw new Error("REST was asked by somebody who did not come through the door")
}

// ------------------------------------------------------------------------------------------------------------ places

/** Who asks was let in by the middleware. */
const caller = Contract.Caller

/**
 * Tasks are what they are in JSON, which their type holds. What the contract would say of them, field by field, was said when
 * they were submitted; to say it each time that they are read took as much as a quarter of the answer.
 */
const asItIs = (it: typeof Tasks.Task.Encoded | typeof Contract.Page.Encoded): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify(it), { contentType: "application/json" })

const places = (answers: Answers) =>
  Layer.mergeAll(
    HttpApiBuilder.group(Contract.Contract, "node", (handlers) =>
      handlers.handleAll({
        status: () => answers.status,
        report: () => answers.report,
        health: () => answers.health,
        why: ({ params }) => answers.why(params.name),
        impact: ({ params }) => answers.impact(params.name),
        restore: ({ params }) => Effect.flatMap(caller, (guest) => answers.restore(guest, params.name))
      })
    ),
    HttpApiBuilder.group(Contract.Contract, "tasks", (handlers) =>
      handlers.handleAll({
        submit: ({ headers, payload }) =>
          Effect.flatMap(caller, (guest) => answers.submit(guest, payload, headers["idempotency-key"])),
        list: ({ query }) => Effect.map(answers.list(query), asItIs),
        get: ({ params }) => Effect.map(answers.get(params.id), asItIs),
        cancel: ({ params }) => Effect.flatMap(caller, (guest) => answers.cancel(guest, params.id)),
        output: ({ params, query }) => answers.excerpt(params.id, query)
      })
    ),
    HttpApiBuilder.group(Contract.Contract, "nodes", (handlers) =>
      handlers.handleAll({ list: () => Effect.map(answers.nodes, (nodes) => ({ nodes })) })
    ),
    HttpApiBuilder.group(Contract.Contract, "tokens", (handlers) =>
      handlers.handleAll({
        create: ({ payload }) => Effect.flatMap(caller, (guest) => answers.createToken(guest, payload)),
        list: () => Effect.map(answers.tokens, (tokens) => ({ tokens })),
        revoke: ({ params }) => Effect.flatMap(caller, (guest) => answers.revokeToken(guest, params.id))
      })
    )
  )

// -------------------------------------------------------------------------------------------------------------- door

const door =
  (options: Options, spans: Spans.Spans): Contract.Admission["Service"] =>
  (answer, { endpoint }) => {
    const place: Place = {
      action: Contract.action(endpoint),
      name: `${endpoint.method} ${endpoint.path}`,
      takesBody: endpoint.payload.size > 0,
      limitBytes: ByteSize.toNumberUnsafe(options.maxBody)
    }
    const route = endpoint.path
    return Effect.withFiber((fiber) => {
      const asked = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
      const request = NodeHttpServerRequest.toIncomingMessage(asked)
      const response = answerOf(asked)
      const { knock } = response.arrival
      const { traceparent } = request.headers
      const tracer = Context.get(fiber.context, Tracer.Tracer)
      const span = spans.begin(tracer, place.name, typeof traceparent === "string" ? traceparent : undefined)
      if (span !== undefined) {
        span.attribute("http.request.method", request.method)
        span.attribute("http.route", route)
        response.on("close", () => {
          span.attribute("http.response.status_code", response.statusCode)
          spans.end(span, response.statusCode >= 500)
        })
      }
      return entered(answer, place, asked, options.admission, knock, span)
    })
  }

interface Place {
  readonly action: string
  readonly name: string
  readonly takesBody: boolean
  readonly limitBytes: number
}

type Entering<E> = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  E | Refusal | Problem.BodyTooLarge | Problem.InvalidRequest | Problem.UnsupportedMediaType
>

/** The answer, for whoever may have it and has sent what it can be made of. */
const entered = <E>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, Contract.Caller>,
  { action, limitBytes, takesBody }: Place,
  asked: HttpServerRequest.HttpServerRequest,
  admission: Admission,
  knock: Knock,
  span: Tracer.Span | undefined
): Entering<E> => {
  const { headers } = NodeHttpServerRequest.toIncomingMessage(asked)
  const enter = (guest: Guest): Entering<E> => {
    const wrong = takesBody ? judgeBody(headers, limitBytes) : undefined
    if (wrong !== undefined) return Effect.fail(wrong)
    // Both at once: each addition by itself is a step of the fiber there, and one back.
    return Effect.updateContext(answer, (context: Context.Context<never>) => {
      const known = Context.add(context, Contract.Caller, guest)
      return span === undefined ? known : Context.add(known, Tracer.ParentSpan, span)
    })
  }
  const guest = admission.again(knock, action)
  const all: Entering<E> = guest === undefined ? Effect.flatMap(admission.admit(knock, action), enter) : enter(guest)
  return Effect.catchCause(all, (cause) => blamed(cause, limitBytes, asked))
}

const judgeBody = (
  headers: { readonly "content-type"?: string | undefined; readonly "content-length"?: string | undefined },
  limitBytes: number
) => {
  if (Number(headers["content-length"] ?? 0) > limitBytes) return tooLarge(limitBytes)
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase()
  if (type === undefined || type === "application/json") return undefined
  return new Problem.UnsupportedMediaType({ detail: `The body is ${type}; send application/json.` })
}

const tooLarge = (limitBytes: number) =>
  new Problem.BodyTooLarge({ limitBytes, detail: `A body has ${limitBytes} bytes at the most.` })

const blamed = <E>(
  cause: Cause.Cause<E>,
  limitBytes: number,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<never, E | Problem.BodyTooLarge | Problem.InvalidRequest> => {
  const problem = misunderstood(cause, limitBytes)
  if (problem !== undefined) return Effect.fail(problem)
  for (const reason of cause.reasons) if (Cause.isFailReason(reason)) hint(request, reason.error)
  return Effect.failCause(cause)
}

/** What a problem says in headers. */
const hint = (request: HttpServerRequest.HttpServerRequest, problem: unknown): void => {
  if (!isProblem(problem)) return
  const response = NodeHttpServerRequest.toServerResponse(request)
  for (const [name, value] of Object.entries(hints(problem))) response.setHeader(name, value)
}

const isProblem = (error: unknown): error is Problem.Problem => Problem.all.some((one) => error instanceof one)

/** What the request is to blame for, found out while it was read. */
const misunderstood = (cause: Cause.Cause<unknown>, limitBytes: number) => {
  for (const reason of cause.reasons) {
    const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
    if (HttpApiError.HttpApiSchemaError.is(error)) {
      if (error.kind === "Body" || error.kind === "ResponseHeaders") continue
      return new Problem.InvalidRequest({
        detail: "Parts of the request are not as they must be.",
        errors: issues(error)
      })
    }
    if (error instanceof HttpServerError.HttpServerError && error.reason._tag === "RequestParseError") {
      return isOverflow(error.reason.cause)
        ? tooLarge(limitBytes)
        : new Problem.InvalidRequest({ detail: "The body broke off." })
    }
  }
  return undefined
}

const isOverflow = (cause: unknown): boolean => cause instanceof Error && cause.message.includes("maxBytes")

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const issues = (error: HttpApiError.HttpApiSchemaError) =>
  formatIssues(error.cause.issue)
    .issues.slice(0, maxIssues)
    .map(({ message, path = [] }) => ({
      path: [error.kind.toLowerCase(), ...path.map((part) => segment(typeof part === "object" ? part.key : part))],
      message: message.length > maxIssue ? `${message.slice(0, maxIssue)}…` : message
    }))

/** Enough for whoever corrects them; a body of a megabyte must not come back as a list of mistakes. */
const maxIssues = 20
const maxIssue = 256

const segment = (key: PropertyKey): string | number => (typeof key === "number" ? key : String(key))

// ------------------------------------------------------------------------------------------------------------- guard

/** Answers what no place has an answer to. */
const guarded = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest | R> =>
  Effect.catchCause(app, (cause) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const problem = problemOf(cause, request)
      hint(request, problem)
      if (problem._tag !== "Failed") return HttpServerRespondable.toResponse(problem)
      const id = answerOf(request).arrival.requestId
      return Effect.andThen(
        Effect.logError(`${request.method} ${pathOf(request.url)} has failed (request ${id})`, cause),
        HttpServerRespondable.toResponse(problem)
      )
    })
  )

const problemOf = (cause: Cause.Cause<unknown>, request: HttpServerRequest.HttpServerRequest): Problem.Problem => {
  for (const reason of cause.reasons) {
    const error = Cause.isFailReason(reason) ? reason.error : undefined
    if (!(error instanceof HttpServerError.HttpServerError) || error.reason._tag !== "RouteNotFound") continue
    const allowed = methodsAt(pathOf(request.url))
    return allowed.length === 0
      ? new Problem.NotFound({ detail: "There is nothing at that address; /openapi.json has all there is." })
      : new Problem.MethodNotAllowed({ allowed, detail: `It takes ${allowed.join(" and ")}.` })
  }
  if (Cause.hasInterruptsOnly(cause))
    return new Problem.Unavailable({ retryAfterSeconds: 1, detail: "The node stops." })
  return new Problem.Failed({ detail: "That is a bug of the node. Its log has the cause, under the request id." })
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? ""

/** Every place of the contract, as a pattern. */
const known = Object.values(Contract.Contract.groups).flatMap((group) =>
  Object.values(group.endpoints).map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replace(/\/$/, "").replace(/:\w+/g, "[^/]+")}/?$`)
  }))
)

/** The methods that a path takes; none when there is no such place. */
const methodsAt = (path: string): ReadonlyArray<string> => [
  ...new Set(known.filter(({ pattern }) => pattern.test(path)).flatMap(({ method }) => [method, ...head(method)]))
]

const head = (method: string): ReadonlyArray<string> => (method === "GET" ? ["HEAD"] : [])
