/**
 * A boot played again in thought: the same needs, phases and slots, other durations. So it is known what a faster
 * component would have won, and which component made one boot longer than another.
 *
 * **Details**
 *
 * A rehearsal knows of a component what it waited for, how long it ran, and when it left its slot to others, closing or
 * in backoff. When several may start and one slot is free, the attempt that began first in the boot begins first again.
 * What the driver itself takes is not rehearsed, so two rehearsals are compared with each other, and not with the clock.
 */
// `!` after an index: positions come from loops over the same arrays.
import * as Heap from "./Heap.ts"
import * as Phase from "./Phase.ts"
import type { State } from "./ReportView.ts"
import type { Lane, Timeline } from "./Timeline.ts"

/** What is rehearsed of a component. */
export interface Task {
  readonly name: string
  readonly phase: number
  /** Positions of what it waits for. */
  readonly needs: ReadonlyArray<number>
  readonly isCritical: boolean
  /** It waits for nobody, and nobody waits for it. */
  readonly isElsewhere: boolean
  /** Times with a slot, each followed by a time without one. */
  readonly work: ReadonlyArray<Stretch>
}

interface Stretch {
  readonly busyMs: number
  readonly idleMs: number
  /** Who goes first, the smaller number. */
  readonly turn: number
}

/** A boot that was rehearsed. */
export interface Rehearsed {
  readonly endMs: ReadonlyArray<number>
  readonly totalMs: number
  /** From the first to the last: each was released by the end of the one before it. */
  readonly path: ReadonlyArray<string>
}

/** Plays tasks on so many slots. `phased` makes each phase wait for all of those before it. */
export const play = (tasks: ReadonlyArray<Task>, slots: number, phased = false): Rehearsed => {
  const endMs = tasks.map(() => NaN)
  const releasedBy = tasks.map(() => -1)
  const next = tasks.map(() => 0)
  const dependents: ReadonlyArray<Array<number>> = tasks.map(() => [])
  const unmet = tasks.map(({ isElsewhere, needs }, i) => {
    const real = isElsewhere ? [] : [...new Set(needs)].filter((j) => !tasks[j]!.isElsewhere)
    for (const j of real) dependents[j]!.push(i)
    return real.length
  })
  const there = tasks.flatMap(({ isElsewhere }, i) => (isElsewhere ? [] : [i]))
  const left = Phase.all.map((_, rank) => there.filter((i) => tasks[i]!.phase === rank).length)
  const holdsPost = (i: number) => tasks[i]!.isCritical && tasks[i]!.phase !== Phase.rank.post
  let criticalLeft = there.filter(holdsPost).length
  const isOpen = (phase: number): boolean =>
    phased
      ? left.every((count, rank) => rank >= phase || count === 0)
      : phase === Phase.rank.pre || (left[0] === 0 && (phase !== Phase.rank.post || criticalLeft === 0))
  const held: ReadonlyArray<Array<number>> = Phase.all.map(() => [])
  const ready: Array<number> = []
  const turnOf = (i: number): number => tasks[i]!.work[next[i]!]?.turn ?? 0
  const soonest = (i: number, j: number) => (turnOf(i) - turnOf(j) || i - j) < 0
  const due: Array<{ readonly atMs: number; readonly i: number; readonly isBusy: boolean }> = []
  const earlier = (a: { atMs: number; i: number }, b: { atMs: number; i: number }) => (a.atMs - b.atMs || a.i - b.i) < 0
  let now = 0
  let running = 0
  let last = -1
  // What needs no slot ends at once, and may release others that end at once: a list, for a chain may be long.
  const ending: Array<number> = []

  const offer = (i: number): void => {
    if (tasks[i]!.work.length === 0) ending.push(i)
    else if (isOpen(tasks[i]!.phase)) Heap.push(ready, soonest, i)
    else held[tasks[i]!.phase]!.push(i)
  }
  const finish = (i: number): void => {
    const { phase, work } = tasks[i]!
    endMs[i] = now
    if (work.length > 0) last = i
    left[phase]!--
    if (holdsPost(i)) criticalLeft--
    for (const d of dependents[i]!) {
      releasedBy[d] = i
      if (--unmet[d]! === 0) offer(d)
    }
    held.forEach((waiting, rank) => {
      if (waiting.length === 0 || !isOpen(rank)) return
      for (const one of waiting.splice(0)) {
        releasedBy[one] = i
        Heap.push(ready, soonest, one)
      }
    })
  }
  const settle = (): void => {
    for (let i = ending.pop(); i !== undefined; i = ending.pop()) finish(i)
  }
  const advance = (i: number): void => {
    const { busyMs } = tasks[i]!.work[next[i]!]!
    running++
    Heap.push(due, earlier, { atMs: now + busyMs, i, isBusy: true })
  }

  const goOn = (i: number): void => {
    if (next[i]! < tasks[i]!.work.length) Heap.push(ready, soonest, i)
    else finish(i)
  }

  for (const i of there) if (unmet[i] === 0) offer(i)
  settle()
  for (;;) {
    while (running < slots && ready.length > 0) advance(Heap.pop(ready, soonest)!)
    const event = Heap.pop(due, earlier)
    if (event === undefined) break
    const { i } = event
    now = event.atMs
    if (event.isBusy) {
      running--
      const { idleMs } = tasks[i]!.work[next[i]!++]!
      if (idleMs > 0) Heap.push(due, earlier, { atMs: now + idleMs, i, isBusy: false })
      else goOn(i)
    } else goOn(i)
    settle()
  }
  const path: Array<string> = []
  for (let i = last; i >= 0; i = releasedBy[i]!) if (tasks[i]!.work.length > 0) path.push(tasks[i]!.name)
  return { endMs, totalMs: last < 0 ? 0 : endMs[last]!, path: path.reverse() }
}

