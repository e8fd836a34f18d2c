import { type BootEvent, Report } from "@novacron/boot/model"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Advice from "../src/Advice.ts"
import { boot } from "./trace/fixtures/journals.ts"

const limits: Advice.Limits = {
  bootTimeoutMs: 30_000,
  shutdownTimeoutMs: 30_000,
  maxConcurrency: 1_000,
  slotsOfMachine: 16
}
const reportOf = (databaseMs: number) => Report.fromEvents(boot({ databaseMs }))

/** The boot of the fixture, with a cache that comes up by itself. */
const well = (databaseMs: number): Report.Report => {
  const events = boot({ databaseMs }).filter(
    (event: BootEvent.BootEvent) =>
      !("component" in event && event.component === "cache") ||
      (event._tag === "ComponentStarted" && event.variant === 0)
  )
  const ready = events.findIndex((event) => event._tag === "ComponentStarted" && event.component === "cache") + 1
  return Report.fromEvents(events.toSpliced(ready, 0, { _tag: "ComponentReady", atMs: 40, component: "cache" }))
}

const times = <A>(n: number, one: A): ReadonlyArray<A> => Array.from({ length: n }, () => one)

describe("what earlier boots advise", () => {
  it("is nothing when they went well, and nothing when they were too few", () => {
    assert.deepStrictEqual(Advice.ofBoots(times(5, well(100)), limits), [])
    assert.deepStrictEqual(Advice.ofBoots(times(2, reportOf(29_000)), limits), [])
    assert.deepStrictEqual(Advice.ofBoots([], limits), [])
  })

  it("is a longer deadline when slow boots leave no room, with what was seen; and it is followed once", () => {
    const boots = times(5, well(20_000))
    const [first, ...more] = Advice.ofBoots(boots, limits)
    assert.deepStrictEqual(more, [])
    assert.deepInclude(first, { subject: "system.boot_timeout", now: "30.0 s", instead: "61s" })
    assert.match(first?.because ?? "", /95 % of 5 boots were ready within 20\.0 s/)
    assert.deepStrictEqual(Advice.ofBoots(boots, { ...limits, bootTimeoutMs: 61_000 }), [])
  })

  it("is more slots when the critical path waits for them, and no more than the machine has", () => {
    const crowded = (concurrency: number): Report.Report => {
      const report = well(100)
      const components = report.components.map((one) => (one.name === "database" ? { ...one, queuedMs: 40 } : one))
      return { ...report, components, concurrency }
    }
    const instead = (maxConcurrency: number, slotsOfMachine: number) =>
      Advice.ofBoots(times(3, crowded(Math.min(maxConcurrency, slotsOfMachine))), {
        ...limits,
        maxConcurrency,
        slotsOfMachine
      }).map(({ instead: value, subject }) => [subject, value])
    assert.deepStrictEqual(instead(2, 8), [["system.max_concurrency", "4"]])
    assert.deepStrictEqual(instead(6, 8), [["system.max_concurrency", "8"]])
    assert.deepStrictEqual(instead(8, 8), [])
    assert.deepStrictEqual(instead(1_000, 8), [])
  })

  it("is to mend what a fallback stands in for in most boots, with the last reason", () => {
    const advice = Advice.ofBoots(times(4, reportOf(100)), limits)
    assert.deepStrictEqual(
      advice.map(({ subject }) => subject),
      ["cache"]
    )
    assert.match(advice[0]?.because ?? "", /4 of 4 boots came up with its fallback memory\. Last: connect ECONNREFUSED/)
    const mixed = [...times(3, well(100)), ...times(2, reportOf(100))]
    assert.deepStrictEqual(Advice.ofBoots(mixed, limits), [])
  })
})

const node = fc.record({
  cpu: fc.integer({ min: 1, max: 64 }),
  memory: fc.integer({ min: 256, max: 65_536 }),
  // Idle clusters and full ones, each node a little differently.
  more: fc.double({ min: 0, max: 0.1, noNaN: true })
})
const nodes = fc
  .tuple(fc.array(node, { minLength: 1, maxLength: 12 }), fc.constantFrom(0.05, 0.3, 0.6, 0.9))
  .map(([all, share]) =>
    all.map(({ cpu, memory, more }, i) => ({
      id: `n${i}`,
      state: "up" as const,
      capacity: { cpu, memory },
      used: { cpu: cpu * (share + more), memory: memory * (share + more) }
    }))
  )

const sizes = (all: ReadonlyArray<{ readonly capacity: { readonly cpu: number; readonly memory: number } }>) => ({
  cpu: Math.max(...all.map(({ capacity }) => capacity.cpu)),
  memory: Math.max(...all.map(({ capacity }) => capacity.memory))
})

describe("how many nodes there should be", () => {
  it("is enough with as many more as it says, each as large as the largest", () => {
    let added = 0
    const holds = fc.property(nodes, (all) => {
      const { change } = Advice.ofNodes(all)
      if (change <= 0 || all.length === 1) return
      added++
      const more = times(change, { id: "new", state: "up" as const, capacity: sizes(all), used: { cpu: 0, memory: 0 } })
      assert.isAtMost(Advice.ofNodes([...all, ...more]).change, 0)
    })
    fc.assert(holds, { numRuns: 500 })
    assert.isAbove(added, 20)
  })

  it("is never too few after one has gone: what it did is done by the others, and any of them may be lost", () => {
    let removed = 0
    const holds = fc.property(nodes, fc.nat(), (all, which) => {
      if (Advice.ofNodes(all).change >= 0) return
      removed++
      const gone = all[which % all.length]
      const left = all.filter((one) => one !== gone)
      const [first, ...rest] = left
      if (gone === undefined || first === undefined) return
      const used = { cpu: first.used.cpu + gone.used.cpu, memory: first.used.memory + gone.used.memory }
      assert.isAtMost(Advice.ofNodes([{ ...first, used }, ...rest]).change, 0)
    })
    fc.assert(holds, { numRuns: 500 })
    assert.isAbove(removed, 5)
  })

  it("counts nodes that are up, asks for one when there is none, and leaves one alone until it is full", () => {
    const one = { id: "a", state: "up" as const, capacity: { cpu: 4, memory: 1_000 }, used: { cpu: 3, memory: 100 } }
    assert.strictEqual(Advice.ofNodes([]).change, 1)
    assert.strictEqual(Advice.ofNodes([{ ...one, state: "down" }]).change, 1)
    assert.strictEqual(Advice.ofNodes([one]).change, 0)
    assert.strictEqual(Advice.ofNodes([{ ...one, used: { cpu: 3.5, memory: 100 } }]).change, 1)
    const two = [one, { ...one, id: "b" }]
    assert.match(Advice.ofNodes(two).because, /2 of 8 cpu left: less than the largest node has/)
  })
})
