import { existsSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Confinement from "../../src/orchestration/Confinement.ts"

const demand = { cpu: 0.5, memory: 64 }

describe("Confinement", () => {
  it.effect("without control groups limits memory of each process, and says that the rest is not limited", () =>
    Effect.gen(function* () {
      const { confine, directory, limits } = yield* Confinement.make({ cgroup: false, maxPids: 10, pid: 1 })
      assert.isUndefined(directory)
      assert.deepStrictEqual(confine("a", demand), {
        before: ["prlimit", "--data=67108864", "--core=0", "--"],
        group: undefined
      })
      assert.deepStrictEqual(confine("a", { cpu: 1, memory: 0 }).before, [])
      assert.include(limits, "CPU is not limited.")
      assert.include(limits, "A process that leaves its process group is not found.")
    })
  )

  it.effect("with control groups makes one above those of all attempts, and takes it away again", () =>
    Effect.gen(function* () {
      const found = yield* Effect.scoped(
        Effect.gen(function* () {
          const { confine, directory, limits } = yield* Confinement.make({
            cgroup: true,
            maxPids: 10,
            pid: process.pid
          })
          if (directory === undefined) return undefined // this system lets nobody
          assert.isTrue(existsSync(`${directory}/cgroup.procs`))
          const { before, group } = confine("a", demand)
          assert.strictEqual(group?.directory, `${directory}/a`)
          // Memory is limited in one of the two ways, and never in none.
          assert.strictEqual(before.length === 0, group?.files["memory.max"] === "67108864")
          assert.strictEqual(limits.includes("CPU is limited."), group?.files["cpu.max"] === "50000 100000")
          assert.include(limits, "No process leaves its attempt.")
          return directory
        })
      )
      if (found !== undefined) assert.isFalse(existsSync(found))
    })
  )
})