// -------------------------------------------------------------------------------------------------- from a timeline

/** By how much a component's work is longer or shorter. */
type Factor = (name: string) => number

/** Lanes by the group they are inside of; "" for those that are inside of none. */
const roomsOf = (timeline: Timeline): ReadonlyMap<string, ReadonlyArray<Lane>> =>
  Map.groupBy(timeline.lanes, ({ group }) => group ?? "")

/** The tasks of a boot as it was, each as much longer as `factor` says. */
export const tasksOf = (timeline: Timeline, factor: Factor = () => 1): ReadonlyArray<Task> =>
  tasksIn(roomsOf(timeline), "", { fromMs: 0, toMs: timeline.report.durationMs }, slotsOf(timeline), factor)

const tasksIn = (
  rooms: ReadonlyMap<string, ReadonlyArray<Lane>>,
  room: string,
  within: { readonly fromMs: number; readonly toMs: number },
  slots: number,
  factor: Factor
): ReadonlyArray<Task> => {
  const lanes = rooms.get(room) ?? []
  const index = new Map(lanes.map(({ name }, i) => [name, i]))
  return lanes.map((lane) => {
    const stretches = workOf(lane, within)
    const inside = savedInside(rooms, lane, slots, factor)
    const own = factor(lane.name)
    return {
      name: lane.name,
      phase: Phase.rank[lane.phase],
      needs: lane.needs.flatMap((need) => index.get(need) ?? []),
      isCritical: lane.severity === "critical",
      isElsewhere: isElsewhere(lane),
      work: stretches.map(({ busyMs, idleMs, turn }, k) => ({
        turn,
        busyMs: Math.max(0, busyMs - (k === stretches.length - 1 ? inside : 0)) * own,
        idleMs: idleMs * own
      }))
    }
  })
}

const isElsewhere = ({ attempts, settledAtMs, state }: Lane): boolean =>
  state === "absent" && attempts.length === 0 && settledAtMs === 0

