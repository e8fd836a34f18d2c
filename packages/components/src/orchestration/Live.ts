/** The service {@link Orchestration} over the tables: what is asked here is answered from the database alone. */
import { randomUUID } from "node:crypto"
import { Count } from "@novacron/boot/model"
import type { Tasks } from "@novacron/api"
import { Tasks as Words } from "@novacron/api"
import { Clock, Duration, Effect, Latch, Option, Schedule, type Scope, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { saidOf } from "../database/DatabaseError.ts"
import type { Agent } from "./Agent.ts"
import * as Batch from "./Batch.ts"
import type { Bulletin } from "./Bulletin.ts"
import type { NodeTable } from "./NodeTable.ts"
import { KeyReused, NoSuchTask, type Orchestration, QueueFull, Unavailable } from "./Orchestration.ts"
import type { OutputTable } from "./OutputTable.ts"
import type { Settings } from "./Settings.ts"
import type { Kept, Submitted, TaskTable } from "./TaskTable.ts"

export interface Options {
  readonly node: string
  readonly settings: Settings
  readonly tasks: TaskTable
  readonly nodes: NodeTable
  readonly outputs: OutputTable
  readonly bulletin: Bulletin
  readonly agent: Agent
  /** What holds tasks here to what they asked for, in sentences. */
  readonly limits: string
  /** Asks the database whether it is back. */
  readonly revive: Effect.Effect<void>
}

/** A submission outlives a restart of the database that takes no longer. Its id makes sure that it is kept once. */
const patience = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))

/** How long the count of those that wait may be out of date. */
const countMs = 500

/** How often it is looked for changes that nobody has told of. */
const look = Duration.seconds(2)

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Orchestration["Service"], never, Scope.Scope> {
  const { agent, bulletin, limits, node, nodes, outputs, revive, settings, tasks } = options
  const deadAfterMs = Duration.toMillis(settings.deadAfter)
  let isLeaving = false

  // ------------------------------------------------------------------------------------------------------ submission

  let counted = { atMs: -Infinity, count: 0 }
  const waiting = Effect.gen(function* () {
    const now = yield* nowMs
    if (now - counted.atMs > countMs) counted = { atMs: now, count: yield* tasks.waiting(settings.maxQueued) }
    return counted.count
  })
  const keep = yield* Batch.make({
    max: 500,
    run: (given: ReadonlyArray<Submitted>) =>
      Effect.gen(function* (): Effect.fn.Return<ReadonlyArray<Kept | QueueFull>, SqlError.SqlError> {
        const queued = yield* waiting
        const room = Math.max(settings.maxQueued - queued, 0)
        const kept = yield* tasks.submit(given.slice(0, room))
        counted = { ...counted, count: counted.count + kept.length }
        return given.map((_, i) => kept[i] ?? new QueueFull({ queued, limit: settings.maxQueued }))
      }).pipe(
        Effect.tapError(() => revive),
        Effect.retry({ schedule: patience, while: isAway })
      )
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => void (isLeaving = true)))
  const submit = Effect.fn("Orchestration.submit")(function* (submission: Tasks.Submission, by: string) {
    if (isLeaving) return yield* new Unavailable({ reason: "this node is leaving" })
    const kept = yield* Effect.mapError(keep({ id: randomUUID(), by, submission }), unavailable)
    if (kept instanceof QueueFull) return yield* kept
    const { isSame, task } = kept
    if (!isSame) return yield* new KeyReused({ key: submission.idempotencyKey ?? "", task: task.id })
    return task
  })

  // --------------------------------------------------------------------------------------------------------- looking

  const find = (id: string) =>
    Effect.gen(function* () {
      if (!isId(id)) return yield* new NoSuchTask({ task: id })
      const [task] = yield* Effect.mapError(tasks.find([id]), unavailable)
      return task ?? (yield* new NoSuchTask({ task: id }))
    })

  const cancel = Effect.fn("Orchestration.cancel")(function* (id: string, by: string) {
    if (isId(id)) yield* Effect.mapError(tasks.cancel(id, by), unavailable)
    return yield* find(id)
  })

  // --------------------------------------------------------------------------------------------------------- changes

  const readers = new Set<Reader>()
  const changed = new Set<string>()
  const isChanged = Latch.makeUnsafe()
  let gapMs = 0
  yield* bulletin.hear((news) => {
    if (readers.size === 0) return
    if (news._tag === "Changed") news.tasks.forEach((id) => changed.add(id))
    else if (news._tag === "Gap") gapMs = Math.max(gapMs, news.millis + 1_000)
    else return
    isChanged.openUnsafe()
  })
  const fetching = Effect.gen(function* () {
    yield* isChanged.await
    const ids = [...changed].slice(0, 500)
    const missed = gapMs > 0 ? yield* tasks.changedWithin(gapMs) : []
    gapMs = 0
    const found = ids.length > 0 ? yield* tasks.find(ids) : []
    for (const id of ids) changed.delete(id)
    if (changed.size === 0) yield* isChanged.close
    for (const reader of readers) reader.give([...missed, ...found])
  }).pipe(Effect.catch(() => Effect.andThen(revive, Effect.sleep("200 millis"))))
  yield* Effect.forkScoped(Effect.forever(fetching))
  const changes = Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const reader = readerOf()
          readers.add(reader)
          return reader
        }),
        (reader) => Effect.sync(() => readers.delete(reader))
      ),
      ({ take }) => Stream.flattenIterable(Stream.fromEffectRepeat(take))
    )
  )

  // ---------------------------------------------------------------------------------------------------------- output

  const output: Orchestration["Service"]["output"] = (id, { follow, offset }) =>
    Stream.unwrap(
      Effect.gen(function* () {
        yield* find(id)
        const news = Latch.makeUnsafe()
        if (follow) {
          yield* bulletin.hear((it) => {
            const isOurs =
              it._tag === "Gap" || ((it._tag === "Printed" || it._tag === "Changed") && it.tasks.includes(id))
            if (isOurs) news.openUnsafe()
          })
        }
        const read = (from: number) => Effect.mapError(outputs.read(id, from), unavailable)
        const next = (from: number) =>
          Effect.gen(function* () {
            while (true) {
              yield* news.close
              const pieces = yield* read(from)
              if (pieces.length > 0) return pieces
              if (!follow) return pieces
              // What was printed last is kept before the end is: after the end there is nothing new.
              const { state } = yield* find(id)
              if (Words.ends.has(state)) return yield* read(from)
              yield* Effect.timeoutOption(news.await, look)
            }
          })
        return Stream.paginate(Math.max(offset, 0), (from: number) =>
          Effect.map(next(from), (pieces) => {
            const last = pieces.at(-1)
            const to =
              last === undefined ? Option.none<number>() : Option.some(last.offset + Buffer.byteLength(last.text))
            return [pieces.map((piece) => behind(piece, from)), to] as const
          })
        )
      })
    )

  return {
    submit,
    get: find,
    list: (query) => Effect.mapError(tasks.list(query), unavailable),
    cancel,
    output,
    changes,
    nodes: Effect.mapError(nodes.all(deadAfterMs), unavailable),
    check: Effect.gen(function* () {
      const coordinator = yield* Effect.mapError(nodes.coordinator(deadAfterMs * 2), unavailable)
      if (Option.isNone(coordinator)) return yield* new Unavailable({ reason: "no node coordinates" })
      const state = yield* agent.state
      if (state === "Replaced")
        return yield* new Unavailable({
          reason: `another node has announced itself as ${node}. Give each its own system.node_id, and restart this one`
        })
      if (state === "NoLease")
        return yield* new Unavailable({ reason: "this node has not reached the database for too long" })
      const detail = `${coordinator.value} coordinates; ${Count.of(yield* agent.running, "task")} running here. ${limits}`
      if (settings.cluster.enabled) return { detail, degraded: false }
      const here = yield* Effect.mapError(nodes.available(deadAfterMs), unavailable)
      const others = here.flatMap(({ id }) => (id === node ? [] : [id]))
      return others.length === 0
        ? { detail, degraded: false }
        : { detail: `${notAlone(others)} ${detail}`, degraded: true }
    })
  }
})

