/**
 * What is true now: the state of the boot and of each component, as an immutable value to put into a `SubscriptionRef`.
 *
 * **Details**
 *
 * A status is a fold over events, like the report, but each step gives a new value that shares what did not change. A
 * batch of k events costs O(k), however many components there are.
 *
 * {@link legal} is the table of all transitions that a component can make. An event that asks for another one is not
 * applied but counted in `rejected`: in a sound log that number is 0.
 *
 * **Gotchas**
 *
 * The members of a group begin again with each attempt of their group, and wait until then.
 *
 * **Example**
 *
 * ```ts
 * const status = Status.steps(Status.initial, events)
 * HashMap.get(status.components, "cache") // => Some({ state: "degraded", fallback: "memory", … })
 * Status.legal("failed", "ready") // => false
 * ```
 */
import { HashMap, Option } from "effect"
import type { BootEvent, Of, Reason } from "./BootEvent.ts"
import type { Checkpoint } from "./Phase.ts"

/** What a component is doing. */
export type State =
  | "waiting"
  | "queued"
  | "running"
  | "closing"
  | "backoff"
  | "ready"
  | "degraded"
  | "absent"
  | "skipped"
  | "failed"
  | "stopping"
  | "stopped"

/** One component, now. */
export interface ComponentStatus {
  readonly state: State
  /** When it came into this state, in milliseconds since the boot began. */
  readonly sinceMs: number
  /** The attempt under way, or the last one; 0 before the first. It counts from 1 for each fallback anew. */
  readonly attempt: number
  /** The fallback that serves or is being tried. */
  readonly fallback: string | undefined
  /** Why it is not up, or not up itself; during an attempt, what went wrong with the one before. */
  readonly reason: Reason | undefined
  /** What continuous health said last; undefined as long as it has said nothing. */
  readonly healthy: boolean | undefined
  /** Whether the attempt under way takes longer than it should. */
  readonly slow: boolean
  /** When the next attempt is due, in backoff. */
  readonly nextAtMs: number | undefined
  /** The names of its fallbacks, first to last, and of the components directly inside. */
  readonly fallbacks: ReadonlyArray<string>
  readonly members: ReadonlyArray<string>
}

/** The boot, now. */
export interface Status {
  readonly stage: "booting" | "ready" | "rollback" | "ended"
  /** How it turned out, as soon as that is known. */
  readonly outcome: "ready" | "degraded" | "failed" | "cancelled" | "stopped" | undefined
  readonly checkpoint: Checkpoint | undefined
  readonly readyAtMs: number | undefined
  readonly components: HashMap.HashMap<string, ComponentStatus>
  /** Events that asked for a transition which does not exist. */
  readonly rejected: number
}

/** Before anything has happened. */
export const initial: Status = {
  stage: "booting",
  outcome: undefined,
  checkpoint: undefined,
  readyAtMs: undefined,
  components: HashMap.empty(),
  rejected: 0
}

/**
 * From each state to those that may follow. `queued` follows `closing` and `backoff` when a fallback takes over, and
 * `absent` or `skipped` when a restoration is begun; `stopped` follows `ready` at once when the rollback is out of time.
 */
export const transitions: { readonly [S in State]: ReadonlyArray<State> } = {
  waiting: ["queued", "running", "absent", "skipped", "failed"],
  queued: ["running", "absent", "skipped", "failed"],
  running: ["ready", "degraded", "closing"],
  closing: ["backoff", "queued", "absent", "skipped", "failed"],
  backoff: ["queued", "running", "absent", "skipped", "failed"],
  ready: ["degraded", "stopping", "stopped"],
  degraded: ["ready", "stopping", "stopped"],
  absent: ["queued", "running"],
  skipped: ["queued", "running"],
  failed: [],
  stopping: ["stopped"],
  stopped: []
}

/** Whether a component can go from one state directly to another. */
export const legal = (from: State, to: State): boolean => transitions[from].includes(to)

/** Takes in a batch of events, in order. */
export const steps = (status: Status, events: ReadonlyArray<BootEvent>): Status => {
  if (events.length === 0) return status
  const now: Mutable<Status> = { ...status, components: HashMap.beginMutation(status.components) }
  for (const event of events) step(now, event)
  HashMap.endMutation(now.components)
  return now
}

