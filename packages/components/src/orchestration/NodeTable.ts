/**
 * The nodes as the database knows them, and which of them coordinates.
 *
 * **Details**
 *
 * A node says every heartbeat that it is alive. Each start of it is an incarnation of its own: whoever bears an older one
 * has been replaced. Ages are measured by the clock of the database alone.
 */
import type { PgClient } from "@effect/sql-pg"
import type { Tasks } from "@novacron/api"
import { Effect, Option } from "effect"
import type { SqlError } from "effect/sql"

/** What a node says of itself. */
export interface Announced {
  readonly id: string
  readonly incarnation: string
  readonly address: string
  readonly environment: string
  readonly version: string
  readonly region: string | undefined
  readonly labels: { readonly [name: string]: string }
  readonly cpu: number
  /** MiB. */
  readonly memory: number
  /** How many tasks at once. */
  readonly slots: number
}

/** A node that may be given tasks. */
export interface Available {
  readonly id: string
  readonly region: string | null
  readonly labels: { readonly [name: string]: string }
  readonly cpu: number
  readonly memory: number
  readonly slots: number
}

type Sql<A> = Effect.Effect<A, SqlError.SqlError>

export interface NodeTable {
  readonly announce: (node: Announced) => Sql<void>
  /** With where it is reached now. False when another incarnation has taken its place. */
  readonly beat: (id: string, incarnation: string, address: string) => Sql<boolean>
  readonly say: (id: string, incarnation: string, state: "draining" | "down") => Sql<void>
  readonly available: (deadAfterMs: number) => Sql<ReadonlyArray<Available>>
  readonly all: (deadAfterMs: number) => Sql<ReadonlyArray<Tasks.Node>>
  /** Says that this node coordinates, now; what time it is there, in milliseconds. */
  readonly coordinate: (id: string) => Sql<number>
  /** Who has said so within that time. */
  readonly coordinator: (withinMs: number) => Sql<Option.Option<string>>
}

export const make = (sql: PgClient.PgClient): NodeTable => ({
  announce: (node) =>
    Effect.asVoid(sql`
      WITH given AS (
        INSERT INTO novacron_nodes (id, incarnation, address, environment, version, state, region, labels, cpu, memory, slots)
        VALUES (${node.id}::text, ${node.incarnation}::text::uuid, ${node.address}::text, ${node.environment}::text,
          ${node.version}::text, 'up', ${node.region ?? null}::text, ${JSON.stringify(node.labels)}::text::jsonb,
          ${node.cpu}::float8, ${node.memory}::float8, ${node.slots}::int)
        ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, address = excluded.address,
          environment = excluded.environment, version = excluded.version, state = 'up', region = excluded.region,
          labels = excluded.labels, cpu = excluded.cpu, memory = excluded.memory, slots = excluded.slots,
          started_at = now(), seen_at = now()
        RETURNING id
      )
      SELECT pg_notify('novacron', 'q') FROM given`),
  beat: (id, incarnation, address) =>
    Effect.map(
      sql`UPDATE novacron_nodes SET seen_at = now(), address = ${address}::text
        WHERE id = ${id}::text AND incarnation = ${incarnation}::text::uuid RETURNING id`,
      ({ length }) => length > 0
    ),
  say: (id, incarnation, state) =>
    Effect.asVoid(sql`UPDATE novacron_nodes SET state = ${state}::text, seen_at = now()
      WHERE id = ${id}::text AND incarnation = ${incarnation}::text::uuid`),
  available: (deadAfterMs) => sql<Available>`
    SELECT id, region, labels, cpu, memory, slots FROM novacron_nodes
    WHERE state = 'up' AND seen_at > now() - ${deadAfterMs}::float8 * interval '1 millisecond' ORDER BY id`,
  all: (deadAfterMs) =>
    Effect.map(
      sql<Row>`
        SELECT n.id, n.address, n.version, n.region, n.labels, n.cpu, n.memory, n.seen_at,
          CASE WHEN n.seen_at > now() - o.patience THEN n.state ELSE 'down' END AS state,
          EXISTS (SELECT FROM novacron_coordinator c WHERE c.node_id = n.id AND c.seen_at > now() - o.patience)
            AS is_coordinator,
          coalesce(t.tasks, 0) AS tasks, coalesce(t.cpu, 0) AS used_cpu, coalesce(t.memory, 0) AS used_memory
        FROM (SELECT ${deadAfterMs}::float8 * interval '1 millisecond' AS patience) AS o, novacron_nodes n
        LEFT JOIN (
          SELECT node_id, count(*)::int AS tasks, sum((payload -> 'demand' ->> 'cpu')::float8) AS cpu,
            sum((payload -> 'demand' ->> 'memory')::float8) AS memory
          FROM novacron_tasks WHERE state IN ('placed', 'running') GROUP BY node_id
        ) AS t ON t.node_id = n.id
        WHERE n.incarnation IS NOT NULL ORDER BY n.id`,
      (rows) => rows.map(nodeOf)
    ),
  coordinate: (id) =>
    Effect.map(
      sql<{ readonly ms: number }>`INSERT INTO novacron_coordinator (node_id) VALUES (${id}::text)
        ON CONFLICT (one) DO UPDATE SET node_id = excluded.node_id, seen_at = now()
        RETURNING (extract(epoch FROM now()) * 1000)::float8 AS ms`,
      ([row]) => row?.ms ?? 0
    ),
  coordinator: (withinMs) =>
    Effect.map(
      sql<{ readonly id: string }>`SELECT node_id AS id FROM novacron_coordinator
        WHERE seen_at > now() - ${withinMs}::float8 * interval '1 millisecond'`,
      ([row]) => Option.map(Option.fromNullishOr(row), ({ id }) => id)
    )
})

interface Row {
  readonly id: string
  readonly address: string | null
  readonly version: string
  readonly region: string | null
  readonly labels: { readonly [name: string]: string }
  readonly cpu: number
  readonly memory: number
  readonly seen_at: Date
  readonly state: Tasks.Node["state"]
  readonly is_coordinator: boolean
  readonly tasks: number
  readonly used_cpu: number
  readonly used_memory: number
}

const nodeOf = (row: Row): Tasks.Node => ({
  id: row.id,
  address: row.address ?? "",
  state: row.state,
  isCoordinator: row.is_coordinator,
  region: row.region,
  labels: row.labels,
  capacity: { cpu: row.cpu, memory: row.memory },
  used: { cpu: row.used_cpu, memory: row.used_memory },
  tasks: row.tasks,
  version: row.version,
  seenAt: row.seen_at.toISOString()
})
