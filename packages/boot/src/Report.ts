/**
 * What became of a boot: a fold over its events, from which a report can be read at any time. The report is plain data
 * with a Schema; the CLI prints it, the API serves it, the dashboard draws it.
 *
 * **Details**
 *
 * A fold changes in place; what `read` returns is never changed, and takes time linear in components and needs. While the
 * boot is under way it tells how far it has come.
 *
 * The critical path is measured, not planned: from the last component that settled before READY back to the one that
 * released it, and so on. A component is released by the need that settled last, or by the end of the phase before it.
 *
 * **Gotchas**
 *
 * `BootStarted` begins a new report. Members of a group have rows of their own, but their time is part of the group's
 * and not counted twice; when their group starts again, so do they.
 *
 * **Example**
 *
 * ```ts
 * const fold = Report.make()
 * for (const event of events) Report.step(fold, event)
 * const report = Report.read(fold)
 * report.outcome // => "degraded"
 * ```
 */
import { DateTime, Option } from "effect"
import type { BootEvent, Failure } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import { groupOf, roots, scene } from "./Reasons.ts"
import { type Fold, make, orZero, type Row, spentIn, step } from "./ReportFold.ts"
import type { Component, Report } from "./ReportView.ts"

export { why } from "./Reasons.ts"
export { type Fold, make, step } from "./ReportFold.ts"
export { text } from "./ReportText.ts"
export { Report } from "./ReportView.ts"

/** The report of a whole log. */
export const fromEvents = (events: Iterable<BootEvent>): Report => {
  const fold = make()
  for (const event of events) step(fold, event)
  return read(fold)
}

// ------------------------------------------------------------------------------------------------------- the report

/** The report as of now. */
export const read = (fold: Fold): Report => {
  const { ended, ready, rollback, started } = fold
  const rows = [...fold.rows.values()]
  const components = rows.map((row) => component(row, fold.atMs))
  const durationMs = ready?.atMs ?? rollback?.atMs ?? fold.atMs
  const path = criticalPath(fold, rows)
  const onPath = new Set(path.map(({ name }) => name))
  const criticalPathMs = sum(components.filter(({ name }) => onPath.has(name)).map(workOf))
  const sequentialMs = sum(components.map(workOf))
  const concurrency = started?.concurrency ?? 1
  const boundMs = Math.max(criticalPathMs, sequentialMs / Math.max(1, concurrency))
  const told = {
    atMs: fold.atMs,
    concurrency,
    components,
    rollback:
      rollback === undefined
        ? null
        : {
            why: rollback.why,
            because: rollback.because,
            startedAtMs: rollback.atMs,
            durationMs: (ended?.atMs ?? fold.atMs) - rollback.atMs,
            components: fold.undone,
            clean: ended?.clean ?? false
          }
  }
  const rootOf = roots(scene(told))
  const outcome = outcomeOf(fold)
  return {
    version: 1,
    bootId: started?.bootId ?? "",
    nodeId: started?.nodeId ?? "",
    environment: started?.environment ?? "",
    configVersion: started?.configVersion ?? "",
    outcome,
    exitCode: exitCode({
      outcome,
      rollback: told.rollback,
      causes: components.flatMap(({ name, state }) => {
        const root = rootOf.get(name)
        return state === "failed" && root?.reason?._tag === "Failed" ? [root.reason.failure] : []
      })
    }),
    startedAt: started === undefined ? "" : isoOf(started.startedAt),
    readyAtMs: ready?.atMs ?? null,
    endedAtMs: ended?.atMs ?? null,
    durationMs,
    worstCaseMs: started?.worstCaseMs ?? 0,
    criticalPathMs,
    sequentialMs,
    speedup: durationMs > 0 ? sequentialMs / durationMs : 1,
    parallelEfficiency: durationMs > 0 ? Math.min(1, boundMs / durationMs) : 1,
    overheadMs: Math.max(0, durationMs - criticalPathMs),
    phases: phases(fold, components, durationMs),
    checkpoints: [...fold.checkpoints],
    criticalPath: [...onPath],
    failures: failures(components, rootOf),
    restorations: rows.flatMap(({ name, restored }) =>
      restored === undefined ? [] : [{ component: name, ...restored }]
    ),
    ...told
  }
}

