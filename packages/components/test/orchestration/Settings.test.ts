import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Schema } from "effect"
import { Settings } from "../../src/orchestration/Settings.ts"

const decode = Schema.decodeUnknownExit(Settings)

describe("Settings", () => {
  it("says how a node works that is told nothing: alone, a hundred tasks, a round every five seconds", () => {
    const settings = Schema.decodeSync(Settings)({})
    assert.isFalse(settings.cluster.enabled)
    assert.strictEqual(settings.maxConcurrent, 100)
    assert.strictEqual(Duration.toSeconds(settings.schedulerInterval), 5)
    assert.strictEqual(Duration.toSeconds(settings.reconcileInterval), 30)
    assert.strictEqual(settings.cluster.listenAddress, "127.0.0.1")
    assert.strictEqual(Number(settings.process.keep), 1024 * 1024)
  })

  it("refuses a lease under which a task could run in two places", () => {
    assert.isTrue(Exit.isSuccess(decode({ heartbeat: "1s", lease: "2s", deadAfter: "3s" })))
    assert.isTrue(Exit.isFailure(decode({ lease: "6s", deadAfter: "6s" })))
    assert.isTrue(Exit.isFailure(decode({ heartbeat: "3s", lease: "4s", deadAfter: "9s" })))
  })

  it("refuses what no node can do", () => {
    for (const bad of [{ maxConcurrent: 0 }, { attempts: 21 }, { cluster: { port: 0 } }, { process: { uid: -1 } }]) {
      assert.isTrue(Exit.isFailure(decode(bad)), JSON.stringify(bad))
    }
  })
})
