import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Scope } from "effect"
import { boot } from "./journal.ts"

describe("a boot with a journal", () => {
  it.live("cleans up after one that was killed, and not after one that was stopped", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const directory = yield* fileSystem.makeTempDirectoryScoped()

      // Whoever is killed closes nothing.
      const killed = yield* Scope.make()
      yield* Scope.provide(boot(directory), killed)
      assert.isTrue(yield* fileSystem.exists(`${directory}/lock`))

      yield* Effect.scoped(boot(directory))
      assert.isFalse(yield* fileSystem.exists(`${directory}/lock`), "taken, and given back")

      // Somebody else's: the boot before this one has ended, and has nothing to do with it.
      yield* fileSystem.writeFileString(`${directory}/lock`, "")
      const refused = yield* Effect.exit(Effect.scoped(boot(directory)))
      assert.isTrue(Exit.isFailure(refused))
      yield* Scope.close(killed, Exit.void)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
