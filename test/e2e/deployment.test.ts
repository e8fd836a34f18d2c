/**
 * A deployment as `docs/DEPLOYMENT.md` tells it: the commands of that page as they stand there, on real nodes before which
 * the switch stands, while somebody asks without a pause. Then one that must not succeed.
 */
import { spawn, spawnSync } from "node:child_process"
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, request as askPlain } from "node:http"
import { request, type RequestOptions } from "node:https"
import type { Server } from "node:net"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { bundle } from "../../scripts/bundle.ts"
import { asking } from "./Asking.ts"
import { Authority, hasOpenssl } from "./Authority.ts"
import { eventually, Place, processesIn } from "./Novacron.ts"
import { Postgres } from "./Servers.ts"

const root = join(import.meta.dirname, "../..")
const dist = join(root, `packages/novacron/node_modules/.novacron-deployment-${process.pid}`)
const deploy = join(root, "packages/novacron/deploy")

/** The commands below a heading, in bold or with hashes, of the page. */
const commandsOf = (heading: string): string => {
  const page = readFileSync(join(root, "docs/DEPLOYMENT.md"), "utf8")
  const from = page.indexOf(`**${heading}`)
  const [, commands] = /```sh\n([^]*?)```/.exec(from < 0 ? "" : page.slice(from)) ?? []
  if (commands === undefined) throw new Error(`no commands below "${heading}"`)
  return commands
}

