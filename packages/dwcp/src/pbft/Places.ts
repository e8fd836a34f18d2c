/** The places above the stable checkpoint, and what a replica holds of each: proposal, votes, certificate, decision. */
import type * as M from "./Message.ts"

export interface Place {
  readonly sequence: number
  /** Of the view that is current. */
  proposal: M.Signed<M.PrePrepare> | undefined
  prepares: Map<number, M.Signed<M.Prepare>>
  commits: Map<number, M.Signed<M.Commit>>
  /** This replica has sent its commit in the view that is current. */
  committing: boolean
  /** Of the highest view in which this was prepared. */
  certificate: M.Certificate | undefined
  /** Batches that this replica has voted for, in any view, and the empty one. */
  readonly batches: Map<M.Digest, M.Batch>
  decided: M.Decided | undefined
}

export interface Places {
  readonly get: (sequence: number) => Place | undefined
  /** The same, and makes it. */
  readonly at: (sequence: number) => Place
  /** All up to this one are over. */
  readonly forget: (sequence: number) => void
  /** Proposals and votes of a view that was left. */
  readonly clear: () => void
  readonly certificates: () => ReadonlyArray<M.Certificate>
  /** What was written down of them: before and after the view they are in was entered. */
  readonly facts: (active: boolean) => { readonly before: ReadonlyArray<M.Fact>; readonly after: ReadonlyArray<M.Fact> }
}

export const make = (nothing: M.Digest): Places => {
  const places = new Map<number, Place>()

  const at = (sequence: number): Place => {
    let place = places.get(sequence)
    if (place === undefined) {
      place = {
        sequence,
        proposal: undefined,
        prepares: new Map(),
        commits: new Map(),
        committing: false,
        certificate: undefined,
        batches: new Map([[nothing, []]]),
        decided: undefined
      }
      places.set(sequence, place)
    }
    return place
  }

  const clear = (): void => {
    for (const place of places.values()) {
      place.proposal = undefined
      place.prepares = new Map()
      place.commits = new Map()
      place.committing = false
    }
  }

  const facts: Places["facts"] = (active) => {
    const before: Array<M.Fact> = []
    const accepted: Array<M.Fact> = []
    const prepared: Array<M.Fact> = []
    for (const { batches, certificate, proposal, sequence } of places.values()) {
      for (const [digest, batch] of batches) {
        if (active && proposal?.body.digest === digest) accepted.push({ _tag: "Accepted", header: proposal, batch })
        else if (digest !== nothing) before.push({ _tag: "Batch", sequence, batch })
      }
      if (certificate !== undefined) prepared.push({ _tag: "Prepared", certificate })
    }
    return { before, after: [...accepted, ...prepared] }
  }

  return {
    get: (sequence) => places.get(sequence),
    at,
    forget: (sequence) => {
      for (const place of places.keys()) if (place <= sequence) places.delete(place)
    },
    clear,
    certificates: () =>
      [...places.values()]
        .toSorted((a, b) => a.sequence - b.sequence)
        .flatMap(({ certificate }) => (certificate === undefined ? [] : [certificate])),
    facts
  }
}
