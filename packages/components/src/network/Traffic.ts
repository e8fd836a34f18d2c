/**
 * How much goes through something, and how much of it goes wrong: what a probe says besides that all is well.
 */

/** What a probe answers; the kernel's health takes it from there. */
export interface Reading {
  readonly latencyMs: number
  /** Successes a second since the reading before. */
  readonly throughput: number
  /** The share of failures since the reading before, 0 to 1. */
  readonly errorRate: number
  readonly detail: string
}

export interface Traffic {
  readonly succeeded: () => void
  readonly failed: () => void
  /** What has happened since the reading before, which ends with this one. */
  readonly read: (nowMs: number, latencyMs: number, detail: string) => Reading
}

/** Begins to count. */
export const make = (nowMs: number): Traffic => {
  let sinceMs = nowMs
  let successes = 0
  let failures = 0
  return {
    succeeded: () => void successes++,
    failed: () => void failures++,
    read: (nowMs, latencyMs, detail) => {
      const seconds = Math.max(nowMs - sinceMs, 1) / 1_000
      const calls = successes + failures
      const reading = {
        latencyMs,
        throughput: Math.round((successes / seconds) * 1_000) / 1_000,
        errorRate: calls === 0 ? 0 : failures / calls,
        detail
      }
      sinceMs = nowMs
      successes = 0
      failures = 0
      return reading
    }
  }
}
