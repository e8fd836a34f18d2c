import { AxeBuilder } from "@axe-core/playwright"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import * as Browser from "./Browser.ts"

const patience = 90_000
const nodes: Array<Browser.Node> = []
const start = async (...args: Parameters<typeof Browser.start>): Promise<Browser.Node> => {
  const node = await Browser.start(...args)
  nodes.push(node)
  return node
}
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})
afterAll(() => Browser.close())

describe.skipIf(!Browser.isThere)("the pages, in a browser", () => {
  it(
    "show a degraded boot as it happens: who waits, for what, and why",
    async () => {
      const node = await start("held")
      const { complaints, page } = await Browser.visit(node)
      const box = (name: string) => page.locator(".box", { hasText: new RegExp(`^\\s*${name} `) })
      await box("database").waitFor()
      // In the middle: the database starts, the interface waits for it, the cache has given up already.
      await page.getByText("on memory").waitFor()
      assert.strictEqual(await box("database").getAttribute("data-tone"), "busy")
      assert.match(`${await box("api").textContent()}`, /api waits for database/)
      assert.match(`${await page.locator(".outcome").textContent()}`, /booting/)
      const why = page.locator(".odd li", { hasText: "api" }).first().locator(".why li")
      assert.match((await why.allTextContents()).join("\n"), /api waits|api is waiting[^]*database is still starting/)
      node.tell("release")
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      assert.strictEqual(await box("api").getAttribute("data-tone"), "up")
      assert.match(`${await page.locator(".odd").textContent()}`, /cache.*ECONNREFUSED 10\.0\.0\.7:6379/)
      assert.deepStrictEqual(complaints, [])
    },
    patience
  )

  it(
    "restore a component after they have said whom it concerns, and not before a yes",
    async () => {
      const node = await start("small")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await page.locator(".odd button", { hasText: "cache" }).click()
      node.tell("revive")
      await page.getByRole("button", { name: "Restore…" }).click()
      const dialog = page.getByRole("dialog")
      await dialog.locator(".radius").waitFor()
      const concerned = await dialog.locator(".radius li").allTextContents()
      assert.deepStrictEqual(concerned, ["apicannot do without it", "webcannot do without it"])
      // Enter on what is focused does nothing: the answer that changes something is never the first.
      await page.keyboard.press("Enter")
      assert.match(`${await page.locator(".detail").textContent()}`, /degraded, on memory/)
      await page.getByRole("button", { name: "Restore…" }).click()
      await dialog.getByRole("button", { name: "Restore it" }).click()
      await dialog.getByText("It is being built again").waitFor()
      await dialog.getByRole("button", { name: "Close" }).click()
      await page.locator(".detail .said", { hasText: /^ready$/ }).waitFor()
    },
    patience
  )

  it(
    "break no rule of accessibility, dark and light, 400 and 1280 wide",
    async () => {
      const node = await start("small")
      const { go, page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await page.locator(".box").first().waitFor()
      let judged = 0
      const judge = async (where: string): Promise<void> => {
        for (const [colorScheme, width] of [
          ["light", 1280],
          ["dark", 1280],
          ["dark", 400],
          ["light", 400]
        ] as const) {
          const here = `${where}, ${colorScheme}, ${width}`
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height: 800 })
          const { violations } = await new AxeBuilder({ page }).analyze()
          const found = violations.map(({ help, nodes }) => `${help}: ${nodes.map(({ html }) => html).join(" ")}`)
          assert.deepStrictEqual(found, [], here)
          const isWider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
          assert.isFalse(isWider, `${here} is wider than the screen`)
          judged++
        }
        await page.setViewportSize({ width: 1280, height: 800 })
      }
      await judge("graph")
      await page.locator(".odd button", { hasText: "cache" }).click()
      await page.getByRole("button", { name: "Restore…" }).click()
      await page.locator(".radius").waitFor()
      await judge("component and restoration")
      await page.keyboard.press("Escape")
      for (const [hash, there] of [
        ["#/timeline", ".lane"],
        ["#/health", "tbody tr"],
        ["#/boots", ".list li"],
        ["#/settings", "tbody tr"],
        ["#/tasks", ".notup h2"]
      ] as const) {
        await go(hash)
        await page.locator(there).first().waitFor()
        if (hash === "#/boots") {
          assert.match(
            await page.locator(".list .row .said").first().innerText(),
            /^(?:ready|degraded|no end recorded)$/
          )
          for (const box of await page.locator(".list input:enabled").all()) await box.check()
          await page.getByRole("button", { name: "Compare two" }).click()
          await page.locator(".difference tbody tr").first().waitFor()
        }
        await judge(hash)
      }
      await page.getByRole("button", { name: "Shortcuts and help" }).click()
      await judge("help")
      assert.strictEqual(judged, 32)
    },
    3 * patience
  )

  it(
    "ask nobody but the node that they are of, on any page",
    async () => {
      const node = await start("small")
      const { complaints, go, page, requests } = await Browser.visit(node)
      for (const hash of ["#/timeline", "#/health", "#/boots", "#/settings", "#/graph"]) {
        await go(hash)
        await page.locator("nav a[aria-current=page]", { hasText: new RegExp(hash.slice(2), "i") }).waitFor()
        await page.waitForLoadState("load")
      }
      await page.locator(".box").first().waitFor()
      assert.isAbove(requests.length, 8)
      assert.deepStrictEqual(
        requests.filter((url) => new URL(url).origin !== node.url),
        []
      )
      assert.deepStrictEqual(complaints, [])
      const cookies = await page.context().cookies()
      assert.deepStrictEqual(
        cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]),
        [[true, "Strict"]]
      )
      assert.notInclude(page.url(), "token")
    },
    patience
  )

  it(
    "show hostile names and messages as the text that they are",
    async () => {
      const node = await start("small")
      const { complaints, go, page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await page.locator(".odd li", { hasText: "search" }).first().waitFor()
      node.tell("break")
      const seen: Array<string> = []
      for (const [hash, there] of [
        ["#/graph", ".box"],
        ["#/graph/search", ".detail .title"],
        ["#/timeline", ".lane"],
        ["#/health", "td:has-text('second line')"],
        ["#/settings", "tbody tr"],
        ["#/boots", ".list li"]
      ] as const) {
        await go(hash)
        await page.locator(there).first().waitFor()
        if (hash === "#/boots") {
          await page.locator(".list .row").nth(1).click()
          await page.locator(".sheet .banner").waitFor()
        }
        seen.push(await page.locator("main").innerText())
        assert.strictEqual(await page.locator("main img").count(), 0, hash)
      }
      const text = seen.join("\n")
      assert.include(text, `<img src=x onerror="document.title='owned'">`)
      assert.include(text, "<img-src=x-onerror=alert(1)>")
      assert.include(text, "\\u{1b}[31mred")
      for (const control of ["\u001b", "\u202e"]) assert.notInclude(text, control)
      assert.notInclude(await page.title(), "owned")
      assert.deepStrictEqual(complaints, [])
    },
    patience
  )

  it(
    "say that the node is not heard any more, keep what they know, and go on when it is back",
    async () => {
      const node = await start("small")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await node.stop()
      await page.getByRole("alert").filter({ hasText: "is not heard since" }).waitFor()
      assert.isAbove(await page.locator(".box").count(), 5)
      assert.match(`${await page.locator(".outcome").textContent()}`, /stopped/)
      await start("small", node.port, node.dataDir)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      assert.strictEqual(await page.getByRole("alert").count(), 0)
    },
    patience
  )

  it(
    "ask for a link when there is no session, and take one that is pasted",
    async () => {
      const node = await start("small")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await page.context().clearCookies()
      await page.reload()
      await page.getByText("This page is for whoever runs the node").waitFor()
      assert.strictEqual(await page.locator(".box").count(), 0)
      await page.getByRole("textbox").fill(`${node.url}/#token=${"x".repeat(43)}`)
      await page.getByRole("button", { name: "Open" }).click()
      await page.getByText("This link was used already").waitFor()
      await page.getByRole("textbox").fill(await node.link())
      await page.getByRole("button", { name: "Open" }).click()
      await page.locator(".box").first().waitFor()
    },
    patience
  )

  it(
    "can be used by keys alone",
    async () => {
      const node = await start("small")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      await page.keyboard.press("2")
      await page.locator(".lane").first().waitFor()
      await page.keyboard.press("1")
      await page.locator(".box[tabindex='0']").focus()
      await page.keyboard.press("ArrowRight")
      await page.keyboard.press("ArrowDown")
      await page.keyboard.press("Enter")
      await page.locator(".detail .title").waitFor()
      const focused = page.locator(".box:focus-visible")
      assert.strictEqual(await focused.count(), 1)
      assert.strictEqual(await focused.getAttribute("aria-pressed"), "true")
      await page.keyboard.press("Escape")
      await page.locator(".detail .title").waitFor({ state: "detached" })
      const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      await page.keyboard.press("t")
      assert.notStrictEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), before)
      await page.keyboard.press("?")
      await page.getByRole("dialog", { name: "Shortcuts and signs" }).waitFor()
    },
    patience
  )

  it(
    "say that there is no work to look at where nothing takes part in any",
    async () => {
      const node = await start("small")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "degraded" }).waitFor()
      for (const key of ["4", "5"]) {
        await page.keyboard.press(key)
        await page.getByRole("heading", { name: "This node takes part in no work" }).waitFor()
      }
    },
    patience
  )

  it(
    "show the boot that failed, and who failed it",
    async () => {
      const node = await start("failed")
      const { page } = await Browser.visit(node)
      await page.locator(".outcome", { hasText: "failed" }).waitFor()
      const why = await page.locator(".odd li", { hasText: "database" }).first().textContent()
      assert.match(`${why}`, /no route to 10\.0\.0\.9/)
    },
    patience
  )

  it(
    "draw a thousand components, and move over them",
    async () => {
      const node = await start("large")
      const { complaints, page } = await Browser.visit(node)
      await page.locator(".graph[data-laid='1000']").waitFor()
      // From afar they are a few shapes, near by only those in view are there.
      assert.isBelow(await page.locator(".graph *").count(), 50)
      for (let i = 0; i < 8; i++) await page.keyboard.press("+")
      await page.locator(".box").first().waitFor()
      const near = await page.locator(".box").count()
      assert.isAbove(near, 0)
      assert.isBelow(near, 400)
      await page.locator(".odd button").first().click()
      await page.locator(".box[data-selected]").waitFor()
      await page.keyboard.press("2")
      await page.locator(".lane").first().waitFor()
      assert.isBelow(await page.locator(".lane").count(), 120)
      assert.deepStrictEqual(complaints, [])
    },
    patience
  )
})
