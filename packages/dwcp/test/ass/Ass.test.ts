import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Ass from "../../src/ass/Ass.ts"
import { Settings } from "../../src/ass/Settings.ts"
import { StateSync } from "../../src/ass/StateSync.ts"
import { bytes, text } from "./fixtures/contract.ts"
import { EtcdCluster } from "./fixtures/etcd.ts"
import { Postgres } from "./fixtures/postgres.ts"

const settings = Schema.decodeUnknownSync(Settings)
const patience = 60_000

let cluster: EtcdCluster
let postgres: Postgres
beforeAll(async () => {
  cluster = await EtcdCluster.start(1)
  postgres = await Postgres.start()
}, patience)
afterAll(async () => {
  await cluster.stop()
  await postgres.stop()
}, patience)

const why = (given: unknown) =>
  Effect.map(Effect.flip(Effect.scoped(Ass.make(settings(given)))), ({ message }) => message)

describe("ass", () => {
  it.live(
    "has the engine of each environment behind one service",
    () =>
      Effect.gen(function* () {
        const sql = yield* postgres.client
        const etcd = { endpoints: cluster.endpoints, insecure: true }
        const gossip = { listen: ["/ip4/127.0.0.1/tcp/0"], secret: "the secret of a test" }
        const given = [
          [{ environment: "datacenter", etcd }, "etcd"],
          [{ environment: "internet", gossip }, "gossip"],
          [{ environment: "hybrid", etcd, gossip, budget: "2s" }, "hybrid"],
          [{}, "alone"]
        ] as const
        for (const [section, engine] of given) {
          const used = Effect.gen(function* () {
            const sync = yield* StateSync
            yield* sync.put("k", bytes(engine))
            assert.strictEqual(text(yield* sync.get("k")), engine)
            assert.strictEqual((yield* sync.status).engine, engine)
            // It stands behind its door.
            assert.strictEqual((yield* Effect.flip(sync.put("", bytes("1"))))._tag, "RequestRefused")
          })
          yield* Effect.provide(used, Ass.layer(settings(section), { sql }))
        }
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "says of settings that are not enough what is missing, and does not go without TLS or a secret unasked",
    () =>
      Effect.gen(function* () {
        assert.include(yield* why({}), "the node has no database")
        assert.include(yield* why({ environment: "datacenter" }), "etcd.endpoints is empty")
        const at = (endpoint: string) => why({ environment: "datacenter", etcd: { endpoints: [endpoint] } })
        assert.include(yield* at("http://127.0.0.1:2379"), "goes without TLS")
        assert.include(yield* at("127.0.0.1:2379"), "is not an address")
        assert.include(yield* why({ environment: "internet" }), "gossip.secret is not set")
        assert.include(yield* why({ environment: "internet", gossip: { secret: "short" } }), "shorter than 16")
        const ca = "/nowhere/ca.pem"
        const unread = { environment: "datacenter", etcd: { endpoints: ["https://127.0.0.1:1"], ca } }
        assert.include(yield* why(unread), `${ca} cannot be read`)
      }),
    patience
  )

  it.live(
    "keeps the rooms of two clusters in one store apart",
    () =>
      Effect.gen(function* () {
        const etcd = { endpoints: cluster.endpoints, insecure: true }
        const of = (namespace: string) => Ass.make(settings({ environment: "datacenter", etcd, namespace }))
        const [one, other] = [yield* of("one"), yield* of("on")]
        yield* one.put("k", bytes("1"))
        assert.isTrue(Option.isNone(yield* other.get("k")))
        assert.deepStrictEqual(yield* other.list(""), [])
      }).pipe(Effect.scoped),
    patience
  )
})
