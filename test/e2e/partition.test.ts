/**
 * Two nodes of a cluster on two networks of the kernel, and the link between them taken down: no packet gets through, and
 * nobody is told so. Needs root and `ip netns`.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { pipeline } from "node:stream"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { Authority, hasOpenssl } from "./Authority.ts"
import { eventually, Place, type Running } from "./Novacron.ts"
import { Postgres } from "./Servers.ts"

const name = `nvc${process.pid}`
const ip = (...args: ReadonlyArray<string>) => execFileSync("ip", args, { stdio: "ignore" })

/** Without root, or in a container without networks of its own, there is nothing to take down. */
const canPartition = (() => {
  if (spawnSync("ip", ["netns", "add", name]).status !== 0) return false
  const hasLink = spawnSync("ip", ["link", "add", `${name}a`, "type", "veth", "peer", `${name}b`]).status === 0
  if (hasLink) ip("link", "del", `${name}a`)
  ip("netns", "del", name)
  return hasLink
})()

/** Processes of this machine that were started with these words, and nothing else. */
const processesOf = (...words: ReadonlyArray<string>): ReadonlyArray<number> =>
  readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const told = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1)
      return told.join(" ") === words.join(" ") ? [Number(pid)] : []
    } catch {
      // It has gone while we looked.
      return []
    }
  })

describe.skipIf(!canPartition || !hasOpenssl)("a cluster whose link is down", () => {
  const here = `10.${100 + (process.pid % 100)}.7.1`
  const there = here.replace(/1$/, "2")
  const [near, far] = [new Place(), new Place()]
  far.within = ["ip", "netns", "exec", name]
  let authority: Authority
  let database: Postgres
  /** The database as it is seen across the link. */
  let door: Server

  beforeAll(async () => {
    ip("netns", "add", name)
    ip("link", "add", `${name}a`, "type", "veth", "peer", "name", `${name}b`)
    ip("link", "set", `${name}b`, "netns", name)
    ip("addr", "add", `${here}/24`, "dev", `${name}a`)
    ip("link", "set", `${name}a`, "up")
    ip("-n", name, "addr", "add", `${there}/24`, "dev", `${name}b`)
    ip("-n", name, "link", "set", `${name}b`, "up")
    ip("-n", name, "link", "set", "lo", "up")
    authority = new Authority("partition")
    database = await Postgres.make()
    await database.up()
    door = createServer((incoming) => {
      const outgoing = connect(database.port, "127.0.0.1")
      pipeline(incoming, outgoing, incoming, () => undefined)
    })
    await new Promise<void>((resume) => door.listen(database.port, here, resume))
  })
  afterAll(async () => {
    for (const place of [near, far]) place.remove()
    door.close()
    authority.remove()
    await database.remove()
    ip("link", "del", `${name}a`)
    ip("netns", "del", name)
  })

  const envOf = async (id: string, address: string) => {
    const { ca, cert, key } = authority.issue(id)
    return {
      NOVACRON_SYSTEM_NODE_ID: id,
      NOVACRON_SYSTEM_MONITOR_INTERVAL: "500ms",
      NOVACRON_DATABASE_URL: database.url().replace("127.0.0.1", here),
      NOVACRON_SECURITY_TLS_CA: ca,
      NOVACRON_SECURITY_TLS_CERT: cert,
      NOVACRON_SECURITY_TLS_KEY: key,
      NOVACRON_API_PORT: `${await freePort()}`,
      NOVACRON_ORCHESTRATION_CLUSTER_ENABLED: "true",
      NOVACRON_ORCHESTRATION_CLUSTER_LISTEN_ADDRESS: address,
      NOVACRON_ORCHESTRATION_CLUSTER_PORT: `${await freePort()}`
    }
  }

  it("runs each task in one place at any time, and is whole again when the link is up", async () => {
    const [nearEnv, farEnv] = [await envOf("near", here), await envOf("far", there)]
    const nodes = async () => {
      const { stdout } = await near.run(["nodes", "--json"], nearEnv)
      const all: ReadonlyArray<{ readonly id: string; readonly state: string }> = JSON.parse(stdout)
      return all
        .map(({ id, state }) => `${id} ${state}`)
        .toSorted()
        .join()
    }
    const healthOf = async (place: Place, env: typeof nearEnv) => (await place.run(["health"], env)).code
    const farNode = await far.ready([], farEnv)
    // Nobody else is there yet, so it runs far away.
    const words = ["/bin/sleep", `${600 + (process.pid % 1_000)}`]
    const submitted = await far.run(["tasks", "submit", "--json", "--", ...words], farEnv)
    assert.strictEqual(submitted.code, 0, submitted.stderr)
    await eventually(() => processesOf(...words).length === 1, "the task runs")
    const [first] = processesOf(...words)
    const nearNode = await near.ready([], nearEnv)
    await eventually(async () => (await nodes()) === "far up,near up", "both know both")

    let most = 0
    const watching = setInterval(() => (most = Math.max(most, processesOf(...words).length)), 50)
    ip("link", "set", `${name}a`, "down")
    await eventually(async () => (await nodes()) === "far down,near up", "the one with the database knows")
    await eventually(() => {
      const now = processesOf(...words)
      return now.length === 1 && now[0] !== first
    }, "the task runs again, where the database is")
    assert.strictEqual(most, 1, "it was ended far away before that")
    await eventually(async () => (await healthOf(far, farEnv)) === 69, "the one that is cut off takes no work")
    for (const node of [nearNode, farNode]) assert.isNull(node.child.exitCode)

    ip("link", "set", `${name}a`, "up")
    await eventually(async () => (await nodes()) === "far up,near up", "both are there again")
    await eventually(async () => (await healthOf(far, farEnv)) === 0, "both take work")
    assert.strictEqual(most, 1)
    clearInterval(watching)
    const again = await far.run(["tasks", "submit", "--wait", "--node", "far", "--", "/bin/echo", "back"], farEnv)
    assert.strictEqual(again.code, 0, again.stderr)
    await stop(farNode, far)
    await stop(nearNode, near)
  }, 240_000)

  const stop = async (node: Running, place: Place) => {
    node.child.kill("SIGTERM")
    const { code, stderr } = await node.ended
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
  }
})
