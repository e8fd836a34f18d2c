/**
 * What a failure of each part costs, in the real node: nothing of the core starts after a failure before it, a critical
 * part that fails ends the boot by itself, and a part that may be missing costs only what it does.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { type Environment, type Line, linesOf, Place } from "./Novacron.ts"
import { hasRedis, neighbour, Postgres, Redis } from "./Servers.ts"

/** One data directory for all: a boot that fails must not keep the next one from being ready. */
const place = new Place()
/** Somebody who has a port that the node wants. */
let other: Awaited<ReturnType<typeof neighbour>>
let taken = ""
/** A port that nobody has. */
let free = ""

beforeAll(async () => {
  assert.strictEqual((await place.run(["boot", "--exit-when-ready"])).code, 0)
  other = await neighbour()
  taken = other.port
  free = `${await freePort()}`
})
afterAll(() => {
  other.close()
  place.remove()
})
afterEach(() => assert.deepStrictEqual(place.leftovers(), []))

/** Whoever listens at the free port does not any more before anybody has looked. */
const deaf = () => ({ NODE_OPTIONS: `--import=${join(import.meta.dirname, "Deaf.ts")}`, DEAF: free })

const started = (lines: ReadonlyArray<Line>, phase: string) =>
  lines.filter((line) => line.event === "ComponentStarted" && line["phase"] === phase).map(({ component }) => component)

describe("a failure before the core", () => {
  const file = (text: string): Environment => {
    const path = place.path("pre.yaml")
    writeFileSync(path, text, { mode: 0o600 })
    return { NOVACRON_CONFIG: path }
  }

  it.each([
    ["settings", 78, "NVC-1009", () => ({ NOVACRON_SYSTEM_NO_SUCH: "1" })],
    ["the log file", 73, "NVC-1104", () => ({ NOVACRON_LOGGER_FILE: "/proc/nowhere/novacron.log" })],
    [
      "resources",
      78,
      "NVC-1121",
      () => ({ NOVACRON_RESOURCES_POLICY: "enforce", NOVACRON_RESOURCES_MIN_CORES: "100000" })
    ],
    [
      "the pre-flight",
      69,
      "NVC-1131",
      () =>
        file(`preflight:\n  endpoints:\n    - { name: mail, path: ${place.path("nobody.sock")}, policy: enforce }\n`)
    ]
  ] as const)(
    "in %s is critical: it ends the boot, and nothing of the core has started",
    async (_, exit, says, env) => {
      const { code, stderr, stdout } = await place.run(["boot"], env())
      assert.strictEqual(code, exit, stderr)
      assert.include(stderr, says)
      assert.include(stderr, "BOOT FAILED")
      for (const phase of ["core", "service", "post"]) assert.deepStrictEqual(started(linesOf(stdout), phase), [])
    }
  )

  it("is not that a server keeps silent: the pre-flight says which, where and why before the core begins", async () => {
    const { code, stderr, stdout } = await place.run(["boot"], {
      NOVACRON_DATABASE_URL: "postgres://a@127.0.0.1:1/d?sslmode=disable"
    })
    assert.strictEqual(code, 69, stderr)
    const warning = linesOf(stderr).find(
      ({ message }) => message === "Nobody answers for database at 127.0.0.1:1: refused."
    )
    const core = linesOf(stdout).find((line) => line.event === "ComponentStarted" && line["phase"] === "core")
    assert.isDefined(warning?.["timestamp"], stderr)
    assert.isTrue(String(warning?.["timestamp"]) <= String(core?.["timestamp"]))
  })

  it("does not happen without a cause: then the core begins when all before it is ready", async () => {
    const { code, stdout } = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(code, 0)
    const lines = linesOf(stdout)
    const before = lines.findLastIndex((it) => it.event === "ComponentReady" && it["phase"] === "pre")
    const core = lines.findIndex((it) => it.event === "ComponentStarted" && it["phase"] === "core")
    assert.isAbove(before, 0)
    assert.isAbove(core, before)
    assert.sameMembers(started(lines, "pre"), ["environment", "lock", "logger", "preflight", "resources"])
  })
})

describe("parts that do not need each other", () => {
  it("come up at the same time: database, cache and network, after security", async () => {
    const { code, stdout } = await place.run(["boot", "--exit-when-ready"], {
      NOVACRON_CACHE_URL: "redis://127.0.0.1:1"
    })
    assert.strictEqual(code, 0)
    const lines = linesOf(stdout)
    const at = (event: string, name: string) => lines.findIndex((it) => it.event === event && it.component === name)
    const [database, cache, network] = ["database", "cache", "network"].map((name) => ({
      from: at("ComponentStarted", name),
      to: Math.max(at("ComponentReady", name), at("ComponentDegraded", name))
    }))
    assert.isAbove(database!.from, at("ComponentReady", "security"))
    for (const [one, other] of [[database, cache] as const, [database, network] as const, [cache, network] as const]) {
      assert.isBelow(one!.from, other!.to)
      assert.isBelow(other!.from, one!.to)
    }
    assert.isAbove(at("ComponentStarted", "dwcp"), network!.to)
    assert.isAbove(at("ComponentStarted", "orchestration"), database!.to)
  })
})

