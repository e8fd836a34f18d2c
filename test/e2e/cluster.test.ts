/**
 * Real nodes that are one cluster: one PostgreSQL, one CA, each node a process of the published program. What operators
 * do with them: run tasks across them, exchange one for another, lose one, and lose everything but a backup.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream"
import { afterAll, assert, beforeAll, describe, it, onTestFinished } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { asking } from "./Asking.ts"
import { Authority, hasOpenssl } from "./Authority.ts"
import { type Environment, eventually, Place, type Running } from "./Novacron.ts"
import { Postgres } from "./Servers.ts"

/** A place for a node of the cluster. */
class Member {
  readonly place = new Place()
  readonly id: string
  readonly env: Environment
  readonly apiPort: number

  private constructor(id: string, apiPort: number, env: Environment) {
    this.id = id
    this.apiPort = apiPort
    this.env = env
  }

  static async make(id: string, authority: Authority, database: string): Promise<Member> {
    const { ca, cert, key } = authority.issue(id)
    const apiPort = await freePort()
    return new Member(id, apiPort, {
      NOVACRON_SYSTEM_NODE_ID: id,
      NOVACRON_DATABASE_URL: database,
      NOVACRON_SECURITY_TLS_CA: ca,
      NOVACRON_SECURITY_TLS_CERT: cert,
      NOVACRON_SECURITY_TLS_KEY: key,
      NOVACRON_API_PORT: `${apiPort}`,
      NOVACRON_API_RATE_PER_MINUTE: "100000",
      NOVACRON_API_RATE_BURST: "1000",
      NOVACRON_ORCHESTRATION_CLUSTER_ENABLED: "true",
      NOVACRON_ORCHESTRATION_CLUSTER_PORT: `${await freePort()}`
    })
  }

  boot(): Promise<Running> {
    return this.place.ready([], this.env)
  }

  /** What a command prints as JSON; fails when it fails. */
  async ask(...args: ReadonlyArray<string>): Promise<unknown> {
    const dashes = args.includes("--") ? args.indexOf("--") : args.length
    const asJson = [...args.slice(0, dashes), "--json", ...args.slice(dashes)]
    const { code, stderr, stdout } = await this.place.run(asJson, this.env)
    assert.strictEqual(code, 0, stderr)
    return JSON.parse(stdout)
  }

  /** The nodes as this one knows them, each with its state. */
  async nodes(): Promise<ReadonlyArray<string>> {
    const all = await this.ask("nodes")
    if (!Array.isArray(all)) throw new Error(`no nodes: ${JSON.stringify(all)}`)
    return all.map(({ id, state }: { readonly id: string; readonly state: string }) => `${id} ${state}`).toSorted()
  }
}

/** What stands before the nodes: connections that come in go to whichever one it points at. */
class Switch {
  target = 0
  private readonly open = new Map<Socket, number>()
  private readonly server: Server = createServer((incoming) => {
    const { target } = this
    const outgoing = connect(target, "127.0.0.1")
    this.open.set(incoming, target)
    pipeline(incoming, outgoing, incoming, () => {
      this.open.delete(incoming)
      incoming.destroy()
      outgoing.destroy()
    })
  })

  listen(): Promise<void> {
    return new Promise((resume) => this.server.listen(0, "127.0.0.1", resume))
  }

  get port(): number {
    const address = this.server.address()
    return isAddress(address) ? address.port : 0
  }

  connectionsTo(port: number): number {
    return [...this.open.values()].filter((target) => target === port).length
  }

  close(): void {
    this.server.close()
    for (const socket of this.open.keys()) socket.destroy()
  }
}

const isAddress = (address: AddressInfo | string | null): address is AddressInfo => typeof address === "object"

