import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component, Severity } from "@novacron/boot"
import { Context, Effect, Exit, Schema } from "effect"
import * as Post from "../../src/post/Component.ts"

class Store extends Context.Service<Store, { readonly check: Effect.Effect<void, Error> }>()("test/store") {}

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-post-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A node whose store passes the probe of its own start, and afterwards what `later` says. */
const node = (file: string, later: Effect.Effect<void, Error>, jobs: { turns: number }) => {
  const told: Array<Post.Notify.Message> = []
  const turnsBefore: Array<number> = []
  const tell = (one: Post.Notify.Message) => {
    told.push(one)
    turnsBefore.push(jobs.turns)
  }
  const notify: Post.Notify.Notify = { tell, told: Effect.void, watchdog: undefined }
  const store = Component.make(Store, { start: Effect.succeed({ check: later }), health: () => Effect.void })
  const check = Effect.map(Store, ({ check }) => [{ name: "store", critical: true, needs: [], probe: check }])
  const job = Effect.map(Store, () => [
    { name: "count", every: "5 millis", run: Effect.sync(() => void jobs.turns++) } as const
  ])
  const components = [
    store,
    Post.health(Schema.decodeUnknownSync(Post.HealthSettings)({ port: 0 })),
    Post.systemHealth(Schema.decodeUnknownSync(Post.SystemHealthSettings)({}), [Store], check),
    Post.ready(Schema.decodeUnknownSync(Post.ReadySettings)({ file }), 4711, notify),
    Post.backgroundJobs([Store, Post.ReadySignal.Ready], job)
  ] as const
  return { components, told, turnsBefore }
}

describe("the components that come last", () => {
  it.live("announce a node whose parts are all well, then begin its jobs, and take it all back at the end", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "ready")
      const jobs = { turns: 0 }
      const { components, told, turnsBefore } = node(file, Effect.void, jobs)
      const { report, services, stop } = yield* Boot.make(components)
      assert.strictEqual((yield* report).outcome, "ready")
      assert.isTrue(existsSync(file))
      assert.deepStrictEqual(told, ["ready"])
      while (jobs.turns < 3) yield* Effect.sleep("5 millis")
      yield* Context.get(services, Post.HealthServer.HealthServer).check
      const order = components.map(({ manifest }) => manifest.name)
      assert.deepStrictEqual(order, ["store", "health", "system-health", "ready", "background-jobs"])
      yield* stop()
      assert.isFalse(existsSync(file))
      assert.deepStrictEqual(told, ["ready", "stopping"])
      assert.strictEqual(turnsBefore[0], 0, "no job has its turn before the node is ready")
      // None after the node has said that it stops.
      const turns = jobs.turns
      assert.deepStrictEqual(turnsBefore, [0, turns])
      yield* Effect.sleep("50 millis")
      assert.strictEqual(jobs.turns, turns)
    }).pipe(Effect.scoped)
  )

  it.live("abort readiness when only the check of all parts finds a critical one that is not well", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "ready")
      const jobs = { turns: 0 }
      const { components, told } = node(file, Effect.fail(new Error("read-only")), jobs)
      const failure = yield* Effect.flip(Effect.scoped(Boot.make(components)))
      assert.instanceOf(failure, Severity.Critical)
      assert.instanceOf(failure.cause, Post.SystemHealth.SystemUnhealthy)
      assert.include((failure.cause as Error).message, "store (read-only)")
      assert.isFalse(existsSync(file))
      assert.deepStrictEqual(told, [])
      assert.strictEqual(jobs.turns, 0)
    }).pipe(Effect.scoped)
  )

  it.live("go without a ready file that cannot be written, and without figures that cannot be had", () =>
    Effect.gen(function* () {
      const { components, told } = node(join(yield* directory, "missing/ready"), Effect.void, { turns: 0 })
      const metrics = Post.startupMetrics(Effect.never).pipe(Component.timeout("50 millis"))
      const exit = yield* Effect.exit(Boot.make([...components, metrics]))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(told, [])
    }).pipe(Effect.scoped)
  )
})
