/**
 * A node as others see it: what it dials and when, whether it answers while one of its parts hangs, whether its ports are
 * there again after it was killed, and that none of its doors lets a secret out.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { Agent, createServer as createHttpServer, get, type Server as HttpServer } from "node:http"
import { request } from "node:https"
import { createServer, isIP, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Journal } from "@novacron/boot"
import { Environment } from "@novacron/components"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import type { Decoded, DecodedSpan } from "../../packages/components/test/monitoring/fixtures/Decoder.ts"
import { type Environment as Variables, eventually, isOpen, Place, type Running } from "./Novacron.ts"
import { Postgres } from "./Servers.ts"
import type { Deed } from "./Sockets.ts"

let place: Place
const servers: Array<Server | HttpServer> = []
const sockets = new Set<Socket>()
beforeEach(() => {
  place = new Place()
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  // Who says nothing hears nothing either, not even that the other side has gone.
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  place.remove()
})

const stop = async (node: Running) => {
  node.child.kill("SIGTERM")
  const { code, stderr } = await node.ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(place.leftovers(), [])
}

const listening = async <S extends Server | HttpServer>(server: S): Promise<number> => {
  servers.push(server)
  server.on("connection", (socket: Socket) => void sockets.add(socket))
  await new Promise<void>((resume) => server.listen(0, "127.0.0.1", resume))
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** An answer of a port on loopback, and how long it took. */
const ask = (port: number, path: string, agent?: Agent) =>
  new Promise<{ readonly status: number; readonly text: string; readonly ms: number }>((resume, reject) => {
    const began = performance.now()
    const asked = get({ host: "127.0.0.1", port, path, ...(agent === undefined ? {} : { agent }) }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => resume({ status: response.statusCode ?? 0, text, ms: performance.now() - began }))
    })
    asked.once("error", reject)
  })

/** Asks the API with the certificate of the node itself, which nobody but its user can read. */
const askApi = (port: number, path: string, headers: { readonly [name: string]: string } = {}) =>
  new Promise<{ readonly status: number; readonly text: string }>((resume, reject) => {
    const [own, ca] = ["node.pem", "ca.pem"].map((name) => readFileSync(join(place.dataDir, "security", name)))
    const tls = { cert: own!, key: own!, ca: certificatesOf(ca!), rejectUnauthorized: true, servername: "localhost" }
    request({ host: "127.0.0.1", port, path, headers, ...tls }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => resume({ status: response.statusCode ?? 0, text }))
    })
      .once("error", reject)
      .end()
  })

const certificatesOf = (pem: Buffer): string => {
  const text = pem.toString()
  return text.slice(text.indexOf("-----BEGIN CERTIFICATE"))
}

/** What a process did with sockets, and when it says that security was ready. */
const deedsOf = (file: string, node: Running) => {
  const deeds = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line): Deed => JSON.parse(line))
    .filter(({ pid }) => pid === node.child.pid)
  const security = node.lines().find((line) => line.event === "ComponentReady" && line.component === "security")
  const readyAt = String(security?.["timestamp"])
  assert.match(readyAt, /^\d{4}-/)
  // An address is no name, and a socket of the file system is no way out.
  const isInside = ({ did, what }: Deed) =>
    did === "lookup" ? isIP(JSON.parse(what)[0]) !== 0 : what.includes(place.directory)
  const before = deeds.filter(({ at }) => at < readyAt)
  const dialled = before.filter((deed) => deed.did !== "listen" && !isInside(deed))
  return { before, dialled, after: deeds.filter(({ at }) => at >= readyAt), readyAt }
}

const recorded = (file: string) => ({
  NODE_OPTIONS: `--import=${join(import.meta.dirname, "Sockets.ts")}`,
  SOCKETS: file
})

/** Somebody who takes connections and never says a word, and remembers when each came and what it said. */
const listener = async () => {
  const calls: Array<{ readonly at: string; bytes: number }> = []
  const port = await listening(
    createServer((socket) => {
      const call = { at: new Date().toISOString(), bytes: 0 }
      calls.push(call)
      socket.on("data", (chunk) => (call.bytes += chunk.length)).on("error", () => undefined)
    })
  )
  return { port, calls }
}

/** A boot that gets to its database, which keeps silent, and is told to end. */
const bootTo = async (database: number, env: Variables) => {
  const node = await place.start(["boot"], {
    NOVACRON_DATABASE_URL: `postgres://a:swordfish@127.0.0.1:${database}/d?sslmode=disable`,
    ...env
  })
  await node.until((line) => line.event === "ComponentSlow" && line.component === "database")
  node.child.kill("SIGTERM")
  assert.strictEqual((await node.ended).code, 143)
  return node
}

