/**
 * What goes wrong with a request, as RFC 9457 problems: `application/problem+json` with a `type` that never changes, a
 * `code` whose runbook says what to do, and a `detail` for whoever reads it.
 *
 * **Details**
 *
 * Over gRPC the same problems are a status of {@link grpc}, with the code in the metadata `novacron-code`.
 *
 * **Example** (a problem that a client handles)
 *
 * ```ts
 * client.tasks.get({ params: { id } }).pipe(Effect.catchTag("NotFound", () => Effect.succeedNone))
 * ```
 */
import { Schema, SchemaIssue } from "effect"
import { HttpApiError } from "effect/http-api"

/** The `type` of a problem, by its code. */
const typeOf = <const Code extends string>(code: Code): `urn:novacron:problem:${Code}` => `urn:novacron:problem:${code}`

const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))

/** The request cannot be understood: `errors` says where and why. */
export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()(
  "InvalidRequest",
  { type: typeOf("NVC-2811"), status: 400, title: "The request cannot be understood" },
  { code: Schema.tag("NVC-2811"), errors: Schema.optionalKey(Schema.Array(HttpApiError.ProblemIssue)) }
) {}

/** Nobody knows who asks. */
export class Unauthenticated extends HttpApiError.Problem<Unauthenticated>()(
  "Unauthenticated",
  { type: typeOf("NVC-2812"), status: 401, title: "Nobody knows who asks" },
  { code: Schema.tag("NVC-2812") }
) {}

/** Whoever asks may not do that. */
export class NotAllowed extends HttpApiError.Problem<NotAllowed>()(
  "NotAllowed",
  { type: typeOf("NVC-2813"), status: 403, title: "Whoever asks may not do that" },
  { code: Schema.tag("NVC-2813"), action: Schema.optionalKey(Schema.String) }
) {}

/** There is no such thing. */
export class NotFound extends HttpApiError.Problem<NotFound>()(
  "NotFound",
  { type: typeOf("NVC-2814"), status: 404, title: "There is no such thing" },
  { code: Schema.tag("NVC-2814") }
) {}

/** There is such a place, and it is not used like that. */
export class MethodNotAllowed extends HttpApiError.Problem<MethodNotAllowed>()(
  "MethodNotAllowed",
  { type: typeOf("NVC-2815"), status: 405, title: "That place is not used like that" },
  { code: Schema.tag("NVC-2815"), allowed: Schema.Array(Schema.String) }
) {}

/** What is there already contradicts the request. */
export class Conflict extends HttpApiError.Problem<Conflict>()(
  "Conflict",
  { type: typeOf("NVC-2816"), status: 409, title: "What is there already contradicts the request" },
  { code: Schema.tag("NVC-2816") }
) {}

/** The body is larger than the node takes. */
export class BodyTooLarge extends HttpApiError.Problem<BodyTooLarge>()(
  "BodyTooLarge",
  { type: typeOf("NVC-2817"), status: 413, title: "The body is larger than the node takes" },
  { code: Schema.tag("NVC-2817"), limitBytes: Schema.Int }
) {}

/** The body is not JSON. */
export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { type: typeOf("NVC-2818"), status: 415, title: "The body is of a kind that the node does not take" },
  { code: Schema.tag("NVC-2818") }
) {}

/** Too many requests of this caller. `Retry-After` says when there is room again. */
export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()(
  "TooManyRequests",
  { type: typeOf("NVC-2819"), status: 429, title: "Too many requests" },
  { code: Schema.tag("NVC-2819"), retryAfterSeconds: Seconds }
) {}

/** A bug of the node. The log has the cause under the request id. */
export class Failed extends HttpApiError.Problem<Failed>()(
  "Failed",
  { type: typeOf("NVC-2820"), status: 500, title: "The node has failed to answer" },
  { code: Schema.tag("NVC-2820") }
) {}

/**
 * The node cannot answer now: it starts, it stops, what it needs is away, or it takes too long. Nothing was changed, but
 * what took too long may be done all the same.
 */
export class Unavailable extends HttpApiError.Problem<Unavailable>()(
  "Unavailable",
  { type: typeOf("NVC-2821"), status: 503, title: "The node cannot answer now" },
  { code: Schema.tag("NVC-2821"), retryAfterSeconds: Seconds }
) {}

/** The address is longer than any that there is. */
export class AddressTooLong extends HttpApiError.Problem<AddressTooLong>()(
  "AddressTooLong",
  { type: typeOf("NVC-2822"), status: 414, title: "The address is longer than any that there is" },
  { code: Schema.tag("NVC-2822") }
) {}

/** The headers are larger than the node takes. */
export class HeadersTooLarge extends HttpApiError.Problem<HeadersTooLarge>()(
  "HeadersTooLarge",
  { type: typeOf("NVC-2823"), status: 431, title: "The headers are larger than the node takes" },
  { code: Schema.tag("NVC-2823") }
) {}

/** The request did not arrive in time. */
export class TooSlow extends HttpApiError.Problem<TooSlow>()(
  "TooSlow",
  { type: typeOf("NVC-2824"), status: 408, title: "The request did not arrive in time" },
  { code: Schema.tag("NVC-2824") }
) {}

/** That place speaks WebSocket only. */
export class UpgradeRequired extends HttpApiError.Problem<UpgradeRequired>()(
  "UpgradeRequired",
  { type: typeOf("NVC-2825"), status: 426, title: "That place speaks WebSocket" },
  { code: Schema.tag("NVC-2825") }
) {}

/** As many tasks wait as the settings allow; nothing was taken. */
export class QueueFull extends HttpApiError.Problem<QueueFull>()(
  "QueueFull",
  { type: typeOf("NVC-2826"), status: 429, title: "Too many tasks wait" },
  { code: Schema.tag("NVC-2826"), retryAfterSeconds: Seconds }
) {}

/** All of them, as classes. */
export const all = [
  InvalidRequest,
  Unauthenticated,
  NotAllowed,
  NotFound,
  MethodNotAllowed,
  Conflict,
  BodyTooLarge,
  UnsupportedMediaType,
  TooManyRequests,
  Failed,
  Unavailable,
  AddressTooLong,
  HeadersTooLarge,
  TooSlow,
  UpgradeRequired,
  QueueFull
] as const

/** Any of them. */
export type Problem = InstanceType<(typeof all)[number]>

/** The numbers of gRPC's status codes: https://grpc.io/docs/guides/status-codes. */
export const grpc: { readonly [Tag in Problem["_tag"]]: number } = {
  InvalidRequest: 3,
  Unauthenticated: 16,
  NotAllowed: 7,
  NotFound: 5,
  MethodNotAllowed: 12,
  Conflict: 6,
  BodyTooLarge: 8,
  UnsupportedMediaType: 3,
  TooManyRequests: 8,
  Failed: 13,
  Unavailable: 14,
  AddressTooLong: 3,
  HeadersTooLarge: 8,
  TooSlow: 4,
  UpgradeRequired: 12,
  QueueFull: 8
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What a schema does not take, on one line: `run: Missing key; name: Expected string`. */
export const inWords = ({ issue }: Schema.SchemaError): string =>
  issuesOf(issue)
    .issues.map(({ message, path = [] }) => {
      const at = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".")
      return at === "" ? message : `${at}: ${message}`
    })
    .join("; ")
