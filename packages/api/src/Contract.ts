/**
 * The contract of a node over HTTP: every place, what it takes and gives, what can go wrong, and what one must be allowed
 * to do there. The server, the client, the OpenAPI document and the reference page are made of it.
 */
import { Report } from "@novacron/boot/model"
import { Context, Record, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema, OpenApi } from "effect/http-api"
import * as Node from "./Node.ts"
import * as Problem from "./Problem.ts"
import * as Tasks from "./Tasks.ts"
import * as Tokens from "./Tokens.ts"

/** Who asks, once that is known. */
export class Caller extends Context.Service<
  Caller,
  {
    /** The common name of a certificate, the subject of a token. */
    readonly name: string
    readonly by: "mtls" | "token" | "oidc" | "none"
    readonly roles: ReadonlyArray<string>
  }
>()("@novacron/api/Caller") {}

/**
 * Lets in who may come: knows who asks, counts the requests, and compares the roles with the {@link action} of the place.
 * It stands before every place of the contract.
 */
export class Admission extends HttpApiMiddleware.Service<Admission, { provides: Caller }>()("@novacron/api/Admission", {
  error: [
    Problem.InvalidRequest,
    Problem.Unauthenticated,
    Problem.NotAllowed,
    Problem.BodyTooLarge,
    Problem.UnsupportedMediaType,
    Problem.TooManyRequests,
    Problem.Failed,
    Problem.Unavailable
  ]
}) {}

/** What one must be allowed to do at a place, as roles name it: `tasks.submit`. */
export const Action = Context.Reference<string>("@novacron/api/Action", { defaultValue: () => "" })

/** The action of a place. */
export const action = (endpoint: { readonly annotations: Context.Context<never> }): string =>
  Context.get(endpoint.annotations, Action)

/** What a place is for, in a line. */
const place = (needed: string, summary: string) =>
  Context.merge(Context.make(Action, needed), OpenApi.annotations({ summary }))

const Created = <S extends Schema.Top>(schema: S) => schema.pipe(HttpApiSchema.status(201))

const component = { name: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256)) }

const node = HttpApiGroup.make("node")
  .add(
    HttpApiEndpoint.get("status", "/", { success: Node.Status }).annotateMerge(
      place("status.node", "How the node and its parts are")
    ),
    HttpApiEndpoint.get("report", "/report", { success: Report.Report }).annotateMerge(
      place("status.report", "The report of the boot, as far as it has come")
    ),
    HttpApiEndpoint.get("health", "/health", { success: Node.Health }).annotateMerge(
      place("health.node", "The health of each part, from fresh probes")
    ),
    HttpApiEndpoint.get("why", "/components/:name/why", {
      params: component,
      success: Node.Why,
      error: Problem.NotFound
    }).annotateMerge(place("status.why", "Why a part is as it is, down to the root cause")),
    HttpApiEndpoint.get("impact", "/components/:name/impact", {
      params: component,
      success: Node.Impact,
      error: Problem.NotFound
    }).annotateMerge(place("status.impact", "Whom the loss of a part would touch")),
    HttpApiEndpoint.post("restore", "/components/:name/restore", {
      params: component,
      success: Node.Impact.pipe(HttpApiSchema.status(202)),
      error: [Problem.NotFound, Problem.Conflict]
    }).annotateMerge(place("components.restore", "Build a part again that is degraded, absent or was skipped"))
  )
  .prefix("/v1/node")
  .annotateMerge(OpenApi.annotations({ title: "Node", description: "The node that is asked, and its parts." }))

/** Of all tasks that wait, run, or have ended. */
export const Filter = Schema.Struct({
  state: Schema.optionalKey(Schema.Array(Tasks.State)),
  group: Schema.optionalKey(Tasks.Name),
  node: Schema.optionalKey(Tasks.Name),
  /** 1 to 1,000, 100 unless it is said; fewer where tasks are large. `next` says whether there are more. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  /** `next` of the page before. */
  cursor: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^\d{1,18}$/u, { expected: "`next` of the page before" }))
  )
})
export type Filter = typeof Filter.Type

/** As the OpenAPI document names it. */
const Task = Tasks.Task.annotate({ identifier: "Task" })

/** A page of tasks, newest first. */
export const Page = Schema.Struct({ tasks: Schema.Array(Task), next: Schema.NullOr(Schema.String) })
export type Page = typeof Page.Type

/** Which part of the output, in bytes. */
export const Range = Schema.Struct({
  offset: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
  /** 1 byte to 1 MiB, 256 KiB unless it is said; a piece is never cut in two. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_048_576 })))
})

/** A part of the output. `next` is the offset of what comes after it; `ended` when nothing will. */
export const Excerpt = Schema.Struct({
  output: Schema.Array(Tasks.Output),
  next: Schema.Int,
  ended: Schema.Boolean
})
export type Excerpt = typeof Excerpt.Type

const task = { id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)) }

