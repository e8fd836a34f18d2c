/**
 * Finds out who answers before anything depends on it: all endpoints at the same time, each with its own patience, and
 * everything that is wrong in one message. For one that starts beside the node it waits.
 */
import { Context, Data, Duration, Effect, Result, Schedule } from "effect"
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
      return Effect.map(Effect.result(patiently(endpoint)), (outcome): Finding => ({
        name: endpoint.name,
        address: Dial.format(address),
        policy: endpoint.policy,
        outcome
      }))
    },
    { concurrency: maxAtOnce }
  )

/** A connection, and the word of who is there where that is asked for. */
const tried = (endpoint: Endpoint): Effect.Effect<Dial.Answered, Dial.Unanswered> => {
  const address = addressOf(endpoint)
  const dialled = Dial.dial(address, endpoint.timeout)
  if (address._tag === "Unix" || !("ready" in endpoint) || endpoint.ready === undefined) return dialled
  return Effect.tap(dialled, Dial.ask(address, endpoint.ready, endpoint.timeout))
}

const patiently = (endpoint: Endpoint): Effect.Effect<Dial.Answered, Dial.Unanswered> =>
  Duration.isZero(endpoint.wait)
    ? tried(endpoint)
    : Effect.retry(tried(endpoint), Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: endpoint.wait })))

/** The longest wait of all: so much later may a boot be that has somebody to wait for. */
export const longestWait = (endpoints: ReadonlyArray<Endpoint>): Duration.Duration =>
  endpoints.map(({ wait }) => wait).reduce(Duration.max, Duration.zero)

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
