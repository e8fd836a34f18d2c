/**
 * A world for `Progress` alone: it answers commands as components, clocks and operators would, in virtual time, with
 * chance from a seed, and lets the auditor read every event. Nothing is forked and nothing waits, so a boot of
 * nineteen components takes some twenty microseconds.
 *
 * **Details**
 *
 * The driver of the kernel is left out; what it may say is played by `Cast`. Judged are: every event, by `Invariants`;
 * every command, by whether it can be carried out; that nobody ever waits for nothing; and that once the faults stop,
 * everything with a restoration to come is up again.
 *
 * Chance is drawn by seed, component and occasion: a component that is left out, or spared, changes nothing for
 * others.
 *
 * **Example**
 *
 * ```ts
 * const world = World.make(plan, Progress.defaultLimits, Odds.usual)
 * for (let seed = 0; seed < 100_000; seed++) assert.isUndefined(World.boot(world, seed).violation)
 * ```
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import { type BootEvent, Invariants, Plan, Progress } from "@novacron/boot/model"
import * as Agenda from "./Agenda.ts"
import * as Cast from "./Cast.ts"
import * as Odds from "./Odds.ts"
import { breaks, clear, draw, happens, Hold, make as makeScene, nobody, type Scene, slotOf, someMs } from "./Scene.ts"

/** How a boot went. */
export interface Run {
  /** How it ended; while it runs, whether everything is up as declared. */
  readonly outcome: "ready" | "degraded" | "failed" | "cancelled" | "stopped"
  /** Virtual milliseconds until nothing was left to happen. */
  readonly timeMs: number
  /** How many facts the machine was told. */
  readonly steps: number
  /** The first promise that was broken. */
  readonly violation: Invariants.Violation | undefined
}

/** A world for boots of one plan. Make it with {@link make}; each {@link boot} begins anew. */
export interface World {
  readonly scene: Scene
  /** Within so many milliseconds everything has settled, or is being taken down. */
  readonly worstCaseMs: number
}

/** A world in which this plan is booted under these limits, with these odds; to who is spared nothing happens. */
export const make = (
  plan: Plan.Plan,
  limits: Progress.Limits,
  odds: Odds.Odds = Odds.usual,
  spared: ReadonlySet<string> = new Set()
): World => {
  const longestStopMs = plan.components.reduce((most, { stopMs }) => Math.max(most, stopMs), 0)
  return {
    scene: makeScene(plan, limits, odds, spared),
    worstCaseMs: Math.min(Plan.worstCaseMs(plan, limits), limits.bootMs + longestStopMs)
  }
}

/** One boot. The same seed gives the same run; its events are appended to `log` if there is one. */
export const boot = (world: World, seed: number, log?: Array<BootEvent.BootEvent>): Run => {
  const { scene } = world
  clear(scene, seed, log)
  try {
    conduct(world)
  } catch (defect) {
    const message = defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)
    breaks(scene, 0, nobody(scene), `Progress throws: ${message}`)
  }
  return { outcome: outcomeOf(scene), timeMs: scene.atMs, steps: scene.steps, violation: scene.violation }
}

/** One boot in a world of its own, with all of its events. */
export const run = (
  plan: Plan.Plan,
  limits: Progress.Limits,
  options: { readonly seed: number; readonly odds?: Odds.Odds; readonly spared?: ReadonlySet<string> }
): Run & { readonly events: ReadonlyArray<BootEvent.BootEvent> } => {
  const events: Array<BootEvent.BootEvent> = []
  return { ...boot(make(plan, limits, options.odds, options.spared), options.seed, events), events }
}

// ---------------------------------------------------------------------------------------------------------- the story

/** After so long the faults stop, in virtual milliseconds. */
const calmAfterMs = 60_000

const conduct = ({ scene, worstCaseMs }: World): void => {
  const { agenda, odds, state } = scene
  const size = scene.hold.length
  begin(scene)
  while (scene.violation === undefined && state.stage !== "ended") {
    if (scene.atMs > calmAfterMs || scene.steps > 100 * size + 1_000) scene.calm = true
    if (scene.steps > 200 * size + 5_000) return breaks(scene, 18, size, "The boot never comes to rest.")
    const slot = Agenda.first(agenda)
    const dueMs = Agenda.dueMs(agenda, slot)
    const wakeMs = dueMs < Progress.noWakeBeforeMs(state) ? Agenda.never : (Progress.nextWakeMs(state) ?? Agenda.never)
    if (wakeMs === Agenda.never && dueMs === Agenda.never) {
      if (state.stage !== "ready") return breaks(scene, 18, size, `The boot is ${state.stage}, and waits for nothing.`)
      checkRest(scene)
      if (!happens(scene, size, odds.stopAtRest)) break
      tell(scene, { _tag: "Stop", atMs: scene.atMs, because: "at rest" })
    } else if (wakeMs < dueMs || (wakeMs === dueMs && (draw(scene, size) & 1) === 1)) {
      scene.atMs = wakeMs | 0
      tell(scene, { _tag: "Tick", atMs: scene.atMs })
    } else {
      scene.atMs = dueMs
      const fact = Cast.happen(scene, slot)
      if (fact !== undefined) tell(scene, fact)
    }
  }
  scene.violation ??= Invariants.checkLiveness(scene.checker, { worstCaseMs })
  if (state.stage === "ended") scene.violation ??= Invariants.finish(scene.checker)
}

