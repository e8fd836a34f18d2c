import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Manifest from "../src/Manifest.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"
import { failure, machine, some, variant } from "./fixtures/machine.ts"

const optional = { severity: "warning", optional: true } as const
const withFallback = (name: string, ...fallbacks: ReadonlyArray<string>) => ({
  name,
  severity: "degraded" as const,
  variants: [variant(name), ...fallbacks.map((it) => variant(it))] as const
})

describe("a step", () => {
  const inputs = fc.array(
    fc.record({
      kind: fc.constantFrom(
        "acquired",
        "healthy",
        "failed",
        "closed",
        "tick",
        "persisted",
        "stop",
        "restore",
        "swapped"
      ),
      component: fc.constantFrom("a", "b", "c", "d"),
      passesMs: fc.constantFrom(0, 1, 1_000, 11_000),
      severity: fc.constantFrom("critical" as const, "degraded" as const, "warning" as const)
    }),
    { maxLength: 40 }
  )
  const components = [
    "a",
    { ...withFallback("b", "b2"), needs: ["a"] },
    { name: "c", needs: ["b"], ...optional },
    { name: "d", needs: ["a"], phase: "post" as const }
  ]

  it("is an advance on a copy: it changes nothing that it was given, and decides the same", () =>
    fc.assert(
      fc.property(inputs, (facts) => {
        const { plan, state: mutable } = machine(components)
        let state = Progress.make(plan)
        let atMs = 0
        const begin = { _tag: "Begin", atMs } as const
        Progress.advance(mutable, begin, { events: [], commands: [] })
        state = Progress.step(state, begin).state
        for (const { component: name, kind, passesMs, severity } of facts) {
          atMs += passesMs
          const component = plan.index.get(name)!
          const base = { atMs, component }
          const input: Progress.Input =
            kind === "acquired"
              ? { ...base, _tag: "Acquired" }
              : kind === "healthy"
                ? { ...base, _tag: "Healthy" }
                : kind === "failed"
                  ? { ...base, _tag: "Failed", failure: failure(severity), retryInMs: 1_000, restoreInMs: 500 }
                  : kind === "closed"
                    ? { ...base, _tag: "Closed", closing: "clean" }
                    : kind === "restore"
                      ? { ...base, _tag: "Restore" }
                      : kind === "swapped"
                        ? { ...base, _tag: "Swapped", variant: 0, closing: "clean", restoreInMs: null }
                        : kind === "tick"
                          ? { _tag: "Tick", atMs }
                          : kind === "persisted"
                            ? { _tag: "Persisted", atMs }
                            : { _tag: "Stop", atMs, because: "a test" }
          const before = structuredClone({ ...state, plan: undefined })
          const stepped = Progress.step(state, input)
          assert.deepStrictEqual({ ...state, plan: undefined }, before)
          const output: Progress.Output = { events: [], commands: [] }
          Progress.advance(mutable, input, output)
          assert.deepStrictEqual(stepped.output, output)
          assert.deepStrictEqual({ ...stepped.state, plan: undefined }, { ...mutable, plan: undefined })
          state = stepped.state
        }
      }),
      { numRuns: 300 }
    ))

  it("ignores what comes from an attempt that no longer counts", () => {
    const it = machine(["a", "b"])
    it.begin()
    it.healthy("a")
    for (const late of [
      it.healthy("a"),
      it.failed("a"),
      it.closed("a"),
      it.acquired("a"),
      it.begin(),
      it.persisted()
    ]) {
      assert.deepStrictEqual(late, [])
    }
  })
})

