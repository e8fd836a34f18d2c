import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Option } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import { Environment } from "../src/Environment.ts"
import * as Launch from "../src/Launch.ts"
import * as Policy from "../src/Policy.ts"
import { tagOf } from "../src/Severity.ts"
import { at, Broken, criticals, fails, key, only, Part, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

/** Why a boot with these options or components is refused; nothing may have been started, or said. */
const refusal = <const Cs extends ReadonlyArray<Component.Any>>(
  w: ReturnType<typeof world>,
  components: Cs & Boot.Checked<Cs>,
  options: Boot.RunOptions = {}
) =>
  Effect.gen(function* () {
    const exit = yield* Virtual.run(Effect.scoped(Boot.make<Cs>(components, { ...w.options, ...options })))
    const error = Option.getOrThrow(Exit.findErrorOption(exit))
    assert.instanceOf(error, Launch.InvalidBoot)
    assert.deepStrictEqual([w.events, w.ledger], [[], []])
    return error
  })

describe("options that cannot be right", () => {
  it.effect("are refused, and nothing is started", () =>
    Effect.gen(function* () {
      for (const concurrency of [0, -1, NaN, 1.5, Infinity]) {
        const w = world()
        const { message } = yield* refusal(w, [w.part("a")], { concurrency })
        assert.strictEqual(
          message,
          `concurrency is ${concurrency}: it must be a whole number from 1, or nothing could ever start.`
        )
      }
    })
  )

  it.effect("are refused all at once", () =>
    Effect.gen(function* () {
      const w = world()
      const phases = { core: 0, post: "-1 seconds" } as const
      const options = { concurrency: 0, deadline: 0, rollback: 0, phases, monitor: 0, drain: -1 }
      const { problems } = yield* refusal(w, [w.part("a")], options)
      assert.deepStrictEqual(
        problems.map((problem) => problem.replace(/ is .*/, "")),
        [
          "concurrency",
          "deadline",
          "rollback",
          "the deadline of phase core",
          "the deadline of phase post",
          "monitor",
          "drain"
        ]
      )
    })
  )

  it.effect("do not include a boot that may take for ever", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const patient = part("slow", { takes: 40_000 }).pipe(Component.timeout("1 hour"))
      const phases = { core: "2 hours" } as const
      assert.isTrue(Exit.isSuccess(yield* boot([patient], { deadline: "2 hours", phases })))
      assert.isTrue(Exit.isSuccess(yield* world().boot([world().part("a")], { deadline: Infinity })))
    })
  )
})

describe("whoever is asked why a boot is stopped", () => {
  it.effect("may throw, and it is stopped all the same", () =>
    Effect.gen(function* () {
      const { events, ledger, options, part } = world()
      const because = () => {
        throw new Error("nobody knows")
      }
      const booted = Effect.scoped(Boot.make([part("a")], { ...options, because }))
      assert.isTrue(Exit.isSuccess(yield* Virtual.run(booted)))
      assert.deepStrictEqual(
        ledger.map((line) => line.replace(/.* /, "")),
        ["+a", "-a"]
      )
      assert.strictEqual(only(events, "RollbackStarted")[0]?.because, "the closing of its scope")
    })
  )
})

describe("the environment", () => {
  it.effect("that a boot is given is what its components see, and the boots inside them", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const seen: Array<string> = []
      const spy = (name: string) => part(name, { then: () => Effect.map(Environment, (it) => seen.push(it)) })
      const group = Component.group("group", [spy("inner")])
      const layer = Boot.layer([spy("nested"), part("gone").pipe(Component.when("development"))])
      const nested = Component.fromLayer(key("nested"), layer)
      assert.isTrue(Exit.isSuccess(yield* boot([spy("outer"), group, nested], { environment: "hybrid" })))
      assert.deepStrictEqual(seen, ["hybrid", "hybrid", "hybrid"])
      assert.strictEqual(only(events, "BootStarted")[0]?.environment, "hybrid")
    })
  )
})

