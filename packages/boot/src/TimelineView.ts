/**
 * A timeline for people: a Gantt chart as text, SVG or a page, what-if and difference as sentences. For other tools, as
 * OTLP and for Perfetto, it is told by `TimelineSpans.ts`, to which this is the door; as JSON a timeline is what it is.
 *
 * **Details**
 *
 * The chart goes until READY, or until the end of the rollback of a boot that never was ready. Components stand in the
 * order in which they began, members below their group. `*` is the critical path.
 *
 * **Example**
 *
 * ```ts
 * TimelineView.toText(timeline, { width: 100, durations })
 * TimelineView.toHtml(timeline)
 * for (const request of TimelineView.toOtlp(timeline)) post(request)
 * ```
 */
import * as Count from "./Count.ts"
import type { Durations, Prediction } from "./Durations.ts"
import { eta, late } from "./Durations.ts"
import * as Gantt from "./Gantt.ts"
import * as GanttPage from "./GanttPage.ts"
import type { Difference, WhatIf } from "./Rehearsal.ts"
import type { State } from "./ReportView.ts"
import type { Attempt, Lane, Timeline } from "./Timeline.ts"
import { untilMs } from "./TimelineSpans.ts"
import * as Words from "./Words.ts"

export {
  type OtlpRequest,
  type OtlpSpan,
  type PerfettoTrace,
  spanId,
  toOtlp,
  toPerfetto,
  traceId
} from "./TimelineSpans.ts"

/** What a view may know besides the boot itself. */
export interface Options {
  /** What components take as a rule: who is late, and when the boot will be up. */
  readonly durations?: Durations
  /** How many components are shown; of a larger boot, what is critical, went wrong or took long. Default: 200. */
  readonly rows?: number
}

/** The chart as lines, with no colours unless they are asked for. */
export const toText = (timeline: Timeline, options: Options & Gantt.TextOptions = {}): string =>
  Gantt.toText(toChart(timeline, options), options)

/** The chart as a page that is complete in itself. Up to 1,000 components unless `rows` says otherwise. */
export const toHtml = (timeline: Timeline, options: Options = {}): string =>
  GanttPage.toHtml(toChart(timeline, { rows: 1_000, ...options }))

/** The chart as a picture. Up to 1,000 components unless `rows` says otherwise. */
export const toSvg = (timeline: Timeline, options: Options = {}): string =>
  GanttPage.toSvg(toChart(timeline, { rows: 1_000, ...options }))

/** The timeline as a chart. */
export const toChart = (timeline: Timeline, { durations, rows = 200 }: Options = {}): Gantt.Chart => {
  const { report } = timeline
  const endMs = untilMs(timeline)
  const shown = new Set(Gantt.pick(timeline.lanes, rows, weightOf))
  const lanes = inOrder(timeline.lanes.filter((lane) => shown.has(lane)))
  return {
    title: [`boot ${report.bootId}`, report.nodeId, report.environment].filter((text) => text !== "").join(" · "),
    lines: [summary(timeline), ...soon(timeline, durations)],
    footnotes: [...lateNotes(timeline, durations), ...rollbackNote(timeline), ...restorationNotes(timeline)],
    fromMs: 0,
    toMs: endMs,
    marks: report.checkpoints.map(({ atMs, checkpoint }) => ({ atMs, text: checkpoint })),
    rows: lanes.map((lane) => toRow(lane, endMs)),
    omitted: timeline.lanes.length - lanes.length
  }
}

/** What is critical or went wrong is shown before what only took long. */
const weightOf = (lane: Lane): number =>
  (lane.onCriticalPath ? 2e15 : 0) + (isWrong(lane) ? 1e15 : 0) + Math.min(1e14, lane.workMs)

const isWrong = ({ attempts, marks, state }: Lane): boolean =>
  state === "failed" ||
  state === "degraded" ||
  attempts.some(({ failure }) => failure !== null) ||
  marks.some(({ kind }) => kind === "failed" || kind === "degraded")

