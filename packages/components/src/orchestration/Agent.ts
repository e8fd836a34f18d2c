/**
 * What each node does for its own part: takes what was placed on it, runs it, and says how it ended.
 *
 * **Details**
 *
 * *Lease.* Once a heartbeat the agent says in the database that it is alive. When it could not for as long as the lease, it
 * kills everything it runs; a little later, and never before, others take its tasks up. A process beside the node does the
 * same when the node is frozen or gone ({@link Keeper}). So no task runs in two places at once.
 *
 * *How often a program runs.* An attempt whose end was written down is never repeated, and of each task one success counts
 * at most: whoever ends an attempt must show its fence. An attempt that was begun on a node which is lost is begun again
 * elsewhere (at least once). The gap that remains: a program that has ended by itself in the last moment before its node
 * died, too late to be written down, runs again. What must not happen twice should be tied to `NOVACRON_TASK`.
 *
 * *Leaving.* When the node stops, what was placed here and not begun is given back; what runs gets SIGTERM and its grace, and
 * is queued again for others. Neither counts as an attempt.
 */
import { Clock, Deferred, Duration, Effect, Exit, Latch, Schedule, Scope, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import * as Batch from "./Batch.ts"
import type { Bulletin } from "./Bulletin.ts"
import type { Driver, Ending } from "./Driver.ts"
import type { Announced, NodeTable } from "./NodeTable.ts"
import type { Cut, OutputTable, Piece } from "./OutputTable.ts"
import type { Settings } from "./Settings.ts"
import type { Claimed, Ended, TaskTable } from "./TaskTable.ts"
import * as Transcript from "./Transcript.ts"

export interface Options {
  readonly node: Announced
  /** Where it is reached now, told with each heartbeat. Default: as it was announced. */
  readonly address?: () => string
  readonly settings: Settings
  readonly tasks: TaskTable
  readonly nodes: NodeTable
  readonly outputs: OutputTable
  readonly bulletin: Bulletin
  readonly driver: Driver["Service"]
  /** Asks the database whether it is back. */
  readonly revive: Effect.Effect<void>
}

export interface Agent {
  /** How many attempts this node has. */
  readonly running: Effect.Effect<number>
  /** `Replaced`: another process bears the name of this node, and has taken its place. */
  readonly state: Effect.Effect<"Up" | "NoLease" | "Replaced">
}

/** Announces the node and works until the scope closes; then it leaves as described above. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Agent, SqlError.SqlError, Scope.Scope> {
  const { bulletin, driver, node, nodes, outputs, revive, settings, tasks } = options
  const { address = () => node.address } = options
  const leaseMs = Duration.toMillis(settings.lease)
  const attempts = new Map<string, Attempt>()
  const wake = Latch.makeUnsafe(true)
  const empty = Latch.makeUnsafe(true)
  let confirmedMs = yield* nowMs
  let isReplaced = false
  let isLeaving = false

  yield* nodes.announce(node)
  yield* tasks.reclaimFrom(node.id, settings.maxLosses, "The node that ran it was started anew.")

  /** Until it is done: the database comes back, and what ended has ended. */
  const surely = <A>(what: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<A, SqlError.SqlError> =>
    what.pipe(
      Effect.tapError(() => revive),
      Effect.retry({ schedule: Schedule.spaced("100 millis"), while: isAway })
    )

  // All of it, or of each a share. One at a time: what was taken before an end must be kept before it.
  const keeping = Semaphore.makeUnsafe(1)
  const keep = Effect.fnUntraced(function* (some: ReadonlyArray<Transcript.Transcript>, share?: number) {
    let rest = some.filter((one) => !one.isEmpty())
    while (rest.length > 0) {
      const [pieces, cuts] = [new Array<Piece>(), new Array<Cut>()]
      let bytes = 0
      for (const one of rest) {
        if (bytes >= mostAtOnce) break
        const taken = one.take(share ?? mostAtOnce - bytes)
        pieces.push(...taken.pieces)
        cuts.push(...taken.cuts)
        bytes += taken.pieces.reduce((sum, { size }) => sum + size, 0)
      }
      if (pieces.length > 0) yield* surely(outputs.append(pieces, cuts))
      rest = share === undefined ? rest.filter((one) => !one.isEmpty()) : []
    }
  }, keeping.withPermits(1))

  const record = yield* Batch.make({
    max: 200,
    run: (some: ReadonlyArray<{ readonly ended: Ended; readonly transcript: Transcript.Transcript }>) =>
      Effect.gen(function* () {
        const printed = some.map(({ transcript }) => transcript).filter((it) => it.hasPrinted())
        if (printed.length > 0) yield* keep(printed)
        const done = yield* surely(tasks.end(some.map(({ ended }) => ended)))
        return some.map(({ ended }) => done.includes(ended.id))
      })
  })

  const work = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

  const attempt = Effect.fnUntraced(function* (claimed: Claimed, it: Attempt) {
    const { id: task, submission } = claimed
    const from = claimed.attempt === 1 ? 0 : yield* surely(outputs.end(task))
    const transcript = Transcript.make({ task, fence: claimed.fence, from, keep: Number(settings.process.keep) })
    it.transcript = transcript
    const usual = submission.run.driver === "vm" ? settings.vm.grace : settings.grace
    const grace = Math.min(submission.graceMs ?? Duration.toMillis(usual), 600_000)
    const limit = submission.timeoutMs
    const outcome = yield* driver
      .start({ task, attempt: claimed.attempt, submission, print: transcript.print, skip: transcript.skip })
      .pipe(
        Effect.flatMap((running) =>
          Effect.gen(function* () {
            const late = limit === undefined ? Effect.never : Effect.as(Effect.sleep(limit), "TimedOut" as const)
            const reason = yield* Effect.raceFirst(
              Effect.as(running.ended, undefined),
              Effect.raceFirst(Deferred.await(it.stop), late)
            )
            if (reason === undefined) {
              const ending = yield* running.ended
              // Killed from outside of it and of us: the task has done nothing wrong.
              return { reason: ending.lost, ending }
            }
            const most = reason === "Leaving" ? Duration.toMillis(settings.drainTimeout) : Infinity
            return { reason, ending: yield* running.stop(reason === "NoLease" ? 0 : Math.min(grace, most)) }
          })
        ),
        Effect.catch((error) => Effect.succeed({ reason: undefined, ending: error }))
      )
    transcript.close()
    yield* record({ ended: conclude(settings, claimed, outcome), transcript })
  })

  const begin = (claimed: Claimed) => {
    const it: Attempt = { stop: Deferred.makeUnsafe(), transcript: undefined }
    attempts.set(claimed.id, it)
    empty.closeUnsafe()
    return attempt(claimed, it).pipe(
      Effect.catchCause((cause) => Effect.logError(`The attempt of task ${claimed.id} is given up.`, cause)),
      Effect.ensuring(
        Effect.sync(() => {
          attempts.delete(claimed.id)
          if (attempts.size === 0) empty.openUnsafe()
          if (attempts.size === settings.maxConcurrent - 1) wake.openUnsafe()
        })
      ),
      Effect.forkIn(work)
    )
  }

  const take = Effect.suspend(() => {
    const free = settings.maxConcurrent - attempts.size
    return free <= 0 ? Effect.succeed([]) : tasks.claim(node.id, node.incarnation, free)
  })

  /** Compares what the database says runs here with what does. */
  const compare = Effect.fnUntraced(function* () {
    for (const { fence, id, isCancelled } of yield* tasks.held(node.id)) {
      const it = attempts.get(id)
      if (it !== undefined && isCancelled) Deferred.doneUnsafe(it.stop, Effect.succeed("Cancelled"))
      // We took it, and the answer was lost on the way.
      if (it === undefined)
        yield* tasks.end([{ ...nothing, id, fence, error: "The node that took it has not begun it." }])
    }
  })

  const taking = Effect.gen(function* () {
    while (true) {
      const isTold = yield* Effect.timeoutOption(wake.await, settings.heartbeat)
      yield* wake.close
      if (isReplaced || isLeaving || (yield* nowMs) - confirmedMs > leaseMs / 2) continue
      const claimed = yield* take
      yield* Effect.forEach(claimed, begin, { discard: true })
      if (claimed.length === 0 || isTold._tag === "None") yield* compare()
    }
  })

  const loseLease = Effect.gen(function* () {
    if (attempts.size === 0) return
    const lost = [...attempts.values()].filter(({ stop }) => Deferred.doneUnsafe(stop, Effect.succeed("NoLease")))
    // Once: what is killed stays here for as long as nobody can be told.
    if (lost.length > 0) {
      yield* Effect.logWarning(`This node has no lease: what runs here (${lost.length}) is killed, others take it up.`)
    }
    yield* driver.killAll
  })

  const beating = Effect.gen(function* () {
    while (!isReplaced) {
      const sentMs = yield* nowMs
      const mine = yield* Effect.timeout(nodes.beat(node.id, node.incarnation, address()), settings.heartbeat)
      // Answers may come when it is too late: a process that was frozen finds them waiting.
      if ((yield* nowMs) - confirmedMs > leaseMs) yield* loseLease
      if (!mine) {
        isReplaced = true
        yield* loseLease
        yield* Effect.logError(`Another node has announced itself as ${node.id}: this one runs nothing any more.`)
        return
      }
      confirmedMs = sentMs
      yield* driver.alive
      yield* Effect.sleep(settings.heartbeat)
    }
    return yield* Effect.never
  })

  const watching = Effect.gen(function* () {
    while (true) {
      const leftMs = confirmedMs + leaseMs - (yield* nowMs)
      if (leftMs <= 0) yield* loseLease
      yield* Effect.sleep(Math.max(leftMs, leaseMs / 8))
    }
  })

  const flushing = Effect.gen(function* () {
    while (true) {
      yield* Effect.sleep("100 millis")
      // The same share for each: who prints without end must not keep others waiting.
      const some = [...attempts.values()].flatMap(({ transcript }) =>
        transcript?.isEmpty() === false ? [transcript] : []
      )
      if (some.length > 0) yield* keep(some, Math.ceil(mostAtOnce / some.length))
    }
  })

  const persistent = <A, E>(loop: Effect.Effect<A, E>) =>
    loop.pipe(
      Effect.tapError((error) => Effect.logDebug("The agent waits for the database.", error)),
      // A bug must not end the heartbeat: others would run what this node runs.
      Effect.catchDefect((defect) =>
        Effect.andThen(Effect.logError("A round of the agent has failed.", defect), Effect.sleep("1 second"))
      ),
      Effect.catch(() => Effect.andThen(revive, Effect.sleep("100 millis"))),
      Effect.forever,
      Effect.forkScoped
    )
  yield* bulletin.hear((news) => {
    if (news._tag === "Gap" || (news._tag === "Agent" && news.node === node.id)) wake.openUnsafe()
  })
  yield* persistent(beating)
  yield* persistent(watching)
  yield* persistent(flushing)
  yield* persistent(taking)

  const leave = Effect.gen(function* () {
    isLeaving = true
    yield* soon(nodes.say(node.id, node.incarnation, "draining"))
    yield* soon(tasks.release(node.id))
    for (const { stop } of attempts.values()) Deferred.doneUnsafe(stop, Effect.succeed("Leaving"))
    const patience = Duration.sum(settings.drainTimeout, Duration.seconds(2))
    const gone = yield* Effect.timeoutOption(Effect.interruptible(empty.await), patience)
    if (gone._tag === "None") yield* driver.killAll
    yield* soon(tasks.release(node.id))
    yield* soon(nodes.say(node.id, node.incarnation, "down"))
  })
  yield* Effect.addFinalizer(() => leave)

  return {
    running: Effect.sync(() => attempts.size),
    state: Effect.map(nowMs, (now) => (isReplaced ? "Replaced" : now - confirmedMs > leaseMs ? "NoLease" : "Up"))
  }
})