describe("before security is ready", () => {
  it("a node dials nobody and looks up no name, and listens for those who ask after its health alone", async () => {
    const file = place.path("sockets.jsonl")
    // Said, and not measured: measuring asks the gateway how far it is.
    const node = await place.ready([], { ...recorded(file), NOVACRON_ENVIRONMENT_KIND: "hybrid" })
    await stop(node)
    const { after, before, dialled } = deedsOf(file, node)
    assert.deepStrictEqual(dialled, [])
    const opened = before.filter(({ did }) => did === "listen").map(({ what }) => what)
    assert.isAbove(opened.length, 0)
    for (const what of opened) assert.match(what, /control\.sock|"host":"127\.0\.0\.1"/)
    // The recorder has seen something: what comes after is there.
    assert.isAbove(after.filter(({ did }) => did === "connect").length, 0)
    assert.isAbove(after.filter(({ did }) => did === "listen").length, 2)
  })

  it("a node with servers of others dials nobody either, told its environment and to try nobody", async () => {
    const [file, { calls, port }] = [place.path("sockets.jsonl"), await listener()]
    const node = await bootTo(port, {
      ...recorded(file),
      NOVACRON_ENVIRONMENT_KIND: "hybrid",
      NOVACRON_PREFLIGHT_ENABLED: "false"
    })
    const { dialled, readyAt } = deedsOf(file, node)
    assert.deepStrictEqual(dialled, [])
    assert.isAbove(calls.length, 0)
    assert.deepStrictEqual(
      calls.filter(({ at }) => at < readyAt),
      []
    )
  })

  it("a node as it is by default only sees whether servers and gateway answer, and tells them nothing", async () => {
    const [file, { calls, port }] = [place.path("sockets.jsonl"), await listener()]
    const node = await bootTo(port, recorded(file))
    const { dialled, readyAt } = deedsOf(file, node)
    const gateway = Environment.gatewayOf(readFileSync("/proc/net/route", "utf8"))
    const to = dialled.filter(({ did }) => did === "connect").map(({ what }) => JSON.parse(what))
    const expected = [`127.0.0.1:${port}`, ...(gateway === undefined ? [] : [`${gateway}:80`])]
    assert.sameMembers([...new Set(to.map(([one]) => `${one.host}:${one.port}`))], expected)
    // The pre-flight came, and went without a word. Who it is, the database hears when security is ready.
    const early = calls.filter(({ at }) => at < readyAt)
    assert.isAbove(early.length, 0)
    assert.deepStrictEqual(
      early.map(({ bytes }) => bytes),
      early.map(() => 0)
    )
    assert.isAbove(calls.filter(({ at, bytes }) => at >= readyAt && bytes > 0).length, 0)
  })
})

