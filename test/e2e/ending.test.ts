/**
 * How the real node goes down: in the reverse of its needs, past servers and parts that hang, in the middle of whatever it
 * does, and by `kill -9` in the middle of a boot, which the next one goes on from.
 */
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Journal } from "@novacron/boot"
import { Audit } from "@novacron/config"
import { Effect } from "effect"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, type Line, linesOf, Place, processesIn, type Running } from "./Novacron.ts"
import { Etcd, Postgres, Redis } from "./Servers.ts"

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

/** As a debugger does, a freezer of containers, or a disk that hangs. */
const freeze = (pids: ReadonlyArray<number>): void => {
  assert.isAbove(pids.length, 0)
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGSTOP")
    } catch {
      // It has just ended.
    }
  }
}

const programOf = (pid: number): string => {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    // As above.
    return ""
  }
}

/** How each part was closed: `api clean`. */
const closings = (lines: ReadonlyArray<Line>): Array<string> =>
  lines.flatMap(({ component, event, facts }) =>
    event === "ComponentStopped" ? [`${component} ${/"closing":"(\w+)"/.exec(JSON.stringify(facts))?.[1]}`] : []
  )

/**
 * Somebody who stands before a server and hands on what `passes`; from the first bytes on that do not, nothing passes any
 * more, in that connection. `met` is done then. Without a server it takes everything and never says a word.
 */
const through = (to: number | undefined, passes: (bytes: Buffer) => boolean, port = 0) =>
  new Promise<{ readonly port: number; readonly met: Promise<void>; readonly close: () => void }>((resume) => {
    let meet = (): void => undefined
    const met = new Promise<void>((done) => (meet = done))
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      const behind = to === undefined ? undefined : connect(to, "127.0.0.1")
      let isStuck = false
      for (const socket of [client, behind]) {
        if (socket === undefined) continue
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.once("close", () => sockets.delete(socket))
      }
      client.on("data", (bytes) => {
        isStuck ||= !passes(bytes)
        if (isStuck) meet()
        else behind?.write(bytes)
      })
      client.once("close", () => behind?.destroy())
      behind?.on("data", (bytes) => client.write(bytes))
      behind?.once("close", () => client.destroy())
    })
    server.listen(port, "127.0.0.1", () => {
      const address = server.address()
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      resume({ port: typeof address === "object" && address !== null ? address.port : 0, met, close })
    })
  })

/** Components with what they need, as the boot said. */
const needsOf = (lines: ReadonlyArray<Line>): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    lines.flatMap(({ component, dependencies }) =>
      component !== undefined && Array.isArray(dependencies) ? [[component, dependencies.map(String)] as const] : []
    )
  )

