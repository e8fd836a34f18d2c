import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, type Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Etcd from "../../src/ass/Etcd.ts"
import * as Hybrid from "../../src/ass/Hybrid.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { EtcdCluster, wire } from "./fixtures/etcd.ts"
import { connected, eventually, node } from "./fixtures/gossip.ts"

const patience = 20_000

let cluster: EtcdCluster
beforeAll(async () => {
  cluster = await EtcdCluster.start(1)
}, patience)
afterAll(() => cluster.stop(), patience)

// A machine that is busy is no link that is broken: only what is cut is to be away.
const budget = Duration.seconds(2)

const strongAt = (endpoints: ReadonlyArray<string>, namespace: string) =>
  Etcd.make({
    endpoints,
    pki: Effect.succeed({}),
    attempt: Duration.seconds(1),
    timeout: Duration.seconds(1),
    namespace,
    lease: Duration.seconds(2)
  })

contract(
  "hybrid",
  Effect.gen(function* () {
    const strong = yield* strongAt(cluster.endpoints, "contract")
    return yield* Hybrid.make({ strong, weak: yield* node(), budget })
  }),
  { compareAndSet: true, ephemeral: true }
)

/** Two nodes that gossip with each other, each with a line to the majority that can be cut. */
const two = (namespace: string) =>
  Effect.gen(function* () {
    const [member] = cluster.members
    const port = Number(new URL(member?.endpoint ?? "").port)
    const one = Effect.fnUntraced(function* (seeds: ReadonlyArray<string>) {
      const line = yield* Effect.acquireRelease(
        Effect.promise(() => wire(port)),
        (it) => Effect.sync(it.cut)
      )
      const strong = yield* strongAt([`http://127.0.0.1:${line.port}`], namespace)
      const weak = yield* node({ seeds })
      return { line, weak, engine: yield* Hybrid.make({ strong, weak, budget: Duration.millis(300) }) }
    })
    const a = yield* one([])
    const b = yield* one(yield* a.weak.addresses)
    yield* connected(b.weak, 1)
    return { a, b, agreed: yield* strongAt(cluster.endpoints, namespace) }
  })

const live = (promise: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(promise, () => Effect.scoped(body), patience)

const mend = (line: { readonly mend: () => Promise<void> }) => Effect.promise(() => line.mend())

describe("hybrid", () => {
  live(
    "acknowledges writes without a majority, and brings them before it as soon as there is one",
    Effect.gen(function* () {
      const { a, agreed, b } = yield* two("late")
      yield* a.engine.put("k", bytes("agreed"))
      yield* a.engine.put("gone", bytes("agreed"))
      const heard = yield* listening(b.engine, "k")
      yield* heard.until("current")
      a.line.cut()
      b.line.cut()
      yield* a.engine.put("k", bytes("1"))
      yield* a.engine.put("k", bytes("2"))
      assert.isTrue(yield* a.engine.delete("gone"))
      assert.strictEqual(text(yield* a.engine.get("k")), "2")
      assert.isTrue(Option.isNone(yield* a.engine.get("gone")))
      // The other one sees it by gossip, the majority does not yet.
      yield* heard.until("k=2")
      assert.strictEqual(text(yield* agreed.get("k")), "agreed")
      assert.isAtLeast((yield* a.engine.status).pending, 2)
      assert.isFalse((yield* a.engine.status).healthy)
      yield* mend(a.line)
      yield* mend(b.line)
      yield* eventually(Effect.map(agreed.get("k"), (entry) => text(entry) === "2"))
      yield* eventually(Effect.map(agreed.get("gone"), Option.isNone))
      for (const { engine } of [a, b]) {
        yield* eventually(Effect.map(engine.status, ({ pending }) => pending === 0))
        assert.strictEqual(text(yield* engine.get("k")), "2")
      }
      assert.deepStrictEqual(yield* agreed.list("conflicts/"), [])
    })
  )

  live(
    "lets others bring the writes of a node before the majority that it does not reach itself",
    Effect.gen(function* () {
      const { a, agreed } = yield* two("relay")
      a.line.cut()
      yield* a.engine.put("k", bytes("1"))
      yield* eventually(Effect.map(agreed.get("k"), (entry) => text(entry) === "1"))
      // Built on the one before, though this node was never told that it was agreed on.
      yield* a.engine.put("k", bytes("2"))
      yield* eventually(Effect.map(agreed.get("k"), (entry) => text(entry) === "2"))
      assert.deepStrictEqual(yield* agreed.list("conflicts/"), [])
      yield* eventually(Effect.map(a.engine.status, ({ pending }) => pending === 0))
    })
  )

  live(
    "keeps what was agreed on meanwhile, and the write that lost for a person to look at",
    Effect.gen(function* () {
      const { a, agreed, b } = yield* two("lost")
      yield* a.engine.put("k", bytes("0"))
      yield* eventually(Effect.map(b.engine.get("k"), Option.isSome))
      a.line.cut()
      b.line.cut()
      yield* a.engine.put("k", bytes("cut off"))
      yield* agreed.put("k", bytes("agreed"))
      yield* mend(a.line)
      yield* mend(b.line)
      yield* eventually(Effect.map(agreed.list("conflicts/k/"), (entries) => entries.length === 1))
      const [lost] = yield* agreed.list("conflicts/k/")
      assert.include(Buffer.from(lost?.value ?? []).toString(), Buffer.from("cut off").toString("base64"))
      assert.strictEqual(text(yield* agreed.get("k")), "agreed")
      for (const { engine } of [a, b]) {
        yield* eventually(Effect.map(engine.get("k"), (entry) => text(entry) === "agreed"))
      }
    })
  )

  live(
    "does not decide without a majority",
    Effect.gen(function* () {
      const { a } = yield* two("decide")
      a.line.cut()
      const set = yield* Effect.flip(a.engine.compareAndSet("k", Option.none(), bytes("1")))
      assert.include(["StoreUnreachable", "OutcomeUnknown"], set._tag)
      const ephemeral = yield* Effect.flip(a.engine.put("k", bytes("1"), { ephemeral: true }))
      assert.include(["StoreUnreachable", "OutcomeUnknown"], ephemeral._tag)
      assert.strictEqual((yield* Effect.flip(a.engine.check))._tag, "StoreUnreachable")
      yield* mend(a.line)
      yield* eventually(Effect.map(a.engine.status, ({ healthy }) => healthy))
      yield* a.engine.put("k", bytes("1"))
    })
  )

  live(
    "decides by what was pending too, once that is agreed on",
    Effect.gen(function* () {
      const { a, b } = yield* two("after")
      a.line.cut()
      b.line.cut()
      yield* a.engine.put("k", bytes("pending"))
      const stale = Option.map(yield* a.engine.get("k"), ({ version }) => version)
      yield* mend(a.line)
      yield* eventually(Effect.map(a.engine.status, ({ healthy }) => healthy))
      assert.strictEqual((yield* Effect.flip(a.engine.compareAndSet("k", stale, bytes("2"))))._tag, "Conflict")
      const now = Option.getOrThrow(yield* a.engine.get("k"))
      assert.strictEqual(text(Option.some(now)), "pending")
      yield* a.engine.compareAndSet("k", Option.some(now.version), bytes("2"))
      assert.strictEqual(text(yield* a.engine.get("k")), "2")
    })
  )
})
