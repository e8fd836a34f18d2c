/**
 * Congestion is seen coming: round trips grow while deliveries no longer do. Then pacing and streams give way, before the
 * queue of the link overflows and packets are lost.
 *
 * **Details**
 *
 * A queue that begins to stand says that the link is full, and at which rate: that rate becomes the pace. If round trips
 * still grow beyond twice the least, streams go, and the pace falls. Retransmits alone are not a sign: a link that loses
 * at random keeps its round trip, and whoever slows down for it only loses twice.
 */

/** What was seen of all streams of a link, a tenth of a second after the last time. */
export interface Observation {
  readonly srttMicros: number
  readonly minRttMicros: number
  /** Bytes per second that arrived. */
  readonly deliveryRate: number
  /** Bytes sent lately, and how many of them again. */
  readonly sent: number
  readonly retransmitted: number
  readonly streams: number
}

/** What the link should keep to. `undefined`: no limit from here. */
export interface Advice {
  readonly streams: number | undefined
  /** Bytes per second, all streams together. */
  readonly pacing: number | undefined
  readonly reason: "free" | "full" | "congested" | "loosening"
}

export type State =
  | { readonly _tag: "Free"; readonly signs: number; readonly best: number }
  | {
      readonly _tag: "Paced"
      /** The most streams, if some had to go. */
      readonly streams: number | undefined
      readonly pacing: number
      readonly signs: number
      readonly calm: number
      readonly best: number
    }

export interface Limits {
  /** Smoothed over least round trip from which a queue counts as standing. */
  readonly standing: number
  /** The same from which the link counts as congested. */
  readonly inflation: number
  /** Share of bytes sent twice that, with a standing queue, means overflow and not chance. */
  readonly retransmits: number
  /** Growth of the delivery rate up to which it counts as a plateau. */
  readonly plateau: number
  /** Steps in a row with signs before the pace is set, and before streams go. */
  readonly patience: number
  readonly congestion: number
  /** Steps in a row without a queue before the pace is raised. */
  readonly calm: number
  readonly minStreams: number
}

export const limits: Limits = {
  standing: 1.5,
  inflation: 2,
  retransmits: 0.05,
  plateau: 0.05,
  patience: 2,
  congestion: 5,
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

export const step = (before: State, seen: Observation, given: Limits = limits): readonly [State, Advice] => {
  // Forgets slowly, as a link can become slower.
  const best = Math.max(seen.deliveryRate, before.best * 0.99)
  const inflation = inflationOf(seen)
  const overflowing = seen.sent > 0 && seen.retransmitted / seen.sent > given.retransmits
  const plateau = seen.deliveryRate <= before.best * (1 + given.plateau)
  if (before._tag === "Free") {
    const signs = inflation >= given.standing && (plateau || overflowing) ? before.signs + 1 : 0
    return signs < given.patience || best === 0
      ? told({ _tag: "Free", signs, best }, "free")
      : told({ _tag: "Paced", streams: undefined, pacing: best, signs: 0, calm: 0, best }, "full")
  }
  const state = { ...before, best }
  const signs = inflation > given.inflation && plateau ? state.signs + 1 : 0
  if (signs >= given.congestion) return told(ease(state, seen, given), "congested")
  const calm = inflation < given.standing ? state.calm + 1 : 0
  if (calm < given.calm) return told({ ...state, signs, calm }, "full")
  const pacing = state.pacing * 1.05
  // A pace the link does not come near is none.
  if (pacing > best * 1.25) return told({ _tag: "Free", signs: 0, best }, "free")
  return told({ ...state, signs, pacing, calm: 0 }, "loosening")
}

const told = (state: State, reason: Advice["reason"]): readonly [State, Advice] => [
  state,
  state._tag === "Free"
    ? { streams: undefined, pacing: undefined, reason }
    : { streams: state.streams, pacing: state.pacing, reason }
]

/** Streams go first, as each keeps a share of the queue; the pace falls with them. */
const ease = (state: Extract<State, { readonly _tag: "Paced" }>, seen: Observation, given: Limits): State => {
  const had = Math.min(state.streams ?? seen.streams, seen.streams)
  const streams = Math.max(given.minStreams, Math.min(had - 1, Math.ceil(had * 0.75)))
  return {
    ...state,
    streams,
    pacing: Math.min(state.pacing, Math.max(0.95 * state.best, state.pacing * 0.97)),
    signs: 0,
    calm: 0
  }
}
