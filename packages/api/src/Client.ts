/**
 * A client of a node for Effect applications, derived from the contract: typed requests, typed problems.
 *
 * **Example** (submit and look)
 *
 * ```ts
 * const program = Effect.gen(function* () {
 *   const client = yield* Client.make({ url: "https://node-1:8443", token })
 *   const task = yield* client.tasks.submit({ headers: {}, payload: { name: "hello", run } })
 *   return yield* client.tasks.get({ params: { id: task.id } })
 * })
 * ```
 */
import { type Effect, identity, type Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Contract } from "./Contract.ts"

export interface Options {
  /** Where the API of a node is: `https://node-1:8443`. */
  readonly url: string
  /** A token of the API, or of the issuer. Default: the client certificate of the `HttpClient`, if it has one. */
  readonly token?: Redacted.Redacted
}

/** The client, over the `HttpClient` that there is. */
export const make = (options: Options) =>
  HttpApiClient.make(Contract, {
    baseUrl: options.url,
    transformClient: HttpClient.mapRequest(
      options.token === undefined ? identity : HttpClientRequest.bearerToken(options.token)
    )
  })

/** What {@link make} yields. */
export type Client = Effect.Success<ReturnType<typeof make>>
