/**
 * Congestion is seen coming: round trips grow while deliveries no longer do. Then streams and pacing give way, before the
 * queue of the link overflows and packets are lost.
 *
 * **Details**
 *
 * Retransmits alone are not a sign: a link that loses at random keeps its round trip, and whoever slows down for it only
 * loses twice. Each step takes what was observed since the last one, and says how many streams and what rate are wise.
 */

/** What was seen of all streams of a link since the last step. */
export interface Observation {
  readonly srttMicros: number
  readonly minRttMicros: number
  /** Bytes per second that arrived. */
  readonly deliveryRate: number
  /** Bytes since the last step. */
  readonly sent: number
  readonly retransmitted: number
  readonly streams: number
}

/** What the link should keep to. `undefined`: no limit from here. */
export interface Advice {
  readonly streams: number | undefined
  /** Bytes per second, all streams together. */
  readonly pacing: number | undefined
  readonly reason: "free" | "inflated" | "congested" | "recovered"
}

export type State =
  | { readonly _tag: "Free"; readonly signs: number; readonly best: number }
  | {
      readonly _tag: "Eased"
      readonly streams: number
      readonly pacing: number
      readonly calm: number
      readonly signs: number
      readonly best: number
    }

export interface Limits {
  /** Smoothed over least round trip from which a queue counts as standing. */
  readonly inflation: number
  /** Share of bytes sent twice that, with a standing queue, means overflow and not chance. */
  readonly retransmits: number
  /** Growth of the delivery rate below which it counts as a plateau. */
  readonly plateau: number
  /** Steps in a row with signs before anything gives way. */
  readonly patience: number
  /** Steps in a row without signs before a limit is loosened. */
  readonly calm: number
  readonly minStreams: number
}

export const limits: Limits = {
  inflation: 2,
  retransmits: 0.02,
  plateau: 0.05,
  patience: 3,
  calm: 5,
  minStreams: 1
}

export const initial: State = { _tag: "Free", signs: 0, best: 0 }

/** Smoothed over least round trip; 1 before there is a measurement. */
export const inflationOf = ({ minRttMicros, srttMicros }: Pick<Observation, "srttMicros" | "minRttMicros">): number =>
  minRttMicros > 0 && srttMicros > 0 ? srttMicros / minRttMicros : 1

/** A link that loses bytes while its queue is empty: streams help there, and patience does not. */
export const losesAtRandom = (seen: Observation): boolean =>
  seen.sent > 0 && seen.retransmitted / seen.sent >= 0.002 && inflationOf(seen) < 1.3

export const step = (state: State, seen: Observation, given: Limits = limits): readonly [State, Advice] => {
  const inflated = inflationOf(seen) > given.inflation
  const plateau = seen.deliveryRate <= state.best * (1 + given.plateau)
  const overflowing = seen.sent > 0 && seen.retransmitted / seen.sent > given.retransmits
  const sign = inflated && (plateau || overflowing)
  const best = Math.max(seen.deliveryRate, state.best * 0.98) // forgets slowly, as a link can become slower
  const signs = sign ? state.signs + 1 : 0
  if (signs >= given.patience && seen.deliveryRate > 0) return ease(state, seen, best, given)
  switch (state._tag) {
    case "Free":
      return [
        { _tag: "Free", signs, best },
        { streams: undefined, pacing: undefined, reason: inflated ? "inflated" : "free" }
      ]
    case "Eased":
      return loosen({ ...state, signs, best }, seen, inflated, given)
  }
}

/** Streams go first, as each of them keeps a share of the queue; the last one is slowed down. */
const ease = (state: State, seen: Observation, best: number, given: Limits): readonly [State, Advice] => {
  const had = state._tag === "Eased" ? Math.min(state.streams, seen.streams) : seen.streams
  const streams = Math.max(given.minStreams, Math.min(had - 1, Math.ceil(had * 0.75)))
  const pacing = seen.deliveryRate * (had > given.minStreams ? 1 : 0.95)
  return [
    { _tag: "Eased", streams, pacing, calm: 0, signs: 0, best },
    { streams, pacing, reason: "congested" }
  ]
}

type Eased = Extract<State, { readonly _tag: "Eased" }>

const loosen = (state: Eased, seen: Observation, inflated: boolean, given: Limits): readonly [State, Advice] => {
  const calm = inflated ? 0 : state.calm + 1
  if (calm < given.calm) {
    return [
      { ...state, calm },
      { streams: state.streams, pacing: state.pacing, reason: inflated ? "inflated" : "recovered" }
    ]
  }
  const pacing = state.pacing * 1.1
  if (seen.deliveryRate < state.pacing * 0.8 || pacing > state.best * 1.5) {
    // The limit no longer binds.
    return [
      { _tag: "Free", signs: 0, best: state.best },
      { streams: undefined, pacing: undefined, reason: "free" }
    ]
  }
  return [
    { ...state, pacing, calm: 0 },
    { streams: state.streams, pacing, reason: "recovered" }
  ]
}
