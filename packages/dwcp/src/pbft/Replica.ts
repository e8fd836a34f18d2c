/**
 * One replica of PBFT as a pure machine: a message, a tick or the end of a timer goes in; messages, facts to write down,
 * timers and decisions come out. It knows no clock, no network and no disk.
 *
 * **Details**
 *
 * Castro and Liskov (OSDI 1999), with signatures: the primary proposes batches, 2f prepares beside the proposal make a
 * certificate, 2f+1 commits a decision; batches are carried out in order. Every so many places the states are compared,
 * and a checkpoint that 2f+1 share lets everything below it be forgotten. When the oldest request waits for too long, the
 * view changes: certificates go to the next primary, whose new view everybody checks. The wait doubles each time.
 *
 * Three things beside the paper. A decision is passed on as a batch with its 2f+1 commits, which is believed in any view,
 * so that nobody waits for a checkpoint to catch up. Nothing is sent again on suspicion: who is stuck says where it is,
 * with each tick, and gets what it lacks. And a replica that has crashed is made again from its facts.
 *
 * **Gotchas**
 *
 * Facts must be on the disk before what stands behind them in the list is sent. Bytes that come in are taken as they are
 * and must not change later. Batches that were voted for are kept until a checkpoint covers them, however many views pass.
 */
// `!` after an index: positions come from loops over the same arrays.
import * as Checkpoints from "./Checkpoints.ts"
import * as Execution from "./Execution.ts"
import * as M from "./Message.ts"
import * as Places from "./Places.ts"
import * as Proof from "./Proof.ts"
import * as Waiting from "./Waiting.ts"

export interface Options {
  readonly id: number
  readonly replicas: number
  readonly keys: M.Keys
  readonly application: Execution.Application
  /** Places between checkpoints; twice as many may be open. */
  readonly checkpointEvery: number
  readonly maxBatch: number
  /** Batches that the primary has open at once. While it waits, the next batch grows. */
  readonly pipeline: number
  /** How long the oldest request may wait before the primary is doubted, at first. */
  readonly patienceMillis: number
  /** What it wrote down before it crashed, in order. */
  readonly facts?: ReadonlyArray<M.Fact>
}

export type Output =
  | { readonly _tag: "Send"; readonly to: number | "others"; readonly message: M.Message }
  | { readonly _tag: "Write"; readonly fact: M.Fact }
  | { readonly _tag: "Arm"; readonly millis: number }
  | { readonly _tag: "Disarm" }
  | { readonly _tag: "Decision"; readonly decision: Decision }
  /** The state of a checkpoint took the place of all decisions up to it. */
  | { readonly _tag: "Restored"; readonly sequence: number; readonly digest: M.Digest }
  /** More than f are faulty: a quorum has proved what contradicts this replica. It says nothing any more. */
  | { readonly _tag: "Contradicted"; readonly sequence: number }

export interface Decision {
  readonly sequence: number
  readonly view: number
  readonly digest: M.Digest
  /** Those that were carried out now, in order. */
  readonly requests: ReadonlyArray<{
    readonly request: M.Signed<M.Request>
    readonly results: ReadonlyArray<Uint8Array>
  }>
}

export interface Position extends Omit<M.Status, "_tag"> {
  readonly pending: number
  readonly contradicted: boolean
  /** For each replica the ticks since it was last heard, by its own signature; 0 for this one. */
  readonly unheard: ReadonlyArray<number>
}

export interface Replica {
  /** First of all, and once. */
  readonly start: () => ReadonlyArray<Output>
  readonly receive: (message: M.Message) => ReadonlyArray<Output>
  /** Now and then, a few times as often as patience ends. */
  readonly tick: () => ReadonlyArray<Output>
  readonly expired: () => ReadonlyArray<Output>
  readonly position: () => Position
  /** Facts that say as much as all that were written so far. */
  readonly facts: () => ReadonlyArray<M.Fact>
}

/** How many places are helped along at once. */
const atOnce = 16
const maxDoublings = 8

