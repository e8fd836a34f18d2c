/**
 * What a boot is expected to take, said while it is under way: when the node will be up, and who is late already, by what
 * the boots before it took.
 *
 * **Details**
 *
 * A boot that is up within a second needs no forecast and pays for none: journals are only read after that, one by one,
 * and events are only kept until the boot has turned out one way or the other. Who is late is said once for each component,
 * with what it means for the whole.
 */
import { type BootEvent, Durations, Timeline, Words } from "@novacron/boot/model"
import { Clock, Duration, Effect, Result } from "effect"

import * as Boots from "./trace/Boots.ts"

/** Something to say between two events. */
export interface Remark {
  readonly event: "BootExpected" | "ComponentLate"
  readonly atMs: number
  readonly component?: string
  readonly text: string
  readonly facts: { readonly [fact: string]: number | ReadonlyArray<string> }
}

/** Knows a boot from its events. */
export interface Expected {
  readonly step: (event: BootEvent.BootEvent) => void
  /** Speaks up while the boot goes on; over when that is. */
  readonly watch: Effect.Effect<void>
}

/** How many boots are learned from, when the first forecast is made, and how often the boot is looked at. */
const limits = { lessons: 20, patience: Duration.seconds(1), pause: Duration.millis(250) } as const

/** What components took in the boots of a directory, without the one that is under way. */
export const learn = Effect.fnUntraced(function* (journals: string, ownId?: string) {
  const heads = Result.getOrElse(Boots.list(journals, limits.lessons + 1), () => [])
  const earlier = heads.filter(({ bootId, kind }) => kind === "boot" && bootId !== ownId).slice(0, limits.lessons)
  // A file at a time: whatever else goes on in the process goes on.
  const timelines = yield* Effect.forEach(earlier, ({ file }) =>
    Effect.map(Effect.yieldNow, () => {
      const opened = Boots.open(journals, file)
      return Result.isSuccess(opened) ? [Timeline.fromEvents(opened.success.events)] : []
    })
  )
  return Durations.learn(timelines.flat())
})

/** Looks at the boot whose journal is in this directory. */
export const make = (journals: string, say: (remark: Remark) => void): Expected => {
  let events: Array<BootEvent.BootEvent> = []
  let bootId = ""
  let isOver = false
  const step = (event: BootEvent.BootEvent): void => {
    if (isOver) return
    if (event._tag === "BootStarted") bootId = event.bootId
    isOver = over.has(event._tag)
    if (isOver) events = []
    else events.push(event)
  }
  const watch = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const monotonicMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const beganMs = monotonicMs()
    yield* Effect.sleep(limits.patience)
    if (isOver || bootId === "") return
    const durations = yield* learn(journals, bootId)
    if (durations.size === 0) return
    const fold = Timeline.make()
    const late = new Set<string>()
    for (let isFirst = true; !isOver; isFirst = false) {
      for (const event of events.splice(0)) Timeline.step(fold, event)
      const timeline = Timeline.read(fold, Math.max(fold.atMs, monotonicMs() - beganMs))
      const expected = Durations.eta(timeline, durations)
      if (isFirst && expected !== undefined) say(expectedRemark(timeline.atMs, expected))
      for (const one of Durations.late(timeline, durations)) {
        if (late.has(one.component)) continue
        late.add(one.component)
        say(lateRemark(timeline.atMs, one, expected))
      }
      yield* Effect.sleep(limits.pause)
    }
  })
  return { step, watch }
}

/** From here on there is nothing to expect. */
const over: ReadonlySet<string> = new Set<BootEvent.BootEvent["_tag"]>(["BootReady", "RollbackStarted", "BootEnded"])

const expectedRemark = (atMs: number, { expectedMs, lateMs, unknown }: Durations.Eta): Remark => ({
  event: "BootExpected",
  atMs,
  text:
    unknown.length === 0
      ? `expected up after ${Words.duration(expectedMs)}, after ${Words.duration(lateMs)} if it takes long`
      : `expected up after more than ${Words.duration(expectedMs)}: nothing is known of ${unknown.slice(0, 4).join(", ")}` +
        (unknown.length > 4 ? ` and ${unknown.length - 4} more` : ""),
  facts: { expected_ms: Math.round(expectedMs), late_ms: Math.round(lateMs), unknown: unknown.slice(0, 20) }
})

const lateRemark = (atMs: number, it: Durations.Late, expected: Durations.Eta | undefined): Remark => ({
  event: "ComponentLate",
  atMs,
  component: it.component,
  text:
    `late: at work for ${Words.duration(it.workMs)}, usually ${Words.duration(it.meanMs)}` +
    (expected === undefined ? "" : `; now expected up after ${Words.duration(expected.expectedMs)}`),
  facts: {
    work_ms: Math.round(it.workMs),
    mean_ms: Math.round(it.meanMs),
    deviations: Math.min(999, Math.round(it.deviations * 10) / 10)
  }
})
