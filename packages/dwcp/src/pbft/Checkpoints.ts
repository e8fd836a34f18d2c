/**
 * Where states are compared: what each replica says that its state is, this replica's own states, and the last checkpoint
 * that a quorum shares. One that a quorum shares and this replica has not come to is remembered, and who has it.
 */
import type * as M from "./Message.ts"
import type { Quorum } from "./Proof.ts"

/** A quorum has come to this state at this place. */
export interface Shared extends Pick<M.Checkpoint, "sequence" | "digest"> {
  readonly proof: ReadonlyArray<M.Signed<M.Checkpoint>>
}

/** The last one that is kept. The first, at 0, needs no proof. */
export interface Stable {
  readonly sequence: number
  readonly proof: ReadonlyArray<M.Signed<M.Checkpoint>>
  readonly bytes: Uint8Array
}

/** How what a quorum shares compares with what is here. */
export type Compared =
  /** It is over. */
  | { readonly _tag: "Past" }
  /** This replica has not come to it. */
  | { readonly _tag: "Ahead" }
  | { readonly _tag: "Same"; readonly bytes: Uint8Array }
  | { readonly _tag: "Different" }

export interface Checkpoints {
  readonly stable: () => Stable
  /** This replica's own state at a place. */
  readonly reach: (sequence: number, digest: M.Digest, bytes: Uint8Array) => void
  /** What a replica says, its signature included; what a quorum shares by it. */
  readonly take: (checkpoint: M.Signed<M.Checkpoint>) => Shared | undefined
  /** Those of a replica above the stable one. */
  readonly of: (replica: number) => Iterable<M.Signed<M.Checkpoint>>
  /** `executed`: how far this replica has come. */
  readonly compare: (shared: Shared, executed: number) => Compared
  /** What is ahead, while it is. */
  readonly ahead: () => Shared | undefined
  /** Whom to ask for what is ahead, one after the other; nobody the first time, as it may be on its way. */
  readonly next: (self: number) => { readonly whom: number; readonly sequence: number } | undefined
  /** This one is stable: what is below it is forgotten. */
  readonly keep: (stable: Stable) => void
}

/** Checkpoints of one replica that are remembered beside the stable one. */
const each = 4

/** `every`: places between checkpoints. */
export const make = (q: Quorum, every: number, keys: M.Keys, first: Uint8Array): Checkpoints => {
  const said = Array.from({ length: q.replicas }, () => new Map<number, M.Signed<M.Checkpoint>>())
  const own = new Map<number, { readonly digest: M.Digest; readonly bytes: Uint8Array }>()
  let stable: Stable = { sequence: 0, proof: [], bytes: first }
  let ahead: Shared | undefined
  let asked = 0

  return {
    stable: () => stable,
    reach: (sequence, digest, bytes) => void own.set(sequence, { digest, bytes }),
    take: (checkpoint) => {
      const { digest, sequence } = checkpoint.body
      const ofIt = said[checkpoint.from]
      if (ofIt === undefined || sequence % every !== 0 || sequence <= stable.sequence || ofIt.has(sequence)) return
      if (!keys.verify(checkpoint)) return
      ofIt.set(sequence, checkpoint)
      if (ofIt.size > each) ofIt.delete(Math.min(...ofIt.keys()))
      const proof = said.flatMap((one) => {
        const other = one.get(sequence)
        return other?.body.digest === digest ? [other] : []
      })
      return proof.length < q.size ? undefined : { sequence, digest, proof: proof.slice(0, q.size) }
    },
    of: (replica) => said[replica]?.values() ?? [],
    compare: (shared, executed) => {
      if (shared.sequence <= stable.sequence) return { _tag: "Past" }
      const here = own.get(shared.sequence)
      if (here !== undefined) {
        return here.digest === shared.digest ? { _tag: "Same", bytes: here.bytes } : { _tag: "Different" }
      }
      if (shared.sequence > (ahead?.sequence ?? executed)) {
        ahead = shared
        asked = 0
      }
      return { _tag: "Ahead" }
    },
    ahead: () => ahead,
    next: (self) => {
      if (ahead === undefined) return undefined
      const time = asked++
      const signers = ahead.proof.filter(({ from }) => from !== self)
      const signer = signers[time % signers.length]
      return time === 0 || signer === undefined ? undefined : { whom: signer.from, sequence: ahead.sequence }
    },
    keep: (kept) => {
      stable = kept
      if (ahead !== undefined && ahead.sequence <= kept.sequence) ahead = undefined
      for (const sequence of own.keys()) if (sequence <= kept.sequence) own.delete(sequence)
      for (const ofIt of said) for (const place of ofIt.keys()) if (place <= kept.sequence) ofIt.delete(place)
    }
  }
}