/** A collector that takes everything. */
const collecting = async () => {
  const bodies: Array<Buffer> = []
  const port = await listening(
    createHttpServer((question, answer) => {
      const chunks: Array<Buffer> = []
      question.on("data", (chunk: Buffer) => void chunks.push(chunk))
      question.on("end", () => {
        bodies.push(Buffer.concat(chunks))
        answer.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    })
  )
  const spansIn = (body: Buffer): ReadonlyArray<DecodedSpan> => {
    const { resourceSpans }: Decoded = JSON.parse(body[0] === 0x1f ? gunzipSync(body).toString() : body.toString())
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
  }
  return { endpoint: `http://127.0.0.1:${port}`, told: () => bodies.flatMap(spansIn) }
}

describe("the trace of a boot", () => {
  it("shows that the settings are read first, then the log and the look at the environment, then security", async () => {
    const { endpoint, told } = await collecting()
    const node = await place.ready([], { NOVACRON_MONITORING_TRACES_ENDPOINT: endpoint })
    await stop(node)
    const spans = told()
    const [settings, log, environment, security] = ["config parsing", "logger", "environment", "security"].map(
      (name) => {
        const found = spans.find((span) => span.name === name)
        if (found === undefined) throw new Error(`no span ${name} among ${spans.map((span) => span.name).join()}`)
        return { trace: found.traceId, from: BigInt(found.startTimeUnixNano), to: BigInt(found.endTimeUnixNano) }
      }
    )
    for (const early of [log!, environment!]) {
      assert.isTrue(settings!.to <= early.from)
      assert.isTrue(early.to <= security!.from)
      assert.strictEqual(early.trace, settings!.trace)
    }
  })
})

describe("the trace of whoever asks", () => {
  it("has the span of the request, as server, if it is sampled; one that nobody traces has none", async () => {
    const { endpoint, told } = await collecting()
    const api = await freePort()
    const node = await place.ready([], {
      NOVACRON_MONITORING_TRACES_ENDPOINT: endpoint,
      NOVACRON_API_PORT: `${api}`,
      NOVACRON_SECURITY_AUTHENTICATION_CERTIFICATE_ROLES: "admin"
    })
    const [trace, unsampled, parent] = ["0af7651916cd43dd8448eb211c80319c", "1".repeat(32), "b7ad6b7169203331"]
    assert.strictEqual((await askApi(api, "/v1/nodes")).status, 200)
    await askApi(api, "/v1/nodes", { traceparent: `00-${unsampled}-${parent}-00` })
    await askApi(api, "/v1/nodes", { traceparent: `00-${trace}-${parent}-01` })
    await stop(node)
    const requests = told().filter(({ kind }) => kind === 2)
    assert.strictEqual(requests.length, 1)
    const { attributes, name, parentSpanId, spanId, traceId } = requests[0]!
    assert.deepStrictEqual([traceId, parentSpanId, name], [trace, parent, "GET /v1/nodes"])
    assert.notStrictEqual(spanId, parent)
    assert.deepInclude([...(attributes ?? [])], { key: "http.response.status_code", value: { intValue: 200 } })
  })
})

describe("health", () => {
  it("is told within ten milliseconds while a part hangs: alive, not ready", async () => {
    // Takes connections and never says a word.
    const silent = await listening(createServer(() => undefined))
    const port = await freePort()
    const node = await place.start(["boot"], {
      NOVACRON_HEALTH_PORT: `${port}`,
      NOVACRON_DATABASE_URL: `postgres://a:swordfish@127.0.0.1:${silent}/d?sslmode=disable`
    })
    await node.until((line) => line.event === "ComponentStarted" && line.component === "database")
    await node.until((line) => line.event === "ComponentSlow" && line.component === "database")
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const took: Array<number> = []
    for (let i = 0; i < 100; i++) {
      const { ms, status } = await ask(port, "/live", agent)
      assert.strictEqual(status, 200)
      took.push(ms)
    }
    agent.destroy()
    // The machine may be busy with other things; the node is not.
    assert.isBelow(Math.min(...took), 10)
    assert.strictEqual((await ask(port, "/ready")).status, 503)
    node.child.kill("SIGTERM")
    const { code, stderr } = await node.ended
    assert.strictEqual(code, 143, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
  })

  it("is told right 9,990 times of 10,000 and more, by a node that is asked by 32 at a time", async () => {
    const port = await freePort()
    const node = await place.ready([], { NOVACRON_HEALTH_PORT: `${port}` })
    await eventually(async () => (await ask(port, "/health")).status === 200, "it is healthy")
    const agent = new Agent({ keepAlive: true, maxSockets: 32 })
    let asked = 0
    let passed = 0
    const asking = async () => {
      while (asked++ < 10_000) {
        const { status, text } = await ask(port, "/health", agent).catch(() => ({ status: 0, text: "" }))
        if (status === 200 && text.includes('"status":"healthy"')) passed++
      }
    }
    await Promise.all(Array.from({ length: 32 }, asking))
    agent.destroy()
    assert.isAtLeast(passed, 9_990)
    await stop(node)
  })
})

describe("a database", () => {
  it("whose certificate is for another name gets no password: the boot ends after one attempt", async () => {
    const server = await Postgres.make()
    try {
      const [cert, key] = [place.path("server.crt"), place.path("server.key")]
      const own = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
      const name = ["-subj", "/CN=elsewhere", "-addext", "subjectAltName=DNS:elsewhere"]
      execFileSync("openssl", ["req", "-x509", ...own, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" })
      server.tls = { cert, key }
      await server.up()
      const boot = (mode: string) =>
        place.run(["boot", "--exit-when-ready"], {
          NOVACRON_DATABASE_URL: server.url("swordfish", mode),
          NOVACRON_DATABASE_SSL_ROOT_CERT: cert
        })
      const { code, stderr } = await boot("verify-full")
      assert.strictEqual(code, 69, stderr)
      assert.match(stderr, /critical component "database" did not start +NVC-2107 +exit 69/)
      assert.include(stderr, "tried     once")
      assert.notInclude(stderr, "swordfish")
      assert.deepStrictEqual(place.leftovers(), [])
      // It is the name that was wrong, and nothing else.
      assert.strictEqual((await boot("verify-ca")).code, 0)
    } finally {
      await server.remove()
    }
  })
})

describe("the version of the settings", () => {
  it("is in the status, in the report, and in the journal with the checkpoints", async () => {
    const { stdout } = await place.run(["config", "check", "--json"])
    const { version } = JSON.parse(stdout)
    assert.match(version, /^[0-9a-f]{16}$/)
    const node = await place.ready(["--report", "r.json"])
    const status = JSON.parse((await place.run(["status", "--json"])).stdout)
    assert.strictEqual(status.report.configVersion, version)
    await stop(node)
    assert.strictEqual(JSON.parse(readFileSync(place.path("r.json"), "utf8")).configVersion, version)
    const [journal = ""] = readdirSync(join(place.dataDir, "journal"))
    const { events } = Journal.decode(readFileSync(join(place.dataDir, "journal", journal)))
    const [begun] = events
    assert.strictEqual(begun?._tag === "BootStarted" ? begun.configVersion : begun?._tag, version)
    assert.strictEqual(events.filter(({ _tag }) => _tag === "CheckpointReached").length, 5)
  })
})

describe.skipIf(spawnSync("psql", ["--version"]).status !== 0)("a node that listens at any port that is free", () => {
  it("tells others those that it really has, also after its API was built anew", async () => {
    const server = await Postgres.make()
    try {
      await server.up()
      const node = await place.ready([], { NOVACRON_DATABASE_URL: server.url(), NOVACRON_DISCOVERY_LEASE: "3s" })
      const listed = ["-XAt", "-c", "SELECT addresses FROM novacron_peers", server.url()]
      const told = async () => {
        const { url } = JSON.parse(readFileSync(join(place.dataDir, "api/local.json"), "utf8"))
        const [one] = JSON.parse((await place.run(["nodes", "--json"])).stdout)
        const peer = JSON.parse(execFileSync("psql", listed, { encoding: "utf8" }).trim() || "{}")
        return { url, address: one.address, addresses: Object.entries<string>(peer) }
      }
      const agree = async () => {
        const { address, addresses, url } = await told()
        return address === url && addresses.some(([, one]) => one === url)
      }
      await eventually(agree, "the address of the API")
      const before = await told()
      assert.sameMembers(
        before.addresses.map(([name]) => name),
        ["api", "dwcp", "peers"]
      )
      for (const [, address] of before.addresses)
        assert.isTrue(await isOpen(Number(/\d+$/.exec(address)?.[0])), address)
      const again = await place.run(["restart", "api", "--with-dependents"])
      assert.strictEqual(again.code, 0, again.stderr)
      await eventually(async () => (await told()).url !== before.url && (await agree()), "the new address of the API")
      await stop(node)
    } finally {
      await server.remove()
    }
  })
})

describe("ports of a node that was killed", () => {
  it("are those of the next one at once", async () => {
    const names = ["HEALTH", "NETWORK_BIND", "MONITORING", "DASHBOARD", "DWCP_BIND", "API", "API_GRPC"]
    const ports = await Promise.all(names.map(freePort))
    const env = Object.fromEntries(names.map((name, i) => [`NOVACRON_${name}_PORT`, `${ports[i]}`]))
    for (let life = 0; life < 3; life++) {
      const node = await place.ready([], env)
      // Somebody is connected to each of them when it happens.
      for (const port of ports) assert.isTrue(await isOpen(port), `${port}`)
      assert.strictEqual(node.lines().filter(({ event }) => event === "AttemptFailed").length, 0)
      node.child.kill("SIGKILL")
      await node.ended
      for (const port of ports) assert.isFalse(await isOpen(port), `${port}`)
    }
    await stop(await place.ready([], env))
    for (const port of ports) assert.isFalse(await isOpen(port), `${port}`)
  })
})

describe("a secret", () => {
  it("gets out by no door: metrics, health, every page of the API, traces, the timeline, the dashboard", async () => {
    const canary = "kanarienvogel-4711"
    let exported = ""
    const collector = await listening(
      createHttpServer((question, answer) => {
        question.on("data", (chunk: Buffer) => (exported += chunk.toString("latin1")))
        question.on("end", () => answer.writeHead(200, { "content-type": "application/json" }).end("{}"))
      })
    )
    const [health, metrics, api, dashboard] = await Promise.all([0, 1, 2, 3].map(() => freePort()))
    const env = {
      NOVACRON_CACHE_URL: `redis://:${canary}@127.0.0.1:1`,
      NOVACRON_MONITORING_TRACES_ENDPOINT: `http://127.0.0.1:${collector}`,
      NOVACRON_MONITORING_TRACES_AUTHORIZATION: `Bearer ${canary}`,
      NOVACRON_HEALTH_PORT: `${health}`,
      NOVACRON_MONITORING_PORT: `${metrics}`,
      NOVACRON_API_PORT: `${api}`,
      NOVACRON_DASHBOARD_PORT: `${dashboard}`,
      // Whoever has a certificate of this node may see everything that there is to see.
      NOVACRON_SECURITY_AUTHENTICATION_CERTIFICATE_ROLES: "admin"
    }
    const node = await place.ready([], env)
    const said: Array<readonly [string, string]> = []
    for (const path of ["/live", "/ready", "/health", "/health/components"]) {
      said.push([path, (await ask(health!, path)).text])
    }
    said.push(["metrics", (await ask(metrics!, "/metrics")).text])
    for (const path of ["/", "/api/settings", "/api/report", "/events"]) {
      said.push([`dashboard ${path}`, (await ask(dashboard!, path)).text])
    }
    const document = await askApi(api!, "/openapi.json")
    assert.strictEqual(document.status, 200, document.text)
    const paths = Object.entries<object>(JSON.parse(document.text).paths).filter(([, methods]) => "get" in methods)
    const plain = paths.map(([path]) => path).filter((path) => !path.includes("{") && !/watch|events|stream/.test(path))
    assert.isAbove(plain.length, 4, paths.map(([path]) => path).join())
    let answered = 0
    for (const path of plain) {
      const { status, text } = await askApi(api!, path)
      if (status === 200) answered++
      said.push([path, text])
    }
    assert.isAbove(answered, 3, said.map(([path, text]) => `${path} ${text.slice(0, 80)}`).join("\n"))
    const other = place.path("other.yaml")
    writeFileSync(other, "{}\n", { mode: 0o600 })
    for (const args of [
      ["trace"],
      ["trace", "--json"],
      ["dwcp", "status"],
      ["tasks", "list"],
      ["doctor"],
      ["status", "--json"],
      ["why", "cache"],
      ["health"],
      ["config", "check", "--json"],
      ["config", "explain", "--json"],
      ["config", "diff", other]
    ]) {
      const { stderr, stdout } = await place.run(args, env)
      said.push([args.join(" "), `${stdout}${stderr}`])
    }
    const explained = said.find(([what]) => what === "config explain --json")
    assert.include(explained?.[1], "monitoring.traces.authorization")
    // Redis is not there, and that is told of with its address.
    assert.include(said.find(([what]) => what === "why cache")?.[1], "127.0.0.1:1")
    await stop(node)
    said.push(["its own output", `${node.stdout()}${node.stderr()}`])
    // What it keeps of itself: the journal, the audit log, the history of settings. The database keeps what it is given.
    const files = readdirSync(place.dataDir, { recursive: true, withFileTypes: true }).filter(
      (one) => one.isFile() && !one.parentPath.startsWith(join(place.dataDir, "postgresql"))
    )
    assert.isAbove(files.length, 5)
    for (const { name, parentPath } of files) {
      said.push([join(parentPath, name), readFileSync(join(parentPath, name), "latin1")])
    }
    await eventually(() => exported.length > 0, "spans were sent")
    assert.include(said.find(([what]) => what === "metrics")?.[1], "novacron_")
    for (const [what, text] of [...said, ["spans", exported] as const]) assert.notInclude(text, canary, what)
  })
})

describe.skipIf(spawnSync("systemd-analyze", ["--version"]).status !== 0)("the unit of systemd", () => {
  it("in the guide is one that systemd accepts", () => {
    const guide = readFileSync(join(import.meta.dirname, "../../docs/OPERATIONS.md"), "utf8")
    const unit = /```ini\n([^]*?)```/.exec(guide)?.[1]
    assert.isDefined(unit)
    if (unit === undefined) return
    const path = place.path("novacron.service")
    execFileSync("tee", [path], {
      input: unit.replaceAll(/\/usr\/[\w/.-]*novacron/g, "/bin/true"),
      stdio: ["pipe", "ignore", "pipe"]
    })
    assert.isTrue(existsSync(path))
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(
      stderr
        .split("\n")
        .filter((line) => line.includes(path))
        .join("\n"),
      ""
    )
  })
})
