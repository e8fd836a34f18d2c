/**
 * What is known of a node while it lives, and how it is put to those who ask: signals, the control socket, the health
 * endpoints. A fold over the events of the boot, and the running boot as soon as there is one.
 */
import type { Boot, Health, Journal } from "@novacron/boot"
import { type BootEvent, Report } from "@novacron/boot/model"
import type { Lock, Operator, Post } from "@novacron/components"
import { Clock, DateTime, Deferred, Effect, Option, type Stream } from "effect"
import type * as ExitCode from "./ExitCode.ts"
import type { Surroundings } from "./Surroundings.ts"
import * as Vitals from "./Vitals.ts"

/** A boot that is up, whatever it provides. */
export type Running = Boot.Running<never, unknown>

/** Why the node ends. */
export interface End {
  readonly because: string
  readonly signal: ExitCode.Ending | undefined
}

/** Whom the health endpoints ask. */
export interface Sources {
  readonly accepting: () => boolean
  readonly ready: Effect.Effect<boolean>
  readonly report: Effect.Effect<HealthReport>
  readonly details: Effect.Effect<{ readonly [component: string]: Details }>
  readonly reason: () => string
  readonly changes?: Stream.Stream<unknown>
}

/** What is told of a component besides its health. */
export interface Details extends Partial<Vitals.Details> {
  readonly state: string
  readonly phase: string
}

type HealthReport = Health.HealthReport

/** The health endpoints. They answer from before the boot until after it. */
export interface Endpoints {
  readonly url: string
  readonly serve: (sources: Sources) => Effect.Effect<void>
}

/** What a boot gets from the process around it. */
export interface Given {
  readonly lock: Lock.Lock["Service"]
  readonly journal: Journal.Journal | undefined
  readonly previous: Journal.Unfinished | undefined
  readonly durationsMs: { readonly [name: string]: number }
  readonly observe: (event: BootEvent.BootEvent) => void
  readonly notify: Post.Notify.Notify
  /** The report as of now. */
  readonly report: Effect.Effect<Report.Report>
  /** Why the node ends, once it does. */
  readonly because: () => string | undefined
}

/** What reads the settings again. */
export interface Reloading {
  /** Says in a sentence what has changed; fails when nothing did because something may not. */
  readonly reload: Effect.Effect<string, { readonly message: string }>
}

/** A node while it lives. */
export interface Alive {
  readonly surroundings: Surroundings["Service"]
  /** The report as of now. */
  readonly report: () => Report.Report
  /** What an operator wants to know besides, as of now. */
  readonly vitals: () => Vitals.Vitals
  readonly step: (event: BootEvent.BootEvent) => void
  /** Completes when the node is asked to end. */
  readonly ending: Deferred.Deferred<End>
  /** Completes when the boot is up. */
  readonly settled: Deferred.Deferred<Running>
  /** Completes with the final report, when everything is down. */
  readonly over: Deferred.Deferred<Report.Report>
  running: Running | undefined
  endpoints: Endpoints | undefined
  /** Completes with where a person looks at it, as soon as that is there; with undefined when there is none. */
  readonly dashboard: Deferred.Deferred<Operator.Dashboard | undefined>
  notify: Post.Notify.Notify
  reload: Reloading["reload"]
  /** Whether the report of READY is where it was asked for. */
  isReported: boolean
  /** The first reason to end; undefined as long as nothing does. */
  end: End | undefined
  /** Whether a signal has asked for it, or would have: the next one insists. */
  isSignalled: boolean
}

/** A node of which nothing has happened yet. */
export const make = (surroundings: Surroundings["Service"]): Alive => {
  const fold = Report.make()
  const vitals = Vitals.make()
  // Looked at seldom: while the node boots its thread has better to do than to keep the account up to date.
  const untold: Array<BootEvent.BootEvent> = []
  const catchUp = (): void => {
    for (const event of untold.splice(0)) {
      Report.step(fold, event)
      Vitals.step(vitals, event)
    }
  }
  return {
    surroundings,
    report: () => {
      catchUp()
      return Report.read(fold)
    },
    vitals: () => {
      catchUp()
      return vitals
    },
    step: (event) => {
      if (untold.push(event) >= 512) catchUp()
    },
    ending: Deferred.makeUnsafe(),
    settled: Deferred.makeUnsafe(),
    over: Deferred.makeUnsafe(),
    running: undefined,
    endpoints: undefined,
    dashboard: Deferred.makeUnsafe(),
    notify: { tell: () => undefined, told: Effect.void, watchdog: undefined },
    reload: Effect.fail({ message: "The settings are not followed yet." }),
    isReported: false,
    end: undefined,
    isSignalled: false
  }
}

