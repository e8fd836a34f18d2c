import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Manifest, Plan, Progress } from "@novacron/boot"
import { Result } from "effect"
import * as Conformance from "../src/Conformance.ts"
import * as Fault from "../src/Fault.ts"
import * as Odds from "../src/Odds.ts"
import * as Random from "../src/Random.ts"
import * as Trial from "../src/Trial.ts"
import * as World from "../src/World.ts"
import { app } from "./fixtures/App.ts"

const plan = Result.getOrThrow(Plan.make(app.map(({ manifest }) => manifest)))
const limits = Progress.defaultLimits

describe("Conformance", () => {
  it("agrees with the log of a boot, a fallback, a restoration, a stop", () => {
    const { events } = boot([1, 2, 3].map((attempt) => failing(attempt)))
    assert.includeMembers(tags(events), ["FallbackChosen", "SwapCompleted", "BootReady", "BootEnded"])
    assert.isUndefined(Conformance.check(plan, limits, events))
  })

  it("agrees with the log of a boot whose deadline passed", () => {
    const { events } = boot([Fault.make("Hangs", { component: "api", variant: 0, attempt: 1 }, { await: 1 })])
    assert.include(tags(events), "ComponentInterrupted")
    assert.isUndefined(Conformance.check(plan, limits, events))
  })

  it("agrees with logs in which components are exchanged, restarted, stopped and restored by hand", () => {
    const asked = new Map<string, number>()
    for (let seed = 0; seed < 300; seed++) {
      const odds = { ...Odds.usual, hand: 1, restore: 0.5 }
      const log: Array<BootEvent.BootEvent> = []
      const { violation } = World.boot(World.make(plan, limits, odds), seed, log)
      assert.isUndefined(violation)
      assert.isUndefined(Conformance.check(plan, limits, log), `seed ${seed}`)
      for (const event of log) {
        if (!("byHand" in event) || event.byHand === undefined) continue
        asked.set(event.byHand.how, (asked.get(event.byHand.how) ?? 0) + 1)
      }
    }
    assert.sameMembers([...asked.keys()], ["exchange", "restart", "stop"])
  })

  it("agrees with the log of a boot that never began, for wrong settings", () => {
    const wrong = Result.getOrThrow(
      Plan.make([Manifest.make({ name: "a" }), Manifest.make({ name: "b", needs: ["a"] })])
    )
    const state = Progress.make(wrong, limits)
    const output: Progress.Output = { events: [], commands: [] }
    const failure: BootEvent.Failure = { kind: "error", tag: "BadUrl", message: "bad", severity: "critical" }
    Progress.advance(state, { _tag: "Invalid", atMs: 3, failures: new Map([[0, failure]]) }, output)
    assert.isAbove(output.events.length, 2)
    assert.isUndefined(Conformance.check(wrong, limits, output.events))
  })

  it("notices each event that is missing, told twice, or of somebody else", () => {
    const { events } = boot([failing(1)])
    assert.isUndefined(Conformance.check(plan, limits, events))
    // The first event says how the boot was asked for, and is nobody's decision.
    for (let at = 1; at < events.length; at++) {
      const event = events[at]!
      const before = events.slice(0, at)
      const after = events.slice(at + 1)
      // Nothing follows from an acquisition, and whoever is being closed may fail once more: those are the auditor's.
      if (event._tag !== "ComponentAcquired") {
        assert.isDefined(Conformance.check(plan, limits, [...before, ...after]), `without ${event._tag}`)
      }
      if (event._tag !== "ComponentAcquired" && event._tag !== "AttemptFailed") {
        assert.isDefined(Conformance.check(plan, limits, [...before, event, event, ...after]), `twice ${event._tag}`)
      }
      if ("component" in event) {
        const other = { ...event, component: event.component === "api" ? "cache" : "api" }
        assert.isDefined(Conformance.check(plan, limits, [...before, other, ...after]), `another's ${event._tag}`)
      }
    }
  })

  it("notices a decision that was made at another moment", () => {
    const { events } = boot([failing(1)])
    const at = events.findIndex(({ _tag }) => _tag === "ComponentBackoff")
    const late = events.map((event, i) => (i === at ? { ...event, atMs: event.atMs + 1 } : event))
    const difference = Conformance.check(plan, limits, late)
    assert.strictEqual(difference?.at, at)
    assert.strictEqual(difference?.decided?._tag, "ComponentBackoff")
  })

  it("passes over what happens inside groups", () => {
    const { events } = boot([])
    const inside: BootEvent.BootEvent = { _tag: "ComponentQueued", atMs: 0, component: "cache/pool" }
    assert.isUndefined(Conformance.check(plan, limits, [events[0]!, inside, ...events.slice(1)]))
  })

  it("agrees with every log of a campaign", () => {
    const random = Random.make(7)
    for (let run = 0; run < 300; run++) {
      const { violations } = boot(
        Fault.draw(
          random,
          app.map(({ manifest }) => manifest),
          { attempt: 0.3 }
        ),
        run
      )
      assert.deepStrictEqual(violations, [])
    }
  })
})

const failing = (attempt: number) => Fault.make("Fails", { component: "cache", variant: 0, attempt })

const tags = (events: ReadonlyArray<BootEvent.BootEvent>) => events.map(({ _tag }) => _tag)

const boot = (faults: ReadonlyArray<Fault.Fault>, seed = 1): Trial.Verdict =>
  Trial.run(Trial.make(app), {
    seed,
    fuzz: seed > 1,
    components: plan.components.map(({ name }) => name),
    faults,
    settings: {},
    stopAfterMs: 20_000,
    cancelAtMs: null
  })
