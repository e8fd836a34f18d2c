/**
 * What one node does for all: places what waits, and takes away from nodes that have gone. As a singleton of the cluster it
 * runs on one node at a time and moves when that node dies.
 *
 * **Details**
 *
 * It keeps nothing in memory that a successor would need. Should two of them run for a moment, they may fill a node more
 * than they meant to; no task is placed twice, because each step is a condition on its row.
 *
 * Whether a node lives is asked by the clock of the database. When that is set forward, all nodes seem to have been silent
 * for as long, and their tasks would be begun a second time beside the first: nothing is taken from anybody then until each
 * has had the time to say that it lives. A successor that begins in between has not seen it, and takes them for lost.
 */
import { Count } from "@novacron/boot/model"
import { Clock, Duration, Effect, Latch, Option, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { Bulletin } from "./Bulletin.ts"
import type { NodeTable } from "./NodeTable.ts"
import * as Scheduling from "./Scheduling.ts"
import type { Settings } from "./Settings.ts"
import type { TaskTable } from "./TaskTable.ts"

export interface Options {
  readonly node: string
  readonly environment: Scheduling.Environment
  readonly settings: Settings
  readonly tasks: TaskTable
  readonly nodes: NodeTable
  readonly bulletin: Bulletin
  /** Asks the database whether it is back. */
  readonly revive: Effect.Effect<void>
}

/** How many tasks are looked at in one round, beyond those there is room for. */
const lookahead = 100
const most = 1_000

/** A moment for what comes together to be placed together. */
const breath = Duration.millis(5)

/** Coordinates until it is interrupted. Never fails: while the database is away, it waits for it. */
export const run = ({ bulletin, environment, node, nodes, revive, settings, tasks }: Options) =>
  Effect.gen(function* () {
    const wake = Latch.makeUnsafe(true)
    yield* bulletin.hear((news) => {
      if (news._tag === "Queue" || news._tag === "Gap") wake.openUnsafe()
    })
    const deadAfterMs = Duration.toMillis(settings.deadAfter)
    const intervalMs = Duration.toMillis(settings.schedulerInterval)

    /** Whether there may be more at once. */
    const round = Effect.fnUntraced(function* (isTold: boolean): Effect.fn.Return<boolean, SqlError.SqlError> {
      const available = yield* nodes.available(deadAfterMs)
      const residents = yield* tasks.residents
      const room = available.reduce((sum, { slots }) => sum + slots, 0) - residents.length
      const limit = Math.min(Math.max(room, 0) + lookahead, most)
      const candidates = yield* tasks.candidates(limit)
      if (candidates.length === 0) return false
      const { crowded, impossible, placed } = Scheduling.decide(environment, available, residents, candidates)
      if (placed.length > 0) yield* tasks.place(placed)
      if (impossible.length > 0) yield* tasks.explain(impossible, intervalMs)
      // For people, who have time; not each time something ends.
      if (!isTold) {
        const known = new Map(candidates.map(({ explanation, id }) => [id, explanation]))
        const news = crowded.filter(({ id, placement }) => known.get(id) !== placement.explanation)
        if (news.length > 0) yield* tasks.explain(news, 0)
      }
      return placed.length > 0 && candidates.length === limit
    })

    const scheduling = Effect.gen(function* () {
      let lastFullMs = -Infinity
      while (true) {
        yield* wake.close
        const now = yield* nowMs
        const isTold = now - lastFullMs < intervalMs
        if (!isTold) lastFullMs = now
        const isMore = yield* round(isTold)
        if (isMore) continue
        const due = Option.getOrElse(yield* tasks.nextDueMs, () => Infinity)
        yield* Effect.timeoutOption(wake.await, Math.min(Math.max(due, 5), intervalMs))
        yield* Effect.sleep(breath)
      }
    })

    // By how much a clock may be set without a node being taken for lost that would not have stopped its tasks by itself.
    const toleratedMs = deadAfterMs - Duration.toMillis(settings.lease)
    /** How far the clock of the database is from ours, which nobody sets; without one, nothing is known of it. */
    let aheadMs: number | undefined
    let trustedFromMs = -Infinity

    const reconciling = Effect.gen(function* () {
      let lastMs = -Infinity
      while (true) {
        const there = yield* nodes.coordinate(node)
        const now = yield* nowMs
        const setByMs = aheadMs === undefined ? 0 : there - now - aheadMs
        aheadMs = there - now
        if (Math.abs(setByMs) > toleratedMs) {
          trustedFromMs = now + deadAfterMs
          yield* Effect.logWarning(wasSet(setByMs, settings.deadAfter))
        }
        const taken = now < trustedFromMs ? 0 : yield* tasks.reclaimLost(there - deadAfterMs, settings.maxLosses)
        if (taken > 0) yield* Effect.logWarning(`${Count.of(taken, "task")} of lost nodes taken up again.`)
        if (now - lastMs >= Duration.toMillis(settings.reconcileInterval)) {
          lastMs = now
          yield* tasks.purge(Duration.toMillis(settings.retention))
          wake.openUnsafe()
        }
        yield* Effect.sleep(settings.heartbeat)
      }
    })

    const persistent = <A>(what: string, loop: Effect.Effect<A, SqlError.SqlError>) =>
      loop.pipe(
        Effect.tapError((error) => Effect.logDebug(`The coordinator waits for the database (${what}).`, error)),
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.logError(`A round of the coordinator has failed (${what}).`, defect),
            Effect.sleep("1 second")
          )
        ),
        Effect.catch(() => Effect.andThen(revive, Effect.sleep("200 millis"))),
        Effect.forever
      )
    yield* Effect.logInfo(`Node ${node} coordinates.`)
    yield* Effect.all([persistent("scheduling", scheduling), persistent("reconciling", reconciling)], {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(Effect.withSpan("Coordinator.run")) satisfies Effect.Effect<void, never, Scope.Scope>

const wasSet = (byMs: number, patience: Duration.Duration): string =>
  `The clock of the database was set ${byMs > 0 ? "forward" : "back"} by ${Math.round(Math.abs(byMs) / 1_000)} s, or the ` +
  `database stood still. No node is taken for lost for ${Duration.format(patience)}, until all have said that they live.`

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
