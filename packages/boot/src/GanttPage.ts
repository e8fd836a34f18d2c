/**
 * A chart as SVG, and as a page that is complete in itself: no script, no request to anywhere, and a policy that forbids
 * both. It is read by keyboard, in the dark, on a narrow screen, and by those who cannot see it.
 *
 * **Details**
 *
 * A row is a `details` element: Tab reaches it, Enter opens it. The style is the only thing that the policy allows, by its
 * hash, which a test holds; so nothing inside a page may have a style of its own.
 */
import { type Chart, drawn, type Paint, type Row, titles } from "./Gantt.ts"
import * as Words from "./Words.ts"

/** Text for a page: visible, and none of it markup. */
export const escaped = (text: string, limit = 500): string =>
  Words.visible(text, limit).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const hues = [
  "--waiting:#c9d0d9;--queued:#e0a526;--running:#2b78cf;--closing:#7d57c2;--backoff:#c2456d;--up:#b9dfc1",
  "--degraded:#ecd27c;--stopping:#7d57c2;--critical:#c8461a;--ink:#1a1f26;--dim:#59626e;--paper:#fff;--line:#dfe3e8"
].join(";")
const darkHues = [
  "--waiting:#3a424d;--queued:#d39b22;--running:#4a97ea;--closing:#a184e0;--backoff:#e0648c;--up:#2f5d3a",
  "--degraded:#7a6726;--stopping:#a184e0;--critical:#f4713f;--ink:#e6eaef;--dim:#9aa5b1;--paper:#12161b;--line:#2a313a"
].join(";")

const classes: { readonly [P in Paint]: string } = {
  waiting: "w",
  queued: "q",
  running: "r",
  closing: "c",
  backoff: "b",
  up: "u",
  degraded: "d",
  gone: "g",
  stopping: "s"
}

const fills = [
  ...(Object.keys(classes) as Array<Paint>)
    .filter((paint) => paint !== "gone")
    .map((paint) => `.${classes[paint]}{fill:var(--${paint});background:var(--${paint})}`),
  ".g{fill:none}.k .r{fill:var(--critical)}.i{background:var(--critical)}"
].join("")

/** The style of every page. Its hash is in the policy: who changes one changes the other. */
export const style = [
  `:root{color-scheme:light dark;${hues}}`,
  `@media (prefers-color-scheme:dark){:root{${darkHues}}}`,
  "*{box-sizing:border-box}",
  "body{margin:0;background:var(--paper);color:var(--ink);font:14px/1.45 system-ui,sans-serif}",
  "main{max-width:1400px;margin:0 auto;padding:16px}",
  "h1{font-size:1.25rem;margin:0 0 4px;overflow-wrap:anywhere}",
  "p,li,td,th{overflow-wrap:anywhere}p{margin:0 0 6px;color:var(--dim)}",
  "a{color:inherit}ol{list-style:none;margin:12px 0;padding:0}",
  "summary{display:grid;grid-template-columns:minmax(120px,22%) 1fr minmax(80px,22%);gap:10px;align-items:center;",
  "padding:3px 6px;cursor:pointer;border-radius:4px}summary::-webkit-details-marker{display:none}",
  "summary:hover{background:var(--line)}:focus-visible{outline:2px solid var(--running);outline-offset:1px}",
  ".n{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.k .n{font-weight:600}",
  ".x .n,.x .o{color:var(--backoff)}.o{font-size:.85em;color:var(--dim);overflow:hidden;text-overflow:ellipsis}",
  "svg{display:block;width:100%;height:16px}",
  ".t{display:flex;justify-content:space-between;font-size:.8em;color:var(--dim)}",
  ".l{display:flex;flex-wrap:wrap;gap:4px 14px;margin-top:12px;font-size:.85em;color:var(--dim)}",
  ".l i{display:inline-block;width:12px;height:12px;margin-right:5px;border-radius:2px;vertical-align:-1px}",
  "details ul{margin:2px 0 8px;padding-left:26px;color:var(--dim);font-size:.9em}",
  ".e{padding-left:14px}.f{padding-left:28px}.h{padding-left:42px}",
  "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:4px 8px;border-bottom:1px solid var(--line)}",
  fills,
  "@media (max-width:640px){summary,.a{grid-template-columns:1fr auto;gap:2px 8px}summary svg{grid-column:1/-1;grid-row:2}",
  "main{padding:10px}td,th{padding:4px}}",
  ".a{display:grid;grid-template-columns:minmax(120px,22%) 1fr minmax(80px,22%);gap:10px;padding:0 6px}",
  "@media (max-width:640px){.a{grid-template-columns:1fr}.a span:empty{display:none}}"
].join("")

