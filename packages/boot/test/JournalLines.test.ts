import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { crc32 } from "node:zlib"
import { BootEvent } from "../src/BootEvent.ts"
import * as JournalLines from "../src/JournalLines.ts"
import { boot, readies, ready } from "./fixtures/bootEvents.ts"

/** The bytes of a file with these batches in it. They are copied, since those of a batch are good until the next one. */
const encoded = (...batches: ReadonlyArray<ReadonlyArray<JournalLines.Line>>): Uint8Array => {
  const encode = JournalLines.encoder()
  return Buffer.concat(batches.map((batch) => Uint8Array.from(encode(batch).bytes)))
}
const linesOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("utf8")
    .split(/(?<=\n)/)
const bytesOf = (lines: ReadonlyArray<string>) => Buffer.from(lines.join(""), "utf8")
/** Offsets at which a line ends: after `ends[k]` bytes the file holds k events. */
const endsOf = (bytes: Uint8Array) => {
  let end = 0
  return linesOf(bytes).map((line) => (end += Buffer.byteLength(line)))
}
const texts = (events: ReadonlyArray<BootEvent>) => events.map((event) => JSON.stringify(event))
const bootTexts = texts(boot)
const holdsBeginning = (found: JournalLines.Found, count: number) =>
  found.events.length === count && texts(found.events).every((text, n) => text === bootTexts[n])

describe("an encoder", () => {
  it.prop("writes each event as JSON does, whichever way it is put together", [Schema.Array(BootEvent)], ([events]) => {
    const [head, ...lines] = linesOf(encoded(events))
    assert.strictEqual(head, "novacron-journal 1\n")
    assert.deepStrictEqual(
      lines.filter((line) => line !== "").map((line) => line.slice("-------- ".length)),
      events.map((event, n) => `{"n":${n + 1},"event":${JSON.stringify(event)}}\n`)
    )
  })

  it("goes on from batch to batch as if they were one", () => {
    const whole = Buffer.from(encoded(boot))
    for (let cut = 0; cut <= boot.length; cut++) {
      assert.isTrue(whole.equals(encoded(boot.slice(0, cut), boot.slice(cut))), `cut at ${cut}`)
    }
    assert.isTrue(
      Buffer.from(encoded(readies(5000))).equals(encoded(readies(5000).slice(0, 7), readies(5000).slice(7)))
    )
  })

  it("counts what JSON cannot hold, and marks where it stood", () => {
    const encode = JournalLines.encoder()
    const endless: BootEvent = { _tag: "ComponentSlow", atMs: 1, component: "endless", runningMs: Infinity }
    const { bytes, unfit } = encode([ready(0), endless, { _tag: "Hole", dropped: 3 }, ready(4)])
    assert.strictEqual(unfit, 1)
    const found = JournalLines.decode(bytes)
    assert.deepStrictEqual(found, { events: [ready(0), ready(4)], torn: undefined, dropped: 4 })
  })
})

