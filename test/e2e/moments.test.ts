/**
 * Signals and `kill -9` at moments that nobody chose, of a boot and of a node that runs. The seed is in the name of the
 * test; `MOMENTS=50` and `SEED_FROM=` make a campaign of it.
 */
import { spawn, spawnSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { Journal } from "@novacron/boot"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { readdirSync, readFileSync } from "node:fs"
import { Place, processesIn } from "./Novacron.ts"

const moments = Number(process.env["MOMENTS"] ?? 10)
const seeds = Array.from({ length: moments }, (_, i) => i + Number(process.env["SEED_FROM"] ?? 1))

/** A number from 0 to 1 that a seed stands for. */
const chance = (seed: number): number => {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32
}

/** One data directory for all: each boot finds what the one before has left. */
const place = new Place()
let bootMs = 1_000

beforeAll(async () => {
  const { code, stderr } = await place.run(["boot", "--exit-when-ready"])
  assert.strictEqual(code, 0, stderr)
  const began = performance.now()
  assert.strictEqual((await place.run(["boot", "--exit-when-ready"])).code, 0)
  bootMs = performance.now() - began
})
afterAll(() => place.remove())

/** Whatever happened: nothing that a next boot could stumble over. */
afterEach(() => assert.deepStrictEqual(place.leftovers(), []))

/** The share of the time from spawning to the end, so that a slow machine is struck at the same moments. */
const wait = (share: number) => sleep(share * bootMs)

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const

describe("a signal at any moment", () => {
  it.each(seeds)("ends or does not end the boot as it should, with the documented code (seed %s)", async (seed) => {
    const signal = signals[seed % signals.length] ?? "SIGTERM"
    const node = await place.start(["boot"])
    await wait(chance(seed))
    // Before Node has begun to listen a signal is the system's affair, and nothing has been started.
    const hasBegun = node.lines().length > 0
    node.child.kill(signal)
    if (signal === "SIGHUP") {
      // It goes on, unless the system has ended it.
      const isUp = await node
        .until(({ event }) => event === "BootReady")
        .then(
          () => true,
          () => false
        )
      if (isUp) node.child.kill("SIGTERM")
    }
    const { code, signal: killed, stderr } = await node.ended
    const wasReady = node.lines().some(({ event }) => event === "BootReady")
    if (!hasBegun && killed !== null) return assert.strictEqual(killed, signal)
    if (wasReady) return assert.strictEqual(code, 0, stderr)
    if (signal === "SIGHUP") return assert.include([0, 143], code, stderr)
    assert.strictEqual(code, signal === "SIGTERM" ? 143 : 130, stderr)
    if (hasBegun) assert.match(stderr, new RegExp(`BOOT CANCELLED {2}because of ${signal}`))
  })
})

describe("kill -9 at any moment", () => {
  it.each(seeds)("leaves nothing that keeps the next boot from being ready (seed %s)", async (seed) => {
    const node = await place.start(["boot"])
    await wait(1.5 * chance(seed + 1_000))
    node.child.kill("SIGKILL")
    await node.ended
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.deepStrictEqual(processesIn(place.directory), [])
  })

  it("is noticed: the next boot reads the torn journal and recovers what was held", async () => {
    const node = await place.ready()
    const status = JSON.parse((await place.run(["status", "--json"])).stdout)
    node.child.kill("SIGKILL")
    await node.ended
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.include(next.stderr, `Boot ${status.report.bootId} did not end by itself`)
    assert.match(next.stderr, /last checkpoint: init_complete\); recovering .*database/)
    const journals = readdirSync(`${place.dataDir}/journal`).toSorted()
    const last = Journal.decode(readFileSync(`${place.dataDir}/journal/${journals.at(-1)}`))
    assert.isTrue(last.ended)
    assert.isUndefined(last.torn)
  })
})

describe.skipIf(spawnSync("psql", ["--version"]).status !== 0)("rows that were acknowledged", () => {
  const psql = (...args: ReadonlyArray<string>) =>
    spawn("psql", ["-X", "-h", `${place.dataDir}/postgresql/data`, "-U", "novacron", ...args, "postgres"], {
      env: { ...process.env, PGPASSWORD: readFileSync(`${place.dataDir}/postgresql/password`, "utf8").trim() },
      stdio: ["pipe", "pipe", "ignore"]
    })
  const answer = async (sql: string) => {
    const child = psql("-At", "-c", sql)
    let text = ""
    child.stdout.on("data", (data) => (text += data))
    await new Promise((resume) => child.once("close", resume))
    return text.trim()
  }

  it.each(seeds.slice(0, 3))("are there after kill -9 of the node, at any moment (seed %s)", async (seed) => {
    const node = await place.ready()
    await answer("DROP TABLE IF EXISTS e2e; CREATE TABLE e2e (n int)")
    const writer = psql("-q")
    const over = new Promise((resume) => writer.once("close", resume))
    let last = 0
    writer.stdout.on("data", (data) => {
      for (const [, n] of String(data).matchAll(/wrote (\d+)/g)) last = Number(n)
    })
    // Each row is a transaction of its own; what is echoed after it was acknowledged.
    writer.stdin.on("error", () => undefined)
    writer.stdin.write(
      Array.from({ length: 50_000 }, (_, n) => `INSERT INTO e2e VALUES (${n + 1});\n\\echo wrote ${n + 1}\n`).join("")
    )
    while (last < 1 + 500 * chance(seed)) await sleep(1)
    node.child.kill("SIGKILL")
    await node.ended
    writer.kill()
    await over
    const next = await place.ready()
    const rows = Number(await answer("SELECT count(DISTINCT n) FROM e2e"))
    assert.isAbove(last, 0)
    assert.isAtLeast(rows, last)
    // The last one may have been written without anybody having heard of it.
    assert.isAtMost(rows, last + 1)
    next.child.kill("SIGTERM")
    assert.strictEqual((await next.ended).code, 0)
  })
})

describe("a node that is told to stop", () => {
  it("twice, says what it is waiting for and leaves at once", async () => {
    const node = await place.ready()
    node.child.kill("SIGTERM")
    await node.until(({ event }) => event === "RollbackStarted")
    node.child.kill("SIGINT")
    const { code, stderr } = await node.ended
    // It may be down before the second one is heard.
    assert.include([0, 130], code)
    if (code === 130) assert.match(stderr, /Second signal \(SIGINT\): not waiting for /)
    // What was not waited for is what the next boot recovers.
    assert.strictEqual((await place.run(["boot", "--exit-when-ready"])).code, 0)
  })

  it("by SIGUSR2 is only asked how it is", async () => {
    const node = await place.ready()
    node.child.kill("SIGUSR2")
    await place.run(["status"])
    node.child.kill("SIGTERM")
    const { code, stderr } = await node.ended
    assert.strictEqual(code, 0, stderr)
    assert.match(stderr, /--- state of pid \d+: ready, rss \d+ MB/)
    assert.include(stderr, "✓ database")
  })
})
