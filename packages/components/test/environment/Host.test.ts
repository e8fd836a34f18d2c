import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Host } from "../../src/environment/Host.ts"

describe("Host", () => {
  it.live("reads what this machine tells of itself, and none where it tells nothing", () =>
    Effect.gen(function* () {
      const host = yield* Host
      assert.include(Option.getOrThrow(yield* host.read("/proc/self/status")), "Name:")
      assert.isTrue(Option.isNone(yield* host.read("/proc/nothing")))
      assert.isTrue(Option.isNone(yield* host.read("/proc")))
      assert.include(yield* host.list("/sys/class/net"), "lo")
      assert.deepStrictEqual(yield* host.list("/nowhere"), [])
      assert.match(Option.getOrThrow(yield* host.link("/proc/self/ns/pid")), /^pid:\[\d+\]$/)
      assert.strictEqual(yield* host.cores, availableParallelism())
      assert.isAbove(yield* host.memory, 100_000_000)
    }).pipe(Effect.provide(Host.layer))
  )

  it.live("knows the space of a directory that is yet to be made", () =>
    Effect.gen(function* () {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-host-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const host = yield* Host
      const there = Option.getOrThrow(yield* host.space(path))
      const later = Option.getOrThrow(yield* host.space(join(path, "not/yet/made")))
      assert.isAbove(there.availableBytes, 0)
      assert.isAtLeast(there.totalBytes, there.availableBytes)
      assert.strictEqual(later.totalBytes, there.totalBytes)
    }).pipe(Effect.provide(Host.layer), Effect.scoped)
  )

  it.effect("can be made of texts", () =>
    Effect.gen(function* () {
      const host = yield* Host
      assert.deepStrictEqual(yield* host.list("/sys/class/net"), ["eth0", "eth1"])
      assert.strictEqual(Option.getOrThrow(yield* host.read("/sys/class/net/eth1/speed")), "100\n")
    }).pipe(
      Effect.provide(
        Host.layerMemory({ files: { "/sys/class/net/eth0/speed": "1000\n", "/sys/class/net/eth1/speed": "100\n" } })
      )
    )
  )
})
