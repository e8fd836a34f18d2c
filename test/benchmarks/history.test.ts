import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as History from "./History.ts"

const run = (value: number, more: Partial<History.Run> = {}): History.Run => ({
  bench: "kernel",
  at: "2026-11-23T05:00:00.000Z",
  node: "v24.21.0",
  cpus: 2,
  loadavg: [0, 0, 0],
  figures: [{ id: "boot_ms", value, unit: "ms", better: "lower" }],
  ...more
})
const rate = (value: number): History.Run =>
  run(0, { figures: [{ id: "per_second", value, unit: "1/s", better: "higher" }] })

describe("the history of a benchmark", () => {
  it("accuses a figure that is worse than it was, and says what it was", () => {
    const before = [98, 100, 102, 101].map((value) => run(value))
    assert.deepStrictEqual(History.worse(before, run(110)), [])
    const [worse] = History.worse(before, run(130))
    assert.deepInclude(worse, { id: "boot_ms", value: 130, usual: 100.5, runs: 4 })
    const rates = [1_000, 1_000, 1_000].map(rate)
    assert.lengthOf(History.worse(rates, rate(800)), 1)
    assert.deepStrictEqual(History.worse(rates, rate(2_000)), [])
  })

  it("accuses nobody before there are three runs, for runs elsewhere, or of a figure that was never steady", () => {
    assert.deepStrictEqual(History.worse([run(100), run(100)], run(1_000)), [])
    const elsewhere = [1, 2, 3].map(() => run(100, { cpus: 64 }))
    assert.deepStrictEqual(History.worse(elsewhere, run(1_000)), [])
    const older = [1, 2, 3].map(() => run(100, { node: "v20.1.0" }))
    assert.deepStrictEqual(History.worse(older, run(1_000)), [])
    const unsteady = [50, 100, 200, 60, 190].map((value) => run(value))
    assert.deepStrictEqual(History.worse(unsteady, run(200)), [])
  })

  it("never accuses a figure that is as good as the best of the runs before", () => {
    const values = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 3, maxLength: 12 })
    const holds = fc.property(values, (all) => {
      assert.deepStrictEqual(
        History.worse(
          all.map((value) => run(value)),
          run(Math.min(...all.slice(-10)))
        ),
        []
      )
    })
    fc.assert(holds)
  })

  it("is a file that survives a line that was torn", () => {
    const folder = mkdtempSync(join(tmpdir(), "novacron-history-"))
    const file = join(folder, "history.jsonl")
    try {
      assert.deepStrictEqual(History.read(file), [])
      History.append(file, run(100))
      appendFileSync(file, '{"bench":"ker\n')
      History.append(file, run(101))
      assert.deepStrictEqual(History.read(file), [run(100), run(101)])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
