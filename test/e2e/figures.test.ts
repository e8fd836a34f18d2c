/** What a boot of the real node may take, and what it does not wait for: half a minute, and nobody who only watches. */
import { readFileSync } from "node:fs"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { Manifest, Plan, Report } from "@novacron/boot/model"
import { Result, Schema } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, Place } from "./Novacron.ts"

let place: Place
let sockets: Array<Socket>
let server: Server
beforeEach(async () => {
  place = new Place()
  sockets = []
  server = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined))
    socket.resume()
  })
  await new Promise<void>((resume) => server.listen(0, "127.0.0.1", resume))
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
  place.remove()
})

/** Where somebody takes every connection and never says a word. */
const nobodySpeaks = () => (server.address() as AddressInfo).port // it listens on a port

const reportOf = (file: string) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))(readFileSync(place.path(file), "utf8"))

const isWhole = (file: string): boolean => {
  try {
    return reportOf(file).outcome !== undefined
  } catch {
    return false
  }
}

/** What `plan --json` says, as far as it is read here. */
interface Drawn {
  readonly nodes: ReadonlyArray<{ readonly name: string; readonly phase: Manifest.Manifest["phase"] }>
  readonly edges: ReadonlyArray<{ readonly component: string; readonly need: string; readonly kind: string }>
}

const drawn = async (): Promise<Drawn> => JSON.parse((await place.run(["plan", "--json"])).stdout)

/** Architecture review 6.2, in milliseconds; its configuration is before the boot here. */
const measuredThere = {
  security: 1_200,
  database: 3_200,
  cache: 2_100,
  network: 1_800,
  dwcp: 2_800,
  orchestration: 2_100,
  api: 2_500,
  monitoring: 1_600,
  ml: 1_000
}

describe("the time of a boot", () => {
  it("of the node's own plan with the durations of the review is within 25 seconds, with one slot as well", async () => {
    const { edges, nodes } = await drawn()
    const names = nodes.map(({ name }) => name)
    assert.includeMembers(names, Object.keys(measuredThere))
    const manifests = nodes.map(({ name, phase }) =>
      Manifest.make({
        name,
        phase,
        needs: edges.filter(({ component, kind }) => component === name && kind === "hard").map(({ need }) => need)
      })
    )
    const plan = Result.getOrThrow(Plan.make(manifests, { durationsMs: measuredThere }))
    const seconds = (slots: number) => Plan.schedule(plan, slots).makespanMs / 1_000
    // What the nine take one after the other is 18.3 s: in the 15 to 25 of the sources. The slots make it less.
    assert.isAtLeast(seconds(1), 18.3)
    assert.isAtMost(seconds(1), 25)
    assert.isAtMost(seconds(4), 15)
  })

  it("is far below its half minute, phase by phase, and that is told", async () => {
    const { code, stderr } = await place.run(["boot", "--exit-when-ready", "--report", "r.json"])
    assert.strictEqual(code, 0, stderr)
    const { checkpoints, durationMs, phases, readyAtMs } = reportOf("r.json")
    assert.isAtMost(readyAtMs ?? Infinity, 30_000)
    for (const { durationMs, maxMs, phase } of phases) assert.isAtMost(durationMs, maxMs, phase)
    const shares = phases.reduce((sum, { share }) => sum + share, 0)
    // All of it, but for the checks before the first checkpoint, and the time in which the last one became durable.
    const [first, last] = [checkpoints[0], checkpoints.at(-1)]
    assert.deepStrictEqual([first?.checkpoint, last?.checkpoint], ["init_start", "init_complete"])
    assert.closeTo(shares * durationMs, (last?.atMs ?? 0) - (first?.atMs ?? 0), 0.01)
    assert.isAbove(shares, 0.5)
    const explained = await place.run(["config", "explain", "system.boot_timeout"], {
      NOVACRON_TEMPLATE: "development"
    })
    assert.match(explained.stdout, /→ "30s" {2}default/)
  })

  it("that is over ends the boot, with 124, and says who was waited for", async () => {
    const { code, stderr } = await place.run(["boot", "--report", "r.json"], {
      NOVACRON_SYSTEM_BOOT_TIMEOUT: "3s",
      NOVACRON_DATABASE_URL: `postgres://me:pw@127.0.0.1:${nobodySpeaks()}/app?sslmode=disable`
    })
    assert.strictEqual(code, 124, stderr)
    assert.include(stderr, "the boot ran out of time")
    const { components, outcome, rollback } = reportOf("r.json")
    assert.strictEqual(outcome, "failed")
    assert.deepInclude(rollback, { why: "deadline", clean: true })
    assert.include(rollback?.because, "database")
    assert.notInclude(
      components.map(({ state }) => state),
      "ready"
    )
    assert.deepStrictEqual(place.leftovers(), [])
  })
})

