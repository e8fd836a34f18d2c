/** The pages of nodes and tasks, at a real node that runs real programs. */
import { createServer } from "node:net"
import { AxeBuilder } from "@axe-core/playwright"
import type { Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Browser from "./Browser.ts"
import * as RealNode from "./RealNode.ts"

const patience = 120_000

/** Prints a line now and then until it is ended; says on stderr what it is doing. */
const talker = ["/bin/sh", "-c", "echo working >&2; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done"]

const hostile = `<img src=x onerror="document.title='owned'">`

let node: RealNode.RealNode
const ids = { talker: "", big: "", hostile: "", short: "" }

/** A page that has used a link for a role, and what it complains about. */
const visit = async (
  role: string,
  change = (link: string): string => link,
  its = node
): Promise<{ readonly page: Page; readonly complaints: ReadonlyArray<string> }> => {
  const context = await (await Browser.launch()).newContext({ viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const complaints: Array<string> = []
  page.on("pageerror", (error) => void complaints.push(error.message))
  page.on("console", (said) => {
    if (said.type() === "error") complaints.push(said.text())
  })
  await page.goto(change(await its.link(role, `ada the ${role}`)))
  await page.waitForFunction(() => !location.hash.startsWith("#token"))
  await page.locator(".outcome").waitFor()
  return { page, complaints }
}

const go = (page: Page, hash: string): Promise<void> => page.evaluate((to) => void (location.hash = to), hash)

/** What a page would send to cancel a task, whatever it shows. */
const cancelBehindThePage = (page: Page, task: string): Promise<{ readonly status: number; readonly text: string }> =>
  page.evaluate(async (id) => {
    const reply = await fetch("/api/cancel", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ task: id, confirmed: true })
    })
    return { status: reply.status, text: await reply.text() }
  }, task)

const stateOf = async (id: string): Promise<unknown> => (await node.ask(`/v1/tasks/${id}`))["state"]

