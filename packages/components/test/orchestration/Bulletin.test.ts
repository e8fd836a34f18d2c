import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Queue, Schedule } from "effect"
import * as Bulletin from "../../src/orchestration/Bulletin.ts"
import { Postgres } from "../database/Postgres.ts"
import { tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

describe("Bulletin", () => {
  it.live("tells what the database tells, and that something was missed when its connection was cut", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { sql } = yield* tables(server.url())
        const bulletin = yield* Bulletin.make(sql)
        const heard = yield* Queue.unbounded<Bulletin.News>()
        yield* bulletin.hear((news) => void Queue.offerUnsafe(heard, news))
        const first = (yield* Queue.take(heard))._tag
        assert.strictEqual(first, "Gap")
        yield* sql`SELECT pg_notify('novacron', 'anode-7'), pg_notify('novacron', 'c1,2'), pg_notify('novacron', '?')`
        yield* sql`SELECT pg_notify('novacron', 'o3'), pg_notify('novacron', 'q')`
        assert.deepStrictEqual(yield* Queue.takeN(heard, 4), [
          { _tag: "Agent", node: "node-7" },
          { _tag: "Changed", tasks: ["1", "2"] },
          { _tag: "Printed", tasks: ["3"] },
          { _tag: "Queue" }
        ])
        yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`
        const gap = yield* Queue.take(heard)
        assert.strictEqual(gap._tag, "Gap")
        yield* Effect.repeat(sql`SELECT pg_notify('novacron', 'q')`, { schedule: Schedule.recurs(0) })
        assert.deepStrictEqual(yield* Queue.take(heard), { _tag: "Queue" })
      })
    )
  )
})
