import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option, type Scope } from "effect"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import * as Report from "../src/Report.ts"
import { Critical, Defect, messageOf, NeedAbsent, TimedOut, Unhealthy } from "../src/Severity.ts"
import { at, Broken, criticals, fails, key, lines, only, type Part, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

describe("a critical failure", () => {
  it.effect("interrupts siblings, rolls back in reverse, and names the component with its own error", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot([
        part("settings"),
        part("database", { needs: ["settings"], closing: Effect.sleep(20) }),
        part("bad", { needs: ["settings"], takes: 40, then: () => fails("bad", "no such host") }),
        part("slow", { needs: ["database"], takes: 5_000, closing: Effect.sleep(10) }),
        part("never", { needs: ["slow"] })
      ])
      const failure = Option.getOrThrow(Exit.findErrorOption(exit))
      assert.instanceOf(failure, Critical)
      assert.strictEqual(failure.component, "bad")
      assert.deepStrictEqual(failure.cause, new Broken({ by: "bad", message: "no such host" }))
      assert.strictEqual(messageOf(failure), 'critical component "bad" did not start: no such host')
      assert.deepStrictEqual(ledger, [
        "0 +settings",
        "10 +database",
        "10 +bad",
        "20 +slow",
        "50 -bad",
        "50 -slow",
        "60 -database",
        "80 -settings"
      ])
      assert.deepStrictEqual(lines(events, "Interrupted", "Skipped", "Failed"), [
        "50 Failed bad",
        "50 Skipped never",
        "50 Interrupted slow",
        "60 Skipped slow"
      ])
      const ended = { _tag: "BootEnded", atMs: 80, outcome: "failed", clean: true } as const
      assert.deepStrictEqual(only(events, "BootEnded")[0], ended)
    })
  )

  it.effect("is reported together with all others that are independent of it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([
        part("a", { takes: 10, then: () => fails("a"), closing: Effect.sleep(50) }),
        part("b", { takes: 30, then: () => fails("b"), closing: Effect.sleep(50) }),
        part("c", { takes: 30, then: () => fails("c"), severity: "Warning", closing: Effect.sleep(50) }).pipe(
          Component.optional
        ),
        part("d", { takes: 1_000 })
      ])
      assert.deepStrictEqual(
        criticals(exit).map(([name]) => name),
        ["a", "b"]
      )
      assert.deepStrictEqual(Object.keys(at(events, "Failed")), ["a", "b"])
    })
  )

  it.effect("of a component that has already fallen back is the failure of the fallback", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([
        part("redis", { as: "cache", severity: "Degraded", then: () => fails("redis") }).pipe(
          Component.fallback(part("memory", { as: "cache", then: () => fails("memory") }))
        )
      ])
      assert.deepStrictEqual(criticals(exit), [["redis", new Broken({ by: "memory", message: "memory broke" })]])
    })
  )

  it.effect("at the same moment as many others ends in one rollback, with nothing left", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const bad = Array.from({ length: 20 }, (_, i) => part(`bad${i}`, { takes: 10, then: () => fails(`bad${i}`) }))
      const exit = yield* boot([...bad, part("good", { takes: 5 })], { concurrency: 100 })
      assert.isAtLeast(criticals(exit).length, 1)
      assert.strictEqual(only(events, "RollbackStarted").length, 1)
    })
  )
})

describe("a defect", () => {
  const ends = (name: string, exit: Exit.Exit<unknown, unknown>, text: string) => {
    const [[component, cause] = []] = criticals(exit)
    assert.strictEqual(component, name)
    assert.instanceOf(cause, Defect)
    assert.include(messageOf(cause), text)
  }

  it.effect("in start is critical, whatever the severity says, and never tried again", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const bug = () => Effect.die(new TypeError("undefined is not a function"))
      const exit = yield* boot([part("bad", { severity: "Warning", then: bug }).pipe(Component.optional)])
      ends("bad", exit, "undefined is not a function")
      assert.deepStrictEqual(ledger, ["0 +bad", "10 -bad"])
    })
  )

  it.effect("in health is critical, also when it is thrown before there is an effect", () =>
    Effect.gen(function* () {
      const throws = (): Effect.Effect<void> => {
        throw new TypeError("health is not written")
      }
      for (const probe of [throws, () => Effect.die(new TypeError("health is not written"))]) {
        const { boot, part } = world()
        ends("bad", yield* boot([part("bad", { probe }), part("other", { takes: 50 })]), "health is not written")
      }
    })
  )

  it.effect("is what it is when a component interrupts itself", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      ends("bad", yield* boot([part("bad", { then: () => Effect.interrupt })]), "interrupted itself")
    })
  )
})

