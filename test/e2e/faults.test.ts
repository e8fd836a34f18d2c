/**
 * What goes wrong for real: servers that are down, passwords that are wrong, ports that are taken, files that were
 * tampered with. Each time the exit code is the documented one, the message names component, cause and remedy, and
 * nothing is left behind.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { appendFileSync, chmodSync, chownSync, mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Post } from "@novacron/components"
import { Schema } from "effect"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { type Environment, eventually, isOpen, type Line, Place, type Running } from "./Novacron.ts"
import { hasRedis, Postgres, Redis } from "./Servers.ts"

const tmpfs = ["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tmpfs"]

/** A disk of a few bytes takes root, and a container that lets it mount; without, that one test is skipped. */
const canMount = (() => {
  const at = mkdtempSync(join(tmpdir(), "novacron-mount-"))
  const isMounted = spawnSync("mount", [...tmpfs, at]).status === 0
  if (isMounted) execFileSync("umount", [at])
  rmdirSync(at)
  return isMounted
})()

/** A user whom no list names, as in a container that is given any number. Root can be one, where all may read this. */
const anybody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] as const
const canBeAnybody =
  spawnSync(anybody[0], [...anybody.slice(1), "cat", import.meta.filename], { stdio: "ignore" }).status === 0

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

/** The last block of a boot, and that nothing is left of it. */
const failed = async (
  args: ReadonlyArray<string>,
  env: Environment,
  expected: { readonly code: number; readonly says: ReadonlyArray<string | RegExp> }
) => {
  const { code, stderr, stdout } = await place.run(["boot", ...args], env)
  for (const text of expected.says) {
    if (typeof text === "string") assert.include(stderr, text)
    else assert.match(stderr, text)
  }
  assert.strictEqual(code, expected.code, stderr)
  // An initdb that was killed has children that end by themselves when nobody talks to them any more.
  await eventually(() => place.leftovers().length === 0, `nothing is left: ${place.leftovers().join()}`)
  return { stderr, stdout }
}

const stop = async (node: Running) => {
  node.child.kill("SIGTERM")
  const { code, stderr } = await node.ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(place.leftovers(), [])
}

const is = (event: string, component: string) => (line: Line) => line.event === event && line.component === component

describe("settings that are wrong", () => {
  const file = (text: string, mode = 0o600) => {
    const path = place.path("n.yaml")
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }

  it("are all told at once, with line and column, what is allowed and what was meant", async () => {
    const path = file("system:\n  log_level: loud\ncahce:\n  url: redis://x\nhealth:\n  port: 99999\n")
    const { stderr } = await failed(
      ["-c", path],
      { NOVACRON_HEALTH_PORT: undefined },
      {
        code: 78,
        says: [
          "n.yaml:2:14",
          "system.log_level",
          "did you mean cache",
          "n.yaml:6:9",
          "a port from 0 to 65535",
          "NVC-1004"
        ]
      }
    )
    assert.include(stderr, "BOOT FAILED  before anything was started")
  })

  it("show no secret, not even when the secret is what is wrong", async () => {
    const { stderr, stdout } = await failed(
      [],
      { NOVACRON_DATABASE_URL: "no-address:hunter2hunter2" },
      {
        code: 78,
        says: [/NVC-\d{4}/]
      }
    )
    assert.notInclude(`${stdout}${stderr}`, "hunter2hunter2")
  })

  it("name an address whose password has a % that begins no escape, and not the password", async () => {
    const { stderr, stdout } = await failed(
      [],
      { NOVACRON_DATABASE_URL: "postgres://u:hunter2%hunter2@h/x" },
      { code: 78, says: ["NVC-2101", "a % in it is not followed by two hexadecimal digits (% itself is %25)"] }
    )
    assert.notInclude(`${stdout}${stderr}`, "hunter2")
  })

  it("stop before parsing when their signature was made for something else", async () => {
    const path = file("system:\n  log_level: info\n")
    const [privateKey, publicKey] = [place.path("private.pem"), place.path("public.pem")]
    execFileSync("openssl", ["genpkey", "-algorithm", "RSA", "-out", privateKey], { stdio: "ignore" })
    execFileSync("openssl", ["pkey", "-in", privateKey, "-pubout", "-out", publicKey])
    const env = { NOVACRON_CONFIG_PUBLIC_KEYS: publicKey }
    execFileSync("openssl", ["dgst", "-sha256", "-sign", privateKey, "-out", `${path}.sig`, path])
    assert.strictEqual((await place.run(["config", "check", "-c", path], env)).code, 0)
    appendFileSync(path, "# tampered: with, no yaml: [\n")
    await failed(["-c", path], env, { code: 65, says: ["NVC-1012", "exit 65"] })
  })

  it("do not open with another key", async () => {
    const keyFile = (name: string) => {
      const path = place.path(name)
      writeFileSync(path, Buffer.alloc(32, name).toString("base64"), { mode: 0o600 })
      return { NOVACRON_CONFIG_KEY_FILE: path }
    }
    const right = keyFile("right.key")
    const secret = "redis://:hunter2hunter2@127.0.0.1:1"
    const sealed = (await place.run(["config", "encrypt", "--key", "cache.url", secret], right)).stdout.trim()
    const path = file(`cache:\n  url: "${sealed}"\n`)
    assert.strictEqual((await place.run(["config", "check", "-c", path], right)).code, 0)
    const { stderr, stdout } = await failed(["-c", path], keyFile("wrong.key"), {
      code: 78,
      says: ["NVC-1010", "cache.url", "exit 78"]
    })
    assert.notInclude(`${stdout}${stderr}`, "hunter2hunter2")
  })

  it("with a secret in plain text that everybody may read are refused", async () => {
    const path = file("cache:\n  url: redis://:hunter2hunter2@127.0.0.1:1\n", 0o644)
    const { stderr } = await failed(
      ["-c", path],
      {},
      { code: 77, says: ["NVC-1015", "cache.url", "chmod 600", "exit 77"] }
    )
    assert.notInclude(stderr, "hunter2hunter2")
  })
})

