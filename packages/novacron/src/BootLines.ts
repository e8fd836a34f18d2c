/**
 * What is said while a boot goes on: a line for each event that somebody wants to know of. For people, with marks and
 * durations; for programs, one object of JSON per line.
 *
 * **Details**
 *
 * A view like the report: a fold over the events that learns nothing else. `read` takes one event and yields its line,
 * or nothing. `✓` is up, `~` up on a fallback, `-` not there, `✗` failed, `·` something to know.
 *
 * A line of JSON always has `timestamp`, `level`, `event` and `message`; `component`, `phase`, `dependencies`,
 * `duration_ms` and `attempt` where they mean something, and the remaining facts of the event under `facts`.
 */
import { type BootEvent, Count, TimelineView, Words } from "@novacron/boot/model"
import { DateTime, Option, Schema } from "effect"
import type { Remark } from "./Expected.ts"
import { paint, type Style, visible } from "./Terminal.ts"

type Event = BootEvent.BootEvent

/** A line of JSON; what log processors may rely on. */
export const Line = Schema.Struct({
  /** ISO 8601, UTC. */
  timestamp: Schema.String,
  level: Schema.Literals(["debug", "info", "warn", "error"]),
  /** The tag of the boot event, or of what is said between two. */
  event: Schema.String,
  message: Schema.String,
  boot_id: Schema.String,
  node_id: Schema.String,
  /** Of the trace of this boot, and in it of the component or of the boot as a whole. */
  trace_id: Schema.String,
  span_id: Schema.String,
  component: Schema.optionalKey(Schema.String),
  phase: Schema.optionalKey(Schema.String),
  dependencies: Schema.optionalKey(Schema.Array(Schema.String)),
  attempt: Schema.optionalKey(Schema.Finite),
  /** Of the attempt or the phase that ends with this event, or of the whole boot. */
  duration_ms: Schema.optionalKey(Schema.Finite),
  facts: Schema.Record(Schema.String, Schema.Unknown)
})
export type Line = typeof Line.Type

/** How bad an event is. */
export type Level = Line["level"]

/** Reads events one by one, and says of each what is to be said. */
export interface BootLines {
  /** The line of the event for people, or nothing when it is of no interest to them. */
  readonly pretty: (event: Event) => string | undefined
  /** The line of the event for programs. */
  readonly json: (event: Event) => Line
  /** What is said between events, for people and for programs. */
  readonly remark: { readonly pretty: (remark: Remark) => string; readonly json: (remark: Remark) => Line }
}

interface Known {
  readonly phase: string
  readonly needs: ReadonlyArray<string>
  startedAtMs: number
  attempt: number
  /** Whether health has complained: only then is it news that it is well. */
  isSick: boolean
}

interface Taken {
  readonly it: Known | undefined
  readonly tookMs: number | undefined
  readonly wasWell?: boolean
}

/** What the events do not say. */
export interface Surrounding {
  /** That of whoever started the process: the boot is a part of that trace then. */
  readonly traceparent?: string | undefined
  /** Where the time comes from that everything has to stop: a setting, its value and its source. Asked when it counts. */
  readonly budget?: () => string | undefined
}