/** What a component did until it first settled, as stretches with a slot and pauses without one. */
const workOf = (
  { intervals, settledAtMs }: Lane,
  within: { readonly fromMs: number; readonly toMs: number }
): ReadonlyArray<Stretch> => {
  const work: Array<{ busyMs: number; idleMs: number; readonly turn: number }> = []
  const untilMs = Math.min(settledAtMs ?? Infinity, within.toMs)
  for (const { fromMs, state, toMs } of intervals) {
    if (fromMs < within.fromMs || fromMs >= untilMs) continue
    const ms = Math.min(toMs, untilMs) - fromMs
    const current = work.at(-1)
    if (state === "running") work.push({ busyMs: ms, idleMs: 0, turn: fromMs })
    else if (current !== undefined && (state === "closing" || state === "backoff")) current.idleMs += ms
  }
  return work
}

/** What the attempt of a group that brought it up would take less, if its members took what `factor` says. */
const savedInside = (
  rooms: ReadonlyMap<string, ReadonlyArray<Lane>>,
  group: Lane,
  slots: number,
  factor: Factor
): number => {
  const members = rooms.get(group.name)
  const attempt = group.attempts.findLast(({ fromMs }) => fromMs < (group.settledAtMs ?? Infinity))
  if (members === undefined || attempt === undefined || attempt.variant !== 0) return 0
  const scaled = tasksIn(rooms, group.name, attempt, slots, factor)
  const asItWas = tasksIn(rooms, group.name, attempt, slots, () => 1)
  return play(asItWas, slots).totalMs - play(scaled, slots).totalMs
}

const slotsOf = ({ report }: Timeline): number => Math.max(1, Math.floor(report.concurrency))

/**
 * Whether each phase waited for all of those before it: somebody was released by the end of the phases before its own,
 * and neither by a need nor by a gate of dataflow.
 */
const isPhased = ({ lanes }: Timeline): boolean => {
  const top = lanes.filter(({ group }) => group === null)
  const settledAtMs = new Map(top.map((lane) => [lane.name, lane.settledAtMs ?? Infinity]))
  const lastOf = (which: (lane: Lane) => boolean): number =>
    top.reduce((last, lane) => (which(lane) ? Math.max(last, lane.settledAtMs ?? Infinity) : last), 0)
  const before = Phase.all.map((_, rank) => lastOf(({ phase }) => Phase.rank[phase] < rank))
  const critical = lastOf(({ phase, severity }) => phase !== "post" && severity === "critical")
  return top.some(({ attempts, intervals, needs, phase }) => {
    const [first] = intervals
    if (attempts.length === 0 || first?.state !== "waiting" || phase === "pre") return false
    const dataflow = Math.max(
      0,
      before[1]!,
      phase === "post" ? critical : 0,
      ...needs.map((one) => settledAtMs.get(one) ?? 0)
    )
    return first.toMs > dataflow && first.toMs === before[Phase.rank[phase]]
  })
}

const rehearse = (timeline: Timeline, factor: Factor): Rehearsed =>
  play(tasksOf(timeline, factor), slotsOf(timeline), isPhased(timeline))

// ------------------------------------------------------------------------------------------------------------ what if

/** What would have been won. Times are milliseconds. */
export interface WhatIf {
  readonly bootId: string
  readonly factors: ReadonlyArray<{ readonly component: string; readonly factor: number }>
  /** Names that this boot does not have. */
  readonly unknown: ReadonlyArray<string>
  /** The boot as it was, and as it would have been. */
  readonly measuredMs: number
  readonly expectedMs: number
  /** Negative when it would have taken longer. */
  readonly wonMs: number
  /** What the boot as it was takes in the rehearsal: how far from the truth a rehearsal is. */
  readonly rehearsedMs: number
  readonly pathBefore: ReadonlyArray<string>
  readonly pathAfter: ReadonlyArray<string>
}

/**
 * How long the boot would have taken if components took so many times as long: 0.5 is half, 0 is nothing at all. Of a
 * boot that did not come up, how long it would have taken to its end. Factors that are negative or no number count as 1.
 */
