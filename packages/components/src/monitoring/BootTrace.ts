/**
 * The events of a boot as OpenTelemetry sees them: a fold that yields each span when it has ended.
 *
 * **Details**
 *
 * One trace for a boot: `boot` → phase → component → attempt. What a component needs is a link; retries, fallbacks, skips,
 * slowness and checkpoints are events. What is taken down because the boot failed is a `rollback` in the same trace.
 * What happens to a node that is up is a trace of its own with a link to the boot: `restore cache`, `shutdown`,
 * `rollback`.
 *
 * Ids are made from the id of the boot, and those of the boot's own spans are the ones of `TimelineView`: the same journal
 * yields the same spans, and sending them again adds nothing. The trace of who started this process is continued, and its
 * decision about sampling kept.
 *
 * **Gotchas**
 *
 * A boot that was killed leaves spans that have not ended; {@link finish} ends them.
 */
import { createHash } from "node:crypto"
import { type BootEvent, Phase, TimelineView } from "@novacron/boot/model"
import { harmlessText } from "../logger/Redaction.ts"
import type { Attributes, Parent, Resource, Span } from "./Span.ts"
import type { Trace } from "./Tally.ts"

export interface Options {
  /** The trace to go on with. */
  readonly parent?: Parent | undefined
  /** The share of boots that are sampled, unless the parent has decided. */
  readonly ratio: number
  /** Of the program. Default: not told. */
  readonly version?: string | undefined
  /** What else is said of where the spans come from. */
  readonly attributes?: { readonly [key: string]: string } | undefined
}

/** Room for events and links in a span, and characters in a text of it. */
const room = 128
const maxText = 1_024

// --------------------------------------------------------------------------------------------------------------- fold

/** The fold. Make one with {@link make}; only {@link step} and {@link finish} change it. */
export interface Fold {
  readonly options: Options
  bootId: string
  startedAt: number
  resource: Resource
  isSampled: boolean
  /** The first half of all span ids of this boot, and how many there are. */
  prefix: string
  ids: number
  traces: number
  atMs: number
  /** The id of the boot's own span, also when that has ended. */
  root: Trace
  boot: Draft | undefined
  takedown: Draft | undefined
  readonly phases: Map<Phase.Phase, PhaseRow>
  readonly rows: Map<string, Row>
  /** What was done before the first event. */
  readonly before: Array<Earlier>
  ended: Array<Span>
}

/** Something that no event tells of, because it came before all of them. Times are milliseconds since 1970. */
export type Earlier = Pick<Span, "name" | "startMs" | "endMs">

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

interface Draft extends Mutable<Omit<Span, "attributes" | "events" | "links">> {
  readonly attributes: { [key: string]: string | number | boolean }
  readonly events: Array<Span["events"][number]>
  readonly links: Array<Span["links"][number]>
}

interface PhaseRow {
  readonly spanId: string
  draft: Draft | undefined
  /** Components that have not settled, and the time that those that have took together. */
  left: number
  workMs: number
}

interface Row {
  readonly name: string
  readonly phase: Phase.Phase
  readonly severity: string
  readonly needs: ReadonlyArray<string>
  readonly fallbacks: ReadonlyArray<string>
  readonly spanId: string
  readonly isMember: boolean
  /** Of the boot, or of a restoration. */
  open: Draft | undefined
  attempt: Draft | undefined
  swap: Draft | undefined
  stopping: Draft | undefined
  /** Whether its own span of the boot has been begun, and whether it is over. */
  begun: boolean
  settled: boolean
  /** Attempts so far. */
  tries: number
}

/** Nothing has happened. */
export const make = (options: Options): Fold => ({
  options,
  bootId: "",
  startedAt: 0,
  resource: {},
  isSampled: false,
  prefix: "00000000",
  ids: 0,
  traces: 0,
  atMs: 0,
  root: { traceId: "", spanId: "" },
  boot: undefined,
  takedown: undefined,
  phases: new Map(),
  rows: new Map(),
  before: [],
  ended: []
})