describe("the start", () => {
  it("goes by urgency among all components, in small plans and in large ones", () => {
    const sizes = fc.constantFrom(1, 7, 64, 65, 300)
    const part = fc.record({ priority: fc.nat(2), ms: fc.nat(3), need: fc.nat(20) })
    const parts = sizes.chain((size) => fc.array(part, { minLength: size, maxLength: size }))
    fc.assert(
      fc.property(parts, (parts) => {
        const manifests = parts.map(({ need, priority }, i) =>
          Manifest.make({ name: `n${i}`, priority, needs: need < i ? [`n${need}`] : [] })
        )
        const durationsMs = Object.fromEntries(parts.map(({ ms }, i) => [`n${i}`, ms]))
        const plan = Result.getOrThrow(Plan.make(manifests, { durationsMs }))
        const all = manifests.map((_, i) => i)
        assert.deepStrictEqual(
          [...Progress.make(plan).byPosition],
          all.sort((i, j) => Plan.first(plan, i, j))
        )
      }),
      { numRuns: 60 }
    )
  })

  it("begins what needs nothing at once, and the others when their needs are up", () => {
    const it = machine(["a", { name: "b", needs: ["a"] }, { name: "c", needs: ["a", "b"] }])
    assert.deepStrictEqual(it.begin(), [
      "init_start",
      "PhaseStarted pre",
      "pre_init_complete",
      "PhaseStarted core",
      "Started a",
      "> Start a"
    ])
    assert.deepStrictEqual(it.acquired("a"), ["Acquired a"])
    assert.deepStrictEqual(it.healthy("a"), ["Ready a", "Started b", "> Start b"])
    assert.deepStrictEqual(it.healthy("b"), ["Ready b", "Started c", "> Start c"])
    assert.deepStrictEqual(it.healthy("c"), [
      "Ready c",
      "core_init_complete",
      "PhaseStarted service",
      "service_init_complete",
      "PhaseStarted post",
      "init_complete",
      "> Persist"
    ])
    assert.deepStrictEqual(it.persisted(), ["BootReady ready"])
  })

  it("waits for a slot, says who waits, and frees the slot of an attempt that is being closed", () => {
    const it = machine([{ name: "a", variants: [variant("a")] }, "b", "c"], { slots: 1 })
    assert.deepStrictEqual(some(it.begin(), "Started", "Queued"), ["Started a", "Queued b", "Queued c"])
    assert.deepStrictEqual(some(it.failed("a", failure(), 1_000), "Started"), ["Started b"])
    assert.deepStrictEqual(some(it.healthy("b"), "Started"), ["Started c"])
    it.closed("a")
    assert.deepStrictEqual(it.tick(1_000), ["Queued a"])
    assert.deepStrictEqual(some(it.healthy("c"), "Started"), ["Started a"])
  })

  it("waits until an option has settled, whatever became of it", () => {
    const need = { key: "a", kind: "optional" } as const
    const up = machine([
      { name: "a", ...optional },
      { name: "b", needs: [need] }
    ])
    up.begin()
    assert.deepStrictEqual(up.healthy("a"), ["Ready a", "Started b", "> Start b"])
    const absent = machine([
      { name: "a", ...optional },
      { name: "b", needs: [need] }
    ])
    absent.begin()
    absent.failed("a", failure("warning"))
    assert.deepStrictEqual(absent.closed("a"), ["AttemptClosed a", "Absent a", "Started b", "> Start b"])
  })

  it("does not wait for what is looked up late", () => {
    const it = machine(["a", { name: "b", needs: [{ key: "a", kind: "late" }] }])
    assert.deepStrictEqual(some(it.begin(), "Started"), ["Started a", "Started b"])
  })

  it("keeps everything behind pre, and post behind what is critical", () => {
    const it = machine([
      { name: "pre", phase: "pre" },
      "core",
      { name: "extra", ...optional },
      { name: "post", phase: "post" }
    ])
    assert.deepStrictEqual(some(it.begin(), "Started"), ["Started pre"])
    assert.deepStrictEqual(some(it.healthy("pre"), "Started"), ["Started core", "Started extra"])
    assert.deepStrictEqual(some(it.healthy("core"), "Started"), ["Started post"])
  })

  it("keeps each phase behind the one before when it is phased", () => {
    const it = machine(
      [
        { name: "extra", ...optional },
        { name: "service", phase: "service" }
      ],
      { scheduling: "phased" }
    )
    assert.deepStrictEqual(some(it.begin(), "Started"), ["Started extra"])
    assert.deepStrictEqual(some(it.healthy("extra"), "Started"), ["Started service"])
  })

  it("leaves out what is of another environment, with whoever cannot do without it", () => {
    const it = machine(
      [
        { name: "a", environments: ["datacenter"] },
        { name: "b", needs: ["a"], environments: ["datacenter", "internet"] },
        "c"
      ],
      {},
      "internet"
    )
    assert.deepStrictEqual(some(it.begin(), "Absent", "Skipped", "Started"), ["Absent a", "Skipped b", "Started c"])
    it.healthy("c")
    assert.deepStrictEqual(it.persisted(), ["BootReady ready"])
  })
})

