/**
 * What replicas and clients say to each other, what a replica writes down before it speaks, and the keys they say it with.
 *
 * **Details**
 *
 * Everything that counts is signed by whom it comes from, and can be passed on by anybody: the connection it arrives on
 * proves nothing. The signature of a proposal covers the digest of its batch and not the batch, so that certificates stay
 * small; who takes the batch holds it against the digest.
 */

/** What a batch or a state is known by: 64 hexadecimal digits with real keys. */
export type Digest = string

/** Signed by `from`: a replica below the number of replicas, a client otherwise. Replicas are clients too. */
export interface Signed<B> {
  readonly _tag: "Signed"
  readonly from: number
  readonly body: B
  readonly signature: Uint8Array
}

/** A client asks for operations, all at one place and each once: its timestamps only rise. */
export interface Request {
  readonly _tag: "Request"
  readonly timestamp: number
  readonly operations: ReadonlyArray<Uint8Array>
}
export type Batch = ReadonlyArray<Signed<Request>>

/** The primary of a view gives a batch its place. */
export interface PrePrepare {
  readonly _tag: "PrePrepare"
  readonly view: number
  readonly sequence: number
  readonly digest: Digest
}
/** A backup has taken that place for that batch, and no other batch in that view. */
export interface Prepare {
  readonly _tag: "Prepare"
  readonly view: number
  readonly sequence: number
  readonly digest: Digest
}
/** A replica has seen that enough others have. */
export interface Commit {
  readonly _tag: "Commit"
  readonly view: number
  readonly sequence: number
  readonly digest: Digest
}
/** A replica has carried out everything up to a place, and this is its state. */
export interface Checkpoint {
  readonly _tag: "Checkpoint"
  readonly sequence: number
  readonly digest: Digest
}

/** Proves that no other batch can have been decided at that place in that view or before it. */
export interface Certificate {
  readonly proposal: Signed<PrePrepare>
  readonly prepares: ReadonlyArray<Signed<Prepare>>
}
/** A replica wants another primary, and says what it must not forget. */
export interface ViewChange {
  readonly _tag: "ViewChange"
  readonly view: number
  /** The last stable checkpoint and its proof; 0 needs none. */
  readonly stable: number
  readonly proof: ReadonlyArray<Signed<Checkpoint>>
  /** Of each place above it, the certificate of the highest view. */
  readonly prepared: ReadonlyArray<Certificate>
}
/** The new primary begins, and shows that it forgets nothing. */
export interface NewView {
  readonly _tag: "NewView"
  readonly view: number
  readonly changes: ReadonlyArray<Signed<ViewChange>>
  readonly proposals: ReadonlyArray<Signed<PrePrepare>>
}
/** Where a replica is. Who is ahead answers with what it lacks. */
export interface Status {
  readonly _tag: "Status"
  readonly view: number
  /** False between leaving a view and entering the next one. */
  readonly active: boolean
  readonly stable: number
  readonly executed: number
}
/** Asks for the state at this checkpoint or a later one. */
export interface Fetch {
  readonly _tag: "Fetch"
  readonly sequence: number
}
/** What came of a request. A client believes it when enough replicas say the same. */
export interface Reply {
  readonly _tag: "Reply"
  readonly view: number
  readonly client: number
  readonly timestamp: number
  readonly sequence: number
  /** One for each operation. */
  readonly results: ReadonlyArray<Uint8Array>
}

export type Body = Request | PrePrepare | Prepare | Commit | Checkpoint | ViewChange | NewView | Status | Fetch | Reply

export const is = <T extends Body["_tag"]>(
  message: Signed<Body>,
  tag: T
): message is Signed<Extract<Body, { readonly _tag: T }>> => message.body._tag === tag

/** A proposal with its batch. */
export interface Proposal {
  readonly _tag: "Proposal"
  readonly header: Signed<PrePrepare>
  readonly batch: Batch
}
/** A batch with the commits that decided it: needs no view and no memory to be believed. */
export interface Decided {
  readonly _tag: "Decided"
  readonly commits: ReadonlyArray<Signed<Commit>>
  readonly batch: Batch
}
/** The proof of a stable checkpoint. */
export interface Stable {
  readonly _tag: "Stable"
  readonly proof: ReadonlyArray<Signed<Checkpoint>>
}
/** The same with the state. */
export interface State {
  readonly _tag: "State"
  readonly proof: ReadonlyArray<Signed<Checkpoint>>
  readonly bytes: Uint8Array
}

export type Message = Signed<Body> | Proposal | Decided | Stable | State

/** What a replica must still know after a crash, or it could contradict itself. */
export type Fact =
  /** It accepted this proposal, and may have voted for it. */
  | { readonly _tag: "Accepted"; readonly header: Signed<PrePrepare>; readonly batch: Batch }
  /** The batch of an earlier view at this place, which a later view may come back to. */
  | { readonly _tag: "Batch"; readonly sequence: number; readonly batch: Batch }
  /** It may have told others that this is prepared. */
  | { readonly _tag: "Prepared"; readonly certificate: Certificate }
  /** It has left all views below this one. */
  | { readonly _tag: "Left"; readonly view: number }
  | { readonly _tag: "Entered"; readonly newView: Signed<NewView> }
  /** Everything up to this checkpoint is in the state. */
  | { readonly _tag: "Kept"; readonly proof: ReadonlyArray<Signed<Checkpoint>>; readonly bytes: Uint8Array }

/** The keys of one participant, and how contents become digests. Behind it Ed25519 and SHA-256. */
export interface Keys {
  readonly sign: <B extends Body>(body: B) => Signed<B>
  readonly verify: (signed: Signed<Body>) => boolean
  readonly ofBatch: (batch: Batch) => Digest
  readonly ofState: (bytes: Uint8Array) => Digest
}