// -------------------------------------------------------------------------------------------------------------- pieces

/** Somebody who follows changes: the latest version of each task that has changed since they looked. */
interface Reader {
  readonly give: (tasks: ReadonlyArray<Tasks.Task>) => void
  readonly take: Effect.Effect<ReadonlyArray<Tasks.Task>>
}

const readerOf = (): Reader => {
  const waiting = new Map<string, Tasks.Task>()
  const isThere = Latch.makeUnsafe()
  return {
    give: (tasks) => {
      for (const task of tasks) {
        const before = waiting.get(task.id)
        if (before === undefined || before.version < task.version) waiting.set(task.id, task)
      }
      if (waiting.size > 0) isThere.openUnsafe()
    },
    take: Effect.map(isThere.await, () => {
      const all = [...waiting.values()]
      waiting.clear()
      isThere.closeUnsafe()
      return all
    })
  }
}

/** The part of a piece that begins at an offset or later. */
const behind = (piece: Tasks.Output, offset: number): Tasks.Output => {
  if (piece.offset >= offset) return piece
  return {
    ...piece,
    offset,
    text: Buffer.from(piece.text)
      .subarray(offset - piece.offset)
      .toString()
  }
}

/** Two who coordinate give nodes more than they have room for. */
const notAlone = (others: ReadonlyArray<string>): string =>
  `Other nodes use this database (${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}), and this one ` +
  "coordinates beside them: set orchestration.cluster.enabled on all of them, or give it a database of its own."

const isId = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)

const unavailable = (cause: SqlError.SqlError): Unavailable =>
  new Unavailable({ reason: `the database says: ${saidOf(cause)}`, cause })

const isAway = (error: SqlError.SqlError): boolean => error.reason._tag === "ConnectionError"

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
