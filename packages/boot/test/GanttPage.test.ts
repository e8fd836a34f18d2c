import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import type * as Gantt from "../src/Gantt.ts"
import * as GanttPage from "../src/GanttPage.ts"
import { hostileNames } from "./fixtures/hostile.ts"

const chart: Gantt.Chart = {
  title: `boot <1> & "friends"`,
  lines: ["ready in 100 ms", ...hostileNames],
  footnotes: [...hostileNames],
  fromMs: 0,
  toMs: 100,
  marks: hostileNames.map((text, k) => ({ atMs: k, text })),
  omitted: 3,
  rows: hostileNames.map((name, k) => ({
    name,
    depth: k,
    bars: [
      { paint: "waiting", fromMs: 0, toMs: 20 },
      { paint: "running", fromMs: 20, toMs: 50 },
      { paint: "up", fromMs: 50, toMs: 100 }
    ],
    isCritical: k === 0,
    isWrong: k === 1,
    note: name,
    facts: [name, "core, critical, ready"]
  }))
}

const tag = /<(\/?)([a-z0-9]+)(?:\s+[a-zA-Z0-9-]+="[^"<>]*")*\s*(\/?)>/g

/** The tags of a document, in order; fails when they do not nest, or when what looks like one is none. */
const tagsOf = (markup: string): ReadonlyArray<string> => {
  const open: Array<string> = []
  const tags: Array<string> = []
  const inside = markup.replace(/<style>[^<]*<\/style>/, "").replace("<!doctype html>", "")
  for (const [, closing, name = "", selfClosing] of inside.matchAll(tag)) {
    if (closing === "/") assert.strictEqual(open.pop(), name)
    else if (selfClosing !== "/" && name !== "meta") open.push(name)
    if (closing !== "/") tags.push(name)
  }
  assert.deepStrictEqual(open, [])
  assert.notMatch(inside.replace(tag, ""), /[<>]/)
  return tags
}

describe("GanttPage", () => {
  const html = GanttPage.toHtml(chart)
  const svg = GanttPage.toSvg(chart)

  it("is complete in itself: no script, no link, no request to anywhere", () => {
    for (const markup of [html, svg.replace('xmlns="http://www.w3.org/2000/svg"', "")]) {
      assert.notMatch(markup, /<(?:script|link|img|iframe|object|embed|form|a|base|image|use|foreignObject)\b/i)
      assert.notMatch(markup, /https?:|\/\/|url\(|@import|javascript:|data:/i)
      assert.notMatch(markup.replace(/>[^<]*</g, "><"), /\son\w+=|\sstyle=/i)
    }
  })

  it("has a policy that allows its own style and nothing else", () => {
    const hash = createHash("sha256").update(GanttPage.style).digest("base64")
    const [, content = ""] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html) ?? []
    assert.strictEqual(content, `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`)
    assert.include(html, `<style>${GanttPage.style}</style>`)
    assert.isBelow(html.indexOf("Content-Security-Policy"), html.indexOf("<style>"))
  })

  it("nests, whatever the names hold", () => {
    const tags = tagsOf(html)
    assert.strictEqual(tags.filter((one) => one === "details").length, hostileNames.length)
    assert.strictEqual(tags.filter((one) => one === "summary").length, hostileNames.length)
    assert.strictEqual(tags.filter((one) => one === "svg").length, hostileNames.length)
    assert.strictEqual(tags.filter((one) => one === "script").length, 0)
    assert.isAbove(tagsOf(svg).filter((one) => one === "rect").length, hostileNames.length * 3)
  })

  it("shows names and obeys none", () => {
    for (const markup of [html, svg]) {
      assert.notMatch(markup, /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
      assert.include(markup, "&#60;script&#62;alert(1)")
      assert.notInclude(markup, "n".repeat(3_000))
    }
    assert.include(html, "漢字の名前🚀")
    assert.include(html, "<title>boot &#60;1&#62; &#38; &#34;friends&#34;</title>")
  })

  it("is read by keyboard, in the dark, on a narrow screen, and by those who cannot see it", () => {
    assert.match(html, /<li><details class="k"><summary>/)
    assert.include(GanttPage.style, ":focus-visible{outline")
    assert.include(GanttPage.style, "@media (prefers-color-scheme:dark)")
    assert.include(svg, "@media (prefers-color-scheme:dark)")
    assert.include(GanttPage.style, "@media (max-width:640px)")
    assert.include(html, '<meta name="viewport" content="width=device-width, initial-scale=1">')
    assert.include(html, 'role="img" aria-label="waiting 20 ms, running 30 ms, up 50 ms"')
    assert.match(html, /<html lang="en">/)
  })

  it("says what it does not show", () => {
    assert.include(html, "and 3 more that are not shown")
    assert.include(svg, "and 3 more that are not shown")
  })

  it("draws a chart without rows, and one in which no time passes", () => {
    assert.isAbove(tagsOf(GanttPage.toHtml({ ...chart, rows: [] })).length, 5)
    for (const markup of [GanttPage.toHtml({ ...chart, toMs: 0 }), GanttPage.toSvg({ ...chart, toMs: 0 })]) {
      assert.notInclude(markup, "NaN")
      tagsOf(markup)
    }
  })
})
