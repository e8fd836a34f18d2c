import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, HashMap, Logger, Random, Stream, SubscriptionRef } from "effect"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Journal from "../src/Journal.ts"
import * as Phase from "../src/Phase.ts"
import * as Policy from "../src/Policy.ts"
import * as Report from "../src/Report.ts"
import { at, criticals, fails, key, only, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

/** A journal that takes so long to make things durable, and keeps book of what was asked. */
const slowJournal = (flush: Effect.Effect<void, Journal.JournalError>) => {
  const log: Array<string> = []
  const journal: Journal.Journal = {
    append: (event) => void log.push(event._tag === "CheckpointReached" ? event.checkpoint : event._tag),
    flush: Effect.suspend(() => {
      log.push("flush")
      return Effect.tap(flush, () => Effect.sync(() => void log.push("durable")))
    })
  }
  return { journal, log }
}

/** Boots one part with a journal; says when the boot was ready. */
const bootWith = (journal: Journal.Journal, uninterruptible = 0) =>
  Effect.gen(function* () {
    const { boot, events, part } = world({ uninterruptible })
    assert.isTrue(Exit.isSuccess(yield* boot([part("a")], { journal })))
    return only(events, "BootReady")[0]?.atMs
  })

describe("the journal", () => {
  it.effect("holds the five checkpoints in order, and READY only after the last one is durable", () =>
    Effect.gen(function* () {
      const { journal, log } = slowJournal(Effect.sleep("1 second"))
      assert.strictEqual(yield* bootWith(journal), 1_010)
      const marks = log.filter(
        (it) => it === "durable" || it === "BootReady" || it.startsWith("init") || it.endsWith("complete")
      )
      assert.deepStrictEqual(marks, [...Phase.checkpoints, "durable", "BootReady"])
    })
  )

  it.effect("holds what everybody else hears, in the same order", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const journal = yield* Journal.memory
      yield* boot([part("a"), part("b", { needs: ["a"] })], { journal })
      assert.deepStrictEqual(yield* journal.events, events)
      assert.strictEqual(Report.fromEvents(yield* journal.events).durationMs, 20)
    })
  )

  it.effect("does not hold up the boot for more than five seconds when it hangs", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* bootWith(slowJournal(Effect.never).journal), 5_010)
    })
  )

  it.effect("does not hold it up either when nothing can interrupt it", () =>
    Effect.gen(function* () {
      const stuck = Effect.uninterruptible(Effect.sleep("1 hour"))
      assert.strictEqual(yield* bootWith(slowJournal(stuck).journal, 1), 5_010)
    })
  )

  it.effect("does not fail the boot when it fails, or dies", () =>
    Effect.gen(function* () {
      const reason = { _tag: "Write", path: "/full/disk", lost: 3 } as const
      const full = Effect.fail(new Journal.JournalError({ reason }))
      assert.strictEqual(yield* bootWith(slowJournal(full).journal), 10)
      assert.strictEqual(yield* bootWith(slowJournal(Effect.die("bug")).journal), 10)
    })
  )
})