describe("a failure", () => {
  it("is tried again after its delay, as long as there are attempts", () => {
    const it = machine([{ name: "a", variants: [variant("a", { attempts: 2 })] }])
    it.begin()
    assert.deepStrictEqual(it.failed("a", failure(), 1_000), ["AttemptFailed a"])
    assert.deepStrictEqual(it.closed("a"), ["AttemptClosed a", "Backoff a"])
    assert.strictEqual(it.wakeMs(), 1_000)
    assert.deepStrictEqual(it.tick(999), [])
    assert.deepStrictEqual(some(it.tick(1_000), ">"), ["> Start a"])
    it.failed("a", failure(), 1_000)
    assert.deepStrictEqual(some(it.closed("a"), "Failed", "Rollback"), ["Failed a", "RollbackStarted failed a"])
  })

  it("is not tried again when its policy has come to its end, or when it could not be closed", () => {
    const end = machine(["a"])
    end.begin()
    end.failed("a", failure(), null)
    assert.include(end.closed("a"), "Failed a")
    const stuck = machine([{ name: "a", variants: [variant("a")] }])
    stuck.begin()
    stuck.failed("a", failure(), 1_000)
    assert.deepStrictEqual(some(stuck.tick(5_000), "> Abandon", "AttemptClosed", "Failed"), [
      "AttemptClosed a",
      "Failed a",
      "> Abandon a"
    ])
  })

  it("that is degraded takes the next fallback, and the last one's failure is final", () => {
    const it = machine([withFallback("a", "b", "c")])
    it.begin()
    for (const next of [1, 2]) {
      it.failed("a", failure("degraded"))
      assert.deepStrictEqual(some(it.closed("a"), "Fallback", "Started"), ["FallbackChosen a", "Started a"])
      assert.strictEqual(it.state.variant[0], next)
    }
    it.failed("a", failure("degraded"))
    assert.include(it.closed("a"), "Failed a")
  })

  it("that is degraded and then well makes a degraded boot", () => {
    const it = machine([withFallback("a", "b")])
    it.begin()
    it.failed("a", failure("degraded"))
    it.closed("a")
    assert.include(it.healthy("a"), "Degraded a")
    assert.deepStrictEqual(it.persisted(), ["BootReady degraded"])
  })

  it("that is a warning leaves the component out, and skips whoever needs it and may be absent", () => {
    const it = machine([
      { name: "a", ...optional },
      { name: "b", needs: ["a"], ...optional },
      { name: "c", needs: ["b"], ...optional }
    ])
    it.begin()
    it.failed("a", failure("warning"))
    assert.deepStrictEqual(some(it.closed("a"), "Absent", "Skipped"), ["Absent a", "Skipped b", "Skipped c"])
    assert.deepStrictEqual(it.state.reason[it.position("c")], { _tag: "Need", need: "b" })
    assert.deepStrictEqual(it.persisted(), ["BootReady ready"])
  })

  it("that is a warning ends the boot for whoever needs it and may not be absent", () => {
    const it = machine([
      { name: "a", ...optional },
      { name: "b", needs: ["a"] }
    ])
    it.begin()
    it.failed("a", failure("warning"))
    assert.deepStrictEqual(some(it.closed("a"), "Failed", "RollbackStarted"), ["Failed b", "RollbackStarted failed b"])
    assert.strictEqual(it.state.failure[it.position("b")]?.tag, "NeedAbsent")
  })

  it("that is critical starts nothing any more, and waits for what is under way to be closed", () => {
    const it = machine(["a", "b", { name: "c", needs: ["b"] }, { name: "d", needs: ["a"] }])
    it.begin()
    it.healthy("b")
    it.failed("a")
    assert.deepStrictEqual(it.closed("a"), [
      "AttemptClosed a",
      "Failed a",
      "RollbackStarted failed a",
      "Interrupted c",
      "Skipped d",
      "> Interrupt c"
    ])
    assert.deepStrictEqual(it.healthy("c"), [])
    assert.deepStrictEqual(it.closed("c"), ["AttemptClosed c", "Skipped c", "Stopping b", "> Release b"])
    assert.deepStrictEqual(it.closed("b"), ["Stopped b", "BootEnded failed", "> End"])
  })
})

