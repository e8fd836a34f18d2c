/**
 * What an operator may ask of one component while everything runs: to be exchanged, to be restarted with those who hold
 * it, to be taken out. Pure, like all decisions: what may be asked now, who goes down for it, and who comes back when.
 *
 * **Details**
 *
 * - `exchange` builds the component again beside the one that serves, as a restoration does: who holds it notices
 *   nothing, and when the new one does not come up the old one goes on. It takes a face, which only a component with a
 *   fallback has.
 * - `restart` takes it down, after all who hold it, in the order of a stop; then it starts, and they start as soon as
 *   what they need is up again, under the policies of a boot.
 * - `stop` takes it down the same way, and it stays down until it is restored. Who cannot do without it is skipped, who
 *   can comes back without. Nobody goes down that the node cannot do without.
 *
 * One of them at a time. What could not be closed within its deadline may still be alive, so it is not started again by
 * itself: it stays stopped, and somebody may restore it.
 */
import type { BootEvent, ByHand, Closing, Failure } from "./BootEvent.ts"
import { restore, revive, swap } from "./Restoration.ts"
import { release, skip } from "./Takedown.ts"
import {
  Down,
  goesDown,
  type Input,
  isLive,
  isUp,
  name,
  type Output,
  set,
  type State,
  Status,
  statusNames
} from "./ProgressState.ts"

/** Whether something that was asked for is not over yet. */
export const isUnderWay = ({ byHand }: State): boolean => byHand > 0

/** Who goes down with a component: itself, and whoever is up and holds it, directly or not; dependents first. */
export const withHolders = (s: State, i: number): ReadonlyArray<number> => {
  const found = new Set([i])
  for (const at of found) for (const holder of s.plan.heldBy[at]!) if (isUp(s, holder)) found.add(holder)
  return s.plan.order.filter((at) => found.has(at)).reverse()
}

/** Why this cannot be asked now, as the end of a sentence; undefined when it can. */
export const objection = (s: State, i: number, how: ByHand["how"]): string | undefined => {
  if (s.stage !== "ready") return "the node is not up, or goes down"
  if (isUnderWay(s)) {
    const busy = s.down.findIndex((down) => down !== Down.No)
    return `${name(s, busy)} is on its way down or up because of such a request; wait until that is over`
  }
  if (!isUp(s, i)) return `it is ${statusNames[s.status[i]!]}`
  if (s.swapping[i] === 1) return "it is being exchanged; wait until that is over"
  if (how === "exchange") {
    return hasFace(s, i) ? undefined : "it has no fallback, so nothing stands between it and those who hold it"
  }
  const down = withHolders(s, i)
  for (const at of down) {
    // Who is being built has been given what it needs.
    const busy = s.plan.heldBy[at]!.find((holder) => isOnItsWay(s, holder))
    if (busy !== undefined) return `${name(s, busy)} is being built on it; wait until that is over`
    if (s.swapping[at] === 1) return `${name(s, at)}, which holds it, is being exchanged; wait until that is over`
    if (how !== "stop" || s.plan.components[at]!.optional) continue
    return at === i
      ? "the node cannot do without it"
      : `${name(s, at)} holds it, and the node cannot do without ${name(s, at)}`
  }
  return undefined
}

/** Whether a component can be exchanged without those who hold it: its service has a face. */
export const hasFace = (s: State, i: number): boolean => s.plan.components[i]!.variants.length > 1

/** Begins what was asked, if it can be. */
export const ask = (s: State, { component: i, how }: Extract<Input, { _tag: "ByHand" }>, out: Output): void => {
  if (objection(s, i, how) !== undefined) return
  const because: ByHand = { how, of: name(s, i) }
  if (how === "exchange") {
    mark(s, i, Down.Exchange)
    swap(s, i, 0, out, because)
    return
  }
  for (const at of withHolders(s, i)) mark(s, at, how === "stop" && at === i ? Down.Held : Down.Again)
  s.asked = because
  releaseFree(s, out)
}

