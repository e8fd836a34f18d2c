/**
 * The gates of a rollout: whether v3 does at least what v1 did, from what was sent with both. Pure.
 *
 * **Details**
 *
 * Round trips are compared on small messages and rates on large ones, for a large message is slow and that means nothing.
 * Without measurements of v1 only what needs none is judged: errors, and messages that were lost. A rate that is a little
 * lower is an alert; everything else takes the rollout back.
 */

/** One message that was sent, or was not. */
export interface Sent {
  readonly version: "v1" | "v3"
  readonly atMillis: number
  readonly tookMillis: number
  readonly bytes: number
  readonly ok: boolean
}

export interface Limits {
  /** The most of all messages that may fail, 0 to 1. */
  readonly errors: number
  /** How many times the latency of v1 is too much. */
  readonly latency: number
  /** Below this share of the rate of v1: a warning, and the end. */
  readonly slower: number
  readonly tooSlow: number
  /** How far back is looked. */
  readonly windowMillis: number
  /** With fewer messages than this nothing is said. */
  readonly fewest: number
}

export const limits: Limits = {
  errors: 0.01,
  latency: 2,
  slower: 0.95,
  tooSlow: 0.8,
  windowMillis: 60_000,
  fewest: 20
}

/** Larger ones say how fast, smaller ones how soon. */
export const largeBytes = 65_536

export interface Finding {
  readonly gate: "errors" | "latency" | "throughput" | "loss"
  readonly severity: "alert" | "rollBack"
  readonly measured: number
  readonly limit: number
}

export interface State {
  readonly sent: ReadonlyArray<Sent>
  /** What v1 did when it was in use last. */
  readonly base: Measured | undefined
  readonly lost: number
}

/** What a window says of one version; undefined where there was too little. */
export interface Measured {
  readonly p95Millis: number | undefined
  readonly bytesPerSecond: number | undefined
}

export const initial: State = { sent: [], base: undefined, lost: 0 }

/** The most that is remembered, whatever the window. */
export const most = 2_048

/** What was sent since the last time; of very many the latest. */
export const observe = (state: State, sent: ReadonlyArray<Sent>): State => ({
  ...state,
  sent: [...state.sent, ...sent].slice(-most)
})

/** Forgets what is long ago, and remembers what v1 did. */
export const settle = (state: State, nowMillis: number, given: Limits = limits): State => {
  const sent = state.sent.filter(({ atMillis }) => nowMillis - atMillis <= given.windowMillis)
  return { ...state, sent, base: better(measure(sent, "v1", given), state.base) }
}

/** A message that is known to be gone. */
export const lose = (state: State): State => ({ ...state, lost: state.lost + 1 })

/** After a rollback v3 begins anew. */
export const forget = (state: State): State => ({
  ...state,
  sent: state.sent.filter(({ version }) => version === "v1"),
  lost: 0
})

/** What is wrong with v3 as of now. */
export const judge = (state: State, nowMillis: number, given: Limits = limits): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  if (state.lost > 0) findings.push({ gate: "loss", severity: "rollBack", measured: state.lost, limit: 0 })
  const recent = state.sent.filter(
    ({ atMillis, version }) => version === "v3" && nowMillis - atMillis <= given.windowMillis
  )
  const failed = recent.filter(({ ok }) => !ok).length / Math.max(1, recent.length)
  if (recent.length >= given.fewest && failed > given.errors) {
    findings.push({ gate: "errors", severity: "rollBack", measured: failed, limit: given.errors })
  }
  const now = measure(recent, "v3", given)
  const { base } = state
  if (base?.p95Millis !== undefined && now.p95Millis !== undefined && now.p95Millis > given.latency * base.p95Millis) {
    findings.push({
      gate: "latency",
      severity: "rollBack",
      measured: now.p95Millis,
      limit: given.latency * base.p95Millis
    })
  }
  if (base?.bytesPerSecond !== undefined && now.bytesPerSecond !== undefined) {
    const share = now.bytesPerSecond / base.bytesPerSecond
    if (share < given.tooSlow) {
      findings.push({ gate: "throughput", severity: "rollBack", measured: share, limit: given.tooSlow })
    } else if (share < given.slower) {
      findings.push({ gate: "throughput", severity: "alert", measured: share, limit: given.slower })
    }
  }
  return findings
}

/** A finding as the middle of a sentence. */
export const describe = ({ gate, limit, measured }: Finding): string => {
  switch (gate) {
    case "errors":
      return `${percent(measured)} of messages failed, ${percent(limit)} may`
    case "latency":
      return `the latency is ${measured.toFixed(1)} ms, ${limit.toFixed(1)} ms may be`
    case "throughput":
      return `the rate is ${percent(measured)} of that of v1, ${percent(limit)} must be`
    case "loss":
      return `${measured} messages were lost`
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

const measure = (sent: ReadonlyArray<Sent>, version: Sent["version"], given: Limits): Measured => {
  const mine = sent.filter((each) => each.version === version && each.ok)
  const small = mine.filter(({ bytes }) => bytes < largeBytes)
  const large = mine.filter(({ bytes }) => bytes >= largeBytes)
  const took = small.map(({ tookMillis }) => tookMillis).toSorted((a, b) => a - b)
  const seconds = large.reduce((sum, { tookMillis }) => sum + tookMillis, 0) / 1_000
  return {
    // A tenth of a millisecond at least: nobody is twice as slow as nothing.
    p95Millis: small.length < given.fewest ? undefined : Math.max(0.1, took[Math.floor(took.length * 0.95)] ?? 0.1),
    bytesPerSecond:
      large.length < given.fewest
        ? undefined
        : large.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1e-3, seconds)
  }
}

const better = (now: Measured, before: Measured | undefined): Measured => ({
  p95Millis: now.p95Millis ?? before?.p95Millis,
  bytesPerSecond: now.bytesPerSecond ?? before?.bytesPerSecond
})
