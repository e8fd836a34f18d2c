/**
 * The words and numbers of the pages: what a state is called, which of the few tones it has, how long a time is. Pure.
 */
import type { Report } from "@novacron/boot/model"

export type State = Report.Report["components"][number]["state"]

/** What a state means to whoever looks: it has one colour and one shape. */
export type Tone = "up" | "degraded" | "failed" | "busy" | "held" | "gone"

const tones: { readonly [S in State]: Tone } = {
  waiting: "held",
  queued: "held",
  backoff: "busy",
  running: "busy",
  closing: "busy",
  ready: "up",
  degraded: "degraded",
  absent: "gone",
  skipped: "gone",
  failed: "failed",
  stopping: "busy",
  stopped: "gone"
}

/** While a boot is under way nothing that still tries is an alarm: only what has failed for good is. */
export const toneOf = (state: State): Tone => tones[state]

const healthTones: { readonly [status: string]: Tone | undefined } = {
  healthy: "up",
  degraded: "degraded",
  unhealthy: "failed"
}

export const toneOfHealth = (status: string): Tone => healthTones[status] ?? "held"

const outcomeTones: { readonly [O in Report.Report["outcome"]]: Tone } = {
  booting: "busy",
  ready: "up",
  degraded: "degraded",
  failed: "failed",
  cancelled: "gone",
  stopped: "gone"
}

export const toneOfOutcome = (outcome: Report.Report["outcome"]): Tone => outcomeTones[outcome]

const taskTones: { readonly [state: string]: Tone | undefined } = {
  queued: "held",
  placed: "busy",
  running: "busy",
  waiting: "held",
  succeeded: "up",
  failed: "failed",
  cancelled: "gone"
}

export const toneOfTask = (state: string): Tone => taskTones[state] ?? "held"

const nodeTones: { readonly [state: string]: Tone | undefined } = { up: "up", draining: "degraded", down: "failed" }

export const toneOfNode = (state: string): Tone => nodeTones[state] ?? "held"

/** The shape of a tone, in a box of 12 by 12: colour is never the only sign. */
export const shapes: { readonly [T in Tone]: string } = {
  up: "M2.5 6.5 5 9l4.5-6",
  degraded: "M6 2 10.5 10h-9Z",
  failed: "M3 3l6 6M9 3l-6 6",
  busy: "M6 1.75a4.25 4.25 0 1 1-4.25 4.25",
  held: "M6 2.25a3.75 3.75 0 1 1 0 7.5a3.75 3.75 0 1 1 0-7.5",
  gone: "M2.5 6h7"
}

/** `840 µs`, `81 ms`, `1.24 s`, `3 min 20 s`, `2 h 5 min`, `6 d 1 h`: two or three digits that mean something. */
export const duration = (ms: number): string => {
  if (!Number.isFinite(ms)) return "–"
  if (ms < 0) return `−${duration(-ms)}`
  if (ms === 0) return "0 ms"
  if (ms < 0.9995) return `${Math.max(1, Math.round(ms * 1_000))} µs`
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_995) return `${(ms / 1_000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const [amount, large, small, factor] =
    ms < 3_599_500
      ? ([ms / 1_000, "min", "s", 60] as const)
      : ms < 86_370_000
        ? ([ms / 60_000, "h", "min", 60] as const)
        : ([ms / 3_600_000, "d", "h", 24] as const)
  const whole = Math.round(amount)
  const rest = whole % factor
  return `${Math.floor(whole / factor)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`
}

/** A time that goes on, in whole seconds: `40 s`, `3 min 20 s`. */
export const elapsed = (ms: number): string =>
  ms < 59_500 ? `${Math.floor(ms / 1_000)} s` : duration(Math.floor(ms / 1_000) * 1_000)

/** How long ago something was: `just now`, `40 s ago`. */
export const ago = (ms: number): string => (ms < 1_000 ? "just now" : `${elapsed(ms)} ago`)

/** An amount with three digits that mean something at the most: `0.25`, `3.5`, `128`. */
export const amount = (value: number): string => `${Number(value.toPrecision(value < 1_000 ? 3 : 4))}`

/** Memory, from MiB: `512 MiB`, `1.5 GiB`, `2 TiB`. */
export const memory = (mebibytes: number): string => {
  const [value, unit] =
    mebibytes < 1_024
      ? ([mebibytes, "MiB"] as const)
      : mebibytes < 1_048_576
        ? ([mebibytes / 1_024, "GiB"] as const)
        : ([mebibytes / 1_048_576, "TiB"] as const)
  return `${amount(value)} ${unit}`
}

/** How much was printed, from bytes: `0 B`, `16 KiB`. */
export const bytes = (count: number): string =>
  count < 1_024 ? `${count} B` : count < 1_048_576 ? `${amount(count / 1_024)} KiB` : memory(count / 1_048_576)

/** With a sign: `+120 ms`, `−1.30 s`, `±0`. */
export const difference = (ms: number): string => (ms === 0 ? "±0" : ms > 0 ? `+${duration(ms)}` : duration(ms))

/** Text of strangers as it may be shown in a line: control characters are seen, not obeyed; what is long is cut. */
export const visible = (text: string, limit = 400): string => {
  const shown = text.replace(invisible, escaped)
  return shown.length <= limit ? shown : `${shown.slice(0, limit - 1)}…`
}

/** How a character is shown that must not be obeyed. */
export const escaped = (one: string): string => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`

/** Control characters, and those that turn the direction of a text. */
const invisible = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** Round marks of an axis from 0 to a time, so many at the most. */
export const ticks = (toMs: number, atMost: number): ReadonlyArray<number> => {
  if (!(toMs > 0) || atMost < 1) return [0]
  const rough = toMs / atMost
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999) ?? power * 10
  return Array.from({ length: Math.floor(toMs / step + 1e-9) + 1 }, (_, i) => i * step)
}

/** How the boot is going or went, in a sentence. */
export const summary = (report: Report.Report, nowMs: number): string => {
  const { components, criticalPathMs, durationMs, outcome, readyAtMs, rollback } = report
  const top = components.filter(({ name }) => !name.includes("/"))
  const up = top.filter(({ state }) => state === "ready" || state === "degraded").length
  const because = rollback?.because ?? ""
  const impaired = top.filter(({ state }) => state === "degraded").map(({ name }) => visible(name, 40))
  switch (outcome) {
    case "booting":
      return top.length === 0
        ? "about to boot"
        : `${up} of ${top.length} up after ${duration(Math.max(nowMs, report.atMs))}`
    case "ready":
      return `in ${duration(readyAtMs ?? durationMs)}, critical path ${duration(criticalPathMs)}`
    case "degraded":
      return `in ${duration(readyAtMs ?? durationMs)}${impaired.length === 0 ? "" : `, on fallbacks: ${some(impaired)}`}`
    case "failed":
    case "cancelled":
    case "stopped":
      return `after ${duration(durationMs)}${because === "" ? "" : `, because of ${visible(because, 80)}`}`
  }
}

const some = (names: ReadonlyArray<string>): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`
