/**
 * Why a component of a report is as it is: the chain of reasons from itself to the root cause.
 *
 * **Example**
 *
 * ```ts
 * Report.why(report, "search")
 * // => ["search is skipped: it needs index", "index is absent: Refused no route after 3 attempts in 3.1 s"]
 * ```
 */
import type { Failure } from "./BootEvent.ts"
import * as Count from "./Count.ts"
import type { Attempt, Component, Report, State } from "./ReportView.ts"
import * as Words from "./Words.ts"

/** What reasons are looked up in. */
export interface Scene {
  readonly byName: ReadonlyMap<string, Component>
  readonly rollback: Report["rollback"]
  readonly concurrency: number
  /** The first member that failed, by group. */
  readonly culprits: ReadonlyMap<string, string>
  /** What keeps phases closed: the first unsettled component of `pre`, and the first critical one before `post`. */
  readonly gates: { readonly pre: string | undefined; readonly post: string | undefined }
  readonly atMs: number
}

type Told = Pick<Report, "atMs" | "components" | "rollback" | "concurrency">

/** Sets the scene, in one pass over the components. */
export const scene = ({ atMs, components, concurrency, rollback }: Told): Scene => {
  const byName = new Map<string, Component>()
  const culprits = new Map<string, string>()
  let pre: string | undefined
  let post: string | undefined
  for (const component of components) {
    byName.set(component.name, component)
    const group = groupOf(component.name)
    if (group !== undefined) {
      if (component.state === "failed" && !culprits.has(group)) culprits.set(group, component.name)
    } else if (component.settledAtMs === null) {
      if (component.phase === "pre") pre ??= component.name
      if (component.phase !== "post" && component.severity === "critical") post ??= component.name
    }
  }
  return { byName, rollback, concurrency, culprits, gates: { pre, post }, atMs }
}

/** The group that a member is inside of. */
export const groupOf = (name: string): string | undefined => {
  const slash = name.lastIndexOf("/")
  return slash < 0 ? undefined : name.slice(0, slash)
}

/** The component at which the search for the reason goes on; undefined at a root cause. */
const nextOf = (at: Scene, component: Component): string | undefined => {
  const { name, reason, state } = component
  if (state === "waiting") {
    return at.rollback === null ? blockerOf(at, component) : groupOrCulprit(at, name, at.rollback.because)
  }
  if (state === "ready" || isBusy(state)) return undefined
  switch (reason?._tag) {
    case undefined:
    case "Environment":
      return undefined
    case "Need":
      return reason.need
    case "RolledBack":
      return groupOrCulprit(at, name, reason.because)
    case "Failed":
      return reason.failure.tag === "NeedAbsent" ? lostNeed(at, component, reason.failure) : at.culprits.get(name)
  }
}

/** Whether it does something now, or is about to. */
export const isBusy = (state: State): boolean =>
  state === "queued" || state === "running" || state === "closing" || state === "backoff"

/** The need that was lost before anything was rolled back. Of several the sentence names the one that counts. */
const lostNeed = (at: Scene, { needs }: Component, { message }: Failure): string | undefined => {
  const lost = needs.filter((need) => {
    const component = at.byName.get(need)
    return component?.state === "absent" || (component?.state === "skipped" && component.reason?._tag === "Need")
  })
  return lost.find((need) => message.includes(` needs ${need},`)) ?? lost[0]
}

/** A rollback names those it happened because of, or a person's reason, which ends the search. */
const groupOrCulprit = (at: Scene, name: string, because: string): string | undefined => {
  const group = groupOf(name)
  return group !== undefined && at.byName.get(group)?.state !== "ready"
    ? group
    : because.split(", ").find((one) => one !== name && at.byName.has(one))
}

/** What a component is still waiting for. */
const blockerOf = (at: Scene, component: Component): string | undefined => {
  const group = at.byName.get(groupOf(component.name) ?? "")
  if (group !== undefined && group.state !== "running") return group.name
  const need = component.needs.find((one) => at.byName.get(one)?.settledAtMs === null)
  if (need !== undefined || component.phase === "pre") return need
  return at.gates.pre ?? (component.phase === "post" ? at.gates.post : undefined)
}

/** From a component to its root cause, both included. */
const chain = (at: Scene, name: string): ReadonlyArray<Component> => {
  const links = new Set<Component>()
  for (let link = at.byName.get(name); link !== undefined && !links.has(link);) {
    links.add(link)
    const next = nextOf(at, link)
    link = next === undefined ? undefined : at.byName.get(next)
  }
  return [...links]
}

/**
 * The root cause of each component, itself perhaps: the last failure on the way, or the end of it when nothing failed.
 * Takes time linear in the components.
 */
