import { afterAll, assert, beforeAll, describe, it as plain } from "vitest"
import { it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import * as Catalog from "../../src/database/Catalog.ts"
import { Postgres } from "./Postgres.ts"
import { connected } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const prepared = [
  "CREATE TABLE things (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'x', size integer)",
  "CREATE INDEX things_name ON things (name)",
  "ALTER TABLE things ADD CONSTRAINT things_size CHECK (size > 0)"
]

/** What somebody might do to a schema, what names it, and how it is put right again. */
const tamperings: ReadonlyArray<readonly [change: string, object: string, found: string, back: string]> = [
  [
    "ALTER TABLE things ALTER size TYPE bigint",
    "column things.size",
    "bigint",
    "ALTER TABLE things ALTER size TYPE integer"
  ],
  [
    "ALTER TABLE things ALTER name DROP NOT NULL",
    "column things.name",
    "text default 'x'::text",
    "ALTER TABLE things ALTER name SET NOT NULL"
  ],
  [
    "ALTER TABLE things ALTER name DROP DEFAULT",
    "column things.name",
    "text not null",
    "ALTER TABLE things ALTER name SET DEFAULT 'x'"
  ],
  ["ALTER TABLE things DROP CONSTRAINT things_size", "constraint things.things_size", "gone", prepared[2] ?? ""],
  ["DROP INDEX things_name", "index things_name", "gone", prepared[1] ?? ""],
  ["ALTER TABLE things SET UNLOGGED", "table things", "unlogged table", "ALTER TABLE things SET LOGGED"]
]

describe("the catalog", () => {
  it.live("names the object that was changed, and nothing when nothing was", () =>
    connected(
      server.url(),
      Effect.fnUntraced(function* (sql) {
        yield* Effect.forEach(prepared, (text) => sql.unsafe(text))
        const promised = yield* Catalog.live(sql)
        assert.strictEqual(promised.get("column things.id"), "bigint not null identity always")
        for (const [change, object, found, back] of tamperings) {
          yield* sql.unsafe(change)
          const difference = Catalog.difference(promised, yield* Catalog.live(sql))
          assert.deepStrictEqual(
            Option.map(difference, (it) => [it.object, it.found, it.expected]),
            Option.some([object, found, promised.get(object)]),
            change
          )
          yield* sql.unsafe(back)
          assert.deepStrictEqual(Catalog.difference(promised, yield* Catalog.live(sql)), Option.none(), back)
        }
      })
    )
  )

  it.live("leaves alone what nobody has promised", () =>
    connected(
      server.url(),
      Effect.fnUntraced(function* (sql) {
        const promised = yield* Catalog.live(sql)
        assert.isAbove(promised.size, 0)
        yield* sql`CREATE INDEX an_operators ON things (size)`
        yield* sql`CREATE TABLE somebody_elses (id integer)`
        assert.deepStrictEqual(Catalog.difference(promised, yield* Catalog.live(sql)), Option.none())
      })
    )
  )
})

const catalog = fc.dictionary(
  fc.constantFrom("table a", "table b", "column a.x", "column b.y", "index i", "trigger a.t"),
  fc.constantFrom("one", "two", "three")
)

plain("nothing differs exactly when all that was promised is there unchanged", () => {
  fc.assert(
    fc.property(catalog, catalog, (promised, live) => {
      const found = Catalog.difference(new Map(Object.entries(promised)), new Map(Object.entries(live)))
      const wrong = Object.entries(promised).filter(([object, it]) => live[object] !== it)
      assert.strictEqual(Option.isSome(found), wrong.length > 0)
      if (Option.isNone(found)) return
      assert.strictEqual(found.value.others, wrong.length - 1)
      assert.strictEqual(found.value.expected, promised[found.value.object])
      // The table stands for what is in it.
      const isTable = wrong.some(([object]) => object.startsWith("table "))
      assert.strictEqual(found.value.object.startsWith("table "), isTable)
    })
  )
})
