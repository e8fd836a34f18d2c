/**
 * The API of a node for the commands of this program: the one whose data directory it is, by the file that it keeps there
 * for programs of its user; or another one, by its address, with a token from the environment.
 *
 * **Details**
 *
 * TLS is always verified: by the CA that the file names, by `--ca`, or by those of the system. What the API says no with
 * is told with its code, and decides what the program exits with.
 */
import { readFile } from "node:fs/promises"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Client, Problem } from "@novacron/api"
import { Api } from "@novacron/components"
import { Data, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient } from "effect/http"
import { dataDirFor } from "./Commands/DataDir.ts"
import type { Asked } from "./Configuration.ts"
import { isDenied, WrongUsage, WrongUser } from "./Errors.ts"
import type { ExitCode } from "./Meanings.ts"
import { Surroundings } from "./Surroundings.ts"
import { visible } from "./Terminal.ts"

/** Which API, and how to get in. */
export interface Flags extends Asked {
  readonly url: string | undefined
  /** A PEM file. */
  readonly ca: string | undefined
}

/** The variable with the token, for a node that is elsewhere. */
const tokenVariable = "NOVACRON_API_TOKEN"

/** No node has its API up here. */
export class NoApi extends Data.TaggedError("NoApi")<{ readonly dataDir: string }> {
  readonly code = "NVC-2804"
  override get message(): string {
    return `No node has its API up in ${this.dataDir}.`
  }
}

/** The API does not answer, or nobody would know whether it is the right one. */
export class ApiSilent extends Data.TaggedError("ApiSilent")<{ readonly url: string; readonly cause: unknown }> {
  readonly code = "NVC-2805"
  override get message(): string {
    return `The API at ${this.url} does not answer as one. Is the node up, and is it of the CA that is trusted here?`
  }
}

/** The file with the CA of another node, which a flag names. */
export class CaUnreadable extends Data.TaggedError("CaUnreadable")<{ readonly path: string; readonly cause: unknown }> {
  get exitCode(): ExitCode {
    return isDenied(this.cause) ? 77 : 64
  }
  override get message(): string {
    return `${this.path} cannot be read. --ca wants the CA of the API that is asked, PEM. Nothing was asked.`
  }
}

/** The API has understood, and says no. */
export class ApiRefused extends Data.TaggedError("ApiRefused")<{ readonly problem: Problem.Problem }> {
  get code(): string {
    return this.problem.code
  }
  get exitCode(): ExitCode {
    return exits[this.problem._tag] ?? 70
  }
  override get message(): string {
    const { detail, title } = this.problem
    const errors = "errors" in this.problem ? (this.problem.errors ?? []) : []
    const where = errors.map(({ message, path }) => ` ${path.join(".")}: ${message}.`).join("")
    // What the API says of headers is for whoever writes them.
    const token = this.problem._tag === "Unauthenticated" ? ` This program takes its token from ${tokenVariable}.` : ""
    return `${detail ?? `${title}.`}${where}${token}`
  }
}

const exits: { readonly [Tag in Problem.Problem["_tag"]]?: ExitCode } = {
  InvalidRequest: 65,
  NotFound: 65,
  Conflict: 65,
  BodyTooLarge: 65,
  Unauthenticated: 77,
  NotAllowed: 77,
  TooManyRequests: 75,
  QueueFull: 75,
  Unavailable: 69
}

/** Asks the API, and says what goes wrong in the words of this program. */
export const ask = <A, E>(
  flags: Flags,
  question: (client: Client.Client) => Effect.Effect<A, E, HttpClient.HttpClient>
) =>
  Effect.gen(function* () {
    const { ca, serverName, token, url } = yield* accessTo(flags)
    const trusted = {
      ...(ca === undefined ? {} : { ca }),
      ...(serverName === undefined ? {} : { servername: serverName })
    }
    const layer = NodeHttpClient.layerNodeHttpOptions(trusted)
    let isSent = false
    const noting = HttpClient.tapRequest(() => Effect.sync(() => void (isSent = true)))
    return yield* Effect.gen(function* () {
      const client = yield* Client.make({ url, ...(token === undefined ? {} : { token }) })
      return yield* question(client)
    }).pipe(
      Effect.updateService(HttpClient.HttpClient, noting),
      Effect.provide(Layer.fresh(layer)),
      Effect.mapError((cause) => {
        if (isProblem(cause)) return new ApiRefused({ problem: cause })
        // What the contract does not take is not sent: the API would say the same.
        if (!isSent && Schema.isSchemaError(cause)) {
          return new ApiRefused({ problem: new Problem.InvalidRequest({ detail: `${Problem.inWords(cause)}.` }) })
        }
        return named(cause, url)
      })
    )
  })

/** What a command says itself stays as it is. */
const named = (cause: unknown, url: string): unknown =>
  cause instanceof Error && "_tag" in cause && cause._tag === "Leave" ? cause : new ApiSilent({ url, cause })

const isProblem = (error: unknown): error is Problem.Problem => Problem.all.some((one) => error instanceof one)

interface Access {
  readonly url: string
  readonly token: Redacted.Redacted | undefined
  readonly ca: string | undefined
  readonly serverName: string | undefined
}

/** Over TLS, or without leaving this machine. */
const isSafe = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { hostname, protocol } = new URL(url)
  return protocol === "https:" || (protocol === "http:" && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname))
}

const accessTo = Effect.fnUntraced(function* (flags: Flags) {
  const { env } = yield* Surroundings
  const { url } = flags
  if (url === undefined && flags.ca !== undefined) {
    return yield* new WrongUsage({
      reason: "--ca is of the API that --url names; without --url the node here is asked."
    })
  }
  if (url !== undefined) {
    if (!isSafe(url)) {
      const reason = `--url ${visible(url, 200)}: say https://HOST:PORT. Without TLS the token would be anybody's.`
      return yield* new WrongUsage({ reason })
    }
    const given = env[tokenVariable]
    const path = flags.ca
    const ca =
      path === undefined
        ? undefined
        : yield* Effect.tryPromise({
            try: () => readFile(path, "utf8"),
            catch: (cause) => new CaUnreadable({ path, cause })
          })
    const access: Access = {
      url: url.replace(/\/+$/, ""),
      token: given === undefined || given === "" ? undefined : Redacted.make(given),
      ca,
      serverName: undefined
    }
    return access
  }
  const dataDir = yield* dataDirFor(flags)
  const found = yield* Effect.mapError(Api.LocalAccess.find(dataDir), (error) =>
    "cause" in error && isDenied(error.cause) ? new WrongUser({ path: error.path, cause: error.cause }) : error
  )
  if (Option.isNone(found)) return yield* new NoApi({ dataDir })
  const local = found.value
  const access: Access = {
    url: local.url,
    token: Redacted.make(local.token),
    ca: local.ca,
    serverName: local.serverName
  }
  return access
})