describe("a probe that says no", () => {
  it.effect("keeps the component from being ready, and its answer is the cause", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([
        part("bad", { probe: () => Effect.fail("no route") }),
        part("next", { needs: ["bad"] })
      ])
      const [[component, cause] = []] = criticals(exit)
      assert.strictEqual(component, "bad")
      assert.instanceOf(cause, Unhealthy)
      assert.strictEqual(cause.cause, "no route")
      assert.deepStrictEqual(only(events, "ComponentReady"), [])
      assert.deepStrictEqual(Object.keys(at(events, "Started")), ["bad"])
      assert.strictEqual(only(events, "ComponentFailed")[0]?.failure.kind, "unhealthy")
    })
  )

  it.effect("counts with the mildest severity of the table, or with the one that the table names", () =>
    Effect.gen(function* () {
      const probe = () => Effect.fail("no route")
      const mild = world()
      const optional = mild.part("bad", { severity: { Broken: "Warning" }, probe }).pipe(Component.optional)
      assert.isTrue(Exit.isSuccess(yield* mild.boot([optional])))
      assert.deepStrictEqual(Object.keys(at(mild.events, "Absent")), ["bad"])
      const strict = world()
      const table = { Broken: "Warning", Unhealthy: "Critical" } as const
      const exit = yield* strict.boot([strict.part("bad", { severity: table, probe }).pipe(Component.optional)])
      assert.deepStrictEqual(
        criticals(exit).map(([name]) => name),
        ["bad"]
      )
    })
  )
})

describe("a degraded failure", () => {
  it.effect("gives way to the fallback: the boot is degraded, and dependents do not notice", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot(
        [
          part("redis", { as: "cache", severity: "Degraded", then: () => fails("redis") }).pipe(
            Component.fallback(part("disk", { as: "cache", severity: "Degraded", then: () => fails("disk") })),
            Component.fallback(part("memory", { as: "cache" }))
          ),
          part("api", { needs: ["cache"] })
        ],
        { restoration: "off" },
        () => Effect.void
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(
        only(events, "FallbackChosen").map(({ fallback, variant }) => [fallback, variant]),
        [
          ["disk", 1],
          ["memory", 2]
        ]
      )
      assert.deepStrictEqual(lines(events, "Degraded", "Ready"), ["30 Degraded redis", "40 Ready api"])
      assert.strictEqual(only(events, "ComponentDegraded")[0]?.fallback, "memory")
      assert.strictEqual(only(events, "BootReady")[0]?.outcome, "degraded")
    })
  )

  it.effect("does not touch what is shared: others that need it boot on (EFFECT.md 1.4)", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot(
        [
          part("bad", { takes: 100, severity: "Warning", then: () => fails("bad") }).pipe(Component.optional),
          part("shared", { takes: 300 }),
          part("x", { needs: ["shared"], also: [Component.option(key("bad"))] }),
          part("y", { needs: ["shared"] })
        ],
        { restoration: "off" }
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines(events, "Interrupted"), [])
      assert.strictEqual(ledger.filter((line) => line.endsWith("+shared")).length, 1)
      assert.deepStrictEqual(at(events, "Ready"), { shared: 300, x: 310, y: 310 })
    })
  )
})

