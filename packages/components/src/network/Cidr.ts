/**
 * Networks by their first bits: `10.0.0.0/8`, `fd00::/8`; an address alone is a network of one.
 *
 * **Details**
 *
 * `::ffff:10.0.0.1` is how a socket for both families shows `10.0.0.1`, and is the same address here: a rule for one holds
 * for the other. A network with bits set behind its prefix is refused: one cannot know which of the two was meant.
 */
import { Option, Schema, SchemaIssue, SchemaTransformation, Effect } from "effect"

export interface Network {
  readonly family: 4 | 6
  /** The address as a number, of 32 or 128 bits. */
  readonly bits: bigint
  /** How many bits count, from the highest. */
  readonly prefix: number
}

const widths = { 4: 32, 6: 128 } as const

/** None when it is no network. */
export const parse = (text: string): Option.Option<Network> => {
  const [address = "", prefixText, ...rest] = text.trim().split("/")
  const found = addressOf(address)
  if (found === undefined || rest.length > 0) return Option.none()
  const width = address.includes(":") ? 128 : 32
  if (prefixText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefixText)) return Option.none()
  const written = prefixText === undefined ? width : Number(prefixText)
  // A mapped network counts from bit 96 on, or it is no network of addresses of the other family.
  const prefix = found.family === 4 && width === 128 ? written - 96 : written
  if (prefix < 0 || prefix > widths[found.family]) return Option.none()
  const network = { ...found, prefix }
  return network.bits === masked(network) ? Option.some(network) : Option.none()
}

/** Whether an address, as a socket says it, is in a network. What is no address is in none. */
export const includes = (network: Network, address: string): boolean => {
  const found = addressOf(address)
  if (found === undefined || found.family !== network.family) return false
  return masked({ ...network, bits: found.bits }) === network.bits
}

/** As it would be written. */
export const show = ({ bits, family, prefix }: Network): string => {
  const size = family === 4 ? 8n : 16n
  const count = family === 4 ? 4 : 8
  const parts = Array.from({ length: count }, (_, i) => (bits >> (size * BigInt(count - 1 - i))) & ((1n << size) - 1n))
  return `${parts.map((part) => part.toString(family === 4 ? 10 : 16)).join(family === 4 ? "." : ":")}/${prefix}`
}

const expected = "a network such as 10.0.0.0/8 or fd00::/8, with no bits set behind its prefix"

/** A network in a file of settings. */
export const Cidr = Schema.String.annotate({ expected }).pipe(
  Schema.decodeTo(
    Schema.Struct({
      family: Schema.Literals([4, 6]),
      bits: Schema.BigInt,
      prefix: Schema.Int
    }),
    SchemaTransformation.transformEffect<Network, string>({
      decode: (text, options) =>
        Option.match(parse(text), {
          onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected }, text, options)),
          onSome: Effect.succeed
        }),
      encode: (network) => Effect.succeed(show(network))
    })
  )
)

const masked = ({ bits, family, prefix }: Network): bigint => {
  const behind = BigInt(widths[family] - prefix)
  return (bits >> behind) << behind
}

const addressOf = (text: string): Omit<Network, "prefix"> | undefined => {
  // A zone says through which interface, not who.
  const [address = ""] = text.split("%")
  if (!address.includes(":")) {
    const bits = numberOf(address)
    return bits === undefined ? undefined : { family: 4, bits }
  }
  const bits = longNumberOf(address)
  if (bits === undefined) return undefined
  return bits >> 32n === 0xffffn ? { family: 4, bits: bits & 0xffffffffn } : { family: 6, bits }
}

/** Four decimal numbers; none of them with a zero before it, which some read as octal. */
const numberOf = (text: string): bigint | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

/** Eight hexadecimal numbers, a run of zeros left out at most once, the last two written as four decimal ones at will. */
const longNumberOf = (text: string): bigint | undefined => {
  const last = text.slice(text.lastIndexOf(":") + 1)
  if (last.includes(".")) {
    const bits = numberOf(last)
    if (bits === undefined) return undefined
    const words = `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`
    return longNumberOf(text.slice(0, -last.length) + words)
  }
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")))
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const words = [...head, ...Array.from({ length: missing }, () => "0"), ...tail]
  if (!words.every((word) => /^[\da-f]{1,4}$/i.test(word))) return undefined
  return words.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n)
}