describe.skipIf(!hasOpenssl)("a deployment", () => {
  const place = new Place()
  let authority: Authority
  let database: Postgres
  let env: { readonly [name: string]: string } = {}
  const ports: { [name: string]: number } = {}

  /** The settings of a node: its database, and what it does not share with the others. */
  const settings = async (id: string, rate = "per_minute: 100000, burst: 1000"): Promise<void> => {
    const { ca, cert, key } = authority.issue(id)
    ports[id] = await freePort()
    const any = ["health", "monitoring", "dashboard"].map((name) => `${name}: { port: 0 }`)
    const file = join(place.directory, `${id}.yaml`)
    const lines = [
      `system: { node_id: ${id} }`,
      `database: { url: "${database.url()}" }`,
      `security: { tls: { ca: ${ca}, cert: ${cert}, key: ${key} }, ${viewers} }`,
      `api: { port: ${ports[id]}, rate: { ${rate} }, grpc: { port: 0 } }`,
      `orchestration: { cluster: { enabled: true, port: ${await freePort()} } }`,
      "network: { bind_port: 0 }",
      ...any,
      "dwcp:",
      "  bind_port: 0",
      "  v3_rollout_percentage: 0"
    ]
    writeFileSync(file, `${lines.join("\n")}\n`)
    chmodSync(file, 0o600)
  }

  const sh = (script: string) =>
    new Promise<{ readonly code: number | null; readonly out: string }>((resume) => {
      const it = spawn("sh", ["-eu", "-c", script], { cwd: place.directory, env, stdio: ["ignore", "pipe", "pipe"] })
      let out = ""
      it.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
      it.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()))
      it.once("close", (code) => resume({ code, out }))
    })
  const play = async (heading: string): Promise<string> => {
    const { code, out } = await sh(commandsOf(heading))
    assert.strictEqual(code, 0, `${heading}: ${out}`)
    return out
  }

  beforeAll(async () => {
    authority = new Authority("deployment")
    database = await Postgres.make()
    await Promise.all([bundle(dist), database.up()])
    const node = join(root, "node_modules/node/bin/node")
    writeFileSync(join(dist, "novacron"), `#!/bin/sh\nexec ${node} ${join(dist, "novacron.mjs")} "$@"\n`)
    chmodSync(join(dist, "novacron"), 0o755)
    for (const id of ["blue", "green"]) await settings(id)
    // Nobody would notice at its start.
    await settings("red", "per_minute: 1, burst: 6")
    ports["listen"] = await freePort()
    env = {
      PATH: `${dist}:${process.env["PATH"] ?? ""}`,
      HOME: place.directory,
      XDG_CACHE_HOME: join(dist, "cache"),
      CA: authority.ca,
      BLUE: `127.0.0.1:${ports["blue"]}`,
      GREEN: `127.0.0.1:${ports["green"]}`,
      RED: `127.0.0.1:${ports["red"]}`,
      LISTEN: `127.0.0.1:${ports["listen"]}`,
      HOLD: "1s"
    }
  })
  afterAll(async () => {
    // By their pids, each of them: what the commands of the page have started.
    for (const pid of processesIn(place.directory)) process.kill(pid, "SIGKILL")
    place.remove()
    authority.remove()
    await database.remove()
    rmSync(dist, { recursive: true, force: true })
  })

  let token = ""
  let asked: ReturnType<typeof asking>
  const more = async (what: string) => {
    const so = asked.count()
    await eventually(() => asked.count() >= so + 10, what)
  }

  it("goes from canary to cut-over, back, and to all features by the commands of the page; no request fails", async () => {
    await play("A first node")
    const made = await sh("novacron api-token create asks --role viewer -d blue 2>/dev/null")
    token = made.out.trim()
    assert.strictEqual(made.code, 0, made.out)
    asked = asking(ports["listen"] ?? 0, readFileSync(authority.ca), () => token, 20)
    await more("blue answers")
    assert.include(await play("0 and 1"), "system.node_id")
    const rollout = `${commandsOf("2 and 3")}\nprintf %s "$NOVACRON_API_TOKEN" >token`
    const there = await sh(rollout)
    assert.strictEqual(there.code, 0, there.out)
    for (const share of [10, 50, 100]) assert.include(there.out, `green gets ${share} % of the connections`)
    assert.include(there.out, "blue has no connection any more")
    env = { ...env, NOVACRON_API_TOKEN: readFileSync(join(place.directory, "token"), "utf8") }
    const back = await play("Back, while blue still runs")
    assert.match(back, /blue serves; [^]*green serves; /)
    const full = await play("4: full")
    assert.match(full, /"changedKeys":\["dwcp\.v3_rollout_percentage"\]/)
    // The node reads its file when it changes, too: whoever was first is in the log, a moment later.
    const audited = () =>
      readFileSync(join(place.directory, "green/config-audit.jsonl"), "utf8")
        .split("\n")
        .filter((line) => line.includes('"action":"modify"'))
    await eventually(() => audited().length === 3, "each percentage is in the audit log")
    for (const line of audited()) assert.match(line, /"user":"[^"]+".*"success":true.*v3_rollout_percentage/)
    assert.notInclude(readdirSync(join(place.directory, "blue")), "control.sock")
    await more("green answers, with blue gone")
    const health = await sh("novacron switch show --dir switch --json")
    assert.match(health.out, /"name":"green"[^}]*"failed":0/)
  })

  it("leaves everything as it is when the new node does not start, or is not well at its first step", async () => {
    // Nobody listens there.
    const absent = await sh('novacron rollout red="$RED" --dir switch --ca "$CA" --patience 1s')
    assert.strictEqual(absent.code, 69, absent.out)
    assert.include(absent.out, "red got no connection")
    const boot = "novacron boot -c red.yaml -d red >red.log 2>&1 &"
    const wait = "until novacron health -d red >/dev/null 2>&1; do kill -0 $!; sleep 1; done"
    const begun = await sh(`${boot}\n${wait}`)
    assert.strictEqual(begun.code, 0, begun.out)
    const bad = await sh('novacron rollout red="$RED" --dir switch --ca "$CA" --steps 10,100 --hold 1h --every 100ms')
    assert.strictEqual(bad.code, 69, bad.out)
    assert.match(bad.out, /NVC-3017[^]*red had 10 % of the connections, and has none any more[^]*429 Too Many Requests/)
    // Two processes are up, with nothing to do: neither is one too many, and no third is missing.
    const advised = await sh("novacron recommend -c green.yaml -d green --json")
    assert.strictEqual(JSON.parse(advised.out).nodes.change, 0, advised.out)
    // The boot of the one that went wrong, as a picture of what happened.
    const drawn = await sh("novacron trace --mermaid -c red.yaml -d red")
    assert.match(drawn.out, /^sequenceDiagram\n[^]*boot->>c\d+: start database[^]*Note over boot: READY after/)
    const { out } = await sh("novacron switch show --dir switch --json")
    assert.match(out, /"name":"green"[^}]*"weight":100/)
    assert.match(out, /"name":"red"[^}]*"weight":0/)
    await more("green answers")
    const answers = await asked.stop()
    // What the canary refused was its share, and nothing else ever failed.
    assert.sameMembers([...new Set([...answers.keys(), "429"])], ["200", "429"])
    assert.isBelow((answers.get("429") ?? 0) / asked.count(), 0.1)
  })

  it("lets clients keep their certificates through the switch, and headers through a proxy that ends TLS", async () => {
    const { ca, cert, key } = authority.issue("client")
    const trusted = { ca: readFileSync(ca), host: "127.0.0.1", port: ports["listen"], path: "/v1/tasks?limit=1" }
    const certificate = { cert: readFileSync(cert), key: readFileSync(key) }
    assert.strictEqual((await answerTo(trusted)).status, 401)
    assert.strictEqual((await answerTo({ ...trusted, ...certificate })).status, 200)
    // A sidecar as they are: plain to its neighbour, TLS with a certificate of its own to the node.
    const sidecar = createServer((asks, answers) => {
      const { headers, method, url: path } = asks
      const onward = request({ ...trusted, ...certificate, agent: false, method, path, headers })
      onward.on("response", (response) => {
        answers.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(answers)
      })
      onward.on("error", () => answers.destroy())
      asks.pipe(onward)
    })
    await new Promise<void>((resume) => sidecar.listen(0, "127.0.0.1", resume))
    try {
      const through = { host: "127.0.0.1", port: portOf(sidecar), path: "/v1/tasks?limit=1" }
      const asksFor = { "x-request-id": "from-far-away", traceparent }
      const answer = await answerTo({ ...through, headers: asksFor }, askPlain)
      assert.deepInclude(answer, { status: 200, id: "from-far-away" })
    } finally {
      sidecar.close()
    }
  })
})

