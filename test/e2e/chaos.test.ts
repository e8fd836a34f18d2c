/**
 * Faults one after another, into a real node with a real PostgreSQL and a real Redis, and the hypothesis that they are
 * tried against: the node stays alive whatever happens to others, says what is wrong while it is, and is as it was before
 * when they are back. The faults, their order and their pauses follow from a seed that is in the name of the test;
 * `MINUTES=30` goes on for half an hour, `SEED_FROM=7` elsewhere.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { get } from "node:http"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, Place, processesIn, type Running } from "./Novacron.ts"
import { hasRedis, Postgres, Redis } from "./Servers.ts"

const minutes = Number(process.env["MINUTES"] ?? 0)
const seed = Number(process.env["SEED_FROM"] ?? 1)
/** Of a run that has no minutes. */
const roundsAtLeast = 2

/** Numbers from 0 to 1 that follow from a seed. */
const chances = (from: number) => {
  let state = from
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What a health port of this machine answers; 0 when nobody does. */
const ask = (port: number, path: string) =>
  new Promise<{ readonly status: number; readonly text: string }>((resume) => {
    const asked = get({ host: "127.0.0.1", port, path, agent: false, timeout: 20_000 }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => resume({ status: response.statusCode ?? 0, text }))
    })
    asked.once("timeout", () => asked.destroy())
    asked.once("error", ({ message }) => resume({ status: 0, text: message }))
  })

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

const stop = async (node: Running) => {
  node.child.kill("SIGTERM")
  const { code, stderr } = await node.ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(place.leftovers(), [])
}

/** Something that goes wrong, what shows that the node has seen it, and how it is put right. */
interface Fault {
  readonly name: string
  readonly strike: () => Promise<void>
  readonly shows: () => Promise<boolean>
  readonly heal: () => Promise<void>
}

/** A node whose health somebody asks. */
class Subject {
  node: Running
  readonly port: number
  private readonly boot: () => Promise<Running>

  private constructor(node: Running, port: number, boot: () => Promise<Running>) {
    this.node = node
    this.port = port
    this.boot = boot
  }

  static async make(boot: (port: number) => Promise<Running>): Promise<Subject> {
    const port = await freePort()
    return new Subject(await boot(port), port, () => boot(port))
  }

  /** As it should be: ready, healthy, and each part itself, not its fallback. */
  async isSteady(): Promise<boolean> {
    const { status, text } = await ask(this.port, "/health/components")
    const ready = await ask(this.port, "/ready")
    if (status !== 200 || ready.status !== 200) return false
    const told: { readonly components: ReadonlyArray<{ readonly status: string; readonly state?: string }> } =
      JSON.parse(text)
    return told.components.every((one) => one.status === "healthy" && (one.state ?? "ready") === "ready")
  }

  async isReady(): Promise<boolean> {
    return (await ask(this.port, "/ready")).status === 200
  }

  async stateOf(component: string): Promise<string | undefined> {
    const told: { readonly components: ReadonlyArray<{ readonly name: string; readonly state?: string }> } = JSON.parse(
      (await ask(this.port, "/health/components")).text
    )
    return told.components.find(({ name }) => name === component)?.state
  }

  async again(): Promise<void> {
    this.node = await this.boot()
  }
}

