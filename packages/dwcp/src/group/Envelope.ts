/**
 * What stands on a message besides its content, and how a receiver sees that it has it already.
 *
 * **Details**
 *
 * A sender counts its messages and has a name that no other run of it has. A message that may or may not have arrived,
 * because its link was exchanged, goes again under the same number and counts once. The floor says below which number
 * nothing comes any more, so a receiver remembers no more than what is on its way.
 */
import { Option, Schema } from "effect"

/** How the content is written. */
export const encodings = ["plain", "hde", "zstd"] as const
export type Encoding = (typeof encodings)[number]

const natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** Whom a message is for: letters, digits, `.`, `_`, `-` and `/`, 64 at most. */
const Channel = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/u))

/** As it is written: short, for it goes with every message. */
const Written = Schema.fromJsonString(
  Schema.Struct({
    s: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/u)),
    n: natural,
    f: natural,
    c: Channel,
    e: Schema.Literals(encodings)
  })
)

export interface Envelope {
  /** The run of the sender, 32 digits. */
  readonly sender: string
  readonly number: number
  /** Below this number nothing comes any more. */
  readonly floor: number
  readonly channel: string
  readonly encoding: Encoding
}

/** More than this no envelope has. */
export const mostBytes = 512

export const write = ({ channel, encoding, floor, number, sender }: Envelope): string =>
  JSON.stringify({ s: sender, n: number, f: floor, c: channel, e: encoding })

const decode = Schema.decodeUnknownOption(Written)

/** None when a peer writes something else. */
export const read = (text: string): Option.Option<Envelope> =>
  text.length > mostBytes
    ? Option.none()
    : Option.map(decode(text), ({ c, e, f, n, s }) => ({ sender: s, number: n, floor: f, channel: c, encoding: e }))

// ------------------------------------------------------------------------------------------------------ once and whole

/** What arrived of each sender, bounded. */
export interface Seen {
  /** Whether it is the first time. */
  readonly first: (of: Pick<Envelope, "sender" | "number" | "floor">) => boolean
  readonly senders: () => number
}

export interface SeenLimits {
  readonly senders: number
  /** Numbers above the floor of a sender. */
  readonly numbers: number
}

export const seen = (limits: SeenLimits = { senders: 256, numbers: 8_192 }): Seen => {
  // In the order in which they were heard of last.
  const senders = new Map<string, { floor: number; readonly above: Set<number> }>()
  return {
    senders: () => senders.size,
    first: ({ floor, number, sender }) => {
      const known = senders.get(sender) ?? { floor: 0, above: new Set<number>() }
      senders.delete(sender)
      senders.set(sender, known)
      if (senders.size > limits.senders) senders.delete(senders.keys().next().value ?? "")
      if (floor > known.floor && floor <= number) {
        known.floor = floor
        for (const old of known.above) if (old < floor) known.above.delete(old)
      }
      if (number < known.floor || known.above.has(number)) return false
      // Whoever leaves so much open does not say the truth about its floor: its oldest are taken for settled.
      if (known.above.size >= limits.numbers) {
        const oldest = Math.min(...[...known.above].slice(0, 1))
        known.above.delete(oldest)
        known.floor = Math.max(known.floor, oldest + 1)
      }
      known.above.add(number)
      return true
    }
  }
}
