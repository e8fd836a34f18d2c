/** What tasks have printed, as it is kept: pieces in order, the oldest of a stream taken away when there is too much. */
import type { PgClient } from "@effect/sql-pg"
import type { Tasks } from "@novacron/api"
import { Effect } from "effect"
import type { SqlError } from "effect/sql"

/** A piece, and under which fence its task runs: what a node prints that was given up is not kept. */
export interface Piece {
  readonly task: string
  readonly fence: string
  readonly position: number
  /** Bytes of its text in UTF-8. */
  readonly size: number
  readonly stream: Tasks.Output["stream"]
  readonly text: string
}

/** Everything of a stream before a position. */
export interface Cut {
  readonly task: string
  readonly stream: Tasks.Output["stream"]
  readonly before: number
}

type Sql<A> = Effect.Effect<A, SqlError.SqlError>

export interface OutputTable {
  readonly append: (pieces: ReadonlyArray<Piece>, cuts: ReadonlyArray<Cut>) => Sql<void>
  /** The position behind everything a task has printed. */
  readonly end: (task: string) => Sql<number>
  /** Some pieces that reach beyond an offset, in order. */
  readonly read: (task: string, offset: number) => Sql<ReadonlyArray<Tasks.Output>>
}

export const make = (sql: PgClient.PgClient): OutputTable => ({
  append: (pieces, cuts) =>
    Effect.asVoid(sql`
      WITH cut AS (
        DELETE FROM novacron_output o USING
          jsonb_to_recordset(${JSON.stringify(cuts)}::text::jsonb) AS c (task uuid, stream text, before bigint)
        WHERE o.task_id = c.task AND o.stream = c.stream AND o.position < c.before
      )
      INSERT INTO novacron_output (task_id, position, size, stream, text)
      SELECT p.task, p.position, p.size, p.stream, p.text
      FROM jsonb_to_recordset(${JSON.stringify(pieces)}::text::jsonb)
        AS p (task uuid, fence bigint, position bigint, size int, stream text, text text)
      JOIN novacron_tasks t ON t.id = p.task AND t.fence = p.fence AND t.state = 'running'
      ON CONFLICT DO NOTHING`),
  end: (task) =>
    Effect.map(
      sql<{ readonly end: number | null }>`
        SELECT max(position + size)::float8 AS "end" FROM novacron_output WHERE task_id = ${task}::text::uuid`,
      ([row]) => row?.end ?? 0
    ),
  read: (task, offset) =>
    Effect.map(
      sql<Omit<Tasks.Output, "task">>`
        SELECT position::float8 AS "offset", stream, text FROM novacron_output
        WHERE task_id = ${task}::text::uuid AND position + size > ${offset}::float8 ORDER BY position LIMIT 32`,
      (rows) => rows.map((row) => ({ task, ...row }))
    )
})
