import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Boot, type BootEvent, Component, type Journal, Report } from "@novacron/boot"
import { Context, Deferred, Effect, Fiber, Option, Queue, Schedule } from "effect"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import { component, deferred, DeferredMigrations } from "../../src/database/Component.ts"
import { Database } from "../../src/database/Database.ts"
import { migrations } from "../../src/database/NodeSchema.ts"
import type { Settings } from "../../src/database/Settings.ts"
import { Postgres, processesIn, temporary } from "./Postgres.ts"
import { connected, security, settings } from "./Surroundings.ts"

const base = temporary()
let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(async () => {
  await server.remove()
  assert.deepStrictEqual(processesIn(base), [])
  rmSync(base, { recursive: true, force: true })
})

/** A boot of the database, with all that it said. */
const boot = (encoded: typeof Settings.Encoded = {}, previous?: Journal.Unfinished) =>
  Effect.gen(function* () {
    const events: Array<BootEvent.BootEvent> = []
    const options = { dataDir: join(base, "node") }
    const running = Boot.make([security(), component(settings(encoded), options), deferred] as const, {
      observe: (event) => void events.push(event),
      previous,
      checked: true
    })
    return { running, events }
  })

/** What a boot that failed has to say about the database. */
const failed = (encoded: typeof Settings.Encoded) =>
  Effect.gen(function* () {
    const { events, running } = yield* boot(encoded)
    const { cause } = yield* Effect.flip(Effect.scoped(running))
    const report = Report.fromEvents(events)
    const it = report.components.find(({ name }) => name === "database")
    return { attempts: it?.attempts.length, cause, outcome: report.outcome, text: Report.text(report) }
  })

