/**
 * Rows of bars over time, for whatever has a begin and an end: boots, and the traces of other programs. As text for a
 * terminal here; as SVG and as a page in `GanttPage.ts`.
 *
 * **Details**
 *
 * A chart is data. Names and texts in it may hold anything: each view shows them and obeys none of them, and cuts what
 * is too long. A view draws so many rows and says how many it left out; {@link pick} chooses them.
 *
 * In the text each cell shows what most of its time was spent on, and whatever ran has at least one cell that says so.
 * There are no colours in it unless they are asked for.
 *
 * **Example**
 *
 * ```text
 *   * config         ███                           12 ms
 *   * database       ···██████░░░░█████████        3.1 s
 *     cache          ···▒▒▒███                     81 ms
 * ```
 */
import * as Words from "./Words.ts"

/** What a bar stands for. */
export type Paint = "waiting" | "queued" | "running" | "closing" | "backoff" | "up" | "degraded" | "gone" | "stopping"

/** A time in a row, in milliseconds like all times here. The bars of a row are in order and do not overlap. */
export interface Bar {
  readonly paint: Paint
  readonly fromMs: number
  readonly toMs: number
}

/** Something at a moment. */
export interface Point {
  readonly atMs: number
  readonly text: string
}

/** One row. */
export interface Row {
  readonly name: string
  /** How far it is indented: what is inside of what. */
  readonly depth: number
  readonly bars: ReadonlyArray<Bar>
  readonly isCritical: boolean
  readonly isWrong: boolean
  /** What stands behind the bars: a duration, what went wrong. */
  readonly note: string
  /** What a reader sees on opening the row, a line each. */
  readonly facts: ReadonlyArray<string>
}

/** A chart. */
export interface Chart {
  readonly title: string
  /** What stands above the rows, and below them. */
  readonly lines: ReadonlyArray<string>
  readonly footnotes: ReadonlyArray<string>
  readonly fromMs: number
  readonly toMs: number
  readonly marks: ReadonlyArray<Point>
  readonly rows: ReadonlyArray<Row>
  /** How many rows there are that this chart does not show. */
  readonly omitted: number
}

/** How the text is laid out. */
export interface TextOptions {
  /** In columns; default: 100, at least 40 and at most 400. */
  readonly width?: number
  /** Default: false. */
  readonly colour?: boolean
}

/** The chart as lines for a terminal. */
export const toText = (chart: Chart, { colour = false, width = 100 }: TextOptions = {}): string => {
  const columns = Math.floor(Math.min(400, Math.max(40, Number.isFinite(width) ? width : 100)))
  const names = chart.rows.map(({ depth, name }) => `${"  ".repeat(Math.min(depth, 8))}${Words.visible(name, 200)}`)
  const notes = chart.rows.map(({ note }) => Words.visible(note, 400))
  const nameWidth = Math.min(widest(names), Math.floor(columns * 0.3))
  const noteWidth = Math.min(widest(notes), Math.floor(columns * 0.35))
  const barWidth = Math.max(8, columns - nameWidth - noteWidth - 6)
  const paint = colour ? painted : (_: Colour, text: string) => text
  const rows = chart.rows.map((row, k) => {
    const name = fitted(names[k] ?? "", nameWidth)
    const mark = row.isCritical ? "*" : " "
    const tone = row.isWrong ? "red" : row.isCritical ? "bold" : undefined
    const cells = cellsOf(row.bars, chart, barWidth)
    const bars = runsOf(cells).map(({ length, paint: kind }) => paint(tones[kind], glyphs[kind].repeat(length)))
    const head = `${mark} ${name}`
    const note = cut(notes[k] ?? "", noteWidth)
    return `${tone === undefined ? head : paint(tone, head)}  ${bars.join("")}  ${note}`.trimEnd()
  })
  const omitted = chart.omitted === 0 ? [] : [`  and ${chart.omitted} more that are not shown`]
  return [
    cut(Words.visible(chart.title, 400), columns),
    ...chart.lines.map((line) => cut(Words.visible(line, 1_000), columns)),
    ...(chart.rows.length === 0 ? [] : [`${" ".repeat(nameWidth + 4)}${axis(chart, barWidth)}`.trimEnd()]),
    ...rows,
    ...omitted,
    ...chart.footnotes.map((line) => cut(Words.visible(line, 1_000), columns)),
    ...(chart.rows.length === 0 ? [] : [cut(legend(chart), columns)])
  ].join("\n")
}

