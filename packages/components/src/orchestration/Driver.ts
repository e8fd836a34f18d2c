/**
 * How a task is run. What drivers run differs, what is expected of them does not. {@link Drivers} has those there are.
 *
 * **Details**
 *
 * An attempt has ended when nothing of it runs any more: children, and children of children, end with it. Nothing of it
 * outlives the node either, however that ends.
 */
import type { Tasks } from "@novacron/api"
import { Context, Data, type Effect } from "effect"

/** One attempt. */
export interface Run {
  readonly task: string
  readonly attempt: number
  readonly submission: Tasks.Submission
  /** Takes what is printed, as it comes. */
  readonly print: (stream: Tasks.Output["stream"], bytes: Uint8Array) => void
  /** So many bytes came before what comes next, and more than is kept came after them. */
  readonly skip: (stream: Tasks.Output["stream"], count: number) => void
}

/** How it ended: with a code or by a signal. */
export interface Ending {
  readonly exitCode: number | null
  readonly signal: string | null
  /** It was killed because it used more memory than it had asked for. Only a control group tells that. */
  readonly isOutOfMemory?: boolean
  /**
   * It was the node and not the task: nobody had said for as long as the lease that the node may still run it, or the process
   * that starts programs was killed, and everything with it.
   */
  readonly lost?: "NoLease" | "NoKeeper"
}

export interface Running {
  readonly ended: Effect.Effect<Ending>
  /** Asks it to end, and ends it after the grace. Returns when it has ended; a second call with less grace counts. */
  readonly stop: (graceMs: number) => Effect.Effect<Ending>
}

/** There is no such program, or it may not be run here. */
export class CannotStart extends Data.TaggedError("CannotStart")<{
  readonly program: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.program} cannot be started: ${this.problem}.`
  }
}

/** What a driver needs of the process it runs in: `process` itself will do. */
export interface Host {
  readonly pid: number
  /** The program of Node.js. */
  readonly execPath: string
  readonly getuid?: (() => number) | undefined
  /** To a process, or with a negative number to a group of them. */
  readonly kill: (pid: number, signal: NodeJS.Signals) => boolean
}

/** The label of a node that can run virtual machines. The coordinator asks for it where a task is one. */
export const vmLabel = { name: "novacron.vm", value: "qemu" } as const

export class Driver extends Context.Service<
  Driver,
  {
    /** What holds tasks to what they asked for, and what does not: sentences for people. */
    readonly limits: string
    /** Which labels this node has for what its drivers can run here. */
    readonly labels: { readonly [name: string]: string }
    readonly start: (run: Run) => Effect.Effect<Running, CannotStart>
    /** Ends everything that runs, at once and without waiting. */
    readonly killAll: Effect.Effect<void>
    /** Says that this node may still run what it runs. After `lease` without it everything is killed from outside. */
    readonly alive: Effect.Effect<void>
  }
>()("@novacron/components/orchestration/Driver") {}