describe.skipIf(!hasRedis)("a node whose servers fail", () => {
  let [database, redis]: [Postgres, Redis] = [undefined!, undefined!]
  beforeAll(async () => {
    ;[database, redis] = [await Postgres.make(), await Redis.make()]
    await Promise.all([database.up(), redis.up()])
  })
  afterAll(() => Promise.all([database.remove(), redis.remove()]))

  const boot = (port: number, metrics = 0) =>
    place.ready(["-s", "system.monitor_interval=250ms"], {
      NOVACRON_HEALTH_PORT: `${port}`,
      NOVACRON_MONITORING_PORT: `${metrics}`,
      NOVACRON_DATABASE_URL: database.url(),
      NOVACRON_CACHE_URL: redis.url
    })

  it("one after the other is alive all the time, takes no work without its database, and comes back by itself", async () => {
    const metrics = await freePort()
    const subject = await Subject.make((port) => boot(port, metrics))
    await eventually(() => subject.isSteady(), "it is steady")
    await redis.down("SIGKILL")
    await eventually(async () => (await subject.stateOf("cache")) === "degraded", "the cache gives way")
    assert.isTrue(await subject.isReady(), "a cache is no reason not to work")
    await database.down("SIGKILL")
    await eventually(async () => !(await subject.isReady()), "without a database it takes no work")
    assert.strictEqual((await ask(subject.port, "/live")).status, 200)
    // Their return in another order than their end, with a second failure between.
    await database.up()
    await eventually(() => subject.isReady(), "it takes work again")
    assert.strictEqual(await subject.stateOf("cache"), "degraded")
    await database.down("SIGKILL")
    await eventually(async () => !(await subject.isReady()), "and not again")
    await redis.up()
    await eventually(async () => (await subject.stateOf("cache")) === "ready", "the cache is itself")
    await database.up()
    await eventually(() => subject.isSteady(), "all is as it was")
    // How long each of that took is on record.
    const repairs = async (component: string) => {
      const { text } = await ask(metrics, "/metrics")
      const line = `novacron_component_repair_duration_seconds_count\\{component="${component}"\\} (\\d+)`
      return Number(new RegExp(line).exec(text)?.[1] ?? 0)
    }
    await eventually(async () => (await repairs("cache")) === 1, "the repair of the cache is counted")
    await eventually(async () => (await repairs("database")) === 2, "both repairs of the database are counted")
    assert.isNull(subject.node.child.exitCode)
    await stop(subject.node)
  })

  it(
    `at random, again and again, is alive, notices, and is steady when they are back (seed ${seed})`,
    async () => {
      const chance = chances(seed)
      const subject = await Subject.make((port) => boot(port))
      await eventually(() => subject.isSteady(), "it is steady before anything has happened")
      const signal = async (directory: string, name: "SIGSTOP" | "SIGCONT") => {
        for (const pid of processesIn(directory)) process.kill(pid, name)
      }
      const gaveWay = async () => (await subject.stateOf("cache")) === "degraded"
      const isUnready = async () => !(await subject.isReady())
      const faults: ReadonlyArray<Fault> = [
        { name: "Redis is killed", strike: () => redis.down("SIGKILL"), shows: gaveWay, heal: () => redis.up() },
        { name: "Redis stops in order", strike: () => redis.down("SIGINT"), shows: gaveWay, heal: () => redis.up() },
        {
          name: "Redis hangs",
          strike: () => signal(redis.directory, "SIGSTOP"),
          shows: gaveWay,
          heal: () => signal(redis.directory, "SIGCONT")
        },
        {
          name: "PostgreSQL is killed",
          strike: () => database.down("SIGKILL"),
          shows: isUnready,
          heal: () => database.up()
        },
        {
          name: "PostgreSQL hangs",
          strike: () => signal(database.directory, "SIGSTOP"),
          shows: isUnready,
          heal: () => signal(database.directory, "SIGCONT")
        },
        {
          name: "the node is killed",
          strike: async () => {
            subject.node.child.kill("SIGKILL")
            await subject.node.ended
          },
          shows: async () => (await ask(subject.port, "/live")).status === 0,
          heal: () => subject.again()
        }
      ]
      const endsAt = performance.now() + minutes * 60_000
      const repairs = new Map<string, Array<number>>()
      for (let round = 0; round < roundsAtLeast || performance.now() < endsAt; round++) {
        await sleep(300 * chance())
        const { heal, name, shows, strike } = faults[Math.floor(chance() * faults.length)]!
        const where = `round ${round}: ${name}`
        await strike()
        await eventually(shows, `${where}: it is noticed`)
        // Of the servers of others it does not die.
        if (name !== "the node is killed") {
          assert.strictEqual((await ask(subject.port, "/live")).status, 200, where)
          assert.isNull(subject.node.child.exitCode, where)
        }
        await sleep(300 * chance())
        const healedAt = performance.now()
        await heal()
        await eventually(() => subject.isSteady(), `${where}: it is steady again`)
        repairs.set(name, [...(repairs.get(name) ?? []), performance.now() - healedAt])
      }
      await stop(subject.node)
      for (const [name, ms] of repairs) {
        console.log(`${name}: ${ms.length} times, steady again after ${Math.round(Math.max(...ms))} ms at the most`)
      }
      assert.isAtLeast([...repairs.values()].flat().length, roundsAtLeast)
    },
    (minutes + 3) * 60_000
  )
})

const canLimit = spawnSync("prlimit", ["--version"]).status === 0

describe.skipIf(!canLimit)("a node that runs out", () => {
  it("of descriptors goes on, answers when there are some again, and takes tasks", async () => {
    const subject = await Subject.make((port) => place.ready([], { NOVACRON_HEALTH_PORT: `${port}` }))
    await eventually(() => subject.isSteady(), "it is steady")
    const pid = subject.node.child.pid!
    const open = () => readdirSync(`/proc/${pid}/fd`).length
    const limit = (soft: number) => execFileSync("prlimit", ["--pid", `${pid}`, `--nofile=${soft}:`])
    const few = open() + 12
    limit(few)
    // More than it can take, all at once, silent, and again: one that finds no room is closed, and what the node itself
    // gives back just then would stay free.
    const sockets: Array<Socket> = []
    const crowd = () => {
      for (let i = 0; i < 60; i++) {
        const socket = connect(subject.port, "127.0.0.1")
        socket.on("error", () => undefined)
        sockets.push(socket)
      }
    }
    await eventually(() => {
      const isFull = open() >= few - 2
      if (!isFull) crowd()
      return isFull
    }, `all ${few} descriptors are taken`)
    assert.isNull(subject.node.child.exitCode)
    for (const socket of sockets) socket.destroy()
    await eventually(async () => (await ask(subject.port, "/live")).status === 200, "it answers")
    await eventually(() => subject.isSteady(), "and all is well")
    // A task is a process with pipes of its own: with descriptors there is room for it.
    const submitted = await place.run(["tasks", "submit", "--wait", "--", "/bin/echo", "still here"])
    assert.strictEqual(submitted.code, 0, submitted.stderr)
    await stop(subject.node)
  })

  it("of memory long before this machine does boots, and answers hundreds who ask", async () => {
    const subject = await Subject.make((port) =>
      place.ready([], { NOVACRON_HEALTH_PORT: `${port}`, NODE_OPTIONS: "--max-old-space-size=96" })
    )
    await eventually(() => subject.isSteady(), "it is steady")
    let well = 0
    const asking = async () => {
      for (let i = 0; i < 60; i++) if ((await ask(subject.port, "/health")).status === 200) well++
    }
    await Promise.all(Array.from({ length: 16 }, asking))
    assert.strictEqual(well, 960)
    const [, kb = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${subject.node.child.pid}/status`, "utf8")) ?? []
    // The heap may have 96 MB; the rest is Node, its code and its buffers.
    assert.isBelow(Number(kb) / 1_024, 400)
    await stop(subject.node)
  })
})