/** The rows that say most when there are more than `limit`, in the order that they have. */
export const pick = <A>(all: ReadonlyArray<A>, limit: number, weight: (one: A) => number): ReadonlyArray<A> => {
  if (all.length <= limit) return all
  const weights = all.map(weight)
  const chosen = all.map((_, i) => i).sort((i, j) => (weights[j] ?? 0) - (weights[i] ?? 0) || i - j)
  const kept = chosen.slice(0, limit).sort((i, j) => i - j)
  return kept.flatMap((i) => {
    const one = all[i]
    return one === undefined ? [] : [one]
  })
}

/** How many bars all rows of a drawing have together, about. */
const mostBars = 60_000

/**
 * The bars that a drawing can show: those that touch the chart, cut to it, and where many would share a pixel the one
 * that matters most of them. Bounds a page, however many bars there are.
 */
export const drawn = (bars: ReadonlyArray<Bar>, { fromMs, rows, toMs }: Chart): ReadonlyArray<Bar> => {
  const least = (toMs - fromMs) / Math.min(2_000, Math.max(60, mostBars / Math.max(1, rows.length)))
  const shown: Array<Bar> = []
  for (const bar of bars) {
    const [from, to] = [Math.max(fromMs, bar.fromMs), Math.min(toMs, bar.toMs)]
    if (!(to > from) || bar.paint === "gone") continue
    const last = shown.at(-1)
    if (last !== undefined && to - last.fromMs < least) {
      const paint = priority[bar.paint] > priority[last.paint] ? bar.paint : last.paint
      shown[shown.length - 1] = { paint, fromMs: last.fromMs, toMs: to }
    } else shown.push({ paint: bar.paint, fromMs: from, toMs: to })
  }
  return shown
}

const priority: { readonly [P in Paint]: number } = {
  running: 8,
  backoff: 7,
  closing: 6,
  queued: 5,
  stopping: 4,
  degraded: 3,
  up: 2,
  waiting: 1,
  gone: 0
}

/** What each bar is called, for legends and for those who cannot see it. */
export const titles: { readonly [P in Paint]: string } = {
  waiting: "waiting",
  queued: "queued",
  running: "running",
  closing: "closing",
  backoff: "backoff",
  up: "up",
  degraded: "on a fallback",
  gone: "not there",
  stopping: "stopping"
}

// ------------------------------------------------------------------------------------------------------------- cells

const glyphs: { readonly [P in Paint]: string } = {
  waiting: "·",
  queued: "▒",
  running: "█",
  closing: "▓",
  backoff: "░",
  up: " ",
  degraded: " ",
  gone: " ",
  stopping: "▓"
}

const paints: ReadonlyArray<Paint> = [
  "gone",
  "waiting",
  "queued",
  "running",
  "closing",
  "backoff",
  "up",
  "degraded",
  "stopping"
]

/** What each cell of a row shows. Takes time linear in bars and cells. */
const cellsOf = (bars: ReadonlyArray<Bar>, { fromMs, toMs }: Chart, width: number): ReadonlyArray<Paint> => {
  const spent = paints.map(() => new Float64Array(width))
  const cellMs = (toMs - fromMs) / width
  const cellAt = (ms: number): number => Math.min(width - 1, Math.max(0, Math.floor((ms - fromMs) / cellMs)))
  if (!(cellMs > 0)) return new Array<Paint>(width).fill("gone")
  for (const bar of bars) {
    const [from, to] = [Math.max(fromMs, bar.fromMs), Math.min(toMs, bar.toMs)]
    const row = spent[paints.indexOf(bar.paint)]
    if (row === undefined || !(to > from)) continue
    for (let cell = cellAt(from); cell < width; cell++) {
      const [begin, end] = [fromMs + cell * cellMs, fromMs + (cell + 1) * cellMs]
      const ms = Math.min(to, end) - Math.max(from, begin)
      if (ms > 0) row[cell] = (row[cell] ?? 0) + ms
      if (end >= to) break
    }
  }
  const cells = Array.from({ length: width }, (_, cell) => {
    let most = 0
    spent.forEach((row, k) => {
      if ((row[cell] ?? 0) > (spent[most]?.[cell] ?? 0)) most = k
    })
    return paints[most] ?? "gone"
  })
  // What ran is seen, however short it was.
  for (const bar of bars) {
    if (bar.paint !== "running" || bar.toMs < fromMs || bar.fromMs > toMs) continue
    const [first, last] = [cellAt(bar.fromMs), cellAt(Math.max(bar.fromMs, bar.toMs))]
    if (last - first < 3 && !cells.slice(first, last + 1).includes("running")) cells[first] = "running"
  }
  return cells
}

