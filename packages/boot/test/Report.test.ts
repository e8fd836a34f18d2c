import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Failure } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"
import * as Report from "../src/Report.ts"
import {
  chance,
  logOf,
  nodeWorld,
  noIndex,
  redisDown,
  refused,
  started,
  type Attempt,
  type World,
  worlds
} from "./fixtures/worlds.ts"

const reportOf = (world: World) => Report.fromEvents(logOf(world))
const of = (report: Report.Report, name: string) => report.components.find((one) => one.name === name)!

const laws = (property: (report: Report.Report, world: World, log: ReadonlyArray<BootEvent>) => void, runs = 400) => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(worlds, (world) => {
      const log = logOf(world)
      const report = Report.fromEvents(log)
      seen.set(report.outcome, (seen.get(report.outcome) ?? 0) + 1)
      property(report, world, log)
    }),
    { numRuns: runs }
  )
  // A law that only failed boots had to obey would prove little.
  for (const outcome of ["ready", "degraded", "failed", "cancelled", "stopped"]) {
    assert.isAbove(seen.get(outcome) ?? 0, runs / 100, outcome)
  }
}

const near = (actual: number, expected: number, what: string) =>
  assert.closeTo(actual, expected, 1e-6 * Math.max(1, Math.abs(expected)), what)

