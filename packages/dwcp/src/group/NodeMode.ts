/**
 * The mode of a node with links of different modes: that of most of its traffic. Pure.
 *
 * **Details**
 *
 * A link counts by the bytes that went over it lately. The node takes a mode that 70 % of its traffic has, keeps it down to
 * 60 %, and is hybrid otherwise. Nothing changes within the cooldown. A node without traffic stays what it is.
 */
import type { Mode } from "../mode/Detector.ts"

export interface Weighed {
  readonly mode: Mode
  /** Bytes, lately. */
  readonly weight: number
}

export interface Limits {
  readonly enter: number
  readonly leave: number
  readonly cooldownMillis: number
}

export const limits: Limits = { enter: 0.7, leave: 0.6, cooldownMillis: 30_000 }

export interface State {
  readonly mode: Mode
  /** When it changed last. */
  readonly sinceMillis: number | undefined
  /** Shares of the traffic. */
  readonly shares: { readonly [M in Mode]: number }
}

export const initial = (mode: Mode): State => ({
  mode,
  sinceMillis: undefined,
  shares: { datacenter: 0, internet: 0, hybrid: 0 }
})

export const step = (state: State, links: ReadonlyArray<Weighed>, nowMillis: number, given: Limits = limits): State => {
  const total = links.reduce((sum, { weight }) => sum + weight, 0)
  if (total <= 0) return state
  const shareOf = (mode: Mode): number =>
    links.reduce((sum, link) => (link.mode === mode ? sum + link.weight : sum), 0) / total
  const shares = { datacenter: shareOf("datacenter"), internet: shareOf("internet"), hybrid: shareOf("hybrid") }
  const keeps = state.mode !== "hybrid" && shares[state.mode] >= given.leave
  const wanted: Mode = keeps
    ? state.mode
    : shares.datacenter >= given.enter
      ? "datacenter"
      : shares.internet >= given.enter
        ? "internet"
        : "hybrid"
  const isSoon = state.sinceMillis !== undefined && nowMillis - state.sinceMillis < given.cooldownMillis
  if (wanted === state.mode || isSoon) return { ...state, shares }
  return { mode: wanted, sinceMillis: nowMillis, shares }
}