describe("the component", () => {
  it.live("boots from nothing, is healthy, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { running } = yield* boot()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { health, services } = yield* running
          const { source } = yield* Context.get(services, Database).stats
          assert.strictEqual(source, "embedded")
          const found = (yield* health.report).components.find(({ name }) => name === "database")
          assert.strictEqual(found?.status, "healthy")
          assert.isTrue(found?.critical)
          assert.isAbove(found?.latencyMs ?? 0, 0)
          assert.isNumber(found?.throughput)
          assert.strictEqual(found?.errorRate, 0)
          assert.deepStrictEqual(found?.dependencies, { security: "healthy" })
        })
      )
      assert.deepStrictEqual(processesIn(base), [])
      assert.isFalse(existsSync(join(base, "node", "postgresql", "data", ".s.PGSQL.5432")))
    })
  )

  it.live("leaves nothing behind at whatever moment its boot is interrupted, and boots again", () =>
    Effect.gen(function* () {
      const home = join(base, "node", "postgresql")
      for (const moment of [0, 5, 12, 25, 40, 60, 80, 110, 140]) {
        const { running } = yield* boot()
        const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(running, Effect.never)))
        yield* Effect.sleep(moment)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(processesIn(base), [], `${moment} ms`)
        for (const left of ["database.lock", "server.json", "data/postmaster.pid"]) {
          assert.isFalse(existsSync(join(home, left)), `${left} at ${moment} ms`)
        }
      }
      const { running } = yield* boot()
      yield* Effect.scoped(running)
    })
  )

  it.live("takes the password of its own server from its file alone, and names that when it is not the right one", () =>
    Effect.gen(function* () {
      const { running } = yield* boot({ passwordSecret: "of-another-server" })
      yield* Effect.scoped(running)
      const file = join(base, "node", "postgresql", "password")
      const password = readFileSync(file)
      writeFileSync(file, "swordfish")
      const { attempts, cause, text } = yield* failed({})
      writeFileSync(file, password)
      assert.include(JSON.stringify(cause), "NVC-2104")
      assert.strictEqual(attempts, 1)
      assert.include(text, `the file ${file}: restore that from a backup`)
      assert.notInclude(text, "database.url")
      assert.notInclude(text + JSON.stringify(cause), "swordfish")
    })
  )

  it.live("boots with a server by URL, applies migrations once, and reaches the least of its pool", () =>
    Effect.gen(function* () {
      for (const applied of [2, 0]) {
        const { running } = yield* boot({ url: server.url() })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { services } = yield* running
            const stats = yield* Context.get(services, Database).stats
            assert.strictEqual(stats.migrationsApplied, applied)
            assert.isAtLeast(stats.open, 5)
            assert.isTrue(stats.schemaValidated)
          })
        )
      }
      const left = yield* Effect.repeat(
        connected(server.socketUrl, (sql) => sql`SELECT pid FROM pg_stat_activity WHERE client_addr IS NOT NULL`),
        { schedule: Schedule.spaced("50 millis"), until: (rows) => rows.length === 0 }
      )
      assert.deepStrictEqual(left, [])
    })
  )

  it.live("lets the node be ready before its pool is full, and its first callers find connections that are open", () =>
    Effect.gen(function* () {
      const { running } = yield* boot({ url: server.url(), pool: { min: 4, max: 9 } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { services } = yield* running
          const database = Context.get(services, Database)
          const ready = yield* database.stats
          assert.deepStrictEqual([ready.open, ready.max], [4, 9])
          const held = yield* Deferred.make<void>()
          const begun = yield* Queue.unbounded<void>()
          const hold = database.transaction(Effect.andThen(Queue.offer(begun, undefined), Deferred.await(held)))
          const first = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(hold))
          yield* Queue.takeN(begun, 4)
          assert.deepInclude(yield* database.stats, { inUse: 4, established: ready.established })
          // The fifth is the first that has to wait for one to be opened.
          const fifth = yield* Effect.forkChild(hold)
          yield* Queue.take(begun)
          assert.deepInclude(yield* database.stats, { inUse: 5, established: ready.established + 1 })
          yield* Deferred.succeed(held, undefined)
          yield* Effect.forEach([...first, fifth], Fiber.join)
        })
      )
    })
  )

  it.live("tries three times when nobody answers, then halts with what to do", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const url = `postgres://me:swordfish@127.0.0.1:${port}/app?sslmode=disable`
      const { attempts, cause, outcome, text } = yield* failed({ url })
      assert.strictEqual(attempts, 3)
      assert.strictEqual(outcome, "failed")
      assert.include(JSON.stringify(cause), "NVC-2103")
      assert.include(text, `pg_isready -h 127.0.0.1 -p ${port}`)
      assert.include(text, `connect ECONNREFUSED 127.0.0.1:${port}`)
      assert.notInclude(text + JSON.stringify(cause), "swordfish")
    })
  )

  it.live("boots when the server is back while it still tries", () =>
    Effect.gen(function* () {
      yield* Effect.promise(() => server.down())
      const { events, running } = yield* boot({ url: server.url() })
      const back = Effect.andThen(
        Effect.repeat(
          Effect.sync(() => events.some(({ _tag }) => _tag === "AttemptFailed")),
          {
            schedule: Schedule.spaced("20 millis"),
            until: (it) => it
          }
        ),
        Effect.promise(() => server.up())
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const [{ services }] = yield* Effect.all([running, back], { concurrency: 2 })
          assert.deepStrictEqual(yield* Context.get(services, Database).sql`SELECT 1 AS one`, [{ one: 1 }])
        })
      )
      const tried = Report.fromEvents(events).components.find(({ name }) => name === "database")?.attempts.length ?? 0
      assert.isAtLeast(tried, 2)
    })
  )

  it.live("halts at once for what no patience changes, and names it", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [encoded: typeof Settings.Encoded, code: string, attempts: number]> = [
        // What the settings alone tell is found before anything starts.
        [{ url: "mysql://me:swordfish@db/app" }, "NVC-2101", 0],
        [{ embedded: { enabled: false } }, "NVC-2102", 0],
        [{ url: server.url({ password: "swordfishes" }) }, "NVC-2104", 1],
        [{ url: server.url({ database: "nowhere" }) }, "NVC-2105", 1],
        [{ url: server.url({ ssl: "require" }) }, "NVC-2107", 1]
      ]
      for (const [encoded, code, expected] of cases) {
        const { attempts, cause, text } = yield* failed(encoded)
        assert.include(JSON.stringify(cause), code)
        assert.strictEqual(attempts, expected, code)
        assert.notInclude(text + JSON.stringify(cause), "swordfish")
      }
    })
  )

  it.live("tries its own server once when that ends over what it finds, and until it runs when it was killed", () =>
    Effect.gen(function* () {
      const root = join(base, "node", "postgresql")
      const control = join(root, "data", "global", "pg_control")
      const before = readFileSync(control)
      writeFileSync(control, Buffer.alloc(before.length, 7))
      const { attempts, text } = yield* failed({})
      writeFileSync(control, before)
      assert.strictEqual(attempts, 1)
      assert.include(text, "did not start (exit code ")
      // Killed when it is launched, which is when there is a process to be killed.
      const options = { dataDir: join(base, "node") }
      let launches = 0
      const killed = component(settings({}), {
        ...options,
        launched: () => {
          const pid = JSON.parse(readFileSync(join(root, "server.json"), "utf8")).pid
          if (++launches === 1) process.kill(pid, "SIGKILL")
        }
      })
      yield* Effect.scoped(Boot.make([security(), killed]))
      assert.strictEqual(launches, 2)
    })
  )

  it.live("is tried three times when it starts and is not healthy, then halts", () =>
    Effect.gen(function* () {
      const events: Array<BootEvent.BootEvent> = []
      const database = component(settings({ url: server.url() }), { dataDir: base })
      // The server goes between the start and the probe.
      const unlucky = Component.mapRecipe(database, (recipe) => {
        const [build, ...rest] = recipe.builds
        const probe = (built: unknown) =>
          Effect.andThen(
            Effect.promise(() => server.down()),
            build.probe(built)
          )
        return { ...recipe, builds: [{ ...build, probe }, ...rest] }
      })
      yield* Effect.flip(
        Effect.scoped(Boot.make([security(), unlucky], { observe: (event) => void events.push(event) }))
      )
      yield* Effect.promise(() => server.up())
      const it = Report.fromEvents(events).components.find(({ name }) => name === "database")
      assert.strictEqual(it?.attempts.length, 3)
      assert.include(JSON.stringify(it?.attempts[0]), "healthy")
    })
  )

  it.live("does not start on a schema that somebody has changed, and names the object", () =>
    Effect.gen(function* () {
      const url = server.url()
      const { running: first } = yield* boot({ url })
      yield* Effect.scoped(first)
      yield* connected(url, (sql) => sql`ALTER TABLE novacron_tasks DROP COLUMN attempts`)
      const { attempts, cause, text } = yield* failed({ url })
      assert.include(JSON.stringify(cause), "NVC-2115")
      assert.include(text, "column novacron_tasks.attempts is gone")
      assert.strictEqual(attempts, 1)
      yield* connected(
        url,
        (sql) => sql`ALTER TABLE novacron_tasks ADD attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0)`
      )
      const { running } = yield* boot({ url })
      yield* Effect.scoped(running)
    })
  )

  it.live("cleans up after a node that was killed when the journal says so", () =>
    Effect.gen(function* () {
      const previous = { bootId: "before", lastCheckpoint: undefined, started: ["database"], acquired: ["database"] }
      const { running } = yield* boot({}, previous)
      yield* Effect.scoped(Effect.flatMap(running, ({ services }) => Context.get(services, Database).sql`SELECT 1`))
    })
  )
})

