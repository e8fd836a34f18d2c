/**
 * The node as the API sees it: folds the events of the boot from the first one on, and asks the running boot as soon as
 * there is one. So it can be asked how a boot goes on while it does.
 *
 * **Example** (around a boot)
 *
 * ```ts
 * const view = NodeView.make({ nodeId, version })
 * const running = yield* Boot.make([...parts, Api.component(settings.api, { dataDir, view })], { observe: view.observe })
 * view.adopt(running)
 * ```
 *
 * Where there is no boot to be told of, {@link withoutBoot} asks the parts themselves.
 */
import type { Node } from "@novacron/api"
import type { Boot } from "@novacron/boot"
import { type BootEvent, Plan, Report } from "@novacron/boot/model"
import { Cause, Data, DateTime, Duration, Effect, Exit } from "effect"

/** A boot that is up, whatever it provides. */
type Running = Boot.Running<never, unknown>

/** There is no part of that name. */
export class NoSuchComponent extends Data.TaggedError("NoSuchComponent")<{
  readonly component: string
  readonly components: ReadonlyArray<string>
}> {
  override get message(): string {
    const names = this.components.length === 0 ? "none yet" : this.components.join(", ")
    return `This node has no component "${this.component}". It has: ${names}.`
  }
}

/** Only a boot that is up can answer that. */
export class StillBooting extends Data.TaggedError("StillBooting") {
  override get message(): string {
    return "The node still boots. Ask again when it is up."
  }
}

/** A part that cannot be built again now. */
export class NotRestored extends Data.TaggedError("NotRestored")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

export interface NodeView {
  /** For the option `observe` of a boot. Quick, and never throws. */
  readonly observe: (event: BootEvent.BootEvent) => void
  /** The boot is up. */
  readonly adopt: (running: Running) => void
  /** Calls back with each event from now on; yields what ends that. */
  readonly follow: (listener: (event: BootEvent.BootEvent) => void) => () => void
  readonly status: (accepting: boolean) => Effect.Effect<Node.Status>
  readonly report: Effect.Effect<Report.Report>
  readonly health: Effect.Effect<Node.Health, StillBooting>
  readonly why: (component: string) => Effect.Effect<Node.Why, NoSuchComponent>
  readonly impact: (component: string) => Effect.Effect<Node.Impact, NoSuchComponent | StillBooting>
  readonly restore: (component: string) => Effect.Effect<Node.Impact, NoSuchComponent | NotRestored | StillBooting>
}

export const make = ({ nodeId, version }: { readonly nodeId: string; readonly version: string }): NodeView => {
  const fold = Report.make()
  const listeners = new Set<(event: BootEvent.BootEvent) => void>()
  let running: Running | undefined

  const up = Effect.suspend(() => (running === undefined ? Effect.fail(new StillBooting()) : Effect.succeed(running)))
  const named = (component: string) =>
    Effect.suspend(() => {
      const report = Report.read(fold)
      const found = report.components.find(({ name }) => name === component)
      if (found !== undefined) return Effect.succeed({ found, report })
      return new NoSuchComponent({ component, components: report.components.map(({ name }) => name) })
    })
  const impactOf = Effect.fnUntraced(function* (component: string, restoring: boolean) {
    const { found } = yield* named(component)
    const { plan } = yield* up
    return { component, state: found.state, concerned: Plan.impact(plan, component), restoring }
  })

  return {
    observe: (event) => {
      Report.step(fold, event)
      for (const listener of listeners) listener(event)
    },
    adopt: (it) => void (running = it),
    follow: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    status: (accepting) =>
      Effect.sync(() => {
        const { components, outcome, startedAt } = Report.read(fold)
        return {
          node: nodeId,
          version,
          outcome,
          accepting,
          startedAt,
          components: components.map(({ name, severity, state }) => ({ name, severity, state }))
        }
      }),
    report: Effect.sync(() => Report.read(fold)),
    health: Effect.gen(function* () {
      const { health } = yield* up
      const { at, components, status } = yield* health.report
      return {
        status,
        ready: yield* health.ready,
        at: DateTime.formatIso(at),
        components: components.map(({ critical, latencyMs = null, message, name, status }) => ({
          name,
          critical,
          status,
          message,
          latencyMs
        }))
      }
    }),
    why: (component) =>
      Effect.map(named(component), ({ report }) => ({ component, reasons: Report.why(report, component) })),
    impact: (component) => impactOf(component, false),
    restore: Effect.fn("NodeView.restore")(function* (component) {
      const before = yield* impactOf(component, true)
      const { restore } = yield* up
      yield* Effect.mapError(restore(component), ({ message }) => new NotRestored({ reason: message }))
      return before
    })
  }
}

/** A part that can be asked, where no boot tells of it. */
export interface Probe {
  readonly name: string
  readonly check: Effect.Effect<unknown, { readonly message: string }>
}

/**
 * The view where the API stands without a boot that it could be told of, as a layer of an application: health is what the
 * probes say, and the report stays empty. Nothing can be built again.
 */
export const withoutBoot = (options: {
  readonly nodeId: string
  readonly version: string
  readonly probes: ReadonlyArray<Probe>
}): NodeView => {
  const { nodeId, probes, version } = options
  const base = make({ nodeId, version })
  const asked = Effect.forEach(
    probes,
    ({ check, name }) =>
      Effect.map(Effect.timed(Effect.exit(Effect.timeout(check, probePatience))), ([took, exit]) => ({
        name,
        critical: true,
        status: Exit.isSuccess(exit) ? ("healthy" as const) : ("unhealthy" as const),
        message: Exit.isSuccess(exit) ? "" : messageOf(exit.cause),
        latencyMs: Duration.toMillis(took)
      })),
    { concurrency: "unbounded" }
  )
  const isWell = (all: ReadonlyArray<{ readonly status: string }>) => all.every(({ status }) => status === "healthy")
  const one = (component: string) =>
    Effect.flatMap(asked, (all) => {
      const found = all.find(({ name }) => name === component)
      return found === undefined
        ? Effect.fail(new NoSuchComponent({ component, components: all.map(({ name }) => name) }))
        : Effect.succeed(found)
    })
  const stateOf = ({ status }: { readonly status: string }) => (status === "healthy" ? "ready" : "degraded")
  const impact = (component: string) =>
    Effect.map(one(component), (it) => ({ component, state: stateOf(it), concerned: [], restoring: false }))
  return {
    ...base,
    status: (accepting) =>
      Effect.map(asked, (all) => ({
        node: nodeId,
        version,
        outcome: isWell(all) ? "ready" : "degraded",
        accepting,
        startedAt: "",
        components: all.map((it) => ({ name: it.name, severity: "critical", state: stateOf(it) }))
      })),
    health: Effect.gen(function* () {
      const components = yield* asked
      const ready = isWell(components)
      const at = DateTime.formatIso(yield* DateTime.now)
      return { status: ready ? ("healthy" as const) : ("unhealthy" as const), ready, at, components }
    }),
    why: (component) =>
      Effect.map(one(component), ({ message }) => ({
        component,
        reasons: [message === "" ? `${component} answers.` : `${component} does not answer as it should: ${message}`]
      })),
    impact,
    restore: (component) =>
      Effect.flatMap(
        one(component),
        () =>
          new NotRestored({ reason: `No boot of this API could build ${component} again: restart the application.` })
      )
  }
}

/** How long a part may take to say how it is. */
const probePatience = Duration.seconds(3)

const messageOf = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}