/** The boot begins, or its settings are wrong; somebody may have thought better of it before. */
const begin = (scene: Scene): void => {
  const { odds } = scene
  const all = nobody(scene)
  if (odds.restore > 0 && happens(scene, all, odds.restore)) {
    Agenda.set(scene.agenda, slotOf(scene, "restore"), someMs(scene, all, 10_000))
  }
  if (odds.hand > 0 && happens(scene, all, odds.hand)) {
    Agenda.set(scene.agenda, slotOf(scene, "hand"), someMs(scene, all, 10_000))
  }
  if (odds.stop > 0 && happens(scene, all, odds.stop)) {
    if (happens(scene, all, 0.05)) tell(scene, { _tag: "Stop", atMs: 0, because: "told to stop before it began" })
    const soonMs = happens(scene, all, 0.5) ? 100 : 5_000
    Agenda.set(scene.agenda, slotOf(scene, "stop"), someMs(scene, all, soonMs))
  }
  if (odds.invalid > 0 && happens(scene, all, odds.invalid)) {
    const failures = new Map([[0, Cast.errors.error]])
    for (let i = 1; i < all; i++) if (happens(scene, i, 0.2)) failures.set(i, Cast.errors.error)
    tell(scene, { _tag: "Invalid", atMs: 0, failures })
  } else tell(scene, { _tag: "Begin", atMs: 0 })
}

/** Tells the machine a fact, has its events judged, and lets its commands be carried out. */
const tell = (scene: Scene, fact: Progress.Input): void => {
  const { commands, events } = scene.out
  scene.steps++
  Progress.advance(scene.state, fact, scene.out)
  for (let at = 0; at < events.length; at++) {
    const event = events[at]!
    if (scene.log !== undefined) scene.log.push(event)
    const violation = Invariants.check(scene.checker, event)
    if (violation !== undefined) scene.violation ??= violation
  }
  for (let at = 0; at < commands.length; at++) Cast.execute(scene, commands[at]!)
  // A list whose length is set to 0 gives up its memory; one that is emptied item by item keeps it.
  while (events.length > 0) events.pop()
  while (commands.length > 0) commands.pop()
  checkWakeUps(scene)
}

// ------------------------------------------------------------------------------------------------------------ verdicts

/** Whoever can go on does so at once: what has settled was told, and no slot is free while somebody waits for one. */
const checkWakeUps = (scene: Scene): void => {
  const { queue, running, settling, stage } = scene.state
  if (settling.length > 0) breaks(scene, 18, settling[0]!, "It has settled, and nobody was told.")
  if (queue.length > 0 && running < scene.limits.slots && (stage === "booting" || stage === "ready")) {
    breaks(scene, 18, nobody(scene), "A component waits for a slot, and one is free.")
  }
}

/** Nothing happens any more, and the faults have stopped or run out: what can be up is up. */
const checkRest = (scene: Scene): void => {
  const { abandoned, hold, kept, plan, restores, state } = scene
  if (state.byHand > 0) breaks(scene, 19, nobody(scene), "What was asked for by hand is not over, and nothing happens.")
  for (let i = 0; i < hold.length; i++) {
    const status = state.status[i]!
    if (plan.excluded[i] || status === Progress.Status.Ready) continue
    const isDue =
      status === Progress.Status.Stopped
        ? kept[i] === 0 && abandoned[i] === 0
        : status === Progress.Status.Skipped || restores[i] === 1
    const couldBe = isDue && plan.hard[i]!.every((need) => Progress.isUp(state, need))
    if (couldBe) breaks(scene, 18, i, `It rests as ${Progress.statusNames[status]}, and could be ready.`)
    if (!Progress.isUp(state, i) && hold[i] !== Hold.nothing)
      breaks(scene, 6, i, "It is not up, and it is still there.")
  }
}

const outcomeOf = ({ plan, state }: Scene): Run["outcome"] => {
  if (state.takedown !== undefined) return state.takedown.why === "deadline" ? "failed" : state.takedown.why
  const isUp = (status: number, i: number) => status === Progress.Status.Ready || plan.excluded[i]!
  return state.status.every(isUp) ? "ready" : "degraded"
}
