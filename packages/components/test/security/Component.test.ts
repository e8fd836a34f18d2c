/** Security booted for real: by the kernel, on a real file system, with real TLS. */
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Cause, Context, Duration, Effect, Exit, FileSystem, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Security from "../../src/security/index.ts"
import * as AuditLog from "../../src/security/AuditLog.ts"
import { contents, folder, platform, settings } from "./fixtures/place.ts"

const text = new TextEncoder()

const surroundings = (dataDir: string): Security.Surroundings => ({ dataDir, nodeId: "node-1", environment: {} })

/** Boots security alone, and hands it over. */
const boot = (dataDir: string, written: unknown = {}) =>
  Effect.gen(function* () {
    const { report, services, stop } = yield* Boot.make([Security.component(settings(written), surroundings(dataDir))])
    return { security: Context.get(services, Security.Security), report, stop }
  })

const failure = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? `${JSON.stringify(Cause.squash(exit.cause))}` : "it succeeded"

describe("the first boot", () => {
  it.live("makes keys and certificates that nobody else can read", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const { report, security } = yield* boot(dataDir)
      assert.strictEqual((yield* report).outcome, "ready")
      assert.strictEqual((yield* security.serverTls()).minVersion, "TLSv1.2")
      const fileSystem = yield* FileSystem.FileSystem
      assert.strictEqual((yield* fileSystem.stat(`${dataDir}/security`)).mode & 0o777, 0o700)
      const found = yield* contents(`${dataDir}/security`)
      assert.sameMembers(
        found.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)),
        ["audit.jsonl", "ca.pem", "data-1.key", "keys.json", "master.key", "node.pem"]
      )
      assert.deepStrictEqual(new Set(found.map(({ mode }) => mode)), new Set([0o600]))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
