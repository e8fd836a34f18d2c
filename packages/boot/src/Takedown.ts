/**
 * Taking a boot down: the mirror of the start, over the same graph. Who is needed is closed after those who need it, and
 * after those who look it up while they run, in parallel where the graph allows, each with a deadline, past failing and
 * hanging finalizers, within one budget.
 */
import type { ByHand, Closing, Failure, Reason } from "./BootEvent.ts"
import {
  Down,
  isLive,
  isUp,
  Kind,
  type Late,
  name,
  type Output,
  set,
  type State,
  Status,
  timer
} from "./ProgressState.ts"

/** Takes everything down as the mirror of the start: who is needed goes after those who need it. */
export const takeDown = (
  s: State,
  why: "failed" | "cancelled" | "deadline" | "stopped",
  because: string,
  out: Output
): void => {
  if (s.stage === "rollback" || s.stage === "ended") return
  s.stage = "rollback"
  s.takedown = { why, because }
  const budgetMs = s.limits.rollbackMs
  out.events.push({ _tag: "RollbackStarted", atMs: s.atMs, why, because, budgetMs })
  timer(s, budgetMs, Kind.Rollback, -1)
  s.queue.length = 0
  s.fresh.length = 0
  s.down.fill(Down.No)
  s.byHand = 0
  s.asked = undefined
  for (let i = 0; i < s.status.length; i++) {
    if (s.status[i] === Status.Running) interrupt(s, i, undefined, out)
    else rollBackOne(s, i, out)
    if (isLive(s, i)) {
      s.up++
      for (const need of s.plan.holds[i]!) s.holders[need]!++
    }
  }
  for (let i = s.status.length - 1; i >= 0; i--) if (isUp(s, i) && s.holders[i] === 0) release(s, i, out)
}

/** Whoever has not started will not; what went wrong in earlier attempts was not the end of it. */
const rollBackOne = (s: State, i: number, out: Output): void => {
  const status = s.status[i]
  if (status === Status.Waiting || status === Status.Queued || status === Status.Backoff) rolledBack(s, i, out)
}

/** It is not up, and only because everything is taken down. */
export const rolledBack = (s: State, i: number, out: Output): void =>
  skip(s, i, { _tag: "RolledBack", because: s.takedown?.because ?? "" }, out)

/** Has a component closed that nobody holds; `byHand` when that is why. */
export const release = (s: State, i: number, out: Output, byHand?: ByHand): void => {
  set(s, i, Status.Stopping)
  s.swapping[i] = 0
  timer(s, s.plan.components[i]!.stopMs, Kind.Closing, i)
  const event = { _tag: "ComponentStopping", atMs: s.atMs, component: name(s, i) } as const
  out.events.push(byHand === undefined ? event : { ...event, byHand })
  out.commands.push({ _tag: "Release", component: i })
}

export const stopped = (s: State, i: number, closing: Closing, out: Output): void => {
  if (closing !== "clean") s.unclean = true
  set(s, i, Status.Stopped)
  out.events.push({ _tag: "ComponentStopped", atMs: s.atMs, component: name(s, i), closing })
  goneDown(s, i, out)
}

/** One less that holds on to others. */
export const goneDown = (s: State, i: number, out: Output): void => {
  s.up--
  for (const need of s.plan.holds[i]!) if (--s.holders[need]! === 0 && isUp(s, need)) release(s, need, out)
}

/** The budget of the rollback is spent: nothing is waited for any longer, and the record says what was left. */
export const abandonAll = (s: State, out: Output): void => {
  s.unclean = true
  for (let i = 0; i < s.status.length; i++) {
    if (!isLive(s, i)) continue
    out.commands.push({ _tag: "Abandon", component: i })
    const closing: Closing = "abandoned"
    if (s.status[i] === Status.Closing) {
      out.events.push({ _tag: "AttemptClosed", atMs: s.atMs, component: name(s, i), closing })
      rolledBack(s, i, out)
    } else {
      set(s, i, Status.Stopped)
      out.events.push({ _tag: "ComponentStopped", atMs: s.atMs, component: name(s, i), closing })
    }
  }
  s.up = 0
}

export const end = (s: State, out: Output): void => {
  s.stage = "ended"
  const why = s.takedown?.why ?? "stopped"
  out.events.push({
    _tag: "BootEnded",
    atMs: s.atMs,
    outcome: why === "deadline" ? "failed" : why,
    clean: !s.unclean
  })
  out.commands.push({ _tag: "End" })
}

/** The attempt is over; what it held is being closed, and that too has a deadline. */
export const close = (s: State, i: number): void => {
  set(s, i, Status.Closing)
  s.running--
  timer(s, s.plan.components[i]!.stopMs, Kind.Closing, i)
}

/** Tells an attempt to stop; when it is late, that is its failure. */
export const interrupt = (s: State, i: number, late: Late | undefined, out: Output): void => {
  close(s, i)
  if (late !== undefined) {
    s.failure[i] = late.failure
    s.failedNow[i] = 1
  }
  s.retryInMs[i] = NaN
  s.restoreInMs[i] = NaN
  out.events.push({ _tag: "ComponentInterrupted", atMs: s.atMs, component: name(s, i) })
  out.commands.push({ _tag: "Interrupt", component: i, late })
}

export const fatal = (s: State, i: number, failure: Failure, out: Output): void => {
  set(s, i, Status.Failed)
  s.failure[i] = failure
  s.reason[i] = { _tag: "Failed", failure }
  out.events.push({ _tag: "ComponentFailed", atMs: s.atMs, component: name(s, i), failure })
}

export const skip = (s: State, i: number, reason: Reason, out: Output): void => {
  set(s, i, Status.Skipped)
  s.reason[i] = reason
  out.events.push({ _tag: "ComponentSkipped", atMs: s.atMs, component: name(s, i), reason })
}
