/**
 * The durable queue: every step of a task is one statement on its row, and no step is taken twice.
 *
 * **Details**
 *
 * A row has a `fence`, a number that grows whenever the task is placed or taken away. Whoever runs an attempt shows the
 * fence it was given; a node that was given up and does not know it yet changes nothing any more. Statements work on many
 * tasks at once, because a commit costs the same for one as for a hundred.
 *
 * States go `queued → placed → running → succeeded | failed | cancelled`, with `waiting` between two attempts and back to
 * `queued` when a node is lost or leaves.
 *
 * **Gotchas**
 *
 * Parameters go over as text of JSON (`::text::jsonb`), so that the driver does not have to know what is in them.
 */
import type { PgClient } from "@effect/sql-pg"
import type { Tasks } from "@novacron/api"
import { Effect, Option } from "effect"
import type { SqlError } from "effect/sql"
import type { Query } from "./Orchestration.ts"

/** What is asked to be kept. The id is chosen by whoever asks, so that asking twice is asking once. */
export interface Submitted {
  readonly id: string
  readonly by: string
  readonly submission: Tasks.Submission
}

/** What became of it: a task of its own, the one that bears its key, or somebody else's. */
export interface Kept {
  readonly task: Tasks.Task
  /** False when its key belongs to another submission. */
  readonly isSame: boolean
}

/** An attempt that a node has taken, and must show to end it. */
export interface Claimed {
  readonly id: string
  readonly fence: string
  /** From 1, lost ones included. */
  readonly attempt: number
  readonly losses: number
  readonly submission: Tasks.Submission
}

/** An attempt that a node has, or should have. */
export interface Held {
  readonly id: string
  readonly fence: string
  readonly isCancelled: boolean
}

/** How an attempt ended, and what follows. */
export interface Ended {
  readonly id: string
  readonly fence: string
  readonly state: "succeeded" | "failed" | "cancelled" | "waiting" | "queued"
  /** Until it may run again. */
  readonly delayMs: number
  /** The node was lost, or left: this was no failure of the task. */
  readonly isLoss: boolean
  readonly exitCode: number | null
  readonly signal: string | null
  readonly error: string | null
}

/** What the coordinator has to know of a task. */
export interface Candidate {
  readonly id: string
  readonly driver: Tasks.Run["driver"]
  readonly group: string | null
  readonly demand: Tasks.Demand | null
  readonly constraints: Tasks.Constraints | null
  readonly explanation: string | null
}

/** A task that takes room on a node. */
export interface Resident extends Omit<Candidate, "explanation"> {
  readonly node: string
}

/** Where a task goes, or, without a node, why it goes nowhere. */
export interface Decided {
  readonly id: string
  readonly placement: Tasks.Placement
}

type Sql<A> = Effect.Effect<A, SqlError.SqlError>

export interface TaskTable {
  /** In the order given. */
  readonly submit: (given: ReadonlyArray<Submitted>) => Sql<ReadonlyArray<Kept>>
  readonly find: (ids: ReadonlyArray<string>) => Sql<ReadonlyArray<Tasks.Task>>
  /** All that have changed in the last so many milliseconds. */
  readonly changedWithin: (millis: number) => Sql<ReadonlyArray<Tasks.Task>>
  readonly list: (
    query: Query
  ) => Sql<{ readonly tasks: ReadonlyArray<Tasks.Task>; readonly next: Option.Option<string> }>
  /** How many wait, counted up to `limit`. */
  readonly waiting: (limit: number) => Sql<number>
  readonly cancel: (id: string, by: string) => Sql<void>
  /** Takes what is placed on this node, if it is still that incarnation of the node. */
  readonly claim: (node: string, incarnation: string, limit: number) => Sql<ReadonlyArray<Claimed>>
  /** What runs on this node, as the database has it. */
  readonly held: (node: string) => Sql<ReadonlyArray<Held>>
  /** Ends attempts. What is not answered was not theirs any more. */
  readonly end: (ended: ReadonlyArray<Ended>) => Sql<ReadonlyArray<string>>
  readonly candidates: (limit: number) => Sql<ReadonlyArray<Candidate>>
  readonly residents: Sql<ReadonlyArray<Resident>>
  /** In how many milliseconds the next one waiting is due. */
  readonly nextDueMs: Sql<Option.Option<number>>
  readonly place: (decided: ReadonlyArray<Decided>) => Sql<number>
  /** Writes down why these are not placed, and when to look again. */
  readonly explain: (decided: ReadonlyArray<Decided>, againMs: number) => Sql<void>
  /** Takes everything away from a node: `placed` and running ones are queued again. */
  readonly reclaimFrom: (node: string, maxLosses: number, why: string) => Sql<number>
  /** The same for all nodes that have not been seen since then, by the clock of the database. */
  readonly reclaimLost: (sinceMs: number, maxLosses: number) => Sql<number>
  /** Gives back what was placed here and not begun. */
  readonly release: (node: string) => Sql<void>
  /** Forgets tasks that ended so long ago. */
  readonly purge: (olderThanMs: number) => Sql<number>
}

