/** What a node answers to those who ask through its control socket. */
import type { Boot } from "@novacron/boot"
import { Plan, Report } from "@novacron/boot/model"
import type { Security } from "@novacron/components"
import { Context, Deferred, Duration, Effect, Exit, Option, Schema } from "effect"
import * as Alive from "./Alive.ts"
import { type Declined, Refused, type Request } from "./ControlSocket.ts"
import { NoSuchComponent } from "./Errors.ts"

/** The answer to `Status`. */
export const Status = Schema.Struct({
  pid: Schema.Int,
  uptimeMs: Schema.Finite,
  rssBytes: Schema.Finite,
  heapBytes: Schema.Finite,
  /** Where the health endpoints are. */
  health: Schema.String,
  isStopping: Schema.Boolean,
  report: Report.Report
})

/** The answer to `Restore`. */
export const Restore = Schema.Struct({
  component: Schema.String,
  state: Schema.String,
  /** Whoever would feel its absence, with what would become of them. */
  concerned: Schema.Array(Schema.Struct({ component: Schema.String, effect: Schema.String })),
  isBegun: Schema.Boolean
})

/** The answer to `Restart` and `StopComponent`: what it would do, or has done. */
export const ByHand = Schema.Struct({
  component: Schema.String,
  state: Schema.String,
  how: Schema.Literals(["exchange", "restart", "stop", "restore"]),
  /** Who goes down with it, dependents before what they need. */
  holders: Schema.Array(Schema.String),
  /** Those of all of them without which the node takes no work. */
  critical: Schema.Array(Schema.String),
  /** Why it cannot be done; null when it can. */
  objection: Schema.NullOr(Schema.String),
  /** Who has gone down and is not up again. */
  lost: Schema.Array(Schema.String),
  /** How long it took; null when it was not done. */
  tookMs: Schema.NullOr(Schema.Finite)
})

/** The answer to `Dashboard`: an address that opens it once, and for how long it does. */
export const Link = Schema.Struct({ url: Schema.String, forMs: Schema.Finite })

/** Answers one request. */
export const answer = (node: Alive.Alive, request: Request): Effect.Effect<unknown, Declined> => {
  switch (request._tag) {
    case "Ping":
      return Effect.succeed({ pid: node.surroundings.pid })
    case "Status":
      return status(node)
    case "Report":
      return Effect.sync(() => node.report())
    case "Health":
      return health(node)
    case "Why":
      return Effect.map(known(node, request.component), ({ report }) => Report.why(report, request.component))
    case "Restore":
      return restore(node, request.component, request.confirmed)
    case "Restart":
    case "StopComponent":
      return byHand(node, request)
    case "Dashboard":
      return Effect.flatMap(Deferred.await(node.dashboard), (dashboard) =>
        dashboard === undefined
          ? Effect.fail(noDashboard)
          : Effect.mapError(dashboard.link(request), ({ message }) => new Refused({ reason: message, exitCode: 65 }))
      )
    case "Stop":
      return Effect.andThen(Alive.end(node, { because: request.because, signal: undefined }), Deferred.await(node.over))
    case "Reload":
      return node.running === undefined ? Effect.fail(notUp) : Effect.mapError(node.reload, refused)
  }
}

const status = (node: Alive.Alive) =>
  Effect.gen(function* () {
    const report = node.report()
    const { pid } = node.surroundings
    const told: typeof Status.Type = {
      pid,
      uptimeMs: yield* Alive.uptimeMs(report),
      ...node.surroundings.memory(),
      health: node.endpoints?.url ?? "",
      isStopping: node.end !== undefined,
      report
    }
    return told
  })

const health = (node: Alive.Alive) =>
  Effect.gen(function* () {
    const { details, ready, report } =
      node.running === undefined ? Alive.whileBooting(node) : Alive.whileRunning(node, node.running)
    const { components, status } = yield* report
    const states = yield* details
    return {
      status,
      ready: node.end === undefined && (yield* ready),
      components: components.map((one) => ({ ...one, state: "", ...states[one.name] }))
    }
  })

/** Whom a restoration would concern; confirmed it begins. */
export const restore = (node: Alive.Alive, name: string, isConfirmed: boolean) =>
  Effect.gen(function* () {
    const { component } = yield* known(node, name)
    const { running } = node
    if (running === undefined) return yield* notUp
    const told: typeof Restore.Type = {
      component: name,
      state: component.state,
      concerned: Plan.impact(running.plan, name),
      isBegun: isConfirmed
    }
    if (!isConfirmed) return told
    const begun = yield* Effect.exit(running.restore(name))
    yield* audit(node, running, { action: "component.restored", subject: name, success: Exit.isSuccess(begun) })
    yield* Effect.mapError(begun, refused)
    return told
  })

type AskedByHand = Extract<Request, { readonly _tag: "Restart" | "StopComponent" }>

/** What a restart or a stop of one component would do; confirmed it is done, and the answer says how it went. */
const byHand = (node: Alive.Alive, request: AskedByHand) =>
  Effect.gen(function* () {
    const { component, confirmed } = request
    yield* known(node, component)
    const { running } = node
    if (running === undefined) return yield* notUp
    const isRestart = request._tag === "Restart"
    const options = { withDependents: isRestart && request.withDependents }
    const would = yield* isRestart ? running.wouldRestart(component, options) : running.wouldStop(component)
    if (!confirmed) return toldOf(would, null)
    const done = isRestart ? running.restart(component, options) : running.stopComponent(component)
    const [took, outcome] = yield* Effect.timed(Effect.exit(done))
    const action = isRestart ? "component.restarted" : "component.stopped"
    yield* audit(node, running, { action, subject: component, success: Exit.isSuccess(outcome) })
    return toldOf(yield* Effect.mapError(outcome, refused), Duration.toMillis(took))
  })

const toldOf = ({ objection, ...would }: Boot.Prospect, tookMs: number | null): typeof ByHand.Type => ({
  ...would,
  objection: objection ?? null,
  tookMs
})

/** Whoever may write to the socket is the user of the node. Without security there is no log to write to. */
const audit = (node: Alive.Alive, { services }: Alive.Running, entry: Omit<Security.AuditEntry, "principal">) =>
  Effect.gen(function* () {
    // A node that runs has loaded it; a client that only reads schemas here does not.
    const { Security } = yield* Effect.promise(() => import("@novacron/components"))
    const security = Context.getOption(services, Security.Security)
    if (Option.isSome(security)) yield* security.value.audit({ ...entry, principal: node.surroundings.user })
  })

const known = (node: Alive.Alive, name: string) =>
  Effect.suspend(() => {
    const report = node.report()
    const component = report.components.find((one) => one.name === name)
    if (component !== undefined) return Effect.succeed({ report, component })
    return new NoSuchComponent({ name, names: report.components.map((one) => one.name) })
  })

const refused = ({ message }: { readonly message: string }) => new Refused({ reason: message })

const noDashboard = new Refused({
  reason: "This node serves no dashboard. Set dashboard.enabled, or look into its log for NVC-2901."
})

const notUp = new Refused({ reason: "The node is not up yet. Ask again when novacron status says that it is ready." })
