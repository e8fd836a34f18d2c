/**
 * Whom a node compares its knowledge with, and what it says to whom: anti-entropy by push and pull. Pure.
 *
 * **Details**
 *
 * With each tick a node tells some others, chosen by chance, how much it knows (a digest). Who hears of more than it knows
 * asks for it by a digest of its own; who hears of less sends the difference. So one exchange makes both alike, whoever
 * began it, and news reach n nodes in O(log n) ticks (Demers et al., *Epidemic Algorithms for Replicated Database
 * Maintenance*, PODC 1987). With a new neighbour it compares at once: that is what closes the gap after a partition.
 *
 * What arrives late, twice or not at all costs time and nothing else: each digest says all there is to say.
 */

/** Versions of whatever is spread, of which only this much has to be known. */
export interface Order<V> {
  /** Whether the first has something that the second lacks. */
  readonly exceeds: (one: V, other: V) => boolean
}

export interface Settings {
  /** With how many others a node compares with each tick. */
  readonly fanout: number
}

export interface State<V> {
  readonly peers: ReadonlySet<string>
  /** What each peer said last that it knows; also of those that are gone, until they are forgotten. */
  readonly known: ReadonlyMap<string, V>
}

export type Event<V> =
  /** `chance` gives numbers from 0 to 1. */
  | { readonly _tag: "Tick"; readonly chance: () => number }
  | { readonly _tag: "Joined"; readonly peer: string }
  | { readonly _tag: "Left"; readonly peer: string }
  | { readonly _tag: "Forgotten"; readonly peer: string }
  /** A peer says how much it knows, unasked or as an answer. */
  | { readonly _tag: "Digest"; readonly from: string; readonly version: V; readonly answer: boolean }
  /** What a peer sent builds on something that is not here. */
  | { readonly _tag: "Incomplete"; readonly from: string }

export type Action<V> =
  | { readonly _tag: "SendDigest"; readonly to: string; readonly answer: boolean }
  | { readonly _tag: "SendDelta"; readonly to: string; readonly since: V }

export type Step<V> = readonly [State<V>, ReadonlyArray<Action<V>>]

export const initial = <V>(): State<V> => ({ peers: new Set(), known: new Map() })

/** `mine` is what this node knows now. */
export const step = <V>(state: State<V>, event: Event<V>, mine: V, order: Order<V>, { fanout }: Settings): Step<V> => {
  switch (event._tag) {
    case "Tick":
      return [state, some(state.peers, fanout, event.chance).map((to) => ({ _tag: "SendDigest", to, answer: false }))]
    case "Joined":
      return [
        { ...state, peers: new Set([...state.peers, event.peer]) },
        [{ _tag: "SendDigest", to: event.peer, answer: false }]
      ]
    case "Left":
      return [{ ...state, peers: without(state.peers, event.peer) }, []]
    case "Forgotten": {
      const known = new Map(state.known)
      known.delete(event.peer)
      return [{ peers: without(state.peers, event.peer), known }, []]
    }
    case "Digest": {
      const { answer, from, version } = event
      const actions: Array<Action<V>> = []
      if (order.exceeds(mine, version)) actions.push({ _tag: "SendDelta", to: from, since: version })
      // An answer to an answer would never end.
      if (!answer && order.exceeds(version, mine)) actions.push({ _tag: "SendDigest", to: from, answer: true })
      return [{ ...state, known: new Map([...state.known, [from, version]]) }, actions]
    }
    case "Incomplete":
      return [state, [{ _tag: "SendDigest", to: event.from, answer: true }]]
  }
}

const without = (peers: ReadonlySet<string>, peer: string): ReadonlySet<string> =>
  new Set([...peers].filter((it) => it !== peer))

/** Some of them, each as likely as the other, none twice. */
const some = (peers: ReadonlySet<string>, count: number, chance: () => number): ReadonlyArray<string> => {
  const left = [...peers]
  const chosen: Array<string> = []
  while (chosen.length < count && left.length > 0) {
    const at = Math.min(left.length - 1, Math.floor(chance() * left.length))
    const [peer] = left.splice(at, 1)
    if (peer !== undefined) chosen.push(peer)
  }
  return chosen
}