/** All spans of a log, in the order in which they end. */
export const fromEvents = (events: Iterable<BootEvent.BootEvent>, options: Options) => {
  const fold = make(options)
  const spans: Array<Span> = []
  for (const event of events) spans.push(...step(fold, event))
  spans.push(...finish(fold))
  return { resource: fold.resource, spans }
}

/** Takes in one event; the spans that ended with it. */
export const step = (fold: Fold, event: BootEvent.BootEvent): ReadonlyArray<Span> => {
  if (!fold.isSampled && event._tag !== "BootStarted") return none
  if (event.atMs > fold.atMs) fold.atMs = event.atMs
  if ("component" in event) stepRow(fold, rowOf(fold, event.component), event)
  else stepBoot(fold, event)
  if (fold.ended.length === 0) return none
  const ended = fold.ended
  fold.ended = []
  return fold.isSampled ? ended : none
}

const none: ReadonlyArray<Span> = []

/** Ends whatever has not ended, of a boot that was killed: nothing more will be known of it. */
export const finish = (fold: Fold): ReadonlyArray<Span> => {
  closeAll(fold, true)
  const { ended } = fold
  fold.ended = []
  return fold.isSampled ? ended : none
}

/** The trace that something belongs to that is done right now: an attempt, a component, or the boot. */
export const current = (fold: Fold, component?: string): Parent | undefined => {
  if (fold.root.traceId === "") return undefined
  const row = component === undefined ? undefined : fold.rows.get(component)
  const { spanId, traceId } = row?.stopping ?? row?.attempt ?? row?.swap ?? row?.open ?? fold.takedown ?? fold.root
  return { traceId, spanId, isSampled: fold.isSampled }
}

const begin = (fold: Fold, event: BootEvent.Of<"BootStarted">): void => {
  const { parent, ratio, version } = fold.options
  const { bootId, components, concurrency, configVersion, environment, nodeId, startedAt } = event
  const hash = hashOf(bootId)
  Object.assign(fold, { bootId, startedAt, prefix: hash.slice(32, 40), ids: 0, traces: 0, atMs: event.atMs })
  const traceId = parent?.traceId ?? TimelineView.traceId(bootId)
  fold.isSampled = parent?.isSampled ?? Number.parseInt(traceId.slice(-13), 16) / 16 ** 13 < ratio
  const said = Object.entries(fold.options.attributes ?? {}).map(([key, value]) => [clean(key), clean(value)])
  fold.resource = {
    "service.name": "novacron",
    ...Object.fromEntries(said),
    ...(version === undefined ? {} : { "service.version": clean(version) }),
    "service.instance.id": clean(nodeId),
    "deployment.environment.name": clean(environment),
    "novacron.config_version": clean(configVersion)
  }
  fold.root = { traceId, spanId: placeId(fold) }
  fold.boot = draft(fold, { traceId, spanId: fold.root.spanId, parent: parent?.spanId, name: "boot" })
  Object.assign(fold.boot.attributes, {
    "novacron.boot_id": clean(bootId),
    "novacron.components": components.length,
    "novacron.concurrency": concurrency
  })
  fold.takedown = undefined
  fold.rows.clear()
  for (const phase of Phase.all) {
    fold.phases.set(phase, { spanId: placeId(fold, "phase", phase), draft: undefined, left: 0, workMs: 0 })
  }
  for (const declared of components) addRow(fold, declared)
  for (const earlier of fold.before.splice(0)) {
    const of = { traceId, spanId: placeId(fold, "before", earlier.name), parent: fold.root.spanId, name: earlier.name }
    fold.ended.push({ ...draft(fold, of), ...earlier, status: "ok" })
  }
}

const rowOf = (fold: Fold, name: string): Row => {
  const found = fold.rows.get(name)
  if (found !== undefined) return found
  const { phase, severity } = groupOf(fold, name) ?? { phase: "core" as const, severity: "critical" }
  return addRow(fold, { name, phase, severity, needs: [], fallbacks: [] })
}

