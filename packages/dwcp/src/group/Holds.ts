/**
 * What the gates of the rollout took back on this node, in a file: it stays taken back when the node is started again, until
 * somebody releases it. A file that cannot be read holds nothing back, and says so.
 */
import { Effect, FileSystem, Schema } from "effect"
import * as Features from "./Features.ts"
import type { Hold } from "./Rollout.ts"

const Written = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    holds: Schema.Array(
      Schema.Struct({
        feature: Schema.Literals(Features.all),
        because: Schema.String,
        atMillis: Schema.Finite
      })
    )
  })
)

const nothing: ReadonlyArray<Hold> = []

/** Reads and writes the file; a folder that is not there is made. */
export const file = (folder: string, name = "rollout.json") =>
  Effect.map(FileSystem.FileSystem, (files) => {
    const path = `${folder}/${name}`
    const read = files.readFileString(path).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Written)),
      Effect.map(({ holds }) => holds),
      Effect.catch((cause) =>
        Effect.as(
          cause._tag === "PlatformError" && cause.reason._tag === "NotFound"
            ? Effect.void
            : Effect.logWarning(`${path} cannot be read: nothing is held back by it. It is written anew.`, cause),
          nothing
        )
      )
    )
    const write = (holds: ReadonlyArray<Hold>) =>
      Effect.gen(function* () {
        yield* files.makeDirectory(folder, { recursive: true, mode: 0o700 })
        yield* files.writeFileString(`${path}.new`, JSON.stringify({ version: 1, holds }), { mode: 0o600 })
        yield* files.rename(`${path}.new`, path)
      }).pipe(
        Effect.catch((cause) =>
          Effect.logWarning(`${path} cannot be written: what was taken back comes again with the next start.`, cause)
        )
      )
    return { read, write }
  })
