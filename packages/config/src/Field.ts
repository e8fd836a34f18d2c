/**
 * Fields of settings: each a Schema that reads what a person writes into a file, and encodes to that again.
 *
 * **Example** (a section with defaults)
 *
 * ```ts
 * const Settings = Schema.Struct({
 *   port: Field.withDefault(Field.port, 8443),
 *   acquireTimeout: Field.withDefault(Field.duration, "30s"),
 *   maxMemory: Field.withDefault(Field.size, "512 MiB"),
 *   password: Schema.optionalKey(Field.secret)
 * })
 * ```
 */
import { ByteSize, Duration, Effect, Option, Schema, SchemaIssue, SchemaTransformation } from "effect"

const read = <A>(expected: string, decode: (text: string) => Option.Option<A>, encode: (value: A) => string) =>
  SchemaTransformation.transformEffect<A, string>({
    decode: (text, options) =>
      Option.match(decode(text), {
        onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected }, text, options)),
        onSome: Effect.succeed
      }),
    encode: (value) => Effect.succeed(encode(value))
  })

const aSpan = "a span of time such as 30s, 250ms, 5m or 1h30m"
const aSize = "a size such as 512 MiB, 4 GB or 64KiB"

const units = { ns: 1e-6, us: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const millisOf: { readonly [unit: string]: number | undefined } = {
  ...units,
  milli: units.ms,
  millis: units.ms,
  sec: units.s,
  second: units.s,
  seconds: units.s,
  min: units.m,
  minute: units.m,
  minutes: units.m,
  hour: units.h,
  hours: units.h,
  day: units.d,
  days: units.d
}

// The longer names first: `ms` is not a minute with an `s` behind it.
const unitNames = Object.keys(millisOf).toSorted((a, b) => b.length - a.length)

/** As a pattern too, so that the JSON Schema of a file knows what may stand there. */
const textOf = (expected: string, pattern: RegExp) =>
  Schema.String.annotate({ expected }).check(Schema.isPattern(pattern, { expected }))

/** A span of time, at least nothing: `30s`, `250ms`, `1h30m`, `5 minutes`. */
export const duration = textOf(aSpan, new RegExp(`^\\s*(\\d+(\\.\\d+)?\\s*(${unitNames.join("|")})\\s*)+$`, "u")).pipe(
  Schema.decodeTo(
    Schema.Duration,
    read(aSpan, parseDuration, (span) => (Duration.isZero(span) ? "0s" : Duration.format(span)))
  )
)

/** A number of bytes: `512 MiB`, `4GB`. Decimal units count by 1,000, binary ones by 1,024. */
export const size = textOf(aSize, /^\s*\d+(\.\d+)?\s*[A-Za-z]+\s*$/u).pipe(
  Schema.decodeTo(Schema.ByteSize, read(aSize, ByteSize.fromString, formatSize))
)

/** A TCP port; 0 lets the system choose. */
export const port = Schema.Int.check(
  Schema.isBetween({ minimum: 0, maximum: 65_535 }, { expected: "a port from 0 to 65535" })
)

/** A share in per cent, 0 to 100. */
export const percent = Schema.Int.check(
  Schema.isBetween({ minimum: 0, maximum: 100 }, { expected: "a percentage from 0 to 100" })
)

/** A whole number, 1 or more: capacities, limits, counts of attempts. */
export const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "a whole number, 1 or more" }))

/** What nobody may see: `Redacted` from here on, in every error, log line, trace and report. */
export const secret = Schema.RedactedFromValue(Schema.NonEmptyString)

/** A URL with one of these protocols, `https` for instance; without any, with every protocol. */
export const url = (...protocols: ReadonlyArray<string>) => {
  const expected =
    protocols.length === 0 ? "a URL" : `a URL that begins with ${protocols.map((it) => `${it}://`).join(" or ")}`
  const isAllowed = (text: string) =>
    URL.canParse(text) && (protocols.length === 0 || protocols.includes(new URL(text).protocol.slice(0, -1)))
  return Schema.String.annotate({ expected }).check(Schema.makeFilter(isAllowed, { expected }))
}

/** A field with a default, given the way it would be written into a file. */
export const withDefault = <S extends Schema.Constraint>(field: S, encoded: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(encoded))(field)

function parseDuration(text: string): Option.Option<Duration.Duration> {
  const pieces = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy)]
  const isWhole = pieces.length > 0 && pieces.map(([piece]) => piece).join("") === text.trim()
  if (!isWhole) return Option.none()
  let millis = 0
  for (const [, amount, unit] of pieces) {
    const factor = millisOf[unit ?? ""]
    if (factor === undefined) return Option.none()
    millis += Number(amount) * factor
  }
  // More than can be counted exactly is nobody's span, and could not be written again.
  return millis > Number.MAX_SAFE_INTEGER ? Option.none() : Option.some(Duration.millis(millis))
}

const sizeUnits = [
  ["PiB", 1024n ** 5n],
  ["PB", 1000n ** 5n],
  ["TiB", 1024n ** 4n],
  ["TB", 1000n ** 4n],
  ["GiB", 1024n ** 3n],
  ["GB", 1000n ** 3n],
  ["MiB", 1024n ** 2n],
  ["MB", 1000n ** 2n],
  ["KiB", 1024n],
  ["kB", 1000n]
] as const

/** With the unit that makes the smallest whole number of it. */
function formatSize(size: ByteSize.ByteSize): string {
  const bytes = BigInt(size)
  const [unit, factor] =
    sizeUnits.find(([, factor]) => bytes >= factor && bytes % factor === 0n) ?? (["B", 1n] as const)
  return `${bytes / factor} ${unit}`
}