describe("after a kill", () => {
  /** A boot that recovers what needs it, and the names of those that did. */
  const bootAfter = (previous: Journal.Unfinished | undefined) =>
    Effect.gen(function* () {
      const recovered: Array<string> = []
      const { boot, events, ledger, part } = world()
      const recover = (name: string) => ({ recover: Effect.sync(() => void recovered.push(name)) })
      const parts = [
        part("database", recover("database")),
        part("socket", {
          needs: ["database"],
          ...recover("socket"),
          then: (n) => (n < 2 ? fails("socket") : Effect.void)
        }).pipe(Component.retry(Policy.make({ name: "exact", jitter: 0 }))),
        part("api", { needs: ["socket"], ...recover("api") }),
        Component.group("dwcp", [part("amst", recover("amst")), part("hde", { needs: ["amst"], ...recover("hde") })])
      ] as const
      const exit = yield* boot(parts, previous === undefined ? {} : { previous })
      assert.isTrue(Exit.isSuccess(exit))
      return { events, ledger, recovered }
    })

  it.effect("only that recovers which the boot before had acquired, once, before its first attempt", () =>
    Effect.gen(function* () {
      const first = yield* bootAfter(undefined)
      assert.deepStrictEqual(first.recovered, [])
      // The process is killed when `socket` has come up: the journal ends there.
      const killed = first.events.findIndex((it) => it._tag === "ComponentReady" && it.component === "socket")
      const previous = Journal.unfinished(first.events.slice(0, killed + 1))
      assert.deepStrictEqual(previous?.acquired.includes("database"), true)
      const { recovered } = yield* bootAfter(previous)
      assert.deepStrictEqual(
        recovered.filter((it) => it !== "amst" && it !== "hde"),
        ["database", "socket"]
      )
    })
  )

  it.effect("the members of a group recover like everybody else, by their path", () =>
    Effect.gen(function* () {
      const previous = { bootId: "x", lastCheckpoint: undefined, started: [], acquired: ["dwcp/amst", "hde"] }
      assert.deepStrictEqual((yield* bootAfter(previous)).recovered, ["amst"])
    })
  )

  it.effect("a fallback recovers what is its own, when it is its turn", () =>
    Effect.gen(function* () {
      const recovered: Array<string> = []
      const { boot, part } = world()
      const recover = (name: string) => ({ as: "cache", recover: Effect.sync(() => void recovered.push(name)) })
      const disk = part("disk", recover("disk"))
      const redis = part("redis", { ...recover("redis"), severity: "Degraded", then: () => fails("redis") })
      const previous = { bootId: "x", lastCheckpoint: undefined, started: [], acquired: ["redis"] }
      yield* boot([redis.pipe(Component.fallback(disk))], { previous, restoration: "off" })
      assert.deepStrictEqual(recovered, ["redis", "disk"])
    })
  )

  it.effect("a recovery that fails is a failure of the attempt", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const previous = { bootId: "x", lastCheckpoint: undefined, started: [], acquired: ["a"] }
      const exit = yield* boot([part("a", { recover: Effect.fail("the lock is held by pid 7") })], { previous })
      assert.isTrue(Exit.isFailure(exit))
      assert.include(only(events, "ComponentFailed")[0]?.failure.message, "pid 7")
    })
  )
})

describe("redact", () => {
  it.effect("is applied to the text of every error before it reaches any event", () =>
    Effect.gen(function* () {
      class Refused extends Data.TaggedError("Refused")<{ readonly message: string; readonly cause: unknown }> {}
      const redact = (text: string) => text.replaceAll("hunter2", "***")
      const secret = "postgres://admin:hunter2@db"
      const events: Array<BootEvent> = []
      const see = { redact, observe: (event: BootEvent) => void events.push(event) }
      const error = new Refused({ message: `refused by ${secret}`, cause: new Error(secret) })
      const optional = { severity: "Warning", health: () => Effect.void } as const
      const typed = Component.make(key("typed"), { ...optional, start: Effect.fail(error) }).pipe(Component.optional)
      const unhealthy = (w: ReturnType<typeof world>) =>
        w.part("probe", { severity: "Warning", probe: () => Effect.fail(secret) }).pipe(Component.optional)
      const first = world()
      yield* first.boot([typed, unhealthy(first)], { ...see, restoration: "off" })
      const defect = world()
      yield* defect.boot([defect.part("defect", { then: () => Effect.die(new Error(secret)) })], see)
      const validated = world()
      yield* validated.boot([validated.part("settings", { validate: fails("settings", secret) })], see)
      const inside = world()
      yield* inside.boot(
        [Component.group("group", [inside.part("inner", { then: () => fails("inner", secret) })])],
        see
      )
      const monitored = world()
      let isUp = true
      const probe = () => (isUp ? Effect.void : Effect.fail(secret))
      yield* monitored.boot([monitored.part("monitored", { probe })], { ...see, monitor: "1 second" }, () =>
        Effect.andThen(
          Effect.sync(() => void (isUp = false)),
          Effect.sleep("1 minute")
        )
      )
      const text = JSON.stringify(events)
      for (const component of ["typed", "probe", "defect", "settings", "group/inner", "monitored"]) {
        assert.include(text, `"component":"${component}"`)
      }
      assert.include(text, "postgres://admin:***@db")
      assert.deepStrictEqual(
        events.filter((event) => JSON.stringify(event).includes("hunter2")),
        []
      )
    })
  )

  it.effect("is applied to what health says of a part, be it an error or a defect", () =>
    Effect.gen(function* () {
      for (const complaint of [Effect.fail("bad password hunter2"), Effect.die(new Error("bad password hunter2"))]) {
        const { boot, part } = world()
        let isUp = true
        const a = part("a", { probe: () => (isUp ? Effect.void : complaint) })
        const redact = (text: string) => text.replaceAll("hunter2", "***")
        const exit = yield* boot([a], { redact }, ({ health }) => {
          isUp = false
          return Effect.map(health.report, ({ components }) => components[0]?.message)
        })
        assert.deepStrictEqual(exit, Exit.succeed("bad password ***"))
      }
    })
  )
})