/** By begin, members below their group; a member whose group is not shown stands alone. */
const inOrder = (lanes: ReadonlyArray<Lane>): ReadonlyArray<Lane> => {
  const names = new Set(lanes.map(({ name }) => name))
  const rooms = Map.groupBy(lanes, ({ group }) => (group !== null && names.has(group) ? group : ""))
  const begin = ({ attempts, settledAtMs }: Lane): number => attempts[0]?.fromMs ?? settledAtMs ?? Infinity
  const sorted = (room: string) =>
    (rooms.get(room) ?? []).toSorted((a, b) => {
      const [first, second] = [begin(a), begin(b)]
      return first === second ? (a.name < b.name ? -1 : 1) : first - second
    })
  const ordered: Array<Lane> = []
  // A list of what is still to be shown, for groups may be inside of groups without end.
  const open = sorted("").toReversed()
  for (let lane = open.pop(); lane !== undefined; lane = open.pop()) {
    ordered.push(lane)
    open.push(...sorted(lane.name).toReversed())
  }
  return ordered
}

const paints: { readonly [S in State]: Gantt.Paint } = {
  waiting: "waiting",
  queued: "queued",
  running: "running",
  closing: "closing",
  backoff: "backoff",
  ready: "up",
  degraded: "degraded",
  absent: "gone",
  skipped: "gone",
  failed: "gone",
  stopping: "stopping",
  stopped: "gone"
}

const toRow = (lane: Lane, endMs: number): Gantt.Row => ({
  name: lane.name,
  depth: lane.group === null ? 0 : lane.name.split("/", 9).length - 1,
  bars: lane.intervals
    .filter(({ fromMs }) => fromMs < endMs)
    .map(({ fromMs, state, toMs }) => ({ paint: paints[state], fromMs, toMs: Math.min(toMs, endMs) })),
  isCritical: lane.onCriticalPath,
  isWrong: isWrong(lane),
  note: noteOf(lane),
  facts: factsOf(lane)
})

/** `3.1 s`, `569 ms on its fallback memory`, `skipped: it needs index` */
const noteOf = ({ attempts, marks, settledAtMs, state, workMs }: Lane): string => {
  const took = attempts.length === 0 ? [] : [Words.duration(workMs)]
  const said = marks.findLast(
    ({ atMs, kind }) =>
      atMs === settledAtMs && (kind === "degraded" || kind === "absent" || kind === "skipped" || kind === "failed")
  )
  const now = settledAtMs === null && state !== "waiting" ? [state] : []
  return [...took, ...(said === undefined ? now : [said.text])].join(" ")
}

/** How many lines a row has at the most. */
const mostFacts = 40

const factsOf = (lane: Lane): ReadonlyArray<string> => {
  const { attempts, intervals, marks, needs, phase, severity, state } = lane
  const spent = new Map<State, number>()
  for (const one of intervals) spent.set(one.state, (spent.get(one.state) ?? 0) + one.toMs - one.fromMs)
  const times = (["waiting", "queued", "running", "closing", "backoff"] as const).flatMap((one) => {
    const ms = spent.get(one)
    return ms === undefined ? [] : [`${one} ${Words.duration(ms)}`]
  })
  const named = needs.slice(0, 30).join(", ")
  const shown = attempts.slice(0, mostFacts).map(attemptFact)
  const others = marks.filter(({ kind }) => kind !== "retry").slice(-mostFacts)
  const more = attempts.length - shown.length
  return [
    `${phase}, ${severity}, ${state}`,
    ...(needs.length === 0 ? [] : [`needs ${named}${needs.length > 30 ? ` and ${needs.length - 30} more` : ""}`]),
    ...(times.length === 0 ? [] : [times.join(", ")]),
    ...shown,
    ...(more === 0 ? [] : [`and ${more} more attempts`]),
    ...others.map(({ atMs, text }) => `at ${Words.duration(atMs)} ${text}`)
  ]
}

