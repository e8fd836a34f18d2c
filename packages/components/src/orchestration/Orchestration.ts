/**
 * The work of the cluster: tasks that were submitted, the nodes that run them, and what becomes of both.
 *
 * Whoever asks (the API, the command line, the dashboard) needs this service and nothing behind it.
 */
import { Count } from "@novacron/boot/model"
import type { Tasks } from "@novacron/api"
import { Context, Data, type Effect, type Option, type Stream } from "effect"

/** There is no task of that id, or there never was. */
export class NoSuchTask extends Data.TaggedError("NoSuchTask")<{ readonly task: string }> {
  override get message(): string {
    return `There is no task ${this.task}. \`novacron tasks list\` shows those there are.`
  }
}

/** The idempotency key was used for another submission. */
export class KeyReused extends Data.TaggedError("KeyReused")<{ readonly key: string; readonly task: string }> {
  override get message(): string {
    return `The idempotency key ${this.key} belongs to task ${this.task}, which was submitted differently. Use a new key.`
  }
}

/** More tasks are queued than the settings allow; nothing was taken. */
export class QueueFull extends Data.TaggedError("QueueFull")<{ readonly queued: number; readonly limit: number }> {
  override get message(): string {
    const advice = "Try again later, or raise orchestration.max_queued."
    return `${Count.of(this.queued, "task")} queued, and ${this.limit} allowed. ${advice}`
  }
}

/** The database did not answer, or the node is leaving. What was acknowledged before is kept; this was not taken. */
export class Unavailable extends Data.TaggedError("Unavailable")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `Orchestration cannot answer now: ${this.reason}. Nothing was changed; try again.`
  }
}

/** A page of tasks, newest first. */
export interface Query {
  readonly states?: ReadonlyArray<Tasks.State>
  readonly group?: string
  readonly node?: string
  /** 1 to 1,000. */
  readonly limit: number
  /** Of the page before. */
  readonly cursor?: string
}

export class Orchestration extends Context.Service<
  Orchestration,
  {
    /** Durable when it returns. The same idempotency key and submission answer with the task there is. */
    readonly submit: (
      submission: Tasks.Submission,
      by: string
    ) => Effect.Effect<Tasks.Task, KeyReused | QueueFull | Unavailable>
    readonly get: (id: string) => Effect.Effect<Tasks.Task, NoSuchTask | Unavailable>
    readonly list: (
      query: Query
    ) => Effect.Effect<{ readonly tasks: ReadonlyArray<Tasks.Task>; readonly next: Option.Option<string> }, Unavailable>
    /** Cancelled at once if it waits; else its process gets SIGTERM, and SIGKILL after its grace. Idempotent. */
    readonly cancel: (id: string, by: string) => Effect.Effect<Tasks.Task, NoSuchTask | Unavailable>
    /** What it printed from `offset` on; ends with the task when `follow` is set, else with what there is. */
    readonly output: (
      id: string,
      options: { readonly offset: number; readonly follow: boolean }
    ) => Stream.Stream<Tasks.Output, NoSuchTask | Unavailable>
    /** Every change of every task from now on. A slow reader loses the oldest versions of a task, never its last. */
    readonly changes: Stream.Stream<Tasks.Task>
    readonly nodes: Effect.Effect<ReadonlyArray<Tasks.Node>, Unavailable>
    /**
     * Who coordinates, what runs here, and to what tasks are held. Fails without a coordinator or the database; degraded is a
     * node that takes itself for alone and is not.
     */
    readonly check: Effect.Effect<{ readonly detail: string; readonly degraded: boolean }, Unavailable>
  }
>()("@novacron/components/orchestration/Orchestration") {}
