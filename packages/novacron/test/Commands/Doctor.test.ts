import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import type { Finding } from "../../src/Commands/Doctor.ts"
import { doctor } from "../../src/Commands/Doctor.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

/** No port of this machine, but for those that a test gives. */
const anyPorts = {
  "health.port": "0",
  "network.bind_port": "0",
  "dwcp.bind_port": "0",
  "api.port": "0",
  "api.grpc.port": "0",
  "monitoring.port": "0",
  "dashboard.port": "0"
}

/** What it finds with settings, by subject. */
const found = async (set: { readonly [key: string]: string }) => {
  const { code, out } = await room.run(doctor, { ...asked, json: true, set: { ...anyPorts, ...set } })
  const findings: ReadonlyArray<Finding> = JSON.parse(out)
  return { code, of: (subject: string) => findings.findLast((one) => one.subject === subject) }
}

/** A port that somebody listens on until the test is over. */
const taken = async (use: (port: number) => Promise<void>) => {
  const port = await freePort()
  const other = createServer()
  await new Promise<void>((resume) => other.listen(port, "127.0.0.1", resume))
  await use(port).finally(() => other.close())
}

describe("doctor", () => {
  it("finds nothing wrong on a machine that a node can boot on", async () => {
    const { code, out } = await room.run(doctor, { ...asked, set: anyPorts })
    assert.strictEqual(code, 0, out)
    assert.match(out, /✓ settings .*\n {2}✓ plan /)
    assert.match(out, /✓ ports {4,}free: any\n/)
  })

  it("finds settings that are wrong, all of them, and exits 78", async () => {
    const { code, out } = await room.run(doctor, { ...asked, set: { "a.b": "1", "c.d": "2" } })
    assert.strictEqual(code, 78)
    assert.match(out, /✗ settings/)
    assert.include(out, "a.b")
    assert.include(out, "c.d")
  })

  it("finds each port that is taken, and the setting that asks for it", async () => {
    await taken(async (port) => {
      const wanted = ["system.health_check_port", "network.bind_port", "dwcp.bind_port", "api.port", "api.grpc.port"]
      for (const [i, subject] of ["health", "peers", "dwcp", "api", "grpc"].entries()) {
        const setting = wanted[i] ?? ""
        const { code, of } = await found({ [setting]: `${port}` })
        assert.strictEqual(code, 78, subject)
        assert.deepInclude(of(`${subject} port`), { state: "bad" })
        const text = of(`${subject} port`)?.text ?? ""
        assert.include(text, `is taken by process ${process.pid} (`)
        assert.include(text, `; ${setting} = ${port} from -s ${setting}`)
      }
    })
  })

  it("finds two parts of the node that want the same port", async () => {
    const port = `${await freePort()}`
    const { code, of } = await found({ "network.bind_port": port, "api.port": port })
    assert.strictEqual(code, 78)
    assert.include(of("api port")?.text, "is the peers port too; api.port")
  })

  it("takes a port for less that a node can do without", async () => {
    await taken(async (port) => {
      const { code, of } = await found({ "monitoring.port": `${port}`, "dashboard.port": `${port}` })
      assert.strictEqual(of("metrics port")?.state, "warning")
      assert.strictEqual(of("dashboard port")?.state, "warning")
      assert.strictEqual(code, 0)
    })
  })

  it("finds a database that nobody serves; a cache that nobody serves is no reason not to boot", async () => {
    const nobody = await freePort()
    const { code, of } = await found({ "database.url": `postgres://u:hunter2@127.0.0.1:${nobody}/x` })
    assert.strictEqual(code, 78)
    assert.strictEqual(of("database")?.state, "bad")
    assert.match(of("database")?.text ?? "", /does not answer: refused; database\.url from -s database\.url$/)
    const cache = await found({ "cache.url": `redis://127.0.0.1:${nobody}` })
    assert.strictEqual(cache.code, 0)
    assert.strictEqual(cache.of("cache")?.state, "warning")
    await taken(async (port) => {
      const server = await found({ "database.url": `postgres://u@127.0.0.1:${port}/x` })
      assert.strictEqual(server.of("database")?.state, "good")
    })
    const socket = await found({ "database.url": `postgres://u@/x?host=${room.directory}` })
    assert.match(socket.of("database")?.text ?? "", /\.s\.PGSQL\.5432 does not answer: no such socket/)
  })

  it("asks each member of the etcd where nodes are entered, and that of the shared state", async () => {
    const nobody = await freePort()
    await taken(async (port) => {
      const endpoints = `https://127.0.0.1:${port},http://127.0.0.1:${nobody}`
      const told = async (more: { readonly [key: string]: string }) => {
        const set = { ...anyPorts, "discovery.etcd.endpoints": endpoints, ...more }
        const { code, out } = await room.run(doctor, { ...asked, set })
        assert.strictEqual(code, 0, out)
        return out.match(/^.* etcd .*$/gm) ?? []
      }
      const [first = "", second = "", ...more] = await told({})
      assert.match(first, new RegExp(`✓ etcd .*127\\.0\\.0\\.1:${port} answers; discovery\\.etcd\\.endpoints`))
      assert.match(second, new RegExp(`~ etcd .*127\\.0\\.0\\.1:${nobody} does not answer: refused; discovery\\.`))
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(await told({ "discovery.enabled": "false" }), [])
      assert.lengthOf(await told({ "dwcp.sync.etcd.endpoints": endpoints }), 4)
    })
  })

  it("asks those who have to answer before a boot, and calls everything by a name of its own", async () => {
    const nobody = await freePort()
    await taken(async (port) => {
      const ask = async (policy: "warn" | "enforce", enabled: boolean) => {
        const endpoint = (name: string, port: number) => `    - { name: ${name}, host: 127.0.0.1, port: ${port}, `
        const lines = [
          "preflight:",
          `  enabled: ${enabled}`,
          "  endpoints:",
          `${endpoint("ledger", port)}policy: enforce }`,
          // Who is waited for at a boot is not waited for here.
          `${endpoint("mail", nobody)}policy: ${policy}, wait: 10m }`
        ]
        writeFileSync(room.path("novacron.yaml"), `${lines.join("\n")}\n`)
        const flags = { ...asked, json: true, config: room.path("novacron.yaml"), set: anyPorts }
        const { code, out } = await room.run(doctor, flags)
        const findings: ReadonlyArray<Finding> = JSON.parse(out)
        const subjects = findings.map(({ subject }) => subject)
        assert.strictEqual(new Set(subjects).size, subjects.length, subjects.join(", "))
        const of = (name: string) => findings.find(({ subject }) => subject === name)
        return { code, ledger: of("ledger"), mail: of("mail") }
      }
      const warned = await ask("warn", true)
      assert.deepInclude(warned, { code: 0 })
      assert.deepInclude(warned.ledger, { state: "good" })
      assert.match(warned.ledger?.text ?? "", new RegExp(`^127\\.0\\.0\\.1:${port} answers; preflight\\.endpoints`))
      assert.deepInclude(warned.mail, { state: "warning" })
      assert.match(warned.mail?.text ?? "", new RegExp(`:${nobody} does not answer: refused; preflight\\.endpoints`))
      const enforced = await ask("enforce", true)
      assert.deepInclude(enforced, { code: 78 })
      assert.deepInclude(enforced.mail, { state: "bad" })
      assert.deepInclude(await ask("enforce", false), { code: 0, ledger: undefined, mail: undefined })
    })
  })

  it("finds a data directory that cannot be made", async () => {
    writeFileSync(room.path("file"), "")
    mkdirSync(room.path("directory"))
    const { code, of } = await found({ "system.data_dir": room.path("file/below") })
    assert.strictEqual(code, 78)
    assert.match(of("data")?.text ?? "", /cannot be made: .*\/file is no directory$/)
    assert.strictEqual((await found({ "system.data_dir": room.path("directory/below") })).code, 0)
    chmodSync(room.path("directory"), 0o777)
    const open = await found({ "system.data_dir": room.path("directory") })
    assert.strictEqual(open.code, 0)
    assert.match(open.of("data")?.text ?? "", /others may write there: chmod 700 /)
  })

  /** A disk of a few bytes takes root, and a container that lets it mount. */
  it("finds that a data directory has no room, also where others may write", (context) => {
    const data = room.path("full")
    mkdirSync(data)
    const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=777", "none", data]).status === 0
    if (!isMounted) context.skip()
    return found({ "system.data_dir": data })
      .then(({ of }) =>
        assert.match(of("data")?.text ?? "", /, 0 MB free; PostgreSQL .* want more; others may write there: chmod 700/)
      )
      .finally(() => execFileSync("umount", [data]))
  })

  it("finds a node that runs and does not answer, and does not call it none", async () => {
    const data = room.path("d")
    mkdirSync(data)
    const mute = createServer((socket) => socket.end())
    await new Promise<void>((resume) => mute.listen(`${data}/control.sock`, resume))
    const { of } = await found({ "system.data_dir": data })
    mute.close()
    assert.deepInclude(of("node"), { state: "warning" })
    assert.match(of("node")?.text ?? "", /control\.sock does not answer: it hung up/)
  })

  it("finds that settings name no database at all", async () => {
    const { code, of } = await found({ "database.embedded.enabled": "false" })
    assert.strictEqual(code, 78)
    assert.deepInclude(of("database"), { state: "bad" })
    assert.include(of("database")?.text, "database.url is not set")
  })

  it("finds what a boot would refuse about the directory of the embedded database, and changes nothing", async () => {
    const data = room.path("database/data")
    mkdirSync(data, { recursive: true })
    const set = { "database.embedded.data_dir": room.path("database") }
    assert.strictEqual((await found(set)).code, 0)
    writeFileSync(room.path("database/data/PG_VERSION"), "17\n")
    if (process.getuid?.() === 0) execFileSync("chown", ["-R", "65534:65534", data])
    const { code, of } = await found(set)
    assert.strictEqual(code, 78)
    assert.deepInclude(of("database"), { state: "bad" })
    assert.include(of("database")?.text, "it is of PostgreSQL 17, and this one is 18")
    assert.include(of("database")?.text, "database.embedded.data_dir")
    assert.deepStrictEqual(readdirSync(room.path("database")), ["data"])
  })
})
