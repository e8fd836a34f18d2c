/**
 * An auditor of boots: it reads the events of one, in order, and says which promise of the kernel the boot has broken.
 *
 * **Details**
 *
 * It shares no code and no state with `Progress`, so it does not share its bugs: all it knows is the plan, the limits,
 * and what the events say. Numbers are those of the design (3.4). 0 is a log that no boot could have told, and 18 is
 * liveness, which has no number there. Not judged, because events do not show them: 11, 12, 13, 16 and 17.
 *
 * **Gotchas**
 *
 * - One checker for each boot. Events from inside a group are ignored: a group is a boot with a checker of its own.
 * - Whatever follows a first violation is judged by a log that was already wrong.
 * - Real clocks are late. `toleranceMs` is how late something may be; to be early is never excused.
 *
 * **Example**
 *
 * ```ts
 * const checker = Invariants.make(plan, limits)
 * for (const event of events) assert.isUndefined(Invariants.check(checker, event))
 * assert.isUndefined(Invariants.finish(checker))
 * ```
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import type { BootEvent, Closing, Of } from "./BootEvent.ts"
import {
  attemptEndMs,
  causes,
  type Checker,
  Down,
  gone,
  grainMs,
  isFinal,
  isLive,
  isLost,
  isReady,
  Life,
  move,
  outOfTime,
  rollbackEndMs,
  rootOf,
  settle,
  stateOf,
  unexplained
} from "./Checker.ts"
import * as Phase from "./Phase.ts"
import { titles, type Violation } from "./Promises.ts"

export { type Checker, make } from "./Checker.ts"
export { titles, type Violation } from "./Promises.ts"

type Verdict = Violation | undefined

const severities = { warning: 1, degraded: 2, critical: 3 } as const

/** Takes note of the next event. Answers with the promise that it breaks, if it breaks one. */
export const check = (c: Checker, event: BootEvent): Violation | undefined => {
  const { _tag, atMs, component }: Pick<BootEvent, "_tag" | "atMs"> & { readonly component?: string } = event
  const i = component === undefined ? -1 : (c.plan.index.get(component) ?? -1)
  if (i < 0 && component !== undefined) {
    return component.includes("/") ? undefined : breaks(c, 0, -1, `${component} is no component of the plan.`)
  }
  // Each judge stands under the tag of the events that it judges.
  const judge = judges[_tag] as (c: Checker, event: BootEvent, i: number) => Verdict
  return moment(c, _tag, atMs) ?? judge(c, event, i)
}

/** The verdict on the whole, once nothing more is to come: the boot has ended, and every story in it. */
export const finish = (c: Checker): Violation | undefined =>
  c.ended ? unreasoned(c) : breaks(c, 6, -1, "The log stops before the boot has ended.")

/**
 * The verdict on progress: within `worstCaseMs` everything has settled or a rollback has begun, and by now the boot is
 * ready or at its end. How long the last checkpoint takes to become durable is not the plan's to promise.
 */
export const checkLiveness = (c: Checker, { worstCaseMs }: { readonly worstCaseMs: number }): Violation | undefined => {
  if (!isReady(c) && !c.ended) return breaks(c, 18, -1, "The boot is neither ready nor at its end.")
  const tookMs = (Number.isNaN(c.completeMs) ? c.rollbackMs : c.completeMs) - (c.beganMs || 0)
  if (tookMs <= worstCaseMs + c.toleranceMs) return undefined
  return breaks(c, 18, -1, `The boot settled after ${tookMs} ms; its worst case is ${worstCaseMs} ms.`)
}

/** Time goes on: not backwards, not past what has to follow at once, and not beyond the end. */
const moment = (c: Checker, _tag: BootEvent["_tag"], atMs: number): Verdict => {
  c.events++
  if (c.ended) return breaks(c, _tag === "ComponentStarted" ? 5 : 0, -1, `${_tag} comes after the end of the boot.`)
  if (atMs === c.atMs) return undefined
  if (!(atMs > c.atMs)) return breaks(c, 14, -1, `${_tag} is of ${atMs} ms and comes after ${c.atMs} ms.`)
  if (c.undecided > 0) return breaks(c, 18, c.life.indexOf(Life.closed), "It is closed, and nothing follows from that.")
  if (c.failedMs <= c.atMs && c.why === "") return breaks(c, 5, -1, "A component has failed, and no rollback starts.")
  c.atMs = atMs
  return undefined
}

