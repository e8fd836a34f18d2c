import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Schedule, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Local from "../../src/ass/Local.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { Postgres } from "./fixtures/postgres.ts"

const patience = 60_000

let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
}, patience)
afterAll(() => postgres.stop(), patience)

const client = Effect.suspend(() => Effect.orDie(postgres.client))
const lease = Duration.seconds(10)
const open = Effect.flatMap(client, (sql) => Local.make({ sql, namespace: "test", poll: Duration.seconds(1), lease }))

contract("alone", open, { compareAndSet: true, ephemeral: true })

describe("alone", () => {
  it.live(
    "asks the database for nothing when it closes, unless it keeps something that goes with it",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        let begun = 0
        const withTransaction: typeof sql.withTransaction = (effect) => {
          begun++
          return sql.withTransaction(effect)
        }
        const counted = Object.assign(sql.bind(undefined), sql, { withTransaction })
        const given = { sql: counted, namespace: "leaving", poll: Duration.hours(1), lease }
        const life = (ephemeral: boolean) =>
          Effect.scoped(
            Effect.gen(function* () {
              const mine = yield* Local.make(given)
              yield* mine.put("k", bytes("1"), { ephemeral })
              // Before its own, once in a life it looks for marks that everyone has seen go.
              yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => begun === 3 })
              begun = 0
            })
          )
        yield* life(false)
        assert.strictEqual(begun, 0)
        const other = yield* Local.make({ ...given, sql })
        assert.strictEqual(text(yield* other.get("k")), "1")
        yield* life(true)
        assert.strictEqual(begun, 1)
        assert.isTrue(Option.isNone(yield* other.get("k")))
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "hears of the writes of another process by its database, and does not wait for the next look",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        const queue = yield* sql.listen(Local.channel)
        const looksNever = { namespace: "wake", poll: Duration.hours(1), lease }
        const mine = yield* Local.make({ sql, ...looksNever, wake: Stream.fromQueue(queue) })
        const other = yield* Local.make({ sql: yield* client, ...looksNever })
        const heard = yield* listening(mine, "")
        assert.strictEqual(yield* heard.next, "current")
        yield* other.put("k", bytes("1"))
        assert.strictEqual(yield* heard.next, "k=1")
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "looks for the writes of another process where nobody tells it",
    () =>
      Effect.gen(function* () {
        const room = { namespace: "poll", poll: Duration.millis(50), lease }
        const mine = yield* Local.make({ sql: yield* client, ...room })
        const other = yield* Local.make({ sql: yield* client, ...room })
        const heard = yield* listening(mine, "")
        assert.strictEqual(yield* heard.next, "current")
        yield* other.put("k", bytes("1"))
        assert.strictEqual(yield* heard.next, "k=1")
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "tells who slept the difference when the marks of deleted keys are gone",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        const mine = yield* Local.make({ sql, namespace: "marks", poll: Duration.hours(1), lease })
        yield* mine.put("a", bytes("1"))
        const heard = yield* listening(mine, "")
        yield* heard.until("current")
        // As another process would, an hour ago.
        yield* sql`UPDATE dwcp_state_clock SET revision = 5, trimmed = 4 WHERE namespace = 'marks'`
        yield* sql`DELETE FROM dwcp_state WHERE namespace = 'marks'`
        yield* mine.put("b", bytes("1"))
        assert.deepStrictEqual([yield* heard.next, yield* heard.next], ["-a", "b=1"])
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "keeps what was acknowledged when its database is started again, and its watchers go on",
    () =>
      Effect.gen(function* () {
        const engine = yield* Local.make({ sql: yield* client, namespace: "again", poll: Duration.millis(100), lease })
        yield* engine.put("a", bytes("1"))
        const heard = yield* listening(engine, "")
        yield* heard.until("current")
        yield* Effect.promise(() => postgres.down())
        assert.include(["StoreUnreachable", "OutcomeUnknown"], (yield* Effect.flip(engine.put("a", bytes("2"))))._tag)
        assert.isFalse((yield* engine.status).healthy)
        yield* Effect.promise(() => postgres.up())
        yield* Effect.retry(engine.check, Schedule.spaced("50 millis"))
        assert.strictEqual(text(yield* engine.get("a")), "1")
        yield* engine.put("b", bytes("1"))
        assert.strictEqual(yield* heard.until("b=1"), "b=1")
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "leaves the ephemeral keys of another node of its database alone while that one lives, and no longer than its lease",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        const room = { sql, namespace: "sessions", poll: Duration.millis(50) }
        const mine = yield* Local.make({ ...room, lease })
        yield* mine.put("mine", bytes("1"), { ephemeral: true })
        // Each node that starts looks for those of the dead, and goes on to do so.
        const other = yield* Local.make({ ...room, lease: Duration.seconds(3) })
        yield* other.put("other", bytes("1"), { ephemeral: true })
        yield* Effect.sleep("4 seconds")
        const keys = Effect.map(mine.list(""), (entries) => entries.map(({ key }) => key))
        assert.deepStrictEqual(yield* keys, ["mine", "other"])
        // As one that was killed left them: nobody renews the first, and of the second there is no session.
        yield* sql`INSERT INTO dwcp_state_session VALUES ('sessions', 'dead', clock_timestamp() + interval '1 second')`
        yield* sql`INSERT INTO dwcp_state (namespace, key, value, version, owner)
          VALUES ('sessions', 'dead', '1', 3, 'dead'), ('sessions', 'older', '1', 3, 'nobody')`
        const left = yield* Effect.repeat(keys, { until: ({ length }) => length <= 2, schedule: Schedule.spaced(50) })
        assert.deepStrictEqual(left, ["mine", "other"])
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "puts its ephemeral keys again when it was taken for dead, but not over those of others",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        const room = { sql, namespace: "frozen", poll: Duration.millis(50), lease: Duration.seconds(3) }
        const mine = yield* Local.make(room)
        yield* mine.put("mine", bytes("1"), { ephemeral: true })
        yield* mine.put("taken", bytes("1"), { ephemeral: true })
        yield* mine.put("swapped", bytes("1"), { ephemeral: true })
        yield* mine.transaction({ when: [], perform: [{ _tag: "Delete", key: "swapped" }] })
        const other = yield* Local.make(room)
        const heard = yield* listening(other, "")
        yield* heard.until("current")
        // What another node does with one that stands still, all in one moment.
        const dies = (version: number) =>
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`SELECT FROM dwcp_state_clock WHERE namespace = 'frozen' FOR UPDATE`
              yield* sql`DELETE FROM dwcp_state_session WHERE namespace = 'frozen'`
              yield* sql`UPDATE dwcp_state SET value = NULL, owner = NULL, version = ${version}
                WHERE namespace = 'frozen'`
              yield* sql`UPDATE dwcp_state SET value = '2' WHERE namespace = 'frozen' AND key = 'taken'`
              yield* sql`UPDATE dwcp_state_clock SET revision = ${version} WHERE namespace = 'frozen'`
            })
          )
        const all = Effect.map(other.list(""), (entries) =>
          entries.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`)
        )
        yield* dies(10)
        yield* heard.until("mine=1")
        assert.deepStrictEqual(yield* all, ["mine=1", "taken=2"])
        // A write comes first, and brings the others.
        yield* dies(20)
        yield* mine.put("more", bytes("3"), { ephemeral: true })
        assert.deepStrictEqual(yield* all, ["mine=1", "more=3", "taken=2"])
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "keeps the rooms of two clusters apart",
    () =>
      Effect.gen(function* () {
        const sql = yield* client
        const [a, b] = [
          yield* Local.make({ sql, namespace: "one", poll: Duration.hours(1), lease }),
          yield* Local.make({ sql, namespace: "two", poll: Duration.hours(1), lease })
        ]
        yield* a.put("k", bytes("1"))
        assert.deepStrictEqual(yield* b.list(""), [])
      }).pipe(Effect.scoped),
    patience
  )
})