const component = (row: Row, nowMs: number): Component => {
  const goesOn = row.settledSeq === 0 ? spentIn[row.state] : undefined
  const spentMs = (where: typeof goesOn & string) =>
    orZero(row[where]) + (where === goesOn ? nowMs - orZero(row.sinceMs) : 0)
  return {
    name: row.name,
    phase: row.phase,
    severity: row.severity,
    state: row.state,
    sinceMs: orZero(row.sinceMs),
    needs: row.needs,
    fallbacks: row.fallbacks,
    startedAtMs: orNull(row.startedAtMs),
    readyAtMs: orNull(row.readyAtMs),
    settledAtMs: orNull(row.settledAtMs),
    waitingMs: spentMs("waitingMs"),
    queuedMs: spentMs("queuedMs"),
    runningMs: spentMs("runningMs"),
    backoffMs: spentMs("backoffMs"),
    attempts: row.attempts.map((one) =>
      one === row.current ? { ...one, durationMs: nowMs - one.startedAtMs } : { ...one }
    ),
    fallback: row.fallback,
    reason: row.reason,
    health: row.health,
    slow: row.slow,
    closing: row.closing
  }
}

const orNull = (ms: number): number | null => (Number.isNaN(ms) ? null : ms)

/** What a component took by itself; the time of a member is part of its group's. */
const workOf = ({ backoffMs, name, runningMs }: Component): number =>
  groupOf(name) === undefined ? runningMs + backoffMs : 0

const sum = (all: ReadonlyArray<number>): number => all.reduce((total, one) => total + one, 0)

const isoOf = (ms: number): string =>
  Option.match(DateTime.make(ms), { onNone: () => "", onSome: (time) => DateTime.formatIso(time) })

const outcomeOf = ({ ended, ready, rollback }: Fold): Report["outcome"] => {
  if (ended !== undefined) return ended.outcome
  if (rollback !== undefined) return rollback.why === "deadline" ? "failed" : rollback.why
  return ready?.outcome ?? "booting"
}

// ------------------------------------------------------------------------------------------------------- exit codes

/** How a boot ended, with the root causes of what failed. */
type Ending = Pick<Report, "outcome" | "rollback"> & { readonly causes: ReadonlyArray<Failure> }

/** What a process exits with after a boot: the first row that applies. */
export const exitCodes: ReadonlyArray<{
  readonly code: number
  readonly meaning: string
  readonly applies: (ending: Ending) => boolean
}> = [
  {
    code: 70,
    meaning: "left unfinished: still booting, or not everything was closed",
    applies: ({ outcome, rollback }) => outcome === "booting" || rollback?.clean === false
  },
  {
    code: 0,
    meaning: "up, or stopped when asked to and everything closed",
    applies: ({ outcome }) => outcome === "ready" || outcome === "degraded" || outcome === "stopped"
  },
  {
    code: 143,
    meaning: "cancelled by SIGTERM",
    applies: ({ outcome, rollback }) => outcome === "cancelled" && rollback?.because.includes("SIGTERM") === true
  },
  { code: 130, meaning: "cancelled by SIGINT, or otherwise", applies: ({ outcome }) => outcome === "cancelled" },
  { code: 124, meaning: "a deadline of boot or phase", applies: ({ rollback }) => rollback?.why === "deadline" },
  { code: 70, meaning: "a defect", applies: ({ causes }) => causes.some(({ kind }) => kind === "defect") },
  { code: 78, meaning: "wrong settings", applies: ({ causes }) => causes.some(({ tag }) => tag.startsWith("Config")) },
  { code: 69, meaning: "a critical component is unavailable", applies: () => true }
]

const exitCode = (ending: Ending): number => exitCodes.find(({ applies }) => applies(ending))?.code ?? 70

// ---------------------------------------------------------------------------------------------- where the time went

/** From the first to the last: each was released by the settling of the one before it. */
const criticalPath = (fold: Fold, rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const top = rows.filter(({ isMember }) => !isMember)
  const lastOf = (which: (row: Row) => boolean) =>
    top.reduce<Row | undefined>((last, row) => (which(row) ? later(last, row) : last), undefined)
  const lastByPhase = Phase.all.map((phase) => lastOf((row) => row.phase === phase))
  const lastCritical = lastOf(({ phase, severity }) => phase !== "post" && severity === "critical")
  // Dataflow has two gates. When neither explains the moment, the boot was a phased one.
  const releaserOf = (row: Row): Row | undefined => {
    if (row.reason?._tag === "Environment") return undefined
    if (row.state === "skipped" && row.reason?._tag === "Need" && row.attempts.length === 0)
      return fold.rows.get(row.reason.need)
    const rank = Phase.rank[row.phase]
    const gates = [rank > 0 ? lastByPhase[0] : undefined, rank === 3 ? lastCritical : undefined]
    const candidates = [...row.needs.map((need) => fold.rows.get(need)), ...gates]
    const found = candidates.reduce((last, one) => (released(one, row) ? later(last, one) : last), undefined)
    if (found !== undefined && found.settledAtMs === row.releasedAtMs) return found
    const barrier = lastByPhase.slice(0, rank).find((one) => released(one, row) && one.settledAtMs === row.releasedAtMs)
    return barrier ?? found
  }
  // A set, for in a log that no boot has written two may have been skipped for want of each other.
  const path = new Set<Row>()
  for (let row = lastOne(fold, top); row !== undefined && !path.has(row); row = releaserOf(row)) path.add(row)
  return [...path].reverse()
}