export const make = (options: Options): Replica => {
  const { checkpointEvery, id, keys, maxBatch, pipeline, replicas } = options
  const q = Proof.quorum(replicas)
  const window = 2 * checkpointEvery
  const nothing = keys.ofBatch([])
  const execution = Execution.make(options.application)

  let view = 0
  let active = true
  let executed = 0
  let next = 1
  const places = Places.make(nothing)
  const checkpoints = Checkpoints.make(q, checkpointEvery, keys, execution.snapshot())
  const stable = (): number => checkpoints.stable().sequence
  const changes = new Map<number, M.Signed<M.ViewChange>>()
  let opened: M.Signed<M.NewView> | undefined

  const waiting = Waiting.make()
  /** What the primary has not proposed in this view. */
  let queue: Array<M.Signed<M.Request>> = []
  let armed: "request" | "view" | undefined
  let awaited: string | undefined
  let doublings = 0

  let outputs: Array<Output> = []
  let contradicted = false
  let executedAtTick = -1
  let fetched = new Set<number>() // Whoever asks gets one answer between ticks.
  const unheard = Array.from({ length: replicas }, () => 0)

  const isPrimary = () => Proof.primary(q, view) === id
  const send = (to: number | "others", message: M.Message): void => void outputs.push({ _tag: "Send", to, message })
  const write = (fact: M.Fact): void => void outputs.push({ _tag: "Write", fact })
  const within = (sequence: number): boolean => sequence > stable() && sequence <= stable() + window

  // ---------------------------------------------------------------------------------------------------------- requests

  const onRequest = (request: M.Signed<M.Request>): void => {
    const { timestamp } = request.body
    if (!keys.verify(request)) return
    if (execution.done(request.from, timestamp)) return reply(request)
    enqueue(request)
    propose()
    watch()
  }

  const enqueue = (request: M.Signed<M.Request>): void => {
    if (waiting.add(request) && active && isPrimary()) queue.push(request)
  }

  const reply = ({ body: { timestamp }, from: client }: M.Signed<M.Request>): void => {
    const outcome = execution.outcome(client, timestamp)
    if (outcome !== undefined) send(client, keys.sign({ _tag: "Reply", view, client, timestamp, ...outcome }))
  }

  /** The timer belongs to the request that has waited longest. */
  const watch = (): void => {
    if (!active) return
    for (const request of waiting.all()) {
      if (execution.done(request.from, request.body.timestamp)) {
        waiting.remove(request)
        continue
      }
      const key = Waiting.keyOf(request)
      if (armed === "request" && awaited === key) return
      awaited = key
      return arm("request")
    }
    if (armed !== undefined) outputs.push({ _tag: "Disarm" })
    armed = undefined
  }

  const arm = (what: "request" | "view"): void => {
    armed = what
    outputs.push({ _tag: "Arm", millis: options.patienceMillis * 2 ** Math.min(doublings, maxDoublings) })
  }

  // ----------------------------------------------------------------------------------------------------- three phases

  const propose = (): void => {
    if (!active || !isPrimary() || queue.length === 0) return
    while (within(next) && next - executed <= pipeline) {
      const batch: Array<M.Signed<M.Request>> = []
      let taken = 0
      while (taken < queue.length && batch.length < maxBatch) {
        const request = queue[taken++]!
        if (!execution.done(request.from, request.body.timestamp)) batch.push(request)
      }
      queue = queue.slice(taken)
      if (batch.length === 0) return
      const header = keys.sign({ _tag: "PrePrepare", view, sequence: next++, digest: keys.ofBatch(batch) })
      accept(header, batch)
      send("others", { _tag: "Proposal", header, batch })
    }
  }

  const onProposal = ({ batch, header }: M.Proposal): void => {
    const { digest, sequence, view: itsView } = header.body
    if (!active || itsView !== view || header.from !== Proof.primary(q, view) || !within(sequence)) return
    const place = places.get(sequence)
    // Of two proposals for a place the first one counts. One of a new view may still be without its batch.
    if (place?.proposal !== undefined && (place.proposal.body.digest !== digest || place.batches.has(digest))) return
    if (batch.length > maxBatch || keys.ofBatch(batch) !== digest || !keys.verify(header)) return
    if (!batch.every(isGenuine)) return
    accept(header, batch)
    for (const request of batch) {
      if (!execution.done(request.from, request.body.timestamp)) enqueue(request)
    }
    progress(places.at(sequence))
    watch()
  }

  /** Signed by its client. Known ones were looked at when they came. */
  const isGenuine = (request: M.Signed<M.Request>): boolean => waiting.knows(request) || keys.verify(request)

  /** From here on this replica holds to this batch at this place in this view. */
  const accept = (header: M.Signed<M.PrePrepare>, batch: M.Batch): void => {
    const place = places.at(header.body.sequence)
    place.proposal = header
    place.batches.set(header.body.digest, batch)
    write({ _tag: "Accepted", header, batch })
    const prepare = vote(place)
    if (prepare !== undefined) send("others", prepare)
    else progress(place)
  }

  /** This replica's prepare. The primary's proposal is its own. */
  const vote = (place: Places.Place): M.Signed<M.Prepare> | undefined => {
    if (isPrimary()) return undefined
    const prepare = keys.sign({ ...place.proposal!.body, _tag: "Prepare" })
    place.prepares.set(id, prepare)
    return prepare
  }

  const onPrepare = (prepare: M.Signed<M.Prepare>): void => {
    const { sequence, view: itsView } = prepare.body
    if (itsView !== view || !active || !within(sequence) || prepare.from === Proof.primary(q, view)) return
    const place = places.at(sequence)
    if (place.prepares.has(prepare.from) || !keys.verify(prepare)) return
    place.prepares.set(prepare.from, prepare)
    progress(place)
  }

  const onCommit = (commit: M.Signed<M.Commit>): void => {
    const { sequence, view: itsView } = commit.body
    if (itsView !== view || !active || !within(sequence)) return
    const place = places.at(sequence)
    if (place.commits.has(commit.from) || !keys.verify(commit)) return
    place.commits.set(commit.from, commit)
    progress(place)
  }

  /** Prepared, then committed, as soon as the votes are there. */
  const progress = (place: Places.Place): void => {
    const { proposal } = place
    const batch = proposal === undefined ? undefined : place.batches.get(proposal.body.digest)
    if (proposal === undefined || batch === undefined) return
    const { digest } = proposal.body
    if (!place.committing) {
      const prepares = [...place.prepares.values()].filter(({ body }) => body.digest === digest)
      if (prepares.length < q.size - 1) return
      place.certificate = { proposal, prepares: prepares.slice(0, q.size - 1) }
      write({ _tag: "Prepared", certificate: place.certificate })
      send("others", commit(place))
    }
    if (place.decided !== undefined) return
    const commits = [...place.commits.values()].filter(({ body }) => body.digest === digest)
    if (commits.length < q.size) return
    place.decided = { _tag: "Decided", commits: commits.slice(0, q.size), batch }
    execute()
  }

  const commit = (place: Places.Place): M.Signed<M.Commit> => {
    const signed = keys.sign({ ...place.certificate!.proposal.body, _tag: "Commit" })
    place.committing = true
    place.commits.set(id, signed)
    return signed
  }

  const execute = (): void => {
    const before = executed
    for (;;) {
      const place = places.get(executed + 1)
      if (place?.decided === undefined) break
      executed++
      const { batch, commits } = place.decided
      const requests: Array<Decision["requests"][number]> = []
      for (const request of batch) {
        const outcome = execution.execute(request, executed)
        if (outcome !== undefined) requests.push({ request, results: outcome.results })
        waiting.remove(request)
        reply(request)
      }
      const { digest, view: itsView } = commits[0]!.body
      outputs.push({ _tag: "Decision", decision: { sequence: executed, view: itsView, digest, requests } })
      if (executed % checkpointEvery === 0) reach()
    }
    if (executed === before) return
    if (active) doublings = 0
    propose()
    watch()
  }

  // ------------------------------------------------------------------------------------------------------- checkpoints

  const reach = (): void => {
    const bytes = execution.snapshot()
    const digest = keys.ofState(bytes)
    checkpoints.reach(executed, digest, bytes)
    const checkpoint = keys.sign({ _tag: "Checkpoint", sequence: executed, digest })
    send("others", checkpoint)
    onCheckpoint(checkpoint)
    const ahead = checkpoints.ahead()
    if (ahead?.sequence === executed) stabilise(ahead)
  }

  const onCheckpoint = (checkpoint: M.Signed<M.Checkpoint>): void => {
    const shared = checkpoints.take(checkpoint)
    if (shared !== undefined) stabilise(shared)
  }

  /** A quorum has come to this checkpoint: what is below is over. */
  const stabilise = (shared: Checkpoints.Shared): void => {
    const compared = checkpoints.compare(shared, executed)
    switch (compared._tag) {
      case "Past":
      case "Ahead":
        return
      case "Same":
        return keep(shared.sequence, shared.proof, compared.bytes)
      case "Different":
        contradicted = true
        outputs.push({ _tag: "Disarm" }, { _tag: "Contradicted", sequence: shared.sequence })
    }
  }

  const keep = (sequence: number, proof: ReadonlyArray<M.Signed<M.Checkpoint>>, bytes: Uint8Array): void => {
    checkpoints.keep({ sequence, proof, bytes })
    next = Math.max(next, sequence + 1)
    places.forget(sequence)
    write({ _tag: "Kept", proof, bytes })
    propose()
  }

  const onStable = ({ proof }: M.Stable): void => {
    if ((proof[0]?.body.sequence ?? 0) <= stable()) return
    const proved = Proof.stable(proof, q, keys)
    if (proved !== undefined) stabilise({ ...proved, proof })
  }

  const onState = ({ bytes, proof }: M.State): void => {
    if ((proof[0]?.body.sequence ?? 0) <= executed) return
    const proved = Proof.stable(proof, q, keys)
    if (proved === undefined || keys.ofState(bytes) !== proved.digest || !execution.restore(bytes)) return
    executed = proved.sequence
    outputs.push({ _tag: "Restored", ...proved })
    keep(executed, proof, bytes)
    execute()
    watch()
  }

  // ------------------------------------------------------------------------------------------------------ view changes

  const leave = (to: number): void => {
    view = to
    active = false
    armed = undefined
    awaited = undefined
    doublings++
    queue = []
    outputs.push({ _tag: "Disarm" })
    write({ _tag: "Left", view })
    send("others", change())
    gather()
  }

  const change = (): M.Signed<M.ViewChange> => {
    const { proof, sequence } = checkpoints.stable()
    const body = { _tag: "ViewChange", view, stable: sequence, proof, prepared: places.certificates() } as const
    changes.set(id, keys.sign(body))
    return changes.get(id)!
  }

  const onViewChange = (change: M.Signed<M.ViewChange>): void => {
    const { view: to } = change.body
    if (to < view || (to === view && active) || (changes.get(change.from)?.body.view ?? -1) >= to) return
    if (!Proof.viewChange(change, q, window, keys)) return
    changes.set(change.from, change)
    // One honest replica at least is beyond this view.
    const beyond = [...changes.values()].map(({ body }) => body.view).filter((other) => other > view)
    if (beyond.length > q.faults) return leave(Math.min(...beyond))
    gather()
  }

  /** Enough view changes: the primary opens the view, the others begin to wait for it. */
  const gather = (): void => {
    if (active) return
    const all = [...changes.values()].filter(({ body }) => body.view >= view)
    const these = all.filter(({ body }) => body.view === view)
    if (these.length >= q.size && isPrimary()) {
      const chosen = these.slice(0, q.size)
      const { base, digests } = Proof.opening(chosen, nothing)
      const proposals = digests.map((digest, k) =>
        keys.sign({ _tag: "PrePrepare", view, sequence: base + 1 + k, digest } as const)
      )
      const newView = keys.sign({ _tag: "NewView", view, changes: chosen, proposals })
      enter(newView)
    } else if (all.length >= q.size && armed === undefined) arm("view")
  }

  const onNewView = (newView: M.Signed<M.NewView>): void => {
    const { view: to } = newView.body
    if (to < view || (to === view && active) || to === 0) return
    if (!keys.verify(newView) || !Proof.newView(newView, q, window, keys, nothing)) return
    enter(newView)
  }

  const enter = (newView: M.Signed<M.NewView>): void => {
    write({ _tag: "Entered", newView })
    outputs.push({ _tag: "Disarm" })
    if (newView.from === id) send("others", newView)
    for (const prepare of begin(newView)) send("others", prepare)
    const { changes: why, proposals } = newView.body
    for (const { body } of why) onStable({ _tag: "Stable", proof: body.proof })
    const proposed = new Set<string>()
    for (const { body } of proposals) {
      const place = places.get(body.sequence)
      for (const request of place?.batches.get(body.digest) ?? []) proposed.add(Waiting.keyOf(request))
      if (place !== undefined) progress(place)
    }
    if (isPrimary()) queue = [...waiting.all()].filter((request) => !proposed.has(Waiting.keyOf(request)))
    propose()
    watch()
  }

  /** The places of a new view, and this replica's votes for those of which it has the batch. */
  const begin = (newView: M.Signed<M.NewView>): ReadonlyArray<M.Signed<M.Prepare>> => {
    const { changes: why, proposals } = newView.body
    view = newView.body.view
    active = true
    opened = newView
    armed = undefined
    awaited = undefined
    queue = []
    next = Math.max(Proof.opening(why, nothing).base + proposals.length, stable()) + 1
    for (const [from, { body }] of changes) if (body.view <= view) changes.delete(from)
    places.clear()
    return proposals.flatMap((proposal) => {
      if (!within(proposal.body.sequence)) return []
      const place = places.at(proposal.body.sequence)
      place.proposal = proposal
      const prepare = place.batches.has(proposal.body.digest) ? vote(place) : undefined
      return prepare === undefined ? [] : [prepare]
    })
  }

  // --------------------------------------------------------------------------------------------------- keeping in step

  const tell = (): void => {
    fetched = new Set()
    for (let other = 0; other < replicas; other++) if (other !== id) unheard[other]!++
    send("others", keys.sign({ _tag: "Status", view, active, stable: stable(), executed }))
    const mine = changes.get(id)
    if (!active && mine !== undefined) send("others", mine)
    for (const checkpoint of checkpoints.of(id)) send("others", checkpoint)
    const missing = checkpoints.next(id)
    if (missing !== undefined) send(missing.whom, keys.sign({ _tag: "Fetch", sequence: missing.sequence }))
    if (active && executed === executedAtTick) insist()
    executedAtTick = executed
  }

  /** Nothing was decided since the last tick: the next few places once more, with what this replica knows of them. */
  const insist = (): void => {
    for (let sequence = executed + 1; sequence <= executed + atOnce; sequence++) {
      const place = places.get(sequence)
      if (place?.proposal === undefined) continue
      const batch = place.batches.get(place.proposal.body.digest)
      if (batch !== undefined) send("others", { _tag: "Proposal", header: place.proposal, batch })
      for (const own of [place.prepares.get(id), place.commits.get(id)]) if (own !== undefined) send("others", own)
    }
  }

  const onStatus = (status: M.Signed<M.Status>): void => {
    const { body, from } = status
    if (unheard[from] === 0 || !keys.verify(status)) return // once between ticks
    unheard[from] = 0
    if (active && opened !== undefined && (body.view < view || (body.view === view && !body.active))) send(from, opened)
    if (body.stable < stable()) send(from, { _tag: "Stable", proof: checkpoints.stable().proof })
    for (let sequence = body.executed + 1; sequence <= Math.min(executed, body.executed + atOnce); sequence++) {
      const decided = places.get(sequence)?.decided
      if (decided !== undefined) send(from, decided)
    }
  }

  const onDecided = (decided: M.Decided): void => {
    const sequence = decided.commits[0]?.body.sequence ?? 0
    if (sequence <= executed || !within(sequence) || places.get(sequence)?.decided !== undefined) return
    const proved = Proof.committed(decided.commits, q, keys)
    if (proved === undefined || keys.ofBatch(decided.batch) !== proved.digest) return
    places.at(sequence).decided = decided
    execute()
  }

  const onFetch = (fetch: M.Signed<M.Fetch>): void => {
    const { bytes, proof, sequence } = checkpoints.stable()
    if (fetched.has(fetch.from) || sequence === 0 || sequence < fetch.body.sequence || !keys.verify(fetch)) return
    fetched.add(fetch.from)
    send(fetch.from, { _tag: "State", proof, bytes })
  }

  // ------------------------------------------------------------------------------------------------------------- facts

  const remember = (fact: M.Fact): void => {
    switch (fact._tag) {
      case "Kept": {
        execution.restore(fact.bytes)
        executed = fact.proof[0]!.body.sequence
        return keep(executed, fact.proof, fact.bytes)
      }
      case "Batch": {
        if (fact.sequence > stable()) places.at(fact.sequence).batches.set(keys.ofBatch(fact.batch), fact.batch)
        return
      }
      case "Left": {
        view = fact.view
        active = false
        return
      }
      case "Entered": {
        begin(fact.newView)
        return
      }
      case "Accepted": {
        const { digest, sequence, view: itsView } = fact.header.body
        if (sequence <= stable()) return
        const place = places.at(sequence)
        place.batches.set(digest, fact.batch)
        if (itsView !== view || !active) return
        place.proposal = fact.header
        next = Math.max(next, sequence + 1)
        vote(place)
        return
      }
      case "Prepared": {
        const { sequence, view: itsView } = fact.certificate.proposal.body
        if (sequence <= stable()) return
        const place = places.at(sequence)
        place.certificate = fact.certificate
        if (itsView === view && active) commit(place)
      }
    }
  }

  const facts = (): ReadonlyArray<M.Fact> => {
    const { bytes, proof, sequence } = checkpoints.stable()
    const kept: ReadonlyArray<M.Fact> = sequence === 0 ? [] : [{ _tag: "Kept", proof, bytes }]
    const here: M.Fact | undefined =
      active && opened !== undefined ? { _tag: "Entered", newView: opened } : { _tag: "Left", view }
    const { after, before } = places.facts(active)
    return [...kept, ...before, ...(view === 0 ? [] : [here]), ...after]
  }

  // ------------------------------------------------------------------------------------------------------------- doors

  const take = (message: M.Message): void => {
    switch (message._tag) {
      case "Proposal":
        return onProposal(message)
      case "Decided":
        return onDecided(message)
      case "Stable":
        return onStable(message)
      case "State":
        return onState(message)
      case "Signed":
        if (M.is(message, "Request")) return onRequest(message)
        if (message.from >= replicas) return
        if (M.is(message, "Prepare")) return onPrepare(message)
        if (M.is(message, "Commit")) return onCommit(message)
        if (M.is(message, "Checkpoint")) return onCheckpoint(message)
        if (M.is(message, "Status")) return onStatus(message)
        if (M.is(message, "ViewChange")) return onViewChange(message)
        if (M.is(message, "NewView")) return onNewView(message)
        if (M.is(message, "Fetch")) return onFetch(message)
    }
  }

  const answer = (doing: () => void): ReadonlyArray<Output> => {
    outputs = []
    if (!contradicted) doing()
    return outputs
  }

  for (const fact of options.facts ?? []) remember(fact)

  return {
    start: () =>
      answer(() => {
        if (!active) send("others", change())
        tell()
      }),
    receive: (message) => answer(() => take(message)),
    tick: () => answer(tell),
    expired: () =>
      answer(() => {
        if (armed !== undefined) leave(view + 1)
      }),
    position: () => ({
      view,
      active,
      stable: stable(),
      executed,
      pending: waiting.size(),
      contradicted,
      unheard: [...unheard]
    }),
    facts
  }
}
