/**
 * The health of a running node, in three tiers: is it alive, may it take work, and how is each of its parts.
 *
 * **Details**
 *
 * - `live` says that this process answers. It runs no probe and asks no dependency: a node that is killed because its
 *   database is down comes back to a database that is down.
 * - `ready` says that all critical probes pass and that the node is accepting. A part that is not critical never takes
 *   a node out of service.
 * - `report` says how every part is, and what the cause is if one suffers from another.
 *
 * A probe has a deadline (2 seconds), is run once for all who ask at the same time, and its result is good for 5
 * seconds. It takes three failures in a row to become unhealthy and two successes to become healthy again; the very
 * first result counts at once. A part that was well is `degraded` from its first failure on: whoever looks sees it within
 * one interval, and nothing is done about it before it has turned. A defect in a probe counts as a failure.
 *
 * What slows down, or fails more often, is said before it is too late: when the last readings of a part rise, and it would
 * reach the deadline of its probe, or fail every second time, within a minute, it has a `warning`, which is in its message
 * and in the log. It counts as healthy all the same: a forecast takes nobody out of service (`Trend.ts`).
 *
 * A part that is unhealthy while one that it needs is unhealthy as well names that one first, down to the root. A part
 * that is well while one that it needs is not is `degraded`, and so is one whose probe passes and says so itself: it goes
 * on, without something that it should have.
 *
 * **Gotchas**
 *
 * - A probe that ignores interruption goes on after its deadline. It is not started a second time before it ends, and
 *   whoever asks meanwhile is told so, which counts as another failure.
 * - No checks at all is `unknown` and not ready: a node that has declared nothing has promised nothing.
 *
 * **Example**
 *
 * ```ts
 * const watched = Effect.gen(function*() {
 *   const health = yield* Health.make([
 *     { name: "database", critical: true, needs: [], probe: Effect.asVoid(sql`select 1`) },
 *     { name: "api", critical: true, needs: ["database"], probe: api.ping }
 *   ])
 *   yield* health.monitor()
 *   return (yield* health.report).status // "healthy"
 * })
 * ```
 */
import {
  Cause,
  Clock,
  Data,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  PubSub,
  Schedule,
  Stream
} from "effect"
import type { Scope } from "effect"
import { messageOf } from "./Severity.ts"
import * as Trend from "./Trend.ts"

// ------------------------------------------------------------------------------------------------------------- model

/**
 * `degraded` is on the way to unhealthy, suffers from another part that is, or does less than it should by its own account;
 * for the whole, that some part does.
 */
export type Status = "unknown" | "healthy" | "degraded" | "unhealthy"

/** What a probe may say besides that all is well. */
export interface Reading {
  /** Default: how long the probe took. */
  readonly latencyMs?: number | undefined
  /** Per second, of whatever the component counts. */
  readonly throughput?: number | undefined
  /** The share of failures, from 0 to 1. */
  readonly errorRate?: number | undefined
  readonly detail?: string | undefined
  /** It works, and does less than it should; `detail` says why. */
  readonly degraded?: boolean | undefined
}

/**
 * What a probe has said, if it is a reading; whatever else it yields is of no interest here. What cannot be meant is left
 * out, the share of failures among no calls for instance, and the rest counts.
 */
export const readingOf = (said: unknown): Reading | undefined => {
  if (typeof said !== "object" || said === null) return undefined
  const { degraded, detail, errorRate, latencyMs, throughput }: { readonly [K in keyof Reading]: unknown } = said
  return {
    ...(isFinite(latencyMs) ? { latencyMs } : {}),
    ...(isFinite(throughput) ? { throughput } : {}),
    ...(isFinite(errorRate) ? { errorRate } : {}),
    ...(typeof detail === "string" ? { detail } : {}),
    ...(typeof degraded === "boolean" ? { degraded } : {})
  }
}

const isFinite = (it: unknown): it is number => Number.isFinite(it)

/**
 * The reading of a whole that has these parts: the slowest, all of what they count, the worst, and what each says. It is
 * degraded when one of them is.
 */