export const roots = (at: Scene): ReadonlyMap<string, Component> => {
  const found = new Map<string, Component>()
  for (const component of at.byName.values()) {
    const walked = new Set<Component>()
    let link: Component | undefined = component
    while (link !== undefined && !walked.has(link) && !found.has(link.name)) {
      walked.add(link)
      const next = nextOf(at, link)
      link = next === undefined ? undefined : at.byName.get(next)
    }
    let root = link === undefined ? undefined : found.get(link.name)
    for (const one of [...walked].reverse()) {
      if (root?.reason?._tag !== "Failed") root = root === undefined || one.reason?._tag === "Failed" ? one : root
      found.set(one.name, root)
    }
  }
  return found
}

/** Why a component is as it is: a sentence for each step, from itself to the root cause. */
export const why = (report: Report, name: string): ReadonlyArray<string> => {
  const at = scene(report)
  if (!at.byName.has(name)) return [`This boot knows no component "${Words.visible(name)}".`]
  const links = chain(at, name)
  return links.map((link, k) => Words.visible(sentence(at, link, links[k + 1])))
}

const sentence = (at: Scene, component: Component, next: Component | undefined): string => {
  const { name, state } = component
  switch (state) {
    case "ready":
      return component.health?.healthy === false
        ? `${name} is ready, but not healthy: ${component.health.message}`
        : `${name} is ready: it came up after ${Words.duration(component.readyAtMs ?? 0)}`
    case "waiting": {
      if (at.rollback !== null) return `${name} was not started: ${rolledBack(at.rollback, at.rollback.because)}`
      if (next === undefined) return `${name} is still waiting for its turn`
      return component.needs.includes(next.name) || groupOf(name) === next.name
        ? `${name} is waiting: it needs ${next.name}`
        : `${name} is waiting: its phase has not begun before ${next.name} has settled`
    }
    case "queued":
      return `${name} is still queued: all ${at.concurrency} slots are taken`
    case "running":
      return `${name} is still starting: ${ordinal(component)} for ${Words.duration(at.atMs - component.sinceMs)}`
    case "closing":
      return `${name} is still closing: ${ordinal(component)} ${lastError(component)}`
    case "backoff":
      return `${name} is still waiting for its next attempt: ${ordinal(component)} ${lastError(component)}`
    case "degraded":
      return `${name} is degraded, on its fallback ${component.fallback ?? "?"}: ${because(at, component)}`
    case "failed":
      return `${name} failed: ${because(at, component)}`
    case "absent":
    case "skipped":
    case "stopping":
    case "stopped":
      return `${name} is ${state}: ${because(at, component)}`
  }
}

/** The last part of a reason: what follows "is absent:". */
export const because = (at: Scene, component: Component): string => {
  const { reason } = component
  switch (reason?._tag) {
    case undefined:
      return "nothing is known about the reason"
    case "Need":
      return `it needs ${reason.need}`
    case "Environment":
      return `it exists only in ${reason.only.join(", ") || "no environment"}, and this is ${reason.environment}`
    case "RolledBack":
      return rolledBack(at.rollback, reason.because)
    case "Failed":
      return `${failureText(reason.failure)}${tries(component)}`
  }
}

const rolledBack = (rollback: Report["rollback"], because: string): string => {
  if (rollback === null || because.endsWith(" by hand")) return `it went down for ${because || "an unknown reason"}`
  const what = { failed: "was rolled back", deadline: "ran out of time", cancelled: "was cancelled" }
  const why = rollback?.why ?? "failed"
  return `${why === "stopped" ? "the node was stopped" : `the boot ${what[why]}`}${because && ` because of ${because}`}`
}

/** `Refused connect ECONNREFUSED 127.0.0.1:9200`; a message that already begins with its tag is enough. */
const failureText = ({ message, tag }: Failure): string => (message.startsWith(tag) ? message : `${tag} ${message}`)

const tries = ({ attempts }: Component): string => {
  const failed = attempts.filter(({ error }) => error !== null)
  return failed.length === 0 ? "" : ` after ${Count.of(failed.length, "attempt")} in ${Words.duration(spanMs(failed))}`
}

/** From the begin of the first attempt to the end of the last. */
export const spanMs = (attempts: ReadonlyArray<Attempt>): number => {
  const [first, last] = [attempts[0], attempts.at(-1)]
  return first && last ? last.startedAtMs + last.durationMs - first.startedAtMs : 0
}

const ordinal = ({ attempts, fallback }: Component): string =>
  `attempt ${attempts.at(-1)?.attempt ?? 1}${fallback === null ? "" : ` of ${fallback}`}`

const lastError = ({ attempts }: Component): string => {
  const error = attempts.at(-1)?.error
  return error ? `failed with ${failureText(error)}` : "was told to stop"
}