describe("SIGTERM to a node that is up", () => {
  it("stops each part after all that need it, cleanly, and the process ends with 0", async () => {
    const node = await place.ready()
    node.child.kill("SIGTERM")
    const { code, stderr, stdout } = await node.ended
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
    const lines = linesOf(stdout)
    const at = (event: string, name: string) =>
      lines.findIndex((line) => line.event === event && line.component === name)
    let pairs = 0
    for (const [name, needs] of needsOf(lines)) {
      for (const need of needs) {
        if (at("ComponentStopping", name) < 0 || at("ComponentStopping", need) < 0) continue
        assert.isBelow(at("ComponentStopped", name), at("ComponentStopping", need), `${need} before ${name}`)
        pairs++
      }
    }
    assert.isAbove(pairs, 10)
    const stopped = lines.filter(({ event }) => event === "ComponentStopped")
    assert.isAbove(stopped.length, 10)
    for (const { facts } of stopped) assert.deepInclude(facts, { closing: "clean" })
  })

  it("ends a database of its own that is frozen, within its slice, and leaves nothing", async () => {
    const node = await place.ready()
    freeze(processesIn(`${place.dataDir}/postgresql`))
    node.child.kill("SIGTERM")
    const { code, stderr, stdout } = await node.ended
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
    const lines = linesOf(stdout)
    assert.deepStrictEqual(
      closings(lines).filter((closing) => !closing.endsWith(" clean")),
      []
    )
    assert.include(stderr, "The embedded PostgreSQL did not end when it was told to")
    // Who is down is not sick: whoever is on call reads this.
    const stopped = new Set<string>()
    for (const { component = "", event } of lines) {
      if (event === "ComponentStopping") stopped.add(component)
      if (event === "HealthChanged") assert.notInclude([...stopped], component)
    }
    // The time that it had is that of the settings, and is told with where it comes from.
    const { message } = lines.find(({ event }) => event === "RollbackStarted")!
    assert.match(String(message), /within [\d.]+ s \(system\.shutdown_timeout = "\d+s" from template \w+\)$/)
  })

  it("is kept by no server of others that is frozen: not by the database, the cache or etcd", async () => {
    const [postgres, redis, etcd] = [await Postgres.make(), await Redis.make(), await Etcd.make()]
    const servers = [postgres, redis, etcd]
    try {
      await Promise.all(servers.map((server) => server.up()))
      const node = await place.ready([], {
        NOVACRON_DATABASE_URL: postgres.url(),
        NOVACRON_CACHE_URL: redis.url,
        NOVACRON_DISCOVERY_ETCD_ENDPOINTS: etcd.url,
        NOVACRON_DISCOVERY_ETCD_INSECURE: "true"
      })
      freeze(servers.flatMap(({ pids }) => pids))
      node.child.kill("SIGTERM")
      const { code, stderr, stdout } = await node.ended
      assert.deepStrictEqual(
        closings(linesOf(stdout)).filter((closing) => !closing.endsWith(" clean")),
        []
      )
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(place.leftovers(), [])
    } finally {
      await Promise.all(servers.map((server) => server.remove()))
    }
  })

  it("cuts off a part that hangs when its time is up, stops the others, and says what was not closed", async () => {
    const report = place.path("r.json")
    const node = await place.ready(["-s", "system.shutdown_timeout=1s", "--report", report])
    const servers = () => processesIn(`${place.dataDir}/postgresql`)
    // The server itself; who guards it does his work.
    freeze(servers().filter((pid) => programOf(pid).endsWith("/postgres")))
    node.child.kill("SIGTERM")
    const { code, stderr, stdout } = await node.ended
    // Not 0: what was not closed may still hold what it held, and whoever starts the next node should know.
    assert.strictEqual(code, 70, stderr)
    assert.match(stderr, /exit 70\n {2}undone .*not clean: .*database \(abandoned\)/)
    const lines = linesOf(stdout)
    assert.includeMembers(closings(lines), ["orchestration abandoned", "database abandoned"])
    assert.includeMembers(closings(lines), ["api clean", "cache clean", "monitoring clean"])
    assert.deepInclude(lines.find(({ event }) => event === "BootEnded")?.["facts"], { clean: false })
    // The report, the last line and the process say the same.
    assert.strictEqual(JSON.parse(readFileSync(report, "utf8")).exitCode, 70)
    assert.strictEqual(lines.find(({ event }) => event === "ProcessEnded")?.["exit_code"], 70)
    // A server that did not end while there was a node is ended by its guard.
    await eventually(() => servers().length === 0, "the server is gone")
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.deepStrictEqual(place.leftovers(), [])
  })
})

