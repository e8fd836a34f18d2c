/** A real browser at a real dashboard: a process with a node, and headless Chromium that has used its link. */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { build } from "../build.ts"

const executablePath = "/usr/bin/chromium"

/** Whether there is a browser: `scripts/setup.ts` brings it where it can. */
export const isThere = existsSync(executablePath)

/** Nothing that is not asked for, and nothing that is kept. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

let browser: Browser | undefined

export const launch = async (): Promise<Browser> =>
  (browser ??= await chromium.launch({ executablePath, args, timeout: 60_000 }))

export const close = async (): Promise<void> => {
  await browser?.close()
  browser = undefined
}

/** A node that was started, and how to talk to it. */
export interface Node {
  readonly url: string
  readonly link: () => Promise<string>
  readonly tell: (what: "revive" | "break" | "release") => void
  readonly stop: () => Promise<void>
  readonly port: number
  /** Where it keeps the key of its sessions, for one that comes after it. */
  readonly dataDir: string
}

const program = join(import.meta.dirname, "../../components/test/operator/node.ts")

interface Told {
  readonly url?: string
  readonly link?: string
}

/** Starts a node in a scene; with a port and a directory, at the place of one before. */
export const start = async (
  scene: string,
  port = 0,
  dataDir = mkdtempSync(join(tmpdir(), "novacron-page-"))
): Promise<Node> => {
  const site = await build()
  // Node of the workspace runs TypeScript; the one that runs the tests may be another.
  const execPath = join(import.meta.dirname, "../../../node_modules/node/bin/node")
  const child = fork(program, [scene, site, `${port}`, dataDir], {
    execPath,
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  const first = await message(child)
  let link = first.link
  const url = first.url ?? ""
  return {
    url,
    dataDir,
    port: Number(new URL(url).port),
    link: async () => {
      const mine = link ?? (await (child.send("link"), message(child))).link ?? ""
      link = undefined
      return mine
    },
    tell: (what) => void child.send(what),
    stop: async () => {
      if (child.exitCode !== null) return
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
      child.send("stop")
      await ended
    }
  }
}

const message = (child: ChildProcess): Promise<Told> =>
  new Promise((resolve, reject) => {
    child.once("message", (told: Told) => resolve(told))
    child.once("exit", (code) => reject(new Error(`The node ended with ${code}.`)))
  })

/** A page that has used the link of a node, and all that it asked for and complained about. */
export interface Visit {
  readonly page: Page
  readonly requests: ReadonlyArray<string>
  readonly complaints: ReadonlyArray<string>
  readonly go: (hash: string) => Promise<void>
}

export const visit = async (node: Node, options: BrowserContextOptions = {}): Promise<Visit> => {
  const context = await (await launch()).newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const requests: Array<string> = []
  const complaints: Array<string> = []
  page.on("request", (request) => void requests.push(request.url()))
  page.on("websocket", (socket) => void requests.push(socket.url()))
  page.on("pageerror", (error) => void complaints.push(error.message))
  page.on("console", (said) => {
    if (said.type() === "error") complaints.push(said.text())
  })
  await page.goto(await node.link())
  // The frame of the page is there before its code, which takes the ticket out of the address.
  await page.waitForFunction(() => !location.hash.startsWith("#token"))
  const go = async (hash: string): Promise<void> => {
    await page.evaluate((to) => (location.hash = to), hash)
  }
  return { page, requests, complaints, go }
}