describe("a warning", () => {
  it.effect("is absent, and changes nobody else", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot(
        [part("metrics", { severity: "Warning", then: () => fails("metrics") }).pipe(Component.optional), part("api")],
        { restoration: "off" }
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines(events, "Absent", "Ready", "Failed"), ["10 Ready api", "10 Absent metrics"])
    })
  )

  it.effect("skips those that cannot do without, with a chain of reasons to the root", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const optional = (name: string, needs: ReadonlyArray<string>) =>
        part(name, { needs, severity: "Warning" }).pipe(Component.optional)
      const exit = yield* boot(
        [
          part("index", { severity: "Warning", then: () => fails("index") }).pipe(Component.optional),
          optional("search", ["index"]),
          optional("suggestions", ["search"])
        ],
        { restoration: "off" }
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(
        only(events, "ComponentSkipped").map(({ component, reason }) => [component, reason]),
        [
          ["search", { _tag: "Need", need: "index" }],
          ["suggestions", { _tag: "Need", need: "search" }]
        ]
      )
    })
  )

  it.effect("ends the boot for a component that cannot do without and may not be absent", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const index = part("index", { severity: "Warning", then: () => fails("index") }).pipe(Component.optional)
      // The compiler refuses this; a list that was put together at run time may still hold it.
      const needy = part("needy", { needs: ["index"] })
      const list: ReadonlyArray<Component.Component<Component.Provided<never>, Critical, never>> = [
        index as never,
        needy as never
      ]
      const [[component, cause] = []] = criticals(yield* boot(list, { restoration: "off" }))
      assert.strictEqual(component, "needy")
      assert.instanceOf(cause, NeedAbsent)
      assert.strictEqual(cause.message, "needy needs index, which is absent")
    })
  )

  it.effect("names the component that has come up without what it says that it provides", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      // A cast in somebody's layer gets past the compiler.
      const driver = Component.fromLayer(key("driver"), Layer.empty as Layer.Layer<Part>, { name: "library" })
      const [[component, cause] = []] = criticals(yield* boot([driver, part("api", { needs: ["driver"] })]))
      assert.strictEqual(component, "api")
      assert.instanceOf(cause, NeedAbsent)
      assert.strictEqual(cause.message, 'api needs driver, which is not up although "library" is')
    })
  )
})

