/** A real port that never answers, for the tests. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"

/** Its number, for as long as the scope is open. */
export const silentPort = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly end: () => void }>((resume) => {
      const child = spawn("perl", [join(import.meta.dirname, "silent.pl")], { stdio: ["pipe", "pipe", "inherit"] })
      child.stdout.once("data", (chunk: Buffer) =>
        resume(Effect.succeed({ port: Number(chunk.toString()), end: () => child.stdin.end() }))
      )
    }),
    ({ end }) => Effect.sync(end)
  ),
  ({ port }) => port
)
