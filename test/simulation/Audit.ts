/**
 * What is held of every step and every situation of a boot beside the invariants: that commands and events say the
 * same, that the auditor, who reads nothing but events, believes what the machine knows, and that what the machine
 * counts is what there is.
 */
// `!` after an index: positions come from the plan.
import { type BootEvent, Invariants, type Plan, Progress } from "@novacron/boot/model"
import { Random } from "@novacron/simulation"
import { type Situation, stages } from "./Situation.ts"

/** Something does not hold. */
export class Objection extends Error {
  override readonly name = "Objection"
}

/** Says what does not hold. */
export const object = (message: string): never => {
  throw new Objection(message)
}

/** Whether the boot can still be told to stop. */
export const mayStop = ({ stage }: Progress.State): boolean => stage !== "rollback" && stage !== "ended"

// --------------------------------------------------------------------------------------------------------- each step

/** Holds of what the machine said to one input; `stage` is where it was before. */
export const checkStep = (
  { checker, state }: Situation,
  stage: Progress.Stage,
  input: Progress.Input,
  { commands, events }: Progress.Output
): void => {
  let told = 0
  let shown = 0
  let isInterrupted = false
  for (const event of events) {
    const violation = Invariants.check(checker, event)
    if (violation !== undefined) object(`(${violation.invariant}) ${violation.message}`)
    shown += weightOfEvent(state.plan, event)
    if (event._tag === "ComponentStarted" && stage === "booting" && event.atMs >= state.limits.bootMs) {
      object(`${event.component} starts after the deadline of the boot.`)
    }
  }
  for (const command of commands) {
    told += weightOf(command._tag, "component" in command ? command.component : 0)
    isInterrupted ||= command._tag === "Interrupt"
  }
  if (told !== shown) {
    const tags = (said: ReadonlyArray<{ readonly _tag: string }>) => said.map(({ _tag }) => _tag).join() || "nothing"
    object(`The commands say ${tags(commands)}, and the events say ${tags(events)}.`)
  }
  if (state.unclean === checker.clean) object("Machine and auditor do not agree on what is clean.")
  if (stages[state.stage] < stages[stage]) object(`After ${stage} comes ${state.stage}.`)
  if (isInterrupted && input._tag !== "Tick" && mayStop(state)) {
    object("An attempt is interrupted, and neither a deadline nor a rollback is the reason.")
  }
}

const tags = { Start: 1, Interrupt: 2, Release: 3, Abandon: 4, Persist: 5, Swap: 6, End: 7 } as const

/** Sums of these are equal when the same things are said, whatever their order. */
const weightOf = (tag: keyof typeof tags, i: number): number => Random.mix(16 * tags[tag] + i)

/** The weight of the command that an event stands for. */
const weightOfEvent = (plan: Plan.Plan, event: BootEvent.BootEvent): number => {
  const i = "component" in event ? plan.index.get(event.component)! : 0
  if (event._tag === "ComponentStarted") return weightOf("Start", i)
  if (event._tag === "ComponentInterrupted") return weightOf("Interrupt", i)
  if (event._tag === "ComponentStopping") return weightOf("Release", i)
  if (event._tag === "SwapStarted") return weightOf("Swap", i)
  if (event._tag === "BootEnded") return weightOf("End", 0)
  if (event._tag === "CheckpointReached") return event.checkpoint === "init_complete" ? weightOf("Persist", 0) : 0
  const isEndOfClosing = event._tag === "AttemptClosed" || event._tag === "ComponentStopped"
  return isEndOfClosing && event.closing === "abandoned" ? weightOf("Abandon", i) : 0
}

// --------------------------------------------------------------------------------------------------- each situation

/**
 * The auditor believes what the machine knows. While it runs, what is missing may be on its way, and is not asked for
 * its root cause.
 */
export const checkAgreement = ({ checker: c, state: s }: Situation, isRunning: boolean): void => {
  const { Status } = Progress
  for (let i = 0; i < s.status.length; i++) {
    const status = s.status[i]!
    const life = words[c.life[i]!]!
    const isQueued = status === Status.Queued
    // Nobody is told who is queued again, after a delay or to be restored, before it starts.
    const isRevived = isQueued && s.stage !== "booting"
    if (life !== lives[status] && !isRevived && !(isQueued && life === "delayed")) {
      object(`${i} is ${Progress.statusNames[status]}, and the auditor believes that it is ${life}.`)
    }
    const isOnItsWay = status > Status.Waiting && status <= Status.Backoff && !isRevived
    if (isOnItsWay && c.attempt[i] !== s.attempt[i]) object(`${i}: not the same attempt.`)
    if ((isOnItsWay || Progress.isUp(s, i)) && c.variant[i] !== s.variant[i]) object(`${i}: not the same variant.`)
    if (mayStop(s) && c.settled[i] !== s.settled[i]) object(`${i} has settled for one of two.`)
    if (!isRunning && !isExplained(c, i)) object(`${i} is gone without a root cause.`)
  }
  const marks = s.stage === "idle" ? 0 : s.phaseNow + 1
  if (mayStop(s) && c.marks !== marks) object(`${c.marks} checkpoints are told, and ${marks} reached.`)
  if ((s.takedown?.why ?? "") !== c.why) object(`Taken down: ${s.takedown?.why}, and told: ${c.why}.`)
  if (c.undecided > 0) object("An attempt is closed, and nothing follows from that.")
}

