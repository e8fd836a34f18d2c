import { Boot, Component } from "@novacron/boot"
import type { BootEvent } from "@novacron/boot/model"
import { Context, Duration, Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it, vi } from "vitest"
import * as Alive from "../../src/Alive.ts"
import * as Answers from "../../src/Answers.ts"
import * as Client from "../../src/Commands/Client.ts"
import * as ControlSocket from "../../src/ControlSocket.ts"
import { Room } from "../fixtures/Room.ts"
import { begun, degraded, stage } from "../fixtures/Stage.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

/** Does something while a node answers that is up on a fallback. */
const whileUp = (
  use: () => Promise<void>,
  answer?: (request: ControlSocket.Request) => unknown,
  more: ReadonlyArray<BootEvent.BootEvent> = []
): Promise<void> => {
  const node = Alive.make(stage().surroundings)
  for (const event of [begun, ...degraded, ...more]) node.step(event)
  const served = ControlSocket.serve({
    path: ControlSocket.pathOf(room.directory),
    answer: (request) => (answer === undefined ? Answers.answer(node, request) : Effect.succeed(answer(request)))
  })
  return Effect.runPromise(Effect.scoped(Effect.andThen(served, Effect.promise(use))))
}

const flags = () => ({ set: {}, json: false, dataDir: room.directory })

class Service extends Context.Service<Service, string>()("test/Service") {}
const key = (name: string): Context.Key<Service, string> => Context.Service<Service, string>(name)
const health = () => Effect.void

/** A database that a critical api holds, a cache with a fallback, an engine that nobody needs; it comes up twice. */
const parts = () => {
  let cacheStarts = 0
  const down = Effect.fail({ _tag: "Down", message: "no route" } as const)
  const memory = Component.make(key("cache"), { name: "memory", start: Effect.succeed("memory"), health })
  return [
    Component.make(key("database"), { name: "database", start: Effect.succeed("database"), health }),
    Component.make(key("api"), { name: "api", needs: [key("database")], start: Effect.succeed("api"), health }),
    Component.make(key("cache"), {
      name: "cache",
      severity: "Degraded",
      start: Effect.suspend(() => (++cacheStarts > 2 ? down : Effect.succeed("cache"))),
      health
    }).pipe(Component.fallback(memory)),
    Component.make(key("ml"), { name: "ml", severity: "Warning", start: Effect.succeed("ml"), health }).pipe(
      Component.optional
    )
  ] as const
}

/** The same, and a boot of these parts that is really up. */
const whileRunning = (use: (seen: ReadonlyArray<BootEvent.BootEvent>) => Promise<void>): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const node = Alive.make(stage().surroundings)
        const seen: Array<BootEvent.BootEvent> = []
        const observe = (event: BootEvent.BootEvent) => {
          seen.push(event)
          node.step(event)
        }
        node.running = yield* Boot.make(parts(), { observe, checked: true })
        const path = ControlSocket.pathOf(room.directory)
        yield* ControlSocket.serve({ path, answer: (request) => Answers.answer(node, request) })
        yield* Effect.promise(() => use(seen))
      })
    )
  )

