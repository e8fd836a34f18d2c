/** The real node from its command line, in a directory of its own, with the database that it brings. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { request } from "node:https"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../..")
const program = join(root, "packages/novacron/src/main.ts")
const runtime = join(root, "node_modules/node/bin/node")

export interface RealNode {
  /** Asks its API, as programs of this machine may; with a body it is a `POST`. */
  readonly ask: (path: string, body?: object) => Promise<{ readonly [name: string]: unknown }>
  /** Submits a program; the id of its task. */
  readonly submit: (name: string, command: ReadonlyArray<string>, more?: object) => Promise<string>
  /** An address that opens the dashboard once, as `novacron dashboard --role ROLE --for NAME` asks for it. */
  readonly link: (role: string, name: string) => Promise<string>
  /** The lines of the audit log. */
  readonly audit: () => ReadonlyArray<{ readonly [name: string]: unknown }>
  /** When the boot is done. */
  readonly ready: Promise<void>
  readonly room: string
  readonly stop: () => Promise<void>
}

export interface Options {
  readonly env?: { readonly [name: string]: string }
  /** Where one before it was, to go on there. */
  readonly room?: string
}

/** Boots a node, and is there as soon as it says that it has begun. */
export const boot = async ({ env: more = {}, room: before }: Options = {}): Promise<RealNode> => {
  const room = before ?? mkdtempSync(join(tmpdir(), "novacron-work-"))
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: room,
    NOVACRON_SYSTEM_DATA_DIR: join(room, "data"),
    NOVACRON_SYSTEM_NODE_ID: "node-1",
    NOVACRON_SYSTEM_BOOT_TIMEOUT: "120s",
    NOVACRON_ENVIRONMENT_KIND: "hybrid",
    NOVACRON_DASHBOARD_PORT: "0",
    NOVACRON_HEALTH_PORT: "0",
    NOVACRON_NETWORK_BIND_PORT: "0",
    NOVACRON_DWCP_BIND_PORT: "0",
    NOVACRON_MONITORING_PORT: "0",
    NOVACRON_API_PORT: "0",
    NOVACRON_API_GRPC_PORT: "0",
    ...more
  }
  const child: ChildProcess = spawn(runtime, [program, "boot"], { cwd: room, env, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  const hears = (event: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (said.includes(`"${event}"`)) resolve()
      }
      child.stdout?.on("data", look)
      child.once("exit", (code) => reject(new Error(`The node ended with ${code}: ${said.slice(-2_000)}`)))
      look()
    })
  const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-400_000))
  child.stdout?.on("data", hear)
  child.stderr?.on("data", hear)
  const ready = hears("BootReady")
  // Who does not wait for it hears of it elsewhere.
  ready.catch(() => undefined)
  await hears("BootStarted")
  const ask: RealNode["ask"] = async (path, body) => {
    const { ca, serverName, token, url } = JSON.parse(readFileSync(join(room, "data/api/local.json"), "utf8"))
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
    const options = { ca, servername: serverName, headers, method: body === undefined ? "GET" : "POST" }
    const text = await new Promise<string>((resolve, reject) => {
      const sent = request(`${url}${path}`, options, (response) => {
        let text = ""
        response.on("data", (chunk: Buffer) => void (text += chunk.toString()))
        response.on("end", () => ((response.statusCode ?? 0) < 300 ? resolve(text) : reject(new Error(text))))
      })
      sent.on("error", reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
    return JSON.parse(text)
  }
  return {
    ask,
    submit: async (name, command, more = {}) =>
      String((await ask("/v1/tasks", { name, run: { driver: "process", command }, ...more }))["id"]),
    link: async (role, name) => String((await told(join(room, "data"), { _tag: "Dashboard", role, name })).url),
    audit: () =>
      readFileSync(join(room, "data/security/audit.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ready,
    room,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
        child.kill("SIGTERM")
        await ended
      }
      rmSync(room, { recursive: true, force: true })
    }
  }
}

/** What the node answers at its control socket. */
const told = (dataDir: string, question: object): Promise<{ readonly url: unknown }> =>
  new Promise((resolve, reject) => {
    let text = ""
    const socket = connect(join(dataDir, "control.sock"), () => socket.write(`${JSON.stringify(question)}\n`))
    socket.on("data", (chunk: Buffer) => void (text += chunk.toString()))
    socket.on("end", () => {
      const answer = JSON.parse(text)
      if (answer._tag === "Done") resolve(answer.value)
      else reject(new Error(text))
    })
    socket.on("error", reject)
  })

/** A way to a server that can be cut. */
export interface Way {
  readonly port: number
  /** Until it is mended nobody comes through. */
  readonly cut: () => void
  readonly mend: () => void
  readonly close: () => void
}

export const wayTo = async (port: number): Promise<Way> => {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((near) => {
    if (isCut) return void near.destroy()
    const far = connect(port, "127.0.0.1")
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on("error", () => undefined)
      socket.on("close", () => sockets.delete(socket))
    }
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()))
  const cut = (): void => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut,
    mend: () => void (isCut = false),
    close: () => {
      cut()
      server.close()
    }
  }
}
