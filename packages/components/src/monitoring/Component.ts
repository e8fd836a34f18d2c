/** The metrics of the node as a component: Prometheus reads them while it is up. A node without it is as good as with it. */
import { Component } from "@novacron/boot"
import { Count } from "@novacron/boot/model"
import { Context, Effect, Option } from "effect"
import { Security } from "../security/Security.ts"
import * as Certificates from "./Certificates.ts"
import * as Listener from "./Listener.ts"
import { Monitor } from "./Monitor.ts"
import type { Settings } from "./Settings.ts"

/** `/metrics`, listening. */
export class Metrics extends Context.Service<
  Metrics,
  {
    /** `http://127.0.0.1:9091/metrics` */
    readonly url: string
    readonly port: number
    /** Whether it still listens. */
    readonly check: Effect.Effect<void, Listener.MetricsPortUnavailable>
  }
>()("novacron/monitoring") {}

/**
 * Listens: what the {@link Monitor} of the process knows is read there, and when the certificate of the node runs out, if
 * it has one.
 */
export const component = (settings: Settings) =>
  Component.make(Metrics, {
    phase: "service",
    severity: "Warning",
    needs: [Monitor, Component.option(Security)],
    start: Effect.gen(function* () {
      const monitor = yield* Monitor
      const security = yield* Component.option(Security)
      if (Option.isSome(security)) yield* monitor.ask(Certificates.figures(security.value))
      return yield* Listener.make(settings, monitor.source)
    }),
    health: (metrics) =>
      Effect.gen(function* () {
        yield* metrics.check
        const { dropped } = yield* (yield* Monitor).statistics
        const all = dropped.full + dropped.lost + dropped.refused
        return all === 0 ? {} : { detail: `${Count.of(all, "span")} dropped` }
      })
  }).pipe(Component.optional)
