/**
 * Whether a boot went as the machine decides: the facts in its log are fed to `Progress` again, and what `Progress`
 * makes of them is compared with what the log says was decided.
 *
 * **Details**
 *
 * A log holds facts (an attempt was acquired, failed, was closed; somebody asked for a stop) and decisions. Each event
 * is either the next decision that the machine still owes, or it names the fact that comes next, or it was a deadline's
 * turn. Restorations come as facts, because a log does not say when a failure's restoration was due.
 *
 * The states at the end are compared as well: those of the machine with those of the status, which folds the same log
 * and shares no code with it.
 */
import { type BootEvent, type Plan, Progress, Status } from "@novacron/boot/model"
import * as Snapshot from "./Snapshot.ts"

/** Where a log and the machine part. */
export interface Difference {
  /** Position in the log; its length when the log stops too early. */
  readonly at: number
  readonly message: string
  readonly told: BootEvent.BootEvent | undefined
  readonly decided: BootEvent.BootEvent | undefined
}

/** The first difference between a log and what the machine makes of its facts; undefined when there is none. */
export const check = (
  plan: Plan.Plan,
  limits: Progress.Limits,
  events: ReadonlyArray<BootEvent.BootEvent>
): Difference | undefined => {
  const machine = machineOf(plan, limits)
  for (let at = 0; at < events.length; at++) {
    const told = events[at]!
    if (told._tag === "BootStarted" || isOfMember(plan, told)) continue
    if (machine.taken === machine.output.events.length && !next(machine, plan, events, at)) {
      return differs(at, "the log tells of a decision for which the machine sees no reason", told, undefined)
    }
    const decided = machine.output.events[machine.taken++]!
    if (!same(told, decided)) return differs(at, "the machine decides otherwise", told, decided)
  }
  const owed = machine.output.events[machine.taken]
  if (owed !== undefined)
    return differs(events.length, "the machine has decided more than the log tells", undefined, owed)
  return states(machine.state, events)
}

interface Machine {
  readonly limits: Progress.Limits
  readonly state: Progress.State
  readonly output: Progress.Output
  /** What the state is before a boot. */
  readonly fresh: Snapshot.Snapshot
  /** A second state, to see what would follow from a fact, and how it becomes like the first one. */
  readonly trial: Progress.State
  readonly asIs: Snapshot.Snapshot
  readonly wouldBe: Progress.Output
  /** How many of the decisions at hand the log has told. */
  taken: number
}

/** One for each plan: thousands of logs of the same one are checked, one after the other. */
const machines = new WeakMap<Plan.Plan, Machine>()

const machineOf = (plan: Plan.Plan, limits: Progress.Limits): Machine => {
  const known = machines.get(plan)
  if (known?.limits === limits) {
    Snapshot.restore(known.fresh)
    clear(known.output)
    known.taken = 0
    return known
  }
  const state = Progress.make(plan, limits)
  const trial = Progress.make(plan, limits)
  const machine: Machine = {
    limits,
    state,
    output: { events: [], commands: [] },
    fresh: Snapshot.take(state, constants),
    trial,
    asIs: Snapshot.link(trial, state, constants),
    wouldBe: { events: [], commands: [] },
    taken: 0
  }
  machines.set(plan, machine)
  return machine
}

const constants = ["plan", "limits", "position", "byPosition"]

const clear = ({ commands, events }: Progress.Output): void => {
  while (events.length > 0) events.pop()
  while (commands.length > 0) commands.pop()
}

const differs = (
  at: number,
  message: string,
  told: BootEvent.BootEvent | undefined,
  decided: BootEvent.BootEvent | undefined
): Difference => ({ at, message, told, decided })

const isOfMember = (plan: Plan.Plan, event: BootEvent.BootEvent): boolean =>
  "component" in event && !plan.index.has(event.component)

// --------------------------------------------------------------------------------------------------------- the facts

/** Feeds the machine with what made it tell this event; false when it then has nothing to say. */
const next = (machine: Machine, plan: Plan.Plan, events: ReadonlyArray<BootEvent.BootEvent>, at: number): boolean => {
  const told = events[at]!
  quiet(machine, told.atMs)
  const [likely, other] = inputs(machine.state, plan, events, at)
  if (likely === undefined) return false
  // Where two facts may stand behind an event, it is the one that leads to it.
  const leads = other === undefined || same(foresee(machine, likely)[0], told)
  feed(machine, leads ? likely : other)
  return machine.output.events.length > 0
}

/** What the machine would tell of a fact. */
const foresee = (machine: Machine, input: Progress.Input): ReadonlyArray<BootEvent.BootEvent> => {
  Snapshot.restore(machine.asIs)
  clear(machine.wouldBe)
  Progress.advance(machine.trial, input, machine.wouldBe)
  return machine.wouldBe.events
}

const feed = (machine: Machine, input: Progress.Input): void => {
  clear(machine.output)
  machine.taken = 0
  Progress.advance(machine.state, input, machine.output)
}

