/** The real node, from its command line, with a Redis that comes later; and a person who looks at it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { freePort } from "../../../test/fixtures/Ports.ts"
import * as Browser from "./Browser.ts"

const root = join(import.meta.dirname, "../../..")
const program = [join(root, "node_modules/node/bin/node"), join(root, "packages/novacron/src/main.ts")] as const

const children: Array<ChildProcess> = []
const rooms: Array<string> = []
const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    child.kill("SIGTERM")
  })
afterEach(async () => {
  for (const child of children.splice(0).toReversed()) await ended(child)
  for (const room of rooms.splice(0)) rmSync(room, { recursive: true, force: true })
}, 60_000)
afterAll(() => Browser.close())

const hasRedis = existsSync("/usr/bin/redis-server")

describe.skipIf(!Browser.isThere || !hasRedis)("the dashboard of the real node", () => {
  it("shows its degraded boot, and restores its cache when somebody says so", async () => {
    const room = mkdtempSync(join(tmpdir(), "novacron-looked-at-"))
    rooms.push(room)
    const redis = await freePort()
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: room,
      NOVACRON_SYSTEM_DATA_DIR: join(room, "data"),
      NOVACRON_ENVIRONMENT_KIND: "hybrid",
      NOVACRON_CACHE_URL: `redis://:not-to-be-seen@127.0.0.1:${redis}`,
      NOVACRON_DASHBOARD_PORT: "0",
      NOVACRON_HEALTH_PORT: "0",
      NOVACRON_NETWORK_BIND_PORT: "0",
      NOVACRON_DWCP_BIND_PORT: "0",
      NOVACRON_MONITORING_PORT: "0",
      NOVACRON_API_PORT: "0",
      NOVACRON_API_GRPC_PORT: "0"
    }
    const node = spawn(program[0], [program[1], "boot"], { cwd: room, env, stdio: ["ignore", "pipe", "inherit"] })
    children.push(node)
    await new Promise<void>((resolve, reject) => {
      node.stdout.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes(`"BootStarted"`)) resolve()
      })
      node.once("exit", (code) => reject(new Error(`The node ended with ${code}.`)))
    })
    // Without a node it would show earlier boots, for as long as somebody looks.
    const asked = { cwd: room, env, encoding: "utf8", timeout: 60_000 } as const
    const link = execFileSync(program[0], [program[1], "dashboard"], asked).trim()
    const page = await (await Browser.launch()).newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(link)
    await page.locator(".outcome", { hasText: "degraded" }).waitFor()
    assert.match(`${await page.locator(".odd").textContent()}`, /cache is degraded, on its fallback memory/)

    const server = spawn("redis-server", ["--port", `${redis}`, "--requirepass", "not-to-be-seen", "--save", ""], {
      cwd: room
    })
    children.push(server)
    await new Promise<void>((resolve) =>
      server.stdout.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes("Ready to accept connections")) resolve()
      })
    )
    await page.locator(".odd button", { hasText: "cache" }).click()
    const restore = page.getByRole("button", { name: "Restore…" })
    // The node tries by itself now and then: what is asked for may have been done already.
    if (await restore.isVisible()) {
      await restore.click()
      const dialog = page.getByRole("dialog")
      await dialog.getByText("system-health").waitFor()
      await dialog.getByRole("button", { name: "Restore it" }).click()
      await dialog.getByRole("button", { name: "Close" }).click()
    }
    await page.locator(".detail .said", { hasText: /^ready$/ }).waitFor()

    await page.evaluate(() => (location.hash = "#/settings"))
    await page.locator("tr", { hasText: "cache.url" }).waitFor()
    const settings = await page.locator("main").innerText()
    assert.include(settings, "NOVACRON_CACHE_URL")
    assert.notInclude(await page.content(), "not-to-be-seen")
  }, 120_000)
})
