/**
 * Alerts for those who have no Prometheus: the rules are evaluated in the process, and whoever is on call is told by a
 * webhook, in the form that Alertmanager's webhooks have.
 *
 * **Details**
 *
 * What has been so for as long as its rule wants is firing, and resolved when it is not so any more. Both are told once,
 * what goes on is told again after the repeat interval. What could not be told is told later, and only as it is by then:
 * what nobody heard of and is over is not told at all. When the process ends it is looked once more, so that a boot that
 * fails is told of, within a budget.
 */
import { Clock, DateTime, Duration, Effect, Option, Redacted, Schedule, type Scope } from "effect"
import * as AlertRules from "./AlertRules.ts"
import * as Outgoing from "./Outgoing.ts"
import type { AlertsSettings } from "./Settings.ts"
import type { Family, Labels } from "./Tally.ts"

/** Something that is so, or has been so until lately. */
export interface Alert {
  readonly labels: Labels
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string }
  /** `pending`: not for long enough. */
  readonly state: "pending" | "firing" | "resolved"
  /** Since when it is so, by the steady clock. */
  readonly activeAt: number
  /** Milliseconds since 1970: since when it fires, and when it ended. */
  readonly firedAt: number | undefined
  readonly endedAt: number | undefined
  readonly value: number
}

/** What becomes of alerts. Only {@link step} changes it. */
export interface Book {
  readonly alerts: Map<string, Alert>
  readonly memory: AlertRules.Memory
}

/** How many alerts there may be at a time: more say nothing more. */
const mostAlerts = 1_000

/** Nothing is wrong. */
export const makeBook = (): Book => ({ alerts: new Map(), memory: AlertRules.makeMemory() })

/**
 * Looks at what is now; yields the alerts that have begun to fire, and those that are over. How long something has been so
 * is judged by a clock that nobody sets: after a jump of the other one an alert would fire too soon, or not for years.
 */
export const step = (
  book: Book,
  families: ReadonlyArray<Family>,
  nowMs: number,
  options: {
    readonly instance: string
    readonly disabled?: ReadonlyArray<string>
    /** Milliseconds of the steady clock. Default: `nowMs`. */
    readonly steadyMs?: number
  }
): ReadonlyArray<Alert> => {
  const { steadyMs = nowMs } = options
  AlertRules.remember(book.memory, families, steadyMs)
  const changed: Array<Alert> = []
  const seen = new Set<string>()
  for (const rule of AlertRules.rules) {
    if (options.disabled?.includes(rule.alert) === true) continue
    for (const sample of AlertRules.evaluate(rule.when, families, book.memory, nowMs, steadyMs)) {
      const labels = {
        ...sample.labels,
        alertname: rule.alert,
        severity: rule.severity,
        job: "novacron",
        instance: options.instance
      }
      const key = AlertRules.identity(labels)
      const before = book.alerts.get(key)
      if (seen.has(key) || (before === undefined && book.alerts.size >= mostAlerts)) continue
      seen.add(key)
      const isNew = before === undefined || before.state === "resolved"
      const activeAt = isNew ? steadyMs : before.activeAt
      const fires = steadyMs - activeAt >= rule.forMinutes * 60_000
      const firedAt = fires ? (isNew ? nowMs : (before.firedAt ?? nowMs)) : undefined
      const alert: Alert = {
        labels,
        annotations: {
          summary: written(rule.summary, labels, sample.value),
          description: written(rule.description, labels, sample.value),
          runbook_url: AlertRules.runbookOf(rule)
        },
        state: fires ? "firing" : "pending",
        activeAt,
        firedAt,
        endedAt: undefined,
        value: sample.value
      }
      book.alerts.set(key, alert)
      if (fires && before?.state !== "firing") changed.push(alert)
    }
  }
  for (const [key, alert] of book.alerts) {
    if (seen.has(key)) continue
    if (alert.state === "firing") {
      const over: Alert = { ...alert, state: "resolved", endedAt: nowMs }
      book.alerts.set(key, over)
      changed.push(over)
    } else book.alerts.delete(key)
  }
  return changed
}

const written = (text: string, labels: Labels, value: number): string =>
  text
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? "")
    .replace("{{ $value | humanizeDuration }}", () => words(value))

/** `6d 23h 59m 58s` */
const words = (seconds: number): string => {
  const whole = Math.floor(Math.abs(seconds))
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"]
  ] as const
  const shown = parts.slice(parts.findIndex(([count]) => count > 0))
  const text = shown.map(([count, unit]) => `${count}${unit}`).join(" ")
  return `${seconds < 0 ? "-" : ""}${text}`
}

// ------------------------------------------------------------------------------------------------------------ delivery

/** Who tells. */
export interface Alerts {
  /** What is pending or firing. */
  readonly active: Effect.Effect<ReadonlyArray<Alert>>
}

/** What of an alert was told: how it was then, and when. */
interface Told {
  readonly state: Alert["state"]
  readonly atMs: number
}