describe("a deadline", () => {
  it("of an attempt interrupts it; before that it is slow", () => {
    const it = machine([{ name: "a", variants: [variant("a", { timeoutMs: 8_000 })] }])
    it.begin()
    assert.strictEqual(it.wakeMs(), 3_000)
    assert.deepStrictEqual(it.tick(3_000), ["Slow a"])
    assert.strictEqual(it.wakeMs(), 8_000)
    assert.deepStrictEqual(it.tick(8_000), ["Interrupted a", "> Interrupt a"])
    it.failed("a", failure("critical", "TimedOut"), 500)
    assert.deepStrictEqual(it.closed("a"), ["AttemptClosed a", "Backoff a"])
  })

  it("of a component ends all of its attempts together", () => {
    const it = machine([{ name: "a", variants: [variant("a", { deadlineMs: 4_000, timeoutMs: 3_000 })] }])
    it.begin()
    it.at(2_000)
    it.failed("a", failure(), 1_500)
    it.closed("a")
    assert.include(it.tick(3_500), "> Start a")
    assert.deepStrictEqual(it.tick(4_000), ["Interrupted a", "> Interrupt a"])
    it.failed("a", failure(), 10)
    assert.include(it.closed("a"), "Failed a")
  })

  it("of a phase counts from the completion of the one before, and fails who is critical", () => {
    const phases = { ...Progress.defaultLimits.phases, core: { targetMs: 2_000, maxMs: 5_000 } }
    const it = machine([{ name: "pre", phase: "pre" }, "a", "b"], { phases })
    it.begin()
    it.at(1_000)
    it.healthy("pre")
    it.healthy("b")
    assert.deepStrictEqual(it.tick(3_000), ["PhaseSlow core"])
    assert.deepStrictEqual(some(it.tick(6_000), "Rollback", "> Interrupt"), [
      "RollbackStarted deadline a",
      "> Interrupt a"
    ])
  })

  it("of the boot names who is late, and not who waits for it", () => {
    const it = machine(["a", { name: "b", needs: ["a"] }], { bootMs: 2_000 })
    it.begin()
    const told = it.tick(2_000)
    assert.deepStrictEqual(some(told, "Rollback", "> Interrupt"), ["RollbackStarted deadline a", "> Interrupt a"])
    it.failed("a", failure("critical", "TimedOut"))
    assert.deepStrictEqual(it.closed("a"), ["AttemptClosed a", "Failed a", "BootEnded failed", "> End"])
  })

  it("of the boot gives up what the boot can do without, also what has not begun", () => {
    const it = machine(
      [
        { name: "a", ...optional },
        { name: "b", needs: ["a"], ...optional }
      ],
      { bootMs: 2_000 }
    )
    it.begin()
    assert.deepStrictEqual(some(it.tick(2_000), "> Interrupt"), ["> Interrupt a"])
    it.failed("a", failure("warning", "TimedOut"))
    assert.include(it.closed("a"), "> Persist")
    assert.strictEqual(it.status("a"), "absent")
  })

  it("does not count any more once the boot is ready", () => {
    const it = machine(["a"])
    it.begin()
    it.healthy("a")
    it.persisted()
    assert.isUndefined(it.wakeMs())
    assert.deepStrictEqual(it.tick(1e9), [])
  })
})

describe("the names", () => {
  it("of what a component can be doing are one for each number", () => {
    assert.deepStrictEqual(
      Object.entries(Progress.Status).map(([name, n]) => `${n} ${name.toLowerCase()}`),
      Progress.statusNames.map((name, n) => `${n} ${name}`)
    )
  })
})
