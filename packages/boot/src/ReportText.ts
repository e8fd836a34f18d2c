/**
 * A report as text, for the end of a boot. It holds no colours and no control characters, whatever the messages of errors
 * hold.
 *
 * **Example**
 *
 * ```ts
 * Report.text(report) // => "…\nREADY (degraded: cache) in 231 ms · critical path 227 ms · overhead 1.8 %"
 * ```
 */
import * as Count from "./Count.ts"
import { because, groupOf, isBusy, type Scene, scene, spanMs } from "./Reasons.ts"
import type { Component, Report, State } from "./ReportView.ts"
import * as Words from "./Words.ts"

/** What a person reads at the end, the most important line last; of a failed boot, what to do. */
export const text = (report: Report): string =>
  linesOf(report)
    .map((line) => Words.visible(line).trimEnd())
    .join("\n")

const linesOf = (report: Report): ReadonlyArray<string> => {
  switch (report.outcome) {
    case "booting":
      return [...table(report), bootingLine(report)]
    case "ready":
    case "degraded":
      return [...table(report), ...phaseLine(report), readyLine(report)]
    case "failed":
      return failed(report)
    case "cancelled":
      return closed(report, "BOOT CANCELLED")
    case "stopped":
      return closed(report, "STOPPED")
  }
}

/** How many rows a table has at the most, and names a list. */
const limit = { rows: 60, names: 4, attempts: 8 } as const

const table = (report: Report): ReadonlyArray<string> => {
  const top = report.components.filter(isTop)
  const path = new Set(report.criticalPath)
  const at = scene(report)
  // Of a large boot, what went wrong and what took long.
  const some = top.filter(({ name, state }) => state !== "ready" || path.has(name)).slice(0, limit.rows)
  const shown = (top.length <= limit.rows ? top : some).toSorted(
    (a, b) => (a.settledAtMs ?? Infinity) - (b.settledAtMs ?? Infinity) || (a.name < b.name ? -1 : 1)
  )
  const width = Math.max(0, ...shown.map(({ name }) => name.length))
  const more = top.length - shown.length
  const rows = shown.map((component) => {
    const { backoffMs, name, runningMs, startedAtMs, state } = component
    const took = startedAtMs === null ? "" : Words.duration(runningMs + backoffMs)
    return `  ${mark[state] ?? "·"} ${name.padEnd(width)}  ${took.padStart(7)}   ${remark(at, component)}`
  })
  return more === 0 ? rows : [...rows, `    and ${Count.of(more, "more component")}`]
}

const mark: { readonly [S in State]?: string } = { ready: "✓", degraded: "~", absent: "-", skipped: "-", failed: "✗" }

const remark = (at: Scene, component: Component): string => {
  const { fallback, needs, state } = component
  if (state !== "ready" && component.reason !== null) {
    return `${state === "degraded" ? `on its fallback ${fallback ?? "?"}` : state}: ${because(at, component)}`
  }
  return `${state === "ready" ? "" : `${state} `}${needs.length === 0 ? "" : `← ${list(needs)}`}`
}

const readyLine = ({ components, criticalPathMs, durationMs, overheadMs }: Report): string => {
  const parts = (["degraded", "absent", "skipped"] as const).flatMap((state) =>
    titled(state, components, (one) => one.state === state && one.reason?._tag !== "Environment")
  )
  const overhead = criticalPathMs === 0 ? 0 : (100 * overheadMs) / criticalPathMs
  return [
    `READY${parts.length === 0 ? "" : ` (${parts.join("; ")})`} in ${Words.duration(durationMs)}`,
    `critical path ${Words.duration(criticalPathMs)}`,
    `overhead ${round(overhead, 1)} %`
  ].join(" · ")
}

/** What each phase had of the time, when there was more than one. */
const phaseLine = ({ components, phases }: Report): ReadonlyArray<string> => {
  const begun = phases.filter(({ phase }) => components.some((one) => one.phase === phase))
  if (begun.length < 2) return []
  const each = begun.map(({ durationMs, overTarget, phase, share }) => {
    const of = `${phase} ${Words.duration(durationMs)} (${round(100 * share, 0)} %)`
    return overTarget ? `${of}, over its target` : of
  })
  return [`  phases: ${each.join(" · ")}`]
}

const isTop = ({ name }: Component): boolean => groupOf(name) === undefined

/** `degraded: cache, search`; nothing when there is nobody like that. */
const titled = (
  title: string,
  components: ReadonlyArray<Component>,
  isLike: (one: Component) => boolean
): ReadonlyArray<string> => {
  const found = components.filter((one) => isTop(one) && isLike(one))
  return found.length === 0 ? [] : [`${title}: ${list(found.map(({ name }) => name))}`]
}

const bootingLine = ({ atMs, components }: Report): string => {
  const open = components.filter(({ settledAtMs }) => settledAtMs === null)
  const busy = open.filter(({ state }) => isBusy(state)).map(({ name }) => name)
  const of = `${components.length - open.length} of ${Count.of(components.length, "component")}`
  return `BOOTING  ${of} after ${Words.duration(atMs)}${busy.length === 0 ? "" : `, waiting for ${list(busy)}`}`
}

const header = (report: Report, title: string): string => `${title.padEnd(76)}  exit ${report.exitCode}`

const item = (key: string, value: string): string => `  ${key.padEnd(9)} ${value}`

