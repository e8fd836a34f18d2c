/**
 * The body of `novacron dwcp forecast`: recorded series in, a line each, plain or gzipped; forecasts out as JSON lines.
 *
 * **Details**
 *
 * A series is `{"id", "dt", "v": [...]}`, `dt` in seconds (1 if it is absent), `v` in any unit. From the 33rd value on each
 * one is answered by a line `{id, i, h1, h5, p10h1, p10h5}` of forecasts for `i + 1` and `i + 5`, made of `v[0..i]` alone.
 * What is no number from zero on counts as missing. A line that is no series is answered by `{id, error}`, and the next one
 * is read. Memory is bounded by the longest line.
 */
import type { Readable } from "node:stream"
import { Data } from "effect"
import * as Lines from "../Lines.ts"
import type { Model } from "./Model.ts"
import * as Series from "./Series.ts"

/** What was given is not text that could be read to its end. */
export class BadSeries extends Data.TaggedError("BadSeries")<{ readonly problem: string; readonly cause?: unknown }> {
  readonly code = "NVC-4301"
  override get message(): string {
    return `The series cannot be read: ${this.problem}. What was read before it is answered; check the file.`
  }
}

/** Before it too little is known. */
export const first = 32
/** Forecasts that are written at once. */
const together = 256

/** Lines of text, many in one string. Throws {@link BadSeries}. */
export const forecast = async function* (input: Readable, model: Model | undefined): AsyncGenerator<string> {
  let number = 0
  for await (const line of Lines.read(input, refuse)) {
    number++
    if (line.trim() === "") continue
    const parsed = parse(line, number)
    if ("error" in parsed) yield `${JSON.stringify(parsed)}\n`
    else yield* answers(parsed, model)
  }
}

const refuse: Lines.Refuse = (problem, cause) => new BadSeries({ problem, cause })

interface Recorded {
  readonly id: string | number
  readonly seconds: number
  readonly values: ReadonlyArray<unknown>
}

const answers = function* ({ id, seconds, values }: Recorded, model: Model | undefined): Generator<string> {
  const series = Series.make(seconds, model)
  let text = ""
  for (const [i, value] of values.entries()) {
    const { h1, h5, p10h1, p10h5 } = series.push(typeof value === "number" ? value : Number.NaN)
    if (i < first) continue
    const answer = { id, i, h1: short(h1), h5: short(h5), p10h1: short(p10h1), p10h5: short(p10h5) }
    text += `${JSON.stringify(answer)}\n`
    if (i % together > 0) continue
    yield text
    text = ""
  }
  if (text !== "") yield text
}

/** Twelve digits: with six a link that carries 1,234,567 at every moment would seem to fall short of its own forecast. */
const short = (value: number): number => Number(value.toPrecision(12))

const parse = (line: string, number: number): Recorded | { readonly id: unknown; readonly error: string } => {
  const bad = (error: string, id: unknown = null) => ({ id, error: `Line ${number} ${error}` })
  const value = parsed(line)
  if (typeof value !== "object" || value === null) return bad("is no JSON object")
  const id = "id" in value ? value.id : undefined
  const dt = "dt" in value ? value.dt : undefined
  if (!("v" in value) || !Array.isArray(value.v)) return bad('has no list "v" of values', id)
  if (dt !== undefined && (typeof dt !== "number" || !(dt > 0))) return bad('has a "dt" that is no length of time', id)
  return { id: typeof id === "string" || typeof id === "number" ? id : number, seconds: dt ?? 1, values: value.v }
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
