import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect } from "effect"
import * as fc from "fast-check"
import * as Etcd from "../../src/ass/Etcd.ts"
import * as Local from "../../src/ass/Local.ts"
import { EtcdCluster } from "./fixtures/etcd.ts"
import { after, type Act, type Operation, type Value, violations } from "./fixtures/Linearizable.ts"
import { Postgres } from "./fixtures/postgres.ts"
import { record } from "./fixtures/record.ts"

const write = (value: Value, began: number, ended?: number): Operation => ({
  key: "k",
  act: { _tag: "Write", value },
  began,
  ended
})
const read = (saw: Value, began: number, ended: number): Operation => ({
  key: "k",
  act: { _tag: "Read", saw },
  began,
  ended
})
const swap = (expected: Value, value: Value, done: boolean, began: number, ended?: number): Operation => ({
  key: "k",
  act: { _tag: "Swap", expected, value, done },
  began,
  ended
})

describe("the checker", () => {
  const ok = (...history: ReadonlyArray<Operation>) => assert.deepStrictEqual(violations(history), [])
  const wrong = (...history: ReadonlyArray<Operation>) => assert.deepStrictEqual(violations(history), ["k"])

  it("accepts what could have been", () => {
    ok()
    ok(write("1", 0, 1), read("1", 2, 3))
    // At the same time: before or after.
    ok(write("1", 0, 10), read(undefined, 1, 2), read("1", 3, 4))
    ok(write("1", 0, 10), write("2", 0, 10), read("2", 11, 12), read("2", 13, 14))
    ok(swap(undefined, "1", true, 0, 5), swap(undefined, "2", false, 1, 6), read("1", 7, 8))
  })

  it("finds a read of what was overwritten before", () => {
    wrong(write("1", 0, 1), write("2", 2, 3), read("1", 4, 5))
  })

  it("finds an acknowledged write that was lost", () => {
    wrong(write("1", 0, 1), read(undefined, 2, 3))
  })

  it("finds two reads that disagree about the order", () => {
    wrong(write("1", 0, 10), write("2", 0, 10), read("1", 11, 12), read("2", 13, 14))
    wrong(write("1", 0, 10), read("1", 1, 2), read(undefined, 3, 4))
  })

  it("finds a swap that two won, and one that was refused without a reason", () => {
    wrong(swap(undefined, "1", true, 0, 5), swap(undefined, "2", true, 1, 6))
    wrong(write("1", 0, 1), swap("1", "2", false, 2, 3))
  })

  it("finds a value that nobody wrote", () => {
    wrong(read("x", 0, 1))
  })

  it("lets a write whose outcome nobody knows happen at any time after it began, or never, and once", () => {
    ok(write("1", 0), read(undefined, 1, 2), read("1", 50, 51))
    ok(write("1", 0), read(undefined, 50, 51))
    wrong(write("1", 5), read("1", 0, 1))
    wrong(write("1", 0), write("2", 1, 2), read("1", 3, 4), write("3", 5, 6), read("1", 7, 8))
  })

  it("looks at each key for itself", () => {
    const other = { ...read("x", 0, 1), key: "other" }
    assert.deepStrictEqual(violations([write("1", 0, 1), other, read("1", 2, 3)]), ["other"])
  })

  it("says the same as trying all orders", () => {
    const value = fc.constantFrom<Value>("1", "2", undefined)
    const act: fc.Arbitrary<Act> = fc.oneof(
      fc.record({ _tag: fc.constant("Read" as const), saw: value }),
      fc.record({ _tag: fc.constant("Write" as const), value }),
      fc.record({ _tag: fc.constant("Swap" as const), expected: value, value, done: fc.boolean() })
    )
    const operation = fc
      .tuple(act, fc.nat({ max: 12 }), fc.nat({ max: 6 }), fc.boolean())
      .map(([it, began, lasts, known]): Operation => {
        const isKnown = known || it._tag === "Read"
        return { key: "k", act: it, began, ended: isKnown ? began + lasts + 0.5 : undefined }
      })
    let [right, bad] = [0, 0]
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), (history) => {
        const expected = byTrying(history, undefined)
        if (expected) right++
        else bad++
        assert.strictEqual(violations(history).length === 0, expected)
      }),
      { numRuns: 2000 }
    )
    assert.isAbove(Math.min(right, bad), 100)
  })

  /** Every order that keeps to the clock. */
  const byTrying = (left: ReadonlyArray<Operation>, value: Value): boolean =>
    left.every(({ ended }) => ended === undefined) ||
    left.some((one, i) => {
      const rest = left.filter((_, j) => j !== i)
      if (rest.some(({ ended }) => ended !== undefined && ended < one.began)) return false
      const next = after(value, one.act)
      return next !== undefined && byTrying(rest, next.value)
    })
})

describe("what clients see is linearizable", () => {
  const keys = ["a", "b", "c"]

  for (const seed of [1, 2]) {
    it.live(
      `on an etcd of three whose leader is killed in the middle (seed ${seed})`,
      () =>
        Effect.gen(function* () {
          const cluster = yield* Effect.acquireRelease(
            Effect.promise(() => EtcdCluster.start(3)),
            (it) => Effect.promise(() => it.stop())
          )
          const open = Etcd.make({
            endpoints: cluster.endpoints,
            pki: Effect.succeed({}),
            attempt: Duration.seconds(1),
            timeout: Duration.seconds(10),
            namespace: "history",
            lease: Duration.seconds(2)
          })
          const clients = yield* Effect.all([open, open, open, open, open])
          const now = yield* Deferred.make<void>()
          const killed = yield* Effect.forkScoped(
            Effect.andThen(
              Deferred.await(now),
              Effect.promise(() => cluster.kill(cluster.leader()))
            )
          )
          const history = yield* record({
            clients,
            keys,
            each: 150,
            seed,
            progress: (count) => {
              if (count === 250) Deferred.doneUnsafe(now, Effect.void)
            }
          })
          assert.isDefined(killed.pollUnsafe(), "the leader was killed")
          // It would also hold of a history in which nothing succeeded.
          assert.isAbove(history.filter(({ ended }) => ended !== undefined).length, 500)
          assert.isAbove(new Set(history.flatMap(({ act }) => (act._tag === "Read" ? [act.saw] : []))).size, 50)
          assert.deepStrictEqual(violations(history), [])
        }).pipe(Effect.scoped),
      60_000
    )
  }

  it.live(
    "on the database of a node that is alone",
    () =>
      Effect.gen(function* () {
        const postgres = yield* Effect.acquireRelease(
          Effect.promise(() => Postgres.start()),
          (it) => Effect.promise(() => it.stop())
        )
        const sql = yield* postgres.client
        const open = Local.make({ sql, namespace: "history", poll: Duration.seconds(1), lease: Duration.seconds(10) })
        const clients = yield* Effect.all([open, open, open])
        const history = yield* record({ clients, keys, each: 60, seed: 3 })
        assert.isAbove(history.length, 180)
        assert.deepStrictEqual(violations(history), [])
      }).pipe(Effect.scoped),
    60_000
  )
})
