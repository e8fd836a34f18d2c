import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Queue, Random, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Supervisor from "../src/Supervisor.ts"

/** Lets every fiber run until it waits for something. */
const settle = Effect.repeat(Effect.yieldNow, { times: 50 })

const pass = (duration: Duration.Input) => Effect.andThen(settle, Effect.andThen(TestClock.adjust(duration), settle))

/** A child on strings: it lives until told how to end. */
const puppet = (name: string, options: Partial<Supervisor.Child> = {}) => {
  const ends = Effect.runSync(Queue.unbounded<Effect.Effect<void, string>>())
  return {
    child: { name, run: Effect.flatten(Queue.take(ends)), ...options } satisfies Supervisor.Child,
    end: Queue.offer(ends, Effect.void),
    crash: Queue.offer(ends, Effect.fail(`${name} crashed`))
  }
}

/** Writes events as we say them: `+a` started, `!a` ended, `-a` stopped, `~a 1s` restarting, `?a` abandoned. */
const recorder = () => {
  const log: Array<string> = []
  const events: Array<Supervisor.Event> = []
  const describe = (event: Supervisor.Event): string => {
    switch (event._tag) {
      case "ChildStarted":
        return `+${event.child}`
      case "ChildExited":
        return `${event.stopped ? "-" : "!"}${event.child}`
      case "ChildRestarting":
        return `~${event.child} ${Duration.format(event.delay)}`
      case "ChildAbandoned":
        return `?${event.child}`
      case "GaveUp":
        return `gave up on ${event.error.child}`
    }
  }
  const onEvent = (event: Supervisor.Event) =>
    Effect.sync(() => {
      events.push(event)
      log.push(describe(event))
    })
  const take = () => log.splice(0).join(" ")
  return { onEvent, events, take }
}

const everySecond = Schedule.spaced("1 second")