describe("the database", () => {
  let server: Postgres
  beforeAll(async () => {
    server = await Postgres.make()
  })
  afterAll(() => server.remove())
  beforeEach(() => server.up())
  afterEach(() => server.down())
  const url = () => ({ NOVACRON_DATABASE_URL: server.url() })

  it("that refuses the password ends the boot after one attempt, with its setting and source", async () => {
    const { stderr } = await failed(
      [],
      { NOVACRON_DATABASE_URL: server.url("wrong-password") },
      {
        code: 77,
        says: [
          'component "database" did not start',
          "NVC-2104",
          "tried     once",
          "database.url from NOVACRON_DATABASE_URL"
        ]
      }
    )
    assert.include(stderr, "more: novacron explain NVC-2104")
    assert.notInclude(stderr, "wrong-password")
  })

  it.skipIf(!canBeAnybody)("of the node itself is not for a user without a name, who boots with another", async () => {
    place.within = anybody
    chownSync(place.directory, 54_321, 54_321)
    const homeless = { HOME: undefined, XDG_CACHE_HOME: undefined }
    await failed([], homeless, {
      code: 69,
      says: ["NVC-2102", "tried     once", "a user whom /etc/passwd does not name", "set database.url"]
    })
    await stop(await place.ready([], { ...homeless, ...url() }))
  })

  it("that is down ends the boot after three attempts, and everything is rolled back", async () => {
    await server.down()
    await failed([], url(), {
      code: 69,
      says: [
        "NVC-2103",
        "exit 69",
        /tried {5}3 times over/,
        "needed by",
        "undone",
        "all clean",
        `127.0.0.1:${server.port}`
      ]
    })
  })

  it("that comes up between attempts is waited for", async () => {
    await server.down()
    const node = await place.start(["boot"], url())
    await node.until(is("AttemptFailed", "database"))
    await server.up()
    await node.until(({ event }) => event === "BootReady")
    assert.isAbove(node.lines().filter(is("ComponentStarted", "database")).length, 1)
    await stop(node)
  })

  it("that comes up after a boot has failed is found by the next one", async () => {
    await server.down()
    assert.strictEqual((await place.run(["boot", "--exit-when-ready"], url())).code, 69)
    await server.up()
    assert.strictEqual((await place.run(["boot", "--exit-when-ready"], url())).code, 0)
    assert.deepStrictEqual(place.leftovers(), [])
  })

  it("that is restarted under a running node is used again, and the node stays", async () => {
    const node = await place.ready(["-s", "system.monitor_interval=500ms"], url())
    await server.down("SIGKILL")
    await eventually(async () => (await place.run(["health"])).code === 69, "health says so")
    await server.up()
    await eventually(async () => (await place.run(["health"])).code === 0, "health is back")
    await stop(node)
  })
})

