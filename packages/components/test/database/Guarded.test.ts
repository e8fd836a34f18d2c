import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import * as Guarded from "../../src/database/Guarded.ts"
import { processesIn } from "./Postgres.ts"

const base = mkdtempSync(join(tmpdir(), "novacron-test-db-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

const closed = (child: Guarded.Child) =>
  new Promise<unknown>((resume) => child.once("close", (code, signal) => resume(signal ?? code)))

it("a guarded program is the child itself, with nothing of our surroundings, and its guard goes with it", async () => {
  const child = Guarded.start("/bin/sh", ["-c", "env >&2; exit 7"], { as: {}, cwd: base, signal: "KILL" })
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
  assert.strictEqual(await closed(child), 7)
  assert.include(said, "LC_ALL=C")
  assert.notInclude(said, "HOME=")
  assert.deepStrictEqual(processesIn(base), [])
})

it("a guarded program ends as it is told to, and its guard does not touch it", async () => {
  const child = Guarded.start("/bin/sleep", ["600"], { as: {}, cwd: base, signal: "KILL" })
  const end = closed(child)
  const command = () => readFileSync(`/proc/${child.pid}/cmdline`, "utf8")
  while (!command().startsWith("/bin/sleep")) await new Promise((resume) => setTimeout(resume, 20))
  child.kill("SIGINT")
  assert.strictEqual(await end, "SIGINT")
  assert.deepStrictEqual(processesIn(base), [])
})

it("a guarded program ends when the process that has started it is killed", async () => {
  const text = `
    import { start } from ${JSON.stringify(join(import.meta.dirname, "../../src/database/Guarded.ts"))}
    start("/bin/sleep", ["600"], { as: {}, cwd: ${JSON.stringify(base)}, signal: "KILL" })
    console.log("up")
    setInterval(() => undefined, 1000)`
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", text], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((resume) => parent.stdout.once("data", resume))
  while (processesIn(base).length < 2) await new Promise((resume) => setTimeout(resume, 20)) // the program and its guard
  parent.kill("SIGKILL")
  while (processesIn(base).length > 0) await new Promise((resume) => setTimeout(resume, 20))
})

it("a program that is not there is told apart from one that fails", async () => {
  const child = Guarded.start("/nowhere", [], { as: {}, cwd: base, signal: "KILL" })
  assert.strictEqual(await closed(child), 127)
  const nowhere = Guarded.start("/bin/true", [], { as: {}, cwd: join(base, "nowhere"), signal: "KILL" })
  const error = await new Promise<Error>((resume) => nowhere.once("error", resume))
  assert.include(error.message, "ENOENT")
})

it("a program for which no descriptor is left is told of by its error, and not by the end of this process", async () => {
  const text = `
    import { openSync } from "node:fs"
    import { start } from ${JSON.stringify(join(import.meta.dirname, "../../src/database/Guarded.ts"))}
    try { for (;;) openSync("/dev/null") } catch {}
    const child = start("/bin/true", [], { as: {}, cwd: "/", signal: "KILL" })
    child.stderr.on("data", () => undefined)
    child.once("error", ({ code }) => process.exit(code === "EMFILE" ? 7 : 8))`
  const node = [process.execPath, "--input-type=module-typescript", "-e", text]
  const starved = spawn("/bin/sh", ["-c", 'ulimit -n 64; exec "$@"', "sh", ...node], { stdio: "ignore" })
  assert.strictEqual(await new Promise((resume) => starved.once("exit", resume)), 7)
})
