/**
 * How many streams a link has use for: more only while together they deliver at least 5 % more.
 *
 * **Details**
 *
 * A link that loses at random while its queue is empty, with a control that backs off at every loss, needs many streams,
 * and gets four times as many at once. Otherwise nothing is tried before the rate has stopped to rise by itself, and
 * nothing at all while a queue stands: then the link is full. What did not help is taken back, and tried again only after a
 * hold that doubles.
 */

export interface Observation {
  readonly nowMillis: number
  /** Bytes delivered since the link began. */
  readonly delivered: number
  readonly ready: number
  readonly srttMillis: number
  /** Smoothed over least round trip. */
  readonly inflation: number
  /** They are, and the congestion control in force takes that for congestion. */
  readonly starved: boolean
  /** Bytes are lost while no queue stands. */
  readonly lossy: boolean
  /** A queue stood lately: what the link carries is known, and used. */
  readonly full: boolean
  /** More is waiting than the streams take. */
  readonly backlog: boolean
}

export interface Limits {
  readonly min: number
  readonly max: number
  /** What more streams must bring. */
  readonly gain: number
  /** Inflation from which a queue counts as standing. */
  readonly standing: number
  readonly holdMillis: number
  /** Up to how many streams may share a start. */
  readonly maxRising: number
}

export type Phase =
  | { readonly _tag: "Rising"; readonly rate: number }
  | { readonly _tag: "Trial"; readonly from: number; readonly rate: number; readonly windows: number }
  | { readonly _tag: "Settled"; readonly untilMillis: number; readonly holdMillis: number }

export interface State {
  readonly target: number
  readonly phase: Phase
  /** Where the present window began; `undefined` while nothing can be measured. */
  readonly window: { readonly atMillis: number; readonly delivered: number } | undefined
}

export const limits: Limits = { min: 1, max: 256, gain: 0.05, standing: 1.25, holdMillis: 10_000, maxRising: 16 }

export const initial = (streams: number): State => ({
  target: streams,
  phase: { _tag: "Rising", rate: 0 },
  window: undefined
})

export const step = (state: State, seen: Observation, given: Limits = limits): State => {
  if (!seen.backlog || seen.ready < Math.ceil(state.target * 0.75)) return { ...state, window: undefined }
  const begin = { atMillis: seen.nowMillis, delivered: seen.delivered }
  if (state.window === undefined) return { ...state, window: begin }
  const elapsed = seen.nowMillis - state.window.atMillis
  if (elapsed < Math.max(200, 2 * seen.srttMillis)) return state
  const rate = (seen.delivered - state.window.delivered) / elapsed
  return judge({ ...state, window: begin }, rate, seen, given)
}

/** At the end of a window, with what it delivered. */
const judge = (state: State, rate: number, seen: Observation, given: Limits): State => {
  const { phase } = state
  switch (phase._tag) {
    case "Rising": {
      if (seen.starved) return grow(state, rate, seen, given)
      const rising = rate >= phase.rate * (1 + given.gain)
      if (rising) {
        // Losses hold back a start as well, whatever the control: it is shared by more while it lasts.
        const helps = seen.lossy && !isFull(seen, given) && state.target < given.maxRising
        const target = helps ? Math.min(given.max, state.target * 2) : state.target
        return { ...state, target, phase: { _tag: "Rising", rate } }
      }
      return isFull(seen, given)
        ? settle(state, seen, given.holdMillis)
        : grow(state, Math.max(rate, phase.rate), seen, given)
    }
    case "Trial": {
      if (rate >= phase.rate * (1 + given.gain)) {
        return seen.starved ? grow(state, rate, seen, given) : { ...state, phase: { _tag: "Rising", rate } }
      }
      // New streams are still starting up in their first windows.
      if (phase.windows < 3) return { ...state, phase: { ...phase, windows: phase.windows + 1 } }
      return settle({ ...state, target: phase.from }, seen, given.holdMillis)
    }
    case "Settled": {
      if (seen.nowMillis < phase.untilMillis) return state
      if (isFull(seen, given)) return settle(state, seen, phase.holdMillis)
      const grown = grow(state, rate, seen, given)
      return grown.phase._tag === "Settled" ? settle(state, seen, phase.holdMillis * 2) : grown
    }
  }
}

const isFull = (seen: Observation, given: Limits): boolean =>
  seen.inflation >= given.standing || (seen.full && !seen.starved)

const grow = (state: State, rate: number, seen: Observation, given: Limits): State => {
  const target = Math.min(given.max, seen.starved ? state.target * 4 : Math.max(state.target + 1, state.target * 2))
  if (target <= state.target) return settle(state, seen, given.holdMillis)
  return { target, phase: { _tag: "Trial", from: state.target, rate, windows: 0 }, window: undefined }
}

const settle = (state: State, seen: Observation, holdMillis: number): State => ({
  ...state,
  phase: { _tag: "Settled", untilMillis: seen.nowMillis + holdMillis, holdMillis: Math.min(holdMillis * 2, 120_000) }
})

/** Bytes a stream's send buffer should hold: what is on its way, many times, as losses hold back what follows them. */
export const sendBufferBytes = (bytesPerSecond: number, rttMillis: number): number | undefined => {
  const wanted = 16 * bytesPerSecond * (rttMillis / 1_000)
  // Up to this the kernel's own tuning is as good.
  return wanted <= 4_194_304 ? undefined : Math.min(67_108_864, Math.ceil(wanted))
}

/** Bytes of a chunk: small where round trips are long, as a slow stream holds one for long; larger for large files. */
export const chunkBytes = (size: number, near: boolean): number => {
  let bytes = near ? 262_144 : 65_536
  while (size / bytes > 4_000_000 && bytes < 1_048_576) bytes *= 2
  return bytes
}

/** With how many streams to begin: a start takes a number of round trips, and long ones are shared by more. */
export const firstStreams = (asked: number, rttMillis: number): number => (rttMillis >= 100 ? asked * 8 : asked)

/**
 * The paces of streams, in bytes per second, where all together are advised one; by what each delivered lately. Some are
 * slower than others at times, and together they should still carry what is advised: each has a little more than its share.
 * Where losses are chance, one that had bad luck takes seconds to come up again, and whoever carries more meanwhile keeps
 * more; on a clean link all have the same.
 */
export const paces = (advised: number, rates: ReadonlyArray<number>, lossy: boolean): ReadonlyArray<number> => {
  const even = 1 / rates.length
  const together = rates.reduce((sum, rate) => sum + rate, 0)
  const shares = rates.map((rate) => (lossy && together > 0 ? Math.max(even, rate / together) : even))
  const all = shares.reduce((sum, share) => sum + share, 0)
  const more = rates.length === 1 ? 1 : lossy ? 1.15 : 1.1
  return shares.map((share) => Math.round((advised * more * share) / all))
}
