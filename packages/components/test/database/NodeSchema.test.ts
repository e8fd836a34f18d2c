import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import * as Migration from "../../src/database/Migration.ts"
import { migrations } from "../../src/database/NodeSchema.ts"
import { Postgres } from "./Postgres.ts"
import { connected, placeOf } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

describe("the node's own tables", () => {
  it.live("are made, and take nodes and tasks that make sense, and no others", () =>
    connected(
      server.url(),
      Effect.fnUntraced(function* (sql) {
        assert.isUndefined(Migration.mistake(migrations))
        const options = { migrations, enabled: true, lockTimeoutMs: 1_000, place: placeOf(server.url()) }
        assert.lengthOf((yield* Migration.apply(sql, options)).applied, 2)
        assert.deepStrictEqual(yield* Migration.applyDeferred(sql, options), ["3 (waiting tasks in order)"])

        yield* sql`INSERT INTO novacron_nodes (id, environment, version) VALUES ('n1', 'development', '0.1.0')`
        yield* sql`INSERT INTO novacron_tasks (kind, node_id) VALUES ('start-vm', 'n1')`
        assert.deepStrictEqual(yield* sql`SELECT kind, payload, state, attempts, node_id AS node FROM novacron_tasks`, [
          { kind: "start-vm", payload: {}, state: "waiting", attempts: 0, node: "n1" }
        ])
        const bad = yield* Effect.flip(sql`INSERT INTO novacron_tasks (kind, state) VALUES ('start-vm', 'lost')`)
        assert.strictEqual(bad.reason._tag, "ConstraintError")
        const nobody = yield* Effect.flip(sql`INSERT INTO novacron_tasks (kind, node_id) VALUES ('start-vm', 'n2')`)
        assert.strictEqual(nobody.reason._tag, "ConstraintError")
        yield* sql`DELETE FROM novacron_nodes` // the tasks of a node that is gone are there for others
        assert.deepStrictEqual(yield* sql`SELECT node_id AS node FROM novacron_tasks`, [{ node: null }])
      })
    )
  )
})
