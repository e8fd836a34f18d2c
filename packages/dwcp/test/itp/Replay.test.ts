import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Replay from "../../src/itp/Replay.ts"
import * as Trace from "../../src/itp/Trace.ts"
import * as packings from "./fixtures/packings.ts"
import * as recorded from "./fixtures/recorded.ts"

const traceOf = (rows: ReadonlyArray<string>): Trace.Trace => {
  const reader = Trace.reader()
  for (const row of rows) reader.line(row)
  return Result.getOrThrow(reader.finish())
}

const header = "arrive_s,cpu,mem_gb,lifetime_s"
const hosts64 = { hosts: 500, cpu: 64, memory: 256 }

const replay = (rows: ReadonlyArray<string>, options: Partial<Replay.Options> = {}): Replay.Summary =>
  Replay.replay(traceOf(rows), {
    cluster: hosts64,
    unlimited: true,
    migrations: 0,
    now: packings.steps(),
    ...options
  })

/** Mean hosts of first fit, beside which the rule must be the better one. */
const firstFit = ({ n, arrive, cpu, memory, lifetime }: Trace.Trace): number => {
  const at = (list: Float64Array, i: number): number => list[i] ?? 0
  const leaving = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => at(arrive, a) + at(lifetime, a) - at(arrive, b) - at(lifetime, b)
  )
  const hosts: Array<{ cpu: number; memory: number; residents: number }> = []
  const where: Array<{ cpu: number; memory: number; residents: number }> = []
  let open = 0
  let last = at(arrive, 0)
  let sum = 0
  let next = 0
  const pass = (time: number): void => {
    sum += open * Math.max(0, time - last)
    last = Math.max(last, time)
  }
  for (let i = 0; i < n; i++) {
    for (; next < n; next++) {
      const j = leaving[next] ?? 0
      const host = where[j]
      const time = at(arrive, j) + at(lifetime, j)
      if (time > at(arrive, i) || host === undefined) break
      pass(time)
      host.cpu += at(cpu, j)
      host.memory += at(memory, j)
      if (--host.residents === 0) open--
    }
    pass(at(arrive, i))
    let host = hosts.find((one) => one.cpu >= at(cpu, i) && one.memory >= at(memory, i))
    if (host === undefined) hosts.push((host = { cpu: 64, memory: 256, residents: 0 }))
    host.cpu -= at(cpu, i)
    host.memory -= at(memory, i)
    if (host.residents++ === 0) open++
    where[i] = host
  }
  return sum / (at(arrive, n - 1) - at(arrive, 0))
}

describe("Replay", () => {
  it("takes means over time, and lets who leaves make room for who comes", () => {
    const summary = replay([header, "0,64,1,10", "10,64,1,10", "12,64,1,100", "20,1,1,1"])
    assert.strictEqual(summary.peak_hosts, 2)
    assert.strictEqual(summary.mean_hosts, (12 * 1 + 8 * 2) / 20)
    assert.strictEqual(summary.bound, summary.mean_hosts)
    assert.strictEqual(summary.above_bound, 0)
    assert.strictEqual(summary.rejected, 0)
  })

  it("keeps a request together when it comes at one moment, and one that comes bit by bit is not foreseen", () => {
    const cluster = { hosts: 1, cpu: 10, memory: 10 }
    const mean = (later: number, batches: ReadonlyArray<string>, oneByOne = false): number => {
      const rows = [
        `${header},batch`,
        "0,7,1,50,a",
        "20,4,1,30,b",
        `40,3,1,900,${batches[0] ?? ""}`,
        `${later},3,1,900,${batches[1] ?? ""}`,
        "100,1,1,900,z"
      ]
      return replay(rows, { cluster, oneByOne }).mean_hosts
    }
    const together = (20 * 1 + 30 * 2 + 50 * 1) / 100
    const apart = (20 * 1 + 30 * 2 + 50 * 2) / 100
    assert.strictEqual(mean(40, ["c", "c"]), together)
    // Where requests are not recorded, what comes at one moment is one.
    assert.strictEqual(mean(40, []), together)
    assert.strictEqual(mean(40, ["c", "d"]), apart)
    assert.strictEqual(mean(41, ["c", "c"]), apart)
    assert.strictEqual(mean(40, ["c", "c"], true), apart)
  })

  it("says how full a cluster was when it first refused, and what it refused in all", () => {
    const cluster = { hosts: 2, cpu: 10, memory: 10 }
    const rows = [header, "0,6,1,100", "1,6,1,100", "2,6,1,100", "3,4,1,100", "4,5,1,100"]
    const summary = replay(rows, { cluster, unlimited: false })
    assert.deepInclude(summary, { placed: 3, rejected: 2, rejected_cpu: 11, utilisation_at_first_rejection: 0.6 })
  })

  it("never overfills a host and never migrates more than it may, whatever comes", () => {
    const row = fc.tuple(fc.nat(5_000), fc.nat(64), fc.nat(256), fc.nat(9_000)).map((cells) => cells.join(","))
    fc.assert(
      fc.property(fc.array(row, { maxLength: 200 }), fc.nat(50), fc.boolean(), (rows, migrations, unlimited) => {
        const cluster = { ...hosts64, hosts: 3 }
        const summary = replay([header, ...rows], { cluster, unlimited, migrations })
        assert.strictEqual(summary.violations, 0)
        assert.strictEqual(summary.placed + summary.rejected, rows.length)
        assert.isAtMost(summary.migrations, migrations)
        assert.isAtLeast(summary.above_bound, -1e-9)
        if (!unlimited) assert.isAtMost(summary.peak_hosts, 3)
        if (unlimited) assert.strictEqual(summary.rejected, 0)
      }),
      { numRuns: 60 }
    )
  })

  it("reads the size of a cluster, and says why it is none", () => {
    assert.deepStrictEqual(Result.getOrThrow(Replay.cluster("500x64x256")), hosts64)
    const problemOf = (given: string): string => {
      const made = Replay.cluster(given)
      return Result.isFailure(made) ? made.failure.message : "it was taken"
    }
    assert.include(problemOf("500x64"), 'There is no cluster "500x64": it is not three numbers')
    assert.include(problemOf("0x64x256"), "a size of it is 0")
    assert.include(problemOf("1000001x1x1"), "more than 1000000 hosts")
    assert.include(problemOf("-5x64x256"), "it is not three numbers")
    assert.strictEqual(problemOf("1000000x64x256"), "it was taken")
  })

  for (const [name, file] of [
    ["azure", recorded.azure],
    ["huawei", recorded.huawei]
  ] as const) {
    it.runIf(recorded.present(file))(
      `uses fewer hosts than first fit on ${name}, and far fewer with a migration for ten VMs (if not: ${recorded.reason})`,
      () => {
        // The second half, with nobody there yet: the rule was chosen on windows of the whole.
        const lines = recorded.rows(file)
        const rows = [header0(lines), ...lines.slice(Math.floor(lines.length / 2))]
        const rule = replay(rows)
        const moved = replay(rows, { migrations: Math.floor(rows.length / 10) })
        const first = firstFit(traceOf(rows))
        assert.deepInclude(rule, { violations: 0, rejected: 0 })
        assert.deepInclude(moved, { violations: 0, rejected: 0 })
        assert.isBelow(rule.mean_hosts, first)
        assert.isBelow(moved.above_bound, 0.15)
      },
      60_000
    )
  }
})

const header0 = (lines: ReadonlyArray<string>): string => lines[0] ?? ""