// -------------------------------------------------------------------------------------------------------------- pieces

/** Why a program is ended that would run on. */
type Reason = "Cancelled" | "TimedOut" | keyof typeof losses

interface Attempt {
  readonly stop: Deferred.Deferred<Reason>
  transcript: Transcript.Transcript | undefined
}

/** How much of what was printed goes into one statement, in bytes. */
const mostAtOnce = 4 * 1024 * 1024

/** Of a node that leaves, nobody waits long for the database. */
const soon = <A>(effect: Effect.Effect<A, SqlError.SqlError>) =>
  Effect.ignore(Effect.timeout(Effect.interruptible(effect), "2 seconds"))

const isAway = (error: SqlError.SqlError): boolean => {
  const tag = error.reason._tag
  return (
    tag === "ConnectionError" || tag === "StatementTimeoutError" || tag === "DeadlockError" || tag === "UnknownError"
  )
}

const nothing = {
  state: "queued",
  delayMs: 0,
  isLoss: true,
  exitCode: null,
  signal: null
} as const

/** What is known of it when a node ends what it runs: whether it stood still or did not reach the database, nobody knows. */
const losses = {
  Leaving: "The node that ran it stopped.",
  NoLease: "The node that ran it lost its lease.",
  NoKeeper: "The process beside the node that had started it was killed."
} as const

