/**
 * What content is like, from samples of all of it: what it is, and what each codec makes of it.
 *
 * **Details**
 *
 * Windows are spread evenly over it, so that a head of zeros in front of noise is seen for what it is. The codecs are
 * tried on the windows: how they shrink is measured, and not guessed from an entropy.
 */
import * as Codec from "./Codec.ts"

/** Classes of content, for what is learned about each. */
export const classes = ["empty", "zeros", "text", "binary", "mixed", "noise"] as const
export type Class = (typeof classes)[number]

export interface Probe {
  readonly class: Class
  /** Bytes in the samples ÷ bytes of them compressed, by the name of the codec. */
  readonly ratios: { readonly [codec: string]: number }
}

const windows = 16
const windowBytes = 2 ** 12

/** Samples of some bytes, all of them if they are few. */
export const sample = (bytes: Buffer): Buffer =>
  Buffer.concat(places(bytes.length).map(([at, length]) => bytes.subarray(at, at + length)))

/** The places of the samples of so much content: where to read, when it is in a file. */
export const places = (size: number): ReadonlyArray<readonly [at: number, length: number]> => {
  if (size <= windows * windowBytes) return size === 0 ? [] : [[0, size]]
  // In the middle of each sixteenth: neither the head nor the end counts more than its share.
  return Array.from({ length: windows }, (_, i) => [
    Math.floor(((i + 0.5) * size) / windows - windowBytes / 2),
    windowBytes
  ])
}

/** The codecs that are tried on samples; what others do follows from these. */
export const tried: ReadonlyArray<Codec.Choice> = [
  { algorithm: "lz4", level: 0 },
  { algorithm: "zstd", level: 3 }
]

/** Looks at samples. Takes about a millisecond. */
export const look = (samples: Buffer): Probe => {
  const ratios: { [codec: string]: number } = { none: 1 }
  for (const choice of tried) ratios[Codec.nameOf(choice)] = ratioOf(samples, choice)
  return { class: classify(samples, ratios["zstd-3"] ?? 1), ratios }
}

export const ratioOf = (samples: Buffer, choice: Codec.Choice): number =>
  samples.length === 0 ? 1 : samples.length / Math.max(1, Codec.compressSync(samples, choice).length)

const classify = (samples: Buffer, ratio: number): Class => {
  if (samples.length === 0) return "empty"
  let zeros = 0
  let printable = 0
  for (const byte of samples) {
    if (byte === 0) zeros++
    else if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09) printable++
  }
  if (ratio < 1.1) return "noise"
  if (zeros > 0.95 * samples.length) return "zeros"
  if (printable > 0.9 * samples.length) return "text"
  return zeros > 0.3 * samples.length ? "mixed" : "binary"
}