/** A reader that has read nothing yet. Each event goes to one of its two functions, once. */
export const make = (style: Style, { budget = () => undefined, traceparent }: Surrounding = {}): BootLines => {
  const known = new Map<string, Known>()
  let epochMs = 0
  const outer = /^00-([0-9a-f]{32})-/.exec(traceparent ?? "")?.[1]
  let ids = { boot_id: "", node_id: "", trace_id: "" }
  const spanOf = (component: string | undefined) =>
    component === undefined
      ? TimelineView.spanId(ids.boot_id)
      : TimelineView.spanId(ids.boot_id, "component", component)
  let width = 8

  const take = (event: Event): Taken => {
    if (event._tag === "BootStarted") {
      known.clear()
      epochMs = event.startedAt - event.atMs
      const trace_id = outer ?? TimelineView.traceId(event.bootId)
      ids = { boot_id: event.bootId, node_id: event.nodeId, trace_id }
      width = Math.min(24, Math.max(8, ...event.components.map(({ name }) => name.length)))
      for (const { name, needs, phase } of event.components) {
        known.set(name, { phase, needs, startedAtMs: NaN, attempt: 0, isSick: false })
      }
    }
    if (event._tag === "BootReady" || event._tag === "BootEnded") return { it: undefined, tookMs: event.atMs }
    if (!("component" in event)) return { it: undefined, tookMs: undefined }
    const it = known.get(event.component)
    if (it === undefined) return { it, tookMs: undefined }
    if (begins.has(event._tag)) it.startedAtMs = event.atMs
    const wasWell = event._tag === "HealthChanged" && event.healthy && !it.isSick
    if (event._tag === "HealthChanged") it.isSick = !event.healthy
    if (event._tag === "ComponentStarted") it.attempt = event.attempt
    const tookMs = ends.has(event._tag) && !Number.isNaN(it.startedAtMs) ? event.atMs - it.startedAtMs : undefined
    return { it, tookMs, wasWell }
  }

  return {
    pretty: (event) => {
      const { tookMs, wasWell } = take(event)
      const said = wasWell || isSaidAgain(event) ? undefined : say(event, budget)
      if (said === undefined) return undefined
      const { colour, mark, text } = said
      const name = "component" in event ? visible(event.component, 60).padEnd(width) : ""
      const at = paint(style, "dim", `${(event.atMs / 1_000).toFixed(3).padStart(8)}s`)
      const took = tookMs === undefined || name === "" ? "" : Words.duration(tookMs)
      const parts = [at, paint(style, colour, mark), name, name === "" ? "" : took.padStart(7), visible(text)]
      return parts
        .filter((part) => part !== "")
        .join("  ")
        .trimEnd()
    },
    json: (event) => {
      const { it, tookMs, wasWell } = take(event)
      const text = wasWell ? "healthy" : say(event, budget)?.text || words(event._tag)
      const { _tag, atMs, ...facts } = event
      const component = "component" in event ? event.component : undefined
      const phase = "phase" in event ? event.phase : it?.phase
      return {
        timestamp: isoOf(epochMs + atMs),
        level: levelOf(event),
        event: _tag,
        message: visible(`${component === undefined ? "" : `${component}: `}${text}`),
        ...ids,
        span_id: spanOf(component),
        ...(component === undefined ? {} : { component }),
        ...(phase === undefined ? {} : { phase }),
        ...(it === undefined ? {} : { dependencies: it.needs, attempt: it.attempt }),
        ...(tookMs === undefined ? {} : { duration_ms: Math.round(tookMs * 1_000) / 1_000 }),
        facts: { at_ms: atMs, ...without(facts, "component", "phase") }
      }
    },
    remark: {
      pretty: ({ atMs, component, event, text }) => {
        const name = component === undefined ? [] : [visible(component, 60).padEnd(width)]
        const mark = paint(style, event === "ComponentLate" ? "yellow" : "cyan", "·")
        return [paint(style, "dim", `${(atMs / 1_000).toFixed(3).padStart(8)}s`), mark, ...name, visible(text)].join(
          "  "
        )
      },
      json: ({ atMs, component, event, facts, text }) => ({
        timestamp: isoOf(epochMs + atMs),
        level: event === "ComponentLate" ? "warn" : "info",
        event,
        message: visible(`${component === undefined ? "" : `${component}: `}${text}`),
        ...ids,
        span_id: spanOf(component),
        ...(component === undefined ? {} : { component }),
        facts: { at_ms: atMs, ...facts }
      })
    }
  }
}

const begins: ReadonlySet<string> = new Set<Event["_tag"]>(["ComponentStarted", "ComponentStopping", "SwapStarted"])

