/**
 * `pnpm --filter @novacron/dashboard screenshots` takes the pictures of the documents: a real node whose Redis is not there,
 * booted twice in a directory of its own with tasks that run, in a real browser. They are written to `docs/images`.
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
  NOVACRON_API_PORT: "0",
  NOVACRON_API_GRPC_PORT: "0",
  NOVACRON_ORCHESTRATION_REGION: "eu-north",
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

/** What runs in the pictures: some that are done, one that prints, and one that no node takes. */
const submit = (...args: ReadonlyArray<string>): string =>
  JSON.parse(
    execFileSync(process.execPath, [main, "tasks", "submit", "--json", ...args], { cwd: room, env, encoding: "utf8" })
  ).id

const render = `echo "reading 240 frames" >&2; i=0; while [ $i -lt 240 ]; do i=$((i+1))
printf 'frame %03d of 240  1920x1080  %d.%d ms\n' $i $((30 + i * 7 % 19)) $((i % 10))
[ $((i % 8)) -eq 0 ] && echo "frame $i: texture reloaded" >&2; sleep 0.4; done`

const work = async (page: Page): Promise<void> => {
  const shell = (script: string) => ["--", "/bin/sh", "-c", script]
  submit(
    "--name",
    "backup-users",
    "--group",
    "nightly",
    "--cpu",
    "0.25",
    "--memory",
    "64",
    ...shell("echo 14 tables; exit 0")
  )
  submit("--name", "backup-orders", "--group", "nightly", "--cpu", "0.25", "--memory", "64", ...shell("exit 2"))
  submit("--name", "train-embeddings", "--cpu", "16", "--memory", "65536", ...shell("exit 0"))
  submit("--name", "mail-digest", ...shell("echo sent"))
  const id = submit(
    "--name",
    "render-intro",
    "--group",
    "video",
    "--cpu",
    "0.5",
    "--memory",
    "256",
    "--timeout",
    "600",
    ...shell(render)
  )
  await page.keyboard.press("5")
  await page.getByRole("link", { name: "render-intro" }).waitFor()
  await page.locator("tr", { hasText: "train-embeddings" }).getByText("No node because of").waitFor()
  await picture(page, "tasks")
  await page.evaluate((to) => void (location.hash = to), `#/tasks/${id}`)
  await page.locator(".output", { hasText: "frame 024" }).waitFor()
  await page.locator(".fits li").first().waitFor()
  await picture(page, "task")
  await page.emulateMedia({ colorScheme: "dark" })
  await page.getByRole("button", { name: "Cancel…" }).click()
  await picture(page, "cancel-dark")
  await page.keyboard.press("Escape")
  await page.evaluate(() => void (location.hash = "#/nodes/node-1"))
  await page.locator(".detail .line").first().waitFor()
  await picture(page, "nodes-dark")
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
  await work(page)
  await page.emulateMedia({ colorScheme: "light" })
  await page.keyboard.press("6")
  await page.locator(".list input:enabled").nth(1).waitFor()
  for (const box of await page.locator(".list input:enabled").all()) await box.check()
  await page.getByRole("button", { name: "Compare two" }).click()
  await page.locator(".difference tbody tr").first().waitFor()
  await picture(page, "difference")
  await page.mouse.move(0, 0)
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