// ---------------------------------------------------------------------------------------------------------- one event

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** Changes the status in place; its map is open for mutation. */
const step = (now: Mutable<Status>, event: BootEvent): void => {
  switch (event._tag) {
    case "BootStarted":
      return begin(now, event)
    case "PhaseStarted":
    case "PhaseSlow":
      return
    case "CheckpointReached":
      now.checkpoint = event.checkpoint
      return
    case "BootReady":
      now.stage = "ready"
      now.outcome = event.outcome
      now.readyAtMs = event.atMs
      return
    case "RollbackStarted":
      now.stage = "rollback"
      now.outcome = event.why === "deadline" ? "failed" : event.why
      return
    case "BootEnded":
      now.stage = "ended"
      now.outcome = event.outcome
      return
    case "ComponentQueued":
      return go(now, event, "queued", {})
    case "ComponentStarted":
      go(now, event, "running", {
        attempt: event.attempt,
        slow: false,
        nextAtMs: undefined,
        ...(event.variant === 0 ? { fallback: undefined } : {})
      })
      if (event.variant === 0) membersBegin(now, event)
      return
    case "ComponentAcquired":
      return
    case "ComponentReady":
      return go(now, event, "ready", { fallback: undefined, reason: undefined, slow: false })
    case "ComponentDegraded":
      return go(now, event, "degraded", { fallback: event.fallback, reason: event.reason, slow: false })
    case "ComponentSlow":
      return note(now, event, { slow: true })
    case "AttemptFailed":
      return go(now, event, "closing", { reason: { _tag: "Failed", failure: event.failure } })
    case "ComponentInterrupted":
      return go(now, event, "closing", {})
    case "AttemptClosed":
      return
    case "ComponentBackoff":
      return go(now, event, "backoff", { nextAtMs: event.untilMs, slow: false })
    case "FallbackChosen":
      return go(now, event, "queued", { fallback: event.fallback, attempt: 0, nextAtMs: undefined, slow: false })
    case "ComponentAbsent":
      return go(now, event, "absent", { reason: event.reason, ...atRest })
    case "ComponentSkipped":
      return go(now, event, "skipped", { reason: event.reason, ...atRest })
    case "ComponentFailed":
      return go(now, event, "failed", { reason: { _tag: "Failed", failure: event.failure }, ...atRest })
    case "ComponentStopping":
      return go(now, event, "stopping", {})
    case "ComponentStopped":
      return go(now, event, "stopped", {})
    case "SwapStarted":
      if (event.variant === 0) membersBegin(now, event)
      return
    case "SwapCompleted":
      return event.variant === 0
        ? go(now, event, "ready", { fallback: undefined, reason: undefined })
        : go(now, event, "degraded", { fallback: of(now, event.component).fallbacks[event.variant - 1] })
    case "SwapFailed":
      return
    case "HealthChanged": {
      // Should it now give way to a fallback, this is why; no later event says so.
      const { healthy, message } = event
      const reason: Reason = { _tag: "Failed", failure: { kind: "unhealthy", tag: "Unhealthy", message, severity: "degraded" } }
      const up = of(now, event.component).state === "ready"
      return note(now, event, { healthy, ...(up ? { reason: healthy ? undefined : reason } : {}) })
    }
  }
}

const begin = (now: Mutable<Status>, event: Of<"BootStarted">): void => {
  Object.assign(now, initial, { components: HashMap.beginMutation(HashMap.empty<string, ComponentStatus>()) })
  const inside = new Map<string, Array<string>>()
  for (const { name } of event.components) {
    const slash = name.lastIndexOf("/")
    if (slash < 0) continue
    const group = name.slice(0, slash)
    const members = inside.get(group)
    if (members === undefined) inside.set(group, [name])
    else members.push(name)
  }
  for (const { fallbacks, name } of event.components) {
    set(now, name, { ...waiting, sinceMs: event.atMs, fallbacks, members: inside.get(name) ?? none })
  }
}

/** The group starts to build: whatever became of its members before, they wait for their turn again. */
const membersBegin = (now: Mutable<Status>, event: { readonly component: string; readonly atMs: number }): void => {
  for (const component of of(now, event.component).members) {
    const member = of(now, component)
    if (member.state === "waiting") continue
    const { fallbacks, members } = member
    set(now, component, { ...waiting, sinceMs: event.atMs, fallbacks, members })
    membersBegin(now, { component, atMs: event.atMs })
  }
}

interface Moment {
  readonly atMs: number
  readonly component: string
}

/** To a state, if the table allows it. Into the state it is in it goes without another beginning. */
const go = (now: Mutable<Status>, { atMs, component }: Moment, state: State, news: Partial<ComponentStatus>): void => {
  const before = of(now, component)
  if (before.state === state && lasting.has(state)) set(now, component, { ...before, ...news })
  else if (legal(before.state, state)) set(now, component, { ...before, ...news, state, sinceMs: atMs })
  else now.rejected++
}

const note = (now: Mutable<Status>, { component }: Moment, news: Partial<ComponentStatus>): void =>
  set(now, component, { ...of(now, component), ...news })

/** States of which more than one event can tell: interrupted and late, chosen and queued, from fallback to fallback. */
const lasting: ReadonlySet<State> = new Set<State>(["closing", "queued", "degraded"])

const atRest = { slow: false, nextAtMs: undefined } as const

const none: ReadonlyArray<string> = []

const waiting: ComponentStatus = {
  state: "waiting",
  sinceMs: 0,
  attempt: 0,
  fallback: undefined,
  reason: undefined,
  healthy: undefined,
  slow: false,
  nextAtMs: undefined,
  fallbacks: none,
  members: none
}

/** A component that `BootStarted` did not name waits from the begin. */
const of = (now: Status, name: string): ComponentStatus =>
  Option.getOrElse(HashMap.get(now.components, name), () => waiting)

const set = (now: Mutable<Status>, name: string, component: ComponentStatus): void => {
  now.components = HashMap.set(now.components, name, component)
}
