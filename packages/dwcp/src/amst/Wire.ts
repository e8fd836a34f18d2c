/** What the small frames say, as data: read from bytes of a peer, so everything is bounded and nothing is believed. */
import { Option, Schema } from "effect"
import { FrameRefused } from "./Failures.ts"
import { maxChunkBytes } from "./Frame.ts"

const text = (most: number) => Schema.String.check(Schema.isMaxLength(most))
const natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** The first frame of a stream. */
export const Hello = Schema.Struct({
  session: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/u)),
  stream: natural
})
export type Hello = typeof Hello.Type

/** The answer. A new epoch means that the receiver knows nothing of what was said before. */
export const Welcome = Schema.Struct({
  epoch: text(64),
  window: natural,
  /** Over TLS: it takes a tag in place of the hash of a message. Who does not say so is older, and takes a hash. */
  tags: Schema.optionalKey(Schema.Boolean)
})
export type Welcome = typeof Welcome.Type

/** A content: SHA-256 in hex, and bytes. */
export const Named = Schema.Struct({
  hash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)),
  size: natural
})
export type Named = typeof Named.Type

/** What the receiver is to make of a file that is only the difference to one that it has. */
export const Difference = Schema.Struct({ name: text(1024), base: Named, content: Named })
export type Difference = typeof Difference.Type

/** A transfer is announced. */
export const Open = Schema.Struct({
  kind: Schema.Literals(["message", "file"]),
  size: natural,
  chunk: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxChunkBytes })),
  priority: Schema.Literals(["critical", "normal", "background"]),
  /** Of a file its name, of a message whatever the application wants to say. */
  name: text(1024),
  /** Of a file: changes when the file does. */
  fingerprint: text(128),
  /** All transfers with smaller numbers are settled. */
  floor: natural,
  /** Of a file. Who does not know of it keeps the difference, and answers without a hash. */
  difference: Schema.optionalKey(Difference)
})
export type Open = typeof Open.Type

/** How a transfer ended. */
export const Finished = Schema.Union([
  Schema.Struct({
    ok: Schema.Literal(true),
    /** Of a difference: SHA-256 in hex of what was made of it. */
    hash: Schema.optionalKey(text(64))
  }),
  Schema.Struct({
    ok: Schema.Literal(false),
    reason: Schema.Literals(["hash", "size", "name", "busy", "disk", "superseded", "withdrawn", "replayed", "base"]),
    detail: text(500)
  })
])
export type Finished = typeof Finished.Type

export const write = (value: Hello | Welcome | Open | Finished): Buffer => Buffer.from(JSON.stringify(value))

const reading = <S extends Schema.Decoder<unknown>>(what: string, schema: S) => {
  const decode = Schema.decodeUnknownOption(Schema.fromJsonString(schema))
  return (payload: Buffer): S["Type"] => {
    const value = decode(payload.toString("utf8"))
    if (Option.isNone(value)) throw new FrameRefused({ reason: `its ${what} says nothing that makes sense` })
    return value.value
  }
}

export const hello = reading("hello", Hello)
export const welcome = reading("welcome", Welcome)
export const open = reading("open", Open)
export const finished = reading("finished", Finished)

/** What a file will be called. */
export const nameOf = ({ difference, name }: Open): string => difference?.name ?? name

/** Chunks of a transfer. */
export const chunksOf = ({ chunk, size }: Pick<Open, "size" | "chunk">): number => Math.max(1, Math.ceil(size / chunk))

/** Bytes of the chunk at `index`; all are full but the last. */
export const lengthOf = ({ chunk, size }: Pick<Open, "size" | "chunk">, index: number): number =>
  Math.min(chunk, size - index * chunk)

export const numbers = (list: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.allocUnsafe(list.length * 4)
  list.forEach((n, k) => bytes.writeUInt32BE(n, k * 4))
  return bytes
}

export const readNumbers = (bytes: Buffer): Array<number> => {
  if (bytes.length % 4 !== 0) throw new FrameRefused({ reason: "its list of chunks is cut" })
  return Array.from({ length: bytes.length / 4 }, (_, k) => bytes.readUInt32BE(k * 4))
}