describe.skipIf(!hasOpenssl)("a cluster", () => {
  let authority: Authority
  let database: Postgres
  const members: Array<Member> = []
  const member = async (id: string): Promise<Member> => {
    const made = await Member.make(id, authority, database.url())
    members.push(made)
    return made
  }
  beforeAll(async () => {
    authority = new Authority("cluster")
    database = await Postgres.make()
    await database.up()
  })
  afterAll(async () => {
    for (const { place } of members) place.remove()
    authority.remove()
    await database.remove()
  })

  it("of two nodes runs what either is given, where it is wanted, and goes on without the one that is killed", async () => {
    const [one, two] = [await member("node-1"), await member("node-2")]
    const nodes = await Promise.all([one.boot(), two.boot()])
    await eventually(async () => (await one.nodes()).join() === "node-1 up,node-2 up", "both know both")

    const there = await one.ask("tasks", "submit", "--wait", "--node", "node-2", "--", "/bin/echo", "hello")
    assert.containSubset(there, { state: "succeeded", attempts: [{ node: "node-2", exitCode: 0 }] })
    const { id } = named(there)
    assert.include((await two.place.run(["tasks", "logs", id], two.env)).stdout, "hello")

    const long = named(await two.ask("tasks", "submit", "--", "/bin/sleep", "600"))
    const again = named(await two.ask("tasks", "submit", "--node", "node-2", "--", "/bin/sleep", "600"))
    const running = async () => {
      const task: unknown = await two.ask("tasks", "show", long.id)
      return JSON.stringify(task).includes('"state":"running"')
    }
    await eventually(running, "the long one runs")
    nodes[0]?.child.kill("SIGKILL")
    await nodes[0]?.ended
    await eventually(async () => (await two.nodes()).join() === "node-1 down,node-2 up", "the one that is left knows")
    await eventually(async () => {
      const task = await two.ask("tasks", "show", long.id)
      return JSON.stringify(task).includes('"node":"node-2"') && running()
    }, "it runs again where somebody is left")
    for (const task of [long, again]) await two.ask("tasks", "cancel", task.id)
    nodes[1]?.child.kill("SIGTERM")
    assert.strictEqual((await nodes[1]?.ended)?.code, 0)
    assert.deepStrictEqual(two.place.leftovers(), [])
  })

  it("has one node exchanged for another, and no request fails; one that does not start changes nothing", async () => {
    const [blue, green] = [await member("blue"), await member("green")]
    const old = await blue.boot()
    const made = await blue.place.run(["api-token", "create", "switch", "--role", "viewer"], blue.env)
    assert.strictEqual(made.code, 0, made.stderr)
    const before = new Switch()
    before.target = blue.apiPort
    await before.listen()
    const asked = asking(before.port, readFileSync(authority.ca), () => made.stdout.trim())
    const more = async (what: string) => {
      const so = asked.count()
      await eventually(() => asked.count() >= so + 20, what)
    }
    await more("blue answers")

    const taken = await green.place.run(["boot"], { ...green.env, NOVACRON_API_PORT: `${blue.apiPort}` })
    assert.strictEqual(taken.code, 73, taken.stderr)
    await more("blue still answers")

    const young = await green.boot()
    before.target = green.apiPort
    await eventually(() => before.connectionsTo(blue.apiPort) === 0, "nobody asks blue any more")
    old.child.kill("SIGTERM")
    assert.strictEqual((await old.ended).code, 0)
    await more("green answers")
    const answers = await asked.stop()
    before.close()
    assert.deepStrictEqual([...answers.keys()], ["200"])
    young.child.kill("SIGTERM")
    assert.strictEqual((await young.ended).code, 0)
  })

  it("grows with its load and shrinks after it as `recommend` says, and does each task once", async () => {
    const first = await member("scale-1")
    const running = [await first.boot()]
    const up = async () => {
      const all = await first.ask("nodes")
      return Array.isArray(all) ? all.filter(({ state }) => state === "up") : []
    }
    const advised = async () => {
      const said = await first.ask("recommend")
      return Number(Object(said).nodes.change)
    }
    const left = async () => (await up()).reduce((sum, { capacity, used }) => sum + capacity.cpu - used.cpu, 0)
    const tasksThat = async (state: string) => {
      const page = await first.ask("tasks", "list", "--group", "load", "--state", state, "--limit", "200")
      return Object(page).tasks
    }
    await eventually(async () => (await up()).length === 1, "it is there")
    assert.strictEqual(await advised(), 0)

    // Twice what one node has; each takes a core until it is told that it is enough.
    const [{ capacity }] = await up()
    // Not in the directory of the node: tasks of a node of root run as 65533, who sees nothing of it.
    const enough = join(tmpdir(), `novacron-enough-${process.pid}`)
    const work = `until [ -e ${enough} ]; do sleep 0.2; done`
    const count = 2 * Math.floor(capacity.cpu)
    for (let k = 0; k < count; k++) {
      await first.ask("tasks", "submit", "--group", "load", "--cpu", "1", "--", "/bin/sh", "-c", work)
    }
    const placed = async () => (await left()) < 1 || (await tasksThat("queued")).length === 0
    await eventually(placed, "it does what it can")
    assert.strictEqual((await tasksThat("queued")).length, count / 2)
    for (let more = await advised(); more > 0; more = await advised()) {
      for (; more > 0; more--) {
        const one = await member(`scale-${running.length + 1}`)
        running.push(await one.boot())
      }
      await eventually(async () => (await up()).length === running.length, "the new ones are there")
      await eventually(placed, "they do what waits")
    }
    // Two for the work, and one that may be lost.
    assert.strictEqual(running.length, 3)
    await eventually(async () => (await tasksThat("running")).length === count, "nothing waits")
    const spread = new Set<unknown>()
    for (const { attempts } of await tasksThat("running")) spread.add(attempts.at(-1).node)
    assert.isAtLeast(spread.size, 2)

    writeFileSync(enough, "")
    onTestFinished(() => rmSync(enough, { force: true }))
    await eventually(async () => (await tasksThat("succeeded")).length === count, "all is done")
    for (const { attempts } of await tasksThat("succeeded")) assert.lengthOf(attempts, 1)
    await eventually(async () => (await left()) === 3 * capacity.cpu, "nothing is asked of them any more")
    while ((await advised()) < 0) {
      const one = running.pop()
      one?.child.kill("SIGTERM")
      assert.strictEqual((await one?.ended)?.code, 0)
      await eventually(async () => (await up()).length === running.length, "it has gone")
    }
    assert.strictEqual(running.length, 2)
    for (const one of running) one.child.kill("SIGTERM")
    for (const one of running) assert.strictEqual((await one.ended).code, 0)
  }, 300_000)

  it("that has lost its database is what it was when that was backed up", async () => {
    const only = await member("only")
    const node = await only.boot()
    const task = named(await only.ask("tasks", "submit", "--wait", "--name", "kept", "--", "/bin/echo", "kept"))
    const backup = join(only.place.directory, "backup")
    // A cold one: the node lives through it.
    await database.down()
    execFileSync("cp", ["-a", database.data, backup])
    await database.up()
    const later = named(await only.ask("tasks", "submit", "--wait", "--name", "later", "--", "/bin/echo", "later"))
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)

    await database.remove()
    database = await Postgres.make()
    rmSync(database.data, { recursive: true })
    execFileSync("cp", ["-a", backup, database.data])
    await database.up()
    const env = { ...only.env, NOVACRON_DATABASE_URL: database.url() }
    const restored = await only.place.ready([], env)
    const { stdout } = await only.place.run(["tasks", "list", "--json"], env)
    assert.include(stdout, task.id)
    assert.notInclude(stdout, later.id)
    assert.include((await only.place.run(["tasks", "logs", task.id], env)).stdout, "kept")
    restored.child.kill("SIGTERM")
    assert.strictEqual((await restored.ended).code, 0)
  })
})

const named = (task: unknown): { readonly id: string } => {
  const id = typeof task === "object" && task !== null && "id" in task ? task.id : undefined
  if (typeof id !== "string") throw new Error(`no task: ${JSON.stringify(task)}`)
  return { id }
}
