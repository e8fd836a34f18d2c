/**
 * What is decided while everything runs: when to build again what is degraded or absent, whom that lets start late, and
 * when a component that is up gives way to its fallback.
 */
import type { ByHand, Failure } from "./BootEvent.ts"
import {
  Down,
  enqueue,
  type Input,
  isUp,
  Kind,
  name,
  type Output,
  set,
  type State,
  Status,
  stays,
  timer
} from "./ProgressState.ts"
import { skip } from "./Takedown.ts"

/** Sets the timer of a restoration, in place of any before it; NaN for none. */
export const restoreLater = (s: State, i: number, inMs: number): void => {
  s.stamp[i]!++
  if (!Number.isNaN(inMs)) timer(s, inMs, Kind.Restore, i)
}

/** Builds again what is degraded or absent; on its way already, or up, there is nothing to restore. */
export const restore = (s: State, i: number, out: Output): void => {
  if (s.stage !== "ready" || s.plan.excluded[i]) return
  s.restoreDue[i] = 0
  // What it needs may be on its way down: it waits until that is over. What is on its own way comes back, or stays.
  if (s.byHand > 0) s.restoreDue[i] = s.down[i] === Down.No ? 1 : 0
  else if (s.status[i] === Status.Degraded && s.swapping[i] === 0) swap(s, i, 0, out)
  else if (isGone(s, i)) revive(s, i)
}

/** Not up, and on no way to be: an operator may have stopped it, too. */
const isGone = (s: State, i: number): boolean =>
  s.status[i] === Status.Absent || s.status[i] === Status.Skipped || s.status[i] === Status.Stopped

/** Starts a component late, when everything it needs is up; else when that is. */
export const revive = (s: State, i: number): void => {
  s.restoreDue[i] = 1
  if (!s.plan.hard[i]!.every((need) => stays(s, need))) return
  // It would hold on to what goes down by hand: only who comes back from that starts before it is over.
  if (s.byHand > 0 && s.down[i] !== Down.Starting) return
  s.restoreDue[i] = 0
  s.variant[i] = 0
  s.attempt[i] = 0
  s.failure[i] = undefined
  enqueue(s, i)
}

/**
 * Those that were skipped for want of a component start late, and so do those whose restoration came due meanwhile; who
 * wants for another one too says so from now on.
 */
export const startDependents = (s: State, i: number, out: Output): void => {
  for (const j of s.plan.dependents[i]!) {
    const waits = s.status[j] === Status.Skipped || (s.restoreDue[j] === 1 && isGone(s, j))
    if (!waits || !s.plan.hard[j]!.includes(i)) continue
    const missing = s.plan.hard[j]!.find((need) => !stays(s, need))
    const reason = s.reason[j]
    if (missing === undefined) revive(s, j)
    else if (reason?._tag === "Need" && reason.need === name(s, i))
      skip(s, j, { _tag: "Need", need: name(s, missing) }, out)
  }
}

/** Has a variant built beside the one that serves. */
export const swap = (s: State, i: number, variant: number, out: Output, byHand?: ByHand): void => {
  s.swapping[i] = 1
  const event = { _tag: "SwapStarted", atMs: s.atMs, component: name(s, i), variant } as const
  out.events.push(byHand === undefined ? event : { ...event, byHand })
  out.commands.push({ _tag: "Swap", component: i, variant })
}

/** Another variant serves now. */
export const swapped = (s: State, input: Extract<Input, { _tag: "Swapped" }>, out: Output): void => {
  const i = input.component
  if (s.swapping[i] === 0 || !isUp(s, i)) return
  s.swapping[i] = 0
  s.variant[i] = input.variant
  set(s, i, input.variant === 0 ? Status.Ready : Status.Degraded)
  if (input.variant === 0) {
    s.failure[i] = undefined
    s.reason[i] = undefined
  }
  const { closing, variant } = input
  if (closing !== "clean") s.unclean = true
  out.events.push({ _tag: "SwapCompleted", atMs: s.atMs, component: name(s, i), variant, closing })
  if (input.variant > 0) restoreLater(s, i, input.restoreInMs ?? NaN)
}

/** The variant that served goes on; it is tried again when its policy says so. */
export const swapFailed = (s: State, input: Extract<Input, { _tag: "SwapFailed" }>, out: Output): void => {
  const { component: i, failure, variant } = input
  if (s.swapping[i] === 0 || !isUp(s, i)) return
  s.swapping[i] = 0
  // What is not on a fallback serves as it should: there is nothing to try again.
  const retryInMs = s.status[i] === Status.Degraded ? input.retryInMs : null
  out.events.push({ _tag: "SwapFailed", atMs: s.atMs, component: name(s, i), variant, failure, retryInMs })
  if (s.status[i] === Status.Degraded) restoreLater(s, i, retryInMs ?? NaN)
}

/** An unhealthy component that has a fallback gives way to it; without one the event is all there is to say. */
export const healthChanged = (s: State, input: Extract<Input, { _tag: "HealthChanged" }>, out: Output): void => {
  const { component: i, healthy: isHealthy, message } = input
  out.events.push({ _tag: "HealthChanged", atMs: s.atMs, component: name(s, i), healthy: isHealthy, message })
  if (isHealthy || s.stage !== "ready" || s.status[i] !== Status.Ready || s.swapping[i] === 1) return
  if (s.plan.components[i]!.variants.length < 2 || !stays(s, i)) return
  const failure: Failure = { kind: "unhealthy", tag: "Unhealthy", message, severity: "degraded" }
  s.failure[i] = failure
  s.reason[i] = { _tag: "Failed", failure }
  swap(s, i, 1, out)
}