describe("the deferred migrations", () => {
  it.live("are applied after the node is ready", () =>
    Effect.gen(function* () {
      const { running } = yield* boot({ url: server.url() })
      const { plan, services } = yield* running
      assert.strictEqual(plan.components.find(({ name }) => name === "database-deferred")?.phase, "post")
      const { sql } = Context.get(services, Database)
      yield* Effect.repeat(sql`SELECT 1 FROM novacron_migrations WHERE deferred`, {
        schedule: Schedule.spaced("50 millis"),
        until: (rows) => rows.length === migrations.filter((it) => it.deferred === true).length
      })
    }).pipe(Effect.scoped)
  )

  it.live("only degrade the node while they fail, and are tried again", () =>
    Effect.gen(function* () {
      const url = server.url()
      const broken = {
        id: 1_000,
        name: "broken",
        deferred: true,
        sql: ["CREATE UNIQUE INDEX IF NOT EXISTS once ON no_such_table (id)"]
      }
      const options = { dataDir: base, migrations: [...migrations, broken] }
      const { health, report, services } = yield* Boot.make(
        [security(), component(settings({ url }), options), deferred] as const,
        { checked: true }
      )
      assert.strictEqual((yield* report).outcome, "ready")
      const { state } = Option.getOrThrow(Context.get(services, Component.option(DeferredMigrations)))
      yield* Effect.repeat(state, {
        schedule: Schedule.spaced("50 millis"),
        until: (it) => it._tag === "Waiting"
      })
      assert.isTrue(yield* health.ready)
      const { components, status } = yield* health.report
      assert.strictEqual(status, "degraded")
      const found = components.find(({ name }) => name === "database-deferred")
      assert.strictEqual(found?.status, "unhealthy")
      assert.include(found?.message ?? "", "1000 (broken)")
      const { sql } = Context.get(services, Database)
      yield* sql`CREATE TABLE no_such_table (id integer)`
      yield* Effect.repeat(state, {
        schedule: Schedule.spaced("100 millis"),
        until: (it) => it._tag === "Applied"
      })
    }).pipe(Effect.scoped)
  )
})
