import { assert, describe, it } from "vitest"
import type { Exploration } from "./explore.thread.ts"
import * as SmallPlans from "./SmallPlans.ts"
import * as Thread from "./Thread.ts"

const script = new URL("./explore.thread.ts", import.meta.url)
const isFull = process.env["FULL"] === "1"
const names = [...Object.keys(SmallPlans.families), ...(isFull ? Object.keys(SmallPlans.fullFamilies) : [])]
const hourMs = 3_600_000

describe("Progress, in every state that can be reached", () => {
  for (const name of names) {
    it(
      `keeps all promises and comes to an end: ${name}`,
      async () => {
        const { cases, counterexample, seconds, tally } = await Thread.run<Exploration>(script, name)
        console.log(
          `${name}: ${count(cases)} plans, ${count(tally.states)} states, ${count(tally.transitions)} transitions, ` +
            `${count(tally.ends)} ends, at most ${tally.depth} steps; ${seconds.toFixed(1)} s of CPU`
        )
        assert.isUndefined(counterexample)
        // A walk that goes nowhere proves nothing.
        assert.isAbove(tally.ends, cases)
        assert.isAbove(tally.states, 20 * cases)
      },
      isFull ? 12 * hourMs : undefined
    )
  }
})

const count = (n: number): string => n.toLocaleString("en")