describe("one component by hand", () => {
  const one = (component: string) => ({ ...flags(), component, dryRun: false, timeout: Duration.seconds(30) })

  it("is exchanged where it can be, and the one that serves goes on when the new one does not come up", () =>
    whileRunning(async () => {
      const first = await room.run(Client.restart, { ...one("cache"), withDependents: false })
      assert.strictEqual(first.code, 0, first.err)
      assert.include(first.err, "cache is ready. A new one is built beside it, and takes over when it is up")
      assert.match(first.out, /^cache was restarted and is ready after [\d.]+ \w+\.$/m)
      const second = await room.run(Client.restart, { ...one("cache"), withDependents: false })
      assert.strictEqual(second.code, 69)
      assert.include(second.err, '"cache" was not restarted: no route. The one that served goes on.')
    }))

  it("that is up as declared is not restored, and whoever wants it anew hears how", () =>
    whileRunning(async () => {
      const dry = await room.run(Client.restore, { ...flags(), component: "ml", dryRun: true })
      assert.match(dry.out, /^There is nothing to restore: .* novacron restart ml\nNothing was done\.\n$/)
      const { code, err } = await room.run(Client.restore, { ...flags(), component: "ml", dryRun: false })
      assert.strictEqual(code, 69)
      assert.match(err, /"ml" cannot be restored: it is ready\. There is nothing to restore: .* novacron restart ml$/m)
    }))

  it("that comes back without what the node cannot do without exits 69, and says that the node ends", () => {
    const would = { component: "database", how: "restart", holders: ["ml", "api"], critical: ["api"], objection: null }
    const answer = (request: ControlSocket.Request) => {
      const isDone = request._tag === "Restart" && request.confirmed
      return { ...would, state: "ready", lost: isDone ? ["ml", "api"] : [], tookMs: isDone ? 1 : null }
    }
    return whileUp(async () => {
      const { code, err, out } = await room.run(Client.restart, { ...one("database"), withDependents: true })
      assert.strictEqual(code, 69)
      assert.include(out, "database was restarted and is ready after 1 ms. Not back: ml, api.")
      assert.include(err, "The node ends, for it cannot do without api: its last lines and novacron trace say why.")
    }, answer)
  })

  it("is begun for who does not wait for it, who hears that the node goes on with it", () =>
    whileRunning(async (seen) => {
      const hasty = await room.run(Client.restart, { ...one("ml"), withDependents: false, timeout: Duration.zero })
      assert.strictEqual(hasty.code, 69)
      assert.include(hasty.err, "ml is not restarted yet after 0 ms. The node goes on with it.")
      assert.notInclude(hasty.err, "novacron boot")
      const isUpAgain = () => seen.filter((one) => one._tag === "ComponentReady" && one.component === "ml").length === 2
      await vi.waitFor(() => assert.isTrue(isUpAgain()), 10_000)
    }))

  it("is refused while others hold it, with what to do instead, and done when they are to go with it", () =>
    whileRunning(async () => {
      const dry = await room.run(Client.restart, { ...one("database"), withDependents: true, dryRun: true })
      assert.strictEqual(dry.code, 0, dry.err)
      assert.include(
        dry.out,
        "It goes down and comes back, and with it api. The node takes no work until they are back"
      )
      assert.include(dry.out, "and stops if one of api, database does not come back.")
      assert.include(dry.out, "Nothing was done.")
      const alone = await room.run(Client.restart, { ...one("database"), withDependents: false, dryRun: true })
      assert.strictEqual(alone.code, 0, alone.err)
      assert.include(alone.out, '"database" cannot be restarted: api holds it')
      const refused = await room.run(Client.restart, { ...one("database"), withDependents: false })
      assert.strictEqual(refused.code, 69)
      assert.include(refused.err, '"database" cannot be restarted: api holds it')
      assert.include(refused.err, "novacron restart database --with-dependents")
      const done = await room.run(Client.restart, { ...one("database"), withDependents: true, json: true })
      assert.strictEqual(done.code, 0, done.err)
      assert.deepInclude(JSON.parse(done.out), {
        component: "database",
        state: "ready",
        holders: ["api"],
        how: "restart"
      })
    }))

  it("is stopped and brought back, if the node can do without it; else it stays", () =>
    whileRunning(async () => {
      const stopped = await room.run(Client.stopComponent, one("ml"))
      assert.strictEqual(stopped.code, 0, stopped.err)
      assert.match(stopped.out, /^ml is stopped/m)
      assert.include((await room.run(Client.why, { ...flags(), component: "ml" })).out, "the stop of ml by hand")
      assert.strictEqual((await room.run(Client.restore, { ...flags(), component: "ml", dryRun: false })).code, 0)
      const refused = await room.run(Client.stopComponent, one("api"))
      assert.strictEqual(refused.code, 69)
      assert.include(refused.err, '"api" cannot be stopped: the node cannot do without it.')
      const unknown = await room.run(Client.restart, { ...one("databse"), withDependents: false })
      assert.strictEqual(unknown.code, 64)
      assert.match(unknown.err, /NVC-3029[^]*No component is called "databse"\. Did you mean database\?/)
      // Without the node it would have been 69.
      for (const command of [Client.why, Client.restore]) {
        const { code, out } = await room.run(command, { ...one("databse"), json: true })
        assert.strictEqual(code, 64)
        assert.deepInclude(JSON.parse(out).error, { code: "NVC-3029", exit: 64 })
      }
      // Without a name it would be the node that stops.
      const nameless = await room.run(Client.stop, { ...flags(), dryRun: true, timeout: Duration.seconds(30) })
      assert.strictEqual(nameless.code, 64)
      assert.include(nameless.err, "--dry-run wants the name of a component")
    }))
})