// ---------------------------------------------------------------------------------------------------------- judgement

/** For each kind of event: is it allowed now, and what does it change? `i` is the component, -1 for the whole boot. */
const judges: { readonly [T in BootEvent["_tag"]]: (c: Checker, event: Of<T>, i: number) => Verdict } = {
  BootStarted: (c) => (c.events === 1 ? undefined : breaks(c, 0, -1, "The boot starts after other events.")),
  PhaseStarted: (c, event) => {
    const phase = Phase.rank[event.phase]
    if (c.why !== "") return breaks(c, 5, -1, `Phase ${event.phase} starts during a rollback.`)
    if (c.phaseBegun[phase] === 1) return breaks(c, 10, -1, `Phase ${event.phase} starts twice.`)
    if (c.marks === 0) return breaks(c, 10, -1, `Phase ${event.phase} starts before init_start.`)
    c.phaseBegun[phase] = 1
    const gate = closedGate(c, phase)
    return gate === undefined ? undefined : breaks(c, 1, -1, `Phase ${event.phase} starts before ${gate}.`)
  },

  CheckpointReached: (c, { atMs, checkpoint }) => {
    const mark = Phase.checkpoints.indexOf(checkpoint)
    if (c.why !== "") return breaks(c, 10, -1, `${checkpoint} is reached during a rollback.`)
    if (mark !== c.marks) return breaks(c, 10, -1, `${checkpoint} is reached out of turn.`)
    for (let phase = 0; phase < mark; phase++) {
      const left = c.phaseLeft[phase]!
      if (left > 0) return breaks(c, 10, -1, `${checkpoint} is reached with ${left} of ${Phase.all[phase]} unsettled.`)
      if (c.phaseBegun[phase] === 0) return breaks(c, 10, -1, `${checkpoint} is reached before its phases began.`)
    }
    c.marks++
    c.markMs = atMs
    if (mark === 0) c.beganMs = atMs
    if (checkpoint === "init_complete") c.completeMs = atMs
    return undefined
  },

  PhaseSlow: (c, { phase, waitingFor }) => {
    const settled = waitingFor.find((name) => c.settled[c.plan.index.get(name) ?? -1] !== 0)
    if (Phase.rank[phase] === c.marks - 1 && settled === undefined) return undefined
    return breaks(c, 0, -1, `${phase} is slow, and nobody waits for it, or not for ${settled ?? phase}.`)
  },

  BootReady: (c, { atMs, outcome }) => {
    if (isReady(c)) return breaks(c, 10, -1, "The boot is ready twice.")
    if (c.why !== "") return breaks(c, 10, -1, "The boot is ready during a rollback.")
    if (Number.isNaN(c.completeMs)) return breaks(c, 10, -1, "The boot is ready before init_complete.")
    c.readyMs = atMs
    let degraded = false
    for (let i = 0; i < c.life.length; i++) {
      if (c.life[i] === Life.up) degraded ||= c.variant[i]! > 0
      else if (c.plan.excluded[i] || rootOf(c, i) === causes.Environment) continue
      else if (c.plan.components[i]!.optional) degraded ||= c.cause[i] === causes.Failed
      else return breaks(c, 10, i, `The boot is ready, and it is ${stateOf(c, i)}.`)
    }
    if (outcome !== (degraded ? "degraded" : "ready")) return breaks(c, 10, -1, `The boot is not ${outcome}.`)
    return unreasoned(c)
  },

  RollbackStarted: (c, { atMs, budgetMs, why }) => {
    if (c.why !== "") return breaks(c, 7, -1, "A second rollback starts.")
    c.rollbackMs = atMs
    c.why = why
    if (budgetMs !== c.limits.rollbackMs) return breaks(c, 7, -1, `The rollback has ${budgetMs} ms: not its limit.`)
    if (why === "failed" && Number.isNaN(c.failedMs)) return breaks(c, 9, -1, "The boot fails, and no component has.")
    if (why === "stopped" && !isReady(c)) return breaks(c, 15, -1, "The boot is stopped, and it was not ready.")
    const isDue = why === "cancelled" || (why === "deadline" && outOfTime(c, c.marks - 1))
    if (why === "stopped" || why === "failed" || (isDue && !isReady(c))) return undefined
    return breaks(c, 15, -1, `The boot is taken down: ${why}. That cannot be why.`)
  },

  BootEnded: (c, { clean, outcome }) => {
    if (c.why === "") return breaks(c, 15, -1, "The boot ends, and nothing was taken down.")
    c.ended = true
    const live = c.life.findIndex(isLive)
    if (live >= 0) return breaks(c, 6, live, `The boot ends, and it is ${stateOf(c, live)}.`)
    if (c.undecided > 0) return breaks(c, 15, c.life.indexOf(Life.closed), "The boot ends without a word on it.")
    const lateMs = c.atMs - rollbackEndMs(c)
    if (lateMs > c.toleranceMs) return breaks(c, 7, -1, `The rollback ends ${lateMs} ms after its budget.`)
    const due = c.why === "deadline" ? "failed" : c.why
    if (outcome !== due) return breaks(c, 15, -1, `The boot ends as ${outcome}, and was taken down as ${due}.`)
    if (clean !== c.clean) return breaks(c, 15, -1, `The boot says clean: ${clean}; its closings say ${c.clean}.`)
    return undefined
  },

  ComponentQueued: (c, _, i) => {
    const objection = mayNotStart(c, i)
    if (objection === undefined && c.life[i] !== Life.delayed) move(c, i, Life.idle)
    return objection
  },

  ComponentStarted: (c, { atMs, attempt, variant }, i) => {
    const objection = mayNotStart(c, i)
    if (objection !== undefined) return objection
    const policy = c.plan.components[i]!.variants[variant]
    if (c.phaseBegun[c.plan.phase[i]!] === 0) return breaks(c, 10, i, "It starts before its phase.")
    if (variant !== c.variant[i] || policy === undefined) return breaks(c, 3, i, `Variant ${variant} is not its turn.`)
    if (attempt !== c.attempt[i]! + 1) return breaks(c, 3, i, `Attempt ${attempt} follows attempt ${c.attempt[i]}.`)
    if (attempt > policy.attempts) return breaks(c, 3, i, `It starts attempt ${attempt} of ${policy.attempts}.`)
    if (attempt === 1) {
      c.budgetMs[i] = atMs + policy.deadlineMs
      c.delayedMs[i] = 0
    }
    const lateMs = atMs - c.budgetMs[i]!
    if (lateMs > c.toleranceMs) return breaks(c, 3, i, `Attempt ${attempt} starts ${lateMs} ms after its deadline.`)
    c.attempt[i] = attempt
    c.acquired[i] = 0
    c.severity[i] = 0
    move(c, i, Life.starting)
    if (++c.running <= c.limits.slots) return undefined
    return breaks(c, 4, i, `${c.running} attempts run on ${c.limits.slots} slots.`)
  },

  ComponentAcquired: (c, event, i) => {
    if (c.life[i] !== Life.starting) return misplaced(c, event, i)
    return c.acquired[i]!++ === 0 ? undefined : breaks(c, 2, i, "It is acquired twice in one attempt.")
  },

  ComponentReady: (c, event, i) =>
    c.variant[i] === 0 ? up(c, event, i) : breaks(c, 0, i, "It is ready, and what has started is a fallback."),

  ComponentDegraded: (c, event, i) => {
    const { name } = c.plan.components[i]!.variants[c.variant[i]!]!
    if (c.variant[i] === 0 || name !== event.fallback) return breaks(c, 0, i, `It is not up on ${event.fallback}.`)
    if (event.reason._tag !== "Failed") return breaks(c, 15, i, "It is degraded, and no failure is the reason.")
    return up(c, event, i)
  },
  ComponentSlow: (c, event, i) => (c.life[i] === Life.starting ? undefined : misplaced(c, event, i)),

  AttemptFailed: (c, event, i) => {
    const { attempt, failure, retryInMs } = event
    const life = c.life[i]
    if (life !== Life.starting && life !== Life.closing) return misplaced(c, event, i)
    if (attempt !== c.attempt[i]) return breaks(c, 3, i, `Attempt ${attempt} fails in attempt ${c.attempt[i]}.`)
    if (c.severity[i]! > 0) return breaks(c, 3, i, `Attempt ${attempt} fails twice.`)
    c.severity[i] = severities[failure.severity]
    c.retryInMs[i] = retryInMs ?? NaN
    return life === Life.starting ? attemptOver(c, i, Life.closing) : undefined
  },

  ComponentInterrupted: (c, event, i) => {
    if (c.life[i] !== Life.starting) return misplaced(c, event, i)
    const isDue = c.why !== "" || c.atMs >= attemptEndMs(c, i) - grainMs || outOfTime(c, c.plan.phase[i]!)
    if (!isDue) return breaks(c, 9, i, "It is interrupted, and neither a deadline nor a rollback is the reason.")
    return attemptOver(c, i, Life.closing)
  },

  AttemptClosed: (c, event, i) => {
    if (c.life[i] !== Life.closing) return misplaced(c, event, i, 6)
    c.abandoned[i] = event.closing === "abandoned" ? 1 : 0
    c.undecided++
    return closed(c, i, event.closing, Life.closed)
  },

  ComponentBackoff: (c, event, i) => {
    const { attempts, retryMs } = c.plan.components[i]!.variants[c.variant[i]!]!
    const delayMs = event.untilMs - event.atMs
    if (c.why !== "") return breaks(c, 5, i, "It is to be tried again, during a rollback.")
    if (c.life[i] !== Life.closed || c.severity[i] === 0) return misplaced(c, event, i)
    if (Number.isNaN(c.retryInMs[i])) return breaks(c, 3, i, "It is to be tried again, and its policy is at its end.")
    if (c.abandoned[i] === 1) return breaks(c, 3, i, "It is to be tried again, and its last attempt was never closed.")
    if (c.attempt[i]! >= attempts) return breaks(c, 3, i, `It is to be tried again after all ${attempts} attempts.`)
    const isRight = Math.abs(delayMs - c.retryInMs[i]!) <= grainMs
    if (!isRight) return breaks(c, 3, i, `It is to be tried again in ${delayMs} ms, and its policy says otherwise.`)
    if (event.untilMs > c.budgetMs[i]!) return breaks(c, 3, i, "It is to be tried again after its deadline.")
    c.delayedMs[i]! += delayMs
    if (c.delayedMs[i]! > retryMs + grainMs) return breaks(c, 3, i, `Its delays add up to more than ${retryMs} ms.`)
    c.untilMs[i] = event.untilMs
    move(c, i, Life.delayed)
    return undefined
  },

  FallbackChosen: (c, event, i) => {
    const { severity, variants } = c.plan.components[i]!
    const { fallback, variant } = event
    if (c.why !== "") return breaks(c, 5, i, "It gives way to a fallback, during a rollback.")
    if (!isFinal(c, i)) return misplaced(c, event, i)
    if (variant !== c.variant[i]! + 1 || variants[variant]?.name !== fallback) {
      return breaks(c, 3, i, `It gives way to variant ${variant}, ${fallback}: not the next one.`)
    }
    const last = c.severity[i]! || severities[severity]
    if (last !== severities.degraded) return breaks(c, 3, i, "It falls back, and its failure was not a degraded one.")
    c.variant[i] = variant
    c.attempt[i] = c.severity[i] = 0
    move(c, i, Life.idle)
    return undefined
  },

  ComponentAbsent: (c, event, i) => {
    const { reason } = event
    if (reason._tag === "Environment") {
      if (!c.plan.excluded[i]) return breaks(c, 15, i, "It is absent, and it is of this environment.")
      return c.life[i] === Life.idle && c.marks > 0 ? gone(c, i, Life.absent, reason) : misplaced(c, event, i)
    }
    if (reason._tag !== "Failed") return breaks(c, 15, i, "It is absent, and neither failure nor environment is why.")
    if (c.why !== "" || !isFinal(c, i)) return misplaced(c, event, i)
    if (!c.plan.components[i]!.optional) return breaks(c, 10, i, "It is absent, and the boot cannot go on without it.")
    const own = c.life[i] === Life.closed ? c.severity[i]! : severities.warning
    const worst = Math.max(own, severities[reason.failure.severity])
    // A boot that is ready has gone on without it before.
    const isReady = !Number.isNaN(c.readyMs)
    const isMild =
      worst <= severities.warning || isReady || (worst === severities.degraded && outOfTime(c, c.plan.phase[i]!))
    if (!isMild) return breaks(c, 5, i, "It is absent, and its failure was more than a warning.")
    return gone(c, i, Life.absent, reason)
  },

  ComponentSkipped: (c, event, i) => {
    const { reason } = event
    const life = c.life[i]!
    if (isLive(life)) return breaks(c, 6, i, `It is skipped while it is ${stateOf(c, i)}.`)
    if (life === Life.failed || (life === Life.stopped && c.down[i] !== Down.awaited)) return misplaced(c, event, i)
    const isRoot = reason._tag === "Failed" || reason._tag === "RolledBack"
    if (c.why !== "" && isRoot) return gone(c, i, Life.skipped, reason)
    if (c.why !== "") return breaks(c, 15, i, "It is skipped in a rollback, and that is not the reason.")
    // Skipped once more, for want of something else that may be on its way: what it was skipped for has been restored.
    const isLater = isReady(c) && life !== Life.idle
    if (reason._tag !== "Need" || (life !== Life.idle && !isLater)) return misplaced(c, event, i, 9)
    const need = c.plan.index.get(reason.need) ?? -1
    const isMissing = isLater ? c.life[need] !== Life.up || goesDown(c, need) : isLost(c, need)
    if (c.plan.hard[i]!.includes(need) && isMissing) return gone(c, i, Life.skipped, reason)
    return breaks(c, 9, i, `It is skipped for want of ${reason.need}, and it does not need it or has it.`)
  },

  ComponentFailed: (c, { failure }, i) => {
    const { optional, variants } = c.plan.components[i]!
    const life = c.life[i]!
    if (isLive(life)) return breaks(c, 6, i, `It has failed for good while it is ${stateOf(c, i)}.`)
    // A deadline of all fails whom it meets, and so do settings that cannot be right.
    const isTried = c.marks > 0 && c.why !== "deadline"
    const own = isTried && life === Life.closed ? c.severity[i]! : 0
    const isDegraded = isTried && (failure.severity === "degraded" || own === severities.degraded)
    if (isDegraded && c.variant[i]! + 1 < variants.length) return breaks(c, 8, i, "It fails, and has a fallback left.")
    const isWarning = failure.severity === "warning" || own === severities.warning
    if (isWarning && optional) return breaks(c, 9, i, "It fails the boot with a warning.")
    const isDue = !isTried || life === Life.closed || isFinal(c, i) || c.plan.hard[i]!.some((need) => isLost(c, need))
    if (!isDue) return breaks(c, 9, i, `It fails while it is ${stateOf(c, i)}, and for no reason of its own.`)
    if (Number.isNaN(c.failedMs)) c.failedMs = c.atMs
    return gone(c, i, Life.failed, { _tag: "Failed", failure })
  },

  ComponentStopping: (c, event, i) => {
    if (c.life[i] !== Life.up) return misplaced(c, event, i, 6)
    const objection = c.why === "" ? unasked(c, event, i) : undefined
    if (objection !== undefined) return objection
    const holder = c.plan.heldBy[i]!.find((dependent) => isLive(c.life[dependent]!))
    c.swap[i] = -1
    move(c, i, Life.stopping)
    if (holder === undefined) return undefined
    return breaks(c, 6, i, `It stops while ${c.plan.components[holder]!.name} is ${stateOf(c, holder)}.`)
  },

  ComponentStopped: (c, event, i) => {
    if (c.life[i] === Life.stopping) return closed(c, i, event.closing, Life.stopped)
    // Only the end of the budget stops what was not stopping: whatever still waited for its dependents then.
    if (c.life[i] !== Life.up || event.closing !== "abandoned") return misplaced(c, event, i, 6)
    const held = c.plan.heldBy[i]!.some((d) => isLive(c.life[d]!) || c.sinceMs[d] === c.atMs)
    if (!held) return breaks(c, 7, i, "It is abandoned, and nothing stood against stopping it before.")
    c.sinceMs[i] = c.atMs
    return closed(c, i, event.closing, Life.stopped)
  },

  SwapStarted: (c, { byHand, variant }, i) => {
    if (c.why !== "" || c.failedMs <= c.atMs) return breaks(c, 5, i, "It is swapped while everything is taken down.")
    if (c.life[i] !== Life.up || !isReady(c)) return breaks(c, 2, i, "It is swapped, and it does not serve yet.")
    if (c.swap[i]! >= 0) return breaks(c, 2, i, "It is swapped while it is being swapped.")
    const { length } = c.plan.components[i]!.variants
    c.swap[i] = variant
    c.exchanged[i] = 1
    const isOther = variant !== c.variant[i] || byHand?.how === "exchange"
    if (isOther && variant >= 0 && variant < length) return undefined
    return breaks(c, 3, i, `Variant ${c.variant[i]} is swapped for variant ${variant}.`)
  },

  SwapCompleted: (c, event, i) => {
    const objection = swapOver(c, event, i)
    c.variant[i] = event.variant
    if (event.closing !== "clean") c.clean = false
    return objection
  },
  SwapFailed: (c, event, i) => swapOver(c, event, i),
  // Health turns when it likes.
  HealthChanged: () => undefined
}