export const together = (parts: ReadonlyMap<string, Reading>): Reading => {
  const told = (of: (reading: Reading) => number | undefined) => [...parts.values()].flatMap((part) => of(part) ?? [])
  const latencies = told(({ latencyMs }) => latencyMs)
  const counts = told(({ throughput }) => throughput)
  const errorRates = told(({ errorRate }) => errorRate)
  const details = [...parts].flatMap(([name, { detail }]) => (detail === undefined ? [] : `${name}: ${detail}`))
  return {
    ...(latencies.length > 0 ? { latencyMs: Math.max(...latencies) } : {}),
    ...(counts.length > 0 ? { throughput: counts.reduce((a, b) => a + b) } : {}),
    ...(errorRates.length > 0 ? { errorRate: Math.max(...errorRates) } : {}),
    ...(details.length > 0 ? { detail: details.join("; ") } : {}),
    ...([...parts.values()].some(({ degraded }) => degraded) ? { degraded: true } : {})
  }
}

/** One part of the node and the question that tells how it is. */
export interface Check {
  /** Unique in the list. */
  readonly name: string
  /** Whether the node can take work without it. */
  readonly critical: boolean
  /** Names of the checks that it depends on. One that is not in the list is `unknown`. */
  readonly needs: ReadonlyArray<string>
  /** Succeeds when it works; a {@link Reading} that it yields is kept. */
  readonly probe: Effect.Effect<unknown, unknown>
}

export interface ComponentHealth {
  readonly name: string
  readonly critical: boolean
  readonly status: Status
  readonly latencyMs?: number | undefined
  readonly throughput?: number | undefined
  readonly errorRate?: number | undefined
  readonly lastCheckedAt?: DateTime.Utc | undefined
  /** A sentence for people, root cause first. */
  readonly message: string
  /** What it is about to be, when it is still healthy and its readings rise. */
  readonly warning?: string | undefined
  readonly dependencies: { readonly [name: string]: Status }
}

export interface HealthReport {
  readonly status: Status
  readonly at: DateTime.Utc
  /** In the order of the checks. */
  readonly components: ReadonlyArray<ComponentHealth>
}

/** A component that became healthy or unhealthy by its own probe. Those that suffer from it do not say so again. */
export interface Change {
  readonly name: string
  readonly from: Vitals["status"]
  readonly to: Vitals["status"]
  readonly at: DateTime.Utc
  readonly message: string
}

export interface Options {
  /** How long a probe may take. Default 2 seconds. */
  readonly deadline?: Duration.Input | undefined
  /** How long a result is good for. Default 5 seconds. */
  readonly timeToLive?: Duration.Input | undefined
  /** Failures in a row that make unhealthy. Default 3. */
  readonly failures?: number | undefined
  /** Successes in a row that make healthy again. Default 2. */
  readonly successes?: number | undefined
  /** How far ahead a part that slows down, or fails more often, is warned of; 0 for not at all. Default 1 minute. */
  readonly foresight?: Duration.Input | undefined
  /** Whether the node accepts work from the beginning. Default true. */
  readonly accepting?: boolean | undefined
}

/** Somebody asked for the health of a component that has no check. */
export class UnknownCheck extends Data.TaggedError("UnknownCheck")<{
  readonly check: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    return `There is no health check "${this.check}". There are: ${this.known.join(", ") || "none"}.`
  }
}

