/**
 * The tables of orchestration, as a migration: tasks, what they print, the nodes that run them, and who coordinates.
 *
 * **Details**
 *
 * Triggers tell everybody who listens on the channel `novacron` what has changed, whoever changed it: `q` (somebody should
 * look at the queue), `aNODE` (that node has something to do), `cID,ID,…` (these tasks have changed), `oID,ID,…` (these
 * tasks have printed something). A message may get lost with a connection; whoever listens looks from time to time.
 */
import type { Migration } from "../database/Migration.ts"

/** To be put behind those of the database: `[...Database.migrations, ...Orchestration.migrations]`. */
export const migrations: ReadonlyArray<Migration> = [
  {
    id: 2701,
    name: "orchestration",
    sql: [
      // No version before this one has kept a task.
      "DELETE FROM novacron_tasks",
      `ALTER TABLE novacron_tasks
        DROP CONSTRAINT novacron_tasks_state_check,
        DROP CONSTRAINT novacron_tasks_node_id_fkey,
        ALTER COLUMN state SET DEFAULT 'queued',
        ADD CONSTRAINT novacron_tasks_state_check CHECK
          (state IN ('queued', 'placed', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
        ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY,
        ADD COLUMN name text NOT NULL,
        ADD COLUMN group_name text,
        ADD COLUMN submitted_by text NOT NULL,
        ADD COLUMN idempotency_key text,
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD COLUMN fence bigint NOT NULL DEFAULT 0,
        ADD COLUMN losses integer NOT NULL DEFAULT 0,
        ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN cancelled_by text,
        ADD COLUMN placement jsonb,
        ADD COLUMN history jsonb NOT NULL DEFAULT '[]'`,
      "CREATE UNIQUE INDEX novacron_tasks_seq ON novacron_tasks (seq)",
      `CREATE UNIQUE INDEX novacron_tasks_key ON novacron_tasks (submitted_by, idempotency_key)
        WHERE idempotency_key IS NOT NULL`,
      "CREATE INDEX novacron_tasks_due ON novacron_tasks (due_at, seq) WHERE state IN ('queued', 'waiting')",
      "CREATE INDEX novacron_tasks_active ON novacron_tasks (node_id) WHERE state IN ('placed', 'running')",
      "CREATE INDEX novacron_tasks_group ON novacron_tasks (group_name, seq) WHERE group_name IS NOT NULL",
      `ALTER TABLE novacron_nodes
        ADD COLUMN incarnation uuid,
        ADD COLUMN state text NOT NULL DEFAULT 'down' CHECK (state IN ('up', 'draining', 'down')),
        ADD COLUMN region text,
        ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN cpu double precision NOT NULL DEFAULT 0,
        ADD COLUMN memory double precision NOT NULL DEFAULT 0,
        ADD COLUMN slots integer NOT NULL DEFAULT 0`,
      `CREATE TABLE novacron_coordinator (
        one integer PRIMARY KEY DEFAULT 1 CHECK (one = 1),
        node_id text NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now()
      )`,
      `CREATE TABLE novacron_output (
        task_id uuid NOT NULL REFERENCES novacron_tasks (id) ON DELETE CASCADE,
        position bigint NOT NULL,
        size integer NOT NULL,
        stream text NOT NULL CHECK (stream IN ('stdout', 'stderr')),
        text text NOT NULL,
        PRIMARY KEY (task_id, position)
      )`,
      `CREATE OR REPLACE FUNCTION novacron_tell_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE message text;
      BEGIN
        IF EXISTS (SELECT FROM changed WHERE state NOT IN ('placed', 'running')) THEN
          PERFORM pg_notify('novacron', 'q');
        END IF;
        FOR message IN
          SELECT DISTINCT 'a' || node_id FROM changed
          WHERE node_id IS NOT NULL AND (state = 'placed' OR state = 'running' AND cancelled_by IS NOT NULL)
        LOOP
          PERFORM pg_notify('novacron', message);
        END LOOP;
        FOR message IN
          SELECT 'c' || string_agg(id::text, ',') FROM
            (SELECT id, (row_number() OVER () - 1) / 200 AS part FROM changed) AS numbered
          GROUP BY part
        LOOP
          PERFORM pg_notify('novacron', message);
        END LOOP;
        RETURN NULL;
      END $$`,
      `CREATE TRIGGER novacron_tasks_added AFTER INSERT ON novacron_tasks
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION novacron_tell_tasks()`,
      `CREATE TRIGGER novacron_tasks_changed AFTER UPDATE ON novacron_tasks
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION novacron_tell_tasks()`,
      `CREATE OR REPLACE FUNCTION novacron_tell_output() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE message text;
      BEGIN
        FOR message IN
          SELECT 'o' || string_agg(task_id::text, ',') FROM
            (SELECT task_id, (row_number() OVER () - 1) / 200 AS part FROM
              (SELECT DISTINCT task_id FROM printed) AS told) AS numbered
          GROUP BY part
        LOOP
          PERFORM pg_notify('novacron', message);
        END LOOP;
        RETURN NULL;
      END $$`,
      `CREATE TRIGGER novacron_output_added AFTER INSERT ON novacron_output
        REFERENCING NEW TABLE AS printed FOR EACH STATEMENT EXECUTE FUNCTION novacron_tell_output()`
    ]
  }
]
