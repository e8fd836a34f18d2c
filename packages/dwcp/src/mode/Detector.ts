/**
 * What kind of link this is: datacenter, internet, or neither, as `hybrid`. Pure: samples in, a mode and its evidence out.
 *
 * **Details**
 *
 * Each sample has what was measured and no more; what nobody knows yet takes no part in the score. A mode is entered when
 * its weighted score over the last ten samples is at least 0.7, and left when the score of the mode, with its limits
 * widened by the hysteresis, is below that. Nothing changes within the cooldown after a change, nor before a mode was kept
 * for its dwell; the first finding needs neither.
 */

export type Mode = "datacenter" | "internet" | "hybrid"

/** One measurement of a link. What was not measured is left out. */
export interface Sample {
  readonly rttMillis?: number
  readonly jitterMillis?: number
  /** Bits per second. */
  readonly throughput?: number
  /** Whether the throughput is what the link gave, or only what was offered to it. */
  readonly appLimited?: boolean
  /** Share of segments lost, 0 to 1. */
  readonly loss?: number
  readonly rdma?: boolean
}

export interface Settings {
  /** Milliseconds up to which a link is a datacenter's, and from which it is the internet. */
  readonly nearMillis: number
  readonly farMillis: number
  /** Bits per second from which a link is a datacenter's, and up to which it is the internet. */
  readonly fast: number
  readonly slow: number
  /** Shares of lost segments up to which a link is a datacenter's, and from which it is the internet. */
  readonly clean: number
  readonly lossy: number
  readonly enter: number
  /** By how much the limits of the mode that is on are widened, as a share. */
  readonly hysteresis: number
  readonly window: number
  /** Samples before the first finding. */
  readonly confident: number
  readonly cooldownMillis: number
  readonly dwellMillis: number
}

export const settings: Settings = {
  nearMillis: 10,
  farMillis: 50,
  fast: 1e9,
  slow: 1e8,
  clean: 0.0001,
  lossy: 0.01,
  enter: 0.7,
  hysteresis: 0.2,
  window: 10,
  confident: 3,
  cooldownMillis: 30_000,
  dwellMillis: 60_000
}

export const weights = { latency: 0.4, throughput: 0.3, loss: 0.2, rdma: 0.1 }

/** Why a link counts as what it counts as. */
export interface Evidence {
  readonly samples: number
  readonly rttMillis: number | undefined
  readonly minRttMillis: number | undefined
  readonly jitterMillis: number | undefined
  readonly throughput: number | undefined
  readonly loss: number | undefined
  readonly rdma: boolean | undefined
  readonly scores: { readonly datacenter: number; readonly internet: number }
}

export interface State {
  readonly mode: Mode
  /** Milliseconds of the clock at which the mode was found; `undefined` before the first finding. */
  readonly since: number | undefined
  readonly window: ReadonlyArray<Sample>
  readonly evidence: Evidence
}

/** What a step found: nothing new, or a change, with what it was before. */
export type Finding =
  | { readonly _tag: "Kept" }
  | { readonly _tag: "Held"; readonly wanted: Mode; readonly because: "cooldown" | "dwell" }
  | { readonly _tag: "Changed"; readonly from: Mode; readonly to: Mode }

const unknown: Evidence = {
  samples: 0,
  rttMillis: undefined,
  minRttMillis: undefined,
  jitterMillis: undefined,
  throughput: undefined,
  loss: undefined,
  rdma: undefined,
  scores: { datacenter: 0, internet: 0 }
}

export const initial: State = { mode: "hybrid", since: undefined, window: [], evidence: unknown }

/** One more sample, at `now` milliseconds. */
export const step = (
  state: State,
  sample: Sample,
  now: number,
  given: Settings = settings
): readonly [State, Finding] => {
  const window = [...state.window, sample].slice(-given.window)
  const evidence = weigh(window, given)
  const next: State = { ...state, window, evidence }
  if (window.length < given.confident) return [next, kept]
  const wanted = classify(evidence, state.since === undefined ? undefined : state.mode, given)
  if (state.since === undefined) return [{ ...next, mode: wanted, since: now }, changed(state.mode, wanted)]
  if (wanted === state.mode) return [next, kept]
  if (now - state.since < given.cooldownMillis) return [next, { _tag: "Held", wanted, because: "cooldown" }]
  if (now - state.since < given.dwellMillis) return [next, { _tag: "Held", wanted, because: "dwell" }]
  return [{ ...next, mode: wanted, since: now }, changed(state.mode, wanted)]
}

