/**
 * A few threads that do what would hold up the event loop, one task each at a time.
 *
 * **Details**
 *
 * Threads are started when they are first needed. A task that is interrupted takes its thread with it, and so does one
 * that breaks it; the next task gets a new one. All of them end with the scope, and what is asked of them then fails: who
 * waited for an answer, or for a turn, is told.
 */
import { Worker } from "node:worker_threads"
import { Effect, Semaphore } from "effect"
import type { Scope } from "effect"
import { failureOf, type HdeError, HdeUnavailable } from "./Failures.ts"
import { Refused } from "./Refused.ts"
import type { Answered, Asked, Tasks } from "./Thread.ts"

export interface Pool {
  readonly run: <Name extends keyof Tasks>(name: Name, task: Tasks[Name][0]) => Effect.Effect<Tasks[Name][1], HdeError>
  readonly threads: number
  /** Whether a task would be taken at once. */
  readonly isIdle: () => boolean
}

interface Thread {
  readonly worker: Worker
  /** Whoever waits for it, if anybody does. */
  tell: ((answered: Answered | { readonly _tag: "Lost"; readonly cause: unknown }) => void) | undefined
}

export const make = (threads: number): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const turn = yield* Semaphore.make(threads)
    const idle: Array<Thread> = []
    const all = new Set<Thread>()

    const end = (thread: Thread): Effect.Effect<void> => {
      all.delete(thread)
      thread.tell = undefined
      return Effect.promise(() => thread.worker.terminate())
    }
    const start = (): Thread => {
      const worker = new Worker(threadFile)
      const thread: Thread = { worker, tell: undefined }
      worker.on("message", (answered: Answered) => thread.tell?.(answered))
      const lost = (cause: unknown): void => thread.tell?.({ _tag: "Lost", cause })
      worker.on("messageerror", lost)
      worker.on("error", lost)
      worker.on("exit", (code) => lost(new Error(`the thread ended with ${code}`)))
      all.add(thread)
      return thread
    }
    let isClosed = false
    const dismiss = (thread: Thread): Effect.Effect<void> => {
      const { tell } = thread
      return Effect.andThen(
        end(thread),
        Effect.sync(() => tell?.({ _tag: "Lost", cause: closed() }))
      )
    }
    yield* Effect.addFinalizer(() => {
      isClosed = true
      return Effect.forEach([...all], dismiss, { concurrency: "unbounded", discard: true })
    })

    const ask = (asked: Asked): Effect.Effect<unknown, HdeError> =>
      Effect.callback((resume) => {
        if (isClosed) return resume(failed(asked, closed()))
        const thread = idle.pop() ?? start()
        thread.tell = (answered) => {
          thread.tell = undefined
          // A thread that waits for work is no reason for the process to stay.
          thread.worker.unref()
          if (answered._tag !== "Lost") idle.push(thread)
          switch (answered._tag) {
            case "Done":
              return resume(Effect.succeed(answered.answer))
            case "Refused":
              return resume(Effect.fail(failureOf(new Refused(answered.is))))
            case "Broken":
              return resume(failed(asked, answered.cause))
            case "Lost":
              return resume(Effect.andThen(end(thread), failed(asked, answered.cause)))
          }
        }
        thread.worker.ref()
        thread.worker.postMessage(asked)
        return Effect.suspend(() => end(thread))
      })

    let running = 0
    const counted = <A, E>(task: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.ensuring(
        Effect.suspend(() => {
          running++
          return task
        }),
        Effect.sync(() => void running--)
      )
    const run: Pool["run"] = (name, task) =>
      // What a thread answers has the type that its task's name says: both sides are held to `Tasks`.
      counted(turn.withPermit(ask({ name, task }))) as Effect.Effect<Tasks[typeof name][1], HdeError>
    return { run, threads, isIdle: () => running < threads }
  })

/** The compiled form of a package is JavaScript, a checkout is TypeScript: the thread is what this file is. */
const threadFile = new URL(`./Thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)

const closed = () => new Error("the threads were closed")

const failed = ({ name }: Asked, cause: unknown): Effect.Effect<never, HdeError> =>
  Effect.fail(new HdeUnavailable({ what: `A thread could not ${verbs[name]}`, cause }))

const verbs: { readonly [Name in keyof Tasks]: string } = {
  encode: "encode a block",
  decode: "decode a block",
  hash: "hash a file",
  scan: "index a baseline",
  cut: "cut a file into chunks"
}
