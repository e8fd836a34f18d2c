import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Agenda from "../src/Agenda.ts"

const slots = 8
const changes = fc.array(
  fc.record({
    slot: fc.nat(slots - 1),
    atMs: fc.option(fc.nat(20), { nil: Agenda.never }),
    turn: fc.integer({ min: -3, max: 3 })
  })
)

describe("Agenda", () => {
  it("is empty at first", () => {
    const agenda = Agenda.make(slots)
    assert.strictEqual(Agenda.first(agenda), -1)
    assert.strictEqual(Agenda.dueMs(agenda, -1), Agenda.never)
    assert.strictEqual(Agenda.dueMs(agenda, 3), Agenda.never)
  })

  it("knows the first of all moments, equal ones by turn and slot, whatever was set and taken away before", () => {
    fc.assert(
      fc.property(changes, (changes) => {
        const agenda = Agenda.make(slots)
        const model = new Map<number, { readonly atMs: number; readonly turn: number }>()
        for (const { atMs, slot, turn } of changes) {
          if (atMs === Agenda.never) {
            Agenda.empty(agenda, slot)
            model.delete(slot)
          } else {
            Agenda.set(agenda, slot, atMs, turn)
            model.set(slot, { atMs, turn })
          }
          const [first] = [...model].sort(([i, a], [j, b]) => a.atMs - b.atMs || a.turn - b.turn || i - j)
          assert.strictEqual(Agenda.first(agenda), first?.[0] ?? -1)
          for (let other = 0; other < slots; other++) {
            assert.strictEqual(Agenda.dueMs(agenda, other), model.get(other)?.atMs ?? Agenda.never)
          }
        }
      })
    )
  })

  it("forgets everything when it is cleared", () => {
    const agenda = Agenda.make(slots)
    Agenda.set(agenda, 2, 5)
    Agenda.clear(agenda)
    assert.strictEqual(Agenda.first(agenda), -1)
    Agenda.set(agenda, 3, 7)
    assert.strictEqual(Agenda.first(agenda), 3)
  })
})