/** The mode of a window, given the mode that is on, if one is. */
export const classify = (evidence: Evidence, on: Mode | undefined, given: Settings = settings): Mode => {
  const wide = given.hysteresis
  const datacenter = score(evidence, on === "datacenter" ? widened(given, 1 + wide) : given).datacenter
  const internet = score(evidence, on === "internet" ? widened(given, 1 / (1 + wide)) : given).internet
  if (datacenter < given.enter && internet < given.enter) return "hybrid"
  return datacenter >= internet ? "datacenter" : "internet"
}

/** What a window says, taken together: the middle of round trips and losses, the best of throughputs. */
export const weigh = (window: ReadonlyArray<Sample>, given: Settings = settings): Evidence => {
  const of = (field: (sample: Sample) => number | undefined) => window.map(field).filter((n) => n !== undefined)
  const rtts = of(({ rttMillis }) => rttMillis)
  const evidence = {
    samples: window.length,
    rttMillis: middle(rtts),
    minRttMillis: rtts.length === 0 ? undefined : Math.min(...rtts),
    jitterMillis: middle(of(({ jitterMillis }) => jitterMillis)),
    throughput: carried(window, given),
    loss: mean(of(({ loss }) => loss)),
    rdma: window.findLast(({ rdma }) => rdma !== undefined)?.rdma
  }
  return { ...evidence, scores: score(evidence, given) }
}

// ------------------------------------------------------------------------------------------------------------- private

const kept: Finding = { _tag: "Kept" }
const changed = (from: Mode, to: Mode): Finding => (from === to ? kept : { _tag: "Changed", from, to })

/** As a link that was not filled may be faster, such a measurement counts only where it already proves a fast link. */
const carried = (window: ReadonlyArray<Sample>, given: Settings): number | undefined => {
  const full = window.filter(({ appLimited }) => appLimited !== true).flatMap(({ throughput }) => throughput ?? [])
  const offered = window.flatMap(({ throughput }) => throughput ?? []).filter((rate) => rate >= given.fast)
  const filled = middle(full)
  return offered.length > 0 && (filled === undefined || filled < given.fast)
    ? Math.max(...offered, filled ?? 0)
    : filled
}

/** The limits of a mode that is on, moved away from where it is. */
const widened = (given: Settings, by: number): Settings => ({
  ...given,
  nearMillis: given.nearMillis * by,
  farMillis: given.farMillis * by,
  fast: given.fast / by,
  slow: given.slow / by,
  clean: given.clean * by,
  lossy: given.lossy * by
})

type Measured = Pick<Evidence, "rttMillis" | "throughput" | "loss" | "rdma">

const score = (seen: Measured, given: Settings): Evidence["scores"] => {
  const near = seen.rttMillis === undefined ? undefined : 1 - between(seen.rttMillis, given.nearMillis, given.farMillis)
  const fast =
    seen.throughput === undefined ? undefined : between(log(seen.throughput), log(given.slow), log(given.fast))
  const clean = seen.loss === undefined ? undefined : 1 - between(log(seen.loss), log(given.clean), log(given.lossy))
  const rdma = seen.rdma === undefined ? undefined : Number(seen.rdma)
  const parts = [
    [weights.latency, near],
    [weights.throughput, fast],
    [weights.loss, clean],
    [weights.rdma, rdma]
  ] as const
  let [known, datacenter] = [0, 0]
  for (const [weight, membership] of parts) {
    if (membership === undefined) continue
    known += weight
    datacenter += weight * membership
  }
  // Latency is the least that must be known: without it nothing is claimed.
  if (near === undefined) return { datacenter: 0, internet: 0 }
  return { datacenter: datacenter / known, internet: 1 - datacenter / known }
}

/** Where `value` lies from `low` (0) to `high` (1). */
const between = (value: number, low: number, high: number): number =>
  Math.min(1, Math.max(0, (value - low) / (high - low)))

const log = (value: number): number => Math.log10(Math.max(value, 1e-9))

const mean = (values: ReadonlyArray<number>): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length

const middle = (values: ReadonlyArray<number>): number | undefined =>
  values.length === 0 ? undefined : values.toSorted((a, b) => a - b)[values.length >> 1]
