import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Boot, type Severity } from "@novacron/boot"
import { Effect, Schema } from "effect"
import * as LockComponent from "../../src/lock/Component.ts"
import { LockHeld } from "../../src/lock/Lock.ts"
import { Settings } from "../../src/lock/Settings.ts"

describe("the lock component", () => {
  it.live("holds the lock while the boot is up, and ends a second boot before anything else starts", () =>
    Effect.gen(function* () {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-lock-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const settings = Schema.decodeUnknownSync(Settings)({})
      const lock = LockComponent.component(settings, path)
      assert.strictEqual(lock.manifest.name, "lock")
      assert.strictEqual(lock.manifest.phase, "pre")
      const { stop } = yield* Boot.make([lock])
      assert.isTrue(existsSync(join(path, settings.file)))
      const failure: Severity.Critical<unknown> | Boot.InvalidBoot = yield* Effect.flip(
        Effect.scoped(Boot.make([lock]))
      )
      assert.strictEqual(failure._tag, "Critical")
      assert.instanceOf(failure.cause, LockHeld)
      yield* stop()
      assert.isFalse(existsSync(join(path, settings.file)))
    }).pipe(Effect.scoped)
  )
})
