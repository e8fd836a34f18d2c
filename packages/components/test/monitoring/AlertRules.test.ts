import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as AlertRules from "../../src/monitoring/AlertRules.ts"
import * as Alerts from "../../src/monitoring/Alerts.ts"
import type { Family } from "../../src/monitoring/Tally.ts"

const file = join(import.meta.dirname, "../../../../docs/monitoring/alerts.yml")

/** The rules of the file, as much of YAML as it uses. */
const documented = () =>
  readFileSync(file, "utf8")
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map((text) => {
      const field = (name: string) => new RegExp(`^ +${name}: (.*)$`, "m").exec(text)?.[1] ?? ""
      const block = /^ {8}expr: \|\n((?: {10}.*\n)+)/m.exec(text)?.[1]
      const minutes = /^(\d+)([mh])$/.exec(field("for"))
      return {
        alert: text.split("\n")[0],
        when: (block ?? field("expr")).replace(/\s+/g, " ").trim(),
        forMinutes: minutes === null ? 0 : Number(minutes[1]) * (minutes[2] === "h" ? 60 : 1),
        severity: field("severity"),
        summary: JSON.parse(field("summary")),
        description: JSON.parse(field("description")),
        runbook: JSON.parse(field("runbook_url"))
      }
    })

/** Series of a node by the minute; `null` where there is none. */
interface Input {
  readonly metric: string
  readonly labels: { readonly [label: string]: string }
  readonly values: ReadonlyArray<number | null>
}

const minutes = 45
const node = { job: "novacron", instance: "n1" }

/** What fires in this process at each minute, as lines that can be compared. */
const ours = (inputs: ReadonlyArray<Input>) => {
  const book = Alerts.makeBook()
  return Array.from({ length: minutes + 1 }, (_, minute) => {
    const families = inputs.flatMap(({ labels, metric, values }): ReadonlyArray<Family> => {
      const value = values[minute]
      if (value === undefined || value === null) return []
      return [{ name: metric, type: "gauge", help: "", points: [{ labels, value }], distributions: [] }]
    })
    Alerts.step(book, families, minute * 60_000, { instance: "n1" })
    const firing = [...book.alerts.values()].filter(({ state }) => state === "firing")
    return firing.map(({ labels }) => ({ ...labels }))
  })
}