const groupOf = (fold: Fold, name: string): Row | undefined => {
  const slash = name.lastIndexOf("/")
  return slash < 0 ? undefined : fold.rows.get(name.slice(0, slash))
}

const addRow = (fold: Fold, declared: Pick<Row, "name" | "phase" | "severity" | "needs" | "fallbacks">): Row => {
  const isMember = groupOf(fold, declared.name) !== undefined
  const unborn = { open: undefined, attempt: undefined, swap: undefined, stopping: undefined, begun: false, tries: 0 }
  const spanId = placeId(fold, "component", declared.name)
  const row: Row = { ...declared, ...unborn, isMember, spanId, settled: false }
  fold.rows.set(row.name, row)
  if (!isMember) fold.phases.get(row.phase)!.left++
  return row
}

// -------------------------------------------------------------------------------------------------- the boot as a whole

type RowEvent = Extract<BootEvent.BootEvent, { readonly component: string }>

const stepBoot = (fold: Fold, event: Exclude<BootEvent.BootEvent, RowEvent>): void => {
  switch (event._tag) {
    case "BootStarted":
      return begin(fold, event)
    case "PhaseStarted":
      openPhase(fold, event.phase)
      return closePhase(fold, event.phase)
    case "PhaseSlow":
      return say(fold, fold.phases.get(event.phase)?.draft, "slow", { waiting_for: event.waitingFor.join(", ") })
    case "CheckpointReached":
      return say(fold, fold.boot, "checkpoint", { checkpoint: event.checkpoint })
    case "BootReady":
      if (fold.boot === undefined) return
      fold.boot.attributes["novacron.outcome"] = event.outcome
      for (const phase of Phase.all) closePhase(fold, phase, true)
      end(fold, fold.boot, "ok")
      fold.boot = undefined
      return
    case "RollbackStarted":
      return takeDown(fold, event)
    case "BootEnded":
      return bootEnded(fold, event)
  }
}

const openPhase = (fold: Fold, phase: Phase.Phase): PhaseRow => {
  const row = fold.phases.get(phase)!
  if (row.draft !== undefined || fold.boot === undefined || row.workMs < 0) return row
  row.draft = draft(fold, { ...fold.root, spanId: row.spanId, parent: fold.root.spanId, name: Phase.title[phase] })
  row.draft.attributes["novacron.phase"] = phase
  return row
}

/** A phase is over when all of its components have settled. */
const closePhase = (fold: Fold, phase: Phase.Phase, anyway = false): void => {
  const row = fold.phases.get(phase)!
  if (row.draft === undefined || (row.left > 0 && !anyway)) return
  const spanMs = fold.startedAt + fold.atMs - row.draft.startMs
  Object.assign(row.draft.attributes, { "novacron.parallel": row.workMs > spanMs, "novacron.work_ms": row.workMs })
  end(fold, row.draft, fold.boot?.status === "error" ? "unset" : "ok")
  row.draft = undefined
  // Over for good.
  row.workMs = -1
}

const takeDown = (fold: Fold, { because, budgetMs, why }: BootEvent.Of<"RollbackStarted">): void => {
  const name = why === "stopped" ? "shutdown" : "rollback"
  // What is taken down long after the boot is no part of it.
  fold.takedown =
    fold.boot === undefined
      ? newTrace(fold, name)
      : draft(fold, { ...fold.root, spanId: placeId(fold, "rollback"), parent: fold.root.spanId, name })
  Object.assign(fold.takedown.attributes, {
    "novacron.why": why,
    "novacron.because": clean(because),
    "novacron.budget_ms": budgetMs
  })
}

const bootEnded = (fold: Fold, event: BootEvent.Of<"BootEnded">): void => {
  closeAll(fold, false)
  if (fold.takedown !== undefined) {
    fold.takedown.attributes["novacron.clean"] = event.clean
    end(fold, fold.takedown, event.clean ? "ok" : "error", event.clean ? "" : "not every finalizer ran to its end")
    fold.takedown = undefined
  }
  if (fold.boot === undefined) return
  fold.boot.attributes["novacron.outcome"] = event.outcome
  const isFailed = event.outcome === "failed"
  end(fold, fold.boot, isFailed ? "error" : "unset", isFailed ? "the boot failed" : "")
  fold.boot = undefined
}

