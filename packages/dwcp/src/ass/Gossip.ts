/**
 * The engine of the internet: a document on each node, and gossip that makes them alike.
 *
 * **Details**
 *
 * Consistency is eventual. A write is acknowledged when it is in the document of this node (and on its disk, with a
 * directory); it is seen here at once, by the others a moment later, after a partition when it has healed. Of writes to one
 * key that did not know of each other one wins, the same everywhere; the other one is gone. So let a key have one writer.
 * What needs agreement is refused: `compareAndSet`, `transaction`, and ephemeral keys.
 *
 * News go out at once, to all by way of some. Beside that each node compares what it knows with a few others each
 * interval, and with each node that it is connected to anew: what was lost on the way, or missed, comes then.
 *
 * **Gotchas**
 *
 * What comes from others is let in by the secret of the cluster and by nothing else. Whoever has it can write anything:
 * against members that lie there is `byzantine_tolerance`.
 */
import { join } from "node:path"
import {
  Clock,
  Duration,
  Effect,
  Latch,
  Option,
  Queue,
  Random,
  type Redacted,
  Schedule,
  type Scope,
  Semaphore,
  Stream
} from "effect"
import * as Document from "./Document.ts"
import * as Exchange from "./Exchange.ts"
import { EngineUnavailable, NotPromised, OutcomeUnknown, type StateError, StoreFull } from "./Failures.ts"
import * as Journal from "./Journal.ts"
import * as Picture from "./Picture.ts"
import * as Seal from "./Seal.ts"
import * as StateSync from "./StateSync.ts"
import * as Swarm from "./Swarm.ts"
import * as Words from "./Words.ts"

export interface Options {
  readonly namespace: string
  readonly listen: ReadonlyArray<string>
  readonly announce: ReadonlyArray<string>
  readonly seeds: ReadonlyArray<string>
  readonly secret: Redacted.Redacted
  readonly interval: Duration.Duration
  readonly fanout: number
  readonly maxPeers: number
  /** Bytes. */
  readonly maxDocument: number
  readonly compactAt: number
  readonly forget: Duration.Duration
  readonly directory?: string
}

/** An engine of which one can also ask where it is reached. */
export interface Gossip extends StateSync.Engine {
  readonly addresses: Effect.Effect<ReadonlyArray<string>>
}

/** So long news wait for more of them. */
const gather = "10 millis"
/** Changes that may wait for a watcher; with more of them it is told the difference. */
const maxWaiting = 4096