/** Asks the node to end; whoever comes second is not heard. Whether it was the first. */
export const end = (node: Alive, why: End): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (node.end !== undefined) return Effect.succeed(false)
    node.end = why
    return Deferred.succeed(node.ending, why)
  })

// ------------------------------------------------------------------------------------------------------------ health

/** Asked before the boot is up: alive, not ready, and how far each component is. */
export const whileBooting = (node: Alive): Sources => ({
  accepting: () => false,
  reason: () => (node.end === undefined ? "the node is starting" : "the node stops"),
  ready: Effect.succeed(false),
  report: Effect.map(DateTime.now, (at) => ({
    status: "unknown" as const,
    at,
    components: node.report().components.map(({ name, needs, severity, state }) => ({
      name,
      critical: severity === "critical",
      status: healthIn(state),
      message: `it is ${state}`,
      dependencies: Object.fromEntries(needs.map((need) => [need, "unknown" as const]))
    }))
  })),
  details: details(node)
})

/** Asked from then on. */
export const whileRunning = (node: Alive, { health }: Running): Sources => ({
  accepting: () => node.end === undefined,
  reason: () => (node.end === undefined ? "" : `the node stops because of ${node.end.because}`),
  ready: health.ready,
  report: health.report,
  details: details(node),
  changes: health.changes
})

const details = (node: Alive): Sources["details"] =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const vitals = Vitals.details(node.vitals(), now)
    return Object.fromEntries(
      node.report().components.map(({ name, phase, state }) => [name, { state, phase, ...vitals[name] }])
    )
  })

const healthIn = (state: Report.Report["components"][number]["state"]) => {
  if (state === "ready") return "healthy" as const
  if (state === "degraded") return "degraded" as const
  return state === "failed" ? ("unhealthy" as const) : ("unknown" as const)
}

// --------------------------------------------------------------------------------------------------------- in words

/** How the node is, in a line. */
export const statusLine = (report: Report.Report): string => {
  const impaired = report.components.filter(({ state }) => state === "degraded" || state === "failed")
  const names = impaired.map(({ name, state }) => `${name} ${state}`).join(", ")
  return `${report.outcome}${names === "" ? "" : `: ${names}`}`
}

/** What is going on: the report in words, the reasons, the memory. */
export const dump = (node: Alive): string => {
  const report = node.report()
  const { heapBytes, rssBytes } = node.surroundings.memory()
  const mb = (bytes: number) => Math.round(bytes / 1e6)
  const odd = report.components.filter(({ state }) => state !== "ready")
  return [
    `--- state of pid ${node.surroundings.pid}: ${statusLine(report)}, rss ${mb(rssBytes)} MB, heap ${mb(heapBytes)} MB`,
    Report.text(report),
    ...odd.map(({ name }) => Report.why(report, name).join(" ← ")),
    "---"
  ].join("\n")
}

/** Those that are still busy, for whoever has no more patience. */
export const blockers = (report: Report.Report): string => {
  const busy = report.components.filter(({ state }) => busyStates.has(state))
  return busy.length === 0 ? "the process itself" : busy.map(({ name, state }) => `${name} (${state})`).join(", ")
}

const busyStates: ReadonlySet<string> = new Set(["running", "closing", "stopping", "backoff"])

/** Milliseconds since the boot began, for whoever was there. */
export const uptimeMs = (report: Report.Report): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    Option.match(DateTime.make(report.startedAt), {
      onNone: () => 0,
      onSome: (at) => Math.max(0, now - DateTime.toEpochMillis(at))
    })
  )
