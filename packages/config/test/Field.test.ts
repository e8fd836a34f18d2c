import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Duration, Exit, Option, Redacted, Schema } from "effect"
import * as fc from "fast-check"
import { Field } from "../src/index.ts"

const read = <A, E>(field: Schema.Codec<A, E>, value: unknown): A | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(field)(value))

const patternOf = (field: Schema.Top): RegExp => {
  const { pattern } = Schema.toJsonSchemaDocument(field).schema
  return new RegExp(String(pattern))
}

describe("a span of time", () => {
  const millis = (text: string) =>
    Option.getOrUndefined(Option.map(Schema.decodeUnknownOption(Field.duration)(text), Duration.toMillis))

  it("is written the way people write it", () => {
    assert.strictEqual(millis("30s"), 30_000)
    assert.strictEqual(millis("250ms"), 250)
    assert.strictEqual(millis("1h30m"), 5_400_000)
    assert.strictEqual(millis(" 1.5 hours "), 5_400_000)
    assert.strictEqual(millis("2 days 1 minute"), 172_860_000)
    assert.strictEqual(millis("0s"), 0)
  })

  it("is not what only looks like one, and the JSON Schema knows that too", () => {
    assert.isTrue(patternOf(Field.duration).test("1h30m"))
    for (const text of ["", "30", "30 parsecs", "s", "-1s", "1h 30", "1h,30m", "30S"]) {
      assert.isUndefined(millis(text), text)
      assert.isFalse(patternOf(Field.duration).test(text), text)
    }
  })

  it("is not longer than can be counted, and whatever is read can be written", () => {
    assert.strictEqual(millis("100000000d"), 8_640_000_000_000_000)
    for (const text of ["200000000d", `${"9".repeat(30)}d`, `1${"0".repeat(400)}s`]) assert.isUndefined(millis(text))
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 30n), fc.constantFrom("ns", "ms", "s", "m", "h", "d"), (amount, unit) => {
        const span = read(Field.duration, `${amount}${unit}`)
        if (span === undefined) return
        const again = read(Field.duration, Schema.encodeSync(Field.duration)(span))
        assert.closeTo(Duration.toMillis(again ?? Duration.zero), Duration.toMillis(span), 1)
      })
    )
  })

  it("is written so that it is read again as the same", () => {
    fc.assert(
      fc.property(fc.nat(1e9), (span) => {
        const text = Schema.encodeSync(Field.duration)(Duration.millis(span))
        assert.strictEqual(millis(text), span)
        assert.isTrue(patternOf(Field.duration).test(text))
      })
    )
  })
})

describe("a size", () => {
  it("has binary and decimal units, and no others", () => {
    assert.isTrue(read(Field.size, "512 MiB") === ByteSize.mebibytes(512))
    assert.isTrue(read(Field.size, "4GB") === ByteSize.gigabytes(4))
    for (const text of ["", "512", "lots", "1 XB", "-1 B", "0.5 B"]) assert.isUndefined(read(Field.size, text), text)
  })

  it("is written with a unit that fits, and read again as the same", () => {
    assert.strictEqual(Schema.encodeSync(Field.size)(ByteSize.gigabytes(8)), "8 GB")
    assert.strictEqual(Schema.encodeSync(Field.size)(ByteSize.bytes(0)), "0 B")
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 60n), fc.constantFrom(1n, 1000n, 1024n ** 3n), (count, unit) => {
        const size = ByteSize.bytes(count * unit)
        assert.isTrue(read(Field.size, Schema.encodeSync(Field.size)(size)) === size)
      })
    )
  })
})

describe("numbers", () => {
  it("have their limits, and are whole", () => {
    assert.deepStrictEqual(
      [0, 65_535].map((it) => read(Field.port, it)),
      [0, 65_535]
    )
    assert.deepStrictEqual(
      [0, 100].map((it) => read(Field.percent, it)),
      [0, 100]
    )
    assert.deepStrictEqual(
      [1, 1e9].map((it) => read(Field.count, it)),
      [1, 1e9]
    )
    for (const it of [-1, 65_536, 1.5, "80", Number.NaN]) assert.isUndefined(read(Field.port, it))
    for (const it of [-1, 101, 0.5]) assert.isUndefined(read(Field.percent, it))
    for (const it of [0, -1, 1.5, Number.POSITIVE_INFINITY]) assert.isUndefined(read(Field.count, it))
  })
})

describe("a secret", () => {
  it("is not shown by anything that has it, nor by the error when it is wrong", () => {
    const secret = read(Field.secret, "open sesame")
    assert.strictEqual(secret && Redacted.value(secret), "open sesame")
    assert.notInclude(`${inspect(secret)} ${JSON.stringify({ secret })}`, "sesame")
    const wrong = Schema.decodeUnknownExit(Field.secret)({ key: "open sesame" })
    assert.isTrue(Exit.isFailure(wrong))
    assert.notInclude(String(wrong), "sesame")
    assert.isUndefined(read(Field.secret, ""))
  })
})

describe("a URL", () => {
  it("has one of the protocols, if any are named", () => {
    assert.isDefined(read(Field.url(), "ftp://host/x"))
    assert.isDefined(read(Field.url("http", "https"), "https://host:1/x"))
    for (const text of ["ftp://host", "host:1", "https//x", "", "https://host:99999"]) {
      assert.isUndefined(read(Field.url("http", "https"), text), text)
    }
  })
})

describe("a default", () => {
  it("is given as it would be written, and counts when the key is absent", () => {
    const settings = Schema.Struct({ timeout: Field.withDefault(Field.duration, "30s") })
    assert.strictEqual(Duration.toMillis(Schema.decodeSync(settings)({}).timeout), 30_000)
    assert.strictEqual(Duration.toMillis(Schema.decodeSync(settings)({ timeout: "1s" }).timeout), 1000)
  })
})
