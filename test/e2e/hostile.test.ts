/**
 * Clients that mean no good, or do not know better, at the API of a real node: bodies without end, connections that say
 * nothing, certificates that have run out. Each gets a documented answer, everybody else is served, the node stays small.
 */
import { execFile } from "node:child_process"
import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { join } from "node:path"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { Authority, hasOpenssl } from "./Authority.ts"
import { Place, type Running } from "./Novacron.ts"

let authority: Authority
let place: Place
const sockets: Array<Socket> = []
beforeAll(() => {
  authority = new Authority("clients")
})
afterAll(() => authority.remove())
beforeEach(() => {
  place = new Place()
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  place.remove()
})

const access = () => JSON.parse(readFileSync(join(place.dataDir, "api/local.json"), "utf8"))

interface Reply {
  readonly status: number
  readonly body: string
  /** What it had sent by then, in bytes. */
  readonly sent: number
}

/** What curl is answered with. */
const curl = (...args: ReadonlyArray<string>): Promise<Reply> =>
  new Promise((resume) => {
    const { serverName, url } = access()
    const { host, port } = new URL(url)
    const known = ["--cacert", authority.ca, "--connect-to", `${serverName}:${port}:${host}`]
    const shown = ["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code} %{size_upload}"]
    const asked = args.map((arg) => (arg.startsWith("/v1/") ? `https://${serverName}:${port}${arg}` : arg))
    execFile("curl", [...shown, ...known, ...asked], { maxBuffer: 1e8 }, (_, out, complaint) => {
      const [last = "", ...body] = out.split("\n").toReversed()
      const [status, sent] = last.split(" ")
      resume({ status: Number(status), sent: Number(sent), body: `${body.toReversed().join("\n")}${complaint}` })
    })
  })

const bearer = () => ["--header", `authorization: Bearer ${access().token}`]

const peakOf = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_000

const booted = async (env: { readonly [name: string]: string } = {}): Promise<Running> => {
  const { ca, cert, key } = authority.issue("node-1")
  return place.ready([], {
    NOVACRON_SYSTEM_NODE_ID: "node-1",
    NOVACRON_SECURITY_TLS_CA: ca,
    NOVACRON_SECURITY_TLS_CERT: cert,
    NOVACRON_SECURITY_TLS_KEY: key,
    ...env
  })
}

const stop = async (node: Running) => {
  node.child.kill("SIGTERM")
  const { code, stderr } = await node.ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(place.leftovers(), [])
}

describe.skipIf(!hasOpenssl)("the API of a node", () => {
  it("reads no body of 100 MB to its end, whether or not its length was told", async () => {
    const node = await booted()
    const large = place.path("large")
    writeFileSync(large, "")
    truncateSync(large, 100e6)
    const json = ["--header", "content-type: application/json"]
    assert.strictEqual((await curl(...bearer(), "/v1/node")).status, 200)
    const before = peakOf(node.child.pid)
    const told = await curl(...bearer(), ...json, "--data-binary", `@${large}`, "/v1/tasks")
    assert.strictEqual(told.status, 413)
    assert.include(told.body, "NVC-2817")
    const streamed = ["--request", "POST", "--header", "transfer-encoding: chunked", "--upload-file", large]
    const untold = await Promise.all(
      Array.from({ length: 8 }, () => curl(...bearer(), ...json, ...streamed, "/v1/tasks"))
    )
    for (const { body, sent, status } of untold) {
      assert.strictEqual(status, 413, body)
      // What is on the way already, and no more.
      assert.isBelow(sent, 30e6)
    }
    // Nobody who may come in is needed for that.
    const unknown = await curl(...json, ...streamed, "/v1/tasks")
    assert.oneOf(unknown.status, [401, 413])
    assert.isBelow(peakOf(node.child.pid) - before, 120)
    assert.strictEqual((await curl(...bearer(), "/v1/node")).status, 200)
    await stop(node)
  })

  it("serves others while hundreds say nothing, or too little, and hangs up on those", async () => {
    const node = await booted({ NOVACRON_API_HEADERS_TIMEOUT: "3s", NOVACRON_API_REQUEST_TIMEOUT: "4s" })
    const { serverName, token, url } = access()
    const port = Number(new URL(url).port)
    const ca = readFileSync(authority.ca)
    const ended: Array<Promise<unknown>> = []
    const opened: Array<Promise<unknown>> = []
    const keep = (socket: Socket, when: "connect" | "secureConnect") => {
      sockets.push(socket)
      socket.on("error", () => undefined)
      opened.push(new Promise((resume) => socket.once(when, resume)))
      ended.push(new Promise((resume) => socket.once("close", resume)))
      socket.resume()
    }
    const said = (text: string) => {
      const socket = connectTls({ port, host: "127.0.0.1", servername: serverName, ca }, () => socket.write(text))
      keep(socket, "secureConnect")
    }
    const post = `POST /v1/tasks HTTP/1.1\r\nhost: ${serverName}\r\nauthorization: Bearer ${token}\r\n`
    for (let i = 0; i < 60; i++) {
      keep(connect(port, "127.0.0.1"), "connect")
      said("")
      said("GET /v1/node HTTP/1.1\r\nhost:")
      said(`${post}content-type: application/json\r\ncontent-length: 50\r\n\r\n{"name"`)
    }
    await Promise.all(opened)
    const served = await Promise.all(Array.from({ length: 20 }, () => curl(...bearer(), "/v1/node")))
    for (const { status } of served) assert.strictEqual(status, 200)
    await Promise.all(ended)
    assert.strictEqual((await curl(...bearer(), "/v1/node")).status, 200)
    await stop(node)
  })

  it("knows nobody by a certificate that has run out, is not valid yet, or is of another authority", async () => {
    const node = await booted({ NOVACRON_SECURITY_AUTHENTICATION_PRINCIPALS: '{"ada":["admin"]}' })
    const shown = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
      curl("--cert", cert, "--key", key, "/v1/node")
    const known = await shown(authority.issue("ada"))
    assert.strictEqual(known.status, 200, known.body)
    const other = new Authority("others")
    try {
      const wrong = [
        authority.issue("ada", ["20200101000000Z", "20200201000000Z"]),
        authority.issue("ada", ["20900101000000Z", "20910101000000Z"]),
        other.issue("ada")
      ]
      for (const one of wrong) {
        const { body, status } = await shown(one)
        assert.strictEqual(status, 401, one.cert)
        assert.include(body, "NVC-2812")
      }
    } finally {
      other.remove()
    }
    const audit = readFileSync(join(place.dataDir, "security/audit.jsonl"), "utf8")
    assert.isAtLeast(audit.split('"auth.failed"').length - 1, 3)
    await stop(node)
  })
})