const runsOf = (cells: ReadonlyArray<Paint>): ReadonlyArray<{ readonly paint: Paint; readonly length: number }> => {
  const runs: Array<{ paint: Paint; length: number }> = []
  for (const paint of cells) {
    const last = runs.at(-1)
    if (last !== undefined && last.paint === paint) last.length++
    else runs.push({ paint, length: 1 })
  }
  return runs
}

/** `0 ms        1.2 s        2.4 s` */
const axis = ({ fromMs, toMs }: Chart, width: number): string => {
  const [begin, middle, end] = ["0 ms", Words.duration((toMs - fromMs) / 2), Words.duration(toMs - fromMs)]
  const left = Math.floor(width / 2) - begin.length - Math.ceil(middle.length / 2)
  const right = width - begin.length - left - middle.length - end.length
  return left < 1 || right < 1
    ? `${begin}${end.padStart(Math.max(0, width - begin.length))}`
    : `${begin}${" ".repeat(left)}${middle}${" ".repeat(right)}${end}`
}

const legend = ({ rows }: Chart): string => {
  const used = new Set(rows.flatMap(({ bars }) => bars.slice(0, 1_000).map(({ paint }) => paint)))
  const words = (["waiting", "queued", "backoff", "closing", "stopping", "running"] as const)
    .filter((paint) => used.has(paint))
    .map((paint) => `${glyphs[paint]} ${titles[paint]}`)
  return `  ${[...words, ...(rows.some(({ isCritical }) => isCritical) ? ["* critical path"] : [])].join("   ")}`
}

// ------------------------------------------------------------------------------------------------------------ colours

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35 } as const

type Colour = keyof typeof codes

const tones: { readonly [P in Paint]: Colour } = {
  waiting: "dim",
  queued: "yellow",
  running: "green",
  closing: "magenta",
  backoff: "red",
  up: "dim",
  degraded: "dim",
  gone: "dim",
  stopping: "magenta"
}

const painted = (colour: Colour, text: string): string =>
  text.trim() === "" ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`

// --------------------------------------------------------------------------------------------------------------- text

/** East Asian wide characters, by blocks, and what is shown as a picture. */
const wideBlocks =
  "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
const wide = new RegExp(`^(?:[${wideBlocks}]|\\p{Emoji_Presentation})`, "u")

/** How many columns of a terminal a character takes. */
const columnsOfChar = (char: string): number => (/^\p{M}/u.test(char) ? 0 : wide.test(char) ? 2 : 1)

/** How many columns of a terminal a text takes. */
export const columnsOf = (text: string): number => {
  let columns = 0
  for (const char of text) columns += char >= " " && char <= "~" ? 1 : columnsOfChar(char)
  return columns
}

const widest = (texts: ReadonlyArray<string>): number =>
  texts.reduce((most, text) => Math.max(most, columnsOf(text)), 0)

/** Cuts a text to so many columns. */
const cut = (text: string, columns: number): string => {
  if (columnsOf(text) <= columns) return text
  let kept = ""
  let used = 1
  for (const char of text) {
    used += columnsOfChar(char)
    if (used > columns) break
    kept += char
  }
  return columns < 1 ? "" : `${kept}…`
}

/** Cuts or pads a text to exactly so many columns. */
const fitted = (text: string, columns: number): string => {
  const short = cut(text, columns)
  return `${short}${" ".repeat(Math.max(0, columns - columnsOf(short)))}`
}
