/**
 * One request to one node, as a client of its API would make it: a connection of its own, TLS verified, an answer of 2xx.
 */
import { request as askHttp } from "node:http"
import { request as askHttps } from "node:https"
import { Clock, Effect, Redacted } from "effect"
import type { Outcome } from "./Gates.ts"

/** What is asked. */
export interface Question {
  readonly path: string
  /** Of the API, for what not everybody may ask. */
  readonly token: Redacted.Redacted | undefined
  /** PEM; those of the system without it. */
  readonly ca: string | undefined
  /** The name that the certificate bears, if it is not the host. */
  readonly serverName: string | undefined
  /** Without TLS; for nodes behind a sidecar that brings it. */
  readonly isPlain: boolean
}

/** How long an answer may take. */
const patienceMs = 5_000

/** Asks a node; whatever goes wrong is an outcome. */
export const ask = (host: string, port: number, question: Question): Effect.Effect<Outcome> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    Effect.callback<Outcome>((resume) => {
      const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      const began = now()
      const { ca, isPlain, path, serverName, token } = question
      const headers = token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` }
      const options = { host, port, path, headers, agent: false as const, timeout: patienceMs }
      const trusted = {
        ...(ca === undefined ? {} : { ca }),
        ...(serverName === undefined ? {} : { servername: serverName })
      }
      const asking = isPlain ? askHttp(options) : askHttps({ ...options, ...trusted })
      const failed = (why: string) => resume(Effect.succeed({ _tag: "Failed", why }))
      const refused = (why: string, remedy: string) => resume(Effect.succeed({ _tag: "Refused", why, remedy }))
      asking.once("response", (answer) => {
        const { statusCode = 0, statusMessage = "" } = answer
        answer.once("error", (error) => failed(error.message))
        answer.once("end", () => {
          const said = `${statusCode} ${statusMessage}`
          if (statusCode >= 200 && statusCode < 300) resume(Effect.succeed({ _tag: "Answered", ms: now() - began }))
          else if (statusCode === 401 || statusCode === 403) refused(said, rights(question))
          else failed(said)
        })
        answer.resume()
      })
      asking.once("timeout", () => asking.destroy(new Error(`no answer within ${patienceMs / 1_000} seconds`)))
      asking.once("error", (error) =>
        "code" in error && distrust.test(String(error.code))
          ? refused(
              error.message,
              "--ca names the CA of the nodes, --server-name the name that their certificates bear"
            )
          : failed(error.message)
      )
      asking.end()
      return Effect.sync(() => asking.destroy())
    })
  )

const rights = ({ path, token }: Question): string =>
  token === undefined
    ? `NOVACRON_API_TOKEN is not set, and ${path} wants a token that this node knows`
    : `the token in NOVACRON_API_TOKEN is none that this node knows, or it may not ask for ${path}`

/** The codes of a certificate that is not believed. */
const distrust = /^(?:UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_|ERR_TLS_CERT_)/
