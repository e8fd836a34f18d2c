/** What operators and their tools see of a node: environments, reloads, systemd, recovery of settings, no secrets. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Report } from "@novacron/boot/model"
import { Schema } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { eventually, linesOf, Place } from "./Novacron.ts"

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

const reportOf = (name: string) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))(readFileSync(place.path(name), "utf8"))

/** All files below a directory. */
const filesBelow = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())

describe("the same program", () => {
  it("boots in a data centre, on the internet and in between, from settings alone, and is set differently", async () => {
    const parameters = []
    const slots: { readonly [environment: string]: ReadonlyArray<number> } = {
      // The machine that this runs on may be a large one.
      datacenter: [8, 16],
      internet: [4],
      hybrid: [8]
    }
    for (const environment of Object.keys(slots)) {
      const env = { NOVACRON_ENVIRONMENT_KIND: environment, NOVACRON_RESOURCES_POLICY: "warn" }
      const booted = await place.run(["boot", "--exit-when-ready", "--report", "r.json"], env)
      assert.strictEqual(booted.code, 0, booted.stderr)
      const report = reportOf("r.json")
      assert.strictEqual(report.environment, environment)
      const begun = linesOf(booted.stdout).find(({ event }) => event === "BootStarted")
      const atATime = Number(/ (\d+) at a time/.exec(String(begun?.["message"]))?.[1])
      assert.include(slots[environment] ?? [], atATime, environment)
      const { stdout } = await place.run(["config", "explain", "--json"], env)
      const all: ReadonlyArray<{ readonly key: string; readonly value: string }> = JSON.parse(stdout)
      parameters.push(JSON.stringify(all.filter(({ key }) => !key.startsWith("environment."))))
    }
    assert.strictEqual(new Set(parameters).size, 3)
  })
})

describe("settings of a node that runs", () => {
  it("are read again at SIGHUP, on command and when the file changes: what is hot at once, the rest not at all", async () => {
    const file = place.path("n.yaml")
    writeFileSync(file, "logger:\n  level: info\n", { mode: 0o600 })
    const node = await place.ready(["-c", file])

    writeFileSync(file, "logger:\n  level: debug\n")
    await eventually(() => node.stderr().includes("logger.level"), "the changed file is told")
    assert.match(node.stderr(), /in effect now, as version \w+: ~ logger\.level: \W+info\W+ → \W+debug/)

    writeFileSync(file, "logger:\n  level: debug\ndwcp:\n  force_v1_mode: true\n")
    await eventually(() => node.stderr().includes("RolloutChanged"), "the node speaks v1")
    writeFileSync(file, "logger:\n  level: debug\n")
    await eventually(() => node.stderr().split("RolloutChanged").length > 2, "and v3 again")

    writeFileSync(file, "logger:\n  level: debug\nsystem:\n  node_id: other\n")
    const cold = await place.run(["reload"])
    assert.strictEqual(cold.code, 69)
    assert.include(cold.stderr, "system.node_id cannot change while this runs")

    writeFileSync(file, "logger:\n  level: loud\n")
    node.child.kill("SIGHUP")
    await eventually(() => node.stderr().includes("Reload: nothing changed."), "the invalid file is refused")
    assert.strictEqual((await place.run(["health"])).code, 0)
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)
  })

  it("are kept as versions that one can go back to", async () => {
    const file = place.path("n.yaml")
    for (const level of ["info", "warn"]) {
      writeFileSync(file, `logger:\n  level: ${level}\n`, { mode: 0o600 })
      assert.strictEqual((await place.run(["boot", "--exit-when-ready", "-c", file])).code, 0)
    }
    const versions = JSON.parse((await place.run(["config", "history", "--json"])).stdout)
    assert.deepStrictEqual(
      versions.map(({ number }: { readonly number: number }) => number),
      [1, 2]
    )
    writeFileSync(file, "no settings at all: [")
    const back = await place.run(["config", "rollback", "1", "-c", file])
    assert.strictEqual(back.code, 0, back.stderr)
    assert.include(readFileSync(file, "utf8"), "level: info")
  })
})

describe.skipIf(spawnSync("perl", ["-v"]).status !== 0 || spawnSync("systemd-notify", ["--version"]).status !== 0)(
  "systemd",
  () => {
    it("is told when the node is ready, reloads and stops, in this order, and that it lives", async () => {
      const socket = place.path("notify.sock")
      const receiver: ChildProcess = spawn("perl", [join(import.meta.dirname, "Notify.pl"), socket], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      let told = ""
      receiver.stdout?.on("data", (chunk: Buffer) => (told += chunk.toString()))
      try {
        await eventually(() => told.includes("listening"), "the receiver listens")
        const node = await place.ready([], { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" })
        await eventually(() => told.includes("READY=1"), "READY=1")
        await eventually(() => told.includes("WATCHDOG=1"), "WATCHDOG=1")
        // A part that goes down by hand is no node that stops, and the watchdog is fed as before.
        assert.strictEqual((await place.run(["restart", "ready"])).code, 0)
        const fed = told.split("WATCHDOG=1").length
        await eventually(() => told.split("WATCHDOG=1").length > fed, "WATCHDOG=1 after the restart")
        assert.notInclude(told, "STOPPING=1")
        node.child.kill("SIGHUP")
        await eventually(() => told.split("READY=1").length > 2, "READY=1 after the reload")
        node.child.kill("SIGTERM")
        assert.strictEqual((await node.ended).code, 0)
        await eventually(() => told.includes("STOPPING=1"), "STOPPING=1")
        const order = ["READY=1", "RELOADING=1", "STOPPING=1"].map((message) => told.indexOf(message))
        assert.deepStrictEqual(
          order,
          order.toSorted((a, b) => a - b)
        )
        assert.match(told, /STATUS=/)
      } finally {
        const gone = new Promise((resume) => receiver.once("exit", resume))
        receiver.kill()
        await gone
      }
      assert.deepStrictEqual(place.leftovers(), [])
    })
  }
)

describe("a secret", () => {
  it("is in no output, log, journal, history, report or answer of a boot that worked and of one that failed", async () => {
    const canary = "kanarienvogel-4711"
    const cache = { NOVACRON_CACHE_URL: `redis://:${canary}@127.0.0.1:1` }
    const database = { ...cache, NOVACRON_DATABASE_URL: `postgres://admin:${canary}@127.0.0.1:1/d` }
    const node = await place.ready(["--report", "r.json"], cache)
    const asked = await Promise.all(
      [
        ["status", "--json"],
        ["why", "cache"],
        ["health", "--json"],
        ["config", "explain", "--json"],
        ["plan", "--json"]
      ].map((args) => place.run(args, cache))
    )
    node.child.kill("SIGUSR2")
    node.child.kill("SIGTERM")
    const ended = [await node.ended, await place.run(["boot", "--report", "failed.json"], database), ...asked]
    assert.deepStrictEqual(
      ended.slice(0, 2).map(({ code }) => code),
      [0, 69]
    )
    for (const { stderr, stdout } of ended) assert.notInclude(`${stdout}${stderr}`, canary)
    const written = filesBelow(place.directory).filter((path) => readFileSync(path).includes(canary))
    assert.deepStrictEqual(written, [])
    assert.strictEqual(reportOf("failed.json").outcome, "failed")
  })
})
