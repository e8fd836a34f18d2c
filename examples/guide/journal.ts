/** The code of docs/OPERATIONS.md: a boot that keeps a journal, and a component that cleans up after one that was killed. */
import { Boot, Component, Journal } from "@novacron/boot"
import { Clock, Context, Effect, FileSystem } from "effect"

/** Only one process at a time may work in a directory. */
export class Lock extends Context.Service<Lock, { readonly held: Effect.Effect<boolean> }>()("guide/lock") {}

const lock = (file: string) =>
  Component.make(Lock, {
    needs: [FileSystem.FileSystem],
    recover: Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.remove(file, { force: true })),
    start: Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      yield* Effect.acquireRelease(fileSystem.writeFileString(file, "", { flag: "wx" }), () =>
        Effect.ignore(fileSystem.remove(file))
      )
      return { held: Effect.orElseSucceed(fileSystem.exists(file), () => false) }
    }),
    health: (lock) => lock.held
  })

/** Boots in a directory, with a journal for each boot. */
export const boot = Effect.fn("boot")(function* (directory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const journals = (yield* fileSystem.readDirectory(directory)).filter((file) => file.endsWith(".journal")).toSorted()
  const last = journals.at(-1)
  const before = last === undefined ? [] : (yield* Journal.read(`${directory}/${last}`)).events
  const journal = yield* Journal.make({ path: `${directory}/${yield* Clock.currentTimeMillis}.journal` })
  return yield* Boot.make([lock(`${directory}/lock`)], {
    journal,
    previous: Journal.unfinished(before),
    durationsMs: Journal.durationsMs(before)
  })
})
