import { assert, describe, it } from "@effect/vitest"
import * as Budget from "../../src/amst/Budget.ts"

const world = (bytes: number, largest: number) => {
  const budget = Budget.make(bytes, largest)
  const rooms = new Map<string, Budget.Room>()
  const over = new Set<string>()
  const ask = (name: string, size: number, share: Budget.Share) =>
    budget.ask({ share, size, isOver: () => over.has(name), onRoom: (room) => rooms.set(name, room) })
  return { budget, rooms, over, ask, begun: () => [...rooms.keys()].join("") }
}

const sharing = (): Budget.Share => ({ reserved: 0 })

describe("Budget", () => {
  it("gives room in the order in which it was asked for, and what is given back to whoever waits", () => {
    const { ask, begun, budget, rooms } = world(100, 100)
    const share = sharing()
    ask("a", 60, share)
    ask("b", 60, share)
    ask("c", 60, share)
    assert.deepStrictEqual([begun(), budget.reserved(), share.reserved], ["a", 60, 60])
    assert.strictEqual(rooms.get("a")?.bytes.length, 60)
    rooms.get("a")?.release(false)
    assert.deepStrictEqual([begun(), budget.reserved()], ["ab", 60])
    rooms.get("b")?.release(false)
    assert.strictEqual(begun(), "abc")
  })

  it("gives room once for what is given back more than once", () => {
    const { ask, begun, budget, rooms } = world(100, 100)
    ask("a", 60, sharing())
    ask("b", 40, sharing())
    for (let time = 0; time < 3; time++) rooms.get("a")?.release(true)
    assert.strictEqual(budget.reserved(), 40)
    ask("c", 60, sharing())
    ask("d", 60, sharing())
    assert.strictEqual(begun(), "abc")
  })

  it("keeps half of it from one that has the other half and gives nothing back", () => {
    const { ask, begun } = world(100, 20)
    const greedy = sharing()
    for (const name of ["a", "b", "c"]) ask(name, 20, greedy)
    ask("d", 20, sharing())
    assert.strictEqual(begun(), "abd")
  })

  it("has room for the largest, and forgets who does not wait any more", () => {
    const { ask, begun, budget, over, rooms } = world(100, 90)
    ask("a", 90, sharing())
    ask("b", 90, sharing())
    over.add("b")
    ask("c", 90, sharing())
    rooms.get("a")?.release(false)
    assert.deepStrictEqual([begun(), budget.reserved()], ["ac", 90])
  })

  it("gives the memory of one that is done with to who has waited for it", () => {
    const { ask, begun, rooms } = world(4 << 20, 1 << 20)
    const share = sharing()
    for (const name of ["a", "b", "c"]) ask(name, 1 << 20, share)
    assert.strictEqual(begun(), "ab")
    const memory = rooms.get("a")?.bytes.buffer
    rooms.get("a")?.release(true)
    assert.strictEqual(rooms.get("c")?.bytes.buffer, memory)
  })

  it("uses memory again that nobody looks at any more, until it is let go", () => {
    const { ask, budget, rooms } = world(64 << 20, 1 << 20)
    const memory = (name: string) => rooms.get(name)?.bytes.buffer
    ask("a", 1 << 20, sharing())
    rooms.get("a")?.release(true)
    ask("b", 1 << 20, sharing())
    assert.strictEqual(memory("b"), memory("a"))
    rooms.get("b")?.release(false)
    ask("c", 1 << 20, sharing())
    assert.notStrictEqual(memory("c"), memory("b"))
    rooms.get("c")?.release(true)
    budget.tick(60_000)
    ask("d", 1 << 20, sharing())
    assert.notStrictEqual(memory("d"), memory("c"))
  })
})
