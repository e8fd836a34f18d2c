import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Component } from "@novacron/boot"
import { type Duration, Effect, Exit, Result, Schema } from "effect"
import * as Fault from "../src/Fault.ts"
import * as Random from "../src/Random.ts"
import * as Simulation from "../src/Simulation.ts"
import { api, app, cache, engine, RedisDown, settings } from "./fixtures/App.ts"

describe("Fault", () => {
  it("strikes at the attempt and the await it is addressed to, once", () => {
    const { events, struck } = boot([fault("Fails", "cache"), fault("Fails", "cache", { attempt: 2, await: 2 })])
    assert.deepStrictEqual(struck, [1, 1])
    const took = (attempt: number) => {
      const began = events.find(
        (event) => event._tag === "ComponentStarted" && isCache(event) && event.attempt === attempt
      )
      const ended = events.find(
        (event) => event._tag === "AttemptFailed" && isCache(event) && event.attempt === attempt
      )
      return Math.round(ended!.atMs - began!.atMs)
    }
    assert.deepStrictEqual([took(1), took(2)], [0, 20], "at once, and after the first sleep")
  })

  it("refuses to be for a component or a variant that is not there", () => {
    assert.throws(() => Fault.inject(app, [fault("Fails", "cach")]), /no component "cach"\. There are: settings, /)
    const fallback = { ...fault("Fails", "api"), variant: 1 }
    assert.throws(() => Fault.inject(app, [fallback]), /"api" has no variant 1; its last one is 0/)
  })

  it("does not strike an attempt that is not made", () => {
    const { events, outcome, struck } = boot([fault("Fails", "cache", { attempt: 2 })])
    assert.strictEqual(outcome, "ready")
    assert.deepStrictEqual(struck, [0])
    assert.isFalse(events.some(({ _tag }) => _tag === "AttemptFailed"))
  })

  it("fails as the component declares, with the mildest of its severities", () => {
    const { events, outcome } = boot([1, 2, 3].map((attempt) => fault("Fails", "cache", { attempt })))
    assert.strictEqual(failures(events)[0]?.tag, "RedisDown")
    assert.strictEqual(outcome, "degraded")
  })

  it("fails with the error that the caller knows", () => {
    const { events } = boot([fault("Fails", "cache")], { errors: { cache: () => new RedisDown({ why: "mine" }) } })
    assert.strictEqual(failures(events)[0]?.tag, "RedisDown")
    assert.notInclude(failures(events)[0]?.message, "injected")
  })

  it("lets a component handle the failure of an await", () => {
    const stoic = Component.mapRecipe(settings, (recipe) => ({
      ...recipe,
      builds: [{ ...recipe.builds[0], start: Effect.catch(recipe.builds[0].start, () => Effect.succeed({ url: "" })) }]
    }))
    const injection = Fault.inject([stoic], [fault("Fails", "settings", { await: 1 })])
    const { exit } = Simulation.run(Effect.exit(Effect.scoped(Boot.make(injection.components))), { seed: 1 })
    assert.deepStrictEqual(injection.struck(), [1])
    assert.isTrue(Exit.isSuccess(exit) && Exit.isSuccess(exit.value))
  })

  it("dies, is interrupted, and both are defects", () => {
    for (const kind of ["Dies", "Interrupts"] as const) {
      const { events, outcome, struck } = boot([fault(kind, "api", { await: 1 })])
      assert.deepStrictEqual(struck, [1])
      assert.strictEqual(failures(events)[0]?.kind, "defect")
      assert.strictEqual(outcome, "failed")
    }
  })

  it("hangs until a deadline", () => {
    const { events, struck } = boot([fault("Hangs", "cache", { await: 1 })])
    assert.deepStrictEqual(struck, [1])
    assert.strictEqual(failures(events)[0]?.kind, "timeout")
  })

  it("hangs deaf inside an acquisition, and is left behind", () => {
    const { events, struck } = boot([fault("Hangs", "cache", { await: 2 })])
    assert.deepStrictEqual(struck, [1])
    assert.isTrue(events.some((event) => event._tag === "AttemptClosed" && event.closing === "abandoned"))
  })

  it("slows down from an await on", () => {
    const readyAt = (faults: ReadonlyArray<Fault.Fault>) =>
      boot(faults).events.find(({ _tag }) => _tag === "ComponentReady")?.atMs
    assert.strictEqual(readyAt([]), 5)
    assert.strictEqual(readyAt([fault("Slow", "settings", { await: 1, factor: 10 })]), 50)
    assert.strictEqual(readyAt([fault("Slow", "settings", { await: 2, factor: 10 })]), 5)
  })

  it("fails after acquisition, when what was acquired has to be released", () => {
    const { events, struck } = boot([fault("FailsAcquired", "cache")])
    assert.deepStrictEqual(struck, [1])
    const failed = events.find(({ _tag }) => _tag === "AttemptFailed")
    const closed = events.find(({ _tag }) => _tag === "AttemptClosed")
    assert.strictEqual(closed!.atMs - failed!.atMs, 2, "its finalizer ran")
  })

  it("breaks finalizers", () => {
    for (const [kind, closing] of [
      ["FinalizerFails", "failed"],
      ["FinalizerHangs", "abandoned"]
    ] as const) {
      const { events, struck } = boot([fault(kind, "cache")])
      assert.deepStrictEqual(struck, [1])
      assert.isTrue(
        events.some((event) => event._tag === "ComponentStopped" && event.closing === closing),
        kind
      )
    }
  })

  it("keeps probes from answering, or lets them say no for a while", () => {
    const hanging = boot([fault("ProbeHangs", "cache")])
    assert.deepStrictEqual(hanging.struck, [1])
    assert.strictEqual(failures(hanging.events)[0]?.kind, "timeout")
    const refusing = boot([fault("ProbeFails", "cache", { times: 2 })])
    assert.deepStrictEqual(refusing.struck, [2])
    assert.deepStrictEqual(
      failures(refusing.events).map(({ kind }) => kind),
      ["unhealthy", "unhealthy"]
    )
    assert.strictEqual(refusing.outcome, "ready")
  })

  it("flaps once it is up", () => {
    const { events, struck } = boot([fault("Flaps", "cache", { period: 5 })], { runs: "30 seconds" })
    assert.isAbove(struck[0]!, 0)
    const turns = events.flatMap((event) => (event._tag === "HealthChanged" ? [event.healthy] : []))
    assert.include(turns, false)
    assert.isFalse(events.some(({ _tag }) => _tag === "AttemptFailed"))
  })

  it("cancels the boot", () => {
    let cancelled = 0
    const injection = Fault.inject(app)
    injection.arm([fault("Cancels", "api", { await: 1 })], { cancel: () => cancelled++ })
    Simulation.run(Effect.exit(Effect.scoped(Boot.make(app, {}))), { seed: 1 })
    assert.strictEqual(cancelled, 0, "the components that came in are as they were")
    Simulation.run(Effect.exit(Effect.scoped(Boot.make(injection.components))), { seed: 1 })
    assert.strictEqual(cancelled, 1)
  })

  it("strikes a fallback as well", () => {
    const down = [1, 2, 3].map((attempt) => fault("Fails", "cache", { attempt }))
    const { outcome, struck } = boot([...down, { ...fault("Dies", "cache"), variant: 1 }])
    assert.deepStrictEqual(struck, [1, 1, 1, 1])
    assert.strictEqual(outcome, "failed")
  })

  it("counts the awaits of every attempt", () => {
    const injection = Fault.inject(app)
    injection.arm([], { counting: true })
    Simulation.run(Effect.exit(Effect.scoped(Boot.make(injection.components))), { seed: 1 })
    const counts = injection.awaits().map(({ awaits, component }) => [component, awaits])
    assert.deepStrictEqual(counts, [
      ["settings", 1],
      ["cache", 2],
      ["engine", 1],
      ["api", 1]
    ])
  })

  it("begins anew each time it is armed", () => {
    const injection = Fault.inject(app)
    for (let again = 0; again < 2; again++) {
      injection.arm([fault("Fails", "cache")])
      Simulation.run(Effect.exit(Effect.scoped(Boot.make(injection.components))), { seed: 1 })
      assert.deepStrictEqual(injection.struck(), [1])
    }
  })

  it("keeps the types of components", () => {
    const { components } = Fault.inject([settings, cache, engine, api])
    const booted: Boot.Services<typeof components> extends Boot.Services<typeof app> ? true : false = true
    assert.isTrue(booted)
  })

  it("is data that survives a file", () => {
    const random = Random.make(1)
    const manifests = app.map(({ manifest }) => manifest)
    const faults = Array.from({ length: 50 }, () =>
      Fault.draw(random, manifests, { attempt: 1, kinds: Fault.kinds })
    ).flat()
    assert.deepStrictEqual(new Set(faults.map(({ _tag }) => _tag)), new Set(Fault.kinds))
    const read = Schema.decodeUnknownResult(Schema.Array(Fault.Fault))(JSON.parse(JSON.stringify(faults)))
    assert.deepStrictEqual(Result.getOrThrow(read), faults)
  })

  it("says in words what it does", () => {
    assert.strictEqual(
      Fault.describe(fault("Hangs", "cache", { attempt: 2, await: 1 })),
      "cache hangs at await 1 of attempt 2"
    )
    assert.strictEqual(
      Fault.describe({ ...fault("FinalizerFails", "cache"), variant: 1 }),
      "fallback 1 of cache has a finalizer that fails, attempt 1"
    )
  })

  it("draws as many faults as it is told to", () => {
    const manifests = app.map(({ manifest }) => manifest)
    assert.deepStrictEqual(Fault.draw(Random.make(1), manifests, { attempt: 0 }), [])
    const faults = Fault.draw(Random.make(1), manifests, { attempt: 1 })
    const of = (name: string, variant = 0) =>
      faults.filter((fault) => fault.component === name && fault.variant === variant).length
    // One attempt, three, three and one that restores it.
    assert.deepStrictEqual([of("settings"), of("api"), of("cache"), of("cache", 1)], [1, 3, 4, 2])
  })
})