/** Timers that fire without a word (a restoration that is due before the boot is ready) leave no event behind. */
const quiet = (machine: Machine, atMs: number): void => {
  for (;;) {
    const wakeMs = Progress.nextWakeMs(machine.state)
    if (wakeMs === undefined || wakeMs > atMs) return
    const tick = { _tag: "Tick", atMs: wakeMs } as const
    if (foresee(machine, tick).length > 0) return
    feed(machine, tick)
  }
}

/** The facts that may stand behind an event, the likeliest first. */
const inputs = (
  state: Progress.State,
  plan: Plan.Plan,
  events: ReadonlyArray<BootEvent.BootEvent>,
  at: number
): ReadonlyArray<Progress.Input> => {
  const told = events[at]!
  const { atMs } = told
  const tick = { _tag: "Tick", atMs } as const
  const component = "component" in told ? plan.index.get(told.component)! : -1
  switch (told._tag) {
    case "ComponentAcquired":
      return [{ _tag: "Acquired", atMs, component }]
    case "ComponentReady":
    case "ComponentDegraded":
      return [{ _tag: "Healthy", atMs, component }]
    case "AttemptFailed":
      return [{ _tag: "Failed", atMs, component, failure: told.failure, retryInMs: told.retryInMs, restoreInMs: null }]
    case "AttemptClosed":
    case "ComponentStopped":
      return told.closing === "abandoned"
        ? [tick, { _tag: "Closed", atMs, component, closing: told.closing }]
        : [{ _tag: "Closed", atMs, component, closing: told.closing }]
    case "CheckpointReached":
      return [{ _tag: "Begin", atMs }]
    case "BootReady":
      return [{ _tag: "Persisted", atMs }]
    case "RollbackStarted":
      return told.why === "cancelled" || told.why === "stopped"
        ? [{ _tag: "Stop", atMs, because: told.because }]
        : [tick]
    case "SwapCompleted":
      return [{ _tag: "Swapped", atMs, component, variant: told.variant, closing: told.closing, restoreInMs: null }]
    case "SwapFailed":
      return [
        { _tag: "SwapFailed", atMs, component, variant: told.variant, failure: told.failure, retryInMs: told.retryInMs }
      ]
    case "HealthChanged":
      return [{ _tag: "HealthChanged", atMs, component, healthy: told.healthy, message: told.message }]
    case "ComponentFailed":
      return state.stage === "idle" ? [{ _tag: "Invalid", atMs, failures: invalid(plan, events, at) }] : [tick]
    case "ComponentStopping":
    case "SwapStarted":
    case "ComponentQueued":
    case "ComponentStarted": {
      const byHand = "byHand" in told ? told.byHand : undefined
      if (byHand !== undefined)
        return [{ _tag: "ByHand", atMs, component: plan.index.get(byHand.of)!, how: byHand.how }]
      return isRestored(state, component) ? [{ _tag: "Restore", atMs, component }, tick] : [tick]
    }
    case "BootStarted":
    case "PhaseStarted":
    case "PhaseSlow":
    case "BootEnded":
    case "ComponentSlow":
    case "ComponentInterrupted":
    case "ComponentBackoff":
    case "FallbackChosen":
    case "ComponentAbsent":
    case "ComponentSkipped":
      return [tick]
  }
}

/** Settings that cannot be right are reported together, before the rollback. */
const invalid = (plan: Plan.Plan, events: ReadonlyArray<BootEvent.BootEvent>, from: number) => {
  const failures = new Map<number, BootEvent.Failure>()
  for (let at = from; at < events.length; at++) {
    const event = events[at]!
    if (event._tag !== "ComponentFailed") break
    failures.set(plan.index.get(event.component)!, event.failure)
  }
  return failures
}

const isRestored = (state: Progress.State, i: number): boolean => {
  const { Absent, Degraded, Skipped, Stopped } = Progress.Status
  const status = state.status[i]
  return status === Degraded || status === Absent || status === Skipped || status === Stopped
}

// -------------------------------------------------------------------------------------------------------- comparisons

const states = (state: Progress.State, events: ReadonlyArray<BootEvent.BootEvent>): Difference | undefined => {
  const { components, rejected } = Status.last(events)
  const end = events.length
  if (rejected > 0) {
    return differs(end, `${rejected} events ask for a transition that does not exist`, undefined, undefined)
  }
  for (let i = 0; i < state.status.length; i++) {
    const { name } = state.plan.components[i]!
    const decided = Progress.statusNames[state.status[i]!]
    const told = components.get(name)?.state
    if (told !== decided) {
      const message = `${name} ends ${told ?? "unknown"} in the log, ${decided} in the machine`
      return differs(end, message, undefined, undefined)
    }
  }
  return undefined
}

/** Plain data with the same content. */
const same = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b)
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]))
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) if (!(key in b) || !same(Reflect.get(a, key), Reflect.get(b, key))) return false
  return true
}
