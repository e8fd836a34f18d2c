/** What the process uses, under the names that dashboards for Prometheus and Node.js expect. */
import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import { Clock, Effect, type Scope } from "effect"
import type { Figure } from "../post/StartupMetrics.ts"
import type { Usage } from "./BootMetrics.ts"
import type { process as names } from "./Catalogue.ts"

/** What the process says about itself. */
export type Process = Pick<NodeJS.Process, "cpuUsage" | "memoryUsage" | "uptime" | "versions">

/** What has been used so far. Quick enough for each event of a boot. */
export const usage = (self: Process): Usage => {
  const { system, user } = self.cpuUsage()
  return { cpuSeconds: (system + user) / 1e6, heapBytes: getHeapStatistics().used_heap_size }
}

/** Yields what reads the figures; once read, the event loop is watched until the scope closes. */
export const make = Effect.fnUntraced(function* (
  self: Process
): Effect.fn.Return<() => ReadonlyArray<Figure>, never, Scope.Scope> {
  // Asked once: a number that is a little different each time looks like a process that is started again and again.
  const startedAtMs = (yield* Clock.currentTimeMillis) - self.uptime() * 1_000
  const delay = monitorEventLoopDelay({ resolution: 20 })
  let isOver = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOver = true
      delay.disable()
    })
  )
  const maxFds = readLimit()
  let loop = performance.eventLoopUtilization()
  return () => {
    const { external, heapTotal, heapUsed, rss } = self.memoryUsage()
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, loop)
    loop = now
    const values: { readonly [name in keyof typeof names]: number | undefined } = {
      process_cpu_seconds_total: usage(self).cpuSeconds,
      process_start_time_seconds: Math.round(startedAtMs) / 1_000,
      process_resident_memory_bytes: rss,
      process_open_fds: openFds(),
      process_max_fds: maxFds,
      nodejs_heap_size_total_bytes: heapTotal,
      nodejs_heap_size_used_bytes: heapUsed,
      nodejs_external_memory_bytes: external,
      nodejs_eventloop_utilization_ratio: utilization,
      nodejs_eventloop_lag_mean_seconds: seconds(delay.mean),
      nodejs_eventloop_lag_p99_seconds: seconds(delay.percentile(99))
    }
    // From the first scrape on: a boot does not pay for it.
    if (!isOver) delay.enable()
    delay.reset()
    return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, labels: {}, value }]))
  }
})

/** Before the first sample there is none; the resolution of the measurement itself is no delay. */
const seconds = (nanos: number): number => (Number.isFinite(nanos) ? Math.max(0, nanos / 1e9 - 0.02) : 0)

/** Only Linux says it in a file. */
const openFds = (): number | undefined => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}

const readLimit = (): number | undefined => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
    return limit === undefined ? undefined : Number(limit)
  } catch {
    return undefined
  }
}
