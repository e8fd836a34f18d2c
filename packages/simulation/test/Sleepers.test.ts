import { assert, describe, it } from "@effect/vitest"
import * as Random from "../src/Random.ts"
import * as Sleepers from "../src/Sleepers.ts"

describe("Sleepers", () => {
  it("wakes by moment, and equal moments in the order of going to sleep", () => {
    const sleepers = Sleepers.make()
    const woken: Array<string> = []
    for (const [atMs, name] of [
      [2, "c"],
      [1, "a"],
      [2, "d"],
      [1, "b"]
    ] as const) {
      Sleepers.add(sleepers, atMs, () => woken.push(name))
    }
    drain(sleepers)
    assert.deepStrictEqual(woken, ["a", "b", "c", "d"])
  })

  it("forgets who leaves, wherever in the queue", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = Random.make(seed)
      const sleepers = Sleepers.make()
      const woken: Array<number> = []
      const all = Array.from({ length: 30 }, () => {
        const atMs = Random.int(random, 10)
        return Sleepers.add(sleepers, atMs, () => woken.push(atMs))
      })
      const leaving = Random.shuffle(random, all).slice(0, 15)
      for (const sleeper of leaving) Sleepers.remove(sleepers, sleeper)
      for (const sleeper of leaving) Sleepers.remove(sleepers, sleeper) // twice is once
      drain(sleepers)
      const stayed = all.filter((sleeper) => !leaving.includes(sleeper)).map(({ atMs }) => atMs)
      assert.deepStrictEqual(
        woken,
        stayed.toSorted((a, b) => a - b)
      )
    }
  })

  it("ends a sleep at a whole nanosecond, never early, and never at once", () => {
    assert.strictEqual(Sleepers.endMs(0, 1.25), 1.25)
    assert.strictEqual(Sleepers.endMs(0, 0.000_000_4), 0.000_001)
    assert.strictEqual(Sleepers.endMs(10_879.452_916, 1e-12), 10_879.452_917)
    assert.strictEqual(Sleepers.endMs(0.1, 0.2), 0.3) // and not 0.30000000000000004
  })
})

const drain = (sleepers: Sleepers.Sleepers): void => {
  for (let next = Sleepers.first(sleepers); next !== undefined; next = Sleepers.first(sleepers)) {
    Sleepers.remove(sleepers, next)
    next.wake()
  }
}
