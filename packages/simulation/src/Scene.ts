/**
 * Where a simulated boot of `Progress` takes place: what is there of each component, what it will do next and when,
 * and where chance comes from. `Cast` plays on it, `World` conducts and judges.
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import { type BootEvent, Invariants, type Plan, Progress } from "@novacron/boot/model"
import * as Agenda from "./Agenda.ts"
import type * as Odds from "./Odds.ts"
import * as Random from "./Random.ts"
import * as Snapshot from "./Snapshot.ts"

/** What there is of a component, by the world's own count. */
export const Hold = { nothing: 0, attempt: 1, up: 2, closing: 3 } as const

/** What a component does at its moment on the agenda. */
export const Next = { acquire: 0, answer: 1, fail: 2, quit: 3, close: 4 } as const

/** What becomes of an attempt. The order is that of the thresholds. */
export const Fate = { error: 0, unhealthy: 1, defect: 2, interruption: 3, hang: 4, slow: 5, fine: 6 } as const

/** The stage for boots of one plan. Make it with {@link make}; {@link clear} sets it up for the next boot. */
export interface Scene {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  readonly odds: Odds.Odds
  /** Components to which nothing happens. */
  readonly spared: ReadonlyArray<boolean>
  /** Below which draw each fate befalls an attempt. */
  readonly thresholds: ReadonlyArray<number>
  readonly names: Int32Array
  /** For each component what it does next, its swap and its health; then one slot for each of {@link Slot}. */
  readonly agenda: Agenda.Agenda
  readonly out: Progress.Output
  boots: number
  /** What machine and auditor are at the begin; empty until the second boot, because many scenes see only one. */
  fresh: ReadonlyArray<Snapshot.Snapshot>
  first: Pick<Scene, "state" | "checker"> | undefined

  // Of the boot at hand.
  state: Progress.State
  checker: Invariants.Checker
  log: Array<BootEvent.BootEvent> | undefined
  violation: Invariants.Violation | undefined
  atMs: number
  steps: number
  /** Faults have stopped. */
  calm: boolean
  /** Attempts that run. */
  attempts: number
  /** Seeds of chance by component; the last one is the world's. */
  readonly seeds: Int32Array
  readonly occasion: Int32Array
  readonly hold: Uint8Array
  readonly next: Uint8Array
  readonly fate: Uint8Array
  readonly variant: Uint8Array
  readonly attempt: Int32Array
  readonly swapTo: Uint8Array
  /** The last variant, if its attempt was left behind and may be alive, counted from 1; 0 for none. */
  readonly abandoned: Uint8Array
  readonly sick: Uint8Array
  /** Whether a restoration is to come, by the last word on it. */
  readonly restores: Uint8Array
  /** Whether an operator wanted it stopped, the last time. */
  readonly kept: Uint8Array
  readonly late: Array<Progress.Late | undefined>
}

/** Slots of the agenda that belong to no component, counted from behind those that do. */
export const Slot = { persisted: 0, stop: 1, restore: 2, hand: 3 } as const

/** The slot of something that belongs to no component. */
export const slotOf = (s: Scene, which: keyof typeof Slot): number => 3 * s.hold.length + Slot[which]

/** The component that stands for nobody: chance of the world as a whole is drawn in its name. */
export const nobody = (s: Scene): number => s.hold.length

/** A stage for boots of this plan under these limits, with these odds. */
export const make = (plan: Plan.Plan, limits: Progress.Limits, odds: Odds.Odds, spared: ReadonlySet<string>): Scene => {
  const n = plan.components.length
  const { defect, error, hang, interruption, slow, unhealthy } = odds
  let sum = 0
  return {
    plan,
    limits,
    odds,
    spared: plan.components.map(({ name }) => spared.has(name)),
    thresholds: [error, unhealthy, defect, interruption, hang, slow].map((p) => (sum += p)),
    names: Int32Array.from([...plan.components.map(({ name }) => Random.hash(name)), 0]),
    agenda: Agenda.make(3 * n + Object.keys(Slot).length),
    out: { events: [], commands: [] },
    boots: 0,
    fresh: [],
    first: undefined,
    state: Progress.make(plan, limits),
    checker: Invariants.make(plan, limits),
    log: undefined,
    violation: undefined,
    atMs: 0,
    steps: 0,
    calm: false,
    attempts: 0,
    seeds: new Int32Array(n + 1),
    occasion: new Int32Array(n + 1),
    hold: new Uint8Array(n),
    next: new Uint8Array(n),
    fate: new Uint8Array(n),
    variant: new Uint8Array(n),
    attempt: new Int32Array(n),
    swapTo: new Uint8Array(n),
    abandoned: new Uint8Array(n),
    sick: new Uint8Array(n),
    restores: new Uint8Array(n),
    kept: new Uint8Array(n),
    late: new Array<Progress.Late | undefined>(n).fill(undefined)
  }
}