describe("a critical part that fails alone", () => {
  it.each([
    ["database", 69, "NVC-2103", () => ({ NOVACRON_DATABASE_URL: "postgres://a@127.0.0.1:1/d?sslmode=disable" })],
    ["network", 73, "NVC-2301", () => ({ NOVACRON_NETWORK_BIND_PORT: taken })],
    ["api", 73, "NVC-2801", () => ({ NOVACRON_API_PORT: taken })],
    ["dwcp", 73, "NVC-2601", () => ({ NOVACRON_DWCP_BIND_PORT: taken, NOVACRON_DWCP_FALLBACK: "none" })]
  ] as const)("ends the boot when it is the %s, after three attempts", async (name, exit, says, env) => {
    const { code, stderr, stdout } = await place.run(["boot"], env())
    assert.strictEqual(code, exit, stderr)
    assert.match(stderr, new RegExp(`component "${name}" did not start +${says} +exit ${exit}`))
    assert.match(stderr, /^ {2}tried {5}3 times/m)
    assert.match(stderr, /^ {2}undone .*all clean/m)
    assert.match(stderr, /^ {2}do {8}\S/m)
    assert.isFalse(linesOf(stdout).some(({ event }) => event === "BootReady"))
  })

  it.each([
    ["network", "once", () => ({ NOVACRON_NETWORK_BIND_PORT: free })],
    ["api", "3 times", () => ({ NOVACRON_API_PORT: free })],
    ["dwcp", "3 times", () => ({ NOVACRON_DWCP_BIND_PORT: free, NOVACRON_DWCP_FALLBACK: "none" })]
  ] as const)(
    "ends the boot when it is the %s, which listens no more when it is probed: %s",
    async (name, tried, env) => {
      const { code, stderr, stdout } = await place.run(["boot"], { ...deaf(), ...env() })
      assert.strictEqual(code, 69, stderr)
      assert.match(stderr, new RegExp(`critical component "${name}" did not start +NVC-3011`))
      assert.match(stderr, new RegExp(`^ {2}tried {5}${tried}`, "m"))
      assert.match(stderr, /^ {2}undone .*all clean/m)
      assert.isFalse(linesOf(stdout).some(({ event }) => event === "BootReady"))
    }
  )

  it("ends the boot when it is the network, whose address is not of this machine, after one attempt", async () => {
    const { code, stderr, stdout } = await place.run(["boot"], { NOVACRON_NETWORK_LISTEN_ADDRESS: "203.0.113.1" })
    assert.strictEqual(code, 78, stderr)
    assert.match(stderr, /component "network" did not start +NVC-2303/)
    assert.include(stderr, "tried     once")
    assert.strictEqual(linesOf(stdout).filter(({ event }) => event === "AttemptFailed").length, 1)
    assert.isFalse(linesOf(stdout).some(({ event }) => event === "BootReady"))
  })

  it("ends the boot when it is security, after one attempt, and nothing goes on without it", async () => {
    const authority = `${place.dataDir}/security/ca.pem`
    chmodSync(authority, 0o644)
    const { code, stderr, stdout } = await place.run(["boot"])
    chmodSync(authority, 0o600)
    assert.strictEqual(code, 77, stderr)
    assert.match(stderr, /critical component "security" did not start +NVC-2001 +exit 77/)
    assert.include(stderr, "tried     once")
    // Memory of its own is all that a cache without a server needs.
    assert.deepStrictEqual(
      started(linesOf(stdout), "core").filter((name) => name !== "cache"),
      ["security"]
    )
  })
})

