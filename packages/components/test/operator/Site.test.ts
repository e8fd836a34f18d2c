import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Site from "../../src/operator/Site.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "novacron-site-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const build = (text: string, atSeconds: number) => {
  mkdirSync(join(folder, "assets"), { recursive: true })
  writeFileSync(join(folder, "assets/index-AbCd1234.js"), "let a = 1")
  writeFileSync(join(folder, "assets/index-AbCd1234.js.br"), "packed")
  writeFileSync(join(folder, "secret.key"), "no page")
  writeFileSync(join(folder, "index.html"), text)
  utimesSync(join(folder, "index.html"), atSeconds, atSeconds)
}

describe("a site", () => {
  it("is not there before it is built, and is read again when it is built anew", () => {
    const site = Site.make(folder)
    assert.isUndefined(site.files())
    build("<p>one", 1)
    const first = site.files()
    assert.strictEqual(first?.get("/index.html")?.plain.toString(), "<p>one")
    assert.strictEqual(site.files(), first)
    build("<p>two", 2)
    assert.strictEqual(site.files()?.get("/index.html")?.plain.toString(), "<p>two")
  })

  it("has pages, scripts and styles, and nothing else", () => {
    build("<p>", 1)
    assert.deepStrictEqual([...(Site.make(folder).files()?.keys() ?? [])].toSorted(), [
      "/assets/index-AbCd1234.js",
      "/index.html"
    ])
  })

  it("lets a browser keep what has a hash in its name", () => {
    build("<p>", 1)
    const files = Site.make(folder).files()
    assert.isTrue(files?.get("/assets/index-AbCd1234.js")?.isImmutable)
    assert.isFalse(files?.get("/index.html")?.isImmutable)
  })

  it("sends what is packed to whom it is told that they take it", () => {
    build("<p>", 1)
    const file = Site.make(folder).files()?.get("/assets/index-AbCd1234.js")
    assert.isDefined(file)
    if (file === undefined) return
    assert.strictEqual(Site.bytesFor(file, "gzip, deflate, br").encoding, "br")
    for (const not of ["", "gzip", "br;q=0", "brotli"]) assert.isUndefined(Site.bytesFor(file, not).encoding, not)
  })
})