describe("Report", () => {
  it("accounts for every millisecond of every component until it settles", () => {
    laws((report) => {
      for (const one of report.components) {
        const spent = one.waitingMs + one.queuedMs + one.runningMs + one.backoffMs
        near(spent, one.settledAtMs ?? report.atMs, one.name)
        assert.isTrue([one.waitingMs, one.queuedMs, one.runningMs, one.backoffMs].every((ms) => ms >= 0))
        const attempts = one.attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)
        near(one.runningMs, attempts, `attempts of ${one.name}`)
      }
    })
  })

  it("accounts for it as well while the boot is under way", () => {
    laws((_, world, log) => {
      const fold = Report.make()
      const upTo = Math.floor(log.length * chance(log.length, world.manifests.length))
      for (const event of log.slice(0, upTo + 1)) Report.step(fold, event)
      const early = Report.read(fold)
      const before = JSON.stringify(early)
      for (const one of early.components) {
        near(one.waitingMs + one.queuedMs + one.runningMs + one.backoffMs, one.settledAtMs ?? early.atMs, one.name)
        assert.isAbove(Report.why(early, one.name).length, 0)
      }
      assert.isAbove(Report.text(early).length, 0)
      for (const event of log.slice(upTo + 1)) Report.step(fold, event)
      assert.strictEqual(JSON.stringify(early), before, "a report that was read does not change")
      assert.deepStrictEqual(Report.read(fold), Report.fromEvents(log))
    })
  })

  it("finds a critical path of real edges that ends with the last one to settle before READY", () => {
    laws((report) => {
      const path = report.criticalPath.map((name) => of(report, name))
      assert.strictEqual(new Set(path).size, path.length)
      near(
        report.criticalPathMs,
        path.reduce((sum, one) => sum + one.runningMs + one.backoffMs, 0),
        "sum"
      )
      path.slice(1).forEach((one, k) => {
        const before = path[k]!
        const isGate =
          (before.phase === "pre" && one.phase !== "pre") ||
          Phase.rank[before.phase] < Phase.rank[one.phase] ||
          (one.phase === "post" && before.phase !== "post" && before.severity === "critical")
        assert.isTrue(one.needs.includes(before.name) || isGate, `${before.name} → ${one.name}`)
        assert.isAtMost(before.settledAtMs!, one.startedAtMs ?? one.settledAtMs!)
      })
      if (report.readyAtMs === null) return
      const ran = report.components.filter(({ attempts }) => attempts.length > 0)
      assert.strictEqual(path.length === 0, ran.length === 0)
      const last = Math.max(0, ...ran.map(({ settledAtMs }) => settledAtMs!))
      if (path.length > 0) assert.strictEqual(path.at(-1)!.settledAtMs, last)
      assert.isAtMost(report.criticalPathMs, report.readyAtMs + 1e-6)
      near(report.overheadMs, report.readyAtMs - report.criticalPathMs, "overhead")
    })
  })

  it("explains all of the time to READY by the critical path when there are slots for everyone", () => {
    let explained = 0
    laws((report) => {
      if (report.readyAtMs === null || report.concurrency < 100) return
      explained++
      near(report.criticalPathMs, report.readyAtMs, "critical path")
      near(report.overheadMs, 0, "overhead")
      assert.closeTo(report.parallelEfficiency, 1, 1e-9)
    })
    assert.isAbove(explained, 20)
  })

  it("keeps its figures in bounds, and the phases add up", () => {
    laws((report) => {
      assert.isTrue(report.parallelEfficiency >= 0 && report.parallelEfficiency <= 1)
      near(report.speedup * report.durationMs, report.durationMs > 0 ? report.sequentialMs : 0, "speedup")
      assert.isAtLeast(report.sequentialMs, report.criticalPathMs - 1e-6)
      if (report.readyAtMs === null) return
      near(
        report.phases.reduce((sum, { durationMs }) => sum + durationMs, 0),
        report.readyAtMs,
        "phases"
      )
      if (report.readyAtMs > 0)
        near(
          report.phases.reduce((sum, { share }) => sum + share, 0),
          1,
          "shares"
        )
      assert.deepStrictEqual(
        report.checkpoints.map(({ checkpoint }) => checkpoint),
        [...Phase.checkpoints]
      )
    })
  })

  it("survives JSON and its own Schema", () => {
    const decode = Schema.decodeUnknownSync(Report.Report)
    const encode = Schema.encodeUnknownSync(Report.Report)
    laws((report) => {
      assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(report))), report)
      assert.deepStrictEqual(encode(report), report)
    }, 150)
  })

  it("leads from every component that is not up to a root cause", () => {
    laws((report) => {
      for (const one of report.components) {
        const chain = Report.why(report, one.name)
        assert.isTrue(chain[0]!.startsWith(one.name))
        assert.strictEqual(new Set(chain).size, chain.length)
        chain.slice(1).forEach((sentence, k) => assert.include(chain[k]!, sentence.split(" ")[0]!))
        if (one.state === "ready") continue
        // Each end of a chain is an error, the environment, a person, or what is still going on.
        assert.match(
          chain.at(-1)!,
          /(Refused|Gone|TimedOut|no answer) |because of SIGTERM$|exists only in elsewhere|is still /,
          chain.join("\n")
        )
      }
    })
  })

  it("groups root causes and counts each component that was lost to one", () => {
    laws((report) => {
      const keys = report.failures.map(({ message, tag }) => `${tag} ${message}`)
      assert.strictEqual(new Set(keys).size, keys.length)
      const named = report.failures.flatMap(({ components, notStarted }) => [...components, ...notStarted])
      assert.strictEqual(new Set(named).size, named.length)
      for (const one of report.components) {
        if (one.state === "failed" || one.state === "degraded") assert.include(named, one.name)
        if (one.state === "ready") assert.notInclude(named, one.name)
      }
      const isBad = report.failures.some(({ severity }) => severity !== "warning")
      // What is built again while the node runs may fail worse than before; the outcome is that of the boot.
      assert.strictEqual(report.outcome === "ready" && report.restorations.length === 0 && isBad, false)
    })
  })

  describe("why", () => {
    it("goes from a component to its root cause, a sentence for each step", () => {
      const report = reportOf(nodeWorld({ index: { ends: noIndex } }))
      assert.strictEqual(report.outcome, "ready")
      assert.deepStrictEqual(Report.why(report, "search"), [
        "search is skipped: it needs index",
        "index is absent: Refused connect ECONNREFUSED 127.0.0.1:9200 after 2 attempts in 27 ms"
      ])
      assert.deepStrictEqual(Report.why(report, "api"), ["api is ready: it came up after 50 ms"])
      assert.deepStrictEqual(Report.why(report, "apj"), ['This boot knows no component "apj".'])
    })

    it("says what a boot that is under way still waits for", () => {
      const log = logOf(nodeWorld({ database: { afterMs: 400 } }))
      const upTo = log.findIndex((event) => event._tag === "ComponentReady" && event.component === "search")
      const report = Report.fromEvents(log.slice(0, upTo + 1))
      assert.strictEqual(report.outcome, "booting")
      assert.strictEqual(report.exitCode, 70)
      assert.deepStrictEqual(Report.why(report, "ready"), [
        "ready is waiting: its phase has not begun before api has settled",
        "api is waiting: it needs orchestration",
        "orchestration is waiting: it needs database",
        "database is still starting: attempt 1 for 10 ms"
      ])
      assert.strictEqual(
        Report.text(report).split("\n").at(-1),
        "BOOTING  5 of 9 components after 30 ms, waiting for database"
      )
    })

    it("does not end before the member of a group that failed, nor begin with one that never had its turn", () => {
      const members = ["dwcp", "dwcp/amst", "dwcp/pba"].map((name) => ({
        name,
        phase: "core" as const,
        severity: "critical" as const,
        needs: name === "dwcp/pba" ? ["dwcp/amst"] : [],
        fallbacks: []
      }))
      const failure: Failure = { ...refused, tag: "NoRoute", message: "no route to 10.0.0.9" }
      const outer: Failure = { ...refused, tag: "Critical", message: 'critical component "amst" did not start' }
      const at = (atMs: number, component: string) => ({ atMs, component })
      const log: ReadonlyArray<BootEvent> = [
        { ...started(Result.getOrThrow(Plan.make([])), Progress.defaultLimits), components: members } as BootEvent,
        { _tag: "ComponentStarted", ...at(0, "dwcp"), variant: 0, attempt: 1 },
        { _tag: "ComponentStarted", ...at(1, "dwcp/amst"), variant: 0, attempt: 1 },
        { _tag: "AttemptFailed", ...at(5, "dwcp/amst"), attempt: 1, failure, retryInMs: null },
        { _tag: "AttemptClosed", ...at(6, "dwcp/amst"), closing: "clean" },
        { _tag: "ComponentFailed", ...at(6, "dwcp/amst"), failure },
        { _tag: "ComponentSkipped", ...at(6, "dwcp/pba"), reason: { _tag: "RolledBack", because: "amst" } },
        { _tag: "AttemptFailed", ...at(7, "dwcp"), attempt: 1, failure: outer, retryInMs: null },
        { _tag: "AttemptClosed", ...at(8, "dwcp"), closing: "clean" },
        { _tag: "ComponentFailed", ...at(8, "dwcp"), failure: outer },
        { _tag: "RollbackStarted", atMs: 8, why: "failed", because: "dwcp", budgetMs: 1 },
        { _tag: "BootEnded", atMs: 8, outcome: "failed", clean: true }
      ]
      const report = Report.fromEvents(log)
      assert.deepStrictEqual(Report.why(report, "dwcp/pba"), [
        "dwcp/pba is skipped: the boot was rolled back because of amst",
        'dwcp failed: Critical critical component "amst" did not start after 1 attempt in 8 ms',
        "dwcp/amst failed: NoRoute no route to 10.0.0.9 after 1 attempt in 5 ms"
      ])
      assert.deepStrictEqual(report.failures, [
        { ...failure, components: ["dwcp/amst"], notStarted: ["dwcp", "dwcp/pba"] }
      ])
      // What a group takes is not counted for its members once more.
      assert.strictEqual(report.sequentialMs, 8)
      assert.deepStrictEqual(report.criticalPath, ["dwcp"])

      const again = [
        ...log.slice(0, 9),
        { _tag: "ComponentStarted", ...at(20, "dwcp"), variant: 0, attempt: 2 } as const
      ]
      const second = Report.fromEvents([
        ...again,
        { _tag: "ComponentStarted", ...at(22, "dwcp/amst"), variant: 0, attempt: 1 }
      ])
      assert.strictEqual(of(second, "dwcp/pba").state, "waiting")
      assert.strictEqual(of(second, "dwcp/amst").waitingMs, 22)
    })
  })

  describe("failures", () => {
    it("count equal tag and message as one", () => {
      const broken: Partial<Attempt> = { ends: { ...refused, severity: "warning" } }
      const manifests = ["a", "b", "c"].map((name) => Manifest.make({ name, severity: "warning", optional: true }))
      const report = reportOf({ manifests, attempt: (name) => (name === "c" ? {} : broken), retryMs: null })
      assert.strictEqual(report.outcome, "ready")
      assert.deepStrictEqual(report.failures, [
        { ...refused, severity: "warning", components: ["a", "b"], notStarted: [] }
      ])
    })

    it("put first what ended the boot, with those that were lost to it", () => {
      const report = reportOf(nodeWorld({ cache: redisDown, index: { ends: noIndex }, database: { ends: refused } }))
      assert.deepStrictEqual(
        report.failures.map(({ components, notStarted }) => ({ components, notStarted })),
        [
          { components: ["database"], notStarted: ["api", "orchestration", "ready"] },
          { components: ["index"], notStarted: ["search"] }
        ]
      )
      assert.strictEqual(of(report, "cache").state, "stopped")
      assert.strictEqual(of(report, "cache").fallback, "memory")
    })
  })

  describe("restorations", () => {
    it("are counted, and change neither the times of the boot nor its outcome", () => {
      const world = nodeWorld(
        {
          cache: (number, attempt) => (attempt === 99 && number === 0 ? {} : redisDown(number)),
          index: (_, attempt) => (attempt === 1 ? { ends: noIndex } : {})
        },
        { restoreMs: 500, retryMs: null, health: { atMs: 5_000, component: "cache", message: "slow pings" } }
      )
      const [first, second] = [0, 1].map((k) => {
        const log = logOf(world)
        const cut = log.findIndex(({ _tag }) => _tag === (k === 0 ? "BootReady" : "HealthChanged"))
        return Report.fromEvents(k === 0 ? log.slice(0, cut + 1) : log)
      })
      assert.strictEqual(first!.outcome, "degraded")
      assert.strictEqual(of(first!, "cache").state, "degraded")
      assert.strictEqual(second!.outcome, "degraded")
      assert.deepStrictEqual(
        { ...of(second!, "index"), state: "absent", sinceMs: 0, reason: null, readyAtMs: null },
        { ...of(first!, "index"), sinceMs: 0, reason: null }
      )
      const [cache, index] = ["cache", "index"].map((name) =>
        second!.restorations.find((one) => one.component === name)!
      )
      assert.isAtLeast(cache!.completed, 1)
      assert.deepStrictEqual([cache!.failed, index!.completed], [0, 0])
      assert.isAbove(index!.failed, 1)
      assert.deepStrictEqual(index!.lastError, noIndex)
      assert.strictEqual(of(second!, "cache").health?.message, "slow pings")
    })
  })

  describe("exit codes", () => {
    const defect: Failure = { ...refused, kind: "defect", tag: "Defect", message: "x is not a function" }
    const config: Failure = { ...refused, tag: "ConfigError", message: "database.url is missing" }
    const stop = (atMs: number, because: string) => ({ stop: { atMs, because } })
    const cases: ReadonlyArray<readonly [code: number, outcome: Report.Report["outcome"], when: string, world: World]> =
      [
        [0, "ready", "it is ready", nodeWorld({})],
        [0, "degraded", "it is degraded", nodeWorld({ cache: redisDown })],
        [0, "stopped", "it was ready and was stopped", nodeWorld({}, stop(1_000, "SIGTERM"))],
        [69, "failed", "a critical component is unavailable", nodeWorld({ database: { ends: refused } })],
        [70, "failed", "a critical component has a defect", nodeWorld({ database: { ends: defect } })],
        [
          70,
          "failed",
          "a finalizer fails",
          nodeWorld({ database: { ends: refused }, security: { closing: "failed" } })
        ],
        [
          70,
          "stopped",
          "a stop had to cut a finalizer off",
          nodeWorld({ security: { closing: undefined } }, stop(1_000, "SIGTERM"))
        ],
        [78, "failed", "settings are wrong", nodeWorld({}, { invalid: { database: config } })],
        [124, "failed", "the boot is out of time", nodeWorld({ api: { afterMs: 900 } }, { limits: { bootMs: 500 } })],
        [130, "cancelled", "SIGINT cancels it", nodeWorld({}, stop(15, "SIGINT"))],
        [143, "cancelled", "SIGTERM cancels it", nodeWorld({}, stop(15, "SIGTERM"))],
        [130, "cancelled", "someone else cancels it", nodeWorld({}, stop(15, "the test"))]
      ]
    for (const [code, outcome, when, world] of cases) {
      it(`is ${code} when ${when}`, () => {
        const { exitCode, outcome: actual } = reportOf(world)
        assert.deepStrictEqual([exitCode, actual], [code, outcome])
      })
    }

    it("is 70 for a boot of which the log just ends", () => {
      const log = logOf(nodeWorld({ database: { ends: refused } }))
      assert.strictEqual(Report.fromEvents([]).exitCode, 70)
      assert.strictEqual(Report.fromEvents(log.slice(0, 9)).exitCode, 70)
      assert.strictEqual(Report.fromEvents(log.slice(0, -1)).exitCode, 70)
    })

    it("has a row for each code", () => {
      assert.sameMembers([...new Set(Report.exitCodes.map(({ code }) => code))], [0, 69, 70, 78, 124, 130, 143])
    })
  })

  describe("text", () => {
    it("of a boot that is up is a table, the share of each phase, and one line", () => {
      const report = reportOf(nodeWorld({ cache: redisDown, index: { ends: noIndex }, database: { afterMs: 81.4 } }))
      assert.deepStrictEqual(Report.text(report).split("\n"), [
        "  ✓ config           10 ms",
        "  ✓ security         10 ms   ← config",
        "  - index            27 ms   absent: Refused connect ECONNREFUSED 127.0.0.1:9200 after 2 attempts in 27 ms",
        "  - search                   skipped: it needs index",
        "  ~ cache            21 ms   on its fallback memory: RedisDown connect refused after 1 attempt in 11 ms",
        "  ✓ database         81 ms   ← security",
        "  ✓ orchestration    10 ms   ← database",
        "  ✓ api              10 ms   ← orchestration, security",
        "  ✓ ready            10 ms",
        "  phases: pre 10 ms (8 %) · core 91 ms (70 %) · service 20 ms (15 %) · post 10 ms (8 %)",
        "READY (degraded: cache; absent: index; skipped: search) in 131 ms · critical path 131 ms · overhead 0 %"
      ])
    })

    it("tells how much of the time was not the components' own", () => {
      const manifests = ["a", "b", "c"].map((name) => Manifest.make({ name }))
      const report = reportOf({ manifests, attempt: () => ({}), limits: { slots: 2 } })
      assert.strictEqual(
        Report.text(report).split("\n").at(-1),
        "READY in 20 ms · critical path 10 ms · overhead 100 %"
      )
      // Two slots cannot do three times ten milliseconds in less than fifteen.
      assert.deepStrictEqual([report.sequentialMs, report.speedup, report.parallelEfficiency], [30, 1.5, 0.75])
    })

    it("of a failed boot says what failed, what was tried, who needed it, what was undone, and what to do", () => {
      const report = reportOf(nodeWorld({ cache: redisDown, database: { ends: refused } }, { retryMs: 1_100 }))
      assert.deepStrictEqual(Report.text(report).split("\n"), [
        'BOOT FAILED  critical component "database" did not start                      exit 69',
        "  cause     connect ECONNREFUSED 127.0.0.1:5432",
        "  tried     3 times over 2.2 s (0.0 s · 1.1 s · 2.2 s), in phase core",
        "  needed by orchestration → api (3 not started)",
        "  besides   degraded: cache",
        "  undone    5 components in reverse order in 3 ms, all clean",
        "  do        put right what the cause says, then boot again      more: why database"
      ])
    })

    it("of a failed boot names what could not be undone, and each cause of several", () => {
      const report = reportOf(nodeWorld({ database: { ends: refused }, security: { closing: undefined } }))
      assert.include(
        Report.text(report),
        "  undone    5 components in reverse order in 5.0 s, not clean: security (abandoned)"
      )
      const config = (message: string): Failure => ({ ...refused, tag: "ConfigError", message })
      const invalid = { database: config("url is missing"), api: config("port is no number") }
      assert.deepStrictEqual(Report.text(reportOf(nodeWorld({}, { invalid }))).split("\n"), [
        'BOOT FAILED  critical components "api", "database" did not start              exit 78',
        "  cause     api: port is no number",
        "  tried     nothing: it was not started",
        "  cause     database: url is missing",
        "  tried     nothing: it was not started",
        "  needed by orchestration → api (7 not started)",
        "  undone    nothing: nothing was held",
        "  do        correct the settings of api      more: why api"
      ])
    })

    it("of a boot that was cancelled, or out of time, or stopped, names the reason", () => {
      const line = (world: World) => Report.text(reportOf(world)).split("\n")[0]!.replace(/ {3,}/, " | ")
      assert.strictEqual(
        line(nodeWorld({ api: { afterMs: 900 } }, { limits: { bootMs: 500 } })),
        'BOOT FAILED  the boot ran out of time, waiting for "api" | exit 124'
      )
      assert.strictEqual(
        line(nodeWorld({}, { stop: { atMs: 15, because: "SIGINT" } })),
        "BOOT CANCELLED  because of SIGINT, after 15 ms | exit 130"
      )
      assert.strictEqual(
        line(nodeWorld({}, { stop: { atMs: 7_500_000, because: "SIGTERM" } })),
        "STOPPED  because of SIGTERM, after 2 h 5 min | exit 0"
      )
    })

    it("lets no control character of a message reach the terminal, and stays short for a large boot", () => {
      const failure: Failure = { ...refused, message: "bad\u001b[31m\n  at foo\u202e" }
      const text = Report.text(reportOf(nodeWorld({ database: { ends: failure } })))
      assert.include(text, "bad\\u{1b}[31m at foo\\u{202e}")
      const manifests = Array.from({ length: 500 }, (_, i) => Manifest.make({ name: `c${i}` }))
      const lines = Report.text(reportOf({ manifests, attempt: () => ({}) })).split("\n")
      assert.isAtMost(lines.length, 62)
      assert.match(lines.at(-2)!, /and \d+ more components/)
    })
  })

  it("knows its boot, and what its numbers were measured against", () => {
    const { bootId, concurrency, configVersion, environment, nodeId, startedAt, version } = reportOf(nodeWorld({}))
    assert.deepStrictEqual(
      { bootId, concurrency, configVersion, environment, nodeId, startedAt, version },
      {
        bootId: "boot-1",
        concurrency: 16,
        configVersion: "v7",
        environment: "test",
        nodeId: "node-a",
        startedAt: "2026-09-21T14:13:20.000Z",
        version: 1
      }
    )
  })
})