const tasks = HttpApiGroup.make("tasks")
  .add(
    HttpApiEndpoint.post("submit", "/", {
      headers: {
        "idempotency-key": Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255)))
      },
      payload: Tasks.Submission.annotate({ identifier: "Submission" }),
      success: Created(Task),
      error: [Problem.Conflict, Problem.QueueFull]
    }).annotateMerge(
      place("tasks.submit", "Submit a task; the same idempotency key and submission answer with the task there is")
    ),
    HttpApiEndpoint.get("list", "/", { query: Filter.fields, success: Page }).annotateMerge(
      place("status.tasks", "The tasks, newest first, a page of `limit` or fewer at a time; `next` is null on the last")
    ),
    HttpApiEndpoint.get("get", "/:id", {
      params: task,
      success: Task,
      error: Problem.NotFound
    }).annotateMerge(place("status.tasks", "One task")),
    HttpApiEndpoint.post("cancel", "/:id/cancel", {
      params: task,
      success: Task,
      error: Problem.NotFound
    }).annotateMerge(place("tasks.cancel", "Cancel a task; one that has ended stays as it is")),
    HttpApiEndpoint.get("output", "/:id/output", {
      params: task,
      query: Range.fields,
      success: Excerpt,
      error: Problem.NotFound
    }).annotateMerge(place("tasks.output", "What a task has printed; as WebSocket, what it prints"))
  )
  .prefix("/v1/tasks")
  .annotateMerge(OpenApi.annotations({ title: "Tasks", description: "The work of the cluster." }))

/** The nodes of the cluster. */
export const Nodes = Schema.Struct({ nodes: Schema.Array(Tasks.Node.annotate({ identifier: "Node" })) })

const nodes = HttpApiGroup.make("nodes")
  .add(
    HttpApiEndpoint.get("list", "/", { success: Nodes }).annotateMerge(
      place("status.nodes", "The nodes of the cluster")
    )
  )
  .prefix("/v1/nodes")
  .annotateMerge(OpenApi.annotations({ title: "Nodes", description: "The nodes of the cluster." }))

const tokens = HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.post("create", "/", {
      payload: Tokens.Request,
      success: Created(Tokens.Created),
      error: Problem.Conflict
    }).annotateMerge(place("tokens.create", "Make a token with roles of one's own; it is shown this once")),
    HttpApiEndpoint.get("list", "/", {
      success: Schema.Struct({ tokens: Schema.Array(Tokens.Token.annotate({ identifier: "Token" })) })
    }).annotateMerge(place("tokens.list", "The tokens that are valid")),
    HttpApiEndpoint.delete("revoke", "/:id", {
      params: task,
      success: HttpApiSchema.NoContent,
      error: Problem.NotFound
    }).annotateMerge(place("tokens.revoke", "Revoke a token, at once on this node and within seconds on others"))
  )
  .prefix("/v1/tokens")
  .annotateMerge(OpenApi.annotations({ title: "Tokens", description: "Tokens of programs that talk to the API." }))

/** All of it. */
export const Contract = HttpApi.make("novacron")
  .add(node, tasks, nodes, tokens)
  .middleware(Admission)
  // What nobody has asked for is a mistake, and told so.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotateMerge(
    OpenApi.annotations({
      title: "NovaCron",
      version: "1.0.0",
      description:
        "A node of NovaCron. Whoever asks shows a client certificate, a token of the API, or a token of the issuer. " +
        "Errors are application/problem+json with a code; 429 and 503 come with Retry-After. " +
        "Over WebSocket: /v1/events tells changes of tasks and of the boot, /v1/tasks/{id}/output what a task prints.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      transform: (document) => withSecurity(document)
    })
  )

/** The two ways to say who asks, of every place; the second one is in the handshake of TLS. */
const withSecurity = (document: { readonly [key: string]: unknown }) => ({
  ...document,
  paths: Record.map(objectIn(document, "paths"), (path) =>
    Record.map(isObject(path) ? path : {}, (operation) =>
      isObject(operation) ? { ...operation, security } : operation
    )
  ),
  components: {
    ...objectIn(document, "components"),
    securitySchemes: {
      bearer: { type: "http", scheme: "bearer", description: "A token of the API, or a JWT of the issuer." },
      certificate: { type: "mutualTLS", description: "A certificate of the CA of the node." }
    }
  },
  security
})

const security = [{ bearer: [] }, { certificate: [] }]

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const objectIn = (document: { readonly [key: string]: unknown }, key: string) => {
  const value = document[key]
  return isObject(value) ? value : {}
}

/** The OpenAPI 3.1 document. */
export const openApi = (): OpenApi.OpenAPISpec => OpenApi.fromApi(Contract)
