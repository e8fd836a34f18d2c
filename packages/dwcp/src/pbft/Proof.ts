/**
 * When enough is enough: sizes of quorums, and what proves that something was prepared, committed, stable, or may begin.
 *
 * **Details**
 *
 * Castro and Liskov, Practical Byzantine Fault Tolerance (OSDI 1999). Of n = 3f+1 replicas f may lie. Any two quorums of
 * 2f+1 share an honest replica, which does not say two things; everything here rests on that. For other n a quorum is the
 * smallest number of which that holds.
 */
import type {
  Certificate,
  Checkpoint,
  Commit,
  Digest,
  Keys,
  NewView,
  PrePrepare,
  Signed,
  ViewChange
} from "./Message.ts"

export interface Quorum {
  readonly replicas: number
  /** How many may be faulty. */
  readonly faults: number
  readonly size: number
}

export const quorum = (replicas: number): Quorum => {
  const faults = Math.floor((replicas - 1) / 3)
  return { replicas, faults, size: Math.ceil((replicas + faults + 1) / 2) }
}

export const primary = ({ replicas }: Quorum, view: number): number => view % replicas

/** Signed votes from so many different replicas. */
const distinct = (votes: ReadonlyArray<Signed<unknown>>, { replicas }: Quorum, needed: number): boolean =>
  votes.length >= needed &&
  votes.length <= replicas &&
  new Set(votes.map(({ from }) => from)).size === votes.length &&
  votes.every(({ from }) => from < replicas)

/** The place and the digest that a quorum has committed to, `undefined` if it is no proof. */
export const committed = (
  commits: ReadonlyArray<Signed<Commit>>,
  q: Quorum,
  keys: Keys
): { readonly sequence: number; readonly digest: Digest } | undefined => {
  const first = commits[0]?.body
  if (first === undefined || !distinct(commits, q, q.size)) return undefined
  const { digest, sequence, view } = first
  const same = commits.every(({ body }) => body.sequence === sequence && body.view === view && body.digest === digest)
  return same && commits.every(keys.verify) ? { sequence, digest } : undefined
}

/** The checkpoint that a quorum has reached, `undefined` if it is no proof. */
export const stable = (
  proof: ReadonlyArray<Signed<Checkpoint>>,
  q: Quorum,
  keys: Keys
): { readonly sequence: number; readonly digest: Digest } | undefined => {
  const first = proof[0]?.body
  if (first === undefined || !distinct(proof, q, q.size)) return undefined
  const { digest, sequence } = first
  const same = proof.every(({ body }) => body.sequence === sequence && body.digest === digest)
  return same && proof.every(keys.verify) ? { sequence, digest } : undefined
}

const prepared = ({ prepares, proposal }: Certificate, q: Quorum, keys: Keys): boolean => {
  const { digest, sequence, view } = proposal.body
  return (
    proposal.from === primary(q, view) &&
    distinct(prepares, q, q.size - 1) &&
    prepares.every(
      ({ body, from }) =>
        from !== proposal.from && body.view === view && body.sequence === sequence && body.digest === digest
    ) &&
    keys.verify(proposal) &&
    prepares.every(keys.verify)
  )
}

/** A view change that can be believed. `window`: how far above a stable checkpoint places go. */
export const viewChange = (change: Signed<ViewChange>, q: Quorum, window: number, keys: Keys): boolean => {
  const { prepared: certificates, proof, stable: base, view } = change.body
  if (change.from >= q.replicas || !keys.verify(change)) return false
  if (base > 0 && stable(proof, q, keys)?.sequence !== base) return false
  const places = new Set(certificates.map(({ proposal }) => proposal.body.sequence))
  return (
    places.size === certificates.length &&
    certificates.every(({ proposal }) => {
      const { sequence, view: before } = proposal.body
      return sequence > base && sequence <= base + window && before < view
    }) &&
    certificates.every((certificate) => prepared(certificate, q, keys))
  )
}

/** What a new view begins with: from which checkpoint on, and the digest of each place above it. */
export const opening = (
  changes: ReadonlyArray<Signed<ViewChange>>,
  nothing: Digest
): { readonly base: number; readonly digests: ReadonlyArray<Digest> } => {
  const base = Math.max(...changes.map(({ body }) => body.stable))
  const highest = new Map<number, PrePrepare>()
  let last = base
  for (const { body } of changes) {
    for (const { proposal } of body.prepared) {
      const { sequence, view } = proposal.body
      const other = highest.get(sequence)
      if (other === undefined || other.view < view) highest.set(sequence, proposal.body)
      last = Math.max(last, sequence)
    }
  }
  const digests = Array.from({ length: last - base }, (_, k) => highest.get(base + 1 + k)?.digest ?? nothing)
  return { base, digests }
}

/** A new view that forgets nothing of what its view changes say. */
export const newView = (
  { body, from }: Signed<NewView>,
  q: Quorum,
  window: number,
  keys: Keys,
  nothing: Digest
): boolean => {
  const { changes, proposals, view } = body
  if (from !== primary(q, view) || !distinct(changes, q, q.size)) return false
  if (!changes.every((change) => change.body.view === view && viewChange(change, q, window, keys))) return false
  const { base, digests } = opening(changes, nothing)
  return (
    proposals.length === digests.length &&
    proposals.every(
      ({ body: proposal, from: by }, k) =>
        by === from && proposal.view === view && proposal.sequence === base + 1 + k && proposal.digest === digests[k]
    ) &&
    proposals.every(keys.verify)
  )
}
