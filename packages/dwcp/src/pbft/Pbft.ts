/**
 * PBFT between processes: whatever is proposed at one replica is decided at all, in the same order, also when up to f of
 * 3f+1 of them lie.
 *
 * **Details**
 *
 * `Replica` decides what to do; this file does it. What comes in is handed to the machine in turn; what it wants written is
 * on the disk before what it wants sent is sent. A replica that was killed at any moment can be started again on its
 * journal: it says nothing that contradicts what it said before, and gets what it missed from the others.
 *
 * **Example** (one of four)
 *
 * ```ts
 * const pbft = yield* Pbft.make({ cluster: "wan", members, privateKey, journal: "/var/lib/novacron/pbft", tls }, settings)
 * const { sequence } = yield* pbft.propose(Buffer.from("promote node-3"))
 * ```
 *
 * **Gotchas**
 *
 * Connections are in the clear without `tls`, which is a decision of whoever calls: messages are signed anyway, but can be
 * read. After a start, decisions since the last checkpoint are told again. Who must see each one is the application.
 */
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  FiberHandle,
  PubSub,
  Queue,
  type Redacted,
  Schedule,
  type Scope,
  Stream
} from "effect"
import { createHash } from "node:crypto"
import * as Client from "./Client.ts"
import * as Codec from "./Codec.ts"
import type { Application } from "./Execution.ts"
import {
  JournalUnusable,
  type MembershipInvalid,
  NoAgreement,
  ProposalRefused,
  type ReplicaCannotListen,
  Undecided
} from "./Failures.ts"
import * as Journal from "./Journal.ts"
import * as Keys from "./Keys.ts"
import type * as M from "./Message.ts"
import * as Peers from "./Peers.ts"
import * as Proof from "./Proof.ts"
import * as Replica from "./Replica.ts"
import type { Settings } from "./Settings.ts"

export interface Member extends Peers.Address {
  /** Ed25519, PEM. */
  readonly publicKey: string
}

export interface Options {
  /** The same at all members, and at no other cluster with the same keys. */
  readonly cluster: string
  /** The same list in the same order at all members: four, seven, or any number from four on. */
  readonly members: ReadonlyArray<Member>
  /** Ed25519, PEM. Which member this is follows from it. */
  readonly privateKey: Redacted.Redacted<string>
  /** A file of this replica alone. Losing it means a new key. */
  readonly journal: string
  /** Where to listen, if not at the member's address. */
  readonly listen?: Peers.Address
  readonly tls?: Peers.Tls
  /** What decisions are applied to. Without one they are only put in order, and a result is eight bytes: how many so far. */
  readonly application?: Application
}

export type Event =
  | {
      readonly _tag: "Decided"
      readonly sequence: number
      readonly view: number
      readonly proposals: ReadonlyArray<Proposal>
    }
  /** Everything up to here came as a state: the application has it, its decisions are not told. */
  | { readonly _tag: "Restored"; readonly sequence: number }

export interface Answer {
  /** Its place: proposals that are decided together share one, in the order of `decisions`. */
  readonly sequence: number
  /** What the application said to it. */
  readonly result: Uint8Array
}

export interface Proposal {
  /** The member at which it was made. */
  readonly member: number
  readonly timestamp: number
  readonly bytes: Uint8Array
  readonly result: Uint8Array
}

export interface Position extends Replica.Position {
  readonly id: number
  readonly primary: number
  /** How many of them may lie, or be gone, and decisions go on. */
  readonly faults: number
  /** Members that can be spoken to, this one included. */
  readonly reached: number
  /** Members that have said nothing for a while that carries their signature. */
  readonly silent: ReadonlyArray<number>
}

