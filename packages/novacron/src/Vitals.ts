/**
 * What an operator wants to know of each component besides how it is: how often it was tried, how often it came back,
 * since when it is as it is, and what went wrong last. A fold over the events of the boot, for `/health/components`.
 *
 * **Details**
 *
 * Bounded: the last three errors of a component, of three hundred characters each. Messages are those of the events,
 * which hold no secrets. What goes wrong inside a group is told of the group, with the name of the part.
 */
import type { BootEvent } from "@novacron/boot/model"
import { DateTime, Option } from "effect"
import * as Codes from "./Codes.ts"

/** The fold. Make one with {@link make}; only {@link step} changes it. */
export interface Vitals {
  startedAt: number
  readonly components: Map<string, Row>
}

interface Row {
  attempts: number
  failures: number
  ups: number
  sinceMs: number
  readonly errors: Array<string>
}

/** What is said of one component. */
export interface Details {
  readonly metrics: {
    /** Starts that were begun, those of fallbacks and restarts included. */
    readonly attempts: number
    /** Of these, and of the exchanges, those that went wrong. */
    readonly failures: number
    /** How often it came up again after the first time: restored, restarted, exchanged, or given way. */
    readonly restarts: number
    /** How long it has been as it is. */
    readonly inStateSeconds: number
  }
  /** `2026-11-23T07:41:00.000Z NVC-2101 DatabaseDown: …`, the last three, oldest first. */
  readonly errors: ReadonlyArray<string>
}

/** Nothing has happened. */
export const make = (): Vitals => ({ startedAt: NaN, components: new Map() })

const most = { errors: 3, characters: 300 } as const

/** Takes in one event. */
export const step = (vitals: Vitals, event: BootEvent.BootEvent): void => {
  if (event._tag === "BootStarted") {
    vitals.startedAt = event.startedAt
    vitals.components.clear()
    return
  }
  if (!("component" in event)) return
  const [name = "", ...inside] = event.component.split("/")
  const row = rowOf(vitals, name)
  const part = inside.length === 0 ? "" : `${inside.join("/")}: `
  if (event._tag === "AttemptFailed" || event._tag === "SwapFailed" || event._tag === "ComponentFailed") {
    wentWrong(vitals, row, event, `${part}${textOf(event.failure)}`, event.failure.tag)
  } else if (event._tag === "HealthChanged" && !event.healthy) {
    wentWrong(vitals, row, event, `${part}Unhealthy: ${event.message}`, "Unhealthy")
  }
  if (part !== "") return
  if (event._tag === "ComponentStarted") row.attempts++
  if (event._tag === "AttemptFailed" || event._tag === "SwapFailed") row.failures++
  if (comesUp.has(event._tag)) row.ups++
  if (changes.has(event._tag)) row.sinceMs = event.atMs
}

/** What is known of each component at this moment, in milliseconds since 1970. */
export const details = ({ components, startedAt }: Vitals, nowMs: number): { readonly [name: string]: Details } =>
  Object.fromEntries(
    [...components].map(([name, { attempts, errors, failures, sinceMs, ups }]) => {
      const seconds = Math.max(0, nowMs - startedAt - sinceMs) / 1_000
      const inStateSeconds = Number.isFinite(seconds) ? Math.round(seconds * 1_000) / 1_000 : 0
      const metrics = { attempts, failures, restarts: Math.max(0, ups - 1), inStateSeconds }
      return [name, { metrics, errors: errors.slice() }]
    })
  )

const rowOf = ({ components }: Vitals, name: string): Row => {
  const known = components.get(name)
  if (known !== undefined) return known
  const row: Row = { attempts: 0, failures: 0, ups: 0, sinceMs: 0, errors: [] }
  components.set(name, row)
  return row
}

/** What ends a component is told of its last attempt and once more of itself: one of them is enough. */
const wentWrong = (
  { startedAt }: Vitals,
  { errors }: Row,
  { atMs }: { readonly atMs: number },
  message: string,
  tag: string
): void => {
  const code = Codes.find(tag)?.code
  const what = `${code === undefined ? "" : `${code} `}${message}`.replace(/\s+/g, " ").slice(0, most.characters)
  if (errors.at(-1)?.endsWith(` ${what}`) === true) errors.pop()
  const at = Option.match(DateTime.make(startedAt + atMs), { onNone: () => "", onSome: DateTime.formatIso })
  errors.push(`${at} ${what}`)
  if (errors.length > most.errors) errors.shift()
}

const textOf = ({ message, tag }: BootEvent.Failure): string =>
  message.startsWith(tag) || message === "" ? message || tag : `${tag}: ${message}`

type Tags = ReadonlySet<BootEvent.BootEvent["_tag"]>

const comesUp: Tags = new Set(["ComponentReady", "ComponentDegraded", "SwapCompleted"] as const)

/** After these it is in another state, or another one of its kind serves. */
const changes: Tags = new Set([
  "ComponentQueued",
  "ComponentStarted",
  "ComponentReady",
  "ComponentDegraded",
  "ComponentInterrupted",
  "AttemptFailed",
  "ComponentBackoff",
  "ComponentAbsent",
  "ComponentSkipped",
  "ComponentFailed",
  "ComponentStopping",
  "ComponentStopped",
  "SwapCompleted"
] as const)