/** Looks and tells until the scope closes. `instance` is the name of the node, once it is known. */
export const make = Effect.fn("Alerts.make")(function* (
  settings: typeof AlertsSettings.Type & { readonly webhook: Redacted.Redacted },
  families: Effect.Effect<ReadonlyArray<Family>>,
  instance: () => string
): Effect.fn.Return<Alerts, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const steadyMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const book = makeBook()
  const told = new Map<string, Told>()
  const post = yield* Effect.match(Outgoing.authorities(settings.ca), {
    onSuccess: (ca) => delivery(settings, ca),
    onFailure:
      ({ message }) =>
      () =>
        Effect.as(Effect.logWarning(message), "Away" as const)
  })
  const repeatMs = Duration.toMillis(settings.repeat)
  let isRefused = false

  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { disabled } = settings
    const changed = step(book, yield* families, now, { instance: instance(), disabled, steadyMs: steadyMs() })
    for (const { annotations, state } of changed) {
      yield* state === "firing"
        ? Effect.logWarning(`Alert: ${annotations.summary}`)
        : Effect.logInfo(`Over: ${annotations.summary}`)
    }
  })

  /** What has not been told as it is, or long ago. */
  const due = (): ReadonlyArray<readonly [key: string, alert: Alert]> =>
    [...book.alerts].filter(([key, alert]) => {
      const last = told.get(key)
      if (alert.state === "firing") return last?.state !== "firing" || steadyMs() - last.atMs >= repeatMs
      return alert.state === "resolved" && last?.state === "firing"
    })

  const tell = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const some = due()
    const alerts = some.map(([, alert]) => alert)
    const outcome = some.length === 0 ? "Taken" : yield* post(payload(alerts, now))
    if (outcome === "Refused" && !isRefused) {
      yield* Effect.logWarning(
        "The webhook refuses alerts: they are not told. Check monitoring.alerts.webhook and authorization."
      )
    }
    isRefused = outcome === "Refused"
    if (outcome === "Away") return false
    for (const [key, { state }] of some) told.set(key, { state, atMs: steadyMs() })
    // Over, and told to whoever had heard of it: done.
    for (const [key, { state }] of book.alerts) {
      if (state !== "resolved") continue
      book.alerts.delete(key)
      told.delete(key)
    }
    return true
  })

  yield* Effect.addFinalizer(() =>
    Effect.andThen(look, Effect.repeat(tell, { until: (done) => done, schedule: Schedule.spaced("200 millis") })).pipe(
      Effect.interruptible,
      Effect.timeoutOption(settings.stopBudget)
    )
  )
  const patience = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])
  // Then it is looked again. Who is answering just then is waited for: cut off, they would be told once more.
  const tellAll = Effect.repeat(tell, {
    until: (done) => done,
    schedule: Schedule.upTo(patience, { duration: settings.interval })
  })
  yield* Effect.forkScoped(Effect.repeat(Effect.andThen(look, tellAll), Schedule.spaced(settings.interval)))
  return { active: Effect.sync(() => [...book.alerts.values()].filter(({ state }) => state !== "resolved")) }
})

/** Alertmanager's webhook, version 4. */
const payload = (alerts: ReadonlyArray<Alert>, nowMs: number) => ({
  version: "4",
  receiver: "novacron",
  status: alerts.some(({ state }) => state === "firing") ? "firing" : "resolved",
  groupKey: `novacron/${alerts[0]?.labels["instance"] ?? ""}`,
  groupLabels: {},
  commonLabels: shared(alerts.map(({ labels }) => labels)),
  commonAnnotations: {},
  externalURL: "",
  truncatedAlerts: 0,
  alerts: alerts.map(({ annotations, endedAt, firedAt, labels, state }) => ({
    status: state,
    labels,
    annotations,
    startsAt: iso(firedAt ?? nowMs),
    endsAt: endedAt === undefined ? "0001-01-01T00:00:00Z" : iso(endedAt),
    generatorURL: ""
  }))
})

const shared = ([first = {}, ...others]: ReadonlyArray<Labels>): Labels =>
  Object.fromEntries(Object.entries(first).filter(([label, value]) => others.every((one) => one[label] === value)))

const iso = (ms: number): string => Option.match(DateTime.make(ms), { onNone: () => "", onSome: DateTime.formatIso })

/** Tells, and whether that came to anything. Whatever goes wrong, it is tried again. */
const delivery = (
  settings: typeof AlertsSettings.Type & { readonly webhook: Redacted.Redacted },
  ca: Buffer | undefined
) => {
  const { authorization, timeout, webhook } = settings
  const secret = authorization === undefined ? {} : { authorization: Redacted.value(authorization) }
  const headers = { ...secret, "content-type": "application/json" }
  return (payload: object): Effect.Effect<"Taken" | "Away" | "Refused"> =>
    Outgoing.post(Redacted.value(webhook), headers, Buffer.from(JSON.stringify(payload)), ca).pipe(
      Effect.timeoutOption(timeout),
      Effect.map((reply) => {
        const status = Option.isSome(reply) ? reply.value.status : 0
        if (status >= 200 && status < 300) return "Taken"
        return status === 0 || status === 408 || status === 429 || status >= 500 ? "Away" : "Refused"
      }),
      Effect.catchCause(() => Effect.succeed("Away" as const))
    )
}
