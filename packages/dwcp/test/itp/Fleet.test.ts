import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Fleet from "../../src/itp/Fleet.ts"

type Step =
  | { readonly _tag: "Place"; readonly cpu: number; readonly memory: number; readonly together: number }
  | { readonly _tag: "Depart"; readonly which: number }
  | { readonly _tag: "Move"; readonly which: number; readonly host: number }
  | { readonly _tag: "Drain"; readonly moves: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Place" as const),
      cpu: fc.nat(17),
      memory: fc.nat(40),
      together: fc.oneof(fc.nat(5), fc.constantFrom(-1, 1e9, Infinity, Number.NaN))
    })
  },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Depart" as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Move" as const), which: fc.nat(), host: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Drain" as const), moves: fc.nat(5) }) }
)

/** A fleet beside a ledger that was kept without it. */
const run = (steps: ReadonlyArray<Step>, unlimited: boolean) => {
  const fleet = Fleet.make({ hosts: 4, cpu: 16, memory: 32, unlimited })
  const ledger = new Map<number, { readonly cpu: number; readonly memory: number; host: number }>()
  const check = (): void => {
    const cpu = new Map<number, number>()
    const memory = new Map<number, number>()
    for (const [resident, one] of ledger) {
      assert.strictEqual(fleet.hostOf(resident), one.host)
      cpu.set(one.host, (cpu.get(one.host) ?? 0) + one.cpu)
      memory.set(one.host, (memory.get(one.host) ?? 0) + one.memory)
    }
    for (let h = 0; h < fleet.hosts(); h++) {
      assert.strictEqual(fleet.freeCpu(h), 16 - (cpu.get(h) ?? 0))
      assert.strictEqual(fleet.freeMemory(h), 32 - (memory.get(h) ?? 0))
      assert.isAtLeast(fleet.freeCpu(h), 0)
      assert.isAtLeast(fleet.freeMemory(h), 0)
    }
    assert.strictEqual(fleet.open(), new Set([...ledger.values()].map(({ host }) => host)).size)
  }
  const nth = (which: number): number => [...ledger.keys()][which % Math.max(1, ledger.size)] ?? -1
  let refusals = 0
  for (const [i, one] of steps.entries()) {
    const now = i * 700
    switch (one._tag) {
      case "Place": {
        const resident = fleet.place(one.cpu, one.memory, now, undefined, one.together)
        if (resident >= 0) ledger.set(resident, { ...one, host: fleet.hostOf(resident) })
        else {
          refusals++
          const possible = one.cpu <= 16 && one.memory <= 32
          if (unlimited) assert.isFalse(possible)
          // Nothing with room was overlooked.
          for (let h = 0; h < fleet.hosts(); h++) {
            assert.isFalse(fleet.freeCpu(h) >= one.cpu && fleet.freeMemory(h) >= one.memory)
          }
        }
        break
      }
      case "Depart": {
        const resident = nth(one.which)
        fleet.depart(resident, now)
        ledger.delete(resident)
        assert.strictEqual(fleet.hostOf(resident), -1)
        break
      }
      case "Move": {
        const resident = nth(one.which)
        const kept = ledger.get(resident)
        if (kept !== undefined && fleet.move(resident, one.host, now)) kept.host = one.host
        break
      }
      case "Drain": {
        const before = fleet.open()
        const moves = fleet.drain(one.moves, now)
        assert.isAtMost(moves.length, one.moves)
        assert.strictEqual(fleet.open(), moves.length === 0 ? before : before - 1)
        for (const { resident, from, to } of moves) {
          const kept = ledger.get(resident)
          assert.strictEqual(kept?.host, from)
          if (kept !== undefined) kept.host = to
        }
        break
      }
    }
    check()
  }
  return { refusals, ledger }
}

