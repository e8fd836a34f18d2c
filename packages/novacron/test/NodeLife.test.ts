import { spawn } from "node:child_process"
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

describe("the life of a node", () => {
  it.live(
    "measures what reading the settings and making the plan took, and the next boot knows what to expect",
    () =>
      Effect.gen(function* () {
        const cwd = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-node-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const last = join(cwd, "last.prom")
        const ports = ["monitoring", "health", "dashboard", "api", "api.grpc"].map((name) => `${name}.port=0`)
        const bound = ["network.bind_port=0", "dwcp.bind_port=0"]
        const set = [`monitoring.textfile=${last}`, ...ports, ...bound].flatMap((pair) => ["--set", pair])
        const booted = yield* novacron(cwd, "boot", "--exit-when-ready", ...set)
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
})
