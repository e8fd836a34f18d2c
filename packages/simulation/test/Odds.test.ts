import { assert, describe, it } from "@effect/vitest"
import * as Odds from "../src/Odds.ts"
import * as Random from "../src/Random.ts"

const perAttempt = ({ defect, error, hang, interruption, slow, unhealthy }: Odds.Odds): number =>
  error + unhealthy + defect + interruption + hang + slow

const mixes = Array.from({ length: 300 }, (_, seed) => Odds.swarm(Random.make(seed)))

describe("Odds", () => {
  it("are probabilities, and leave some attempts alone", () => {
    for (const odds of [Odds.none, Odds.usual, ...mixes]) {
      for (const p of Object.values(odds)) assert.isTrue(p >= 0 && p <= 1)
      assert.isBelow(perAttempt(odds), 1)
    }
  })

  it("are nil where nothing is to go wrong, and nowhere else", () => {
    assert.isTrue(Object.values(Odds.none).every((p) => p === 0))
    assert.isTrue(Object.values(Odds.usual).every((p) => p > 0))
  })

  it("differ from boot to boot, and each kind of fault is left out of some", () => {
    assert.deepStrictEqual(Odds.swarm(Random.make(1)), Odds.swarm(Random.make(1)))
    for (const dial of ["error", "hang", "deaf", "closeHangs", "flap", "stop"] as const) {
      const without = mixes.filter((odds) => odds[dial] === 0).length
      assert.isTrue(without > 90 && without < 210, `${dial} is left out of ${without} of 300`)
    }
  })
})
