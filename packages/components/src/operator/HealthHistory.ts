/**
 * How healthy each part was, and how quickly it answered: the last notes, at regular times, in a ring that never grows.
 */
import type { Health } from "@novacron/boot"
import { Schema } from "effect"

/** What is told of the past. Positions of all lists are those of `times`. */
export const Told = Schema.Struct({
  /** Milliseconds since 1970, ascending. */
  times: Schema.Array(Schema.Finite),
  parts: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      /** A letter for each time: `h`ealthy, `d`egraded, `u`nhealthy, `?` unknown, `-` not there. */
      statuses: Schema.String,
      latenciesMs: Schema.Array(Schema.NullOr(Schema.Finite))
    })
  )
})
export type Told = typeof Told.Type

/** Notes that are kept. */
export interface HealthHistory {
  readonly note: (report: Health.HealthReport, atMs: number) => void
  readonly told: () => Told
}

/** A ring for so many notes of so many parts; parts beyond that are left out. */
export const make = (slots = 720, maxParts = 256): HealthHistory => {
  const times = new Float64Array(slots)
  const parts = new Map<string, { readonly statuses: Uint8Array; readonly latencies: Float32Array }>()
  let count = 0
  return {
    note: ({ components }, atMs) => {
      const slot = count++ % slots
      times[slot] = atMs
      for (const { latencies, statuses } of parts.values()) {
        statuses[slot] = 0
        latencies[slot] = NaN
      }
      for (const { latencyMs, name, status } of components) {
        let part = parts.get(name)
        if (part === undefined) {
          if (parts.size >= maxParts) continue
          part = { statuses: new Uint8Array(slots), latencies: new Float32Array(slots).fill(NaN) }
          parts.set(name, part)
        }
        part.statuses[slot] = codes.indexOf(status) + 1
        part.latencies[slot] = latencyMs ?? NaN
      }
    },
    told: () => {
      const length = Math.min(count, slots)
      const order = Array.from({ length }, (_, i) => (count - length + i) % slots)
      return {
        times: order.map((slot) => times[slot] ?? 0),
        parts: [...parts].map(([name, { latencies, statuses }]) => ({
          name,
          statuses: order.map((slot) => letters[statuses[slot] ?? 0]).join(""),
          latenciesMs: order.map((slot) => rounded(latencies[slot] ?? NaN))
        }))
      }
    }
  }
}

/** How healthy each is now: a report without what only the kernel needs. */
export const now = ({ components, status }: Health.HealthReport) => ({
  status,
  parts: components.map(({ critical, errorRate, latencyMs, message, name, status, throughput }) => ({
    name,
    critical,
    status,
    message,
    latencyMs: latencyMs ?? null,
    throughput: throughput ?? null,
    errorRate: errorRate ?? null
  }))
})

const codes: ReadonlyArray<Health.Status> = ["healthy", "degraded", "unhealthy", "unknown"]
const letters = "-hdu?"

const rounded = (ms: number): number | null => (Number.isNaN(ms) ? null : Math.round(ms * 1_000) / 1_000)