describe("Supervisor", () => {
  it.effect("starts children in list order and stops them in reverse when interrupted", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const children = ["a", "b", "c"].map((name) => ({ name, run: Effect.never }))
      const fiber = yield* Effect.forkChild(Supervisor.supervise(children, { onEvent }))
      yield* settle
      assert.strictEqual(take(), "+a +b +c")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(take(), "-c -b -a")
    })
  )

  it.effect("restarts one child alone under one_for_one, after its backoff", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b, c] = [puppet("a"), puppet("b"), puppet("c")]
      yield* Effect.forkScoped(Supervisor.supervise([a.child, b.child, c.child], { onEvent, backoff: everySecond }))
      yield* settle
      yield* b.crash
      yield* settle
      assert.strictEqual(take(), "+a +b +c !b ~b 1s")
      yield* pass("999 millis")
      assert.strictEqual(take(), "")
      yield* pass("1 millis")
      assert.strictEqual(take(), "+b")
    })
  )

  it.effect("restarts all children under one_for_all", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b, c] = [puppet("a"), puppet("b"), puppet("c")]
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child, c.child], { onEvent, backoff: everySecond, strategy: "one_for_all" })
      )
      yield* settle
      yield* b.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "+a +b +c !b -c -a ~a 1s ~b 1s ~c 1s +a +b +c")
    })
  )

  it.effect("restarts the rest of the list under rest_for_one", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b, c] = [puppet("a"), puppet("b"), puppet("c")]
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child, c.child], { onEvent, backoff: everySecond, strategy: "rest_for_one" })
      )
      yield* settle
      yield* b.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "+a +b +c !b -c ~b 1s ~c 1s +b +c")
    })
  )

  it.effect("restarts only those who need the child, directly or not, once needs are named", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const a = puppet("a")
      const b = puppet("b")
      const c = puppet("c", { needs: ["a"] })
      const d = puppet("d", { needs: ["c"] })
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child, c.child, d.child], {
          onEvent,
          backoff: everySecond,
          strategy: "rest_for_one"
        })
      )
      yield* settle
      yield* a.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "+a +b +c +d !a -d -c ~a 1s ~c 1s ~d 1s +a +c +d")
      yield* b.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "!b ~b 1s +b")
    })
  )

  it("affects exactly the failed child and its transitive dependents", () => {
    const graph = fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 1, maxLength: 10 }).map((needs) =>
      needs.map((of, i) => ({
        name: `${i}`,
        run: Effect.never,
        needs: i === 0 ? [] : [...new Set(of.map((n) => `${n % i}`))]
      }))
    )
    let beyond = 0
    fc.assert(
      fc.property(graph, fc.nat(), (children, n) => {
        const failed = `${n % children.length}`
        const got = Supervisor.affected(children, "rest_for_one", failed)
        // The definition, the slow way: x is affected if a path of needs leads from it to the failed child.
        const reaches = (name: string): boolean =>
          name === failed || children[Number(name)]!.needs.some((need) => reaches(need))
        assert.deepStrictEqual(got, children.map((child) => child.name).filter(reaches))
        if (got.length > 1) beyond++
      })
    )
    assert.isAbove(beyond, 10)
  })

  it.effect("restarts a transient child when it fails and a temporary one never", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const a = puppet("a", { restart: "transient" })
      const b = puppet("b", { restart: "temporary" })
      yield* Effect.forkScoped(Supervisor.supervise([a.child, b.child], { onEvent, backoff: everySecond }))
      yield* settle
      yield* a.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "+a +b !a ~a 1s +a")
      yield* a.end
      yield* b.crash
      yield* pass("1 minute")
      assert.strictEqual(take(), "!a !b")
    })
  )

  it.effect("gives up after too many restarts, says why, keeps the cause and stops the others", () =>
    Effect.gen(function* () {
      const { events, onEvent, take } = recorder()
      const boom = new Error("disk full")
      const children = [
        { name: "a", run: Effect.never },
        { name: "b", run: Effect.fail(boom) }
      ]
      const fiber = yield* Effect.forkChild(
        Effect.flip(Supervisor.supervise(children, { onEvent, backoff: Schedule.spaced("100 millis") }))
      )
      yield* pass("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(take(), "+a +b !b ~b 100ms +b !b ~b 100ms +b !b ~b 100ms +b !b gave up on b -a")
      assert.instanceOf(error, Supervisor.GaveUp)
      assert.strictEqual(error.child, "b")
      assert.strictEqual(error.restarts, 3)
      assert.strictEqual(error.reason._tag, "TooManyRestarts")
      assert.strictEqual(error.cause, boom)
      assert.include(error.message, `"b" ended again after 3 restarts within 5s`)
      assert.notInclude(error.message, "disk full")
      assert.isTrue(events.some((event) => event._tag === "GaveUp" && event.error === error))
    })
  )

  it.effect("has failed four times after some 1.4 seconds with the defaults", () =>
    Effect.gen(function* () {
      const { onEvent } = recorder()
      const fiber = yield* Effect.forkChild(
        Effect.flip(Supervisor.supervise([{ name: "a", run: Effect.fail("always") }], { onEvent })).pipe(
          Effect.andThen(Clock.currentTimeMillis),
          Random.withSeed("four times")
        )
      )
      yield* pass("10 seconds")
      const atMs = yield* Fiber.join(fiber)
      assert.isTrue(atMs >= 1400 * 0.8 && atMs <= 1400 * 1.2, `${atMs} ms`)
    })
  )

  it.effect("does not count restarts from before the period", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const a = puppet("a")
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child], { onEvent, intensity: 1, backoff: Schedule.spaced("1 second") })
      )
      yield* settle
      for (let i = 0; i < 10; i++) {
        yield* a.crash
        yield* pass("5 seconds")
      }
      assert.strictEqual(take(), `+a${" !a ~a 1s +a".repeat(10)}`)
      yield* a.crash
      yield* pass("1 second")
      yield* a.crash
      yield* settle
      assert.strictEqual(take(), "!a ~a 1s +a !a gave up on a")
    })
  )

  it.effect("gives up at the first end with an intensity of zero", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Supervisor.supervise([{ name: "a", run: Effect.void }], { intensity: 0 }))
      assert.strictEqual(error.restarts, 0)
      assert.isUndefined(error.cause)
    })
  )

  it.effect("gives up when the backoff schedule ends", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.flip(
          Supervisor.supervise([{ name: "a", run: Effect.fail("no") }], {
            intensity: 100,
            backoff: everySecond.pipe(Schedule.upTo({ times: 2 }))
          })
        )
      )
      yield* pass("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.restarts, 2)
      assert.strictEqual(error.reason._tag, "BackoffEnded")
    })
  )

  it.effect("backs off for longer each time, and anew after a stable run", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const a = puppet("a")
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child], {
          onEvent,
          intensity: 100,
          backoff: Schedule.exponential("1 second"),
          stableAfter: "10 seconds"
        })
      )
      yield* settle
      for (const wait of [1, 2, 4]) {
        yield* a.crash
        yield* pass(Duration.seconds(wait))
      }
      assert.strictEqual(take(), "+a !a ~a 1s +a !a ~a 2s +a !a ~a 4s +a")
      yield* pass("9 seconds")
      yield* a.crash
      yield* pass("8 seconds")
      assert.strictEqual(take(), "!a ~a 8s +a")
      yield* pass("10 seconds")
      yield* a.crash
      yield* settle
      assert.strictEqual(take(), "!a ~a 1s")
    })
  )

  it.effect("lets the others go on while one child waits", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b] = [puppet("a"), puppet("b")]
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child], { onEvent, backoff: Schedule.exponential("1 second") })
      )
      yield* settle
      yield* a.crash
      yield* pass("1 second")
      yield* a.crash
      yield* settle
      yield* b.crash
      yield* pass("1 second")
      assert.strictEqual(take(), "+a +b !a ~a 1s +a !a ~a 2s !b ~b 1s +b")
      yield* pass("1 second")
      assert.strictEqual(take(), "+a")
    })
  )

  it.effect("lets overlapping groups wait together, so that nobody starts before what it needs", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b] = [puppet("a"), puppet("b")]
      const c = puppet("c", { needs: ["a", "b"] })
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child, c.child], {
          onEvent,
          backoff: everySecond,
          strategy: "rest_for_one"
        })
      )
      yield* settle
      yield* a.crash
      yield* pass("500 millis")
      yield* b.crash
      yield* pass("500 millis")
      assert.strictEqual(take(), "+a +b +c !a -c ~a 1s ~c 1s !b ~b 1s ~c 1s")
      yield* pass("500 millis")
      assert.strictEqual(take(), "+a +b +c")
    })
  )

  it.effect("lets a group that it joins keep its longer wait", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const [a, b] = [puppet("a"), puppet("b")]
      const c = puppet("c", { needs: ["a", "b"] })
      yield* Effect.forkScoped(
        Supervisor.supervise([a.child, b.child, c.child], {
          onEvent,
          backoff: Schedule.exponential("1 second"),
          strategy: "rest_for_one"
        })
      )
      yield* settle
      yield* a.crash
      yield* pass("1 second")
      yield* a.crash
      yield* settle
      yield* b.crash
      yield* pass("1999 millis")
      assert.strictEqual(take(), "+a +b +c !a -c ~a 1s ~c 1s +a +c !a -c ~a 2s ~c 2s !b ~b 2s ~c 2s")
      yield* pass("1 millis")
      assert.strictEqual(take(), "+a +b +c")
    })
  )

  it.effect("abandons a child that does not stop in time, says so and goes on", () =>
    Effect.gen(function* () {
      const { events, onEvent, take } = recorder()
      const stuck = Effect.uninterruptible(Effect.never)
      const fiber = yield* Effect.forkChild(
        Supervisor.supervise(
          [
            { name: "a", run: Effect.never },
            { name: "b", run: stuck, shutdown: "2 seconds" },
            { name: "c", run: stuck }
          ],
          { onEvent }
        )
      )
      yield* settle
      assert.strictEqual(take(), "+a +b +c")
      fiber.interruptUnsafe()
      yield* pass("4999 millis")
      assert.strictEqual(take(), "")
      yield* pass("1 millis")
      assert.strictEqual(take(), "?c")
      yield* pass("2 seconds")
      assert.strictEqual(take(), "?b -a")
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(
        events.filter((event) => event._tag === "ChildAbandoned").map((event) => Duration.format(event.after)),
        ["5s", "2s"]
      )
    })
  )

  it.effect("never runs a child twice at once: it gives up if one does not stop for its restart", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const a = puppet("a")
      const fiber = yield* Effect.forkChild(
        Effect.flip(
          Supervisor.supervise([a.child, { name: "b", run: Effect.uninterruptible(Effect.never) }], {
            onEvent,
            strategy: "one_for_all"
          })
        )
      )
      yield* settle
      yield* a.crash
      yield* pass("5 seconds")
      assert.strictEqual(take(), "+a +b !a ?b gave up on a")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(error.reason, { _tag: "WouldNotStop", sibling: "b", after: Duration.seconds(5) })
      assert.strictEqual(error.cause, "a crashed")
    })
  )

  it.effect("gives each run of a child its own scope", () =>
    Effect.gen(function* () {
      const opened: Array<string> = []
      const run = Effect.acquireRelease(
        Effect.sync(() => opened.push("open")),
        () => Effect.sync(() => opened.push("close"))
      ).pipe(Effect.andThen(Effect.sleep("1 second")))
      const supervisor: Effect.Effect<never, Supervisor.GaveUp> = Supervisor.supervise([{ name: "a", run }], {
        backoff: everySecond
      })
      yield* Effect.forkScoped(supervisor)
      yield* pass("2 seconds")
      assert.deepStrictEqual(opened, ["open", "close", "open"])
    })
  )

  it.effect("nests: a supervisor that gives up is a child that failed", () =>
    Effect.gen(function* () {
      const inner = recorder()
      const outer = recorder()
      const options = { intensity: 1, backoff: everySecond, period: "10 seconds" } as const
      const fiber = yield* Effect.forkChild(
        Effect.flip(
          Supervisor.supervise(
            [
              {
                name: "inner",
                run: Supervisor.supervise([{ name: "a", run: Effect.fail("no") }], {
                  ...options,
                  onEvent: inner.onEvent
                })
              }
            ],
            { ...options, onEvent: outer.onEvent }
          )
        )
      )
      yield* pass("10 seconds")
      const error = yield* Fiber.join(fiber)
      const once = "+a !a ~a 1s +a !a gave up on a"
      assert.strictEqual(inner.take(), `${once} ${once}`)
      assert.strictEqual(outer.take(), "+inner !inner ~inner 1s +inner !inner gave up on inner")
      assert.instanceOf(error.cause, Supervisor.GaveUp)
    })
  )

  it.effect("lives in the scope of a layer", () =>
    Effect.gen(function* () {
      const { onEvent, take } = recorder()
      const layer = Layer.effectDiscard(
        Effect.forkScoped(Supervisor.supervise([{ name: "a", run: Effect.never }], { onEvent }))
      )
      yield* Effect.provide(settle, layer)
      assert.strictEqual(take(), "+a -a")
    })
  )

  it.effect("goes on when its listener has a defect", () =>
    Effect.gen(function* () {
      let told = 0
      yield* Effect.forkScoped(
        Supervisor.supervise([{ name: "a", run: Effect.sleep("1 second") }], {
          intensity: 100,
          backoff: everySecond,
          onEvent: () => {
            told++
            throw new Error("listener")
          }
        })
      )
      yield* pass("5 seconds")
      assert.isAtLeast(told, 6)
    })
  )

  it.effect("rejects two children of one name and needs that are not listed before", () =>
    Effect.gen(function* () {
      const defectOf = (children: ReadonlyArray<Supervisor.Child>) =>
        Effect.map(Effect.exit(Supervisor.supervise(children)), (exit) =>
          Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        )
      const run = Effect.never
      const twice = yield* defectOf([
        { name: "a", run },
        { name: "a", run }
      ])
      assert.instanceOf(twice, Supervisor.InvalidChildren)
      const backwards = yield* defectOf([
        { name: "a", run, needs: ["b"] },
        { name: "b", run }
      ])
      assert.instanceOf(backwards, Supervisor.InvalidChildren)
      assert.include(backwards.message, `"a" needs "b"`)
    })
  )

  it.effect("refuses limits with which it would never give up", () =>
    Effect.gen(function* () {
      const child = { name: "a", run: Effect.fail("no") }
      for (const options of [{ intensity: NaN }, { intensity: -1 }, { period: 0 }, { period: "-1 seconds" }] as const) {
        const exit = yield* Effect.exit(Supervisor.supervise([child], options))
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, RangeError)
        assert.include(String(defect), `Supervisor: ${Object.keys(options)[0]} is `)
      }
    })
  )

  it("keeps its promises under random crashes, whatever the strategy and the needs", async () => {
    const strategy = fc.constantFrom<Supervisor.Strategy>("one_for_one", "one_for_all", "rest_for_one")
    const needs = fc.array(fc.array(fc.nat(5), { maxLength: 2 }), { minLength: 1, maxLength: 6 })
    const crashes = fc.array(fc.record({ who: fc.nat(5), afterMs: fc.nat(1500) }), { maxLength: 15 })
    let restarted = 0

    await fc.assert(
      fc.asyncProperty(strategy, needs, crashes, fc.boolean(), (strategy, needs, crashes, named) =>
        Effect.gen(function* () {
          const live = new Map<string, number>()
          const born = new Set<string>()
          // Kept for the end: a supervisor takes an assertion that fails inside it for just another crash.
          const broken: Array<string> = []
          const puppets = needs.map((of, i) => {
            const name = `${i}`
            const p = puppet(name)
            const run = Effect.acquireUseRelease(
              Effect.sync(() => {
                live.set(name, (live.get(name) ?? 0) + 1)
                if (live.get(name) !== 1) broken.push(`two of ${name} at once`)
              }),
              () => p.child.run,
              () => Effect.sync(() => live.set(name, (live.get(name) ?? 0) - 1))
            )
            const child: Supervisor.Child = {
              name,
              run,
              ...(named && i > 0 && { needs: [...new Set(of.map((n) => `${n % i}`))] })
            }
            return { ...p, child }
          })
          const children = puppets.map((p) => p.child)
          const fiber = yield* Effect.forkChild(
            Supervisor.supervise(children, {
              strategy,
              intensity: 1000,
              backoff: Schedule.exponential("300 millis", 1.5).pipe(Schedule.jittered),
              onEvent: (event) =>
                Effect.sync(() => {
                  if (event._tag === "ChildExited") born.delete(event.child)
                  if (event._tag === "ChildRestarting") restarted++
                  if (event._tag !== "ChildStarted") return
                  born.add(event.child)
                  if (strategy !== "rest_for_one") return
                  for (const need of children[Number(event.child)]!.needs ?? []) {
                    if (!born.has(need)) broken.push(`${event.child} started without ${need}`)
                  }
                })
            })
          )
          yield* settle
          for (const { who, afterMs } of crashes) {
            yield* pass(afterMs)
            const target = puppets[who % puppets.length]!
            if (live.get(target.child.name) === 1) yield* target.crash
          }
          yield* pass("10 minutes")
          assert.deepStrictEqual(broken, [])
          // Alive first: the promise that nothing is left behind would also hold if nothing had ever run.
          assert.deepStrictEqual(
            [...live.values()],
            children.map(() => 1)
          )
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(
            [...live.values()],
            children.map(() => 0)
          )
        }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Random.withSeed("crashes"), Effect.runPromise)
      ),
      { numRuns: 60 }
    )
    assert.isAbove(restarted, 100)
  })
})
