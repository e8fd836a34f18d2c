/**
 * What the database really consists of, object by object, as PostgreSQL itself describes it; and where that differs from
 * what the migrations have made of it.
 *
 * **Details**
 *
 * Each object has a name (`column novacron_nodes.id`) and a definition (`text not null`). Migrations keep the definitions
 * of what they make in the table `novacron_schema`, in the same transaction. Objects that no migration has made are
 * nobody's business here: an operator's index does no harm.
 */
import { Effect, Option } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { SchemaDiffers } from "./DatabaseError.ts"

/** Definitions by the names of objects. */
export type Catalog = ReadonlyMap<string, string>

/** Tables, views, columns, constraints, indexes and triggers in the first schema of the search path. */
export const live = (sql: SqlClient.SqlClient): Effect.Effect<Catalog, SqlError.SqlError> =>
  Effect.map(
    sql<Row>`
      WITH own AS (
        SELECT oid, relname, relkind, relpersistence FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p', 'v', 'm')
      )
      SELECT 'table ' || relname AS object,
        CASE relpersistence WHEN 'u' THEN 'unlogged ' WHEN 't' THEN 'temporary ' ELSE '' END ||
        CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS definition
      FROM own
      UNION ALL
      SELECT 'column ' || relname || '.' || attname,
        format_type(atttypid, atttypmod) ||
        CASE WHEN attnotnull THEN ' not null' ELSE '' END ||
        CASE attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity' ELSE '' END ||
        coalesce(CASE WHEN attgenerated = '' THEN ' default ' ELSE ' generated as ' END ||
          pg_get_expr(adbin, adrelid), '')
      FROM own JOIN pg_attribute ON attrelid = own.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attnum > 0 AND NOT attisdropped
      UNION ALL
      SELECT 'constraint ' || relname || '.' || conname,
        pg_get_constraintdef(pg_constraint.oid)
      FROM own JOIN pg_constraint ON conrelid = own.oid
      WHERE contype <> 'n' -- the columns tell that
      UNION ALL
      SELECT 'index ' || i.relname,
        pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
      FROM own JOIN pg_index ON indrelid = own.oid JOIN pg_class i ON i.oid = indexrelid
      UNION ALL
      SELECT 'trigger ' || relname || '.' || tgname,
        pg_get_triggerdef(pg_trigger.oid) || CASE tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END
      FROM own JOIN pg_trigger ON tgrelid = own.oid
      WHERE NOT tgisinternal`,
    fromRows
  )

/** What the migrations have promised. */
export const promised = (sql: SqlClient.SqlClient): Effect.Effect<Catalog, SqlError.SqlError> =>
  Effect.map(sql<Row>`SELECT object, definition FROM novacron_schema`, fromRows)

/** The first object, by name, that is not what was promised. Pure. */
export const difference = (promised: Catalog, live: Catalog): Option.Option<SchemaDiffers> => {
  const wrong = [...promised].filter(([object, definition]) => live.get(object) !== definition)
  // Where a table is gone, its columns are as well; the table says it all.
  const [first] = wrong.toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
  if (first === undefined) return Option.none()
  const [object, expected] = first
  const others = wrong.length - 1
  return Option.some(new SchemaDiffers({ object, found: live.get(object) ?? "gone", expected, others }))
}

/** Keeps, in the transaction at hand, what changed between two looks at the catalog. */
export const promise = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  before: Catalog,
  after: Catalog
): Effect.fn.Return<void, SqlError.SqlError> {
  const made = [...after].filter(([object, definition]) => before.get(object) !== definition)
  const gone = [...before.keys()].filter((object) => !after.has(object))
  const [first, ...rest] = made.map(([object, definition]) => ({ object, definition }))
  if (first !== undefined) {
    yield* sql`INSERT INTO novacron_schema ${sql.insert([first, ...rest])}
      ON CONFLICT (object) DO UPDATE SET definition = excluded.definition`
  }
  if (gone.length > 0) yield* sql`DELETE FROM novacron_schema WHERE ${sql.in("object", gone)}`
})

interface Row {
  readonly object: string
  readonly definition: string
}

const fromRows = (rows: ReadonlyArray<Row>): Catalog => new Map(rows.map((row) => [row.object, row.definition]))

const order = ["table", "column", "constraint", "index", "trigger"]
const rank = (object: string): number => order.indexOf(object.slice(0, object.indexOf(" ")))