/** Whatever stands against a start at this moment, be it the first one, a retry, a fallback or a restoration. */
const mayNotStart = (c: Checker, i: number): Verdict => {
  const { components, excluded, hard, needs, phase } = c.plan
  const life = c.life[i]!
  if (c.failedMs <= c.atMs) return breaks(c, 5, i, "It starts after a failure of the boot.")
  if (c.why !== "") return breaks(c, 5, i, "It starts during a rollback.")
  if (isLive(life)) return breaks(c, 2, i, `It starts while it is ${stateOf(c, i)}.`)
  if (life === Life.closed) return breaks(c, 3, i, "It starts again without a delay and without a fallback.")
  const isEarly = life === Life.delayed && c.atMs < c.untilMs[i]! - grainMs
  if (isEarly) return breaks(c, 3, i, `It starts before its delay is over, at ${c.untilMs[i]} ms.`)
  if (life === Life.absent || life === Life.skipped || life === Life.stopped) {
    if (!isReady(c)) return breaks(c, 0, i, `It starts, and it was ${stateOf(c, i)}.`)
    c.variant[i] = c.attempt[i] = 0
  }
  if (excluded[i]) return breaks(c, 1, i, "It starts, and it is not of this environment.")
  const gate = closedGate(c, phase[i]!)
  if (gate !== undefined) return breaks(c, 1, i, `It starts before ${gate}.`)
  for (const need of needs[i]!) {
    if (c.settled[need] === 0) return breaks(c, 1, i, `It starts before ${components[need]!.name} has settled.`)
    if (c.down[need] === Down.awaited)
      return breaks(c, 19, i, `It starts before ${components[need]!.name} is back again.`)
  }
  for (const need of hard[i]!) {
    if (c.life[need] !== Life.up) return breaks(c, 1, i, `It starts while ${components[need]!.name} is not up.`)
  }
  return undefined
}