describe("the text of an error", () => {
  it.effect("is there whatever a start fails with, and the boot ends", () =>
    Effect.gen(function* () {
      for (const failure of [undefined, null, "plain", 0, Object.assign(new Error("x"), { message: { code: 1 } })]) {
        const { boot, events } = world()
        const start = Effect.fail(failure)
        const odd = Component.make(key("odd"), { start, health: () => Effect.void })
        const [[component, cause] = []] = criticals(yield* boot([odd]))
        assert.deepStrictEqual([component, cause], ["odd", failure])
        assert.isNotEmpty(only(events, "ComponentFailed", "odd")[0]?.failure.message)
      }
    })
  )

  it.effect("is left out when it cannot be redacted, and the boot ends", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const redact = (): never => {
        throw new Error("no pattern for hunter2")
      }
      const exit = yield* boot([part("a", { then: () => fails("a", "hunter2") })], { redact })
      assert.strictEqual(criticals(exit).length, 1)
      const { message, tag } = only(events, "ComponentFailed", "a")[0]!.failure
      assert.include(message, "`redact` of the boot threw")
      assert.notInclude(tag + message, "hunter2")
    })
  )

  it.effect("has an end, and the error that the boot fails with has all of it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const page = "<p>502</p>".repeat(100_000)
      const [[, cause] = []] = criticals(yield* boot([part("a", { then: () => fails("a", page) })]))
      assert.propertyVal(cause, "message", page)
      const { message } = only(events, "ComponentFailed", "a")[0]!.failure
      assert.isBelow(message.length, 5_000)
      assert.match(message, /<\/p>… and 996000 more characters$/)
    })
  )
})

describe("who observes", () => {
  it.effect("and throws is named in the log, once, and the boot goes on", () =>
    Effect.gen(function* () {
      for (const tag of ["BootStarted", "ComponentReady", "ComponentStopped"]) {
        const { boot, ledger, part } = world()
        const heard: Array<string> = []
        const logged: Array<string> = []
        const observe = (event: BootEvent) => {
          heard.push(event._tag)
          if (event._tag === tag) throw new Error("the metrics are gone")
        }
        const logger = Logger.make(({ cause, message }) => {
          logged.push(`${String(message)} ${Cause.pretty(cause)}`)
        })
        const two = [part("a"), part("b", { needs: ["a"] })]
        const exit = yield* boot(two, { observe }).pipe(Effect.provide(Logger.layer([logger])))
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(ledger, ["0 +a", "10 +b", "20 -b", "20 -a"])
        assert.strictEqual(heard.at(-1), "BootEnded")
        assert.strictEqual(logged.length, 1)
        assert.match(logged[0]!, /`observe` of the boot threw.*the metrics are gone/s)
      }
    })
  )
})

