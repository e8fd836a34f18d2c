import { readdirSync, readFileSync, statSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, beforeAll, describe, it } from "vitest"
import { build } from "../build.ts"
import * as Dashboard from "../src/index.ts"

const folder = fileURLToPath(Dashboard.site)

describe("the built pages", () => {
  beforeAll(() => build(), 120_000)

  it("are where the package says, and are not built again when nothing has changed", async () => {
    const before = statSync(join(folder, "index.html")).ino
    assert.strictEqual(join(await build(), "/"), folder)
    assert.strictEqual(statSync(join(folder, "index.html")).ino, before)
  })

  it("name nothing that is elsewhere, and hold no script or style of their own", () => {
    const html = readFileSync(join(folder, "index.html"), "utf8")
    assert.include(html, 'type="module"')
    assert.notMatch(html, /(?:src|href)="(?:https?:)?\/\//)
    assert.notMatch(html, /<script>|<style|\son\w+=|\sstyle=/)
  })

  it("are small enough to be there at once: 120 kB packed, all of them together", () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.(?:html|js|css|svg)$/.test(name)
    )
    assert.isAbove(files.length, 6)
    const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0)
    console.log(`the pages of the dashboard: ${(bytes / 1_000).toFixed(1)} kB gzip in ${files.length} files`)
    assert.isBelow(bytes, 120_000)
  })
})
