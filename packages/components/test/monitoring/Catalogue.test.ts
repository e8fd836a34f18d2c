import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Catalogue from "../../src/monitoring/Catalogue.ts"
import { isThere, promtool } from "./fixtures/Promtool.ts"

const folder = join(import.meta.dirname, "../../../../docs/monitoring")
const rules = join(folder, "alerts.yml")

interface Panel {
  readonly id: number
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}

const dashboard = JSON.parse(readFileSync(join(folder, "dashboard.json"), "utf8")) as {
  readonly panels: ReadonlyArray<Panel>
  readonly annotations: { readonly list: ReadonlyArray<{ readonly expr: string }> }
  readonly templating: { readonly list: ReadonlyArray<{ readonly definition?: string }> }
} // a file of ours

const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr)
]

/** The metrics that a text names, without what a histogram adds to them. */
const named = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\b(?:novacron|process|nodejs)_[a-z0-9_]+/g)].map(([name]) =>
    Catalogue.find(name) === undefined ? name.replace(/_(bucket|sum|count)$/, "") : name
  )

/** Labels that expressions select by or keep, but for those that Prometheus adds. */
const unknownLabels = (expr: string): ReadonlyArray<string> =>
  [...expr.matchAll(/\b((?:novacron|process|nodejs)_[a-z0-9_]+)\{([^}]*)\}/g)].flatMap(([, name = "", inner = ""]) => {
    const known = Catalogue.find(name) ?? Catalogue.find(name.replace(/_(bucket|sum|count)$/, ""))
    return [...inner.matchAll(/(\w+)\s*[=!]~?/g)].flatMap(([, label = ""]) =>
      ["job", "instance", "le"].includes(label) || known?.labels.includes(label) ? [] : [`${name}{${label}}`]
    )
  })

describe("the catalogue", () => {
  it("names what the architecture review names, and what it calls missing", () => {
    for (const name of [
      "novacron_init_duration_seconds",
      "novacron_component_init_duration_seconds",
      "novacron_component_init_success_total",
      "novacron_component_init_failures_total",
      "novacron_component_retry_attempts_total",
      "novacron_init_total_duration_seconds",
      "novacron_components_initialized_total",
      "novacron_components_failed_total",
      "novacron_parallel_efficiency_ratio",
      "novacron_component_health_status"
    ]) {
      assert.isDefined(Catalogue.find(name), name)
    }
    assert.deepStrictEqual(Catalogue.node.novacron_init_duration_seconds.labels, ["phase"])
    assert.deepStrictEqual(Catalogue.node.novacron_component_errors_total.labels, ["component", "error_type"])
    assert.isUndefined(Catalogue.find("toString"))
  })

  it("knows every metric and label of the alerts and the dashboard", () => {
    const alerts = readFileSync(rules, "utf8")
    const all = [...named(alerts), ...expressions.flatMap(named)]
    assert.isAbove(all.length, 40)
    assert.isEmpty(all.filter((name) => Catalogue.find(name) === undefined))
    assert.isEmpty([alerts, ...expressions].flatMap(unknownLabels))
    for (const { definition = "" } of dashboard.templating.list) {
      assert.isEmpty(named(definition).filter((name) => Catalogue.find(name) === undefined))
    }
  })

  it("is seen whole on the dashboard, but for what only names things", () => {
    const shown = new Set(expressions.flatMap(named))
    assert.sameMembers(
      Object.keys(Catalogue.all).filter((name) => !shown.has(name)),
      [
        "novacron_node_info",
        "novacron_build_info",
        "novacron_config_variant",
        "novacron_components_initialized_total",
        "novacron_components_failed_total",
        "novacron_component_init_success_total",
        "novacron_component_retry_successes_total",
        "novacron_component_init_heap_bytes",
        "novacron_shutdown_clean",
        "novacron_monitoring_dropped_series",
        "process_start_time_seconds",
        "nodejs_heap_size_total_bytes",
        "nodejs_external_memory_bytes",
        "nodejs_eventloop_utilization_ratio"
      ]
    )
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
  })
})

describe.skipIf(!isThere("promtool"))("Prometheus (promtool)", () => {
  it("finds fault with what is wrong, so that its silence means something", () => {
    assert.notStrictEqual(promtool(["check", "metrics"], "# TYPE fooBar gauge\nfooBar 1\n"), "")
    assert.notStrictEqual(promtool(["check", "rules"], "groups: 7\n"), "")
  })

  it("accepts the alert rules, and each fires when it should and not otherwise", () => {
    assert.strictEqual(promtool(["check", "rules", rules]), "")
    assert.strictEqual(promtool(["test", "rules", join(folder, "alerts.test.yml")]), "")
  })

  it("tests every alert that there is", () => {
    const names = [...readFileSync(rules, "utf8").matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name)
    const tested = readFileSync(join(folder, "alerts.test.yml"), "utf8")
    assert.isAbove(names.length, 8)
    assert.isEmpty(names.filter((name) => !tested.includes(`ALERTS{alertname="${name}", alertstate="firing", `)))
  })

  it("can read every expression of the dashboard", () => {
    const plain = (expr: string) => expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*")
    const one = expressions.map((expr, i) => ({ record: `dashboard:panel_${i}`, expr: plain(expr) }))
    const text = JSON.stringify({ groups: [{ name: "dashboard", rules: one }] })
    assert.isAbove(one.length, 25)
    const file = join(mkdtempSync(join(tmpdir(), "novacron-rules-")), "dashboard.yml")
    writeFileSync(file, text)
    const said = promtool(["check", "rules", "--lint=none", file])
    rmSync(dirname(file), { recursive: true })
    assert.strictEqual(said, "")
  })
})