describe("SIGTERM to a node", () => {
  // One data directory for all: each finds what the one before has left.
  let shared: Place
  beforeAll(() => {
    shared = new Place()
  })
  afterAll(() => shared.remove())

  /** What the process exits with, that nothing is left, and that the record has its end. */
  /** `beside` is a command that ends by itself, and must not be taken for something that the node has left. */
  const ends = async (node: Running, expected: number, beside?: Running) => {
    node.child.kill("SIGTERM")
    const { code, stderr } = await node.ended
    await beside?.ended
    assert.strictEqual(code, expected, stderr)
    assert.deepStrictEqual(shared.leftovers(), [])
    const journals = readdirSync(`${shared.dataDir}/journal`).toSorted()
    assert.isTrue(Journal.decode(readFileSync(`${shared.dataDir}/journal/${journals.at(-1)}`)).ended)
    return stderr
  }

  const is = (event: string, component: string) => (line: Line) => line.event === event && line.component === component
  const at = (port: number) => ({
    NOVACRON_DATABASE_URL: `postgres://admin:swordfish@127.0.0.1:${port}/postgres?sslmode=disable`,
    NOVACRON_DATABASE_POOL_MIN: "1"
  })

  it("that waits for its next attempt cancels the boot", async () => {
    const node = await shared.start(["boot"], at(await freePort()))
    await node.until(is("ComponentBackoff", "database"))
    assert.match(await ends(node, 143), /BOOT CANCELLED {2}because of SIGTERM/)
  })

  it("whose start hangs cancels the boot", async () => {
    const silent = await through(undefined, () => false)
    try {
      const node = await shared.start(["boot"], at(silent.port))
      await silent.met
      assert.match(await ends(node, 143), /BOOT CANCELLED {2}because of SIGTERM/)
    } finally {
      silent.close()
    }
  })

  it("whose probe hangs cancels the boot", async () => {
    const server = await Postgres.make()
    await server.up()
    // The only connection of the pool is opened with one, and then probed with another.
    let asked = 0
    const proxy = await through(server.port, (bytes) => !bytes.includes("SELECT 1") || ++asked < 2)
    try {
      const node = await shared.start(["boot"], at(proxy.port))
      await node.until(is("ComponentAcquired", "database"))
      await proxy.met
      assert.match(await ends(node, 143), /BOOT CANCELLED {2}because of SIGTERM/)
    } finally {
      proxy.close()
      await server.remove()
    }
  })

  it("that rolls back, because its time to boot is over, ends as that, when all is down", async () => {
    const server = await Postgres.make()
    await server.up()
    const proxy = await through(server.port, (bytes) => !bytes.includes("novacron_cluster_migrations"))
    try {
      const node = await shared.start(["boot", "-s", "system.boot_timeout=5s"], at(proxy.port))
      await node.until(({ event }) => event === "RollbackStarted")
      assert.match(await ends(node, 124), /BOOT FAILED .*\n(?: .*\n)* {2}undone .*all clean/)
    } finally {
      proxy.close()
      await server.remove()
    }
  })

  it("that restores a part goes down past it", async () => {
    const port = await freePort()
    const node = await shared.ready([], { NOVACRON_CACHE_URL: `redis://127.0.0.1:${port}` })
    const silent = await through(undefined, () => false, port)
    try {
      await silent.met
      await node.until(is("SwapStarted", "cache"))
      assert.notMatch(await ends(node, 0), /not clean/)
    } finally {
      silent.close()
    }
  })

  it("that reads its settings again goes down when they are recorded, or were never in effect", async () => {
    const file = shared.path("n.yaml")
    writeFileSync(file, "logger:\n  level: info\n", { mode: 0o600 })
    const node = await shared.ready(["-c", file])
    writeFileSync(file, "logger:\n  level: error\n", { mode: 0o600 })
    const reloading = await shared.start(["reload"])
    node.child.kill("SIGHUP")
    await ends(node, 0, reloading)
    const verified = Audit.verify(`${shared.dataDir}/config-audit.jsonl`)
    await Effect.runPromise(Effect.provide(verified, NodeServices.layer))
  })
})

describe("kill -9 after the core is up", () => {
  const checkpointsIn = (file: string) =>
    Journal.decode(readFileSync(`${place.dataDir}/journal/${file}`)).events.flatMap((event) =>
      event._tag === "CheckpointReached" ? [event.checkpoint] : []
    )
  const isCore = (facts: unknown) => JSON.stringify(facts).includes('"core_init_complete"')
  const journals = () => readdirSync(`${place.dataDir}/journal`).toSorted()

  it("is gone on from: the next boot says from which checkpoint, and makes nothing again that is durable", async () => {
    // One of the services does not come up, so that the boot stays where it is.
    const port = `${await freePort()}`
    const node = await place.start(["boot"], {
      NODE_OPTIONS: `--import=${join(import.meta.dirname, "Deaf.ts")}`,
      STUCK: port,
      NOVACRON_MONITORING_PORT: port
    })
    await node.until(({ event, facts }) => event === "CheckpointReached" && isCore(facts))
    const three = ["init_start", "pre_init_complete", "core_init_complete"]
    await eventually(() => checkpointsIn(journals()[0]!).length >= 3, "the checkpoint is durable")
    node.child.kill("SIGKILL")
    await node.ended
    const [first] = journals()
    assert.deepStrictEqual(checkpointsIn(first!), three)

    const ca = readFileSync(`${place.dataDir}/security/ca.pem`, "utf8")
    const made = statSync(`${place.dataDir}/postgresql/data/PG_VERSION`)
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.match(next.stderr, /did not end by itself \(last checkpoint: core_init_complete\); recovering .*database/)
    // The identity of the node and its database are those of the boot that was killed.
    assert.strictEqual(readFileSync(`${place.dataDir}/security/ca.pem`, "utf8"), ca)
    const { ino, mtimeMs } = statSync(`${place.dataDir}/postgresql/data/PG_VERSION`)
    assert.deepStrictEqual({ ino, mtimeMs }, { ino: made.ino, mtimeMs: made.mtimeMs })
    // All five are in its own record, and in their order.
    assert.deepStrictEqual(checkpointsIn(journals().at(-1)!), [...three, "service_init_complete", "init_complete"])
    // It ended by itself, so that nothing is left for the one after it.
    const third = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(third.code, 0, third.stderr)
    assert.notInclude(third.stderr, "did not end by itself")
  })
})