describe("Fleet", () => {
  it("overfills no host, overlooks none with room, and moves nobody unasked", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.boolean(), (steps, unlimited) => void run(steps, unlimited))
    )
  })

  it("gives the same answers to the same requests", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        assert.deepStrictEqual(run(steps, true), run(steps, true))
      }),
      { numRuns: 30 }
    )
  })

  it("puts newcomers with old residents, and among hosts of one age where they fit best", () => {
    const fleet = Fleet.make({ hosts: 3, cpu: 16, memory: 32 })
    const old = fleet.place(10, 1, 0)
    const large = fleet.place(12, 1, 80_000)
    const small = fleet.place(5, 1, 80_001)
    assert.deepStrictEqual([old, large, small].map(fleet.hostOf), [0, 1, 0])
    const third = fleet.place(9, 1, 80_002)
    assert.strictEqual(fleet.hostOf(third), 2)
    // Both are young: 4 fit into the 4 that are left of one, before the 7 of the other.
    assert.strictEqual(fleet.hostOf(fleet.place(4, 1, 80_003)), 1)
    // Beside the old one there is room for 1 only.
    assert.strictEqual(fleet.hostOf(fleet.place(1, 1, 80_004)), 0)
  })

  it("puts what is as large as the one before, and comes soon after it, beside it", () => {
    const after = (cpu: number, seconds: number, first?: number, then?: number): number => {
      const fleet = Fleet.make({ hosts: 3, cpu: 16, memory: 32 })
      fleet.place(10, 1, 0)
      const leaving = fleet.place(2, 1, 1)
      assert.strictEqual(fleet.hostOf(fleet.place(5, 1, 80_000, first)), 1)
      // Now there is room in the older host, where it would go by its age.
      fleet.depart(leaving, 80_001)
      return fleet.hostOf(fleet.place(cpu, 1, 80_001 + seconds, then))
    }
    assert.strictEqual(after(5, 9), 1)
    assert.strictEqual(after(4, 9), 0)
    assert.strictEqual(after(5, 900), 0)
    // Where requests are known, only what is of the same one.
    assert.strictEqual(after(5, 9, 1, 1), 1)
    assert.strictEqual(after(5, 9, 1, 2), 0)
  })

  it("puts the first of a request where all of it has room, or the half, and the others beside it", () => {
    const chosen = (free: number, together?: number): ReadonlyArray<number> => {
      const fleet = Fleet.make({ hosts: 3, cpu: 16, memory: 32 })
      fleet.place(13, 1, 0)
      fleet.place(16 - free, 1, 20)
      return Array.from({ length: together ?? 4 }, (_, i) =>
        fleet.hostOf(fleet.place(2, 1, 100, 7, together === undefined ? 1 : together - i))
      )
    }
    // One by one the best fit comes first: 3 are left of host 0.
    assert.deepStrictEqual(chosen(8), [0, 1, 1, 1])
    assert.deepStrictEqual(chosen(8, 4), [1, 1, 1, 1])
    // All have no room together, but two have.
    assert.deepStrictEqual(chosen(5, 4), [1, 1, 0, 2])
    assert.deepStrictEqual(chosen(8, 1), [0])
  })

  it("splits a request rather than hold on to a host that would empty soon", () => {
    const chosen = (groups: number): ReadonlyArray<number> => {
      const fleet = Fleet.make({ hosts: 2, cpu: 16, memory: 32 })
      for (let k = 0; k < groups; k++) fleet.place(2, 1, k, k)
      fleet.place(13 - 2 * groups, 1, 10, 10)
      assert.strictEqual(fleet.hostOf(fleet.place(8, 1, 108_000, 11)), 1)
      // All hosts are judged when somebody leaves.
      fleet.depart(fleet.place(1, 1, 108_000, 12), 108_001)
      return [2, 1].map((together) => fleet.hostOf(fleet.place(2, 1, 108_002, 13, together)))
    }
    assert.deepStrictEqual(chosen(1), [1, 1])
    assert.deepStrictEqual(chosen(5), [0, 1])
  })

  it("holds on to a host of two requests before one of a single request that is as large and as old", () => {
    const chosen = (requests: ReadonlyArray<number | undefined>): number => {
      const fleet = Fleet.make({ hosts: 3, cpu: 16, memory: 32 })
      const hosts = [9, 8, 4, 4].map((cpu, i) => fleet.hostOf(fleet.place(cpu, 1, 0, requests[i])))
      assert.deepStrictEqual(hosts, [0, 1, 0, 1])
      // All hosts are judged when somebody leaves.
      fleet.depart(fleet.place(16, 1, 0), 80_000)
      return fleet.hostOf(fleet.place(2, 1, 80_000))
    }
    assert.strictEqual(chosen([1, 2, 1, 3]), 1)
    // By their time alone all are of one request, and the first host has less room left.
    assert.strictEqual(chosen([]), 0)
  })

  it("holds on to a host of many groups before one with a single older resident, which may empty", () => {
    const fleet = Fleet.make({ hosts: 2, cpu: 16, memory: 64 })
    fleet.place(9, 1, 0)
    assert.strictEqual(fleet.hostOf(fleet.place(8, 1, 500)), 1)
    const many = Array.from({ length: 4 }, (_, k) => fleet.place(1, 1, 1_000 * (k + 1)))
    assert.deepStrictEqual([...new Set(many.map(fleet.hostOf))], [0])
    // One group is left on the older host; four have come to the other one.
    for (const one of many) fleet.depart(one, 4_500)
    fleet.place(7, 1, 4_600)
    for (let k = 0; k < 4; k++) assert.strictEqual(fleet.hostOf(fleet.place(1.5, 1, 5_000 + 1_000 * k)), 1)
    fleet.depart(fleet.residents(0)[1] ?? -1, 60_000)
    fleet.depart(fleet.residents(1)[0] ?? -1, 60_000)
    assert.deepStrictEqual([fleet.freeCpu(0), fleet.freeCpu(1)], [7, 10])
    assert.strictEqual(fleet.hostOf(fleet.place(2, 1, 60_001)), 1)
  })

  it("finds the one host with memory among many without", () => {
    const fleet = Fleet.make({ hosts: 101, cpu: 64, memory: 32 })
    for (let h = 0; h < 100; h++) fleet.place(33, 32, h)
    fleet.place(33, 1, 100)
    assert.strictEqual(fleet.open(), 101)
    assert.strictEqual(fleet.hostOf(fleet.place(8, 16, 101)), 100)
  })

  it("refuses what is larger than a host, and numbers that are none", () => {
    const fleet = Fleet.make({ hosts: 1, cpu: 16, memory: 32, unlimited: true })
    assert.deepStrictEqual(
      [17, -1, Number.NaN, Infinity].map((cpu) => fleet.place(cpu, 1, 0)),
      [-1, -1, -1, -1]
    )
    assert.strictEqual(fleet.place(16, 32, 0), 0)
  })
})