export const whatIf = (timeline: Timeline, factors: ReadonlyMap<string, number>): WhatIf => {
  const names = new Set(timeline.lanes.map(({ name }) => name))
  const factor = (name: string): number => {
    const said = factors.get(name) ?? 1
    return Number.isFinite(said) && said >= 0 ? said : 1
  }
  const before = rehearse(timeline, () => 1)
  const after = rehearse(timeline, factor)
  const measuredMs = timeline.report.durationMs
  const wonMs = before.totalMs - after.totalMs
  return {
    bootId: timeline.report.bootId,
    factors: [...factors].map(([component, said]) => ({ component, factor: said })),
    unknown: [...factors.keys()].filter((name) => !names.has(name)),
    measuredMs,
    expectedMs: Math.max(0, measuredMs - wonMs),
    wonMs,
    rehearsedMs: before.totalMs,
    pathBefore: before.path,
    pathAfter: after.path
  }
}

// --------------------------------------------------------------------------------------------------------- difference

/** One component in both boots; null where it was not. Times are milliseconds of work. */
export interface Change {
  readonly component: string
  readonly aMs: number | null
  readonly bMs: number | null
  readonly deltaMs: number
  readonly stateA: State | null
  readonly stateB: State | null
  readonly onPathA: boolean
  readonly onPathB: boolean
}

/** How boot B differs from boot A. */
export interface Difference {
  readonly a: { readonly bootId: string; readonly durationMs: number; readonly outcome: string }
  readonly b: { readonly bootId: string; readonly durationMs: number; readonly outcome: string }
  /** Positive when B took longer. */
  readonly deltaMs: number
  /** The largest change first. */
  readonly components: ReadonlyArray<Change>
  readonly pathA: ReadonlyArray<string>
  readonly pathB: ReadonlyArray<string>
  /**
   * The component that moved the critical path: had it taken in the slower boot what it took in the faster one, that
   * boot would have been shorter by so much, and for no other component by more. Null when none accounts for anything.
   */
  readonly culprit: { readonly component: string; readonly explainsMs: number } | null
}

/** How many components are tried, those that changed most. */
const suspects = 24

/** Compares two boots, component by component. */
export const difference = (a: Timeline, b: Timeline): Difference => {
  const [inA, inB] = [a, b].map(({ lanes }) => new Map(lanes.map((lane) => [lane.name, lane])))
  const names = [...new Set([...a.lanes, ...b.lanes].map(({ name }) => name))]
  const components = names
    .map((component): Change => {
      const [one, other] = [inA?.get(component), inB?.get(component)]
      return {
        component,
        aMs: one?.workMs ?? null,
        bMs: other?.workMs ?? null,
        deltaMs: (other?.workMs ?? 0) - (one?.workMs ?? 0),
        stateA: one?.state ?? null,
        stateB: other?.state ?? null,
        onPathA: one?.onCriticalPath ?? false,
        onPathB: other?.onCriticalPath ?? false
      }
    })
    .sort((one, other) => Math.abs(other.deltaMs) - Math.abs(one.deltaMs) || (one.component < other.component ? -1 : 1))
  return {
    a: { bootId: a.report.bootId, durationMs: a.report.durationMs, outcome: a.report.outcome },
    b: { bootId: b.report.bootId, durationMs: b.report.durationMs, outcome: b.report.outcome },
    deltaMs: b.report.durationMs - a.report.durationMs,
    components,
    pathA: a.report.criticalPath,
    pathB: b.report.criticalPath,
    culprit: culprit(a, b, components)
  }
}

const culprit = (a: Timeline, b: Timeline, components: ReadonlyArray<Change>): Difference["culprit"] => {
  const isLonger = b.report.durationMs >= a.report.durationMs
  const slower = isLonger ? b : a
  const unchanged = rehearse(slower, () => 1).totalMs
  let found: Difference["culprit"] = null
  for (const { aMs, bMs, component } of components.slice(0, suspects)) {
    const [slowMs, fastMs] = isLonger ? [bMs, aMs] : [aMs, bMs]
    if (slowMs === null || slowMs <= (fastMs ?? 0)) continue
    const factor = (fastMs ?? 0) / slowMs
    const explainsMs = unchanged - rehearse(slower, (name) => (name === component ? factor : 1)).totalMs
    if (explainsMs > 1e-6 && explainsMs > (found?.explainsMs ?? 0)) found = { component, explainsMs }
  }
  return found
}
