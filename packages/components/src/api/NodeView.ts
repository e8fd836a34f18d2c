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
 */
import type { Node } from "@novacron/api"
import type { Boot } from "@novacron/boot"
import { type BootEvent, Plan, Report } from "@novacron/boot/model"
import { Data, DateTime, Effect } from "effect"

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
