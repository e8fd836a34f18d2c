/**
 * What a node can do of DWCP v3, as words and as bits: two nodes do together what both can, and one of v1 nothing of it.
 *
 * **Details**
 *
 * One word for each of the six subsystems, and `consensus`, which is the part of state synchronisation that decides instead
 * of spreading. A word is a bit, so that a peer of tomorrow with more of them is understood today.
 */

/** In the order in which subsystems hear of a change. */
export const all = [
  "transport",
  "compression",
  "prediction",
  "stateSync",
  "consensus",
  "congestion",
  "placement"
] as const

export type Feature = (typeof all)[number]

export type Features = ReadonlySet<Feature>

export const none: Features = new Set()

export const toBits = (features: Features): number =>
  all.reduce((bits, feature, place) => (features.has(feature) ? bits | (1 << place) : bits), 0)

/** Bits that nobody has heard of are left out. */
export const fromBits = (bits: number): Features => new Set(all.filter((_, place) => (bits & (1 << place)) !== 0))

/** What both can. */
export const agreed = (mine: Features, theirs: Features): Features =>
  new Set([...mine].filter((feature) => theirs.has(feature)))

/** From how many per cent of the nodes on a feature is in use: the ones that are easily taken back come first. */
export const stageOf: { readonly [F in Feature]: 1 | 50 | 100 } = {
  transport: 1,
  compression: 1,
  prediction: 50,
  stateSync: 50,
  consensus: 100,
  congestion: 100,
  placement: 100
}
