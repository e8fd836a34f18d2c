/**
 * What the failure of a component means for the boot: `Critical` ends it, `Degraded` needs a fallback, `Warning` lets
 * the component be absent.
 *
 * **Details**
 *
 * A component's own errors stay what they are. Its declaration maps them to severities, and the severities appear as
 * error classes in the type of its layer: `Degraded<RedisDown> | Critical<BadUrl>`. Combinators eliminate them
 * (`fallback` removes `Degraded`, `optional` removes `Warning`), so what a boot can still fail with is `Critical` alone.
 *
 * The kernel adds three failures of its own, a {@link Fault} each: an attempt that took too long, a probe that said no,
 * and a defect. Deadlines and probes say nothing about why, so they count with the mildest severity that the
 * component's table names, for which its author has provided a way on. A defect is a bug and always critical.
 */
import { Data } from "effect"

/** The word in declarations: the tag of the error class that the failure becomes. */
export type Severity = "Critical" | "Degraded" | "Warning"

/** The word in data: events, manifests, reports. */
export type Word = "critical" | "degraded" | "warning"

/** From the tag of the class to the word of the data. */
export const word: { readonly [S in Severity]: Word } = {
  Critical: "critical",
  Degraded: "degraded",
  Warning: "warning"
}

/** An attempt, a component, a phase or the boot did not settle before its deadline. */
export class TimedOut extends Data.TaggedError("TimedOut")<{
  readonly component: string
  readonly scope: "attempt" | "component" | "phase" | "boot"
  readonly afterMs: number
  readonly during: "start" | "probe" | "wait"
  /** What went wrong in the attempts before, if anything: the root of it. */
  readonly cause?: unknown
}> {
  override get message() {
    const what = { start: "did not start", probe: "started, but its probe did not answer", wait: "was still waiting" }
    return `${this.component} ${what[this.during]} within ${this.afterMs} ms (deadline of the ${this.scope})`
  }
}

/** A component was acquired and its first probe failed; `cause` is what the probe said. */
export class Unhealthy extends Data.TaggedError("Unhealthy")<{ readonly component: string; readonly cause: unknown }> {
  override get message() {
    return `${this.component} was acquired but is not healthy`
  }
}

/** A bug: `start` or the probe threw, or died. `cause` is the defect. */
export class Defect extends Data.TaggedError("Defect")<{ readonly component: string; readonly cause: unknown }> {
  override get message() {
    return `${this.component} has a defect`
  }
}

