/**
 * What the dashboard weighs and how quick it is, in a real browser at a real server on loopback. `journals_list_ms` is
 * measured beside the other journals, in `src/observability.ts`.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Figure } from "../Figure.ts"

const root = join(import.meta.dirname, "../../..")

/** It is where the browser is a dependency. */
const program = join(root, "packages/dashboard/test/measure.ts")

interface Measured {
  readonly gzipKb: number
  readonly firstPaintMs: ReadonlyArray<number>
  readonly layoutMs: ReadonlyArray<number>
  readonly frameMs: ReadonlyArray<number>
}

/** Kilobytes of all pages, first paint, layout of a thousand components, and frames while they are moved. */
export const figures = async ({ quick }: { readonly quick: boolean }): Promise<ReadonlyArray<Figure>> => {
  if (!existsSync("/usr/bin/chromium")) {
    const skipped = "there is no chromium: node scripts/setup.ts"
    const none = { better: "lower", value: null, ok: null, samples: 0, skipped } as const
    return bars.map(([id, unit, bar]) => ({ id, unit, bar, ...none }))
  }
  const { stdout } = await promisify(execFile)(process.execPath, [program, quick ? "3" : "9"], { timeout: 600_000 })
  const measured: Measured = JSON.parse(stdout.trim().split("\n").at(-1) ?? "")
  return bars.map(([id, unit, bar, samplesOf]) => figure(id, unit, bar, samplesOf(measured)))
}

const bars: ReadonlyArray<
  readonly [id: string, unit: string, bar: number, samples: (it: Measured) => ReadonlyArray<number>]
> = [
  ["dashboard_gzip_kb", "kB", 120, ({ gzipKb }) => [gzipKb]],
  ["first_paint_ms", "ms", 300, ({ firstPaintMs }) => firstPaintMs],
  ["graph_1k_layout_ms", "ms", 1_000, ({ layoutMs }) => layoutMs],
  // Smooth is 30 frames a second without a graphics card.
  ["graph_1k_frame_ms", "ms", 34, ({ frameMs }) => frameMs]
]

const figure = (id: string, unit: string, bar: number, samples: ReadonlyArray<number>): Figure => {
  const value = samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? NaN
  return { id, unit, bar, better: "lower", samples, value, ok: value <= bar }
}