export const make = (sql: PgClient.PgClient): TaskTable => {
  const json = (value: unknown) => sql`${JSON.stringify(value)}::text::jsonb`
  const columns = sql.literal(
    "t.id, t.seq, t.name, t.group_name, t.state, t.version, t.payload, t.submitted_by, t.created_at, t.updated_at, " +
      "t.placement, t.history"
  )
  const now = sql.literal(iso)
  const lost = (why: string) => sql`
    state = CASE
      WHEN t.cancelled_by IS NOT NULL THEN 'cancelled'
      WHEN t.state = 'running' AND t.losses + 1 >= o.most THEN 'failed'
      ELSE 'queued' END,
    due_at = now(),
    fence = t.fence + 1,
    losses = t.losses + (t.state = 'running')::int,
    node_id = NULL,
    version = t.version + 1,
    updated_at = now(),
    history = CASE WHEN t.state = 'running'
      THEN jsonb_set(t.history, '{-1}', (t.history -> -1) ||
        jsonb_build_object('endedAt', ${now}, 'error', ${why}::text))
      ELSE t.history END`

  return {
    submit: Effect.fnUntraced(function* (given) {
      const rows = given.map(({ by, id, submission }) => ({
        id,
        name: submission.name,
        group_name: submission.group ?? null,
        submitted_by: by,
        idempotency_key: submission.idempotencyKey ?? null,
        payload: submission
      }))
      const asked = sql`jsonb_to_recordset(${json(rows)}) AS g (id uuid, name text, group_name text, submitted_by text,
        idempotency_key text, payload jsonb)`
      const added = yield* sql<Row>`
        INSERT INTO novacron_tasks AS t (id, kind, name, group_name, submitted_by, idempotency_key, payload, state)
        SELECT id, payload -> 'run' ->> 'driver', name, group_name, submitted_by, idempotency_key, payload, 'queued'
        FROM ${asked}
        ON CONFLICT DO NOTHING
        RETURNING ${columns}`
      const kept = new Map<string, Kept>(added.map((row) => [row.id, { task: taskOf(row), isSame: true }]))
      if (kept.size < given.length) {
        const before = yield* sql<Row & { readonly asked: string; readonly is_same: boolean }>`
          SELECT ${columns}, g.id AS asked, t.payload = g.payload AS is_same FROM ${asked} JOIN novacron_tasks t
          ON t.id = g.id OR t.submitted_by = g.submitted_by AND t.idempotency_key = g.idempotency_key`
        for (const row of before) kept.set(row.asked, { task: taskOf(row), isSame: row.is_same })
      }
      return given.flatMap(({ id }) => kept.get(id) ?? [])
    }),
    find: (ids) =>
      Effect.map(
        sql<Row>`SELECT ${columns} FROM novacron_tasks t
          WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text(${json(ids)}))`,
        tasksOf
      ),
    changedWithin: (millis) =>
      Effect.map(
        sql<Row>`SELECT ${columns} FROM novacron_tasks t
          WHERE updated_at > now() - ${millis}::float8 * interval '1 millisecond' ORDER BY updated_at`,
        tasksOf
      ),
    list: Effect.fnUntraced(function* ({ cursor, group, limit, node, states }) {
      const before = cursor === undefined ? undefined : /^\d{1,18}$/.test(cursor) ? cursor : "0"
      const conditions = [
        sql`true`,
        ...(states === undefined || states.length === 0 ? [] : [sql.in("t.state", states)]),
        ...(group === undefined ? [] : [sql`t.group_name = ${group}::text`]),
        ...(node === undefined ? [] : [sql`t.node_id = ${node}::text`]),
        ...(before === undefined ? [] : [sql`t.seq < ${before}::text::bigint`])
      ]
      const size = Math.min(Math.max(Math.trunc(limit), 1), 1_000)
      const rows = yield* sql<Row & { readonly found: number }>`
        SELECT ${columns}, t.found FROM (
          SELECT *, count(*) OVER ()::int AS found, row_number() OVER newest AS place,
            sum(octet_length(payload::text)) OVER newest AS bytes
          FROM (SELECT * FROM novacron_tasks t WHERE ${sql.and(conditions)} ORDER BY t.seq DESC LIMIT ${size + 1}::int) page
          WINDOW newest AS (ORDER BY seq DESC)
        ) t WHERE t.place = 1 OR t.bytes <= ${pageBytes}::int ORDER BY t.seq DESC`
      const page = rows.slice(0, size)
      const isLast = page.length === (rows[0]?.found ?? 0)
      return {
        tasks: tasksOf(page),
        next: isLast ? Option.none() : Option.fromNullishOr(page.at(-1)).pipe(Option.map(({ seq }) => String(seq)))
      }
    }),
    waiting: (limit) =>
      Effect.map(
        sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM
          (SELECT FROM novacron_tasks WHERE state IN ('queued', 'waiting') LIMIT ${limit}::int) AS found`,
        ([row]) => row?.count ?? 0
      ),
    cancel: (id, by) =>
      Effect.asVoid(sql`
        UPDATE novacron_tasks SET
          state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
          fence = CASE WHEN state = 'running' THEN fence ELSE fence + 1 END,
          cancelled_by = ${by}::text, version = version + 1, updated_at = now()
        WHERE id = ${id}::text::uuid AND cancelled_by IS NULL
          AND state IN ('queued', 'placed', 'waiting', 'running')`),
    claim: (node, incarnation, limit) =>
      Effect.map(
        sql<ClaimedRow>`
          UPDATE novacron_tasks t SET
            state = 'running', attempts = t.attempts + 1, version = t.version + 1, updated_at = now(),
            history = t.history || jsonb_build_array(jsonb_build_object(
              'number', t.attempts + 1, 'node', t.node_id, 'startedAt', ${now},
              'endedAt', NULL, 'exitCode', NULL, 'signal', NULL, 'error', NULL))
          FROM (
            SELECT id FROM novacron_tasks WHERE node_id = ${node}::text AND state = 'placed'
            ORDER BY seq LIMIT ${limit}::int FOR UPDATE SKIP LOCKED
          ) AS mine
          WHERE t.id = mine.id AND EXISTS (
            SELECT FROM novacron_nodes
            WHERE id = ${node}::text AND incarnation = ${incarnation}::text::uuid AND state = 'up'
          )
          RETURNING t.id, t.fence::text AS fence, t.attempts AS attempt, t.losses, t.payload`,
        (rows) => rows.map(({ payload, ...row }) => ({ ...row, submission: payload }))
      ),
    held: (node) => sql<Held>`
      SELECT id, fence::text AS fence, cancelled_by IS NOT NULL AS "isCancelled" FROM novacron_tasks
      WHERE node_id = ${node}::text AND state = 'running'`,
    end: (ended) =>
      Effect.map(
        sql<{ readonly id: string }>`
          UPDATE novacron_tasks t SET
            state = CASE WHEN t.cancelled_by IS NOT NULL AND e.state <> 'succeeded' THEN 'cancelled' ELSE e.state END,
            due_at = now() + e."delayMs" * interval '1 millisecond',
            fence = t.fence + 1,
            losses = t.losses + e."isLoss"::int,
            node_id = CASE WHEN e.state IN ('waiting', 'queued') THEN NULL ELSE t.node_id END,
            version = t.version + 1,
            updated_at = now(),
            history = jsonb_set(t.history, '{-1}', (t.history -> -1) || jsonb_build_object(
              'endedAt', ${now}, 'exitCode', e."exitCode", 'signal', e.signal, 'error', e.error))
          FROM jsonb_to_recordset(${json(ended)}) AS e (id uuid, fence bigint, state text, "delayMs" float8,
            "isLoss" boolean, "exitCode" int, signal text, error text)
          WHERE t.id = e.id AND t.fence = e.fence AND t.state = 'running'
          RETURNING t.id`,
        idsOf
      ),
    candidates: (limit) => sql<Candidate>`
      SELECT id, kind AS driver, group_name AS "group", payload -> 'demand' AS demand,
        payload -> 'constraints' AS constraints, placement ->> 'explanation' AS explanation
      FROM novacron_tasks WHERE state IN ('queued', 'waiting') AND due_at <= now()
      ORDER BY due_at, seq LIMIT ${limit}::int`,
    residents: sql<Resident>`
      SELECT id, kind AS driver, node_id AS node, group_name AS "group", payload -> 'demand' AS demand,
        payload -> 'constraints' AS constraints
      FROM novacron_tasks WHERE state IN ('placed', 'running') AND node_id IS NOT NULL`,
    nextDueMs: Effect.map(
      sql<{ readonly ms: number | null }>`
        SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::float8 AS ms FROM novacron_tasks
        WHERE state IN ('queued', 'waiting') AND due_at > now()`,
      ([row]) => Option.fromNullishOr(row?.ms)
    ),
    place: (decided) =>
      Effect.map(
        sql<{ readonly id: string }>`
          UPDATE novacron_tasks t SET
            state = 'placed', node_id = d.node, fence = t.fence + 1, placement = d.placement,
            version = t.version + 1, updated_at = now()
          FROM jsonb_to_recordset(${json(decided.map(({ id, placement }) => ({ id, placement, node: placement.node })))})
            AS d (id uuid, node text, placement jsonb)
          WHERE t.id = d.id AND t.state IN ('queued', 'waiting')
            AND EXISTS (SELECT FROM novacron_nodes n WHERE n.id = d.node AND n.state = 'up')
          RETURNING t.id`,
        ({ length }) => length
      ),
    explain: (decided, againMs) =>
      Effect.asVoid(sql`
        UPDATE novacron_tasks t SET
          placement = d.placement, due_at = now() + ${againMs}::float8 * interval '1 millisecond',
          version = t.version + (t.placement IS DISTINCT FROM d.placement)::int,
          updated_at = CASE WHEN t.placement IS DISTINCT FROM d.placement THEN now() ELSE t.updated_at END
        FROM jsonb_to_recordset(${json(decided)}) AS d (id uuid, placement jsonb)
        WHERE t.id = d.id AND t.state IN ('queued', 'waiting')`),
    reclaimFrom: (node, maxLosses, why) =>
      Effect.map(
        sql<{ readonly id: string }>`
          UPDATE novacron_tasks t SET ${lost(why)} FROM (SELECT ${maxLosses}::int AS most) AS o
          WHERE t.node_id = ${node}::text AND t.state IN ('placed', 'running') RETURNING t.id`,
        ({ length }) => length
      ),
    reclaimLost: (sinceMs, maxLosses) =>
      Effect.map(
        sql<{ readonly id: string }>`
          UPDATE novacron_tasks t SET ${lost("The node that ran it was lost.")}
          FROM (SELECT ${maxLosses}::int AS most) AS o
          WHERE t.state IN ('placed', 'running') AND NOT EXISTS (
            SELECT FROM novacron_nodes n WHERE n.id = t.node_id AND n.state <> 'down'
              AND n.seen_at > to_timestamp(${sinceMs / 1_000}::float8)
          ) RETURNING t.id`,
        ({ length }) => length
      ),
    release: (node) =>
      Effect.asVoid(sql`
        UPDATE novacron_tasks SET state = 'queued', fence = fence + 1, node_id = NULL, due_at = now(),
          version = version + 1, updated_at = now()
        WHERE node_id = ${node}::text AND state = 'placed'`),
    purge: (olderThanMs) =>
      Effect.map(
        sql<{ readonly id: string }>`
          DELETE FROM novacron_tasks WHERE id IN (
            SELECT id FROM novacron_tasks WHERE state IN ('succeeded', 'failed', 'cancelled')
              AND updated_at < now() - ${olderThanMs}::float8 * interval '1 millisecond'
            LIMIT 1000
          ) RETURNING id`,
        ({ length }) => length
      )
  }
}

/** What was submitted may have a megabyte: of such ones a page has fewer, or it would keep the node busy for too long. */
const pageBytes = 16 * 1024 * 1024

/** Now, as ISO 8601 in UTC. */
const iso = `to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

interface Row {
  readonly id: string
  readonly seq: string | number | bigint
  readonly name: string
  readonly group_name: string | null
  readonly state: Tasks.State
  readonly version: number
  readonly payload: Tasks.Submission
  readonly submitted_by: string
  readonly created_at: Date
  readonly updated_at: Date
  readonly placement: Tasks.Placement | null
  readonly history: ReadonlyArray<Tasks.Attempt>
}

type ClaimedRow = Omit<Claimed, "submission"> & { readonly payload: Tasks.Submission }

const taskOf = (row: Row): Tasks.Task => ({
  id: row.id,
  name: row.name,
  group: row.group_name,
  state: row.state,
  version: row.version,
  submission: row.payload,
  submittedBy: row.submitted_by,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
  placement: isNowhere(row) ? null : row.placement,
  attempts: row.history
})

/** Where it was before it was queued again is not where it is, and nobody has said yet why it is nowhere. */
const isNowhere = ({ placement, state }: Row): boolean =>
  (state === "queued" || state === "waiting") && placement !== null && placement.node !== null

const tasksOf = (rows: ReadonlyArray<Row>): ReadonlyArray<Tasks.Task> => rows.map(taskOf)

const idsOf = (rows: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> => rows.map(({ id }) => id)