const released = (one: Row | undefined, row: Row): one is Row =>
  one !== undefined && one.settledSeq > 0 && one.settledSeq < row.releasedSeq && one.reason?._tag !== "Environment"

const later = (a: Row | undefined, b: Row): Row => (a !== undefined && a.settledSeq > b.settledSeq ? a : b)

/** The one that the end of the boot waited for: who failed it, or else who settled last before the end. */
const lastOne = (fold: Fold, top: ReadonlyArray<Row>): Row | undefined => {
  const failure = fold.ready === undefined ? fold.rollback : undefined
  const blamed = failure?.because.split(", ").map((name) => fold.rows.get(name)) ?? []
  const culprit = blamed.find((row) => row !== undefined && row.attempts.length > 0)
  if (culprit !== undefined) return culprit
  const endSeq = failure === undefined ? Infinity : fold.rollbackSeq
  return top.reduce<Row | undefined>(
    (last, row) => (row.attempts.length > 0 && row.settledSeq > 0 && row.settledSeq < endSeq ? later(last, row) : last),
    undefined
  )
}

const phases = (fold: Fold, components: ReadonlyArray<Component>, durationMs: number): Report["phases"] => {
  const reachedAtMs = new Map(fold.checkpoints.map(({ atMs, checkpoint }) => [checkpoint, atMs]))
  const nowMs = fold.rollback?.atMs ?? fold.atMs
  return Phase.all.map((phase, rank) => {
    const fromMs = reachedAtMs.get(Phase.checkpoints[rank]!)
    const endedAtMs = reachedAtMs.get(Phase.checkpoints[rank + 1]!)
    const ownMs = fromMs === undefined ? 0 : Math.max(0, (endedAtMs ?? nowMs) - fromMs)
    const { slow, startedAtMs } = fold.phases[rank]!
    const spanMs = Number.isNaN(startedAtMs) ? 0 : (endedAtMs ?? nowMs) - startedAtMs
    const workMs = sum(components.filter((one) => one.phase === phase).map(workOf))
    const { maxMs, targetMs } = Phase.budget[phase]
    return {
      phase,
      startedAtMs: orNull(startedAtMs),
      endedAtMs: endedAtMs ?? null,
      durationMs: ownMs,
      targetMs,
      maxMs,
      overTarget: slow || ownMs > targetMs,
      share: durationMs > 0 ? Math.min(1, ownMs / durationMs) : 0,
      overlap: workMs > 0 ? Math.min(1, Math.max(0, 1 - spanMs / workMs)) : 0
    }
  })
}

// -------------------------------------------------------------------------------------------------- what went wrong

const failures = (components: ReadonlyArray<Component>, rootOf: ReadonlyMap<string, Component>): Report["failures"] => {
  const groups = new Map<string, Failure & { readonly components: Array<string>; readonly notStarted: Array<string> }>()
  for (const one of components) {
    const root = rootOf.get(one.name)
    if (root?.reason?._tag !== "Failed") continue
    const { failure } = root.reason
    const key = `${failure.tag}\n${failure.message}`
    let group = groups.get(key)
    if (group === undefined) {
      group = { ...failure, components: [], notStarted: [] }
      groups.set(key, group)
    } else if (gravity[failure.severity] > gravity[group.severity]) Object.assign(group, { severity: failure.severity })
    if (one === root) group.components.push(one.name)
    else if (one.readyAtMs === null) group.notStarted.push(one.name)
  }
  return [...groups.values()].toSorted((a, b) => gravity[b.severity] - gravity[a.severity])
}

const gravity = { critical: 2, degraded: 1, warning: 0 } as const