const closed = (report: Report, title: string): ReadonlyArray<string> => {
  const { rollback } = report
  if (rollback === null) return [header(report, title)]
  const why = rollback.because === "" ? "" : `  because of ${rollback.because}`
  return [
    header(report, `${title}${why}, after ${Words.duration(rollback.startedAtMs)}`),
    item("undone", undone(report))
  ]
}

const failed = (report: Report): ReadonlyArray<string> => {
  const { components, failures, readyAtMs } = report
  const at = scene(report)
  const fallen = components.filter((one) => one.state === "failed" && isTop(one))
  const title = readyAtMs === null ? "BOOT FAILED" : `NODE FAILED after ${Words.duration(readyAtMs)}`
  // The causes of what failed; when time ran out before anything did, whatever has gone wrong until then.
  const fatal = failures.filter((one) =>
    fallen.some(({ name }) => one.components.includes(name) || one.notStarted.includes(name))
  )
  const causes = (fatal.length > 0 ? fatal : failures).slice(0, limit.names)
  const worst = causes[0]
  const impaired = [
    ...titled("degraded", components, (one) => one.fallback !== null && one.readyAtMs !== null),
    ...titled("absent", components, (one) => one.state === "absent" && one.reason?._tag === "Failed")
  ]
  return [
    header(report, `${title}  ${subject(report, fallen)}`),
    ...causes.flatMap((cause) => [
      item("cause", causes.length > 1 ? `${list(cause.components)}: ${cause.message}` : cause.message),
      item("tried", tried(at.byName.get(cause.components[0] ?? ""))),
      ...(cause.notStarted.length === 0
        ? []
        : [item("needed by", `${neededBy(report, cause.components)} (${cause.notStarted.length} not started)`)])
    ]),
    ...(impaired.length === 0 ? [] : [item("besides", impaired.join("; "))]),
    item("undone", undone(report)),
    ...(worst === undefined ? [] : [item("do", `${advice(worst)}      more: why ${worst.components[0] ?? ""}`)])
  ]
}

const subject = ({ rollback }: Report, fallen: ReadonlyArray<Component>): string => {
  const names = list(fallen.map(({ name }) => `"${name}"`))
  if (rollback?.why === "deadline") return `the boot ran out of time, waiting for ${names || rollback.because}`
  const critical = fallen.every((one) => one.severity === "critical") ? "critical " : ""
  return `${critical}component${fallen.length === 1 ? "" : "s"} ${names} did not start`
}

/** `3 times over 3.1 s (0 s · 1.1 s · 3.1 s), then memory once over 5 ms, in phase core` */
const tried = (component: Component | undefined): string => {
  if (component === undefined || component.attempts.length === 0) return "nothing: it was not started"
  const variants = Map.groupBy(component.attempts, ({ variant }) => variant)
  const each = [...variants].map(([variant, attempts]) => {
    const times = attempts.length === 1 ? "once" : `${attempts.length} times`
    const unit = spanMs(attempts) < 1_000 ? Words.duration : seconds
    const starts = attempts.map((one) => unit(one.startedAtMs - (attempts[0]?.startedAtMs ?? 0)))
    const shown = starts.length > limit.attempts ? [...starts.slice(0, limit.attempts), "…"] : starts
    const when = attempts.length === 1 ? "" : ` (${shown.join(" · ")})`
    const what = variant === 0 ? "" : `${component.fallbacks[variant - 1] ?? "a fallback"} `
    return `${what}${times} over ${Words.duration(spanMs(attempts))}${when}`
  })
  return `${each.join(", then ")}, in phase ${component.phase}`
}

/** Up to three steps along the arrows of time. */
const neededBy = ({ components }: Report, causes: ReadonlyArray<string>): string => {
  const steps: Array<string> = []
  const seen = new Set(causes)
  for (let from = seen; steps.length < 3;) {
    const next = components.filter(({ name, needs }) => !seen.has(name) && needs.some((need) => from.has(need)))
    if (next.length === 0) break
    from = new Set(next.map(({ name }) => name))
    for (const name of from) seen.add(name)
    steps.push(list([...from]))
  }
  return steps.length === 0 ? "nobody" : steps.join(" → ")
}

const undone = ({ components, endedAtMs, rollback }: Report): string => {
  const unclean = components.filter(({ closing }) => closing !== null && closing !== "clean")
  const left = list(unclean.map(({ closing, name }) => `${name} (${closing})`))
  if (rollback === null || rollback.components === 0) {
    return left === "" ? "nothing: nothing was held" : `nothing, and not clean: ${left}`
  }
  const how = rollback.clean ? "all clean" : endedAtMs === null ? "not yet over" : `not clean: ${left}`
  return `${Count.of(rollback.components, "component")} in reverse order in ${Words.duration(rollback.durationMs)}, ${how}`
}

const advice = ({ components, kind, tag }: Report["failures"][number]): string => {
  const name = components[0] ?? ""
  if (tag.startsWith("Config")) return `correct the settings of ${name}`
  switch (kind) {
    case "error":
      return `put right what the cause says, then boot again`
    case "defect":
      return `this is a bug in ${name}: the log has its stack`
    case "timeout":
      return `does what ${name} waits for answer? if it only needs longer, raise its timeout`
    case "unhealthy":
      return `${name} started, but its probe said no: look at what it stands on`
    case "interrupted":
      return `find out who interrupted ${name}`
  }
}

const list = (all: ReadonlyArray<string>): string =>
  all.length <= limit.names
    ? all.join(", ")
    : `${all.slice(0, limit.names).join(", ")} and ${all.length - limit.names} more`

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

const round = (n: number, digits: number): number => Math.round(n * 10 ** digits) / 10 ** digits