const promises: StateSync.Promises = { consistency: "eventual", compareAndSet: false, ephemeral: false }

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Gossip, StateError | EngineUnavailable, Scope.Scope> {
  const { directory, fanout, maxDocument, namespace } = options
  const loro = yield* Effect.tryPromise({
    try: () => import("loro-crdt"),
    catch: (cause) => new EngineUnavailable({ engine: "gossip", reason: "loro-crdt is not installed", cause })
  })
  const document = yield* Effect.acquireRelease(
    Effect.sync(() => Document.make(loro)),
    (it) => Effect.sync(it.close)
  )
  const order = Document.versions(loro)
  const seal = Seal.make(options.secret, namespace)
  const refused = { forged: 0, damaged: 0, newer: 0 }
  const watchers = new Set<Watcher>()
  const lastSeen = new Map<string, number>()
  const news = yield* Latch.make(false)
  let exchange = Exchange.initial<Document.Version>()

  const tell = (changes: ReadonlyArray<StateSync.Change>) => {
    for (const watcher of watchers) {
      for (const change of changes) if (!Queue.offerUnsafe(watcher.inbox, change)) watcher.isBehind = true
    }
  }

  // ---------------------------------------------------------------------------------------------------------- disk

  // Each room has files of its own: what is pending in one is no state of another.
  const journal =
    directory === undefined ? undefined : yield* Journal.make(join(directory, encodeURIComponent(namespace)))
  for (const record of journal?.records ?? []) {
    const merged = document.merge(record, directory ?? "")
    if (merged._tag !== "Merged" && merged._tag !== "Apart") return yield* Effect.fail(merged)
  }
  let kept = document.version()
  const one = yield* Semaphore.make(1)
  /** Writes down what is new; those who come while it is busy share the next time. */
  const keep: Effect.Effect<void, StateError> =
    journal === undefined
      ? Effect.void
      : one.withPermits(1)(
          Effect.suspend(() => {
            const now = document.version()
            if (!order.exceeds(now, kept)) return Effect.void
            return Effect.tap(journal.append(document.since(kept)), () => Effect.sync(() => (kept = now)))
          })
        )

  // -------------------------------------------------------------------------------------------------------- others

  const swarm = yield* Swarm.make({
    listen: options.listen,
    announce: options.announce,
    seeds: options.seeds,
    topic: `/novacron/ass/1/${namespace}`,
    maxPeers: options.maxPeers,
    maxBytes: maxDocument * 2 + (1 << 20)
  })
  const heardOf = new Set<string>()

  const act = (event: Exchange.Event<Document.Version>): void => {
    const [next, actions] = Exchange.step(exchange, event, document.version(), order, { fanout })
    exchange = next
    for (const action of actions) {
      if (action._tag === "SendDelta") say(action.to, { _tag: "Delta", changes: document.since(action.since) })
      else
        say(action.to, { _tag: "Digest", version: document.version(), answer: action.answer, nodes: acquaintances() })
    }
  }

  const say = (to: string, words: Words.Words): void => swarm.send(to, seal.close(Words.encode(words), swarm.self, to))

  /** This node and some others, not always the same. */
  const acquaintances = (): ReadonlyArray<Words.Node> => {
    const me = { peer: swarm.self, addresses: swarm.addresses() }
    const others = swarm.nodes()
    const from = others.length > Words.maxNodes ? Number(document.revision() % BigInt(others.length)) : 0
    return [me, ...others.slice(from), ...others.slice(0, from)]
      .slice(0, Words.maxNodes)
      .map(({ addresses, peer }) => ({ peer, addresses: addresses.slice(0, Words.maxAddresses) }))
  }

  const open = (bytes: Uint8Array, from: string, to: string): Words.Words | undefined => {
    const opened = seal.open(bytes, from, to)
    switch (opened._tag) {
      case "Forged":
        refused.forged++
        return undefined
      case "NewerDocument":
        refused.newer++
        return undefined
      case "DocumentDamaged":
        refused.damaged++
        return undefined
      case "Opened": {
        const words = Option.getOrUndefined(Words.decode(opened.words))
        if (words === undefined) refused.damaged++
        return words
      }
    }
  }

  const take = (from: string, changes: Uint8Array): void => {
    const merged = document.merge(changes, from)
    switch (merged._tag) {
      case "Merged":
        tell(merged.changes)
        if (merged.incomplete) act({ _tag: "Incomplete", from })
        return
      case "Apart":
        // It has yet to hear what was cut off; a digest makes it ask.
        act({ _tag: "Incomplete", from })
        return
      case "NewerDocument":
        refused.newer++
        return
      case "DocumentDamaged":
        refused.damaged++
    }
  }

  yield* swarm.begin({
    joined: (peer) => act({ _tag: "Joined", peer }),
    left: (peer) => act({ _tag: "Left", peer }),
    heard: (from, bytes) => {
      const words = open(bytes, from, swarm.self)
      if (words === undefined) return false
      if (words._tag === "Delta") take(from, words.changes)
      else {
        for (const node of words.nodes) swarm.learn(node)
        act({ _tag: "Digest", from, version: words.version, answer: words.answer })
        heardOf.add(from)
      }
      return true
    },
    overheard: (from, bytes) => {
      const words = open(bytes, from, Seal.everybody)
      if (words?._tag === "Delta") take(from, words.changes)
      return words !== undefined
    }
  })

  /** Tells all what was written here. */
  const spread = Effect.gen(function* () {
    yield* news.await
    yield* Effect.sleep(gather)
    yield* news.close
    const fresh = document.fresh()
    if (fresh === undefined) return
    // Too much for one word to all is asked for by each.
    if (fresh.length > Swarm.maxPublished) yield* tick
    else swarm.publish(seal.close(Words.encode({ _tag: "Delta", changes: fresh }), swarm.self, Seal.everybody))
  })

  const tick = Effect.gen(function* () {
    const seed = yield* Random.nextIntBetween(1, 2 ** 31)
    act({ _tag: "Tick", chance: chanceFrom(seed) })
  })

  /** Who was not seen for long, is not waited for: neither with history, nor by dialling. */
  const forgetTheLost = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const seconds = Number(now / 1_000_000_000n)
    for (const peer of [...heardOf, ...swarm.connected()]) lastSeen.set(peer, seconds)
    heardOf.clear()
    for (const [peer, at] of lastSeen) {
      if (seconds - at < Duration.toSeconds(options.forget)) continue
      lastSeen.delete(peer)
      swarm.forget(peer)
      act({ _tag: "Forgotten", peer })
    }
  })

  const compact = Effect.gen(function* () {
    const { history } = document.size()
    if (history < options.compactAt) return
    // What those who are away have not seen is kept for them, but not without a limit: a snapshot brings them back too.
    const waitedFor = [...exchange.known].filter(
      ([peer]) => history < options.compactAt * 4 || exchange.peers.has(peer)
    )
    document.compact(waitedFor.map(([, version]) => version))
    if (journal !== undefined) {
      yield* one.withPermits(1)(
        Effect.suspend(() => {
          const now = document.version()
          return Effect.tap(journal.replace(document.since(undefined)), () => Effect.sync(() => (kept = now)))
        })
      )
    }
  })

  const round = Effect.gen(function* () {
    yield* forgetTheLost
    yield* tick
    // The next round tries again; puts say what is wrong with the disk.
    yield* Effect.exit(keep)
    yield* Effect.exit(compact)
  })
  yield* Effect.forkScoped(Effect.repeat(round, Schedule.spaced(options.interval)))
  yield* Effect.forkScoped(Effect.forever(spread))
  yield* Effect.addFinalizer(() => Effect.exit(keep))

  // --------------------------------------------------------------------------------------------------------- engine

  const store = "the document of this node"
  // It is in the document already, and others may have it, whatever the disk says.
  const written = Effect.andThen(
    news.open,
    Effect.mapError(keep, (cause) => new OutcomeUnknown({ store, cause }))
  )
  const put: StateSync.Engine["put"] = (key, value, how) =>
    Effect.suspend((): Effect.Effect<bigint, StateError> => {
      if (how?.ephemeral === true) {
        return refuse("an ephemeral key", "nobody can tell a node that died from one that is cut off")
      }
      const now = document.get(key)?.value.length ?? -key.length
      if (document.size().content + value.length - now > maxDocument) {
        return new StoreFull({ store, limit: `${maxDocument} bytes are the most` })
      }
      const change = document.put(key, value)
      tell([change])
      return Effect.as(written, change._tag === "Put" ? change.entry.version : 0n)
    })

  const remove = (key: string) =>
    Effect.suspend((): Effect.Effect<boolean, StateError> => {
      const change = document.delete(key)
      if (change === undefined) return Effect.succeed(false)
      tell([change])
      return Effect.as(written, true)
    })

  const watch = (prefix: string): Stream.Stream<StateSync.Change, StateError> =>
    Stream.callback<StateSync.Change, StateError>(
      Effect.fnUntraced(function* (out) {
        const inbox = yield* Queue.dropping<StateSync.Change>(maxWaiting)
        const watcher: Watcher = { inbox, isBehind: false }
        yield* Effect.acquireRelease(
          Effect.sync(() => watchers.add(watcher)),
          () => Effect.sync(() => watchers.delete(watcher))
        )
        const picture = Picture.make()
        const anew = () => picture.differences(document.list(prefix), document.revision())
        yield* Queue.offerAll(out, anew())
        yield* Queue.offer(out, { _tag: "Current" })
        for (;;) {
          const change = yield* Queue.take(inbox)
          if (watcher.isBehind) {
            yield* Queue.clear(inbox)
            watcher.isBehind = false
            yield* Queue.offerAll(out, anew())
          } else if (isBelow(prefix, change) && picture.learn(change)) yield* Queue.offer(out, change)
        }
      }),
      { bufferSize: 1024, strategy: "suspend" }
    )

  const status = Effect.sync((): StateSync.Status => {
    const connected = swarm.connected().length
    const known = swarm.nodes().filter(({ peer }) => peer !== swarm.self).length
    const healthy = connected > 0 || known === 0
    const { content, history } = document.size()
    const detail = healthy
      ? `${content} bytes of state and ${history} of history, shared with ${connected} nodes`
      : `none of ${known} nodes is in reach: what is written here waits until one is`
    const peers = { connected, known: Math.max(connected, known) }
    return { engine: "gossip", promises, healthy, detail, peers, pending: 0, refused: { ...refused } }
  })

  return {
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(document.get(key))),
    list: (prefix) => Effect.sync(() => document.list(prefix)),
    put,
    delete: remove,
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet: () => refuse("compareAndSet", needsAgreement),
    transaction: () => refuse("transaction", needsAgreement),
    // It answers from what it knows, which it always can.
    check: Effect.void,
    status,
    addresses: Effect.sync(swarm.addresses)
  }
})

interface Watcher {
  readonly inbox: Queue.Queue<StateSync.Change>
  isBehind: boolean
}

const needsAgreement = "nodes that may be cut off from each other do not agree on what is there"
const refuse = (operation: string, reason: string) => new NotPromised({ engine: "gossip", operation, reason })

const isBelow = (prefix: string, change: StateSync.Change): boolean => {
  switch (change._tag) {
    case "Put":
      return change.entry.key.startsWith(prefix)
    case "Deleted":
      return change.key.startsWith(prefix)
    case "Current":
      return true
  }
}

/** Numbers from 0 to 1 for one tick: xorshift. */
const chanceFrom = (seed: number) => {
  let state = seed
  return (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
}
