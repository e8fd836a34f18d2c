import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Commands from "../../src/pba/Commands.ts"
import * as series from "./fixtures/series.ts"

const model = series.model(3)
const one = { id: "one", dt: 2, v: series.link(1, 600) }
const two = { id: 2, v: series.link(2, 40) }

/** In pieces of seven bytes, as a network may have them. */
const pieces = (data: Uint8Array): Readable => {
  const list: Array<Uint8Array> = []
  for (let at = 0; at < data.length; at += 7) list.push(data.subarray(at, at + 7))
  return Readable.from(list)
}

const text = (...lines: ReadonlyArray<unknown>): Buffer =>
  Buffer.from(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"))

interface Answer {
  readonly id: unknown
  readonly i: number
  readonly h1: number
  readonly p10h1: number
  readonly error?: string
}

const answers = async (input: Readable): Promise<ReadonlyArray<Answer>> => {
  const parts: Array<string> = []
  for await (const part of Commands.forecast(input, model)) parts.push(part)
  return parts
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
}

describe("novacron dwcp forecast", () => {
  it("answers {id, i, h1, h5, p10h1, p10h5} from the 33rd value on, zipped or not", async () => {
    const given = text(one, "", two)
    for (const input of [pieces(given), pieces(gzipSync(given))]) {
      const lines = await answers(input)
      assert.strictEqual(lines.length, 600 - 32 + 40 - 32)
      assert.deepStrictEqual(Object.keys(lines[0]!), ["id", "i", "h1", "h5", "p10h1", "p10h5"])
      assert.deepStrictEqual(
        lines.map(({ id, i }) => [id, i]),
        [...one.v.slice(32).map((_, k) => ["one", 32 + k]), ...two.v.slice(32).map((_, k) => [2, 32 + k])]
      )
    }
  })

  it("reads nothing after i: another future changes no answer", async () => {
    const past = one.v.slice(0, 100)
    const before = await answers(pieces(text({ ...one, v: past })))
    assert.strictEqual(before.length, 68)
    for (const future of [[0, 0, 0], series.link(9, 200), [1e9, null, -1]]) {
      const lines = await answers(pieces(text({ ...one, v: [...past, ...future] })))
      assert.deepStrictEqual(lines.slice(0, 68), before)
    }
  })

  it("says of a line what is wrong with it, and goes on", async () => {
    const lines = await answers(
      pieces(text("{ no", "7", { id: "x" }, { id: "y", dt: -1, v: [1] }, { id: "e", v: [] }, two))
    )
    assert.deepStrictEqual(
      lines.filter(({ error }) => error !== undefined).map(({ id, error }) => [id, error]),
      [
        [null, "Line 1 is no JSON object"],
        [null, "Line 2 is no JSON object"],
        ["x", 'Line 3 has no list "v" of values'],
        ["y", 'Line 4 has a "dt" that is no length of time']
      ]
    )
    assert.strictEqual(lines.filter(({ id }) => id === 2).length, 8)
  })

  it("does not round a forecast above the link that it was right about", async () => {
    const lines = await answers(pieces(text({ id: "even", v: Array.from({ length: 400 }, () => 1_234_567) })))
    for (const { h1, p10h1 } of lines.slice(-50)) {
      assert.closeTo(h1, 1_234_567, 0.1)
      assert.isAtMost(p10h1, 1_234_567)
    }
  })

  it("takes values that are none as missing", async () => {
    const v = [...two.v.slice(0, 35), null, "7", {}, -4]
    const lines = await answers(pieces(text({ id: "holes", v })))
    assert.strictEqual(lines.length, 39 - 32)
    assert.isTrue(lines.every(({ h1 }) => h1 > 0))
  })

  it("fails on an archive that breaks off, after it has answered what came before", async () => {
    const many = text(...Array.from({ length: 40 }, (_, k) => ({ id: k, v: series.link(k, 90) })))
    const zipped = gzipSync(many)
    const said: Array<string> = []
    const failed = await (async () => {
      for await (const part of Commands.forecast(pieces(zipped.subarray(0, zipped.length >> 1)), model)) said.push(part)
    })().then(
      () => undefined,
      (error: unknown) => error
    )
    assert.instanceOf(failed, Commands.BadSeries)
    assert.match(failed instanceof Error ? failed.message : "", /breaks off or is damaged.*check the file/)
    assert.isAbove(said.length, 1)
  })

  it("answers nothing of nothing", async () => {
    assert.deepStrictEqual(await answers(Readable.from([])), [])
    assert.deepStrictEqual(await answers(pieces(text("\n\n"))), [])
  })
})