/** What a page may do: nothing but look like this. */
export const policy = [
  "default-src 'none'",
  "style-src 'sha256-mDNT2hD9SUF5VjQpjqoTT6vB0wMRirIri6YYuBuxa+M='",
  "base-uri 'none'",
  "form-action 'none'"
].join("; ")

/** A page around a body that is markup already. */
export const page = (title: string, body: string): string =>
  [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escaped(title, 200)}</title>`,
    `<style>${style}</style>`,
    "</head>",
    "<body>",
    `<main>${body}</main>`,
    "</body>",
    "</html>",
    ""
  ].join("\n")

/** The chart as a page. */
export const toHtml = (chart: Chart): string => page(chart.title, toBody(chart))

/** The chart as a part of a page. */
export const toBody = (chart: Chart): string =>
  [
    `<h1>${escaped(chart.title)}</h1>`,
    ...chart.lines.map((line) => `<p>${escaped(line, 2_000)}</p>`),
    ...(chart.rows.length === 0 ? [] : [scale(chart)]),
    `<ol>${chart.rows.map((row) => item(row, chart)).join("\n")}</ol>`,
    ...(chart.omitted === 0 ? [] : [`<p>and ${chart.omitted} more that are not shown</p>`]),
    ...(chart.marks.length === 0
      ? []
      : [
          `<p>${chart.marks
            .slice(0, 50)
            .map(({ atMs, text }) => `${escaped(text, 100)} ${Words.duration(atMs - chart.fromMs)}`)
            .join(" · ")}</p>`
        ]),
    ...chart.footnotes.map((line) => `<p>${escaped(line, 2_000)}</p>`),
    legend(chart)
  ].join("\n")

const scale = ({ fromMs, toMs }: Chart): string => {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => `<span>${Words.duration((toMs - fromMs) * share)}</span>`)
  return `<div class="a" aria-hidden="true"><span></span><div class="t">${ticks.join("")}</div><span></span></div>`
}

const item = (row: Row, chart: Chart): string => {
  const kinds = [row.isCritical ? "k" : "", row.isWrong ? "x" : ""].filter((one) => one !== "").join(" ")
  const indent = ["", " e", " f", " h"][Math.min(row.depth, 3)] ?? ""
  const name = `<span class="n${indent}">${row.isCritical ? "* " : ""}${escaped(row.name, 200)}</span>`
  const facts = row.facts.map((fact) => `<li>${escaped(fact, 1_000)}</li>`).join("")
  const body = facts === "" ? "" : `<ul>${facts}</ul>`
  return [
    `<li><details${kinds === "" ? "" : ` class="${kinds}"`}><summary>${name}`,
    bars(row, chart),
    `<span class="o">${escaped(row.note, 300)}</span></summary>${body}</details></li>`
  ].join("")
}

/** A picture of a thousand units, whatever the time and the width of the screen are. */
const bars = (row: Row, chart: Chart): string => {
  const spanMs = chart.toMs - chart.fromMs
  const shown = drawn(row.bars, chart)
  const rects = shown.map(({ fromMs, paint, toMs }) => {
    const x = number((1_000 * (fromMs - chart.fromMs)) / spanMs)
    const width = number(Math.max(1, (1_000 * (toMs - fromMs)) / spanMs))
    const shape = `<rect class="${classes[paint]}" x="${x}" y="2" width="${width}" height="12">`
    return `${shape}<title>${spoken(paint, toMs - fromMs)}</title></rect>`
  })
  const words = shown.slice(0, 12).map(({ fromMs, paint, toMs }) => spoken(paint, toMs - fromMs))
  const label = `${words.join(", ")}${shown.length > words.length ? " and more" : ""}`
  return `<svg viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label="${label}">${rects.join("")}</svg>`
}

const spoken = (paint: Paint, ms: number): string => `${titles[paint]} ${Words.duration(ms)}`

const number = (value: number): string => `${Math.round(value * 100) / 100}`

const used = (chart: Chart): ReadonlyArray<Paint> => {
  const paints = new Set(chart.rows.flatMap((row) => row.bars.slice(0, 1_000).map(({ paint }) => paint)))
  return (Object.keys(classes) as Array<Paint>).filter((paint) => paint !== "gone" && paints.has(paint))
}

const legend = (chart: Chart): string => {
  const critical = chart.rows.some(({ isCritical }) => isCritical)
  const entries = [
    ...used(chart).map((paint) => `<span><i class="${classes[paint]}"></i>${titles[paint]}</span>`),
    ...(critical ? [`<span><i class="i"></i>* critical path</span>`] : [])
  ]
  return `<div class="l">${entries.join("")}</div>`
}

// ---------------------------------------------------------------------------------------------------------------- SVG

const size = { width: 1_200, row: 20, name: 230, note: 190, top: 64, bottom: 34 } as const

/** The chart as a picture that stands alone. */
export const toSvg = (chart: Chart): string => {
  const height = size.top + chart.rows.length * size.row + size.bottom
  const spanMs = chart.toMs - chart.fromMs
  const barWidth = size.width - size.name - size.note
  const at = (ms: number): string => number(size.name + (spanMs > 0 ? (barWidth * (ms - chart.fromMs)) / spanMs : 0))
  const text = (x: number | string, y: number, kind: string, words: string, anchor = "start") =>
    `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${words}</text>`
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const x = at(chart.fromMs + spanMs * share)
    return [
      `<line x1="${x}" x2="${x}" y1="${size.top - 6}" y2="${height - size.bottom}" class="y"/>`,
      text(x, size.top - 12, "m", Words.duration(spanMs * share), "middle")
    ]
  })
  const marks = chart.marks
    .filter(({ atMs }) => atMs >= chart.fromMs && atMs <= chart.toMs)
    .slice(0, 50)
    .map(({ atMs, text: words }) => {
      const x = at(atMs)
      const line = `<line x1="${x}" x2="${x}" y1="${size.top - 6}" y2="${height - size.bottom}" class="z">`
      return `${line}<title>${escaped(words, 100)} ${Words.duration(atMs - chart.fromMs)}</title></line>`
    })
  const rows = chart.rows.map((row, k) => {
    const y = size.top + k * size.row
    const indent = 8 + 12 * Math.min(row.depth, 6)
    const name = `${row.isCritical ? "* " : ""}${escaped(row.name, 30 - 2 * Math.min(row.depth, 6))}`
    const rects = drawn(row.bars, chart).map(({ fromMs, paint, toMs }) => {
      const width = number(Math.max(1, (barWidth * (toMs - fromMs)) / spanMs))
      const shape = `<rect class="${classes[paint]}" x="${at(fromMs)}" y="${y + 4}" width="${width}" height="12">`
      return `${shape}<title>${spoken(paint, toMs - fromMs)}</title></rect>`
    })
    const label = text(indent, y + 14, row.isWrong ? "x" : "n", name)
    const note = text(size.width - size.note + 8, y + 14, "m", escaped(row.note, 28))
    return `<g${row.isCritical ? ' class="k"' : ""}>${label}${rects.join("")}${note}</g>`
  })
  const omitted = chart.omitted === 0 ? "" : `and ${chart.omitted} more that are not shown   `
  const words = used(chart).map((paint, i) => {
    const x = size.name + i * 110
    const box = `<rect class="${classes[paint]}" x="${x}" y="${height - 20}" width="12" height="12"/>`
    return `${box}${text(x + 17, height - 10, "m", titles[paint])}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}"`,
    ` role="img" aria-label="${escaped(chart.title, 200)}">`,
    `<style>:root{${hues}}@media (prefers-color-scheme:dark){:root{${darkHues}}}`,
    "text{font:12px system-ui,sans-serif;fill:var(--ink)}.m{fill:var(--dim);font-size:11px}.x{fill:var(--backoff)}",
    ".y{stroke:var(--line)}.z{stroke:var(--dim);stroke-dasharray:3 3}.v{fill:var(--paper)}",
    `.k .n{font-weight:600}${fills}</style>`,
    `<rect class="v" width="100%" height="100%"/>`,
    text(8, 20, "n", escaped(chart.title, 150)),
    ...chart.lines.slice(0, 1).map((line) => text(8, 37, "m", escaped(line, 190))),
    ...ticks,
    ...marks,
    ...rows,
    text(8, height - 10, "m", omitted),
    ...words,
    "</svg>",
    ""
  ].join("\n")
}
