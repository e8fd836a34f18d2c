import { assert, describe, it } from "@effect/vitest"
import * as Soon from "../src/Soon.ts"

const listening = () => {
  const told: Array<number> = []
  return { told, soon: Soon.make((n: number) => told.push(n)) }
}

describe("Soon", () => {
  it("tells everything in order, once, when the work that is going on pauses", async () => {
    const { soon, told } = listening()
    for (const n of [1, 2, 3]) soon.hear(n)
    assert.deepStrictEqual(told, [])
    await Promise.resolve()
    assert.deepStrictEqual(told, [1, 2, 3])
    soon.hear(4)
    await Promise.resolve()
    assert.deepStrictEqual(told, [1, 2, 3, 4])
  })

  it("tells at once when there is no later, and not again", async () => {
    const { soon, told } = listening()
    soon.hear(1)
    soon.hear(2)
    soon.flush()
    assert.deepStrictEqual(told, [1, 2])
    soon.hear(3)
    await Promise.resolve()
    assert.deepStrictEqual(told, [1, 2, 3])
  })

  it("tells what is heard while it tells, after the rest", async () => {
    const told: Array<number> = []
    const soon: Soon.Soon<number> = Soon.make((n) => {
      told.push(n)
      if (n < 10) soon.hear(n + 10)
    })
    soon.hear(1)
    soon.hear(2)
    await Promise.resolve()
    assert.deepStrictEqual(told, [1, 2, 11, 12])
  })
})
