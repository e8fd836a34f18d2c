/**
 * What is promised of every boot, and who says so: the kernel's auditor from the events, the machine that decides from
 * the facts, the components from their own books, and the faults from what they have done.
 */
import { type BootEvent, Invariants, Plan, type Progress } from "@novacron/boot"
import { Result } from "effect"
import type { Case, Settings } from "./Case.ts"
import { limits } from "./Case.ts"
import * as Conformance from "./Conformance.ts"
import * as Fault from "./Fault.ts"
import * as Ledger from "./Ledger.ts"
import * as Snapshot from "./Snapshot.ts"

/** A promise that was not kept. */
export interface Violation {
  /** The promise, in words that are the same whatever broke it. */
  readonly promise: string
  readonly message: string
  readonly component?: string
  /** Virtual milliseconds since the boot began. */
  readonly atMs: number
}

/** What a boot is held against. */
export interface Measure {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  /** Within this long it has settled, or is being taken down. */
  readonly worstCaseMs: number
}

/** The measure of a boot; undefined when it cannot be planned. */
export const measure = (
  manifests: Parameters<typeof Plan.make>[0],
  settings: Settings,
  durationsMs: { readonly [name: string]: number } = {}
): Measure | undefined => {
  const { environment } = settings
  const planned = Plan.make(manifests, { durationsMs, ...(environment === undefined ? {} : { environment }) })
  if (Result.isFailure(planned)) return undefined
  const plan = planned.success
  const within = limits(settings)
  const longestStopMs = plan.components.reduce((most, { stopMs }) => Math.max(most, stopMs), 0)
  const worstCaseMs = Math.min(Plan.worstCaseMs(plan, within), within.bootMs + longestStopMs)
  return { plan, limits: within, worstCaseMs }
}

/** The kernel's own promises: its invariants after every event, and liveness. */
export const audit = (measure: Measure, events: ReadonlyArray<BootEvent.BootEvent>): ReadonlyArray<Violation> => {
  // Cancelled before it began: there is nothing to tell.
  if (events.length === 0) return []
  const checker = auditorOf(measure)
  for (const event of events) {
    const broken = Invariants.check(checker, event)
    if (broken !== undefined) return [named(broken)]
  }
  const ends = [Invariants.finish(checker), Invariants.checkLiveness(checker, measure)]
  return ends.flatMap((broken) => (broken === undefined ? [] : [named(broken)]))
}

/** One for each measure: thousands of boots are held against the same one, one after the other. */
const auditors = new WeakMap<Measure, { readonly checker: Invariants.Checker; readonly fresh: Snapshot.Snapshot }>()

const auditorOf = (measure: Measure): Invariants.Checker => {
  const known = auditors.get(measure)
  if (known !== undefined) {
    Snapshot.restore(known.fresh)
    return known.checker
  }
  // The driver tells time to the microsecond.
  const checker = Invariants.make(measure.plan, measure.limits, { toleranceMs: 0.002 })
  auditors.set(measure, { checker, fresh: Snapshot.take(checker, ["plan", "limits"]) })
  return checker
}

const named = ({ atMs, component, invariant, message, title }: Invariants.Violation): Violation => ({
  promise: `${invariant}: ${title}`,
  message,
  atMs,
  ...(component === undefined ? {} : { component })
})

/** Whether the driver did what the machine decides. */
export const conformance = (
  { limits, plan }: Measure,
  events: ReadonlyArray<BootEvent.BootEvent>
): ReadonlyArray<Violation> => {
  const difference = events.length === 0 ? undefined : Conformance.check(plan, limits, events)
  if (difference === undefined) return []
  const { at, decided, message, told } = difference
  return [
    {
      promise: "the driver carries out what Progress decides",
      message: `${message}: event ${at} is ${JSON.stringify(told)}, and it should be ${JSON.stringify(decided)}`,
      atMs: told?.atMs ?? decided?.atMs ?? 0
    }
  ]
}

/** What the components themselves have to say. Only what hangs for ever may be left open. */
export const books = (
  ledger: Ledger.Ledger,
  { faults }: Case,
  struck: ReadonlyArray<number>,
  atMs: number
): ReadonlyArray<Violation> => {
  const found = ledger.problems.map(({ component, message }): Violation => ({
    promise: "nobody is closed while others live on it",
    message,
    component,
    atMs
  }))
  for (const { abandoned, name, open } of Ledger.open(ledger)) {
    let hanging = 0
    faults.forEach((fault, i) => {
      if (fault.component === name && (fault._tag === "Hangs" || fault._tag === "FinalizerHangs")) hanging += struck[i]!
    })
    if (open <= Math.min(abandoned, hanging)) continue
    const message = `${open} attempts of ${name} are never closed (${abandoned} abandoned, ${hanging} hang for ever).`
    found.push({ promise: "nothing leaks", message, component: name, atMs })
  }
  return found
}

/** Whether the log says what the faults have done, and knows of no defect that nobody has injected. */
export const testimony = (
  { faults }: Case,
  struck: ReadonlyArray<number>,
  events: ReadonlyArray<BootEvent.BootEvent>
): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  const disturbed = new Set<string>()
  faults.forEach((fault, i) => {
    if (struck[i] === 0) return
    disturbed.add(fault.component)
    if (events.some((event) => "component" in event && event.component === fault.component && tells(fault, event)))
      return
    found.push({
      promise: "what goes wrong is told",
      message: `The log has no word of it: ${Fault.describe(fault)}.`,
      component: fault.component,
      atMs: events.at(-1)?.atMs ?? 0
    })
  })
  for (const event of events) {
    if (event._tag !== "AttemptFailed" || event.failure.kind !== "defect") continue
    const { atMs, component, failure } = event
    // The faults of a group strike its members.
    if (disturbed.has(component) || disturbed.has(component.slice(0, component.indexOf("/")))) continue
    found.push({ promise: "a component has no defects of its own", message: failure.message, component, atMs })
  }
  return found
}

/** A component may handle the failure of an await; nobody but the kernel can handle these. */
const tells = (fault: Fault.Fault, event: BootEvent.BootEvent): boolean => {
  switch (fault._tag) {
    case "FailsAcquired":
    case "ProbeFails":
      return (
        event._tag === "AttemptFailed" ||
        event._tag === "ComponentInterrupted" ||
        event._tag === "SwapStarted" ||
        event._tag === "HealthChanged"
      )
    case "FinalizerFails":
    case "FinalizerHangs":
      return "closing" in event && event.closing !== "clean"
    case "Fails":
    case "Dies":
    case "Hangs":
    case "Interrupts":
    case "Cancels":
    case "Slow":
    case "ProbeHangs":
    case "Flaps":
      return true
  }
}
