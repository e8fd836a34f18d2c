import { assert, describe, it } from "@effect/vitest"
import { Metadata, type ServiceError, status } from "@grpc/grpc-js"
import { Duration, Effect } from "effect"
import { freePorts } from "../../../../test/fixtures/Ports.ts"
import * as EtcdClient from "../../src/ass/EtcdClient.ts"
import { EtcdCluster } from "./fixtures/etcd.ts"

const said = (code: status, details: string): ServiceError =>
  Object.assign(new Error(details), { code, details, metadata: new Metadata() })

const meaning = (code: status, details: string, writes: boolean): string => {
  const { _tag, error } = EtcdClient.failureOf("etcd", writes, said(code, details))
  return `${_tag} ${error._tag}`
}

describe("what an error of etcd means", () => {
  const table: ReadonlyArray<readonly [status, string, read: string, write: string]> = [
    [
      status.UNAVAILABLE,
      "No connection established. Last error: connect ECONNREFUSED",
      "elsewhere StoreUnreachable",
      ""
    ],
    [status.UNAVAILABLE, "etcdserver: no leader", "elsewhere StoreUnreachable", ""],
    [status.UNAVAILABLE, "Connection dropped", "elsewhere StoreUnreachable", "unknown OutcomeUnknown"],
    [status.UNAVAILABLE, "etcdserver: request timed out", "elsewhere StoreUnreachable", "unknown OutcomeUnknown"],
    [status.UNAVAILABLE, "etcdserver: leader changed", "elsewhere StoreUnreachable", "unknown OutcomeUnknown"],
    [status.CANCELLED, "Cancelled on client", "elsewhere StoreUnreachable", "unknown OutcomeUnknown"],
    [status.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", "final StoreFull", ""],
    [status.RESOURCE_EXHAUSTED, "etcdserver: too many requests", "elsewhere StoreUnreachable", ""],
    [status.PERMISSION_DENIED, "etcdserver: permission denied", "final StoreRefused", ""],
    [status.UNAUTHENTICATED, "etcdserver: invalid auth token", "final StoreRefused", ""],
    [status.INVALID_ARGUMENT, "etcdserver: request is too large", "final RequestRefused", ""],
    [status.UNAVAILABLE, "No connection established. Last error: certificate has expired", "refused StoreRefused", ""]
  ]
  for (const [code, details, read, write] of table) {
    it(`${details}: ${write === "" ? read : `${read}, of a write ${write}`}`, () => {
      assert.strictEqual(meaning(code, details, false), read)
      assert.strictEqual(meaning(code, details, true), write === "" ? read : write)
    })
  }

  it("of a stream that just ended: another member may know more", () => {
    assert.strictEqual(EtcdClient.failureOf("etcd", false, undefined)._tag, "elsewhere")
  })
})

describe("a client of etcd", () => {
  it.live(
    "goes on to the next member where nobody answers, and counts who is connected",
    () =>
      Effect.gen(function* () {
        const cluster = yield* Effect.acquireRelease(
          Effect.promise(() => EtcdCluster.start(1)),
          (it) => Effect.promise(() => it.stop())
        )
        const closed = yield* Effect.promise(() => freePorts(2))
        const client = yield* EtcdClient.make({
          endpoints: [...closed.map((port) => `http://127.0.0.1:${port}`), ...cluster.endpoints],
          pki: Effect.succeed({}),
          attempt: Duration.seconds(1),
          timeout: Duration.seconds(20)
        })
        const key = Buffer.from("k")
        yield* client.call(EtcdClient.put, { key, value: Buffer.from("1") })
        const { kvs } = yield* client.call(EtcdClient.range, { key })
        assert.strictEqual(Buffer.from(kvs[0]?.value ?? []).toString(), "1")
        assert.deepStrictEqual(client.members(), { connected: 1, known: 3 })
      }).pipe(Effect.scoped),
    60_000
  )
})
