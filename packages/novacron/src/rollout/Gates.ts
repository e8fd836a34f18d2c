/**
 * Whether what was seen of a new version lets it go on: its errors, and how slow it is beside the old one. Pure.
 *
 * **Details**
 *
 * A gate closes as soon as it can no longer be kept: when there were more errors than the fewest requests that count may
 * have, nobody waits for the rest of them. Slowness is judged beside the old version, seen in the same minutes, because the
 * machine and the network are the same for both; and never below `slowMs`, where a difference is noise.
 */

/** What has been seen of one version since a step began. */
export interface Seen {
  readonly requests: number
  readonly failures: number
  /** How many of the last ones failed, one after the other. */
  readonly inARow: number
  /** Of those that were answered, in milliseconds. */
  readonly latenciesMs: ReadonlyArray<number>
  /** Why the last one failed. */
  readonly last: string | undefined
}

/** What may be. */
export interface Limits {
  /** Of requests, in per cent. */
  readonly errorPercent: number
  /** The 95th percentile, as a multiple of that of the old version. */
  readonly slower: number
  /** Whatever answers within this is not slow, in milliseconds. */
  readonly slowMs: number
  /** How many requests it takes to believe that all is well. */
  readonly requests: number
  /** So many failures one after the other are enough, whatever was before. */
  readonly inARow: number
}

/** Those of the design: 1 % of errors, twice as slow, 100 ms. */
export const usual: Limits = { errorPercent: 1, slower: 2, slowMs: 100, requests: 20, inARow: 3 }

export type Verdict =
  | { readonly _tag: "Well" }
  | { readonly _tag: "TooEarly"; readonly missing: number }
  | { readonly _tag: "Bad"; readonly because: string }

/** Nothing yet. */
export const nothing: Seen = { requests: 0, failures: 0, inARow: 0, latenciesMs: [], last: undefined }

/** How one request went. */
export type Outcome =
  | { readonly _tag: "Answered"; readonly ms: number }
  | { readonly _tag: "Failed"; readonly why: string }
  /** As it will be the next time: whoever asks has to ask otherwise. */
  | { readonly _tag: "Refused"; readonly why: string; readonly remedy: string }

/** How many latencies are kept: of a step that lasts long, the last ones. */
const kept = 1_000

/** With one request more. */
export const add = (seen: Seen, outcome: Outcome): Seen =>
  outcome._tag === "Answered"
    ? {
        ...seen,
        requests: seen.requests + 1,
        inARow: 0,
        latenciesMs: [...seen.latenciesMs.slice(1 - kept), outcome.ms]
      }
    : {
        ...seen,
        requests: seen.requests + 1,
        failures: seen.failures + 1,
        inARow: seen.inARow + 1,
        last: outcome.why
      }

/** With connections that a switch has counted; how long their requests took it cannot know. */
export const count = (seen: Seen, taken: number, failed: number): Seen => ({
  ...seen,
  requests: seen.requests + taken,
  failures: seen.failures + failed,
  last: failed > 0 ? (seen.last ?? "a connection ended without an answer") : seen.last
})

/** What is to be thought of the new version, beside the old one. */
export const judge = (limits: Limits, young: Seen, old: Seen): Verdict => {
  const why = young.last === undefined ? "" : `: ${young.last}`
  if (young.inARow >= limits.inARow) return bad(`${young.inARow} requests in a row failed${why}`)
  const allowed = (limits.errorPercent / 100) * Math.max(young.requests, limits.requests)
  if (young.failures > allowed) {
    const share = ((100 * young.failures) / young.requests).toFixed(1)
    return bad(
      `${young.failures} of ${young.requests} requests failed, ${share} % with ${limits.errorPercent} % allowed${why}`
    )
  }
  const [mine, theirs] = [p95(young.latenciesMs), p95(old.latenciesMs)]
  const isEnough = young.latenciesMs.length >= enough && old.latenciesMs.length >= enough
  if (isEnough && mine > limits.slowMs && mine > limits.slower * theirs) {
    return bad(
      `it answers within ${Math.round(mine)} ms (95 % of ${young.latenciesMs.length}), the old one within ` +
        `${Math.round(theirs)} ms: more than ${limits.slower} times as slow`
    )
  }
  const missing = limits.requests - young.requests
  return missing > 0 ? { _tag: "TooEarly", missing } : { _tag: "Well" }
}

/** How many answers it takes to speak of a 95th percentile. */
const enough = 10

const bad = (because: string): Verdict => ({ _tag: "Bad", because })

const p95 = (all: ReadonlyArray<number>): number =>
  all.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(all.length * 0.95) - 1)] ?? 0