describe("a part that may be missing", () => {
  const cache = { NOVACRON_CACHE_URL: "redis://127.0.0.1:1" }
  const monitoring = () => ({ NOVACRON_MONITORING_PORT: taken })
  const ml = { NOVACRON_ML_DIRECTORY: "/proc/nowhere" }
  const unheard = () => ({ ...deaf(), NOVACRON_MONITORING_PORT: free })

  it.each([
    ["the cache, which is then in memory and degraded", () => cache, ["ComponentDegraded cache"]],
    ["monitoring, whose port is taken", monitoring, ["ComponentAbsent monitoring"]],
    [
      "monitoring, whose address is not of this machine",
      () => ({ NOVACRON_MONITORING_HOST: "203.0.113.1" }),
      ["ComponentAbsent monitoring"]
    ],
    ["monitoring, which is up and listens no more when it is probed", unheard, ["ComponentAbsent monitoring"]],
    ["the ML engine, whose directory of models is not there", () => ml, ["ComponentAbsent ml"]],
    [
      "the ML engine, whose directory of models is a file",
      () => ({ NOVACRON_ML_DIRECTORY: import.meta.filename }),
      ["ComponentAbsent ml"]
    ],
    [
      "all of them together",
      () => ({ ...cache, ...monitoring(), ...ml }),
      ["ComponentAbsent ml", "ComponentAbsent monitoring", "ComponentDegraded cache"]
    ]
  ] as const)("does not keep the node from working: %s", async (_, env, expected) => {
    const node = await place.ready([], env())
    const lines = node.lines()
    const ready = lines.findIndex(({ event }) => event === "BootReady")
    const less = lines
      .slice(0, ready)
      .filter(({ event }) => event === "ComponentDegraded" || event === "ComponentAbsent")
    // One line for each, before the node is ready, and a warning.
    assert.deepStrictEqual(less.map(({ component, event }) => `${event} ${component}`).toSorted(), [...expected])
    for (const line of less) assert.strictEqual(line["level"], "warn")
    // What may be missing is tried once, and its failure is one warning, not two.
    for (const { component } of less.filter(({ event }) => event === "ComponentAbsent")) {
      const all = lines.slice(0, ready).filter((line) => line.component === component)
      assert.strictEqual(all.filter(({ level }) => level === "warn" || level === "error").length, 1, `${component}`)
      assert.strictEqual(all.filter(({ event }) => event === "ComponentStarted").length, 1, `${component}`)
    }
    const isDegraded = expected.some((it) => it.startsWith("ComponentDegraded"))
    assert.strictEqual((await place.run(["status", "--strict"])).code, isDegraded ? 75 : 0)
    const health = await place.run(["health"])
    assert.strictEqual(health.code, 0, health.stdout)
    assert.match(health.stdout, /takes work$/m)
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)
  })

  it("has its tier in the plan, as every other part: nine of them, three tiers", async () => {
    const { stdout } = await place.run(["plan", "--json"], cache)
    const nodes: ReadonlyArray<{ readonly name: string; readonly severity: string }> = JSON.parse(stdout).nodes
    const tiers = Object.fromEntries(nodes.map(({ name, severity }) => [name, severity]))
    assert.deepInclude(tiers, {
      security: "critical",
      database: "critical",
      cache: "degraded",
      network: "critical",
      dwcp: "degraded",
      orchestration: "critical",
      api: "critical",
      monitoring: "warning",
      ml: "warning"
    })
  })
})

describe.skipIf(!hasRedis || spawnSync("psql", ["--version"]).status !== 0)("servers of others", () => {
  let [database, redis]: [Postgres, Redis] = [undefined!, undefined!]
  beforeAll(async () => {
    ;[database, redis] = [await Postgres.make(), await Redis.make()]
    await Promise.all([database.up(), redis.up()])
  })
  afterAll(() => Promise.all([database.remove(), redis.remove()]))

  /** Who is connected, and what listens on this machine: as of now, without whoever asks. */
  const snapshot = () => {
    const sessions =
      "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    const clients = execFileSync("redis-cli", ["-p", `${redis.port}`, "client", "list"], { encoding: "utf8" })
    return {
      sessions: execFileSync("psql", ["-XAt", "-c", sessions, database.url()], { encoding: "utf8" }).trim(),
      clients: clients.split("\n").filter((line) => line !== "" && !line.includes("cmd=client")).length,
      listeners: listenersOf()
    }
  }
  /** Local TCP addresses in the state of listening, of all processes of this machine. */
  const listenersOf = () =>
    ["/proc/net/tcp", "/proc/net/tcp6"]
      .filter((path) => existsSync(path))
      .flatMap((path) => readFileSync(path, "utf8").split("\n").slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === "0A")
      .map(([, local]) => local)

  it("and this machine are after a rollback as they were before the boot: sessions, connections, ports", async () => {
    const env = { NOVACRON_DATABASE_URL: database.url(), NOVACRON_CACHE_URL: redis.url }
    const ports = await Promise.all(["HEALTH", "NETWORK_BIND", "MONITORING", "DASHBOARD", "DWCP_BIND"].map(freePort))
    const named = ["HEALTH", "NETWORK_BIND", "MONITORING", "DASHBOARD", "DWCP_BIND"].map(
      (name, i): readonly [string, string] => [`NOVACRON_${name}_PORT`, `${ports[i]}`]
    )
    const before = snapshot()
    const failing = await place.start(["boot"], { ...env, ...Object.fromEntries(named), NOVACRON_API_PORT: taken })
    const isUp = (name: string) =>
      failing.until(({ component, event }) => event === "ComponentReady" && component === name)
    // The API is tried three times, and all of this is up before it is given up.
    await Promise.all(["database", "cache", "network"].map(isUp))
    const during = snapshot()
    assert.isAbove(Number(during.sessions), Number(before.sessions))
    assert.isAbove(during.clients, before.clients)
    assert.strictEqual((await failing.ended).code, 73)
    const after = snapshot()
    assert.deepStrictEqual({ sessions: after.sessions, clients: after.clients }, { sessions: "0", clients: 0 })
    const ofNode = (hex: string | undefined) => ports.includes(Number.parseInt(String(hex).split(":")[1] ?? "", 16))
    assert.isAtLeast(during.listeners.filter(ofNode).length, 2)
    assert.deepStrictEqual(after.listeners.filter(ofNode), [])
  })
})