describe("declarations that cannot be right", () => {
  it.effect("are refused all at once: cycles, duplicates, needs that nobody meets", () =>
    Effect.gen(function* () {
      const w = world()
      const parts = [
        w.part("a", { needs: ["b"] }),
        w.part("b", { needs: ["a"] }),
        w.part("twice"),
        w.part("twice", { as: "other" }),
        w.part("left", { as: "same" }),
        w.part("right", { as: "same" }),
        w.part("needy", { needs: ["databse"] }),
        w.part("database"),
        w.part("early", { phase: "pre", needs: ["database"] }),
        w.part("for ever").pipe(Component.retry(Policy.restoration))
      ] as const
      const error = yield* refusal(w, parts)
      for (const said of [
        `Components wait for each other: "a" → "b" → "a".`,
        `More than one component is named "twice".`,
        `"same" is provided by "left" and "right".`,
        `"needy" needs "databse", which nothing provides. Did you mean "database"?`,
        `"early" is of phase pre and needs "database" of the later phase core.`,
        `The component name "for ever" contains white space`,
        `In "for ever", attempts is Infinity; it must be a whole number from 1.`
      ]) {
        assert.include(error.message, said)
      }
      assert.deepStrictEqual([...new Set(error.cause?.problems.map(({ _tag }) => _tag))].toSorted(), [
        "Cycle",
        "DuplicateName",
        "DuplicateService",
        "InvalidName",
        "InvalidNumber",
        "Missing",
        "PhaseInversion"
      ])
    })
  )

  it.effect("name a component that needs itself", () =>
    Effect.gen(function* () {
      const w = world()
      assert.include((yield* refusal(w, [w.part("a", { needs: ["a"] })])).message, `"a" → "a"`)
    })
  )

  it.effect("do not include a need that comes from outside", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const outside = { name: "x", answer: Effect.succeed("x"), call: () => Effect.succeed("x") }
      const exit = yield* boot([part("a", { needs: ["x"] })]).pipe(
        Effect.provideContext(Context.make(key("x"), outside))
      )
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})

describe("settings that cannot be right", () => {
  it.effect("start nothing, and are all named, each with its reason", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot([
        part("a", { validate: fails("a", "port is 99999") }),
        part("b", { validate: Effect.void }),
        part("c", { validate: Effect.andThen(Effect.sleep(5), fails("c", "no url")) }),
        part("d")
      ])
      assert.deepStrictEqual(criticals(exit), [
        ["a", new Broken({ by: "a", message: "port is 99999" })],
        ["c", new Broken({ by: "c", message: "no url" })]
      ])
      assert.deepStrictEqual(ledger, [])
      assert.deepStrictEqual(Object.keys(at(events, "Failed")), ["a", "c"])
    })
  )

  it.effect("that are right delay nothing but the start, and are checked at the same time", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const validate = Effect.sleep(30)
      assert.isTrue(Exit.isSuccess(yield* boot([part("a", { validate }), part("b", { validate })])))
      assert.deepStrictEqual(at(events, "Started"), { a: 30, b: 30 })
    })
  )

  it.effect("are not asked for what does not exist in this environment", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const elsewhere = part("a", { validate: fails("a") }).pipe(Component.when("datacenter"))
      assert.isTrue(Exit.isSuccess(yield* boot([elsewhere], { environment: "internet" })))
    })
  )

  it.effect("that nobody finishes to check are out of time", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([part("a", { validate: Effect.never })], { phases: { pre: "2 seconds" } })
      const [[name, cause] = []] = criticals(exit)
      assert.deepStrictEqual([name, tagOf(cause)], ["a", "TimedOut"])
      assert.strictEqual(only(events, "ComponentFailed")[0]?.failure.kind, "timeout")
      assert.strictEqual(only(events, "BootEnded")[0]?.atMs, 2_000)
    })
  )

  it.effect("are out of time as well when nothing can interrupt the check", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world({ uninterruptible: 1 })
      const validate = Effect.uninterruptible(Effect.sleep("1 hour"))
      const exit = yield* boot([part("a", { validate })], { phases: { pre: "2 seconds" } })
      assert.isTrue(Exit.isFailure(exit))
      assert.isAtMost(only(events, "BootEnded")[0]?.atMs ?? Infinity, 10_000)
    })
  )

  it.effect("of a fallback start nothing either, before it is known whether it will be wanted", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const fallback = part("memory", { as: "cache", validate: fails("memory", "no size") })
      const redis = part("redis", { as: "cache", severity: "Degraded" }).pipe(Component.fallback(fallback))
      assert.isTrue(Exit.isFailure(yield* boot([redis, part("other")])))
      assert.deepStrictEqual(ledger, [])
    })
  )

  it.effect("inside a group start nothing either, outside or inside", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const inner = part("inner", { validate: fails("inner", "no url") })
      const exit = yield* boot([part("outer", { takes: 50 }), Component.group("group", [inner])])
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(ledger, [])
    })
  )
})

describe("the invariants", () => {
  /** Whether they are checked, seen from a Driver. */
  const checked = (env: { readonly [name: string]: string }, options: Launch.Options = {}) => {
    const part = world().part("a", { takes: 0 })
    return Effect.scoped(Launch.launch([part.recipe], options)).pipe(
      Effect.map((driver) => driver.settings.checked),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )
  }

  it.effect("are checked where a machine runs the boot, unless somebody says otherwise", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* checked({ CI: "true" }))
      assert.isTrue(yield* checked({ CI: "1" }))
      assert.isFalse(yield* checked({ CI: "false" }))
      assert.isFalse(yield* checked({ CI: "" }))
      assert.isFalse(yield* checked({}))
      assert.isFalse(yield* checked({ CI: "true" }, { checked: false }))
      assert.isTrue(yield* checked({}, { checked: true }))
      assert.notStrictEqual(Part.key, key("a").key)
    })
  )
})
