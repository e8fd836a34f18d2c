import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Database, Orchestration } from "../../src/index.ts"
import * as Migration from "../../src/database/Migration.ts"
import { Postgres } from "../database/Postgres.ts"
import { connected, placeOf } from "../database/Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

describe("TaskSchema", () => {
  it.live("goes onto the tables of the node, once, with the deferred migrations before and after it", () =>
    connected(server.url(), (sql) =>
      Effect.gen(function* () {
        const options = (migrations: ReadonlyArray<Database.Migration>): Migration.Options => ({
          migrations,
          enabled: true,
          lockTimeoutMs: 10_000,
          place: placeOf(server.url())
        })
        const all = options([...Database.migrations, ...Orchestration.migrations])
        yield* Migration.apply(sql, options(Database.migrations))
        assert.deepStrictEqual((yield* Migration.apply(sql, all)).applied, ["2701 (orchestration)"])
        assert.deepStrictEqual((yield* Migration.apply(sql, all)).applied, [])
        assert.deepStrictEqual(yield* Migration.applyDeferred(sql, all), ["3 (waiting tasks in order)"])
        assert.deepStrictEqual((yield* Migration.apply(sql, all)).applied, [])
      })
    )
  )
})
