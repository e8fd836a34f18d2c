import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Host } from "../../src/environment/Host.ts"
import * as Offer from "../../src/orchestration/Offer.ts"
import { type Encoded, settingsOf } from "./fixtures/nodes.ts"

const GiB = 1024 ** 3

/** A container of half a core and 1 GiB on a machine of 8 cores and 16 GiB. */
const container = {
  cores: 8,
  memory: 16 * GiB,
  files: {
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/mountinfo": "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "/sys/fs/cgroup/cpu.max": "50000 100000\n",
    "/sys/fs/cgroup/memory.max": `${GiB}\n`,
    "/sys/fs/cgroup/memory.current": "1000\n"
  }
}

const offered = (capacity: NonNullable<Encoded["capacity"]>, machine: Parameters<typeof Host.layerMemory>[0]) =>
  Effect.provide(Offer.make(settingsOf({ capacity }).capacity), Host.layerMemory(machine))

describe("what a node offers to tasks", () => {
  it.effect("is all of its machine", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* offered({}, { cores: 8, memory: 16 * GiB }), { cpu: 8, memory: 16 * 1024 })
    })
  )

  it.effect("is no more than what its control group lets it have", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* offered({}, container), { cpu: 0.5, memory: 1024 })
    })
  )

  it.effect("is what its settings say, be that more or less", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* offered({ cpu: 2, memory: "512 MiB" }, container), { cpu: 2, memory: 512 })
      assert.deepStrictEqual(yield* offered({ cpu: 0 }, container), { cpu: 0, memory: 1024 })
    })
  )
})