const fault = (
  kind: Fault.Kind,
  component: string,
  { attempt = 1, ...details }: Parameters<typeof Fault.make>[2] & { readonly attempt?: number } = {}
): Fault.Fault => Fault.make(kind, { component, variant: 0, attempt }, details)

const isCache = (event: { readonly component: string }): boolean => event.component === "cache"

const failures = (events: ReadonlyArray<BootEvent.BootEvent>): ReadonlyArray<BootEvent.Failure> =>
  events.flatMap((event) => (event._tag === "AttemptFailed" ? [event.failure] : []))

/** Boots the app with faults, lets it run for a while, and stops it. */
const boot = (
  faults: ReadonlyArray<Fault.Fault>,
  { errors = {}, runs = "1 second" }: { readonly errors?: Fault.Errors; readonly runs?: Duration.Input } = {}
) => {
  const { components, struck } = Fault.inject(app, faults, { errors })
  const events: Array<BootEvent.BootEvent> = []
  const program = Effect.scoped(
    Effect.gen(function* () {
      const running = yield* Boot.make(components, {
        observe: (event) => events.push(event),
        checked: true,
        monitor: "1 second"
      })
      yield* Effect.sleep(runs)
      return yield* running.stop()
    })
  )
  const { deadlock } = Simulation.run(Effect.exit(program), { seed: 1 })
  assert.isFalse(deadlock)
  const ready = events.find((event) => event._tag === "BootReady")
  return { events, struck: struck(), outcome: ready?.outcome ?? "failed" }
}
