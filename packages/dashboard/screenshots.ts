/**
 * `pnpm --filter @novacron/dashboard screenshots` takes the pictures of the documents: a real node whose Redis is not there,
 * booted twice in a directory of its own, in a real browser. They are written to `docs/images`.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { build } from "./build.ts"
import * as Browser from "./test/Browser.ts"

const root = join(import.meta.dirname, "../..")
const images = join(root, "docs/images")
const room = mkdtempSync(join(tmpdir(), "novacron-screenshots-"))
const main = join(root, "packages/novacron/src/main.ts")

const env = {
  ...process.env,
  NOVACRON_SYSTEM_DATA_DIR: join(room, "data"),
  NOVACRON_SYSTEM_NODE_ID: "node-1",
  NOVACRON_ENVIRONMENT_KIND: "hybrid",
  NOVACRON_HEALTH_PORT: "0",
  NOVACRON_NETWORK_BIND_PORT: "0",
  NOVACRON_MONITORING_PORT: "0",
  NOVACRON_DASHBOARD_PORT: "0",
  NOVACRON_DASHBOARD_SAMPLE_INTERVAL: "500ms",
  // Nobody listens there.
  NOVACRON_CACHE_URL: "redis://127.0.0.1:1"
}

const nodes: Array<ChildProcess> = []

const boot = (): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const node = spawn(process.execPath, [main, "boot"], { cwd: room, env, stdio: ["ignore", "pipe", "inherit"] })
    nodes.push(node)
    let said = ""
    node.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(`"BootReady"`)) resolve(node)
    })
    node.once("exit", (code) => reject(new Error(`The node ended with ${code}: ${said.slice(-2_000)}`)))
  })

const stop = (node: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (node.exitCode !== null) return resolve()
    node.once("exit", () => resolve())
    node.kill("SIGTERM")
  })

const picture = async (page: Page, name: string): Promise<void> => {
  await page.evaluate(() => document.fonts.ready)
  await page.screenshot({ path: join(images, `dashboard-${name}.png`), animations: "disabled", caret: "hide" })
}

const take = async (): Promise<void> => {
  mkdirSync(images, { recursive: true })
  await build()
  await stop(await boot())
  const node = await boot()
  const link = execFileSync(process.execPath, [main, "dashboard"], { cwd: room, env, encoding: "utf8" }).trim()
  const context = await (await Browser.launch()).newContext({ viewport: { width: 1160, height: 660 } })
  const page = await context.newPage()
  await page.goto(link)
  await page.locator(".box").first().waitFor()
  await picture(page, "graph")
  await page.emulateMedia({ colorScheme: "dark" })
  await page.locator(".odd button").first().click()
  await page.getByRole("button", { name: "Restore…" }).click()
  await page.locator(".radius").waitFor()
  await picture(page, "restore-dark")
  await page.keyboard.press("Escape")
  await page.keyboard.press("Escape")
  await page.emulateMedia({ colorScheme: "light" })
  await page.keyboard.press("2")
  await page.locator(".lane").first().waitFor()
  await picture(page, "timeline")
  await page.keyboard.press("3")
  await page.locator(".chart canvas").waitFor()
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length > 5)
  // Enough samples to draw.
  await page.waitForTimeout(15_000)
  await picture(page, "health")
  await page.keyboard.press("4")
  await page.locator(".list input:enabled").nth(1).waitFor()
  for (const box of await page.locator(".list input:enabled").all()) await box.check()
  await page.getByRole("button", { name: "Compare two" }).click()
  await page.locator(".difference tbody tr").first().waitFor()
  await picture(page, "difference")
  await page.setViewportSize({ width: 400, height: 660 })
  await page.keyboard.press("1")
  await page.locator(".box").first().waitFor()
  await picture(page, "narrow")
  await context.close()
  await stop(node)
}

try {
  await take()
} finally {
  await Browser.close()
  await Promise.all(nodes.map(stop))
  rmSync(room, { recursive: true, force: true })
}
