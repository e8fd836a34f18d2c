import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Option, Scope } from "effect"
import * as Instance from "../src/Instance.ts"
import * as Live from "../src/Live.ts"
import * as Policy from "../src/Policy.ts"
import type { Build } from "../src/Recipe.ts"
import { TimedOut } from "../src/Severity.ts"
import * as Virtual from "./fixtures/virtual.ts"

/** An instance of something that writes down what it does, and the exchange of an old one for it. */
const world = (options: { readonly build?: Partial<Build>; readonly closing?: Effect.Effect<unknown> } = {}) => {
  const did: Array<string> = []
  const say = (what: string) => Effect.sync(() => did.push(what))
  const instance = (name: string, closing: Effect.Effect<unknown> = Effect.void, build: Partial<Build> = {}) =>
    Effect.map(Effect.context(), (env) => {
      const scope = Scope.makeUnsafe()
      const acquired = Effect.acquireRelease(say(`open ${name}`), () => Effect.andThen(closing, say(`close ${name}`)))
      return Instance.make(
        {
          name,
          start: Effect.as(acquired, { name }),
          yields: "service",
          probe: () => say(`probe ${name}`),
          table: "Degraded",
          policy: Policy.never,
          timeoutMs: 1_000,
          deadlineMs: Infinity,
          ...build
        },
        scope,
        Context.add(env, Scope.Scope, scope)
      )
    })
  const begin = Effect.gen(function* () {
    const old = yield* instance("old", options.closing)
    yield* Effect.provideContext(Instance.trusted(old.build.start), old.context)
    const fresh = yield* instance("new", Effect.void, options.build)
    const face = Live.make({})
    const exchanged = Instance.exchange(fresh, {
      stopMs: 500,
      drainMs: 2_000,
      timedOut: () => new TimedOut({ component: "new", scope: "attempt", afterMs: 1_000, during: fresh.during }),
      unhealthy: (cause) => cause,
      closed: () => undefined,
      install: () => {
        did.push("install")
        return { old, generations: [Live.exchange(face, {})] }
      }
    })
    return { exchanged: Effect.provideContext(exchanged, fresh.context), face }
  })
  return { did, begin }
}

describe("an exchange", () => {
  it.effect("builds, probes, installs, drains, and only then closes the old one", () =>
    Effect.gen(function* () {
      const { begin, did } = world()
      const { exchanged } = yield* begin
      assert.deepStrictEqual(yield* Virtual.run(exchanged), Exit.succeed("clean" as const))
      assert.deepStrictEqual(did, ["open old", "open new", "probe new", "install", "close old"])
    })
  )

  it.effect("waits for calls in flight, but not for ever", () =>
    Effect.gen(function* () {
      const { begin, did } = world()
      const { exchanged, face } = yield* begin
      face.current.users = 1
      const fiber = yield* Effect.forkChild(exchanged)
      yield* Virtual.pass(1_999)
      assert.notInclude(did, "close old")
      yield* Virtual.pass(1)
      assert.deepStrictEqual(yield* Virtual.exitOf(fiber), Exit.succeed("clean" as const))
    })
  )

  it.effect("closes the new one and leaves the old one when the new one does not start", () =>
    Effect.gen(function* () {
      const failing = Effect.andThen(
        Effect.acquireRelease(Effect.void, () => Effect.void),
        Effect.fail("no")
      )
      const { begin, did } = world({ build: { start: failing } })
      const { exchanged } = yield* begin
      assert.deepStrictEqual(yield* Virtual.run(exchanged), Exit.fail("no"))
      assert.deepStrictEqual(did, ["open old"])
    })
  )

  it.effect("closes the new one when its probe says no, throws, or does not answer in time", () =>
    Effect.gen(function* () {
      const probes: ReadonlyArray<Build["probe"]> = [
        () => Effect.fail("sick"),
        () => {
          throw new Error("bug")
        },
        () => Effect.never
      ]
      for (const probe of probes) {
        const { begin, did } = world({ build: { probe } })
        const { exchanged } = yield* begin
        assert.isTrue(Exit.isFailure(yield* Virtual.run(exchanged)))
        assert.deepStrictEqual(did, ["open old", "open new", "close new"])
      }
    })
  )

  it.effect(
    "leaves a new one behind that neither starts nor can be interrupted, and closes it should it come back",
    () =>
      Effect.gen(function* () {
        const did: Array<string> = []
        const start = Effect.acquireRelease(Effect.sleep("1 minute"), () => Effect.sync(() => did.push("close new")))
        const { begin } = world({ build: { start } })
        const { exchanged } = yield* begin
        const fiber = yield* Effect.forkChild(exchanged)
        yield* Virtual.pass(1_499)
        assert.isUndefined(fiber.pollUnsafe())
        yield* Virtual.pass(1)
        const exit = yield* Virtual.exitOf(fiber)
        assert.instanceOf(Option.getOrUndefined(Exit.findErrorOption(exit)), TimedOut)
        assert.deepStrictEqual(did, [])
        yield* Virtual.pass("1 minute")
        assert.deepStrictEqual(did, ["close new"])
      })
  )

  it.effect("says how the old one was closed, and abandons it when that takes too long", () =>
    Effect.gen(function* () {
      const failing = world({ closing: Effect.die("stuck valve") })
      assert.deepStrictEqual(yield* Virtual.run((yield* failing.begin).exchanged), Exit.succeed("failed" as const))
      const hanging = world({ closing: Effect.never })
      assert.deepStrictEqual(yield* Virtual.run((yield* hanging.begin).exchanged), Exit.succeed("abandoned" as const))
    })
  )

  it.effect("leaves nothing open when it is interrupted while it builds, and both halves done while it drains", () =>
    Effect.gen(function* () {
      const never = yield* Deferred.make<void>()
      const building = world({ build: { probe: () => Deferred.await(never) } })
      const first = yield* Effect.forkChild((yield* building.begin).exchanged)
      yield* Virtual.settle
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(building.did, ["open old", "open new", "close new"])

      const draining = world()
      const { exchanged, face } = yield* draining.begin
      face.current.users = 1
      const second = yield* Effect.forkChild(exchanged)
      yield* Virtual.settle
      yield* Fiber.interrupt(second)
      assert.deepStrictEqual(draining.did, ["open old", "open new", "probe new", "install", "close old"])
    })
  )
})