/** A component that cannot do without another one will not get it. */
export class NeedAbsent extends Data.TaggedError("NeedAbsent")<{
  readonly component: string
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

/** What the kernel itself can find wrong with a component, whatever the component's own errors are. */
export type Fault = TimedOut | Unhealthy | Defect | NeedAbsent

/** Ends the boot: everything started is rolled back. */
export class Critical<out E = unknown> extends Data.TaggedError("Critical")<{
  readonly component: string
  readonly cause: unknown
  /** What the rollback could not close, by name; absent when all was closed. The same for each failure of a boot. */
  readonly unclosed?: readonly [string, ...ReadonlyArray<string>]
}> {
  declare readonly cause: E | Fault
  override get message() {
    const left = this.unclosed === undefined ? "" : `; the rollback could not close ${this.unclosed.join(", ")}`
    return `critical component "${this.component}" did not start${left}`
  }
}

/** The component needs its fallback: the boot goes on with less. */
export class Degraded<out E = unknown> extends Data.TaggedError("Degraded")<{
  readonly component: string
  readonly cause: unknown
}> {
  declare readonly cause: E | Fault
  override get message() {
    return `component "${this.component}" is degraded`
  }
}

/** The component stays absent: those who asked for it as an option get `None`. */
export class Warning<out E = unknown> extends Data.TaggedError("Warning")<{
  readonly component: string
  readonly cause: unknown
}> {
  declare readonly cause: E | Fault
  override get message() {
    return `component "${this.component}" is absent`
  }
}

/** A failure with its severity. */
export type Failure<E = unknown> = Critical<E> | Degraded<E> | Warning<E>

/** The error class of a severity. */
export type Wrap<S extends Severity, E> = S extends "Critical"
  ? Critical<E>
  : S extends "Degraded"
    ? Degraded<E>
    : Warning<E>

/** Gives a failure its class. */
export const wrap = (severity: Severity, component: string, cause: unknown): Failure => {
  switch (severity) {
    case "Critical":
      return new Critical({ component, cause })
    case "Degraded":
      return new Degraded({ component, cause })
    case "Warning":
      return new Warning({ component, cause })
  }
}

/**
 * How a component's errors map to severities: one for all of them, or one for each `_tag`, exhaustively. A table may
 * also say what `TimedOut` and `Unhealthy` count as; the mildest severity it names is the default.
 */
export type Table<E> =
  | Severity
  // Of nothing, the tags would be a type that takes any text for a table.
  | ([E] extends [never]
      ? Faults
      : [E] extends [{ readonly _tag: string }]
        ? { readonly [K in E["_tag"]]: Severity } & Faults
        : { readonly "one severity for all, as these errors have no _tag": never })

type Faults = { readonly TimedOut?: Severity; readonly Unhealthy?: Severity }

/** The error channel that a table makes of a component's errors `E`. */
export type Classified<E, T> = T extends Severity
  ? Wrap<T, E>
  : { readonly [K in keyof T]: T[K] extends Severity ? Wrap<T[K], Extract<E, { readonly _tag: K }>> : never }[keyof T]

/** The mildest severity that a table names: it is also the severity by which operators know the component. */
export const mildest = (table: Severity | { readonly [tag: string]: Severity }): Severity => {
  if (typeof table === "string") return table
  const named = Object.entries(table)
    .filter(([tag]) => tag !== "TimedOut" && tag !== "Unhealthy")
    .map(([, s]) => s)
  return named.includes("Warning") ? "Warning" : named.includes("Degraded") ? "Degraded" : "Critical"
}

/** The severity of one failure under a table. A tag that the table does not know can only be a bug: critical. */
export const classify = (table: Severity | { readonly [tag: string]: Severity }, cause: unknown): Severity => {
  if (cause instanceof Defect) return "Critical"
  if (typeof table === "string") return table
  const tag = tagOf(cause)
  if (Object.hasOwn(table, tag)) return table[tag] ?? "Critical"
  const isFault = cause instanceof TimedOut || cause instanceof Unhealthy || cause instanceof NeedAbsent
  return isFault ? mildest(table) : "Critical"
}

/** The tag of an error, or the name of its class, or its type: what a policy and a report know it by. */
export const tagOf = (error: unknown): string => {
  try {
    if (typeof error === "object" && error !== null) {
      if ("_tag" in error && typeof error._tag === "string") return error._tag
      if (error instanceof Error && typeof error.name === "string") return error.name
    }
  } catch {
    // It does not let itself be read.
  }
  return typeof error === "string" ? error : typeof error
}

/**
 * The text of an error for people and for records: its message, with the messages of its causes behind it, never its
 * fields (they may hold a secret) and never a stack.
 */
export const messageOf = (error: unknown): string => {
  const seen: Array<string> = []
  let at: unknown = error
  for (let depth = 0; depth < 8 && (depth === 0 || (at !== undefined && at !== null)); depth++) {
    const { because, text } = sayingOf(at)
    // Some quote their cause in their own message.
    if (!seen.some((said) => said.includes(text))) seen.push(text)
    at = because
  }
  return seen.reduce((said, text) => `${said}${/[.?!]$/.test(said) ? " Reason: " : ": "}${text}`)
}

/** What an error says, and what it blames. Whoever fails may do so with anything, and a boot must not die of reading it. */
const sayingOf = (error: unknown): { readonly text: string; readonly because?: unknown } => {
  try {
    if (isErrorLike(error)) return { text: error.message || tagOf(error), because: error.cause ?? firstOf(error) }
  } catch {
    // It does not let itself be read.
  }
  return { text: tagOf(error) }
}

/** An error with a message, or what has a tag and a message and is meant as one: `ConfigError` of Effect is no `Error`. */
const isErrorLike = (it: unknown): it is { readonly message: string; readonly cause?: unknown } =>
  typeof it === "object" &&
  it !== null &&
  (it instanceof Error || "_tag" in it) &&
  "message" in it &&
  typeof it.message === "string"

/** Node says of a host with several addresses only that it tried them; one of them tells more. */
const firstOf = (error: object): unknown => (error instanceof AggregateError ? error.errors[0] : undefined)
