import { availableParallelism } from "node:os"
import type { BootEvent } from "@novacron/boot/model"
import { Scenario } from "@novacron/simulation"
import { assert, describe, it } from "vitest"
import type { Outcome, Range } from "./progressSeeds.thread.ts"
import regressions from "./seeds.json" with { type: "json" }
import * as Thread from "./Thread.ts"

const script = new URL("./progressSeeds.thread.ts", import.meta.url)
const seeds = Number(process.env["SEEDS"] ?? 100_000)
const firstSeed = Number(process.env["SEED_FROM"] ?? 0)
/** Milliseconds for a seed, ten times what it should take. */
const patienceMs = 2

describe("Progress, in a world of faults", () => {
  it(
    `keeps all promises for ${seeds.toLocaleString("en")} seeds`,
    async () => {
      const done = await Promise.all(
        split(firstSeed, seeds, Math.min(2, availableParallelism())).map((range) => Thread.run<Outcome>(script, range))
      )
      const sum = (of: (outcome: Outcome) => number): number => done.reduce((total, outcome) => total + of(outcome), 0)
      const boots = sum(({ boots }) => boots)
      const failures = done.flatMap(({ failures }) => failures)
      console.log(
        `${count(boots)} boots of random graphs, ${count(sum(({ facts }) => facts))} facts, ` +
          `${count(boots / sum(({ seconds }) => seconds))} boots per CPU second\n` +
          outcomes.map((one) => `${one} ${sum(({ outcomes }) => outcomes[one] ?? 0)}`).join(", ")
      )
      for (const { complaint, seed } of failures) console.log(`seed ${seed}: ${complaint}`)
      const [failure] = failures
      if (failure !== undefined) assert.fail(story(Scenario.make(failure.seed)))
      console.log(
        `No boot broke a promise: fewer than ${(3 / boots).toExponential(1)} of them do (95 %, rule of three).`
      )
      // A world in which nothing goes well, or nothing goes wrong, proves little.
      for (const outcome of outcomes)
        assert.isAbove(
          sum(({ outcomes }) => outcomes[outcome] ?? 0),
          boots / 200,
          outcome
        )
    },
    60_000 + seeds * patienceMs
  )

  for (const { found, maxSize, seed } of regressions) {
    it(`does not repeat that ${found} (seed ${seed}, up to ${maxSize} components)`, () => {
      const scenario = Scenario.make(seed, maxSize)
      if (Scenario.complaint(Scenario.run(scenario)) !== "") assert.fail(story(scenario))
    })
  }
})

const count = (n: number): string => Math.round(n).toLocaleString("en")

const outcomes = ["ready", "degraded", "failed", "cancelled", "stopped"]

/** The range in so many parts. */
const split = (from: number, count: number, parts: number): ReadonlyArray<Range> =>
  Array.from({ length: parts }, (_, part) => {
    const [begin, end] = [Math.floor((count * part) / parts), Math.floor((count * (part + 1)) / parts)]
    return { from: from + begin, count: end - begin }
  })

/** What happens in the smallest scenario that breaks the same promise, to be read and to be replayed. */
const story = (scenario: Scenario.Scenario): string => {
  const smallest = Scenario.shrink(scenario)
  const events: Array<BootEvent.BootEvent> = []
  const { violation } = Scenario.run(smallest, events)
  return [
    `seed ${scenario.seed}: (${violation?.invariant}) ${violation?.message}`,
    ...events.map((event) => JSON.stringify(event)),
    "The scenario, for Scenario.run (null stands for Infinity):",
    JSON.stringify(smallest)
  ].join("\n")
}
