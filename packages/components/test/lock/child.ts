/**
 * A process that takes a lock, for the tests: it prints `held`, `took PID` or the error, and keeps the lock until its
 * input ends. With `stop` it gives it back then, otherwise it just ends.
 */
import { Effect, Logger, Option } from "effect"
import * as Lock from "../../src/lock/Lock.ts"

const [directory = "", ending] = process.argv.slice(2)

const ended = Effect.callback<void>((resume) => {
  process.stdin.resume().once("end", () => resume(Effect.void))
})

const hold = Effect.gen(function* () {
  const { takenOverFrom } = yield* Lock.acquire(directory, "novacron.lock")
  process.stdout.write(Option.isSome(takenOverFrom) ? `took ${takenOverFrom.value.pid}\n` : "held\n")
  yield* ended
  if (ending !== "stop") process.exit(0)
})

Effect.runPromise(Effect.scoped(hold).pipe(Effect.provide(Logger.layer([])))).catch((error: unknown) => {
  process.stdout.write(`${String(error)}\n`)
  process.exitCode = 73
})
