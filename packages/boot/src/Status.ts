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
 * `absent`, `skipped` or `stopped` when a restoration is begun; `stopped` follows `ready` at once when the rollback is out
 * of time, and `skipped` follows `stopped` when what went down by hand lacks a need.
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
  stopped: ["queued", "running", "skipped"]
}

/** Whether a component can go from one state directly to another. */
export const legal = (from: State, to: State): boolean => transitions[from].includes(to)

/** Takes in a batch of events, in order. What happens to a component within the batch is written once. */
export const steps = (status: Status, events: ReadonlyArray<BootEvent>): Status => {
  if (events.length === 0) return status
  const now: Draft = { ...status, changed: new Map() }
  for (const event of events) step(now, event)
  const { changed, ...next } = now
  next.components = HashMap.beginMutation(next.components)
  for (const [name, component] of changed) HashMap.set(next.components, name, component)
  HashMap.endMutation(next.components)
  return next
}

/** What a whole log leaves behind, for those who judge thousands of logs: no value that could be folded further. */
export const last = (
  events: ReadonlyArray<BootEvent>
): Pick<Status, "rejected"> & { readonly components: ReadonlyMap<string, ComponentStatus> } => {
  const now: Draft = { ...initial, changed: new Map() }
  for (const event of events) step(now, event)
  return { rejected: now.rejected, components: now.changed }
}

// ---------------------------------------------------------------------------------------------------------- one event

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** A status while a batch is taken in, and the components that it has changed so far. */
interface Draft extends Mutable<Status> {
  readonly changed: Map<string, Mutable<ComponentStatus>>
}

const step = (now: Draft, event: BootEvent): void => {
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
      go(now, event, "queued")
      return
    case "ComponentStarted": {
      const component = go(now, event, "running")
      if (component !== undefined) {
        component.attempt = event.attempt
        component.slow = false
        component.nextAtMs = undefined
        if (event.variant === 0) component.fallback = undefined
      }
      if (event.variant === 0) membersBegin(now, event)
      return
    }
    case "ComponentAcquired":
      return
    case "ComponentReady":
      return up(go(now, event, "ready"))
    case "ComponentDegraded": {
      const component = go(now, event, "degraded")
      if (component === undefined) return
      component.fallback = event.fallback
      component.reason = event.reason
      component.slow = false
      return
    }
    case "ComponentSlow":
      change(now, event.component).slow = true
      return
    case "AttemptFailed":
      return because(go(now, event, "closing"), { _tag: "Failed", failure: event.failure })
    case "ComponentInterrupted":
      go(now, event, "closing")
      return
    case "AttemptClosed":
      return
    case "ComponentBackoff": {
      const component = go(now, event, "backoff")
      if (component === undefined) return
      component.nextAtMs = event.untilMs
      component.slow = false
      return
    }
    case "FallbackChosen": {
      const component = go(now, event, "queued")
      if (component === undefined) return
      component.fallback = event.fallback
      component.attempt = 0
      return atRest(component)
    }
    case "ComponentAbsent":
    case "ComponentSkipped": {
      const component = go(now, event, event._tag === "ComponentAbsent" ? "absent" : "skipped")
      because(component, event.reason)
      return atRest(component)
    }
    case "ComponentFailed": {
      const component = go(now, event, "failed")
      because(component, { _tag: "Failed", failure: event.failure })
      return atRest(component)
    }
    case "ComponentStopping":
      go(now, event, "stopping")
      return
    case "ComponentStopped":
      return atRest(go(now, event, "stopped"))
    case "SwapStarted":
      if (event.variant === 0) membersBegin(now, event)
      return
    case "SwapCompleted": {
      if (event.variant === 0) return up(again(now, event) ?? go(now, event, "ready"))
      const component = go(now, event, "degraded")
      if (component !== undefined) component.fallback = component.fallbacks[event.variant - 1]
      return
    }
    case "SwapFailed":
      return
    case "HealthChanged": {
      const { healthy, message } = event
      const component = change(now, event.component)
      component.healthy = healthy
      if (component.state !== "ready") return
      // Should it now give way to a fallback, this is why; no later event says so.
      component.reason = healthy
        ? undefined
        : { _tag: "Failed", failure: { kind: "unhealthy", tag: "Unhealthy", message, severity: "degraded" } }
    }
  }
}