const attemptFact = ({ attempt, failure, fromMs, interrupted, name, retryInMs, toMs, variant }: Attempt): string => {
  const which = `attempt ${attempt}${variant === 0 ? "" : ` of ${name}`}`
  const took = `at ${Words.duration(fromMs)} for ${Words.duration(toMs - fromMs)}`
  const why = failure === null ? (interrupted ? ", was told to stop" : "") : `, ${failure.tag}: ${failure.message}`
  return `${which} ${took}${why}${retryInMs === null ? "" : `; again in ${Words.duration(retryInMs)}`}`
}

// -------------------------------------------------------------------------------------------------------- sentences

const summary = ({ atMs, report }: Timeline): string => {
  const { criticalPathMs, durationMs, outcome, overheadMs, readyAtMs } = report
  const overhead = criticalPathMs > 0 ? Math.round((1_000 * overheadMs) / criticalPathMs) / 10 : 0
  const state =
    outcome === "booting" ? `booting for ${Words.duration(atMs)}` : `${outcome} after ${Words.duration(durationMs)}`
  return [
    readyAtMs !== null && outcome === "stopped" ? `ready in ${Words.duration(readyAtMs)}, stopped` : state,
    `critical path ${Words.duration(criticalPathMs)}`,
    ...(readyAtMs === null ? [] : [`overhead ${overhead} %`]),
    `${report.concurrency} slots`,
    ...(report.startedAt === "" ? [] : [report.startedAt])
  ].join(" · ")
}

const soon = (timeline: Timeline, durations: Durations | undefined): ReadonlyArray<string> => {
  const end = durations === undefined || durations.size === 0 ? undefined : eta(timeline, durations)
  if (end === undefined) return []
  const left = Words.duration(Math.max(0, end.expectedMs - timeline.atMs))
  const unknown = end.unknown.length === 0 ? "" : `, without ${listed(end.unknown)}, of which nothing is known`
  return [`up in about ${left}, after ${Words.duration(end.expectedMs)} to ${Words.duration(end.lateMs)}${unknown}`]
}

const lateNotes = (timeline: Timeline, durations: Durations | undefined): ReadonlyArray<string> =>
  durations === undefined
    ? []
    : late(timeline, durations)
        .slice(0, 8)
        .map(({ component, deviations, meanMs, workMs }) => {
          const by = Math.min(999, Math.round(deviations * 10) / 10)
          return `${component} is late: ${Words.duration(workMs)}, usually ${Words.duration(meanMs)} (${by} deviations)`
        })

const rollbackNote = ({ report: { rollback } }: Timeline): ReadonlyArray<string> => {
  if (rollback === null) return []
  const because = rollback.because === "" ? "" : ` because of ${rollback.because}`
  const what = `${Count.of(rollback.components, "component")} in ${Words.duration(rollback.durationMs)}`
  const what2 = rollback.clean ? "all clean" : "not all clean"
  return [`taken down after ${Words.duration(rollback.startedAtMs)} (${rollback.why}${because}): ${what}, ${what2}`]
}

const restorationNotes = ({ restorations }: Timeline): ReadonlyArray<string> => {
  const shown = restorations.slice(-8)
  const more = restorations.length - shown.length
  return [
    ...(more === 0 ? [] : [`and ${more} restorations before these`]),
    ...shown.map(({ component, failure, fromMs, outcome, toMs, variant }) => {
      const what = variant === 0 ? `${component} was built again` : `${component} gave way to its fallback`
      const came = { completed: "", failed: " in vain", "goes on": ", which goes on" }[outcome]
      const why = failure === null ? "" : `: ${failure.tag} ${failure.message}`
      return `${what} after ${Words.duration(fromMs)}${came} in ${Words.duration(toMs - fromMs)}${why}`
    })
  ]
}