export interface Pbft {
  readonly id: number
  readonly port: number
  /** Done when f+1 replicas say that it was decided, and what came of it. */
  readonly propose: (bytes: Uint8Array) => Effect.Effect<Answer, Undecided | ProposalRefused>
  /** From now on. Who falls more than a thousand behind misses the oldest; sequences say so. */
  readonly decisions: Stream.Stream<Event>
  readonly position: Effect.Effect<Position>
  /** Fails while this replica cannot take part in decisions. */
  readonly check: Effect.Effect<Position, NoAgreement | JournalUnusable>
}

type Input =
  | { readonly _tag: "Message"; readonly message: M.Message; readonly bytes: number }
  | { readonly _tag: "Tick" }
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Propose" }

interface Proposed {
  readonly bytes: Uint8Array
  readonly answer: Deferred.Deferred<Answer>
}

/** Handed to the machine before the disk is asked. */
const atOnce = 128
const told = 1_024
const maxWaiting = 10_000
/** Requests of this node that are on their way. What is proposed meanwhile goes into the next one, together. */
const requestsAtOnce = 4
/** So many timestamps are set aside at once. */
const asideAtOnce = 65_536
/** Who has not been heard for this long, and for so many ticks, is called silent. */
const silentMillis = 2_000
const fewestTicks = 4
/** A journal that has grown by this is written anew. */
const rewriteBytes = 16 * 1024 * 1024

