/**
 * What comes last, as components: the check of all parts together, the figures of the start, the signal that the node is
 * ready, background jobs; and the health endpoints for a boot that has none yet.
 */
import { Component, type Health, type Recipe } from "@novacron/boot"
import type { Report } from "@novacron/boot/model"
import { Effect } from "effect"
import * as HealthServer from "./HealthServer.ts"
import * as Jobs from "./Jobs.ts"
import type { Notify } from "./Notify.ts"
import * as ReadySignal from "./ReadySignal.ts"
import type { HealthSettings, ReadySettings, SystemHealthSettings } from "./Settings.ts"
import * as StartupMetrics from "./StartupMetrics.ts"
import * as SystemHealth from "./SystemHealth.ts"

export * as HealthServer from "./HealthServer.ts"
export * as HealthView from "./HealthView.ts"
export * as Jobs from "./Jobs.ts"
export * as Notify from "./Notify.ts"
export * as ReadySignal from "./ReadySignal.ts"
export * from "./Settings.ts"
export * as StartupMetrics from "./StartupMetrics.ts"
export * as SystemHealth from "./SystemHealth.ts"

/**
 * The health endpoints within a boot. A process opens them before its boot instead, with `HealthServer.make`, so that
 * whoever asks early gets an answer.
 */
export const health = (settings: typeof HealthSettings.Type) =>
  Component.make(HealthServer.HealthServer, {
    phase: "pre",
    start: HealthServer.make(settings),
    health: (server) => server.check
  })

/**
 * Checks all parts together. Critical: when a part that the node cannot do without is not well, the boot is rolled back
 * and nothing was announced. `checks` may use what is in `needs`.
 */
export const systemHealth = <const Keys extends ReadonlyArray<Recipe.AnyKey>>(
  settings: typeof SystemHealthSettings.Type,
  needs: Keys,
  checks: Effect.Effect<ReadonlyArray<Health.Check>, never, Keys[number]["Identifier"]>
) =>
  Component.make(SystemHealth.SystemHealth, {
    phase: "post",
    needs,
    start: Effect.flatMap(checks, (all) => SystemHealth.make(all, settings.deadline)),
    health: () => Effect.void
  })

/** Writes the figures of the start. A node without them is as good as one with them: the component may be absent. */
export const startupMetrics = (report: Effect.Effect<Report.Report>) =>
  Component.make(StartupMetrics.StartupMetrics, {
    phase: "post",
    severity: "Warning",
    start: Effect.suspend(() => {
      const write = StartupMetrics.recorder()
      const record = Effect.flatMap(report, (report) => write(StartupMetrics.figures(report)))
      return Effect.as(record, { record })
    }),
    health: () => Effect.void
  }).pipe(Component.optional)

/** Says that the node is ready, after the check of all parts has passed. A file that cannot be written is a warning. */
export const ready = (settings: typeof ReadySettings.Type, pid: number, notify: Notify) =>
  Component.make(ReadySignal.Ready, {
    phase: "post",
    needs: [SystemHealth.SystemHealth],
    severity: "Warning",
    start: ReadySignal.announce(settings, pid, notify),
    health: (ready) => ready.check
  }).pipe(Component.optional)

/**
 * Jobs that begin when what is in `needs` is up, and may use it: with `ReadySignal.Ready` among them, when the node has
 * said that it is ready.
 */
export const backgroundJobs = <const Keys extends ReadonlyArray<Recipe.AnyKey>>(
  needs: Keys,
  jobs: Effect.Effect<ReadonlyArray<Jobs.Job>, never, Keys[number]["Identifier"]>
) =>
  Component.make(Jobs.Jobs, {
    phase: "post",
    needs,
    severity: "Warning",
    start: Effect.flatMap(jobs, Jobs.start),
    health: () => Effect.void
  }).pipe(Component.optional)