/** Ends everything but the boot and what takes it down; with `killed` those as well. */
const closeAll = (fold: Fold, killed: boolean): void => {
  for (const row of fold.rows.values()) {
    for (const key of ["attempt", "open", "swap", "stopping"] as const) {
      const open = row[key]
      if (open === undefined) continue
      open.attributes["novacron.cut_off"] = true
      end(fold, open, open.status)
      row[key] = undefined
    }
  }
  for (const phase of Phase.all) closePhase(fold, phase, true)
  if (!killed) return
  for (const open of [fold.takedown, fold.boot]) {
    if (open === undefined) continue
    open.attributes["novacron.cut_off"] = true
    end(fold, open, "error", "the process did not live to see the end of it")
  }
  fold.takedown = undefined
  fold.boot = undefined
}

// ------------------------------------------------------------------------------------------------------ one component

const stepRow = (fold: Fold, row: Row, event: RowEvent): void => {
  switch (event._tag) {
    case "ComponentQueued":
      return void ensureOpen(fold, row)
    case "ComponentStarted":
      return startAttempt(fold, row, event)
    case "ComponentAcquired":
      return say(fold, row.attempt, "acquired")
    case "ComponentReady":
      return comeUp(fold, row, "ready")
    case "ComponentDegraded":
      say(fold, row.open, "degraded", { fallback: event.fallback })
      return comeUp(fold, row, "degraded")
    case "ComponentSlow":
      return say(fold, row.attempt, "slow", { running_ms: event.runningMs })
    case "AttemptFailed":
      return attemptFailed(fold, row, event)
    case "ComponentInterrupted":
      return say(fold, row.attempt, "interrupted")
    case "AttemptClosed":
      if (row.attempt === undefined) return
      row.attempt.attributes["novacron.closing"] = event.closing
      return endAttempt(fold, row, row.attempt.status)
    case "ComponentBackoff":
      return say(fold, row.open, "backoff", { delay_ms: Math.max(0, event.untilMs - event.atMs) })
    case "FallbackChosen":
      return say(fold, row.open, "fallback", { to: event.fallback })
    case "ComponentAbsent":
    case "ComponentSkipped":
      return goWithout(fold, row, event)
    case "ComponentFailed":
      ensureOpen(fold, row)
      return settle(fold, row, "failed", "error", event.failure.message)
    case "ComponentStopping":
      return startStopping(fold, row)
    case "ComponentStopped":
      return stopped(fold, row, event.closing)
    case "SwapStarted":
      return startSwap(fold, row, event.variant)
    case "SwapCompleted":
      return endSwap(fold, row, "ok", "")
    case "SwapFailed":
      if (row.swap !== undefined) exception(fold, row.swap, event.failure)
      return endSwap(fold, row, "error", event.failure.message)
    case "HealthChanged":
      return say(fold, row.open ?? fold.boot, "health", { healthy: event.healthy, message: event.message })
  }
}

/** The span of the component: of the boot for the first time, of a restoration after that. */
const ensureOpen = (fold: Fold, row: Row): Draft => {
  if (row.open !== undefined) return row.open
  const group = groupOf(fold, row.name)
  const around = group?.attempt ?? group?.swap ?? group?.open
  const isFirst = !row.begun
  row.begun = true
  const spanId = isFirst ? row.spanId : newId(fold)
  if (around !== undefined) {
    row.open = draft(fold, { traceId: around.traceId, spanId, parent: around.spanId, name: row.name })
  } else if (fold.boot !== undefined && isFirst) {
    const phase = row.isMember ? undefined : openPhase(fold, row.phase)
    const parent = phase?.draft?.spanId ?? fold.root.spanId
    row.open = draft(fold, { ...fold.root, spanId, parent, name: row.name })
  } else row.open = newTrace(fold, `restore ${row.name}`)
  describe(fold, row, row.open)
  return row.open
}

