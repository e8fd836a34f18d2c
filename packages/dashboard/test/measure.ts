/**
 * What the pages weigh and how quick they are, as JSON on stdout: for `pnpm bench observability`, which starts it by its
 * path. `measure.ts 5` takes five samples.
 */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { Page } from "playwright-core"
import { build } from "../build.ts"
import * as Browser from "./Browser.ts"

/** All that a browser can ask for, packed with gzip, as the sum of its files. */
const gzipKb = async (): Promise<number> => {
  const site = await build()
  const files = globSync("**/*.{html,js,css,svg}", { cwd: site })
  return files.reduce((sum, name) => sum + gzipSync(readFileSync(join(site, name)), { level: 9 }).length, 0) / 1_000
}

/** From the beginning of the navigation to something that can be read, with nothing in the cache. */
const firstPaintMs = (page: Page): Promise<number> =>
  page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN)

/** From the wish for a layout to its picture, with the start of its thread. */
const layoutMs = (page: Page): Promise<number> =>
  page.evaluate(() => performance.getEntriesByName("novacron-layout").at(-1)?.duration ?? NaN)

/** The time between two frames while the picture is moved with each of them, from afar and then near by. */
const frameMs = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const graph = document.querySelector(".graph")
    const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve))
    const times: Array<number> = []
    const turn = (deltaY: number) =>
      graph?.dispatchEvent(
        new WheelEvent("wheel", { deltaY, clientX: 300, clientY: 300, bubbles: true, cancelable: true })
      )
    const move = async () => {
      let last = await frame()
      for (let i = 0; i < 40; i++) {
        turn(i % 2 === 0 ? 3 : -3)
        const now = await frame()
        times.push(now - last)
        last = now
      }
    }
    await move()
    turn(-1_500)
    await frame()
    await move()
    return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN
  })

const samples = async (scene: string, count: number, look: (page: Page) => Promise<void>): Promise<void> => {
  const node = await Browser.start(scene)
  try {
    for (let i = 0; i < count; i++) {
      const { page } = await Browser.visit(node)
      await page.locator(".graph[data-laid]").waitFor()
      await look(page)
      await page.context().close()
    }
  } finally {
    await node.stop()
  }
}

const count = Number(process.argv[2] ?? 5)
const figures = {
  gzipKb: await gzipKb(),
  firstPaintMs: Array<number>(),
  layoutMs: Array<number>(),
  frameMs: Array<number>()
}
try {
  // The first page is the one after which files are in the cache of the system.
  await samples("small", count + 1, async (page) => void figures.firstPaintMs.push(await firstPaintMs(page)))
  figures.firstPaintMs.shift()
  await samples("large", count, async (page) => {
    await page.waitForFunction(() => performance.getEntriesByName("novacron-layout").length > 0)
    figures.layoutMs.push(await layoutMs(page))
    figures.frameMs.push(await frameMs(page))
  })
} finally {
  await Browser.close()
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