describe("a journal", () => {
  it.effect("that throws is named in the log, once, and the boot goes on without", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const logged: Array<string> = []
      const logger = Logger.make(({ cause, message }) => {
        logged.push(`${String(message)} ${Cause.pretty(cause)}`)
      })
      const append = (): never => {
        throw new Error("no such table")
      }
      const journal = { append, flush: Effect.void }
      assert.isTrue(Exit.isSuccess(yield* boot([part("a")], { journal }).pipe(Effect.provide(Logger.layer([logger])))))
      assert.deepStrictEqual(ledger, ["0 +a", "10 -a"])
      assert.strictEqual(logged.length, 1)
      assert.match(logged[0]!, /`append` of its journal threw.*no such table/s)
    })
  )
})

describe("the log", () => {
  it.effect("is the same for the same seed, and another one for another seed", () =>
    Effect.gen(function* () {
      const logOf = (seed: number) =>
        Effect.gen(function* () {
          const { boot, events, part } = world()
          const flaky = part("flaky", { then: (n) => (n < 3 ? fails("flaky") : Effect.void) })
          yield* boot([flaky.pipe(Component.retry(Policy.standard)), part("b", { needs: ["flaky"] })])
          return JSON.stringify(
            events.map((event) => (event._tag === "BootStarted" ? { ...event, startedAt: 0 } : event))
          )
        }).pipe(Random.withSeed(seed))
      assert.strictEqual(yield* logOf(1), yield* logOf(1))
      assert.notStrictEqual(yield* logOf(1), yield* logOf(2))
    })
  )

  it.effect("begins with who boots what, and where", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const options = { bootId: "boot-7", nodeId: "node-3", configVersion: "41", environment: "hybrid", concurrency: 3 }
      yield* boot([part("a"), part("b", { needs: ["a"] })], options)
      const [started] = only(events, "BootStarted")
      assert.deepInclude(started, options)
      assert.deepStrictEqual(
        started?.components.map(({ name, needs }) => [name, needs]),
        [
          ["a", []],
          ["b", ["a"]]
        ]
      )
    })
  )

  it.effect("identifies each boot by a name of its own, when nobody gives it one", () =>
    Effect.gen(function* () {
      const ids = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const { events, options, part } = world()
        yield* Virtual.run(Effect.scoped(Boot.make([part("a")], { observe: options.observe })))
        ids.add(only(events, "BootStarted")[0]?.bootId ?? "")
      }
      assert.strictEqual(ids.size, 20)
    })
  )
})

describe("the status", () => {
  it.effect("is a stream of what each component does from the moment that somebody looks", () =>
    Effect.gen(function* () {
      const w = world()
      const redis = w.part("redis", {
        as: "cache",
        severity: "Degraded",
        then: (n) => (n < 2 ? fails("redis") : Effect.void)
      })
      const cache = redis.pipe(Component.fallback(w.part("memory", { as: "cache" })))
      const seen: Array<string> = []
      yield* w.boot(
        [cache],
        { restoration: Policy.make({ name: "exact", attempts: Infinity, jitter: 0 }) },
        (running) =>
          Effect.gen(function* () {
            const changes = SubscriptionRef.changes(yield* running.status)
            const see = Stream.runForEach(changes, ({ components }) =>
              Effect.sync(() => {
                for (const { state } of HashMap.values(components)) if (seen.at(-1) !== state) seen.push(state)
              })
            )
            yield* Effect.forkChild(see)
            yield* Effect.sleep("5 seconds")
            yield* running.stop()
            yield* Virtual.settle
          })
      )
      assert.deepStrictEqual(seen, ["degraded", "ready", "stopped"])
      assert.deepStrictEqual(Object.keys(at(w.events, "Degraded")), ["redis"])
    })
  )
})