describe("a rollback", () => {
  it.effect("goes on past a finalizer that fails, and says so", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot([
        part("a"),
        part("b", { needs: ["a"], closing: Effect.die(new Error("cannot close")) }),
        part("c", { needs: ["b"], then: () => fails("c") })
      ])
      assert.deepStrictEqual(
        criticals(exit).map(([name]) => name),
        ["c"]
      )
      assert.deepStrictEqual(ledger.slice(-3), ["30 -c", "30 -b", "30 -a"])
      assert.deepStrictEqual(
        only(events, "ComponentStopped").map(({ closing, component }) => [component, closing]),
        [
          ["b", "failed"],
          ["a", "clean"]
        ]
      )
      assert.strictEqual(only(events, "BootEnded")[0]?.clean, false)
    })
  )

  it.effect("that could not close everything is told by the error itself, beside every component that failed", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([
        part("a", { stop: "200 millis", closing: Effect.never }),
        part("b", { needs: ["a"], closing: Effect.die(new Error("cannot close")) }),
        part("c", { needs: ["b"] }),
        part("bad", { takes: 40, then: () => fails("bad"), closing: Effect.sleep(50) }),
        part("worse", { takes: 60, then: () => fails("worse"), closing: Effect.die(new Error("cannot close")) })
      ])
      const errors = Exit.isFailure(exit)
        ? exit.cause.reasons.flatMap((it) => (Cause.isFailReason(it) ? [it.error] : []))
        : []
      assert.deepStrictEqual(
        errors.map((error) => error instanceof Critical && [error.component, error.unclosed?.toSorted()]),
        [
          ["worse", ["a", "b", "worse"]],
          ["bad", ["a", "b", "worse"]]
        ]
      )
      assert.match(
        errors[0]!.message,
        /^critical component "worse" did not start; the rollback could not close \w+, \w+, \w+$/
      )
      assert.deepStrictEqual(errors[1]?.cause, new Broken({ by: "bad", message: "bad broke" }))
    })
  )

  it.effect("goes on past a finalizer that hangs, after its deadline, and says so", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      yield* boot([
        part("a"),
        part("b", { needs: ["a"], stop: "200 millis", closing: Effect.never }),
        part("c", { needs: ["b"], then: () => fails("c") })
      ])
      assert.deepStrictEqual(ledger.slice(-2), ["30 -b", "230 -a"])
      assert.deepStrictEqual(
        only(events, "ComponentStopped").map(({ atMs, closing, component }) => [atMs, component, closing]),
        [
          [230, "b", "abandoned"],
          [230, "a", "clean"]
        ]
      )
      assert.strictEqual(only(events, "BootEnded")[0]?.clean, false)
    })
  )

  it.effect("of a failed attempt that cannot be closed is given up too, and nothing is tried again", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      yield* boot([part("a", { stop: "100 millis", closing: Effect.never, then: () => fails("a") })])
      assert.deepStrictEqual(only(events, "AttemptClosed")[0], {
        _tag: "AttemptClosed",
        atMs: 110,
        component: "a",
        closing: "abandoned"
      })
      assert.strictEqual(only(events, "ComponentStarted").length, 1)
    })
  )

  it.effect("ends within its budget, whatever hangs, and leaves nobody out of the record", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const hangs = { stop: "5 seconds", closing: Effect.never } as const
      const exit = yield* boot(
        [
          part("a"),
          part("b", { needs: ["a"], ...hangs }),
          part("c", { needs: ["b"], ...hangs }),
          part("d", { needs: ["c"], then: () => fails("d") })
        ],
        { rollback: "7 seconds" }
      )
      assert.isTrue(Exit.isFailure(exit))
      // Nobody waits for `a` any longer, and it is closed all the same.
      assert.deepStrictEqual(ledger.slice(-3), ["40 -c", "5040 -b", "7040 -a"])
      assert.deepStrictEqual(
        only(events, "ComponentStopped").map(({ atMs, closing, component }) => [atMs, component, closing]),
        [
          [5040, "c", "abandoned"],
          [7040, "a", "abandoned"],
          [7040, "b", "abandoned"]
        ]
      )
    })
  )

  it.effect("says of a start that it left behind how long it waited, and what was wrong before", () =>
    Effect.gen(function* () {
      const { boot, events } = world({ uninterruptible: 1 })
      let attempts = 0
      const start = Effect.suspend(() =>
        ++attempts === 1
          ? fails("stubborn")
          : Effect.uninterruptible(Effect.andThen(Effect.sleep("1 hour"), Effect.never))
      )
      const stubborn = Component.make(key("stubborn"), { stop: "1 second", start, health: () => Effect.void }).pipe(
        Component.timeout("2 seconds"),
        Component.retry(Policy.make({ name: "twice", attempts: 2 }))
      )
      const [[name, cause] = []] = criticals(yield* boot([stubborn]))
      assert.strictEqual(name, "stubborn")
      assert.instanceOf(cause, TimedOut)
      assert.deepStrictEqual([cause.scope, cause.afterMs, cause.during], ["attempt", 2_000, "start"])
      assert.deepStrictEqual(cause.cause, new Broken({ by: "stubborn", message: "stubborn broke" }))
      assert.include(Report.text(Report.fromEvents(events)), "  undone    nothing, and not clean: stubborn (abandoned)")
    })
  )

  it.effect("leaves an uninterruptible start behind, and releases what it acquires should it come back", () =>
    Effect.gen(function* () {
      const { boot, events, hold, ledger, part } = world()
      const stubborn = Component.make(key("stubborn"), {
        stop: "1 second",
        start: Effect.uninterruptible(
          Effect.gen(function* () {
            yield* Effect.sleep("20 seconds")
            yield* hold("late")
            return { name: "stubborn", answer: Effect.succeed(""), call: () => Effect.succeed("") }
          })
        ) as Effect.Effect<never, never, Scope.Scope>,
        health: () => Effect.void
      })
      const exit = yield* boot([stubborn, part("bad", { takes: 100, then: () => fails("bad") })], {}, undefined)
      assert.deepStrictEqual(
        criticals(exit).map(([name]) => name),
        ["bad"]
      )
      assert.strictEqual(only(events, "BootEnded")[0]?.atMs, 1_100)
      assert.strictEqual(only(events, "BootEnded")[0]?.clean, false)
      assert.deepStrictEqual(ledger, ["0 +bad", "100 -bad"])
      yield* Virtual.pass("20 seconds")
      assert.deepStrictEqual(ledger.slice(2), ["20000 +late", "20000 -late"])
    })
  )
})