/** A component that went down by hand is closed. */
export const closed = (s: State, i: number, closing: Closing, out: Output): void => {
  set(s, i, Status.Stopped)
  s.reason[i] = { _tag: "RolledBack", because: reasonOf(s) }
  if (closing !== "clean") s.unclean = true
  if (closing === "abandoned" && s.down[i] === Down.Again) mark(s, i, Down.Held)
  out.events.push({ _tag: "ComponentStopped", atMs: s.atMs, component: name(s, i), closing })
  releaseFree(s, out)
}

/** Lets start whoever can, and forgets whoever has arrived. Needs come before those who need them, so once is enough. */
export const goOn = (s: State, out: Output): void => {
  if (s.stage !== "ready") return
  for (const i of s.plan.order) {
    const isSettled = !isOnItsWay(s, i) && s.status[i] !== Status.Stopping
    if (s.down[i] === Down.Exchange && s.swapping[i] === 0) mark(s, i, Down.No)
    else if (s.down[i] === Down.Held && s.status[i] === Status.Stopped) mark(s, i, Down.No)
    else if (s.down[i] === Down.Starting && isSettled) mark(s, i, Down.No)
    else if (s.down[i] === Down.Again && s.status[i] === Status.Stopped) comeBack(s, i, out)
  }
  if (s.byHand > 0) return
  s.asked = undefined
  // Restorations that came due meanwhile: what they need might have been on its way down.
  for (let i = 0; i < s.status.length; i++) if (s.restoreDue[i] === 1) restore(s, i, out)
}

/** What an operator has asked for, and what went wrong with it so far. */
export interface Asked {
  readonly component: string
  failure: Failure | undefined
}

/** What went wrong with it: with what he named, or with somebody without whom the node ends. */
export const blamed = ({ component, failure }: Asked, event: Extract<BootEvent, { readonly failure: Failure }>) => {
  if (event.component === component) return event.failure
  if (event._tag !== "ComponentFailed") return failure
  return { ...event.failure, message: `${event.component}: ${event.failure.message}` }
}

// ----------------------------------------------------------------------------------------------------------- private

const mark = (s: State, i: number, down: number): void => {
  s.byHand += (down === Down.No ? 0 : 1) - (s.down[i] === Down.No ? 0 : 1)
  s.down[i] = down
}

/** Closes those that nobody holds any more. */
const releaseFree = (s: State, out: Output): void => {
  for (let at = s.plan.order.length - 1; at >= 0; at--) {
    const i = s.plan.order[at]!
    const isDue = (s.down[i] === Down.Again || s.down[i] === Down.Held) && isUp(s, i)
    if (isDue && !s.plan.heldBy[i]!.some((holder) => isLive(s, holder))) release(s, i, out, s.asked)
  }
}

/** Starts when all that it needs has come back as far as it will; without a hard need it is skipped. */
const comeBack = (s: State, i: number, out: Output): void => {
  if (s.plan.needs[i]!.some((need) => s.down[need] !== Down.No)) return
  // What it only looks up must be closed before, or it would be held again.
  if (s.plan.holds[i]!.some((need) => goesDown(s, need))) return
  const missing = s.plan.hard[i]!.find((need) => !isUp(s, need))
  if (missing === undefined) {
    mark(s, i, Down.Starting)
    revive(s, i)
  } else {
    mark(s, i, Down.No)
    skip(s, i, { _tag: "Need", need: name(s, missing) }, out)
  }
}

const isOnItsWay = (s: State, i: number): boolean => {
  const status = s.status[i]!
  return status >= Status.Queued && status <= Status.Backoff
}

const reasonOf = ({ asked }: State): string =>
  asked === undefined ? "" : `${asked.how === "stop" ? "the stop" : "the restart"} of ${asked.of} by hand`
