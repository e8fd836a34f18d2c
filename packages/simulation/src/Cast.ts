/**
 * Plays the components, the clock of their health, and whoever gives orders: takes the commands of `Progress`, and
 * says what comes of them. Each answer is one fact that a driver could report, in an order in which it could.
 *
 * **Details**
 *
 * Imitated are answers that cross a command, attempts that do not stop when they are told to, and finalizers that fail
 * or hang. A command that cannot be carried out is a broken promise: one instance of a component is there at the most,
 * and nothing is released that others hold.
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import type { BootEvent, Progress } from "@novacron/boot/model"
import * as Agenda from "./Agenda.ts"
import {
  breaks,
  draw,
  Fate,
  happens,
  Hold,
  Next,
  nobody,
  occurs,
  type Scene,
  schedule,
  Slot,
  slotOf,
  someMs
} from "./Scene.ts"

// ------------------------------------------------------------------------------------------------------- the commands

/** Takes a command. What comes of it is on the agenda. */
export const execute = (s: Scene, command: Progress.Command): void => {
  switch (command._tag) {
    case "Start":
      return start(s, command.component, command.variant, command.attempt)
    case "Interrupt":
      return interrupt(s, command.component, command.late)
    case "Release":
      return release(s, command.component)
    case "Abandon":
      return abandon(s, command.component)
    case "Persist":
      return Agenda.set(s.agenda, slotOf(s, "persisted"), s.atMs + (draw(s, nobody(s)) & 3))
    case "Swap":
      return swap(s, command.component, command.variant)
    case "End": {
      const held = s.hold.findIndex((hold) => hold !== Hold.nothing)
      if (held >= 0) breaks(s, 6, held, "The boot ends, and it is still there.")
    }
  }
}

const start = (s: Scene, i: number, variant: number, attempt: number): void => {
  if (s.hold[i] !== Hold.nothing) return breaks(s, 2, i, "It is to start, and it is there already.")
  if (s.abandoned[i] === variant + 1) return breaks(s, 2, i, "It is to start, and an attempt left behind may be alive.")
  s.abandoned[i] = 0
  s.kept[i] = 0
  if (s.state.stage === "booting" && s.atMs > s.limits.bootMs)
    breaks(s, 18, i, "It starts after the deadline of the boot.")
  if (++s.attempts > s.limits.slots) breaks(s, 4, i, `It is attempt ${s.attempts} at the same time.`)
  s.hold[i] = Hold.attempt
  s.variant[i] = variant
  s.attempt[i] = attempt
  s.late[i] = undefined
  const fate = fateOf(s, i)
  s.fate[i] = fate
  let next: number = Next.acquire
  let tookMs = someMs(s, i, 2 * s.plan.cost[i]!)
  if (fate !== Fate.fine) {
    const isEarly = (draw(s, i) & 1) === 1
    if (fate === Fate.slow) {
      const { timeoutMs } = s.plan.components[i]!.variants[variant]!
      tookMs = (timeoutMs >> 1) + someMs(s, i, timeoutMs)
    } else if (fate === Fate.hang && isEarly) return
    else if (fate === Fate.error || (fate !== Fate.unhealthy && isEarly)) next = Next.fail
  }
  schedule(s, i, next, s.atMs + tookMs)
}

const fateOf = (s: Scene, i: number): number => {
  if (s.calm || s.spared[i]) return Fate.fine
  const chance = (draw(s, i) >>> 0) * 2 ** -32
  const { thresholds } = s
  if (chance >= thresholds[Fate.slow]!) return Fate.fine
  let fate = 0
  while (chance >= thresholds[fate]!) fate++
  return fate
}

const interrupt = (s: Scene, i: number, late: Progress.Late | undefined): void => {
  if (s.hold[i] !== Hold.attempt) return breaks(s, 6, i, "It is to be interrupted, and it has no attempt.")
  s.attempts--
  s.hold[i] = Hold.closing
  s.late[i] = late
  s.restores[i] = 0
  // Its answer may be on the way already.
  if (Agenda.dueMs(s.agenda, i) === s.atMs && (draw(s, i) & 1) === 1) return
  if (occurs(s, i, s.odds.deaf)) Agenda.empty(s.agenda, i)
  else schedule(s, i, Next.quit, s.atMs + (draw(s, i) & 1))
}

const release = (s: Scene, i: number): void => {
  if (s.hold[i] !== Hold.up) return breaks(s, 6, i, "It is to be released, and it is not up.")
  for (const holder of s.plan.heldBy[i]!) {
    if (s.hold[holder] !== Hold.nothing) return breaks(s, 6, i, "It is to be released, and others hold it.")
  }
  forget(s, i)
  // Taken down by hand: whoever asked for that has asked for all that follows.
  if (s.state.stage === "ready") s.abandoned[i] = s.restores[i] = 0
  close(s, i)
}

