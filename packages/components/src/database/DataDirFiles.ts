/** Files of the directory of an embedded database. What goes wrong is said in the words of the system, with what to do. */
import { access, readFile } from "node:fs/promises"
import { Effect, Exit } from "effect"
import { DataDirUnusable } from "./DatabaseError.ts"

/** Why nothing can be done with the directory, and what would help. */
export const unusable = (directory: string, problem: string, remedy: string, cause?: unknown) =>
  new DataDirUnusable({ directory, problem, remedy, cause })

/** Something with files in the directory; what goes wrong is said in the words of the system. */
export const ioIn =
  (directory: string) =>
  <A>(act: () => Promise<A>): Effect.Effect<A, DataDirUnusable> =>
    Effect.tryPromise({
      try: act,
      catch: (cause) => {
        const problem = cause instanceof Error ? cause.message : "the system gave no reason"
        return unusable(directory, problem, "May this user write there, and is there room?", cause)
      }
    })

/** Whether something is there. */
export const exists = (path: string): Effect.Effect<boolean> =>
  Effect.map(Effect.exit(Effect.tryPromise(() => access(path))), Exit.isSuccess)

/** What a file says; nothing when it cannot be read. */
export const textOf = (path: string): Effect.Effect<string> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readFile(path, "utf8")),
    () => ""
  )