const up = (component: Mutable<ComponentStatus> | undefined): void => {
  if (component === undefined) return
  component.fallback = undefined
  component.reason = undefined
  component.slow = false
}

const because = (component: Mutable<ComponentStatus> | undefined, reason: Reason): void => {
  if (component !== undefined) component.reason = reason
}

const atRest = (component: Mutable<ComponentStatus> | undefined): void => {
  if (component === undefined) return
  component.slow = false
  component.nextAtMs = undefined
}

const begin = (now: Draft, event: Of<"BootStarted">): void => {
  Object.assign(now, initial)
  now.changed.clear()
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
    now.changed.set(name, waitingFrom(event.atMs, fallbacks, inside.get(name) ?? none))
  }
}

/** The group starts to build: whatever became of its members before, they wait for their turn again. */
const membersBegin = (now: Draft, event: { readonly component: string; readonly atMs: number }): void => {
  for (const component of of(now, event.component).members) {
    const member = of(now, component)
    if (member.state === "waiting") continue
    const { fallbacks, members } = member
    now.changed.set(component, waitingFrom(event.atMs, fallbacks, members))
    membersBegin(now, { component, atMs: event.atMs })
  }
}

interface Moment {
  readonly atMs: number
  readonly component: string
}

/** To a state, if the table allows it. Into the state it is in it goes without another beginning. */
const go = (now: Draft, { atMs, component }: Moment, state: State): Mutable<ComponentStatus> | undefined => {
  const changed = change(now, component)
  const before = changed.state
  if (before === state && lasting.has(state)) return changed
  if (!legal(before, state)) {
    now.rejected++
    return undefined
  }
  changed.state = state
  changed.sinceMs = atMs
  return changed
}

/** Exchanged by hand for another one of its kind: it is ready since now. */
const again = (now: Draft, { atMs, component }: Moment): Mutable<ComponentStatus> | undefined => {
  const changed = change(now, component)
  if (changed.state !== "ready") return undefined
  changed.sinceMs = atMs
  return changed
}

/** States of which more than one event can tell: late after interrupted, queued after chosen, or for another reason. */
const lasting: ReadonlySet<State> = new Set<State>(["closing", "queued", "degraded", "skipped"])

const none: ReadonlyArray<string> = []

const waitingFrom = (
  sinceMs: number,
  fallbacks: ReadonlyArray<string>,
  members: ReadonlyArray<string>
): Mutable<ComponentStatus> => ({
  state: "waiting",
  sinceMs,
  attempt: 0,
  fallback: undefined,
  reason: undefined,
  healthy: undefined,
  slow: false,
  nextAtMs: undefined,
  fallbacks,
  members
})

/** A component that `BootStarted` did not name waits from the begin. */
const unnamed: ComponentStatus = waitingFrom(0, none, none)

const of = (now: Draft, name: string): ComponentStatus =>
  now.changed.get(name) ?? Option.getOrElse(HashMap.get(now.components, name), () => unnamed)

/** The component as this batch may change it. */
const change = (now: Draft, name: string): Mutable<ComponentStatus> => {
  const known = now.changed.get(name)
  if (known !== undefined) return known
  const { attempt, fallback, fallbacks, healthy, members, nextAtMs, reason, sinceMs, slow, state } = of(now, name)
  // Field by field: a spread of so many costs more than all the rest of a step.
  const draft = { state, sinceMs, attempt, fallback, reason, healthy, slow, nextAtMs, fallbacks, members }
  now.changed.set(name, draft)
  return draft
}