/** What a phase still has to wait for, in words. */
const closedGate = (c: Checker, phase: number): string | undefined => {
  const barrier = c.limits.scheduling === "phased" ? phase : Math.min(phase, 1)
  for (let before = 0; before < barrier; before++) {
    if (c.phaseLeft[before]! > 0) return `all of phase ${Phase.all[before]} has settled`
  }
  return phase === Phase.rank.post && c.criticalLeft > 0 ? "everything critical has settled" : undefined
}

const up = (c: Checker, event: BootEvent, i: number): Verdict => {
  // That it was acquired need not have been told: a probe with nothing to ask takes no time.
  if (c.life[i] !== Life.starting) return misplaced(c, event, i)
  if (c.why !== "") return breaks(c, 5, i, "It comes up during a rollback.")
  const late = attemptOver(c, i, Life.up)
  settle(c, i)
  c.attempt[i] = 0
  c.down[i] = Down.no
  return late
}

/** Whatever stands against stopping it while the rest goes on. */
const unasked = (c: Checker, { byHand }: Of<"ComponentStopping">, i: number): Verdict => {
  if (byHand === undefined) return breaks(c, 6, i, "It is stopped, and nothing is taken down.")
  const { how, of } = byHand
  const { components, index } = c.plan
  if (how === "exchange" || !isReady(c)) return breaks(c, 19, i, "It is stopped for an exchange, or before READY.")
  if (how === "stop" && !components[i]!.optional) return breaks(c, 19, i, "It is stopped, and nothing goes without it.")
  c.downFor = index.get(of) ?? -1
  if (!holdsOn(c, i, c.downFor)) return breaks(c, 19, i, `It is stopped for ${of}, which it does not hold.`)
  c.down[i] = how === "stop" && c.downFor === i ? Down.kept : Down.awaited
  return undefined
}