const ends: ReadonlySet<string> = new Set<Event["_tag"]>([
  "ComponentReady",
  "ComponentDegraded",
  "ComponentFailed",
  "ComponentStopped",
  "AttemptFailed",
  "SwapCompleted",
  "SwapFailed"
])

const isoOf = (ms: number): string =>
  Option.match(DateTime.make(ms), { onNone: () => "", onSome: (time) => DateTime.formatIso(time) })

const without = (facts: object, ...names: ReadonlyArray<string>): { [name: string]: unknown } =>
  Object.fromEntries(Object.entries(facts).filter(([name]) => !names.includes(name)))

/** `ComponentQueued` as `component queued`. */
const words = (tag: string): string => tag.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`).toLowerCase()

// -------------------------------------------------------------------------------------------------------- in words

interface Said {
  readonly mark: string
  readonly colour: "green" | "yellow" | "red" | "dim" | "cyan" | "bold"
  readonly text: string
}

const good = (text: string): Said => ({ mark: "✓", colour: "green", text })
const so = (text: string): Said => ({ mark: "~", colour: "yellow", text })
const gone = (text: string): Said => ({ mark: "-", colour: "dim", text })
const bad = (text: string): Said => ({ mark: "✗", colour: "red", text })
const note = (text: string): Said => ({ mark: "·", colour: "cyan", text })
const warn = (text: string): Said => ({ mark: "·", colour: "yellow", text })

/** What comes of a last attempt is said next, with the same failure: one failure is one line, and one warning. */
const isSaidAgain = (event: Event): boolean => event._tag === "AttemptFailed" && event.retryInMs === null

/** Members of a group are counted as their group, as the plan and the last words count them. */
const isOutermost = ({ name }: { readonly name: string }): boolean => !name.includes("/")

/** What people are told of an event; undefined when it only interests programs. */
const say = (event: Event, budget: () => string | undefined): Said | undefined => {
  switch (event._tag) {
    case "BootStarted":
      return note(
        `booting ${event.nodeId === "" ? "a node" : event.nodeId} in ${event.environment}: ` +
          `${Count.of(event.components.filter(isOutermost).length, "component")}, ${event.concurrency} at a time, ` +
          `at the most ${Words.duration(event.worstCaseMs)}`
      )
    case "PhaseStarted":
    case "CheckpointReached":
    case "ComponentQueued":
    case "ComponentStarted":
    case "ComponentAcquired":
    case "AttemptClosed":
    case "ComponentBackoff":
      return undefined
    case "ComponentStopping":
      return event.byHand === undefined
        ? undefined
        : note(`stopping: the ${event.byHand.how} of ${event.byHand.of}, by hand`)
    case "PhaseSlow":
      return warn(`phase ${event.phase} takes long: waiting for ${list(event.waitingFor)}`)
    case "BootReady":
      return event.outcome === "ready"
        ? good(`READY after ${Words.duration(event.atMs)}`)
        : so(`READY (degraded) after ${Words.duration(event.atMs)}`)
    case "RollbackStarted":
      return event.why === "stopped"
        ? note(`stopping because of ${event.because}, ${within(event, budget)}`)
        : bad(`taking everything down, ${within(event, budget)}: ${whyDown[event.why]} ${event.because}`)
    case "BootEnded":
      return event.clean ? note("everything is down, cleanly") : bad("everything is down, but not all was closed")
    case "ComponentReady":
      return good("")
    case "ComponentDegraded":
      return so(`on its fallback ${event.fallback}: ${reason(event.reason)}`)
    case "ComponentSlow":
      return warn(`slow: starting for ${Words.duration(event.runningMs)}`)
    case "AttemptFailed":
      return warn(
        `attempt ${event.attempt} failed, ${
          event.retryInMs === null ? "no further one" : `again in ${Words.duration(event.retryInMs)}`
        }: ${failure(event.failure)}`
      )
    case "ComponentInterrupted":
      return gone("told to stop")
    case "FallbackChosen":
      return warn(`trying its fallback ${event.fallback}`)
    case "ComponentAbsent":
      return gone(`goes without: ${reason(event.reason)}`)
    case "ComponentSkipped":
      return gone(`not started: ${reason(event.reason)}`)
    case "ComponentFailed":
      return bad(failure(event.failure))
    case "ComponentStopped":
      return howStopped[event.closing]
    case "SwapStarted":
      if (event.byHand !== undefined) return note("being exchanged by hand")
      return note(event.variant === 0 ? "being restored" : "gives way to its fallback")
    case "SwapCompleted":
      return event.variant === 0 ? good("restored") : so("serves by its fallback")
    case "SwapFailed":
      return warn(
        `${event.variant === 0 ? "not restored" : "could not give way"}${
          event.retryInMs === null ? "" : `, again in ${Words.duration(event.retryInMs)}`
        }: ${failure(event.failure)}`
      )
    case "HealthChanged":
      return event.healthy ? good("healthy again") : bad(`unhealthy: ${event.message}`)
  }
}

const within = ({ budgetMs }: BootEvent.Of<"RollbackStarted">, budget: () => string | undefined): string => {
  const from = budget()
  return `within ${Words.duration(budgetMs)}${from === undefined ? "" : ` (${from})`}`
}

const howStopped = {
  clean: gone("stopped"),
  failed: bad("stopped, but closing it failed: not all that it held is given back"),
  abandoned: bad("did not stop in its time and was left: what it held may be held until the process has ended")
} as const

const whyDown = { failed: "failure of", cancelled: "cancelled by", deadline: "out of time, waiting for" } as const

const failure = ({ message, tag }: BootEvent.Failure): string =>
  message.startsWith(tag) || message === "" ? message || tag : `${tag}: ${message}`

const reason = (of: BootEvent.Reason): string => {
  switch (of._tag) {
    case "Failed":
      return failure(of.failure)
    case "Need":
      return `it needs ${of.need}`
    case "Environment":
      return `it exists in ${list(of.only)} only, and this is ${of.environment}`
    case "RolledBack":
      return `everything is taken down${of.because === "" ? "" : ` because of ${of.because}`}`
  }
}

const list = (all: ReadonlyArray<string>): string =>
  all.length <= 4 ? all.join(", ") : `${all.slice(0, 4).join(", ")} and ${all.length - 4} more`

const levelOf = (event: Event): Level => {
  switch (event._tag) {
    case "ComponentFailed":
      return "error"
    case "BootEnded":
      return event.clean && event.outcome === "stopped" ? "info" : event.clean ? "warn" : "error"
    case "RollbackStarted":
      return event.why === "stopped" ? "info" : "error"
    case "ComponentStopped":
      return event.closing === "clean" ? "info" : "error"
    case "BootReady":
      return event.outcome === "ready" ? "info" : "warn"
    case "HealthChanged":
      return event.healthy ? "info" : "warn"
    case "AttemptFailed":
      return isSaidAgain(event) ? "info" : "warn"
    case "ComponentAbsent":
      return event.reason._tag === "Environment" ? "debug" : "warn"
    case "SwapFailed":
    case "ComponentDegraded":
    case "ComponentSlow":
    case "PhaseSlow":
    case "FallbackChosen":
      return "warn"
    case "ComponentQueued":
    case "ComponentStarted":
    case "ComponentAcquired":
    case "AttemptClosed":
    case "ComponentBackoff":
    case "PhaseStarted":
      return "debug"
    case "BootStarted":
    case "CheckpointReached":
    case "ComponentReady":
    case "ComponentInterrupted":
    case "ComponentSkipped":
    case "ComponentStopping":
    case "SwapStarted":
    case "SwapCompleted":
      return "info"
  }
}