const describe = (fold: Fold, { name, needs, phase, severity }: Row, open: Draft): void => {
  Object.assign(open.attributes, {
    "novacron.component": clean(name),
    "novacron.phase": phase,
    "novacron.severity": severity,
    "novacron.optional": severity === "warning"
  })
  for (const need of needs) {
    const needed = fold.rows.get(need)
    if (needed === undefined) continue
    const link = { traceId: fold.root.traceId, spanId: needed.spanId, attributes: { "novacron.needs": clean(need) } }
    if (open.links.length < room) open.links.push(link)
    else open.dropped++
  }
}

const startAttempt = (fold: Fold, row: Row, { attempt, variant }: BootEvent.Of<"ComponentStarted">): void => {
  const { spanId, traceId } = ensureOpen(fold, row)
  if (row.attempt !== undefined) endAttempt(fold, row, "unset")
  const what = variant === 0 ? row.name : (row.fallbacks[variant - 1] ?? `fallback ${variant}`)
  const own = placeId(fold, "component", row.name, "attempt", row.tries++)
  row.attempt = draft(fold, { traceId, spanId: own, parent: spanId, name: `start ${what}` })
  Object.assign(row.attempt.attributes, {
    "novacron.component": clean(row.name),
    "novacron.attempt": attempt,
    "novacron.variant": variant
  })
}

const endAttempt = (fold: Fold, row: Row, status: Span["status"]): void => {
  if (row.attempt !== undefined) end(fold, row.attempt, status, row.attempt.message)
  row.attempt = undefined
}

const attemptFailed = (fold: Fold, row: Row, { attempt, failure, retryInMs }: BootEvent.Of<"AttemptFailed">): void => {
  if (row.attempt !== undefined) {
    exception(fold, row.attempt, failure)
    row.attempt.status = "error"
    row.attempt.message = failure.message
  }
  if (retryInMs !== null) say(fold, row.open, "retry", { after_attempt: attempt, delay_ms: retryInMs })
}

const exception = (fold: Fold, open: Draft, { kind, message, tag }: BootEvent.Failure): void =>
  say(fold, open, "exception", { "exception.type": tag, "exception.message": message, "novacron.kind": kind })

const comeUp = (fold: Fold, row: Row, state: "ready" | "degraded"): void => {
  endAttempt(fold, row, "ok")
  settle(fold, row, state, state === "ready" ? "ok" : "unset", "")
}

type GoWithout = BootEvent.Of<"ComponentAbsent"> | BootEvent.Of<"ComponentSkipped">

const goWithout = (fold: Fold, row: Row, { _tag, reason }: GoWithout): void => {
  // That it is still not there is no news.
  if (row.settled && row.open === undefined) return
  const open = ensureOpen(fold, row)
  const state = _tag === "ComponentAbsent" ? "absent" : "skipped"
  const isFailed = reason._tag === "Failed"
  const because = { because: reasonText(reason) }
  say(fold, open, state, because)
  settle(fold, row, state, isFailed ? "error" : "unset", isFailed ? reason.failure.message : "")
}

const reasonText = (reason: BootEvent.Reason): string => {
  switch (reason._tag) {
    case "Failed":
      return `${reason.failure.tag} ${reason.failure.message}`
    case "Need":
      return `it needs ${reason.need}`
    case "Environment":
      return `this is ${reason.environment}`
    case "RolledBack":
      return reason.because
  }
}

const settle = (fold: Fold, row: Row, state: string, status: Span["status"], message: string): void => {
  if (row.open !== undefined) {
    row.open.attributes["novacron.state"] = state
    const workMs = fold.startedAt + fold.atMs - row.open.startMs
    const phase = fold.phases.get(row.phase)
    if (!row.settled && !row.isMember && phase !== undefined && phase.workMs >= 0) phase.workMs += workMs
    end(fold, row.open, status, message)
    row.open = undefined
  }
  if (row.settled) return
  row.settled = true
  if (row.isMember) return
  fold.phases.get(row.phase)!.left--
  closePhase(fold, row.phase)
}

