import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { Message, Notify } from "../../src/post/Notify.ts"
import * as ReadySignal from "../../src/post/ReadySignal.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-ready-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const listener = () => {
  const told: Array<Message> = []
  const notify: Notify = { tell: (message) => void told.push(message), told: Effect.void, watchdog: undefined }
  return { told, notify }
}

describe("ReadySignal", () => {
  it.live("is a file that is there exactly while the node is ready, and READY and STOPPING once each", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const file = join(at, "ready")
      const { notify, told } = listener()
      const scope = yield* Scope.make()
      const ready = yield* Scope.provide(ReadySignal.announce({ file, notify: true }, 4711, notify), scope)
      assert.deepStrictEqual(readdirSync(at), ["ready"])
      assert.strictEqual((JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid, 4711)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(told, ["ready"])
      yield* ready.check
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(existsSync(file))
      assert.deepStrictEqual(told, ["ready", "stopping"])
      assert.instanceOf(yield* Effect.flip(ready.check), ReadySignal.ReadyFileUnusable)
    }).pipe(Effect.scoped)
  )

  it.live("tells systemd nothing when it is not to", () =>
    Effect.gen(function* () {
      const { notify, told } = listener()
      yield* Effect.scoped(ReadySignal.announce({ notify: false }, 1, notify))
      assert.deepStrictEqual(told, [])
    })
  )

  it.live("announces nothing when the file cannot be written", () =>
    Effect.gen(function* () {
      const { notify, told } = listener()
      const file = join(yield* directory, "missing/ready")
      const error = yield* Effect.flip(ReadySignal.announce({ file, notify: true }, 1, notify))
      assert.include(error.message, file)
      assert.deepStrictEqual(told, [])
    }).pipe(Effect.scoped)
  )
})
