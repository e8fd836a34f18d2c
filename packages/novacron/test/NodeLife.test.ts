import { spawn } from "node:child_process"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const main = join(import.meta.dirname, "../src/main.ts")

/** The whole program, with parts that need nothing but this machine. */
const novacron = (cwd: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly out: string }>((resume) => {
    const env = { PATH: process.env["PATH"], NOVACRON_ENVIRONMENT_KIND: "hybrid" }
    const child = spawn(process.execPath, [main, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
    const chunks: Array<Buffer> = []
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.on("exit", (code) => resume(Effect.succeed({ code, out: Buffer.concat(chunks).toString() })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const sumOf = (text: string, metric: string): number =>
  Number(new RegExp(`^${metric}_sum ([\\d.e-]+)$`, "m").exec(text)?.[1])

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-node-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Whatever port the system has. */
const anywhere = ["monitoring", "health", "dashboard", "api", "api.grpc"].map((name) => `${name}.port=0`)
const ports = [...anywhere, "network.bind_port=0", "dwcp.bind_port=0"]

const setting = (...pairs: ReadonlyArray<string>) => pairs.flatMap((pair) => ["--set", pair])

describe("the life of a node", () => {
  it.live(
    "measures what reading the settings and making the plan took, and the next boot knows what to expect",
    () =>
      Effect.gen(function* () {
        const cwd = yield* directory
        const last = join(cwd, "last.prom")
        const booted = yield* novacron(
          cwd,
          "boot",
          "--exit-when-ready",
          ...setting(`monitoring.textfile=${last}`, ...ports)
        )
        assert.strictEqual(booted.code, 0, booted.out)
        const metrics = readFileSync(last, "utf8")
        for (const name of ["config_parsing", "dependency_resolution"]) {
          const seconds = sumOf(metrics, `novacron_${name}_duration_seconds`)
          assert.isAbove(seconds, 0, name)
          assert.isBelow(seconds, 30, name)
          assert.match(metrics, new RegExp(`^novacron_${name}_duration_seconds_count 1$`, "m"))
        }
        const { out } = yield* novacron(cwd, "plan", "--json")
        assert.isAbove(JSON.parse(out).expected.expectedMs, 0)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "tells a webhook how a boot that failed went down, before it ends",
    () =>
      Effect.gen(function* () {
        const cwd = yield* directory
        const told: Array<string> = []
        const oncall = createServer((request, response) => {
          const chunks: Array<Buffer> = []
          request.on("data", (chunk: Buffer) => chunks.push(chunk))
          request.on("end", () => {
            told.push(Buffer.concat(chunks).toString())
            response.end()
          })
        })
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void oncall.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () => Effect.sync(() => oncall.close())
        )
        const { port } = oncall.address() as AddressInfo // it listens on a port
        const alerts = [`monitoring.alerts.webhook=http://127.0.0.1:${port}/`, "monitoring.alerts.stop_budget=30s"]
        const set = setting(...alerts, "database.url=postgres://u@127.0.0.1:1/x", ...ports)
        const { code, out } = yield* novacron(cwd, "boot", ...set)
        assert.strictEqual(code, 69, out)
        const names = told.flatMap((body): ReadonlyArray<string> =>
          JSON.parse(body).alerts.map(
            ({ labels }: { readonly labels: { readonly alertname: string } }) => labels.alertname
          )
        )
        assert.sameMembers(names, ["NovacronBootFailed", "NovacronRollback"])
      }).pipe(Effect.scoped),
    60_000
  )
})