const abandon = (s: Scene, i: number): void => {
  if (s.hold[i] === Hold.nothing) return breaks(s, 6, i, "It is to be abandoned, and it is not there.")
  if (s.hold[i] === Hold.attempt) s.attempts--
  s.hold[i] = Hold.nothing
  // It may still be alive: nobody but an operator builds it again.
  s.abandoned[i] = s.variant[i]! + 1
  s.restores[i] = 0
  Agenda.empty(s.agenda, i)
  forget(s, i)
}

const swap = (s: Scene, i: number, variant: number): void => {
  if (s.hold[i] !== Hold.up) return breaks(s, 2, i, "It is to be swapped, and it is not up.")
  const slot = s.hold.length + i
  if (Agenda.dueMs(s.agenda, slot) !== Agenda.never) return breaks(s, 2, i, "It is to be swapped twice.")
  s.swapTo[i] = variant
  const { timeoutMs } = s.plan.components[i]!.variants[variant]!
  Agenda.set(s.agenda, slot, s.atMs + (occurs(s, i, s.odds.slow) ? timeoutMs : draw(s, i) & 15))
}

/** Nothing more comes of a swap or of its health. */
const forget = (s: Scene, i: number): void => {
  Agenda.empty(s.agenda, s.hold.length + i)
  Agenda.empty(s.agenda, 2 * s.hold.length + i)
}

/** It is being closed; when it is, the machine will hear of it. */
const close = (s: Scene, i: number): void => {
  s.hold[i] = Hold.closing
  if (occurs(s, i, s.odds.closeHangs)) return Agenda.empty(s.agenda, i)
  const isQuick = (draw(s, i) & 3) > 0
  schedule(s, i, Next.close, s.atMs + (isQuick ? 0 : someMs(s, i, s.plan.components[i]!.stopMs)))
}

// -------------------------------------------------------------------------------------------------------- the answers

/** What is on the agenda in this slot happens; it may be worth telling. */
export const happen = (s: Scene, slot: number): Progress.Input | undefined => {
  const n = s.hold.length
  const { atMs } = s
  Agenda.empty(s.agenda, slot)
  if (slot < n) return goOn(s, slot)
  if (slot < 2 * n) return swapped(s, slot - n)
  if (slot < 3 * n) return turn(s, slot - 2 * n)
  switch (slot - 3 * n) {
    case Slot.persisted:
      return { _tag: "Persisted", atMs }
    case Slot.stop:
      return { _tag: "Stop", atMs, because: "told to stop" }
    case Slot.hand:
      return byHand(s, slot)
    default:
      return restored(s, slot)
  }
}

/** An operator restores a component, and often another one later. */
const restored = (s: Scene, slot: number): Progress.Input => {
  const n = s.hold.length
  if (happens(s, n, 0.8)) Agenda.set(s.agenda, slot, s.atMs + someMs(s, n, 5_000))
  const component = (draw(s, n) >>> 1) % n
  s.abandoned[component] = 0
  return { _tag: "Restore", atMs: s.atMs, component }
}

/** An operator asks something else of one, and often of another one later. */
const byHand = (s: Scene, slot: number): Progress.Input => {
  const n = s.hold.length
  if (happens(s, n, 0.9)) Agenda.set(s.agenda, slot, s.atMs + someMs(s, n, 3_000))
  const component = (draw(s, n) >>> 1) % n
  const how = hows[(draw(s, n) >>> 1) % hows.length]!
  if (how === "stop") s.kept[component] = 1
  return { _tag: "ByHand", atMs: s.atMs, component, how }
}

const hows = ["exchange", "restart", "restart", "stop"] as const

