import { openSync, closeSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Catalogue from "../../src/monitoring/Catalogue.ts"
import * as ProcessFigures from "../../src/monitoring/ProcessFigures.ts"

describe("ProcessFigures", () => {
  it.live("say what the process uses, under names of the catalogue", () =>
    Effect.gen(function* () {
      const read = yield* ProcessFigures.make(process)
      const all = () => new Map(read().map(({ name, value }) => [name, value]))
      const before = all()
      assert.sameMembers([...before.keys()], Object.keys(Catalogue.process))
      const files = Array.from({ length: 5 }, () => openSync("/dev/null", "r"))
      const after = all()
      for (const file of files) closeSync(file)
      const of = (figures: Map<string, number>, name: string) => figures.get(name) ?? NaN
      assert.isAtLeast(of(after, "process_open_fds"), 5 + of(before, "process_open_fds") - 2)
      assert.isAtLeast(of(after, "process_cpu_seconds_total"), of(before, "process_cpu_seconds_total"))
      assert.closeTo(of(after, "process_start_time_seconds"), performance.timeOrigin / 1_000, 30)
      assert.isAbove(of(after, "process_max_fds"), of(after, "process_open_fds"))
      assert.isTrue([...after.values()].every((value) => Number.isFinite(value) && value >= 0))
    }).pipe(Effect.scoped)
  )

  it.live("say the same start of the process each time: alerts count how often it changes", () =>
    Effect.gen(function* () {
      const read = yield* ProcessFigures.make(process)
      const start = () => read().find(({ name }) => name === "process_start_time_seconds")?.value
      const first = start()
      assert.isDefined(first)
      for (let i = 0; i < 20; i++) {
        yield* Effect.sleep("1 millis")
        assert.strictEqual(start(), first)
      }
    }).pipe(Effect.scoped)
  )

  it("grow with what is used", () => {
    const before = ProcessFigures.usage(process)
    let sum = 0
    for (let i = 0; i < 3e7; i++) sum += Math.sqrt(i)
    assert.isAbove(sum, 0)
    assert.isAbove(ProcessFigures.usage(process).cpuSeconds, before.cpuSeconds)
  })
})