export interface Health {
  /** True whenever this process can answer; nothing else is asked. */
  readonly live: Effect.Effect<boolean>
  /** Accepting, and every critical probe passes. Probes run if their last result is too old. */
  readonly ready: Effect.Effect<boolean>
  /** Draining begins with `false`: `ready` says no at once, and no probe is run for it. */
  readonly setAccepting: (accepting: boolean) => Effect.Effect<void>
  /** The health of one component, from a fresh probe if the last result is too old. */
  readonly check: (name: string) => Effect.Effect<ComponentHealth, UnknownCheck>
  /** The health of all, from fresh probes where the last results are too old. Takes one deadline at the most. */
  readonly report: Effect.Effect<HealthReport>
  /** The last that is known, at once: no probe is run. */
  readonly snapshot: Effect.Effect<HealthReport>
  /** Every change of a component, once for each who listens, from now on. Keeps the last 256 for one who is slow. */
  readonly changes: Stream.Stream<Change>
  /** Probes everything, at once and every `interval` (5 seconds), 20 % more or less, until the scope closes. */
  readonly monitor: (interval?: Duration.Input) => Effect.Effect<void, never, Scope.Scope>
  /** Replaces the checks. A component that keeps its name keeps its history; two of one name are a defect. */
  readonly set: (checks: ReadonlyArray<Check>) => Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------- decision

/** What the probes of one component have shown so far. `against` counts the last results that contradict `status`. */
export interface Vitals {
  readonly status: "unknown" | "healthy" | "unhealthy"
  readonly against: number
  /** The last failure, in words. */
  readonly complaint: string
  readonly last?: Result | undefined
}

/** How one probe went. */
export type Result =
  | { readonly _tag: "Passed"; readonly at: DateTime.Utc; readonly reading: Reading }
  | { readonly _tag: "Failed"; readonly at: DateTime.Utc; readonly reading: Reading; readonly complaint: string }

/** How many results in a row it takes to change the mind. */
export interface Rules {
  readonly failures: number
  readonly successes: number
}

/** Before the first probe. */
export const unknown: Vitals = { status: "unknown", against: 0, complaint: "" }

/** The vitals after one more result. */
export const judge = (vitals: Vitals, result: Result, rules: Rules): Vitals => {
  const shown = result._tag === "Passed" ? "healthy" : "unhealthy"
  const complaint = result._tag === "Failed" ? result.complaint : vitals.complaint
  const against = vitals.status === shown ? 0 : vitals.against + 1
  const patience = vitals.status === "healthy" ? rules.failures : vitals.status === "unhealthy" ? rules.successes : 1
  return against >= patience
    ? { status: shown, against: 0, complaint, last: result }
    : { status: vitals.status, against, complaint, last: result }
}

/** The last readings of one component, for a look ahead. */
export interface History {
  readonly latency: ReadonlyArray<Trend.Reading>
  readonly errorRate: ReadonlyArray<Trend.Reading>
}

/** Before the first probe. */
export const noHistory: History = { latency: [], errorRate: [] }

/** The history after one more result. */
export const recall = ({ errorRate, latency }: History, { at, reading }: Result): History => {
  const more = (readings: ReadonlyArray<Trend.Reading>, value: number | undefined) =>
    value === undefined ? readings : Trend.add(readings, { atMs: DateTime.toEpochMillis(at), value })
  return { latency: more(latency, reading.latencyMs), errorRate: more(errorRate, reading.errorRate) }
}

/** From this share of failures on, a component that says its own is as good as down. */
const tooManyFailures = 0.5

/** What is to come within the horizon if nothing changes, in words: the sooner of the two. Nothing: the empty text. */
export const foresee = ({ errorRate, latency }: History, deadlineMs: number, horizonMs: number): string => {
  const within = (outlook: Trend.Outlook | undefined) =>
    outlook === undefined || outlook.inMs > horizonMs ? undefined : outlook
  const slow = within(Trend.outlook(latency, deadlineMs))
  const failing = within(Trend.outlook(errorRate, tooManyFailures))
  const first = failing === undefined || (slow !== undefined && slow.inMs <= failing.inMs) ? slow : failing
  if (first === undefined) return ""
  const limit = Duration.format(Duration.millis(deadlineMs))
  const what =
    first === slow
      ? `it answers more and more slowly, at last in ${Math.round(first.value)} ms, and its limit is ${limit}`
      : `it fails more and more often, at last ${Math.round(first.value * 100)} times in 100`
  return `${what}; at this rate it is down in ${Math.ceil(first.inMs / 1_000)} s`
}

/** A component as {@link examine} needs it. */
export interface Patient {
  readonly check: Check
  readonly vitals: Vitals
  /** See {@link foresee}. */
  readonly warning?: string
}

/** The report on all components, from what is known of each. */
export const examine = (patients: ReadonlyArray<Patient>, at: DateTime.Utc, rules: Rules): HealthReport => {
  const byName = new Map(patients.map((patient) => [patient.check.name, patient]))
  const sickNeeds = ({ check }: Patient) =>
    check.needs.flatMap((need) => byName.get(need) ?? []).filter((need) => need.vitals.status === "unhealthy")
  const statusOf = (patient: Patient): Status => {
    const { against, status } = patient.vitals
    const suffers = against > 0 || isImpaired(patient.vitals) || sickNeeds(patient).length > 0
    return status === "healthy" && suffers ? "degraded" : status
  }

  const components = patients.map((patient): ComponentHealth => ({
    name: patient.check.name,
    critical: patient.check.critical,
    status: statusOf(patient),
    latencyMs: patient.vitals.last?.reading.latencyMs,
    throughput: patient.vitals.last?.reading.throughput,
    errorRate: patient.vitals.last?.reading.errorRate,
    lastCheckedAt: patient.vitals.last?.at,
    message: messageFor(patient, rootsOf(patient, sickNeeds), rules),
    ...(isWarned(patient) ? { warning: patient.warning } : {}),
    dependencies: Object.fromEntries(
      patient.check.needs.map((need) => {
        const dependency = byName.get(need)
        return [need, dependency === undefined ? "unknown" : statusOf(dependency)]
      })
    )
  }))
  return { status: overall(components), at, components }
}

/** By its own account. */
const isImpaired = ({ last }: Vitals): boolean => last?.reading.degraded === true

/** Of what has failed already nobody is warned. */
const isWarned = ({ vitals, warning = "" }: Patient): boolean => warning !== "" && vitals.status === "healthy"

/** The unhealthy components at the far end of the needs, for which nothing else can be blamed. */
const rootsOf = (patient: Patient, sickNeeds: (patient: Patient) => ReadonlyArray<Patient>): ReadonlyArray<Patient> => {
  const seen = new Set([patient])
  const roots: Array<Patient> = []
  const visit = (at: Patient): void => {
    const needs = sickNeeds(at)
    if (needs.length === 0 && at !== patient) roots.push(at)
    for (const need of needs) {
      if (seen.has(need)) continue
      seen.add(need)
      visit(need)
    }
  }
  visit(patient)
  return roots
}

const messageFor = (patient: Patient, roots: ReadonlyArray<Patient>, rules: Rules): string => {
  const { vitals, warning } = patient
  const blame = roots.map(({ check, vitals }) => `${check.name} is unhealthy (${vitals.complaint})`).join(" and ")
  switch (vitals.status) {
    case "unknown":
      return blame ? `${blame}; not checked yet` : "not checked yet"
    case "unhealthy": {
      const hope = vitals.against > 0 ? `, ${vitals.against} of ${rules.successes} checks passed since` : ""
      return blame ? `${blame}; as a consequence: ${vitals.complaint}${hope}` : `${vitals.complaint}${hope}`
    }
    case "healthy": {
      const well =
        vitals.against > 0
          ? `works, but ${vitals.against} of ${rules.failures} checks failed: ${vitals.complaint}`
          : isWarned(patient) && !isImpaired(vitals)
            ? `healthy, but ${warning}`
            : (vitals.last?.reading.detail ?? "healthy")
      return blame ? `${blame}; its own check: ${well}` : well
    }
  }
}

const overall = (components: ReadonlyArray<ComponentHealth>): Status => {
  const some = (status: Status) => components.some((component) => component.status === status)
  const critical = (status: Status) => components.some((component) => component.critical && component.status === status)
  if (critical("unhealthy")) return "unhealthy"
  if (critical("unknown") || components.length === 0) return "unknown"
  if (some("unhealthy") || some("degraded")) return "degraded"
  return some("unknown") ? "unknown" : "healthy"
}

// ------------------------------------------------------------------------------------------------------ construction

/** The place of one component. A flight is a run of its probe that all who ask share; a stuck probe outlives it. */
interface Seat {
  check: Check
  vitals: Vitals
  history: History
  warning: string
  freshUntilMs: number
  flight: Deferred.Deferred<void> | undefined
  probe: Fiber.Fiber<unknown, unknown> | undefined
}

/** Makes the health of a node. Nothing is probed until somebody asks. Closing the scope stops all probes. */
export const make = Effect.fnUntraced(function* (
  checks: ReadonlyArray<Check>,
  options: Options = {}
): Effect.fn.Return<Health, never, Scope.Scope> {
  const rules: Rules = { failures: options.failures ?? 3, successes: options.successes ?? 2 }
  const timeToLiveMs = Duration.toMillis(options.timeToLive ?? "5 seconds")
  const deadline = Duration.fromInputUnsafe(options.deadline ?? "2 seconds")
  const horizonMs = Duration.toMillis(options.foresight ?? "1 minute")
  const ask = yield* interviewer(deadline)
  const scope = yield* Effect.scope
  const changes = yield* Effect.acquireRelease(PubSub.sliding<Change>(256), (changes) => PubSub.shutdown(changes))
  let accepting = options.accepting ?? true
  let seats = seat(checks, [])

  const lookAhead = (seat: Seat, result: Result) =>
    Effect.suspend(() => {
      const before = seat.warning
      seat.history = recall(seat.history, result)
      seat.warning = foresee(seat.history, Duration.toMillis(deadline), horizonMs)
      const isNews = before === "" && isWarned(seat)
      return isNews ? Effect.logWarning(`${seat.check.name} is healthy, but ${seat.warning}`) : Effect.void
    })

  const fly = Effect.fnUntraced(function* (seat: Seat) {
    const result = yield* ask(seat)
    const { status: from } = seat.vitals
    const before = isImpaired(seat.vitals)
    seat.vitals = judge(seat.vitals, result, rules)
    if (isImpaired(seat.vitals) && !before) {
      yield* Effect.logWarning(`${seat.check.name} is degraded: ${result.reading.detail ?? "it does not say why"}`)
    }
    seat.freshUntilMs = (yield* nowMs) + timeToLiveMs
    if (horizonMs > 0) yield* lookAhead(seat, result)
    const { complaint, status: to } = seat.vitals
    // A component that was replaced meanwhile has nothing to announce.
    if (from === to || !seats.includes(seat)) return
    const message = to === "healthy" ? (result.reading.detail ?? "healthy") : complaint
    yield* PubSub.publish(changes, { name: seat.check.name, from, to, at: result.at, message })
  })

  // Looking for a flight and taking off are one synchronous step, so there is never a second one beside it.
  const refresh = (seat: Seat, anew: boolean) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(nowMs, (atMs) => {
        if (seat.flight !== undefined) return restore(Deferred.await(seat.flight))
        if (!anew && atMs < seat.freshUntilMs) return Effect.void
        const flight = Deferred.makeUnsafe<void>()
        seat.flight = flight
        return Effect.flatMap(Effect.forkIn(fly(seat), scope, atOnce), (fiber) => {
          fiber.addObserver(() => {
            seat.flight = undefined
            Deferred.doneUnsafe(flight, Effect.void)
          })
          return restore(Deferred.await(flight))
        })
      })
    )

  // All at once: there are no more probes than checks, and a report takes one deadline and not their sum.
  const refreshAll = (seats: ReadonlyArray<Seat>, anew: boolean) =>
    Effect.forEach(seats, (seat) => refresh(seat, anew), { concurrency: "unbounded", discard: true })

  const critical = () => seats.filter((seat) => seat.check.critical)
  const snapshot = Effect.map(DateTime.now, (at) => examine(seats, at, rules))

  return {
    live: Effect.succeed(true),

    ready: Effect.gen(function* () {
      if (!accepting || seats.length === 0) return false
      yield* refreshAll(critical(), false)
      // Asked again: a drain may have begun, or a check been added, while the probes ran.
      return accepting && critical().every((seat) => seat.vitals.status === "healthy")
    }),

    setAccepting: (value) => Effect.sync(() => void (accepting = value)),

    check: Effect.fnUntraced(function* (name) {
      const seat = seats.find((seat) => seat.check.name === name)
      if (seat !== undefined) yield* refresh(seat, false)
      const found = (yield* snapshot).components.find((component) => component.name === name)
      return found ?? (yield* new UnknownCheck({ check: name, known: seats.map((seat) => seat.check.name) }))
    }),

    report: Effect.suspend(() => refreshAll(seats, false)).pipe(Effect.andThen(snapshot)),

    snapshot,

    changes: Stream.fromPubSub(changes),

    monitor: (interval = "5 seconds") =>
      Effect.suspend(() => refreshAll(seats, true)).pipe(
        Effect.repeat(Schedule.jittered(Schedule.spaced(interval))),
        Effect.forkScoped,
        Effect.asVoid
      ),

    set: (checks) => Effect.sync(() => void (seats = seat(checks, seats)))
  }
})

