/**
 * The tables of the node itself, as migrations: which nodes there are, and the tasks that they work on. A migration that
 * was released is never changed; what should be different is a new one.
 */
import type { Migration } from "./Migration.ts"

/** In order. Other parts of the node append theirs through the options of the component. */
export const migrations: ReadonlyArray<Migration> = [
  {
    id: 1,
    name: "nodes",
    sql: [
      `CREATE TABLE novacron_nodes (
        id text PRIMARY KEY,
        address text,
        environment text NOT NULL,
        version text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now()
      )`
    ]
  },
  {
    id: 2,
    name: "tasks",
    sql: [
      `CREATE TABLE novacron_tasks (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        kind text NOT NULL,
        payload jsonb NOT NULL DEFAULT '{}',
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
        node_id text REFERENCES novacron_nodes (id) ON DELETE SET NULL,
        attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      )`,
      "CREATE INDEX novacron_tasks_node ON novacron_tasks (node_id)"
    ]
  },
  {
    id: 3,
    name: "waiting tasks in order",
    // Only makes the queue faster, and a big table takes its time.
    deferred: true,
    outsideTransaction: true,
    sql: [
      "DROP INDEX CONCURRENTLY IF EXISTS novacron_tasks_waiting",
      "CREATE INDEX CONCURRENTLY novacron_tasks_waiting ON novacron_tasks (created_at) WHERE state = 'waiting'"
    ]
  }
]