describe("who watches the node", () => {
  it("sees in the first scrape after it is ready all that was measured of its boot", async () => {
    const port = await freePort()
    const node = await place.ready([], { NOVACRON_MONITORING_PORT: `${port}` })
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const valueOf = (series: string) => {
      const line = text.split("\n").find((line) => line.startsWith(`${series} `))
      return line === undefined ? undefined : Number(line.slice(series.length).trim().split(" ")[0])
    }
    assert.strictEqual(valueOf('novacron_boot_outcome{outcome="ready"}'), 1)
    for (const phase of ["pre_init", "core_init", "service_init", "post_init"]) {
      assert.isAtLeast(valueOf(`novacron_init_duration_seconds{phase="${phase}"}`) ?? -1, 0, phase)
    }
    for (const name of [
      "novacron_boot_start_timestamp_seconds",
      "novacron_boot_ready_timestamp_seconds",
      "novacron_init_total_duration_seconds",
      "novacron_critical_path_duration_seconds",
      "novacron_parallel_efficiency_ratio",
      "novacron_config_parsing_duration_seconds_count",
      "novacron_dependency_resolution_duration_seconds_count"
    ]) {
      assert.isAbove(valueOf(name) ?? 0, 0, name)
    }
    const { nodes } = await drawn()
    // The members of a group have figures of their own, and the group is counted.
    const up = [...text.matchAll(/^novacron_component_init_success_total\{component="([^"]+)"\} 1$/gm)]
    assert.includeMembers(
      up.map(([, name]) => name),
      nodes.map(({ name }) => name)
    )
    assert.strictEqual(valueOf("novacron_components_initialized_total"), nodes.length)
    assert.isAbove(up.length, nodes.length)
    assert.strictEqual(valueOf("novacron_components_failed_total"), 0)
    for (const { name } of nodes) {
      const of = (metric: string) => valueOf(`novacron_component_${metric}{component="${name}"}`)
      assert.isAtLeast(of("init_duration_seconds") ?? -1, 0, name)
      assert.deepStrictEqual(
        [of("init_success_total"), of("init_failures_total"), of("retry_attempts_total"), of("health_status")],
        [1, 0, 0, 1],
        name
      )
      assert.strictEqual(valueOf(`novacron_component_state{component="${name}",state="ready"}`), 1, name)
      assert.isAtLeast(of("health_check_duration_seconds_count") ?? 0, 1, name)
    }
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)
  })

  it("is on nobody's way: nothing of the plan needs it, and no boot waits for a collector that is silent", async () => {
    const { edges } = await drawn()
    assert.deepStrictEqual(
      edges.filter(({ kind, need }) => need === "monitoring" && kind !== "late"),
      []
    )
    const silent = `http://127.0.0.1:${nobodySpeaks()}`
    const node = await place.ready(["--report", "r.json"], {
      NOVACRON_MONITORING_TRACES_ENDPOINT: silent,
      NOVACRON_MONITORING_TRACES_INTERVAL: "1ms",
      NOVACRON_MONITORING_TRACES_STOP_BUDGET: "100ms",
      NOVACRON_MONITORING_ALERTS_WEBHOOK: silent
    })
    await eventually(() => sockets.length > 0, "the collector is dialled")
    // It is written when the node has said that it is up.
    await eventually(() => isWhole("r.json"), "the report is there")
    // Ready it is itself, with nobody at the other end; who came last of all depends on the machine.
    const { components, outcome } = reportOf("r.json")
    assert.strictEqual(outcome, "ready")
    assert.strictEqual(components.find(({ name }) => name === "monitoring")?.state, "ready")
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)
  })
})
