/** The pages of nodes and tasks, at a cluster of three nodes of which one dies. */
import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { build } from "../build.ts"
import * as Browser from "./Browser.ts"

const patience = 120_000

let cluster: ChildProcess
let page: Page

describe.skipIf(!Browser.isThere)("the pages of the work, at a cluster", () => {
  beforeAll(async () => {
    const execPath = join(import.meta.dirname, "../../../node_modules/node/bin/node")
    const program = join(import.meta.dirname, "../../components/test/operator/cluster.ts")
    cluster = fork(program, [await build()], { execPath, execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] })
    const { link } = await new Promise<{ readonly link: string }>((resolve, reject) => {
      cluster.once("message", resolve)
      cluster.once("exit", (code) => reject(new Error(`The cluster ended with ${code}.`)))
    })
    page = await (await Browser.launch()).newPage({ viewport: { width: 1280, height: 800 } })
    page.setDefaultTimeout(60_000)
    await page.goto(link)
    await page.waitForFunction(() => !location.hash.startsWith("#token"))
  }, patience)
  afterAll(async () => {
    await Browser.close()
    const ended = new Promise<void>((resolve) => cluster.once("exit", () => resolve()))
    cluster.send("stop")
    await ended
  }, patience)

  it(
    "say of each node why it does not take a task, and what it has room for",
    async () => {
      await page.keyboard.press("5")
      await page.getByRole("link", { name: "web-4" }).click()
      await page.waitForFunction(() => document.querySelectorAll(".fits li").length === 3)
      const fits = await page.locator(".fits li").allInnerTexts()
      assert.match(fits.join("\n"), /east cannot[^]*Must not be with web\./)
      assert.match(
        `${await page.locator(".detail").innerText()}`,
        /No node because of anti-affinity: of 3, it fails by anti-affinity on 3/
      )
      await page.keyboard.press("Escape")
      await page.getByRole("link", { name: "web-1" }).click()
      await page.locator(".fits li", { hasText: "here, score 0." }).waitFor()
      assert.strictEqual(await page.locator(".fits li", { hasText: "cannot" }).count(), 2)
    },
    patience
  )

  it(
    "show a node that is lost, when it was heard last, and where its tasks went",
    async () => {
      await page.keyboard.press("4")
      const row = (name: string) => page.locator("tbody tr", { hasText: name })
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 3)
      for (const name of ["east", "south", "west"])
        assert.match(await row(name).innerText(), /up[^]*1\.5 of 4[^]*512 MiB of 4 GiB/)
      assert.strictEqual(await page.locator("tbody .badge").count(), 1)
      cluster.send("kill")
      await row("west").getByText("down or lost").waitFor()
      assert.match(await row("west").innerText(), /\d+ s ago/)
      await page.locator(".figures", { hasText: "2 of 3" }).waitFor()
      // Its task waits: the others keep apart from it. That too is said.
      await page.keyboard.press("5")
      await page.locator("tr", { hasText: "No node because of anti-affinity: of 2" }).first().waitFor()
    },
    patience
  )
})
