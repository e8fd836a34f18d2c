import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Confinement from "../../src/orchestration/Confinement.ts"
import * as Guest from "./fixtures/Guest.ts"

const demand = { cpu: 0.5, memory: 64 }

describe("Confinement", () => {
  it.effect("without control groups limits memory of each process, and says that the rest is not limited", () =>
    Effect.gen(function* () {
      const { confine, directory, limits } = yield* Confinement.make({ cgroup: false, maxPids: 10, pid: 7 })
      assert.isUndefined(directory)
      assert.deepStrictEqual(confine("a", demand), {
        before: ["prlimit", "--data=67108864", "--core=0", "--"],
        group: undefined
      })
      assert.deepStrictEqual(confine("a", { cpu: 1, memory: 0 }).before, [])
      assert.include(limits, "CPU is not limited.")
      assert.match(limits, /A process that leaves its process group is not found\.$/)
    })
  )

  it.effect("says of a node that is the first process of its container that an init is missing", () =>
    Effect.gen(function* () {
      const { limits } = yield* Confinement.make({ cgroup: false, maxPids: 10, pid: 1 })
      assert.match(limits, /stay as zombies: this node is pid 1, start it under an init\.$/)
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

/** A machine of its own, which takes apt and half a minute of CPU: only when it is asked for. */
describe.runIf(process.env["GUEST"] === "1")("on a machine with control groups of its own", () => {
  // The last one was handed a group and none inside of it for itself: it makes that one.
  for (const uid of [0, 1_000, 1_001]) {
    it(`holds tasks to all that they asked for, as user ${uid}`, { timeout: 600_000 }, async () => {
      const facts = await told
      const first = facts.findIndex((it) => it.what === "limits" && it["uid"] === uid)
      const of = (what: string) => facts.slice(first).find((it) => it.what === what) ?? { what: "nothing" }
      const all =
        "Memory is limited by the control group of an attempt. CPU is limited. The number of processes is limited."
      assert.include(String(of("limits")["limits"]), `${all} No process leaves its attempt.`)
      // Three processes that are too much together, and none of them alone: all of it is killed, and it is told why.
      assert.deepInclude(of("memory"), { exitCode: null, signal: "SIGKILL", isOutOfMemory: true })
      assert.deepInclude(of("modest"), { exitCode: 0, signal: null })
      assert.match(String(of("pids")["printed"]), /can't fork/)
      assert.isAtMost(Number(of("pids")["now"]), 24)
      // A fifth of a core, with room for what an emulated machine takes to look.
      assert.isBelow(Number(of("cpu")["share"]), 0.3)
      assert.isAbove(Number(of("cpu")["share"]), 0.1)
      assert.deepInclude(of("escape"), { left: 0 })
      assert.deepInclude(of("directories"), { left: [] })
      assert.deepInclude(of("exit"), { part: "scenarios", uid, code: 0 })
    })
  }

  it("lets nothing outlive a node that is killed, nor its groups", { timeout: 600_000 }, async () => {
    const facts = await told
    assert.deepInclude(
      facts.find(({ what }) => what === "killed"),
      { left: 0, groups: [] }
    )
    assert.strictEqual(facts.at(-1)?.what, "done")
  })

  let folder = ""
  let told: Promise<ReadonlyArray<Guest.Told>>
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "novacron-guest-"))
    told = Guest.boot(folder)
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true }))
})
