/**
 * Which codec for which content over which link: the one that is over first, compressing and sending together.
 *
 * **Details**
 *
 * What a codec takes and gives is estimated from the samples of a {@link Probe.Probe} and from what was learned about
 * content of the same class: a bandit whose arms are the codecs. It pulls an arm that it knows too little about only on
 * samples, and never on what is sent: exploring costs a little time of a spare thread, and no byte. What is learned is
 * data, to be kept as JSON.
 */
import { Schema } from "effect"
import * as Codec from "./Codec.ts"
import type * as Probe from "./Probe.ts"

/** What a link's surroundings ask for: speed within a datacenter, size over the internet, either in between. */
export type Goal = "datacenter" | "internet" | "hybrid"

const zstd = (level: number): Codec.Choice => ({ algorithm: "zstd", level })
export const none: Codec.Choice = { algorithm: "none", level: 0 }
const lz4: Codec.Choice = { algorithm: "lz4", level: 0 }

/** The arms, by goal. */
export const candidates: { readonly [G in Goal]: ReadonlyArray<Codec.Choice> } = {
  datacenter: [none, lz4, zstd(-5), zstd(1)],
  hybrid: [none, lz4, zstd(-5), zstd(1), zstd(3), zstd(6), zstd(9)],
  internet: [none, zstd(3), zstd(6), zstd(9), zstd(12), zstd(19)]
}

const amount = Schema.Finite.check(Schema.isGreaterThan(0))
const Estimate = Schema.Struct({
  /** How often it was seen. */
  seen: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** Its ratio is that of the codec that samples are tried with, to this power: what does not shrink does not for it. */
  gain: amount,
  /** Bytes of content per second. */
  speed: amount
})

/** What was learned: by class of content, by codec. */
export const State = Schema.Struct({
  version: Schema.Literal(1),
  classes: Schema.Record(Schema.String, Schema.Record(Schema.String, Estimate))
})
export type State = typeof State.Type

/** Nothing yet. */
export const empty: State = { version: 1, classes: {} }

/** Measured on a server of 2024 with one core: where learning begins. Speeds in MB/s. */
const priors: { readonly [codec: string]: { readonly like: string; readonly gain: number; readonly speed: number } } = {
  lz4: { like: "lz4", gain: 1, speed: 600 },
  "zstd--5": { like: "lz4", gain: 1, speed: 700 },
  "zstd-1": { like: "zstd-3", gain: 0.94, speed: 450 },
  "zstd-3": { like: "zstd-3", gain: 1, speed: 280 },
  "zstd-6": { like: "zstd-3", gain: 1.04, speed: 100 },
  "zstd-9": { like: "zstd-3", gain: 1.07, speed: 55 },
  "zstd-12": { like: "zstd-3", gain: 1.08, speed: 25 },
  "zstd-19": { like: "zstd-3", gain: 1.17, speed: 4 }
}

export interface Expected {
  readonly choice: Codec.Choice
  readonly ratio: number
  /** Seconds to compress and to send a byte. */
  readonly secondsPerByte: number
}

/** What is expected of a codec for such content over a link of so many bytes per second. */
export const expect = (state: State, probe: Probe.Probe, choice: Codec.Choice, bandwidth: number): Expected => {
  const prior = priors[Codec.nameOf(choice)]
  if (choice.algorithm === "none" || prior === undefined) return { choice, ratio: 1, secondsPerByte: 1 / bandwidth }
  const { gain, speed } = state.classes[probe.class]?.[Codec.nameOf(choice)] ?? {
    gain: prior.gain,
    speed: prior.speed * 1e6
  }
  const ratio = Math.max(1, probe.ratios[prior.like] ?? 1) ** gain
  return { choice, ratio, secondsPerByte: 1 / speed + 1 / (ratio * bandwidth) }
}

/** Below this nothing is gained: a head and a context cost more than the bytes that are saved. */
const tooFew = 256

/** The codec that is over first. Nothing is compressed that is faster sent as it is. */
export const choose = (
  state: State,
  probe: Probe.Probe,
  goal: Goal,
  { bandwidth, size }: { readonly bandwidth: number; readonly size: number }
): Expected =>
  candidates[goal]
    .filter(({ algorithm }) => size >= tooFew || algorithm === "none")
    .map((choice) => expect(state, probe, choice, bandwidth))
    .reduce((best, next) => (next.secondsPerByte < best.secondsPerByte ? next : best))

export interface Seen {
  readonly class: Probe.Class
  readonly choice: Codec.Choice
  /** Of the samples, by the codecs that are tried on them. */
  readonly ratios: Probe.Probe["ratios"]
  /** What came of it. */
  readonly ratio: number
  /** Bytes of content per second. */
  readonly speed: number
}

/** Takes in what came of a choice; the last ten times or so count. */
export const learn = (state: State, seen: Seen): State => {
  const name = Codec.nameOf(seen.choice)
  const prior = priors[name]
  if (prior === undefined || !(seen.ratio > 0) || !(seen.speed > 0) || !Number.isFinite(seen.speed)) return state
  const known = state.classes[seen.class] ?? {}
  const old = known[name] ?? { seen: 0, gain: prior.gain, speed: prior.speed * 1e6 }
  // The first one replaces half of the prior, later ones count a tenth.
  const weight = Math.max(0.1, 1 / (old.seen + 2))
  const like = seen.ratios[prior.like] ?? 1
  // Of what hardly shrinks nothing is to be learned about shrinking.
  const gain = like < 1.05 ? old.gain : Math.min(8, Math.max(0.125, Math.log(seen.ratio) / Math.log(like)))
  const next = {
    seen: Math.min(1e9, old.seen + 1),
    gain: old.gain + weight * (gain - old.gain),
    speed: old.speed + weight * (seen.speed - old.speed)
  }
  return { ...state, classes: { ...state.classes, [seen.class]: { ...known, [name]: next } } }
}

/** How often something is tried on samples. */
export const curiosity = 0.05

/** What to try on the samples now, if anything: the codec that is known least. `chance` is in [0, 1). */
export const explore = (state: State, of: Probe.Class, goal: Goal, chance: number): Codec.Choice | undefined => {
  if (chance >= curiosity) return undefined
  const seen = (choice: Codec.Choice): number => state.classes[of]?.[Codec.nameOf(choice)]?.seen ?? 0
  return candidates[goal]
    .filter(({ algorithm }) => algorithm !== "none")
    .reduce((least, next) => (seen(next) < seen(least) ? next : least))
}
