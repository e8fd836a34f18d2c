/** What a node does while those who keep its state are away: it says so, and everything else goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EtcdCluster } from "../ass/fixtures/etcd.ts"
import { eventually, pair, platform } from "./fixtures/nodes.ts"

const bytes = (text: string) => Buffer.from(text)

describe("a node whose etcd is gone", () => {
  it.live(
    "is degraded and says why, speaks v3 to its peers all the same, and has its state again when etcd is back",
    () =>
      Effect.gen(function* () {
        const etcd = yield* Effect.acquireRelease(
          Effect.promise(() => EtcdCluster.start(1)),
          (it) => Effect.promise(() => it.stop())
        )
        const { a, b } = yield* pair({
          forcedMode: "datacenter",
          // By default etcd has longer to answer than a probe.
          sync: { etcd: { endpoints: etcd.endpoints, insecure: true } },
          supervision: { probeEvery: "50 millis", intensity: 1 }
        })
        yield* a.dwcp.state((engine) => engine.put("k", bytes("1")))
        assert.strictEqual((yield* a.dwcp.status).state, "up")
        const [member] = etcd.members
        yield* Effect.promise(() => etcd.kill(member!))
        const refused = yield* Effect.flip(a.dwcp.state((engine) => engine.put("k", bytes("2"))))
        assert.include(["StoreUnreachable", "OutcomeUnknown"], refused._tag)
        const status = yield* eventually(
          Effect.map(a.dwcp.status, (status) => {
            assert.strictEqual(status.state, "degraded")
            return status
          })
        )
        assert.match(status.because ?? "", /^ass: etcd .* was not reached in time/)
        const reading = yield* a.dwcp.check
        assert.isTrue(reading.degraded)
        assert.include(reading.detail, "was not reached in time")
        // For longer than a subsystem may fail, each of its probes in vain: it is not its fault.
        yield* Effect.sleep(8_000)
        assert.strictEqual((yield* a.dwcp.send(b.peer, bytes("hello"))).version, "v3")
        assert.deepInclude((yield* a.dwcp.status).subsystems[3], { name: "ass", state: "up", starts: 1 })
        etcd.up(member!)
        yield* eventually(
          Effect.map(
            a.dwcp.state((engine) => engine.get("k")),
            (entry) => assert.strictEqual(entry._tag, "Some")
          )
        )
        yield* eventually(Effect.map(a.dwcp.status, ({ state }) => assert.strictEqual(state, "up")))
        assert.isFalse((yield* a.dwcp.check).degraded)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )
})
