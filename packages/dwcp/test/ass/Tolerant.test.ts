import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Deferred, Effect, Exit, Option, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Ass from "../../src/ass/Ass.ts"
import * as Tolerant from "../../src/ass/Tolerant.ts"
import { eventually, platform } from "../group/fixtures/nodes.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { violations } from "./fixtures/Linearizable.ts"
import { record } from "./fixtures/record.ts"
import * as Members from "./fixtures/tolerant.ts"

const patience = 120_000

let scope: Scope.Closeable
let five: Effect.Success<ReturnType<typeof Members.cluster>>
const free = [3, 4]
beforeAll(async () => {
  scope = Scope.makeUnsafe()
  five = await Effect.runPromise(
    Effect.gen(function* () {
      // Nobody is to be doubted because this machine is busy.
      const made = yield* Members.cluster(5, { viewChange: "30s" })
      for (let k = 0; k < 3; k++) yield* made.open(k)
      return made
    }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(platform))
  )
}, patience)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), patience)

/** Three are always there; of two others that come and go one makes a quorum. */
const open = Effect.gen(function* () {
  const k = yield* Effect.acquireRelease(
    Effect.sync(() => free.shift() ?? 0),
    (k) => Effect.sync(() => void free.push(k))
  )
  const engine = Ass.bounded({ maxValue: ByteSize.bytes(1_048_576) }, yield* five.open(k))
  // On its way to the others.
  yield* engine.get("k")
  return engine
})

contract("pbft", open, { compareAndSet: true, ephemeral: true })

describe("pbft", () => {
  it.live(
    "lets clients of all members see one history, while the primary goes away in the middle",
    () =>
      Effect.gen(function* () {
        const { start } = yield* Members.cluster(4)
        const four = yield* Effect.all([0, 1, 2, 3].map(start))
        const now = yield* Deferred.make<void>()
        const [primary, ...others] = four
        const gone = yield* Effect.forkScoped(
          Effect.andThen(Deferred.await(now), Scope.close(primary!.scope, Exit.void))
        )
        const history = yield* record({
          clients: others.flatMap(({ engine }) => [engine, engine]),
          keys: ["a", "b", "c"],
          each: 25,
          seed: 5,
          progress: (count) => {
            if (count === 60) Deferred.doneUnsafe(now, Effect.void)
          }
        })
        assert.isDefined(gone.pollUnsafe(), "the primary was closed")
        assert.isAbove(history.filter(({ ended }) => ended !== undefined).length, 140)
        assert.deepStrictEqual(violations(history), [])
        const { decisions } = yield* others[0]!.engine.status
        assert.isAtLeast(decisions!.view, 1)
        assert.deepInclude(decisions, { members: 4, faults: 1, silent: [0] })
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )

  it.live(
    "decides nothing while too many are gone, says who, and goes on when one is back with what it missed",
    () =>
      Effect.gen(function* () {
        const { start } = yield* Members.cluster(4, { checkpointEvery: 5 })
        const [a, b, c, d] = yield* Effect.all([0, 1, 2, 3].map(start))
        yield* a!.engine.put("k", bytes("1"))
        yield* Scope.close(d!.scope, Exit.void)
        // More than a checkpoint: what the fourth has missed it gets as a state.
        for (let k = 2; k < 30; k++) yield* a!.engine.put("k", bytes(`${k}`))
        yield* a!.engine.put("more", bytes("1"))
        yield* a!.engine.delete("more")
        yield* Scope.close(c!.scope, Exit.void)
        yield* eventually(Effect.map(a!.engine.status, ({ healthy }) => assert.isFalse(healthy)))
        yield* eventually(Effect.map(b!.engine.status, ({ healthy }) => assert.isFalse(healthy)))
        const refused = yield* Effect.flip(a!.engine.put("k", bytes("lost")))
        assert.strictEqual(refused._tag, "StoreUnreachable")
        assert.strictEqual((yield* Effect.flip(b!.engine.get("k")))._tag, "StoreUnreachable")
        const status = yield* a!.engine.status
        assert.include(status.detail, "2 of 4 replicas are reached, 3 are needed")
        assert.match(status.detail, /view \d+, primary \d \(127\.0\.0\.1:\d+\), f = 1 of 4/)
        assert.strictEqual((yield* Effect.flip(a!.engine.check))._tag, "StoreUnreachable")
        const back = yield* start(3)
        const heard = yield* listening(back.engine, "")
        assert.strictEqual(yield* heard.next, "k=29")
        assert.strictEqual(yield* heard.next, "current")
        yield* a!.engine.put("k", bytes("again"))
        assert.strictEqual(yield* heard.next, "k=again")
        assert.strictEqual(text(yield* back.engine.get("k")), "again")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )

  it.live(
    "takes one that is cut off for gone, and puts again what was its own when it is back, but not over those of others",
    () =>
      Effect.gen(function* () {
        const { cut, open } = yield* Members.cluster(4)
        const [a, b, , d] = yield* Effect.all([0, 1, 2, 3].map(open))
        yield* d!.put("here", bytes("d"), { ephemeral: true })
        yield* d!.put("seat", bytes("d"), { ephemeral: true })
        yield* d!.put("stays", bytes("d"))
        cut(3, true)
        yield* eventually(
          Effect.map(a!.get("here"), (entry) => assert.isTrue(Option.isNone(entry), "its keys go with its lease"))
        )
        yield* b!.compareAndSet("seat", Option.none(), bytes("b"))
        // On its side nobody decides anything, and it says so.
        yield* eventually(Effect.map(d!.status, ({ healthy }) => assert.isFalse(healthy)))
        assert.strictEqual((yield* Effect.flip(d!.get("here")))._tag, "StoreUnreachable")
        const heard = yield* listening(a!, "here")
        assert.strictEqual(yield* heard.next, "current")
        cut(3, false)
        assert.strictEqual(yield* heard.next, "here=d")
        for (const engine of [a!, d!]) {
          const entries = yield* engine.list("")
          assert.deepStrictEqual(
            entries.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`),
            ["here=d", "seat=b", "stays=d"]
          )
        }
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )

  it.live(
    "refuses what is too large for a proposal, before it is one",
    () =>
      Effect.gen(function* () {
        const engine = yield* open
        const refused = yield* Effect.flip(engine.put("k", new Uint8Array(100_000)))
        assert.strictEqual(refused._tag, "RequestRefused")
        assert.include(refused.message, "maxProposal")
        assert.isTrue(Option.isNone(yield* engine.get("k")))
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "cannot be had by a node whose key is that of no member",
    () =>
      Effect.gen(function* () {
        const { optionsOf } = yield* Members.cluster(4)
        const stranger = Tolerant.make(optionsOf(0, Members.pair().privateKey))
        const error = yield* Effect.flip(Effect.scoped(stranger))
        assert.strictEqual(error.code, "NVC-4407")
        assert.include(error.message, "not that of a member")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )
})

describe("what stands in for it where v1 is spoken", () => {
  it.effect("refuses everything, and says why", () =>
    Effect.gen(function* () {
      const engine = Tolerant.refusing("this node speaks v1")
      for (const refused of [
        yield* Effect.flip(engine.put("k", bytes("1"))),
        yield* Effect.flip(engine.get("k")),
        yield* Effect.flip(engine.compareAndSet("k", Option.none(), bytes("1")))
      ]) {
        assert.strictEqual(refused._tag, "NotPromised")
        assert.include(refused.message, "this node speaks v1")
      }
      yield* engine.check
      assert.isFalse((yield* engine.status).healthy)
    })
  )
})
