/**
 * What waits between whoever appends to a journal and its disk, and who waits for it to be durable. Nothing here touches
 * the disk: one writer takes a batch, says how far it has come, and asks whether to go on.
 *
 * **Details**
 *
 * Positions count everything that was ever put in; the header is the first. What does not fit is dropped, counted, and
 * marked by a hole where it would have stood.
 */
import { Deferred, Effect, Latch, Option } from "effect"
import type { Scheduler } from "effect"
import type { BootEvent } from "./BootEvent.ts"
import { JournalError } from "./JournalError.ts"
import type { Line } from "./JournalLines.ts"

/** How long what is written may wait for more before it is synced, when nobody asks for it. */
const syncWithin = "100 millis"

/** Events per write, so that encoding never holds the event loop for more than a few milliseconds. */
const batchLimit = 4096

/** The backlog of one journal. The dispatcher is that of the fiber that opens it. */
export const make = (
  path: string,
  options: { readonly capacity: number; readonly fsync: boolean; readonly dispatcher: Scheduler.SchedulerDispatcher }
) => {
  const { capacity, dispatcher, fsync } = options
  const latch = Latch.makeUnsafe(false)
  const waiters: Array<{ readonly position: number; readonly done: Deferred.Deferred<void, JournalError> }> = []
  let waiting: Array<Line> = []
  let writing: ReadonlyArray<Line> = []
  let put = 1
  /** How far it is written, and how far that is durable. */
  let reached = 0
  let durable = 0
  /** The first checkpoint that is not durable, or one that is. */
  let checkpoint = 0
  /** Events that are written and not durable. */
  let unsynced = 0
  let lost = 0
  let unmarked = 0
  let waking = false
  let overdue = false
  let closing = false
  let failure: { readonly stage: "Write" | "Sync"; readonly cause: unknown } | undefined
  let stage: "Write" | "Sync" = "Write"

  /** A hole is marked before what comes next, so that it stands where the events are missing. */
  const markHole = () => {
    if (unmarked === 0) return
    waiting.push({ _tag: "Hole", dropped: unmarked })
    put++
    unmarked = 0
  }

  /** The writer goes on when whoever appends pauses: until then the batch is left to grow. */
  const wakeSoon = (): void => {
    if (waking) return
    waking = true
    dispatcher.scheduleTask(() => {
      waking = false
      latch.openUnsafe()
    }, 0)
  }

  const append = (event: BootEvent): void => {
    if (closing) return
    if (failure !== undefined) {
      lost++
      return
    }
    if (waiting.length + writing.length >= capacity) {
      lost++
      unmarked++
      return
    }
    markHole()
    waiting.push(event)
    put++
    if (event._tag === "CheckpointReached" && checkpoint <= durable) checkpoint = put
    wakeSoon()
  }

  const error = (): JournalError =>
    failure === undefined
      ? new JournalError({ reason: { _tag: "Full", path, lost, capacity } })
      : new JournalError({ reason: { _tag: failure.stage, path, lost }, cause: failure.cause })

  /** Whoever waits is waited for by others: the writer goes on at once, right here. */
  const durableUpTo = (position: number): Effect.Effect<void, JournalError> => {
    if (durable >= position) return Effect.void
    const last = waiters.at(-1)
    if (last?.position === position) return Deferred.await(last.done)
    const done = Deferred.makeUnsafe<void, JournalError>()
    waiters.push({ position, done })
    latch.openUnsafe()
    return Deferred.await(done)
  }

  const flush = Effect.suspend(() => {
    if (failure !== undefined) return Effect.fail(error())
    return Effect.andThen(
      durableUpTo(put),
      Effect.suspend(() => (lost === 0 ? Effect.void : Effect.fail(error())))
    )
  })

  const take = (): ReadonlyArray<Line> => {
    markHole()
    writing = waiting.length <= batchLimit ? waiting : waiting.splice(0, batchLimit)
    if (writing === waiting) waiting = []
    return writing
  }

  const written = (unfit: number): void => {
    reached = put - waiting.length
    lost += unfit
    unsynced += countEvents(writing) - unfit
    writing = []
    if (!fsync) synced()
  }

  const hasMore = (): boolean => waiting.length + unmarked > 0

  /** Whether what is written has to be durable now. */
  const mustSync = (): boolean => {
    if (durable === reached) return false
    const isDue = (position: number | undefined) => position !== undefined && position > durable && position <= reached
    return overdue || (closing && !hasMore()) || isDue(checkpoint) || isDue(waiters[0]?.position)
  }

  const synced = (): void => {
    durable = reached
    unsynced = 0
    overdue = false
    while (waiters[0] !== undefined && waiters[0].position <= durable) {
      Deferred.doneUnsafe(waiters[0].done, Effect.void)
      waiters.shift()
    }
  }

  const fail = (cause: unknown): void => {
    if (failure !== undefined) return
    failure = { stage, cause }
    lost += unsynced + countEvents(writing) + countEvents(waiting)
    writing = []
    waiting = []
    const failed = Effect.fail(error())
    for (const waiter of waiters.splice(0)) Deferred.doneUnsafe(waiter.done, failed)
  }

  const close = (): void => {
    closing = true
    latch.openUnsafe()
  }

  /** Waits for work and tells whether there is some; without any, the journal is closing. */
  const more = Effect.gen(function* () {
    while (!hasMore() && !mustSync() && !closing) {
      latch.closeUnsafe()
      if (durable === reached) yield* latch.await
      else overdue = Option.isNone(yield* Effect.timeoutOption(latch.await, syncWithin))
    }
    return hasMore() || mustSync()
  })

  /** Remembers what is being tried, for the error and for whoever gives up waiting for it. */
  const trying = <A, E>(step: "Write" | "Sync", self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      stage = step
      return self
    })

  return { append, flush, take, written, mustSync, synced, fail, close, more, trying }
}

const countEvents = (batch: ReadonlyArray<Line>): number =>
  batch.reduce((count, item) => (item._tag === "Hole" ? count : count + 1), 0)