const selector = (name: string, labels: { readonly [label: string]: string }) =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(", ")}}`

/** Whether Prometheus says the same at these minutes. */
const prometheus = (inputs: ReadonlyArray<Input>, at: ReadonlyArray<number>) => {
  const fires = ours(inputs)
  const lines = [
    "rule_files: [alerts.yml]",
    "evaluation_interval: 1m",
    "tests:",
    "  - interval: 1m",
    "    input_series:",
    ...inputs.flatMap(({ labels, metric, values }) => [
      `      - series: '${selector(metric, { ...labels, ...node })}'`,
      `        values: '${values.map((value) => (value === null ? "_" : value)).join(" ")}'`
    ]),
    "    promql_expr_test:",
    ...at.flatMap((minute) => [
      `      - expr: ALERTS{alertstate="firing"}`,
      `        eval_time: ${minute}m`,
      `        exp_samples:${fires[minute]?.length === 0 ? " []" : ""}`,
      ...(fires[minute] ?? []).flatMap((labels) => [
        `          - labels: '${selector("ALERTS", { ...labels, alertstate: "firing" })}'`,
        "            value: 1"
      ])
    ])
  ]
  const directory = mkdtempSync(join(tmpdir(), "novacron-rules-"))
  try {
    copyFileSync(file, join(directory, "alerts.yml"))
    writeFileSync(join(directory, "test.yml"), `${lines.join("\n")}\n`)
    const { status, stderr, stdout } = spawnSync("promtool", ["test", "rules", "test.yml"], {
      cwd: directory,
      encoding: "utf8"
    })
    return { isSame: status === 0, said: `${stdout}${stderr}\n${lines.join("\n")}`, fires }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const counter = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { minLength: minutes + 1, maxLength: minutes + 1 })
  .map((steps) => {
    let value = 0
    return steps.map(([step, isQuiet]) => (value = step === 9 ? 0 : value + (isQuiet ? 0 : step)))
  })
const flag = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 14 }), fc.constantFrom(0, 1)), { minLength: 10, maxLength: 30 })
  .map((runs) => runs.flatMap(([length, value]) => Array.from({ length }, () => value)).slice(0, minutes + 1))
const late = (values: ReadonlyArray<number>, from: number): ReadonlyArray<number | null> =>
  values.map((value, minute) => (minute < from ? null : value))

const world = fc.record({
  from: fc.nat(20),
  restorations: counter,
  errors: counter,
  dropped: counter,
  degraded: flag,
  booting: flag,
  healthy: flag,
  expiresInMinutes: fc.constantFrom(10, 1_000, 1_600, 9_000, 11_000)
})

const inputsOf = (it: typeof world extends fc.Arbitrary<infer A> ? A : never): ReadonlyArray<Input> => [
  {
    metric: "novacron_component_restorations_total",
    labels: { component: "cache", outcome: "completed" },
    values: late(it.restorations, it.from)
  },
  {
    metric: "novacron_component_errors_total",
    labels: { component: "database", error_type: "Refused" },
    values: late(it.errors, it.from)
  },
  { metric: "novacron_trace_spans_dropped_total", labels: { reason: "full" }, values: it.dropped },
  { metric: "novacron_component_state", labels: { component: "cache", state: "degraded" }, values: it.degraded },
  { metric: "novacron_boot_outcome", labels: { outcome: "booting" }, values: it.booting },
  { metric: "novacron_component_health_status", labels: { component: "search" }, values: it.healthy },
  {
    metric: "novacron_certificate_expiry_timestamp_seconds",
    labels: { certificate: "node" },
    values: Array.from({ length: minutes + 1 }, () => it.expiresInMinutes * 60)
  }
]

describe("the rules of a node", () => {
  it("are those of alerts.yml, but for the one about nodes that do not answer", () => {
    const [down, ...others] = documented()
    assert.strictEqual(down?.alert, "NovacronDown")
    assert.isAbove(others.length, 8)
    assert.deepStrictEqual(
      AlertRules.rules.map((rule) => ({
        ...rule,
        when: AlertRules.promql(rule.when),
        runbook: AlertRules.runbookOf(rule)
      })),
      others
    )
  })

  it("have a runbook each, with what to look at and what to do", () => {
    const [, ...sections] = readFileSync(join(file, "../ALERTS.md"), "utf8").split(/^## /m)
    const { repository } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"))
    const place = String(repository.url).replace(/^git\+(.*)\.git$/, "$1/blob/main")
    const alerts = documented().map(({ alert, runbook }) => {
      assert.strictEqual(runbook, `${place}/docs/monitoring/ALERTS.md#${alert?.toLowerCase()}`)
      return alert
    })
    assert.deepStrictEqual(
      sections.map((text) => text.split("\n")[0]),
      alerts
    )
    for (const text of sections) {
      for (const part of ["**What it means.**", "**Check.**", "**Fix.**"]) assert.include(text, part)
    }
  })

  it("fire when those of a real Prometheus do, and only then", () => {
    let fired = 0
    fc.assert(
      fc.property(world, (it) => {
        const { fires, isSame, said } = prometheus(inputsOf(it), [3, 9, 16, 24, 31, 38, 44])
        fired += fires.flat().length
        assert.isTrue(isSame, said)
      }),
      { numRuns: 12 }
    )
    assert.isAbove(fired, 100)
  }, 60_000)

  it("see what was before this boot for an hour", () => {
    const at = (minute: number, outcome: string) => {
      const book = Alerts.makeBook()
      const family = (name: string, value: number, labels = {}): Family => ({
        name,
        type: "gauge",
        help: "",
        points: [{ labels, value }],
        distributions: []
      })
      const families = [
        family("novacron_previous_boot_outcome", 1, { outcome }),
        family("novacron_boot_start_timestamp_seconds", 60)
      ]
      return Alerts.step(book, families, minute * 60_000, { instance: "n1" }).map(({ labels }) => labels["outcome"])
    }
    assert.deepStrictEqual(at(5, "killed"), ["killed"])
    assert.deepStrictEqual(at(62, "killed"), [])
    assert.deepStrictEqual(at(5, "stopped"), [])
  })

  it("remember so many series and so much of the past, and no more", () => {
    const memory = AlertRules.makeMemory()
    const points = Array.from({ length: 5_000 }, (_, k) => ({ labels: { component: `c${k}` }, value: k }))
    const family = {
      name: "novacron_component_errors_total",
      type: "counter",
      help: "",
      points,
      distributions: []
    } as const
    for (let minute = 0; minute < 120; minute += 10) AlertRules.remember(memory, [family], minute * 60_000)
    assert.strictEqual(memory.series.size, 2_000)
    for (const { points } of memory.series.values()) assert.isAtMost(points.length, 4)
    AlertRules.remember(memory, [], 1_000 * 60_000)
    assert.strictEqual(memory.series.size, 0)
  })
})