describe("a file", () => {
  /** With a right checksum, whatever it says. */
  const saying = (payload: string): Uint8Array => {
    const head = "novacron-journal 1\n"
    return Buffer.from(
      `${head}${crc32(head + payload)
        .toString(16)
        .padStart(8, "0")} ${payload}\n`
    )
  }
  const bySchema = Schema.decodeUnknownResult(BootEvent)
  const json = Schema.Union([Schema.Json, Schema.Literals(["clean", "failed", "", 0, 1, -1, 0.5, "ComponentReady"])])
  const everyones = [
    { _tag: "ComponentStarted", atMs: 1, component: "a", variant: 0, attempt: 1 },
    { _tag: "ComponentAcquired", atMs: 1, component: "a" },
    { _tag: "ComponentReady", atMs: 1, component: "a" },
    { _tag: "ComponentStopping", atMs: 1, component: "a" },
    { _tag: "ComponentStopped", atMs: 1, component: "a", closing: "clean" }
  ] as const

  it.prop(
    "is read by hand as the schema would read it, whatever stands in place of a field or beside it",
    [
      Schema.Literals([0, 1, 2, 3, 4]),
      Schema.Literals(["_tag", "atMs", "component", "variant", "attempt", "closing", "byHand"]),
      json
    ],
    ([which, field, value]) => {
      for (const event of [everyones[which], { ...everyones[which], [field]: value }]) {
        const found = JournalLines.decode(saying(JSON.stringify({ n: 1, event })))
        const expected = Result.getOrUndefined(bySchema(JSON.parse(JSON.stringify(event))))
        assert.deepStrictEqual(found.events, expected === undefined ? [] : [expected])
        assert.strictEqual(found.torn === undefined, expected !== undefined)
      }
      const elsewhere = JournalLines.decode(saying(JSON.stringify({ n: value, event: everyones[which] })))
      assert.lengthOf(elsewhere.events, value === 1 ? 1 : 0)
    },
    { arbitrary: { runs: 1_000 } }
  )

  it("with any one bit flipped holds what stands before it, and nothing else", () => {
    const bytes = encoded(boot)
    const ends = endsOf(bytes)
    assert.isTrue(holdsBeginning(JournalLines.decode(bytes), boot.length))
    const wrong: Array<string> = []
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3
      const flipped = Uint8Array.from(bytes)
      flipped[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7))
      const found = JournalLines.decode(flipped)
      const line = ends.findIndex((end) => at < end)
      if (found.torn === undefined || !holdsBeginning(found, Math.max(0, line - 1))) wrong.push(`bit ${bit}`)
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("with lines lost, repeated, swapped or from elsewhere is believed up to there", () => {
    const lines = linesOf(encoded(boot))
    const others = linesOf(encoded(boot.map((event) => ({ ...event, atMs: event.atMs + 1 }))))
    const believed = (edited: ReadonlyArray<string>, count: number, what: string) => {
      const found = JournalLines.decode(bytesOf(edited))
      assert.isTrue(holdsBeginning(found, count), what)
      assert.isDefined(found.torn, what)
    }
    assert.isTrue(holdsBeginning(JournalLines.decode(bytesOf(lines)), boot.length))
    assert.strictEqual(JournalLines.decode(bytesOf(others)).events.length, boot.length)
    for (let k = 1; k < lines.length - 1; k++) {
      const [line = "", next = ""] = lines.slice(k)
      const end = lines.slice(k + 2)
      believed([...lines.slice(0, k), next, ...end], k - 1, `line ${k} lost`)
      believed([...lines.slice(0, k + 1), line, next, ...end], k, `line ${k} repeated`)
      believed([...lines.slice(0, k), next, line, ...end], k - 1, `line ${k} swapped`)
      believed([...lines.slice(0, k + 1), ...others.slice(k + 1)], k, `line ${k + 1} from elsewhere`)
    }
    const whole = bytesOf(lines)
    for (const tail of [new Uint8Array(4096), bytesOf(lines), Buffer.from("\n"), Buffer.from("00000000 {}\n")]) {
      const found = JournalLines.decode(Buffer.concat([whole, tail]))
      assert.isTrue(holdsBeginning(found, boot.length))
      assert.strictEqual(found.torn?.offset, whole.length)
    }
  })

  it("with a good checksum over something else is believed up to there", () => {
    const bytes = encoded(boot)
    const n = boot.length + 1
    const crc = parseInt(linesOf(bytes).filter(Boolean).at(-1)?.slice(0, 8) ?? "", 16)
    const appended = (payload: string) =>
      JournalLines.decode(
        Buffer.concat([bytes, Buffer.from(`${crc32(payload, crc).toString(16).padStart(8, "0")} ${payload}\n`)])
      )
    assert.isTrue(holdsBeginning(appended(`{"n":${n},"dropped":3}`), boot.length))
    assert.strictEqual(appended(`{"n":${n},"dropped":3}`).dropped, 3)
    for (const payload of [`{"n":${n + 1},"dropped":3}`, `{"n":${n},"event":{"_tag":"Unheard"}}`, "{", ""]) {
      assert.isTrue(holdsBeginning(appended(payload), boot.length), payload)
      assert.strictEqual(appended(payload).torn?.offset, bytes.length, payload)
    }
  })

  it("that is no journal, or one of a later format, holds nothing, and says which of these it is", () => {
    for (const [content, reason] of [
      ["", "it is empty"],
      ["novacron-journal 2\n", "it is of version 2"],
      ["hello", "it is no journal"],
      ["novacron-journal 1", "it is no journal"]
    ] as const) {
      const found = JournalLines.decode(Buffer.from(content))
      assert.isEmpty(found.events)
      assert.strictEqual(found.torn?.offset, 0)
      assert.include(found.torn?.reason, reason)
    }
  })
})
