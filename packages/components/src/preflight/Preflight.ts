/**
 * Finds out who answers before anything depends on it: all endpoints at the same time, each with its own patience, and
 * everything that is wrong in one message.
 */
import { Context, Data, Effect, Result } from "effect"
import * as Dial from "./Dial.ts"
import type { Endpoint, Settings } from "./Settings.ts"

/** Who answered, and who did not. */
export class Preflight extends Context.Service<Preflight, { readonly findings: ReadonlyArray<Finding> }>()(
  "novacron/preflight"
) {}

/** What became of one endpoint. */
export interface Finding {
  readonly name: string
  /** `db.example:5432` */
  readonly address: string
  readonly policy: Endpoint["policy"]
  readonly outcome: Result.Result<Dial.Answered, Dial.Unanswered>
}

/** Endpoints that have to answer do not. */
export class PreflightFailed extends Data.TaggedError("PreflightFailed")<{
  readonly endpoints: ReadonlyArray<{ readonly name: string; readonly address: string; readonly reason: Dial.Reason }>
}> {
  readonly code = "NVC-1131"
  override get message() {
    const all = this.endpoints.map(({ address, name, reason }) => `${name} at ${address}: ${reason}`).join("; ")
    return `Nobody answers where somebody must: ${all}. Start it, correct the address, or set its policy to warn.`
  }
}

/** Asks all endpoints at the same time. */
export const survey = (endpoints: ReadonlyArray<Endpoint>): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.forEach(
    endpoints,
    (endpoint) => {
      const address = addressOf(endpoint)
      return Effect.map(Effect.result(Dial.dial(address, endpoint.timeout)), (outcome): Finding => ({
        name: endpoint.name,
        address: Dial.format(address),
        policy: endpoint.policy,
        outcome
      }))
    },
    { concurrency: maxAtOnce }
  )

/** Plenty for the endpoints of one node; a list by mistake must not use up its descriptors. */
const maxAtOnce = 64

/** Asks all, or nobody when it is off; warns of those that should answer and do not, fails with those that must. */
export const check = Effect.fn("Preflight.check")(function* (
  settings: typeof Settings.Type
): Effect.fn.Return<Preflight["Service"], PreflightFailed> {
  const findings = yield* survey(settings.enabled ? settings.endpoints : [])
  const silent = findings.flatMap(({ address, name, outcome, policy }) =>
    Result.isFailure(outcome) ? [{ address, name, policy, reason: outcome.failure.reason }] : []
  )
  for (const { address, name, policy, reason } of silent) {
    if (policy === "warn") yield* Effect.logWarning(`Nobody answers for ${name} at ${address}: ${reason}.`)
  }
  const missing = silent.filter(({ policy }) => policy === "enforce")
  if (missing.length > 0) return yield* new PreflightFailed({ endpoints: missing })
  return { findings }
})

const addressOf = (endpoint: Endpoint): Dial.Address =>
  "path" in endpoint ? { _tag: "Unix", path: endpoint.path } : { _tag: "Tcp", host: endpoint.host, port: endpoint.port }