/** What would have been won, in a few lines. */
export const whatIfText = (it: WhatIf): string => {
  const { expectedMs, factors, measuredMs, pathAfter, pathBefore, rehearsedMs, wonMs } = it
  const asked = factors.map(({ component, factor }) => `${component} × ${factor}`).join(", ")
  const won =
    Math.abs(wonMs) < 0.05 ? "nothing" : wonMs > 0 ? `${Words.duration(wonMs)} less` : `${Words.duration(-wonMs)} more`
  const isMoved = pathAfter.join("\n") !== pathBefore.join("\n")
  return [
    `with ${asked}: ${Words.duration(expectedMs)} in place of ${Words.duration(measuredMs)}, ${won}`,
    `  critical path ${isMoved ? "then" : "as before"}: ${arrows(pathAfter)}`,
    `  rehearsed: the boot as it was takes ${Words.duration(rehearsedMs)} in the rehearsal, without what the driver takes`
  ]
    .map((line) => Words.visible(line, 2_000))
    .join("\n")
}

/** How two boots differ, the culprit first. */
export const differenceText = (it: Difference, rows = 12): string => {
  const { a, b, culprit, deltaMs } = it
  const faster = deltaMs > 0 ? "longer" : "shorter"
  const by = Math.abs(deltaMs) < 0.05 ? "the same" : `${Words.duration(Math.abs(deltaMs))} ${faster}`
  const changed = it.components.filter(({ deltaMs: ms, stateA, stateB }) => Math.abs(ms) >= 0.05 || stateA !== stateB)
  const width = Math.min(40, Math.max(0, ...changed.slice(0, rows).map(({ component }) => Gantt.columnsOf(component))))
  const time = (ms: number | null) => (ms === null ? "–" : Words.duration(ms)).padStart(9)
  const line = ({
    aMs,
    bMs,
    component,
    deltaMs: ms,
    onPathA,
    onPathB,
    stateA,
    stateB
  }: Difference["components"][number]) => {
    const name = Words.visible(component, 40)
    const sign = ms < 0 ? "-" : "+"
    const states = stateA === stateB ? "" : `  ${stateA ?? "not declared"} → ${stateB ?? "not declared"}`
    const path = onPathA || onPathB ? `  ${onPathA ? "*" : " "}→${onPathB ? "*" : " "}` : ""
    const delta = `${sign}${Words.duration(Math.abs(ms))}`.padStart(10)
    return `  ${name}${" ".repeat(Math.max(0, width - name.length))} ${time(aMs)} →${time(bMs)} ${delta}${path}${states}`
  }
  return [
    `${named(a)} → ${named(b)}: ${by}`,
    culprit === null
      ? "no single component moved the critical path"
      : `${culprit.component} moved the critical path: it accounts for ${Words.duration(culprit.explainsMs)}`,
    ...changed.slice(0, rows).map(line),
    ...(changed.length > rows ? [`  and ${changed.length - rows} more`] : []),
    `  critical path before: ${arrows(it.pathA)}`,
    `  critical path after:  ${arrows(it.pathB)}`
  ]
    .map((text) => Words.visible(text, 2_000))
    .join("\n")
}

const named = ({ bootId, durationMs, outcome }: Difference["a"]): string =>
  `${bootId} (${outcome}, ${Words.duration(durationMs)})`

/** What a plan will take, in a line or two. */
export const predictionText = ({ expectedMs, lateMs, path, unknown }: Prediction): string =>
  [
    `expected to be up after ${Words.duration(expectedMs)}, after ${Words.duration(lateMs)} when everything takes long`,
    `  critical path: ${arrows(path)}`,
    ...(unknown.length === 0 ? [] : [`  nothing is known of ${listed(unknown)}`])
  ]
    .map((text) => Words.visible(text, 2_000))
    .join("\n")

const arrows = (names: ReadonlyArray<string>): string => {
  const shown = names.length > 12 ? [...names.slice(0, 6), "…", ...names.slice(-5)] : names
  return shown.length === 0 ? "nothing" : shown.map((name) => Words.visible(name, 60)).join(" → ")
}

const listed = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}`