describe.skipIf(!hasRedis)("the cache", () => {
  let server: Redis
  beforeAll(async () => {
    server = await Redis.make()
  })
  afterAll(() => server.remove())
  const env = () => ({ NOVACRON_CACHE_URL: server.url, NOVACRON_SYSTEM_MONITOR_INTERVAL: "500ms" })

  it("falls back to memory when Redis is down at the boot, and is restored by itself", async () => {
    const healthPort = `${await freePort()}`
    const node = await place.ready([], { ...env(), NOVACRON_HEALTH_PORT: healthPort })
    assert.deepInclude(
      node.lines().find(({ event }) => event === "BootReady"),
      { message: node.lines().find(({ event }) => event === "BootReady")?.["message"], level: "warn" }
    )
    const degraded = node.lines().find(is("ComponentDegraded", "cache"))
    assert.include(String(degraded?.["message"]), "fallback memory")
    assert.strictEqual((await place.run(["status", "--strict"])).code, 75)
    assert.include((await place.run(["why", "cache"])).stdout, "degraded")
    await server.up()
    await node.until(is("SwapCompleted", "cache"))
    assert.strictEqual((await place.run(["status", "--strict"])).code, 0)

    // Exchanged by hand: the new one has connections of its own, and those of the old one are closed.
    const connections = () => {
      const listed = execFileSync("redis-cli", ["-p", `${server.port}`, "client", "list"])
        .toString()
        .split("\n")
      return listed.flatMap((line) => (line.includes("cmd=client") ? [] : (/^id=\d+/.exec(line) ?? [])))
    }
    const before = connections()
    assert.isNotEmpty(before)
    const restart = await place.run(["restart", "cache"])
    assert.strictEqual(restart.code, 0, restart.stderr)
    assert.match(restart.stdout, /^cache was restarted and is ready after /)
    const after = connections()
    assert.isNotEmpty(after)
    assert.isEmpty(after.filter((id) => before.includes(id)))
    assert.isUndefined(node.lines().find(is("ComponentStopping", "system-health")))

    const rowOf = async () => {
      const body = await (await fetch(`http://127.0.0.1:${healthPort}/health/components`)).json()
      const { components } = Schema.decodeUnknownSync(Post.HealthView.ComponentsBody)(body)
      return components.find(({ name }) => name === "cache")
    }
    // The endpoint answers from its last probe, for as long as that is good.
    await eventually(async () => (await rowOf())?.metrics?.["restarts"] === 2, "the endpoint has heard of both")
    const row = await rowOf()
    assert.deepInclude(row, { state: "ready", phase: "core" })
    // Three on Redis, one on memory; back on Redis, and exchanged.
    assert.strictEqual(row?.metrics?.["attempts"], 4)
    assert.isAtLeast(row?.metrics?.["failures"] ?? 0, 3)
    assert.isAtLeast(row?.metrics?.["inStateSeconds"] ?? -1, 0)
    assert.isAbove(row?.latency ?? 0, 0)
    assert.match(row?.errors?.at(-1) ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z CacheUnavailable: Redis at 127\.0\.0\.1/)
    await stop(node)
    await server.down()
  })

  it("falls back to memory after three attempts at a Redis that is up and takes no writes, until it does", async () => {
    await server.up()
    const redis = (...command: ReadonlyArray<string>) => execFileSync("redis-cli", ["-p", `${server.port}`, ...command])
    // It answers pings, and refuses every write for want of a replica.
    redis("config", "set", "min-replicas-to-write", "1")
    const node = await place.ready([], env())
    const failures = node.lines().filter(is("AttemptFailed", "cache"))
    assert.deepStrictEqual(
      failures.map(({ facts }) => /"kind":"(\w+)"/.exec(JSON.stringify(facts))?.[1]),
      ["unhealthy", "unhealthy", "unhealthy"]
    )
    assert.include(String(node.lines().find(is("ComponentDegraded", "cache"))?.["message"]), "fallback memory")
    assert.strictEqual((await place.run(["status", "--strict"])).code, 75)
    redis("config", "set", "min-replicas-to-write", "0")
    await node.until(is("SwapCompleted", "cache"))
    assert.strictEqual((await place.run(["status", "--strict"])).code, 0)
    await stop(node)
    await server.down()
  })

  it("that is at an address which is none ends the boot, and is not tried", async () => {
    await failed(
      [],
      { NOVACRON_CACHE_URL: "redis://127.0.0.1:6379/none" },
      { code: 78, says: [/NVC-22\d\d/, "cache.url"] }
    )
  })

  it("gives way to memory when Redis is killed under it, and comes back with Redis", async () => {
    await server.up()
    const node = await place.ready([], env())
    assert.strictEqual((await place.run(["status", "--strict"])).code, 0)
    await server.down("SIGKILL")
    await node.until(is("SwapCompleted", "cache"))
    assert.strictEqual((await place.run(["status", "--strict"])).code, 75)
    await server.up()
    await eventually(async () => (await place.run(["status", "--strict"])).code === 0, "the cache is restored")
    await stop(node)
    await server.down()
  })

  it("exits 75 for a degraded boot when asked to be strict", async () => {
    const { code, stderr } = await place.run(["boot", "--exit-when-ready", "--strict"], env())
    assert.strictEqual(code, 75, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
  })
})

describe("what is taken", () => {
  let other: Server
  let port: number
  beforeEach(async () => {
    port = await freePort()
    other = createServer()
    await new Promise<void>((resume) => other.listen(port, "127.0.0.1", resume))
  })
  afterEach(() => void other.close())

  it("a port for peers that another program has ends the boot after three attempts", async () => {
    await failed(
      [],
      { NOVACRON_NETWORK_BIND_PORT: `${port}` },
      {
        code: 73,
        says: ['component "network" did not start', "NVC-2301", `${port}`, "network.bind_port", "exit 73"]
      }
    )
    assert.isTrue(await isOpen(port))
  })

  it("a port for health that another program has is told before anything is started", async () => {
    await failed(
      [],
      { NOVACRON_HEALTH_PORT: `${port}` },
      {
        code: 73,
        says: ["NVC-2402", `${port}: process ${process.pid} (node in`, "exit 73"]
      }
    )
  })

  it("a data directory that a node works in keeps a second one out, and the first one goes on", async () => {
    const node = await place.ready()
    const second = await place.run(["boot"])
    assert.strictEqual(second.code, 73, second.stderr)
    assert.include(second.stderr, `pid ${node.child.pid}`)
    assert.match(second.stderr, /NVC-(?:1101|3001)/)
    assert.strictEqual((await place.run(["health"])).code, 0)
    await stop(node)
  })

  it("of two nodes that start at the same moment in one data directory, one runs", async () => {
    const [a, b] = await Promise.all([place.start(["boot"]), place.start(["boot"])])
    const outcome = (node: Running) =>
      Promise.race([
        node.until(({ event }) => event === "BootReady").then(() => "ready"),
        node.ended.then(({ code }) => `exit ${code}`)
      ]).catch(() => "exit")
    const outcomes = await Promise.all([outcome(a), outcome(b)])
    assert.sameMembers(
      outcomes.map((it) => (it === "ready" ? it : "exit")),
      ["ready", "exit"]
    )
    await stop(outcomes[0] === "ready" ? a : b)
  })
})

describe("a disk that is full", () => {
  it.skipIf(!canMount)("costs the journal and not the boot, and is told", async () => {
    const journal = `${place.dataDir}/journal`
    mkdirSync(journal, { recursive: true, mode: 0o700 })
    chmodSync(place.dataDir, 0o700)
    execFileSync("mount", [...tmpfs, journal])
    try {
      writeFileSync(`${journal}/full`, Buffer.alloc(4096))
      const { code, stderr } = await place.run(["boot", "--exit-when-ready"])
      assert.strictEqual(code, 0, stderr)
      assert.include(stderr, "boot journal")
    } finally {
      execFileSync("umount", [journal])
    }
    assert.deepStrictEqual(place.leftovers(), [])
  })
})
