/** The whole way, with the servers that operators run: a scrape, a span that was sent, and an alert that fires. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, type Scope } from "effect"
import { freePorts } from "../../../../test/fixtures/Ports.ts"
import * as Listener from "../../src/monitoring/Listener.ts"
import * as Monitor from "../../src/monitoring/Monitor.ts"
import { Settings } from "../../src/monitoring/Settings.ts"
import { boot } from "./fixtures/Boots.ts"
import { make as makeCollector } from "./fixtures/Collector.ts"
import { isThere } from "./fixtures/Promtool.ts"

const rules = join(import.meta.dirname, "../../../../docs/monitoring/alerts.yml")

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-prometheus-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Runs a server until the scope closes. */
const running = (command: string, args: ReadonlyArray<string>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => spawn(command, args, { stdio: "ignore" })),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGTERM")
        })
    )
  )

/** What a server answers, as soon as it is what is waited for. */
const answer = (url: string, isIt: (text: string) => boolean): Effect.Effect<string> =>
  Effect.tryPromise(() => fetch(url).then((response) => response.text())).pipe(
    Effect.orElseSucceed(() => ""),
    Effect.flatMap((text) =>
      isIt(text) ? Effect.succeed(text) : Effect.andThen(Effect.sleep("200 millis"), answer(url, isIt))
    )
  )

const isComplete = isThere("prometheus") && isThere("prometheus-alertmanager")

describe.skipIf(!isComplete)("a real Prometheus and its Alertmanager (apt: prometheus prometheus-alertmanager)", () => {
  it.live(
    "scrape a node with a killed boot behind it: the alert fires, and the exemplar of an error leads to its span",
    () =>
      Effect.gen(function* () {
        const collector = yield* makeCollector
        yield* collector.up
        const traces = { endpoint: collector.url, interval: "20ms" }
        const settings = Schema.decodeUnknownSync(Settings)({ port: 0, cacheInterval: "100ms", traces })
        const monitor = yield* Monitor.make(settings, { version: "0.1.0", process, previousOutcome: "killed" })
        const { port } = yield* Listener.make(settings, monitor.source)
        const exit = yield* boot({ cacheIsDown: () => true }, monitor.observe)
        assert.isTrue(Exit.isSuccess(exit))

        const directory = yield* folder
        const [prometheus, alertmanager] = yield* Effect.promise(() => freePorts(2))
        const config = {
          global: { scrape_interval: "250ms", scrape_timeout: "250ms", evaluation_interval: "250ms" },
          rule_files: [rules],
          alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanager}`] }] }] },
          scrape_configs: [{ job_name: "novacron", static_configs: [{ targets: [`127.0.0.1:${port}`] }] }]
        }
        writeFileSync(join(directory, "prometheus.yml"), JSON.stringify(config))
        const receivers = { route: { receiver: "nobody" }, receivers: [{ name: "nobody" }] }
        writeFileSync(join(directory, "alertmanager.yml"), JSON.stringify(receivers))
        yield* running("prometheus-alertmanager", [
          `--config.file=${directory}/alertmanager.yml`,
          `--storage.path=${directory}/alerts`,
          `--web.listen-address=127.0.0.1:${alertmanager}`,
          "--cluster.listen-address="
        ])
        yield* running("prometheus", [
          `--config.file=${directory}/prometheus.yml`,
          `--storage.tsdb.path=${directory}/data`,
          `--web.listen-address=127.0.0.1:${prometheus}`,
          "--enable-feature=exemplar-storage"
        ])

        const api = `http://127.0.0.1:${prometheus}/api/v1`
        const query = encodeURIComponent('novacron_component_health_status{component="cache"}')
        const scraped = yield* answer(`${api}/query?query=${query}`, (text) => text.includes('"value":['))
        assert.strictEqual(JSON.parse(scraped).data.result[0].value[1], "0.5")
        const targets = JSON.parse(yield* answer(`${api}/targets`, (text) => text.includes('"health":"up"')))
        assert.strictEqual(targets.data.activeTargets[0].lastError, "")

        const fired = yield* answer(`http://127.0.0.1:${alertmanager}/api/v2/alerts`, (text) =>
          text.includes("alertname")
        )
        const alert = JSON.parse(fired).find(
          (one: { labels: { alertname: string } }) => one.labels.alertname === "NovacronBootFailed"
        )
        assert.strictEqual(alert.labels.outcome, "killed")
        assert.strictEqual(alert.annotations.summary, `A boot of 127.0.0.1:${port} ended as killed.`)

        const errors = encodeURIComponent('novacron_component_errors_total{component="cache"}')
        const found = yield* answer(`${api}/query_exemplars?query=${errors}&start=${start}&end=${end}`, (text) =>
          text.includes("trace_id")
        )
        const { span_id: spanId, trace_id: traceId } = JSON.parse(found).data[0].exemplars[0].labels
        yield* monitor.flush
        assert.strictEqual(collector.spans.get(spanId)?.traceId, traceId)
      }).pipe(Effect.scoped),
    60_000
  )
})

/** All times that these servers may have. */
const [start, end] = [1_500_000_000, 4_000_000_000]