describe("commands for a node that runs", () => {
  it("show how it is, and exit 75 when it is degraded and that is not good enough", () =>
    whileUp(async () => {
      const { code, out } = await room.run(Client.status, { ...flags(), strict: false })
      assert.strictEqual(code, 0)
      assert.match(out, /^node n · pid 4711 · up .* · 100 MB/)
      assert.match(out, /^READY \(degraded: cache\)/m)
      assert.notInclude(out, "not healthy")
      assert.strictEqual((await room.run(Client.status, { ...flags(), strict: true })).code, 75)
      assert.include((await room.run(Client.why, { ...flags(), component: "cache" })).out, "cache is degraded")
      const json = await room.run(Client.status, { ...flags(), json: true, strict: false })
      assert.strictEqual(JSON.parse(json.out).report.outcome, "degraded")
    }))

  it("show who came up and is not healthy any more, which the table of the boot does not say", () =>
    whileUp(
      async () => {
        const { code, out } = await room.run(Client.status, { ...flags(), strict: false })
        assert.match(out, /^not healthy now: cache\. See: novacron health$/m)
        assert.strictEqual(code, 0)
      },
      undefined,
      [{ _tag: "HealthChanged", atMs: 5, component: "cache", healthy: false, message: "it forgets" }]
    ))

  it("that stop it say what it waits for when they are out of patience", () =>
    whileUp(
      async () => {
        const { code, err } = await room.run(Client.stop, { ...flags(), timeout: Duration.millis(300) })
        assert.strictEqual(code, 69)
        assert.include(err, "The node (pid 4711) has not stopped within 300 ms. It goes on stopping, and waits for")
        assert.include(err, "waits for cache (stopping). Wait longer (--timeout)")
      },
      undefined,
      [
        { _tag: "RollbackStarted", atMs: 30, why: "stopped", because: "novacron stop", budgetMs: 30_000 },
        { _tag: "ComponentStopping", atMs: 31, component: "cache" }
      ]
    ))

  it("exit 69 when the node says no, with its reason", () =>
    whileUp(async () => {
      const { code, err } = await room.run(Client.restore, { ...flags(), component: "cache", dryRun: false })
      assert.strictEqual(code, 69)
      assert.include(err, "The node is not up yet")
      assert.strictEqual((await room.run(Client.health, flags())).code, 69)
    }))

  it("exit 69 when nobody answers, or something that is no node", async () => {
    for (const command of [Client.health, Client.reload]) {
      const { code, err } = await room.run(command, flags())
      assert.strictEqual(code, 69)
      assert.include(err, "NVC-3007")
    }
    await whileUp(
      async () => {
        const { code, err } = await room.run(Client.stop, { ...flags(), timeout: Duration.seconds(5) })
        assert.strictEqual(code, 69)
        assert.include(err, "Is it another version?")
      },
      () => ({ hello: "there" })
    )
  })
})