/** Whether it is up, and about to go down by hand, after those who hold it. */
const goesDown = (c: Checker, i: number): boolean => c.life.includes(Life.stopping) && holdsOn(c, i, c.downFor)

/** Whether one is the other, or holds it, directly or not. */
const holdsOn = (c: Checker, i: number, other: number): boolean => {
  const held = new Set([i])
  for (const at of held) for (const need of c.plan.holds[at]!) held.add(need)
  return held.has(other)
}

const attemptOver = (c: Checker, i: number, life: number): Verdict => {
  const lateMs = c.atMs - attemptEndMs(c, i)
  c.running--
  move(c, i, life)
  return lateMs > c.toleranceMs ? breaks(c, 3, i, `Its attempt ends ${lateMs} ms after its deadline.`) : undefined
}

/** A closing has a deadline of its own and one with all others; it is given up then, and not before. */
const closed = (c: Checker, i: number, closing: Closing, life: number): Verdict => {
  const lateMs = c.atMs - Math.min(c.sinceMs[i]! + c.plan.components[i]!.stopMs, rollbackEndMs(c))
  if (closing !== "clean") c.clean = false
  if (closing === "abandoned" && c.down[i] === Down.awaited) c.down[i] = Down.kept
  const isOwn = closing === "abandoned" && c.exchanged[i] === 0
  const isEarly = isOwn && c.atMs < rollbackEndMs(c) - grainMs && lateMs < -grainMs
  move(c, i, life)
  if (lateMs > c.toleranceMs) return breaks(c, 7, i, `Its closing ends ${lateMs} ms after its deadline.`)
  return isEarly ? breaks(c, 7, i, `Its closing is abandoned ${-lateMs} ms before its deadline.`) : undefined
}

const swapOver = (c: Checker, event: Of<"SwapCompleted" | "SwapFailed">, i: number): Verdict => {
  if (c.life[i] !== Life.up || c.swap[i] !== event.variant) return misplaced(c, event, i)
  c.swap[i] = -1
  return undefined
}

const unreasoned = (c: Checker): Verdict => {
  for (let i = 0; i < c.life.length; i++) {
    if (c.life[i] === Life.up || c.life[i] === Life.stopped || rootOf(c, i) !== unexplained) continue
    return breaks(c, 15, i, `It is ${stateOf(c, i)}, and no chain of reasons leads to a root cause.`)
  }
  return undefined
}

const misplaced = (c: Checker, { _tag }: BootEvent, i: number, invariant: keyof typeof titles = 0): Violation =>
  breaks(c, invariant, i, `${_tag} cannot follow while it is ${stateOf(c, i)}.`)

const breaks = (c: Checker, invariant: keyof typeof titles, i: number, message: string): Violation => {
  const verdict = { invariant, title: titles[invariant], atMs: c.atMs }
  if (i < 0) return { ...verdict, message }
  const component = c.plan.components[i]!.name
  return { ...verdict, component, message: `${component}: ${message}` }
}
