/** A node from the first boot to the last word: the program that is published, on a bare directory. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { connect } from "node:net"
import { userInfo } from "node:os"
import { join } from "node:path"
import { Report } from "@novacron/boot/model"
import { Post } from "@novacron/components"
import { Schema } from "effect"
import { BootLines } from "novacron"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, isOpen, linesOf, Place, type Running } from "./Novacron.ts"

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

const stopped = async (node: Running) => {
  node.child.kill("SIGTERM")
  return node.ended
}

describe("a boot on a bare directory", () => {
  it("is ready on embedded defaults, writes its report, and leaves nothing behind", async () => {
    const { code, stderr, stdout } = await place.run(["boot", "--exit-when-ready", "--report", "r.json"])
    assert.strictEqual(code, 0, stderr)
    const report = Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))(
      readFileSync(place.path("r.json"), "utf8")
    )
    assert.strictEqual(report.outcome, "ready")
    assert.strictEqual(report.exitCode, 0)
    assert.includeMembers(
      report.components.map(({ name }) => name),
      ["lock", "logger", "environment", "security", "database", "cache", "network", "system-health", "ready"]
    )
    assert.deepStrictEqual(
      report.checkpoints.map(({ checkpoint }) => checkpoint),
      ["init_start", "pre_init_complete", "core_init_complete", "service_init_complete", "init_complete"]
    )
    assert.notInclude(stdout, "\u001b")
    const lines = stderr.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []))
    const opened = lines.find(({ event }) => event === "DatabaseOpened")
    assert.deepInclude(opened, { component: "database", phase: "core", level: "info" })
    assert.isAbove(opened.metrics.connections_established, 0)
    assert.isAbove(opened.metrics.migrations_applied, 0)
    assert.isTrue(opened.metrics.schema_validated)
    assert.match(opened.trace_id, /^[0-9a-f]{32}$/)
    assert.deepStrictEqual(place.leftovers(), [])
  })

  it("keeps everything in the data directory, for its user alone", async () => {
    assert.strictEqual((await place.run(["boot", "--exit-when-ready"])).code, 0)
    assert.strictEqual(statSync(place.dataDir).mode & 0o777, 0o700)
    assert.isTrue(existsSync(join(place.dataDir, "journal")))
    assert.match(readFileSync(join(place.dataDir, "node-id"), "utf8"), /^[\w.-]+\n$/)
  })

  it("boots a second time with what the first one left", async () => {
    assert.strictEqual((await place.run(["boot", "--exit-when-ready"])).code, 0)
    const id = readFileSync(join(place.dataDir, "node-id"), "utf8")
    const { code, stderr } = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(code, 0, stderr)
    assert.include(stderr, "migrations applied: none")
    assert.strictEqual(readFileSync(join(place.dataDir, "node-id"), "utf8"), id)
  })
})

describe("a node that runs", () => {
  it("answers status, why, health and stop, and everything is down afterwards", async () => {
    const node = await place.ready()
    const status = await place.run(["status", "--json"])
    assert.strictEqual(status.code, 0, status.stderr)
    const said = JSON.parse(status.stdout)
    assert.strictEqual(said.pid, node.child.pid)
    assert.strictEqual(said.report.outcome, "ready")

    const why = await place.run(["why", "database"])
    assert.match(why.stdout, /^database is ready: it came up after /)
    const unknown = await place.run(["why", "databse"])
    assert.strictEqual(unknown.code, 64)
    assert.include(unknown.stderr, 'No component is called "databse". Did you mean database?')

    const health = await place.run(["health"])
    assert.strictEqual(health.code, 0, health.stderr)
    assert.match(health.stdout, /^healthy, takes work$/m)

    const restore = await place.run(["restore", "cache"])
    assert.strictEqual(restore.code, 69)
    assert.include(restore.stderr, "cache is ready. It concerns system-health")
    const audited = readFileSync(join(place.dataDir, "security/audit.jsonl"), "utf8")
    const asked = linesOf(audited).find((line) => line["action"] === "component.restored")
    assert.deepInclude(asked, { principal: userInfo().username, subject: "cache", success: false })

    const refused = await place.run(["restart", "database"])
    assert.strictEqual(refused.code, 69)
    assert.include(refused.stderr, "novacron restart database --with-dependents")
    const toldBefore = node.lines().length
    const restart = await place.run(["restart", "database", "--with-dependents"])
    assert.strictEqual(restart.code, 0, restart.stderr)
    assert.include(restart.stderr, "The node takes no work until they are back")
    assert.match(restart.stdout, /^database was restarted and is ready after /)
    const moves = node.lines().slice(toldBefore)
    const namesOf = (event: string) => moves.filter((line) => line["event"] === event).map((line) => line["component"])
    const [down, up] = [namesOf("ComponentStopping"), namesOf("ComponentReady")]
    const isInOrder = (order: ReadonlyArray<unknown>, ...names: ReadonlyArray<string>) => {
      const found = order.filter((one) => names.includes(String(one)))
      assert.strictEqual(found.join(), names.join())
    }
    isInOrder(down, "ready", "system-health", "orchestration", "database")
    isInOrder(up, "database", "orchestration", "system-health", "ready")
    await eventually(async () => (await place.run(["health"])).code === 0, "the node takes work again")

    const without = await place.run(["stop", "ml"])
    assert.strictEqual(without.code, 0, without.stderr)
    assert.include((await place.run(["why", "ml"])).stdout, "the stop of ml by hand")
    assert.strictEqual((await place.run(["restore", "ml"])).code, 0)
    const actions = linesOf(readFileSync(join(place.dataDir, "security/audit.jsonl"), "utf8"))
      .filter(({ action }) => action === "component.restarted" || action === "component.stopped")
      .map(({ action, subject, success }) => [action, subject, success])
    assert.deepStrictEqual(actions, [
      ["component.restarted", "database", true],
      ["component.stopped", "ml", true]
    ])

    const stop = await place.run(["stop"])
    assert.strictEqual(stop.code, 0, stop.stderr)
    assert.match(stop.stdout, /^STOPPED {2}because of novacron stop/)
    assert.strictEqual((await node.ended).code, 0)
    assert.deepStrictEqual(place.leftovers(), [])

    const nobody = await place.run(["status"])
    assert.strictEqual(nobody.code, 69)
    assert.include(nobody.stderr, "NVC-3007")
  })

  it("has its socket for its user alone, and answers nothing that is no request", async () => {
    const node = await place.ready()
    const path = join(place.dataDir, "control.sock")
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    const say = (text: string) =>
      new Promise<string>((resume) => {
        let said = ""
        const socket = connect(path, () => socket.write(text))
        socket.on("data", (chunk: Buffer) => (said += chunk.toString()))
        socket.on("close", () => resume(said))
        socket.on("error", () => undefined)
      })
    for (const text of ["{}\n", "no json\n", `${"x".repeat(10_000)}\n`, '{"_tag":"Shell","run":"id"}\n']) {
      assert.include(await say(text), '"NotDone"', text.slice(0, 20))
    }
    assert.include(await say('{"_tag":"Ping"}\n'), `"pid":${node.child.pid}`)
    assert.strictEqual((await stopped(node)).code, 0)
  })

  it("tells orchestrators over HTTP how it is, from before it is ready until it stops", async () => {
    const port = await freePort()
    const node = await place.start(["boot"], {
      NOVACRON_HEALTH_PORT: `${port}`,
      NOVACRON_ORCHESTRATION_DRAIN_TIMEOUT: "6s"
    })
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
    await node.until(({ event }) => event === "BootStarted")
    assert.strictEqual(await get("/live"), 200)
    assert.strictEqual(await get("/ready"), 503)
    await node.until(({ event }) => event === "BootReady")
    await place.run(["status"])
    assert.strictEqual(await get("/ready"), 200)
    assert.strictEqual(await get("/health"), 200)
    const parts = JSON.parse(await (await fetch(`http://127.0.0.1:${port}/health/components`)).text())
    // Every part of the plan, with its state, what was said of it and when, its figures and its errors.
    const plan: ReadonlyArray<{ readonly name: string }> = JSON.parse(
      (await place.run(["plan", "--json"])).stdout
    ).nodes
    const { components } = Schema.decodeUnknownSync(Post.HealthView.ComponentsBody)(parts)
    assert.sameMembers(
      components.map(({ name }) => name),
      plan.flatMap(({ name }) => (name.includes("/") ? [] : [name]))
    )
    for (const { errors, lastCheck, latency, message, metrics, name, state, status } of components) {
      assert.deepStrictEqual([status, state, errors], ["healthy", "ready", []], name)
      assert.notStrictEqual(message, "", name)
      assert.isAtLeast(Date.parse(lastCheck ?? ""), Date.now() - 60_000, name)
      assert.isAtLeast(latency ?? -1, 0, name)
      assert.deepInclude(metrics, { attempts: 1, failures: 0, restarts: 0 }, name)
    }
    // It has booted, and that is traffic: of its database and of its own listener.
    const health = async () =>
      Schema.decodeUnknownSync(Post.HealthView.HealthBody)(
        await (await fetch(`http://127.0.0.1:${port}/health`)).json()
      )
    await eventually(async () => (await health()).throughput > 0, "there is traffic")
    const { dependencies, errorRate, latency } = await health()
    assert.isAbove(latency, 0)
    assert.strictEqual(errorRate, 0)
    assert.deepStrictEqual(dependencies, Object.fromEntries(components.map(({ name }) => [name, "healthy" as const])))
    assert.deepStrictEqual(parts.phases, { pre: "healthy", core: "healthy", service: "healthy", post: "healthy" })
    // A task that does not listen keeps the node for as long as it waits for tasks: alive, and no place for work.
    const deaf = "trap '' TERM; echo here; while :; do sleep 0.1; done"
    const submitted = await place.run(["tasks", "submit", "--json", "--", "/bin/sh", "-c", deaf])
    const { id } = JSON.parse(submitted.stdout)
    const said = async () => (await place.run(["tasks", "logs", id])).stdout
    await eventually(async () => (await said()).includes("here"), "the task runs")
    assert.strictEqual(await get("/ready"), 200)
    node.child.kill("SIGTERM")
    // At once, and not when a part is found to be down.
    await node.until(({ event }) => event === "RollbackStarted")
    const draining = await fetch(`http://127.0.0.1:${port}/ready`)
    assert.deepStrictEqual([draining.status, draining.headers.get("x-novacron-weight")], [503, "0"])
    assert.deepInclude(await draining.json(), { reason: "the node stops because of SIGTERM" })
    assert.isNotNull(draining.headers.get("retry-after"))
    assert.strictEqual(await get("/live"), 200)
    assert.strictEqual((await node.ended).code, 0)
    assert.isFalse(await isOpen(port))
  })

  it("says in each line of JSON when, how bad, what, who, and nothing else", async () => {
    const { stdout } = await place.run(["boot", "--exit-when-ready"])
    const lines = linesOf(stdout)
    assert.strictEqual(lines.length, stdout.split("\n").length - 1)
    for (const line of lines) {
      assert.match(String(line["timestamp"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.include(["debug", "info", "warn", "error"], line["level"])
      assert.isNotEmpty(line["message"])
    }
    assert.deepInclude(lines.at(-1), { event: "ProcessEnded", exit_code: 0 })
    const ofTheBoot = lines.slice(0, -1)
    assert.isAbove(ofTheBoot.length, 100)
    for (const line of ofTheBoot) Schema.decodeUnknownSync(BootLines.Line, { onExcessProperty: "error" })(line)
    const told = (event: string, of: (line: (typeof lines)[number]) => unknown) =>
      ofTheBoot.filter((line) => line.event === event).map(of)
    assert.deepStrictEqual(
      told("PhaseStarted", (line) => line["phase"]),
      ["pre", "core", "service", "post"]
    )
    // Each phase ends with its checkpoint.
    const ends = ["init_start", "pre_init_complete", "core_init_complete", "service_init_complete", "init_complete"]
    assert.deepStrictEqual(
      told("CheckpointReached", ({ facts }) => Object(facts).checkpoint),
      ends
    )
    for (const line of ofTheBoot) {
      if (line.component === undefined) continue
      assert.include(["pre", "core", "service", "post"], line["phase"], `${line.event} of ${line.component}`)
    }
    const database = ofTheBoot.find(({ component, event }) => event === "ComponentReady" && component === "database")
    assert.deepStrictEqual(database?.["dependencies"], ["security"])
    assert.isAbove(Number(database?.["duration_ms"]), 0)
  })

  it("shows lines for people where they are asked for, without moving a cursor", async () => {
    const { stdout } = await place.run(["boot", "--exit-when-ready"], { FORCE_COLOR: "1" })
    assert.include(stdout, "\u001b[32m✓\u001b[0m  READY after ")
    // Colours only: no sequence that moves, erases or scrolls.
    const sequences = stdout.split("\u001b").slice(1)
    assert.isTrue(sequences.every((sequence) => /^\[[\d;]*m/.test(sequence)))
    const plain = await place.run(["boot", "--exit-when-ready"], { FORCE_COLOR: "1", NO_COLOR: "1" })
    assert.include(plain.stdout, "✓  READY after ")
    assert.notInclude(plain.stdout, "\u001b")
  })
})

describe("the command line", () => {
  it("shows examples before everything else, and exits 0", async () => {
    for (const args of [["--help"], ["boot", "--help"], ["config", "explain", "--help"]]) {
      const { code, stdout } = await place.run(args)
      assert.strictEqual(code, 0)
      assert.match(stdout, /^EXAMPLES\n {2}novacron /)
    }
  })

  it("exits 64 for what it does not understand, and says so on stderr alone", async () => {
    for (const args of [
      ["bogus"],
      ["boot", "--bogus"],
      ["why"],
      ["graph", "--format", "png"],
      ["stop", "--timeout", "soon"],
      ["tasks", "list", "--limit", "0"],
      ["api-token", "create", "me", "--role", "viewer", "--days", "4000"]
    ]) {
      const { code, stderr, stdout } = await place.run(args)
      assert.deepStrictEqual({ code, stdout }, { code: 64, stdout: "" }, args.join(" "))
      assert.include(stderr, "--help")
    }
  })

  it("plans, draws and examines without starting anything", async () => {
    const plan = await place.run(["plan", "--json"])
    assert.include(
      JSON.parse(plan.stdout).nodes.map(({ name }: { readonly name: string }) => name),
      "database"
    )
    assert.match((await place.run(["graph"])).stdout, /^(?:flowchart|graph) /m)
    assert.match((await place.run(["graph", "--format", "dot"])).stdout, /^digraph /)
    const { edges } = JSON.parse((await place.run(["graph", "--format", "json"])).stdout)
    assert.deepInclude(edges, { component: "database", need: "security", kind: "hard" })
    assert.deepStrictEqual(edges, JSON.parse(plan.stdout).edges)
    const doctor = await place.run(["doctor"])
    assert.strictEqual(doctor.code, 0, doctor.stdout)
    assert.isFalse(existsSync(place.dataDir))
  })

  it("explains every code it mentions", async () => {
    const { code, stdout } = await place.run(["explain", "NVC-3001"])
    assert.strictEqual(code, 0)
    assert.include(stdout, "**Fix.**")
    assert.strictEqual((await place.run(["explain", "NVC-9999"])).code, 64)
  })

  it("completes itself in each shell", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, stdout } = await place.run(["completion", shell])
      assert.strictEqual(code, 0)
      assert.include(stdout, "exit-when-ready")
    }
  })
})