export const make = Effect.fn("Pbft.make")(function* (
  options: Options,
  settings: typeof Settings.Type
): Effect.fn.Return<Pbft, MembershipInvalid | JournalUnusable | ReplicaCannotListen, Scope.Scope> {
  const { id, privateKey, publicKeys } = yield* Effect.fromResult(Keys.identify(options))
  const { cluster, members } = options
  const keys = Keys.make({ cluster, id, privateKey, publicKeys })
  const q = Proof.quorum(members.length)
  const owner = createHash("sha256").update(cluster)
  for (const key of publicKeys) owner.update(key.export({ type: "spki", format: "der" }))
  const journal = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => Journal.make(options.journal, `${id} ${owner.digest("hex")}`),
      catch: unusable(options.journal)
    }),
    (journal) => Effect.promise(() => journal.close())
  )
  const replica = Replica.make({
    id,
    replicas: members.length,
    keys,
    application: options.application ?? counter(),
    checkpointEvery: settings.checkpointEvery,
    maxBatch: settings.maxBatch,
    pipeline: settings.pipeline,
    patienceMillis: Duration.toMillis(settings.viewChange),
    facts: journal.facts
  })
  const startMillis = yield* Clock.currentTimeMillis
  let aside = Math.max(journal.unusedTimestamp, startMillis * 1_000)
  const client = Client.make({ replicas: members.length, keys, firstTimestamp: aside })

  const inbox = yield* Queue.unbounded<Input>() // bounded by bytes: see `onFrame`
  const events = yield* PubSub.sliding<Event>(told)
  const timer = yield* FiberHandle.make()
  const maxFrameBytes = Number(settings.maxFrame)
  let unreadBytes = 0
  const peers = yield* Peers.make({
    self: id,
    members,
    listen: options.listen ?? members[id] ?? { host: "127.0.0.1", port: 0 },
    tls: options.tls,
    maxFrameBytes,
    onFrame: (bytes) => {
      const message = Codec.decode(bytes)
      if (message === undefined) return true
      unreadBytes += bytes.length
      Queue.offerUnsafe(inbox, { _tag: "Message", message, bytes: bytes.length })
      return unreadBytes <= maxFrameBytes
    }
  })

  // ------------------------------------------------------------------------------------------------------- the machine
  const waiting = new Set<Proposed>()
  const asked = new Map<number, ReadonlyArray<Proposed>>()
  let outputs: Array<Replica.Output> = []
  let records: Array<Journal.Record> = []
  let sends: Array<() => void> = []
  let ticks = 0

  const run = (some: ReadonlyArray<Replica.Output>): void => void outputs.push(...some)
  const ask = (request: M.Signed<M.Request>): void => {
    const bytes = Codec.encode(request)
    sends.push(() => peers.send("others", bytes))
    run(replica.receive(request))
  }
  const asking = (): void => {
    while (waiting.size > 0 && client.waiting() < requestsAtOnce) {
      const group: Array<Proposed> = []
      let bytes = 0
      for (const proposed of waiting) {
        bytes += proposed.bytes.length
        if (group.length > 0 && (bytes > Number(settings.maxProposal) || group.length === settings.maxBatch)) break
        group.push(proposed)
      }
      const request = client.ask(group.map((proposed) => proposed.bytes))
      if (request === undefined) return
      const { timestamp } = request.body
      if (timestamp >= aside) {
        aside = timestamp + asideAtOnce
        records.push({ _tag: "Asked", below: aside })
      }
      for (const proposed of group) waiting.delete(proposed)
      asked.set(timestamp, group)
      ask(request)
    }
  }
  const answered = (message: M.Message): void => {
    const answer = client.receive(message)
    if (answer === undefined) return
    const group = asked.get(answer.timestamp) ?? []
    asked.delete(answer.timestamp)
    for (const [k, result] of answer.results.entries()) {
      const proposed = group[k]
      if (proposed !== undefined)
        Deferred.doneUnsafe(proposed.answer, Effect.succeed({ sequence: answer.sequence, result }))
    }
    asking()
  }
  const take = (input: Input): void => {
    switch (input._tag) {
      case "Message": {
        const { message } = input
        unreadBytes -= input.bytes
        return message._tag === "Signed" && message.body._tag === "Reply"
          ? answered(message)
          : run(replica.receive(message))
      }
      case "Tick":
        run(replica.tick())
        if (++ticks % 2 === 0) client.tick().forEach(ask)
        return
      case "Expired":
        return run(replica.expired())
      case "Propose":
        return asking()
    }
  }

  /** What the machine wants, as far as it has no effect on others yet. */
  const sort = (): {
    readonly arm: number | "no" | undefined
    readonly kept: boolean
    readonly news: ReadonlyArray<Event>
  } => {
    let arm: number | "no" | undefined
    let kept = false
    const news: Array<Event> = []
    for (let k = 0; k < outputs.length; k++) {
      const output = outputs[k]
      switch (output?._tag) {
        case "Write":
          kept ||= output.fact._tag === "Kept"
          records.push({ _tag: "Fact", fact: output.fact })
          break
        case "Send": {
          const { message, to } = output
          // An answer to this node's own proposal can make room for the next one, which adds to the outputs.
          if (to === id) answered(message)
          else if (to === "others" || to < members.length) {
            const bytes = Codec.encode(message)
            sends.push(() => peers.send(to, bytes))
          }
          break
        }
        case "Arm":
          arm = output.millis
          break
        case "Disarm":
          arm = "no"
          break
        case "Decision":
          news.push(told_(output.decision))
          break
        case "Restored":
          news.push({ _tag: "Restored", sequence: output.sequence })
          break
        case "Contradicted":
        case undefined:
          break
      }
    }
    outputs = []
    return { arm, kept, news }
  }

  const perform = Effect.fnUntraced(function* () {
    const { arm, kept, news } = sort()
    const [writes, says] = [records, sends]
    records = []
    sends = []
    if (kept && journal.appended() > rewriteBytes) {
      const all = [
        ...replica.facts().map((fact) => ({ _tag: "Fact", fact }) as const),
        { _tag: "Asked", below: aside } as const
      ]
      yield* Effect.tryPromise({ try: () => journal.replace(all), catch: unusable(options.journal) })
    } else if (writes.length > 0) {
      yield* Effect.tryPromise({ try: () => journal.append(writes), catch: unusable(options.journal) })
    }
    for (const say of says) say()
    if (arm === "no") yield* FiberHandle.clear(timer)
    else if (arm !== undefined) {
      const expired = Effect.sync(() => Queue.offerUnsafe(inbox, { _tag: "Expired" }))
      yield* FiberHandle.run(timer, Effect.delay(expired, Duration.millis(arm)))
    }
    yield* PubSub.publishAll(events, news)
  })
  run(replica.start())
  yield* perform()
  const step = Effect.gen(function* () {
    for (const input of yield* Queue.takeBetween(inbox, 1, atOnce)) take(input)
    yield* perform()
    if (unreadBytes <= maxFrameBytes / 2) peers.resume()
  })
  let ended: JournalUnusable | undefined
  yield* step.pipe(
    Effect.forever,
    Effect.catch((error) => Effect.sync(() => void (ended = error))),
    Effect.forkScoped
  )
  yield* Effect.sync(() => ended === undefined && Queue.offerUnsafe(inbox, { _tag: "Tick" })).pipe(
    Effect.repeat(Schedule.spaced(settings.tick)),
    Effect.forkScoped
  )

  // ------------------------------------------------------------------------------------------------------------- doors
  const propose = Effect.fn("Pbft.propose")(function* (bytes: Uint8Array) {
    if (bytes.length > Number(settings.maxProposal)) {
      return yield* new ProposalRefused({ problem: `it has ${bytes.length} bytes, more than maxProposal` })
    }
    if (waiting.size >= maxWaiting) return yield* new ProposalRefused({ problem: `${maxWaiting} others wait here` })
    const proposed: Proposed = { bytes: Uint8Array.from(bytes), answer: Deferred.makeUnsafe() }
    waiting.add(proposed)
    Queue.offerUnsafe(inbox, { _tag: "Propose" })
    return yield* Deferred.await(proposed.answer).pipe(
      Effect.timeoutOrElse({
        duration: settings.answer,
        orElse: () => Effect.fail(new Undecided({ seconds: Duration.toSeconds(settings.answer) }))
      }),
      Effect.ensuring(Effect.sync(() => waiting.delete(proposed)))
    )
  })
  const position = Effect.sync((): Position => {
    const now = replica.position()
    const isSilent = (ticks: number) => ticks > Math.max(fewestTicks, silentMillis / Duration.toMillis(settings.tick))
    const silent = now.unheard.flatMap((ticks, member) => (isSilent(ticks) ? [member] : []))
    const reached = peers.connected() + 1
    return { ...now, id, primary: Proof.primary(q, now.view), faults: q.faults, reached, silent }
  })
  const check = Effect.gen(function* () {
    if (ended !== undefined) return yield* ended
    const now = yield* position
    const no = (problem: string) => new NoAgreement({ problem })
    if (now.contradicted) return yield* no("a quorum has decided what contradicts this replica: more than f are faulty")
    if (now.reached < q.size)
      return yield* no(`${now.reached} of ${members.length} replicas are reached, ${q.size} are needed`)
    if (!now.active) return yield* no(`view ${now.view} has not begun; its primary is ${now.primary}`)
    return now
  })
  return { id, port: peers.port, propose, decisions: Stream.fromPubSub(events), position, check }
})

const told_ = ({ requests, sequence, view }: Replica.Decision): Event => ({
  _tag: "Decided",
  sequence,
  view,
  proposals: requests.flatMap(({ request: { body, from }, results }) =>
    results.map((result, k) => ({
      member: from,
      timestamp: body.timestamp,
      bytes: body.operations[k] ?? new Uint8Array(0),
      result
    }))
  )
})

const unusable =
  (path: string) =>
  (cause: unknown): JournalUnusable =>
    cause instanceof JournalUnusable ? cause : new JournalUnusable({ path, problem: "it failed unexpectedly", cause })

/** Counts. */
const counter = (): Application => {
  let count = 0
  const bytes = () => {
    const eight = new Uint8Array(8)
    new DataView(eight.buffer).setFloat64(0, count)
    return eight
  }
  return {
    apply: () => {
      count++
      return bytes()
    },
    snapshot: bytes,
    restore: (from) => void (count = new DataView(from.buffer, from.byteOffset, from.length).getFloat64(0))
  }
}