/** The next thing a component does. */
const goOn = (s: Scene, i: number): Progress.Input | undefined => {
  const { atMs } = s
  const isInterrupted = s.hold[i] === Hold.closing
  switch (s.next[i]!) {
    case Next.acquire: {
      const fate = s.fate[i]
      const isFine = fate === Fate.fine || fate === Fate.slow
      if (isInterrupted) schedule(s, i, Next.quit, atMs)
      else if (fate !== Fate.hang) schedule(s, i, isFine ? Next.answer : Next.fail, atMs)
      return { _tag: "Acquired", atMs, component: i }
    }
    case Next.answer:
      if (isInterrupted) schedule(s, i, Next.quit, atMs)
      else comeUp(s, i)
      return { _tag: "Healthy", atMs, component: i }
    case Next.fail:
      if (!isInterrupted) s.attempts--
      close(s, i)
      return fail(s, i, failureOf(s, i), s.fate[i] === Fate.defect || s.fate[i] === Fate.interruption)
    case Next.quit: {
      const late = s.late[i]
      close(s, i)
      if (late === undefined) return undefined
      const isOwn = late.scope === "attempt" || late.scope === "component"
      return fail(s, i, isOwn ? { ...errors.timeout, severity: severityOf(s, i) } : late.failure, false)
    }
    default:
      s.hold[i] = Hold.nothing
      return { _tag: "Closed", atMs, component: i, closing: occurs(s, i, s.odds.closeFails) ? "failed" : "clean" }
  }
}

const comeUp = (s: Scene, i: number): void => {
  s.attempts--
  s.hold[i] = Hold.up
  s.sick[i] = 0
  if (occurs(s, i, s.odds.flap)) Agenda.set(s.agenda, 2 * s.hold.length + i, s.atMs + someMs(s, i, 2_000))
}

const fail = (s: Scene, i: number, failure: BootEvent.Failure, isDefect: boolean): Progress.Input => {
  const { attempts, retryMs } = s.plan.components[i]!.variants[s.variant[i]!]!
  const isLast = isDefect || s.attempt[i]! >= attempts || occurs(s, i, 0.05)
  return {
    _tag: "Failed",
    atMs: s.atMs,
    component: i,
    failure,
    retryInMs: isLast ? null : someMs(s, i, retryMs / (attempts - 1) + 1),
    restoreInMs: restoration(s, i, !isDefect)
  }
}

const swapped = (s: Scene, i: number): Progress.Input => {
  const { atMs } = s
  const variant = s.swapTo[i]!
  if (occurs(s, i, s.odds.swapFails)) {
    const retryInMs = restoration(s, i, true)
    return { _tag: "SwapFailed", atMs, component: i, variant, failure: errors.error, retryInMs }
  }
  const restoreInMs = restoration(s, i, variant > 0)
  const closing = occurs(s, i, s.odds.closeHangs) ? "abandoned" : occurs(s, i, s.odds.closeFails) ? "failed" : "clean"
  return { _tag: "Swapped", atMs, component: i, variant, closing, restoreInMs }
}

/** Its health turns. */
const turn = (s: Scene, i: number): Progress.Input => {
  s.sick[i] = 1 - s.sick[i]!
  const healthy = s.sick[i] === 0
  if (!healthy || occurs(s, i, s.odds.flap)) {
    Agenda.set(s.agenda, 2 * s.hold.length + i, s.atMs + someMs(s, i, 1_000))
  }
  return { _tag: "HealthChanged", atMs: s.atMs, component: i, healthy, message: healthy ? "well" : "unwell" }
}

const restoration = (s: Scene, i: number, mayBe: boolean): number | null => {
  const isPlanned = mayBe && !occurs(s, i, s.odds.unrestored)
  s.restores[i] = isPlanned ? 1 : 0
  return isPlanned ? 1 + someMs(s, i, 2_000) : null
}

// ----------------------------------------------------------------------------------------------------------- failures

const error = (kind: BootEvent.Failure["kind"], tag: string): BootEvent.Failure => ({
  kind,
  tag,
  message: `simulated: ${tag}`,
  severity: "critical"
})

/** What goes wrong, by kind; all of them critical unless something else is said. */
export const errors = {
  error: error("error", "Refused"),
  unhealthy: error("unhealthy", "Unhealthy"),
  timeout: error("timeout", "TimedOut"),
  defect: error("defect", "Defect"),
  interrupted: error("interrupted", "Defect")
}

const failureOf = (s: Scene, i: number): BootEvent.Failure => {
  switch (s.fate[i]!) {
    case Fate.defect:
      return errors.defect
    case Fate.interruption:
      return errors.interrupted
    case Fate.unhealthy:
      return { ...errors.unhealthy, severity: severityOf(s, i) }
    default:
      return { ...errors.error, severity: severityOf(s, i) }
  }
}

/** Mostly that by which the component is known; its table may have graver ones, as far as fallbacks are left. */
const severityOf = (s: Scene, i: number): BootEvent.Failure["severity"] => {
  const { severity, variants } = s.plan.components[i]!
  const chance = draw(s, i) & 15
  if (severity === "critical" || chance === 0) return "critical"
  if (severity === "degraded") return "degraded"
  return chance < 5 && s.variant[i]! + 1 < variants.length ? "degraded" : "warning"
}