/** Sets the stage up for a boot with the chance of this seed. */
export const clear = (s: Scene, seed: number, log: Array<BootEvent.BootEvent> | undefined): void => {
  if (s.boots++ === 1) {
    s.state = Progress.make(s.plan, s.limits)
    s.checker = Invariants.make(s.plan, s.limits)
    s.first = { state: Progress.make(s.plan, s.limits), checker: Invariants.make(s.plan, s.limits) }
    s.fresh = [Snapshot.link(s.state, s.first.state, apart), Snapshot.link(s.checker, s.first.checker, apart)]
  }
  for (const fresh of s.fresh) Snapshot.restore(fresh)
  if (s.first !== undefined) rewind(s, s.first)
  Agenda.clear(s.agenda)
  s.out.events.length = 0
  s.out.commands.length = 0
  s.log = log
  s.violation = undefined
  s.atMs = 0
  s.steps = 0
  s.calm = false
  s.attempts = 0
  const mixed = Random.mix(seed) ^ Random.mix((seed / 0x1_0000_0000) ^ 0x9e3779b9)
  for (let i = 0; i < s.names.length; i++) s.seeds[i] = Random.mix(s.names[i]! ^ mixed)
  s.occasion.fill(0)
  s.hold.fill(Hold.nothing)
  s.abandoned.fill(0)
  s.sick.fill(0)
  s.restores.fill(0)
  s.kept.fill(0)
}

/** By name what is no list: by key it takes as long as all lists together. What is not named here goes by key. */
const rewind = ({ checker: c, state: s }: Scene, { checker, state }: Pick<Scene, "state" | "checker">): void => {
  s.stage = state.stage
  s.atMs = state.atMs
  s.running = state.running
  s.unclean = state.unclean
  s.takedown = state.takedown
  s.late = state.late
  s.criticalLeft = state.criticalLeft
  s.unsettled = state.unsettled
  s.phaseNow = state.phaseNow
  s.up = state.up
  s.byHand = state.byHand
  s.asked = state.asked
  s.timers.freshMs = state.timers.freshMs
  s.timers.seq = state.timers.seq
  c.atMs = checker.atMs
  c.events = checker.events
  c.running = checker.running
  c.undecided = checker.undecided
  c.clean = checker.clean
  c.why = checker.why
  c.ended = checker.ended
  c.marks = checker.marks
  c.markMs = checker.markMs
  c.beganMs = checker.beganMs
  c.completeMs = checker.completeMs
  c.readyMs = checker.readyMs
  c.failedMs = checker.failedMs
  c.rollbackMs = checker.rollbackMs
  c.criticalLeft = checker.criticalLeft
  c.downFor = checker.downFor
}

/** What {@link rewind} sees to, and what never changes. */
const apart =
  "plan limits position byPosition toleranceMs stage atMs running unclean takedown late criticalLeft unsettled phaseNow up "
    .concat("byHand asked downFor freshMs seq events undecided clean why ended marks markMs beganMs completeMs ")
    .concat("readyMs failedMs rollbackMs")
    .split(" ")

/** Notes that a promise is broken; the first one counts. `i` is the component, or {@link nobody}. */
export const breaks = (s: Scene, invariant: keyof typeof Invariants.titles, i: number, message: string): void => {
  if (s.violation !== undefined) return
  const verdict = { invariant, title: Invariants.titles[invariant], atMs: s.atMs }
  const component = s.plan.components[i]?.name
  s.violation =
    component === undefined ? { ...verdict, message } : { ...verdict, component, message: `${component}: ${message}` }
}

/** Says what a component does next, and when. Among equal moments chance decides who is first. */
export const schedule = (s: Scene, i: number, next: number, atMs: number): void => {
  s.next[i] = next
  Agenda.set(s.agenda, i, atMs, draw(s, i) >> 11)
}

/** 32 bits of chance that depend on the seed, the component and how often it was asked for. */
export const draw = (s: Scene, i: number): number => Random.mix(s.seeds[i]! + Math.imul(++s.occasion[i]!, 0x9e3779b9))

/** True with probability `p`. */
export const happens = (s: Scene, i: number, p: number): boolean => (draw(s, i) >>> 0) * 2 ** -32 < p

/** The same for a fault: none is left when the faults have stopped, and none comes to whom is spared. */
export const occurs = (s: Scene, i: number, p: number): boolean => p > 0 && !s.calm && !s.spared[i] && happens(s, i, p)

/** Whole milliseconds from 0 to below `most`. */
export const someMs = (s: Scene, i: number, most: number): number => ((draw(s, i) >>> 0) * 2 ** -32 * most) | 0