const unknownEnd: Ending = { exitCode: null, signal: null }

/** What follows from the end of an attempt. */
export const conclude = (
  settings: Pick<Settings, "attempts" | "retry" | "maxLosses">,
  { attempt, fence, id, losses: before, submission }: Claimed,
  { ending, reason }: { readonly reason: Reason | undefined; readonly ending: Ending | Error }
): Ended => {
  const { exitCode, isOutOfMemory, signal }: Ending = ending instanceof Error ? unknownEnd : ending
  const base = { ...nothing, exitCode, signal, id, fence }
  switch (reason) {
    case "NoLease":
    case "NoKeeper":
    case "Leaving":
      return { ...base, error: losses[reason], ...(before + 1 >= settings.maxLosses ? { state: "failed" } : {}) }
    case "Cancelled":
      return { ...base, state: "cancelled", isLoss: false, error: "It was cancelled." }
    case "TimedOut":
    case undefined: {
      if (reason === undefined && exitCode === 0) return { ...base, state: "succeeded", isLoss: false, error: null }
      const error =
        reason === "TimedOut"
          ? `It ran longer than ${submission.timeoutMs} ms.`
          : ending instanceof Error
            ? ending.message
            : isOutOfMemory === true
              ? `It used more memory than the ${submission.demand?.memory} MiB it had asked for, and was killed.`
              : signal === null
                ? `It exited with code ${exitCode}.`
                : `It was ended by ${signal}.`
      const failures = attempt - before
      const isLast = failures >= (submission.attempts ?? settings.attempts)
      const { cap, delay } = settings.retry
      const delayMs = Math.min(Duration.toMillis(delay) * 2 ** (failures - 1), Duration.toMillis(cap))
      return { ...base, isLoss: false, error, ...(isLast ? { state: "failed" } : { state: "waiting", delayMs }) }
    }
  }
}

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