/** What the auditor calls each status, in the order of the numbers. */
const lives = "idle idle starting closing delayed up up absent skipped failed stopping stopped".split(" ")
/** What it knows, in the order of its own numbers. */
const words = "idle starting closing closed delayed up stopping stopped absent skipped failed".split(" ")

const isGone = (c: Invariants.Checker, i: number): boolean => c.life[i]! >= words.indexOf("absent")

const isExplained = (c: Invariants.Checker, i: number): boolean => {
  if (!isGone(c, i)) return true
  let at = i
  for (let steps = 0; steps <= c.cause.length; steps++) {
    if (!isGone(c, at)) return false
    if (c.cause[at]! < 0) return c.cause[at]! < -1
    at = c.cause[at]!
  }
  return false
}

/** What the machine counts is what there is. */
export const checkBooks = ({ state: s }: Situation): void => {
  const { Status } = Progress
  const { dependents, excluded, components, needs, phase } = s.plan
  let [running, unsettled, live, critical, down] = [0, 0, 0, 0, 0]
  const phaseLeft = [0, 0, 0, 0]
  for (let i = 0; i < s.status.length; i++) {
    const status = s.status[i]!
    if (status === Status.Running) running++
    if (Progress.isLive(s, i)) live++
    if (s.down[i]! > 0) down++
    if (s.settled[i] === 0) {
      unsettled++
      phaseLeft[phase[i]!]!++
      if (phase[i]! < 3 && components[i]!.severity === "critical" && !excluded[i]) critical++
    }
    let pending = 0
    for (const need of needs[i]!) if (s.settled[need] === 0) pending++
    if (pending !== s.pending[i]) object(`${i} is said to wait for ${s.pending[i]} needs, not ${pending}.`)
    const isLost = status === Status.Absent || status === Status.Skipped || status === Status.Failed
    if ((isLost || status === Status.Degraded) && s.reason[i] === undefined) object(`${i} has no reason.`)
    if ((status === Status.Queued) !== s.queue.includes(s.position[i]!)) object(`${i} and the queue do not agree.`)
    if (s.stage === "rollback" && Progress.isUp(s, i)) {
      const isHeld = dependents[i]!.some((dependent) => Progress.isLive(s, dependent))
      if (!isHeld) object(`Nothing holds ${i}, and it is not released.`)
    }
  }
  const { heap } = s.timers
  for (const [k, { kind, subject }] of heap.entries()) {
    const isTwice = heap.some((other, l) => l < k && other.kind === kind && other.subject === subject)
    if (isTwice) object(`Two timers of kind ${kind} count for ${subject < 0 ? "the boot" : subject}.`)
  }
  if (running !== s.running) object(`${s.running} attempts are said to run, and ${running} do.`)
  if (down !== s.byHand) object(`${s.byHand} are said to be on their way by hand, and ${down} are.`)
  if ((s.asked === undefined) !== (down === 0) && !s.swapping.includes(1)) object("Nobody knows who has asked for it.")
  if (s.settling.length > 0) object("Something has settled, and nobody was told.")
  if (s.stage === "rollback" && live !== s.up) object(`${s.up} are said to be live, and ${live} are.`)
  if (!mayStop(s)) return
  if (s.queue.length > 0 && running < s.limits.slots) object("Somebody waits for a slot, and one is free.")
  if (unsettled !== s.unsettled) object(`${s.unsettled} are said to be unsettled, and ${unsettled} are.`)
  if (critical !== s.criticalLeft) object(`${s.criticalLeft} critical ones are said to be left, not ${critical}.`)
  for (let p = 0; p < 4; p++) {
    if (phaseLeft[p] !== s.phaseLeft[p])
      object(`Of phase ${p}, ${s.phaseLeft[p]} are said to be left, not ${phaseLeft[p]}.`)
  }
}