const startStopping = (fold: Fold, row: Row): void => {
  const around = groupOf(fold, row.name)?.stopping ?? fold.takedown
  if (around === undefined) return
  const { spanId, traceId } = around
  const own = placeId(fold, "rollback", row.name, fold.atMs)
  row.stopping = draft(fold, { traceId, spanId: own, parent: spanId, name: `stop ${row.name}` })
  row.stopping.attributes["novacron.component"] = clean(row.name)
}

const stopped = (fold: Fold, row: Row, closing: BootEvent.Closing): void => {
  if (row.stopping === undefined) return
  row.stopping.attributes["novacron.closing"] = closing
  end(fold, row.stopping, closing === "clean" ? "ok" : "error", closing === "clean" ? "" : `its finalizers ${closing}`)
  row.stopping = undefined
}

const startSwap = (fold: Fold, row: Row, variant: number): void => {
  endSwap(fold, row, "unset", "")
  row.swap = newTrace(fold, variant === 0 ? `restore ${row.name}` : `replace ${row.name}`)
  describe(fold, row, row.swap)
  row.swap.attributes["novacron.variant"] = variant
}

const endSwap = (fold: Fold, row: Row, status: Span["status"], message: string): void => {
  if (row.swap !== undefined) end(fold, row.swap, status, message)
  row.swap = undefined
}

// -------------------------------------------------------------------------------------------------------------- spans

const hashOf = (text: string): string => createHash("sha256").update(`novacron boot ${text}`).digest("hex")

/** The id of what has a place in the story of a boot: the one that `TimelineView` gives it. */
const placeId = ({ bootId }: Fold, ...path: ReadonlyArray<string | number>): string =>
  TimelineView.spanId(bootId, ...path)

/** The id of what comes up while everything runs. */
const newId = (fold: Fold): string => `${fold.prefix}${(++fold.ids).toString(16).padStart(8, "0")}`

/** The root of another trace, that has a link to the boot. */
const newTrace = (fold: Fold, name: string): Draft => {
  const traceId = hashOf(`${fold.bootId} ${++fold.traces}`).slice(0, 32)
  const made = draft(fold, { traceId, spanId: newId(fold), parent: undefined, name })
  made.attributes["novacron.boot_id"] = clean(fold.bootId)
  made.links.push({ ...fold.root, attributes: { "novacron.link": "boot" } })
  return made
}

const draft = (
  fold: Fold,
  of: { readonly traceId: string; readonly spanId: string; readonly parent: string | undefined; readonly name: string }
): Draft => ({
  traceId: of.traceId,
  spanId: of.spanId,
  parentSpanId: of.parent ?? null,
  name: clean(of.name).slice(0, 256),
  startMs: fold.startedAt + fold.atMs,
  endMs: NaN,
  attributes: {},
  events: [],
  links: [],
  dropped: 0,
  status: "unset",
  message: ""
})

const say = (fold: Fold, open: Draft | undefined, name: string, attributes: Attributes = {}): void => {
  if (open === undefined) return
  if (open.events.length >= room) {
    open.dropped++
    return
  }
  const plain = Object.entries(attributes).map(([key, value]) => [
    key,
    typeof value === "string" ? clean(value) : value
  ])
  open.events.push({ name, atMs: fold.startedAt + fold.atMs, attributes: Object.fromEntries(plain) })
}

const end = (fold: Fold, open: Draft, status: Span["status"], message = ""): void => {
  const endMs = Math.max(open.startMs, fold.startedAt + fold.atMs)
  fold.ended.push({ ...open, endMs, status, message: status === "error" ? clean(message) : "" })
}

/** Text that acts nowhere, of bounded length. */
const clean = (text: string): string => harmlessText(text.slice(0, maxText).toWellFormed())
