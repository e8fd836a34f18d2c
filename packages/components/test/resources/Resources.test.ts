import { availableParallelism, totalmem } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Host } from "../../src/environment/Host.ts"
import * as Capacity from "../../src/resources/Capacity.ts"
import * as Resources from "../../src/resources/Resources.ts"
import { Settings } from "../../src/resources/Settings.ts"

const settings = (all: typeof Settings.Encoded = {}) => Schema.decodeUnknownSync(Settings)(all)

const small = Host.layerMemory({
  cores: 2,
  memory: 4e9,
  space: { totalBytes: 50e9, availableBytes: 20e9 },
  files: {
    "/proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable:    2000000 kB\n",
    "/proc/self/limits": "Max open files            1024                 4096                 files     \n",
    "/sys/class/net/eth0/speed": "100\n"
  }
})

const captured = () => {
  const messages: Array<string> = []
  return {
    messages,
    layer: Logger.layer([Logger.make<unknown, void>(({ message }) => void messages.push(String(message)))])
  }
}

describe("Resources", () => {
  it.effect("ends a boot on a machine that is too small, with what it has and what is wanted", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Resources.validate(settings({ policy: "enforce" }), "/data", Capacity.nothing))
      assert.instanceOf(error, Resources.ResourcesInsufficient)
      assert.include(
        error.message,
        "cpu: 2 cores, 4 cores wanted; memory: 4 GB, 8 GB wanted; disk: 50 GB, 100 GB wanted; " +
          "bandwidth: 100 Mbit/s, 1 Gbit/s wanted"
      )
    }).pipe(Effect.provide(small))
  )

  it.effect("warns of the same and goes on when that is the policy", () =>
    Effect.gen(function* () {
      const { layer, messages } = captured()
      const found = yield* Effect.provide(Resources.validate(settings(), "/data", Capacity.nothing), layer)
      assert.strictEqual(found.tier, "small")
      assert.deepStrictEqual(messages, [
        "cpu: 2 cores, 4 cores wanted",
        "memory: 4 GB, 8 GB wanted",
        "disk: 50 GB, 100 GB wanted",
        "bandwidth: 100 Mbit/s, 1 Gbit/s wanted"
      ])
    }).pipe(Effect.provide(small))
  )

  it.effect("is content with a machine that has what is wanted", () =>
    Effect.gen(function* () {
      const { layer, messages } = captured()
      const wanted = settings({
        policy: "enforce",
        minCores: 2,
        minMemory: "4 GB",
        minDisk: "50 GB",
        minBandwidth: 100
      })
      const found = yield* Effect.provide(Resources.validate(wanted, "/data", Capacity.nothing), layer)
      assert.isTrue(found.findings.every(({ verdict }) => verdict === "enough"))
      assert.deepStrictEqual(messages, [])
    }).pipe(Effect.provide(small))
  )

  it.effect(
    "says that a link is slower than its environment is meant to have, and ends a boot for the minimum alone",
    () =>
      Effect.gen(function* () {
        const { layer, messages } = captured()
        const datacenter = { minCores: 2, minMemory: "4 GB", minDisk: "50 GB", wantedBandwidth: 10_000 }
        const validate = (minBandwidth: number) =>
          Resources.validate(settings({ policy: "enforce", ...datacenter, minBandwidth }), "/data", Capacity.nothing)
        const found = yield* Effect.provide(validate(100), layer)
        assert.deepInclude(found.findings, { what: "bandwidth", wanted: 10_000, has: 100, verdict: "scarce" })
        assert.deepStrictEqual(messages, ["bandwidth: 100 Mbit/s, 10 Gbit/s wanted"])
        const error = yield* Effect.flip(validate(1_000))
        assert.include(error.message, "bandwidth: 100 Mbit/s, 1 Gbit/s wanted")
      }).pipe(Effect.provide(small))
  )

  it.effect("ends a boot whose settings plan more than there is, or warns", () =>
    Effect.gen(function* () {
      const lenient = { minCores: 1, minMemory: "1 GB", minDisk: "1 GB", minBandwidth: 1 }
      const plans = { ...Capacity.nothing, connections: 10_000, cacheBytes: 4e9 }
      const error = yield* Effect.flip(Resources.validate(settings({ policy: "enforce", ...lenient }), "/data", plans))
      assert.instanceOf(error, Resources.CapacityExceeded)
      assert.include(error.message, "memory: the settings need 5.1 GB, there are 2 GB")
      assert.include(error.message, "file descriptors: the settings need 10256, there are 1024")
      assert.strictEqual(error.exitCode, 78)
      const { layer, messages } = captured()
      yield* Effect.provide(Resources.validate(settings(lenient), "/data", plans), layer)
      assert.strictEqual(messages.length, 2)
    }).pipe(Effect.provide(small))
  )

  it.effect("never ends a boot for what is unknown", () =>
    Effect.gen(function* () {
      const { layer, messages } = captured()
      const demands = settings({ policy: "enforce" })
      const found = yield* Effect.provide(
        Resources.validate(demands, "/data", { ...Capacity.nothing, streams: 9 }),
        layer
      )
      assert.strictEqual(found.findings.filter(({ verdict }) => verdict === "unknown").length, 2)
      assert.deepStrictEqual(messages, ["disk: unknown, 100 GB wanted", "bandwidth: unknown, 1 Gbit/s wanted"])
    }).pipe(Effect.provide(Host.layerMemory({ cores: 8, memory: 16e9 })))
  )

  it.effect("respects what a control group grants", () =>
    Effect.gen(function* () {
      const { cores, memoryAvailableBytes, memoryBytes } = yield* Resources.measure("/data")
      assert.deepStrictEqual([cores, memoryBytes, memoryAvailableBytes], [1.5, 3e9, 2e9])
    }).pipe(
      Effect.provide(
        Host.layerMemory({
          cores: 64,
          memory: 256e9,
          files: {
            "/proc/meminfo": "MemAvailable: 200000000 kB\n",
            "/proc/self/cgroup": "0::/\n",
            "/proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/cpu.max": "150000 100000",
            "/sys/fs/cgroup/memory.max": "3000000000",
            "/sys/fs/cgroup/memory.current": "1000000000"
          }
        })
      )
    )
  )

  it.effect("takes as long as the slowest measurement, and not as all of them", () =>
    Effect.gen(function* () {
      const slow = <A>(value: A, seconds: number) => Effect.delay(Effect.succeed(value), `${seconds} seconds`)
      const host = Host.of({
        read: () => slow(Option.none(), 1),
        list: () => slow([], 2),
        link: () => slow(Option.none(), 1),
        space: () => slow(Option.some({ totalBytes: 1, availableBytes: 1 }), 7),
        cores: slow(4, 3),
        memory: slow(8e9, 5)
      })
      const measuring = yield* Effect.forkChild(Effect.provideService(Resources.measure("/data"), Host, host))
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual((yield* Fiber.join(measuring)).cores, 4)
      assert.strictEqual(yield* Clock.currentTimeMillis, 7_000)
    })
  )

  it.live("knows this machine", () =>
    Effect.gen(function* () {
      const machine = yield* Resources.measure("/var/lib/novacron/not/made/yet")
      assert.isAtMost(machine.cores ?? Infinity, availableParallelism())
      assert.isAtMost(machine.memoryBytes ?? Infinity, totalmem())
      assert.isAbove(machine.memoryAvailableBytes ?? 0, 10_000_000)
      assert.isAtMost(machine.memoryAvailableBytes ?? Infinity, machine.memoryBytes ?? 0)
      assert.isAbove(machine.diskBytes ?? 0, machine.diskAvailableBytes ?? Infinity)
      assert.isAbove(machine.descriptors ?? 0, 100)
    }).pipe(Effect.provide(Host.layer))
  )

  it("reads limits of the kernel, also where there are none", () => {
    assert.deepStrictEqual(Resources.descriptorsIn("Max open files   unlimited  unlimited  files"), Option.none())
    assert.deepStrictEqual(Resources.descriptorsIn(""), Option.none())
    assert.deepStrictEqual(Resources.availableIn("MemAvailable:   12 kB"), Option.some(12_288))
  })
})