describe.skipIf(!Browser.isThere)("the pages of the work, at a real node", () => {
  beforeAll(async () => {
    node = await RealNode.boot()
    // Somebody looks before there is anything to see, and need not ask again.
    const { page } = await visit("viewer")
    await go(page, "#/tasks")
    await node.ready
    await page.getByText("There are no tasks yet").waitFor()
    await page.context().close()
    ids.short = await node.submit("short", ["/bin/sh", "-c", "exit 3"])
    ids.hostile = await node.submit("hostile", ["/bin/printf", `\\033[31mred\\033[0m ${hostile} \\007 bell\\n`])
    ids.big = await node.submit("too-big", ["/bin/true"], { demand: { cpu: 4_000, memory: 0 } })
    ids.talker = await node.submit("talker", talker, { group: "night", demand: { cpu: 0.1, memory: 32 } })
  }, patience)
  afterAll(async () => {
    await Browser.close()
    await node.stop()
  }, patience)

  it(
    "show what a task prints as it prints it, and go on where they were after a break",
    async () => {
      const own = new URL(await node.link("viewer", "nobody")).port
      const way = await RealNode.wayTo(Number(own))
      const { page } = await visit("operator", (link) => link.replace(`:${own}`, `:${way.port}`))
      await go(page, "#/tasks")
      await page.getByRole("link", { name: "talker" }).click()
      const output = page.getByRole("log")
      await output.getByText("working").waitFor()
      const lines = async (): Promise<ReadonlyArray<number>> =>
        [...(await output.innerText()).matchAll(/line (\d+)/g)].map(([, n]) => Number(n))
      await page.waitForFunction(() =>
        /line 1\b[^]*line 4\b/.test(document.querySelector(".output")?.textContent ?? "")
      )
      const before = await lines()
      way.cut()
      await page.getByText("not heard, trying again").waitFor()
      way.mend()
      await page.waitForFunction(
        (last) => (document.querySelector(".output")?.textContent ?? "").includes(`line ${last}\n`),
        (before.at(-1) ?? 0) + 20
      )
      const after = await lines()
      assert.deepStrictEqual(
        after,
        after.map((_, i) => i + 1)
      )
      await page.context().close()
      way.close()
    },
    patience
  )

  it(
    "say why a task is where it is, and why no node takes one",
    async () => {
      const { page } = await visit("viewer")
      await go(page, `#/tasks/${ids.talker}`)
      await page.locator(".score tr", { hasText: "packing" }).waitFor()
      assert.match(
        `${await page.locator(".detail").first().textContent()}`,
        /On node-1, the best of 1 that could take it/
      )
      await page.locator(".fits li", { hasText: "node-1" }).getByText("here").waitFor()
      await go(page, `#/tasks/${ids.big}`)
      await page.locator(".fits li", { hasText: "cannot" }).waitFor()
      const text = `${await page.locator(".detail").first().textContent()}`
      assert.match(text, /No node because of cpu: of 1, it fails by cpu on 1/)
      assert.match(text, /Wants 4000 cores, [\d.]+ of [\d.]+ are free/)
      await page.context().close()
    },
    patience
  )

  it(
    "show the nodes: what each offers, what of it is taken, who coordinates, when it was heard",
    async () => {
      const { page } = await visit("viewer")
      await go(page, "#/nodes")
      const row = page.locator("tbody tr", { hasText: "node-1" })
      await row.getByText("coordinates").waitFor()
      assert.match(`${await row.textContent()}`, /up.*0\.1 of \d.*32 MiB of .*(just now|\d s ago)/)
      await row.getByRole("link", { name: "node-1" }).click()
      await page.locator(".detail .line", { hasText: "talker" }).waitFor()
      await page.context().close()
    },
    patience
  )

  it(
    "refuse to a viewer what a viewer may not do, whatever the page shows, and write it down",
    async () => {
      const { page } = await visit("viewer")
      await go(page, `#/tasks/${ids.talker}`)
      const button = page.getByRole("button", { name: "Cancel…" })
      await button.waitFor()
      assert.isTrue(await button.isDisabled())
      await page.getByText("The role viewer does not allow tasks.cancel").waitFor()
      await page.getByText("The role viewer does not allow tasks.output").waitFor()
      const { status, text } = await cancelBehindThePage(page, ids.talker)
      assert.deepStrictEqual([status, /does not allow tasks\.cancel/.test(text)], [403, true])
      const output = await page.evaluate(async (id) => (await fetch(`/api/output?id=${id}`)).status, ids.talker)
      assert.strictEqual(output, 403)
      assert.strictEqual(await stateOf(ids.talker), "running")
      const refusals = node.audit().filter(({ action }) => action === "access.refused")
      assert.deepStrictEqual(
        refusals.map(({ principal, subject, success }) => [principal, subject, success]),
        [
          ["ada the viewer", "tasks.cancel", false],
          ["ada the viewer", "tasks.output", false]
        ]
      )
      await page.context().close()
    },
    patience
  )

  it(
    "cancel a task for an operator, after a yes and not before, and write it down",
    async () => {
      const { complaints, page } = await visit("operator")
      await go(page, `#/tasks/${ids.talker}`)
      await page.getByRole("button", { name: "Cancel…" }).click()
      const dialog = page.getByRole("dialog")
      await dialog.getByText("SIGTERM").waitFor()
      // Enter on what is focused does nothing.
      await page.keyboard.press("Enter")
      await dialog.waitFor({ state: "hidden" })
      assert.strictEqual(await stateOf(ids.talker), "running")
      await page.getByRole("button", { name: "Cancel…" }).click()
      await dialog.getByRole("button", { name: "Cancel it" }).click()
      await dialog.getByText("It is being cancelled").waitFor()
      await dialog.getByRole("button", { name: "Close" }).click()
      await page.locator(".taskhead .said", { hasText: "cancelled" }).waitFor()
      await page.getByText("complete").waitFor()
      assert.strictEqual(await stateOf(ids.talker), "cancelled")
      const lines = node.audit().filter(({ action }) => action === "task.cancelled")
      assert.deepStrictEqual(
        lines.map(({ principal, subject, success }) => [principal, subject, success]),
        [["ada the operator", ids.talker, true]]
      )
      assert.deepStrictEqual(complaints, [])
      await page.context().close()
    },
    patience
  )

  it(
    "find tasks by their state and by a part of their name, and can be used by keys alone",
    async () => {
      const { page } = await visit("viewer")
      await page.keyboard.press("5")
      const rows = page.locator("tbody tr")
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 4)
      await page.getByRole("combobox", { name: "Tasks in which state" }).selectOption({ label: "failed" })
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1)
      assert.match(`${await rows.first().textContent()}`, /short.*failed.*code 3|short.*failed/)
      await page.getByRole("combobox", { name: "Tasks in which state" }).selectOption({ label: "all" })
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 4)
      await page.locator("main").focus()
      await page.keyboard.press("/")
      await page.keyboard.type("NIGHT")
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1)
      assert.match(`${await rows.first().textContent()}`, /talker/)
      await page.getByText("looked at 4 tasks").waitFor()
      await rows.first().getByRole("link").focus()
      await page.keyboard.press("Enter")
      await page.locator(".taskhead").waitFor()
      await page.keyboard.press("Escape")
      await rows.first().waitFor()
      await page.keyboard.press("4")
      await page.locator("tbody tr", { hasText: "node-1" }).waitFor()
      await page.context().close()
    },
    patience
  )

  it(
    "show hostile output and names as the text that they are",
    async () => {
      const { complaints, page } = await visit("operator")
      await go(page, `#/tasks/${ids.hostile}`)
      await page.getByRole("log").getByText("bell").waitFor()
      const text = await page.getByRole("log").innerText()
      assert.strictEqual(text.trim(), `red ${hostile} \\u{7} bell`)
      assert.strictEqual(await page.locator("main img").count(), 0)
      assert.notInclude(await page.title(), "owned")
      assert.include(await page.locator(".command").innerText(), "\\033[31mred")
      assert.deepStrictEqual(complaints, [])
      await page.context().close()
    },
    patience
  )

  it(
    "break no rule of accessibility, dark and light, 400 and 1280 wide",
    async () => {
      const { page } = await visit("operator")
      const talking = await node.submit("talker-again", talker)
      let judged = 0
      const places = [
        ["#/nodes/node-1", ".pairs"],
        ["#/tasks", "tbody tr"],
        [`#/tasks/${talking}`, ".output [data-stream=stdout]"],
        [`#/tasks/${ids.big}`, ".fits li"],
        [`#/tasks/${talking.replace(/^.{8}/, "00000000")}`, ".wrong"]
      ] as const
      for (const [hash, there] of places) {
        await go(page, hash)
        await page.locator(there).first().waitFor()
        for (const [colorScheme, width] of [
          ["light", 1280],
          ["dark", 1280],
          ["dark", 400],
          ["light", 400]
        ] as const) {
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height: 800 })
          const { violations } = await new AxeBuilder({ page }).analyze()
          const found = violations.map(({ help, nodes }) => `${help}: ${nodes.map(({ html }) => html).join(" ")}`)
          const here = `${hash}, ${colorScheme}, ${width}`
          assert.deepStrictEqual(found, [], here)
          const isWider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
          assert.isFalse(isWider, `${here} is wider than the screen`)
          judged++
        }
        await page.setViewportSize({ width: 1280, height: 800 })
      }
      assert.strictEqual(judged, 4 * places.length)
      await node.ask(`/v1/tasks/${talking}/cancel`, {})
      await page.context().close()
    },
    2 * patience
  )

  it(
    "say what the work waits for before there is any",
    async () => {
      // A database that takes calls and says nothing.
      const silent = createServer((socket) => void socket.resume().on("error", () => undefined))
      await new Promise<void>((resolve) => void silent.listen(0, "127.0.0.1", () => resolve()))
      const address = silent.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const url = `postgres://somebody:secret@127.0.0.1:${port}/novacron?sslmode=disable`
      const waiting = await RealNode.boot({ env: { NOVACRON_DATABASE_URL: url } })
      try {
        const { page } = await visit("viewer", undefined, waiting)
        for (const [hash, what] of [
          ["#/tasks", "Tasks"],
          ["#/nodes", "Nodes"]
        ] as const) {
          await go(page, hash)
          await page.getByRole("heading", { name: `${what} are shown when the orchestration is up` }).waitFor()
          // Between two attempts too: how long one takes is up to the machine, and what the database waits for before it.
          const hasText = /database is still (?:starting|closing|waiting for its next attempt)/
          const why = await page.locator(".notup .why").filter({ hasText }).innerText()
          assert.match(why, /^orchestration waits|^orchestration is waiting/)
        }
        await page.context().close()
      } finally {
        silent.close()
        await waiting.stop()
      }
    },
    patience
  )

  it(
    "say of a virtual machine what it is made of, and how it is ended",
    async () => {
      const { id } = await node.ask("/v1/tasks", {
        name: "guest",
        run: {
          driver: "vm",
          kernel: "/srv/vm/vmlinuz",
          commandLine: `console=ttyS0 ${hostile}`,
          disks: [{ path: "/srv/vm/root.qcow2", format: "qcow2", readOnly: true }]
        },
        demand: { cpu: 1, memory: 64 },
        // So that it is still there to be asked about.
        constraints: { labels: { nobody: "has it" } }
      })
      const { complaints, page } = await visit("operator")
      await go(page, "#/tasks")
      await page.locator("tbody tr", { hasText: "guest" }).getByText("machine", { exact: true }).waitFor()
      await page.getByRole("link", { name: "guest" }).click()
      const spec = page.locator(".detail", { hasText: "What was asked for" })
      await spec.getByText("virtual machine").waitFor()
      const text = `${await spec.textContent()}`
      assert.include(text, "/srv/vm/vmlinuz")
      assert.include(text, `console=ttyS0 ${hostile}`)
      assert.include(text, "/srv/vm/root.qcow2 (qcow2, read-only)")
      assert.match(text, /network\s*none/)
      await page.getByRole("button", { name: "Cancel…" }).click()
      await page.getByRole("dialog").getByText("It will not begin any more.").waitFor()
      assert.deepStrictEqual(complaints, [])
      await node.ask(`/v1/tasks/${String(id)}/cancel`, {})
      await page.context().close()
    },
    patience
  )
})