const viewers = "authentication: { certificate_roles: [viewer] }"
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const answerTo = (options: RequestOptions, ask: typeof request | typeof askPlain = request) =>
  new Promise<{ readonly status: number | undefined; readonly id: string | undefined }>((resume, reject) => {
    const it = ask({ ...options, agent: false })
    it.on("response", ({ headers, statusCode: status }) => resume({ status, id: [headers["x-request-id"]].flat()[0] }))
    it.on("error", reject)
    it.end()
  })

describe("what is shipped for services", () => {
  it("starts nothing of a node before its sidecar is ready", async () => {
    const [port, file, beside] = [await freePort(), "beside.yaml", new Place()]
    let asked = 0
    let isReady = false
    const sidecar = createServer((request, response) => {
      asked += request.url === "/healthz/ready" ? 1 : 0
      response.writeHead(isReady ? 200 : 503).end()
    })
    try {
      const endpoint = `{ name: sidecar, host: 127.0.0.1, port: ${port}, ready: /healthz/ready, wait: 1m, policy: enforce }`
      writeFileSync(beside.path(file), `preflight: { endpoints: [${endpoint}] }\n`, { mode: 0o600 })
      const node = await beside.start(["boot", "-c", file])
      await node.until(({ component, event }) => event === "ComponentStarted" && component === "preflight")
      await new Promise<void>((resume) => sidecar.listen(port, "127.0.0.1", resume))
      await eventually(() => asked > 2, "the node asks, and asks again")
      const begun = node.lines().filter(({ event }) => event === "ComponentStarted")
      assert.notIncludeMembers(
        begun.map(({ component }) => component),
        ["network", "api"]
      )
      for (const { phase } of begun) assert.strictEqual(phase, "pre")
      isReady = true
      await node.until(({ event }) => event === "BootReady")
      node.child.kill("SIGTERM")
      assert.strictEqual((await node.ended).code, 0)
    } finally {
      sidecar.close()
      beside.remove()
    }
  })

  it("is understood by systemd", () => {
    const units = readdirSync(deploy).filter((name) => name.endsWith(".service"))
    assert.sameMembers(units, ["novacron@.service", "novacron-switch.service"])
    // The program is not installed where the tests run: any that is there stands for it.
    const at = new Place()
    const files = units.map((name) => {
      const path = join(at.directory, name.replace("@.", "@blue."))
      writeFileSync(path, readFileSync(join(deploy, name), "utf8").replace("/usr/bin/novacron", "/bin/true"))
      return path
    })
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...files], { encoding: "utf8" })
    at.remove()
    const about = stderr.split("\n").filter((line) => line.includes("novacron"))
    assert.deepStrictEqual(about, [])
    assert.strictEqual(status, 0, stderr)
  })
})