/** Most probes look at what is at hand, and have answered before anybody has to wait for them. */
const atOnce = { startImmediately: true } as const

/** Makes what runs a probe, up to the deadline, and says how it went. */
const interviewer = Effect.fnUntraced(function* (deadline: Duration.Duration) {
  const probes = new Set<Fiber.Fiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() => {
    for (const probe of probes) probe.interruptUnsafe()
    // A probe that ignores this is left behind: it must not hold up the stop of the node.
    return Effect.asVoid(Effect.timeoutOption(Fiber.awaitAll(probes), deadline))
  })

  // Detached, because a scope would wait for a stuck probe without end. The finalizer above waits too, up to a limit.
  const launch = (seat: Seat) =>
    Effect.map(Effect.forkDetach(seat.check.probe, atOnce), (fiber) => {
      seat.probe = fiber
      probes.add(fiber)
      fiber.addObserver(() => {
        seat.probe = undefined
        probes.delete(fiber)
      })
      return fiber
    }).pipe(Effect.uninterruptible)

  return Effect.fnUntraced(function* (seat: Seat): Effect.fn.Return<Result> {
    if (seat.probe !== undefined) {
      const complaint = "the last probe still runs, long after its deadline"
      return { _tag: "Failed", at: yield* DateTime.now, reading: {}, complaint }
    }
    const beganMs = yield* nowMs
    const probe = yield* launch(seat)
    const done = probe.pollUnsafe()
    const exit = done === undefined ? yield* Effect.timeoutOption(Fiber.await(probe), deadline) : Option.some(done)
    const reading = { latencyMs: (yield* nowMs) - beganMs }
    const at = yield* DateTime.now
    if (Option.isNone(exit)) {
      probe.interruptUnsafe()
      return { _tag: "Failed", at, reading, complaint: `no answer within ${Duration.format(deadline)}` }
    }
    return Exit.isSuccess(exit.value)
      ? { _tag: "Passed", at, reading: { ...reading, ...readingOf(exit.value.value) } }
      : { _tag: "Failed", at, reading, complaint: messageOf(Cause.squash(exit.value.cause)) }
  })
})

/** Seats for the checks. The same probe goes on as it is; another probe of the same name inherits the history only. */
const seat = (checks: ReadonlyArray<Check>, before: ReadonlyArray<Seat>): ReadonlyArray<Seat> => {
  const names = new Set(checks.map((check) => check.name))
  if (names.size < checks.length) throw new RangeError("Health: two checks have the same name. Rename one of them.")
  return checks.map((check) => {
    const old = before.find((seat) => seat.check.name === check.name)
    if (old !== undefined && old.check.probe === check.probe) {
      old.check = check
      return old
    }
    const { history, vitals, warning } = old ?? { history: noHistory, vitals: unknown, warning: "" }
    return { check, vitals, history, warning, freshUntilMs: 0, flight: undefined, probe: undefined }
  })
}

/** Milliseconds of the monotonic clock, with their fractions: fast probes take less than one. */
const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
