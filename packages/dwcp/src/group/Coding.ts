/** HDE as messages need it, and what stands in for it: Zstandard at level 3, or nothing where that is smaller. */
import { Effect } from "effect"
import * as Codec from "../hde/Codec.ts"
import type { Hde } from "../hde/index.ts"
import type { Encoding } from "./Envelope.ts"

export interface Coded {
  readonly encoding: Encoding
  readonly bytes: Uint8Array
  /** `zstd-3`, `lz4`, `none`. */
  readonly codec: string
}

export interface Coding {
  /** For a link of so many bytes per second, if one is known. */
  readonly encode: (content: Uint8Array, bandwidth: number | undefined) => Effect.Effect<Coded, unknown>
  readonly decode: (bytes: Uint8Array) => Effect.Effect<Uint8Array, unknown>
}

export const ofHde = (hde: Hde["Service"], goal: "datacenter" | "internet" | "hybrid"): Coding => ({
  encode: (content, bandwidth) =>
    Effect.map(
      hde.encode(content, { goal, ...(bandwidth === undefined ? {} : { bandwidth }) }),
      ({ frame, report }): Coded =>
        frame.length < content.length
          ? { encoding: "hde", bytes: frame, codec: report.codec }
          : { encoding: "plain", bytes: content, codec: "none" }
    ),
  decode: (frame) => Effect.map(hde.decode(frame), ({ content }) => content)
})

const level3: Codec.Choice = { algorithm: "zstd", level: 3 }

/** Four bytes of size, and what zstd wrote. */
export const packZstd = (content: Uint8Array): Effect.Effect<Buffer> =>
  Effect.promise(async () => {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const size = Buffer.allocUnsafe(4)
    size.writeUInt32BE(bytes.length)
    return Buffer.concat([size, await Codec.compress(bytes, level3)])
  })

/** Refuses what says that it is larger than `most` before any of it is made. */
export const unpackZstd = (bytes: Uint8Array, most: number): Effect.Effect<Uint8Array, unknown> =>
  Effect.tryPromise({
    try: async () => {
      const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const size = stored.length < 4 ? Number.MAX_SAFE_INTEGER : stored.readUInt32BE(0)
      if (size > most) throw new RangeError(`It says that it has ${size} bytes, and ${most} are taken.`)
      return await Codec.expand(stored.subarray(4), "zstd", size)
    },
    catch: (cause) => cause
  })

/** Without HDE: what others send of it cannot be read here, and they are told not to. */
export const zstd3: Coding = {
  encode: (content) =>
    Effect.map(packZstd(content), (bytes): Coded =>
      bytes.length < content.length
        ? { encoding: "zstd", bytes, codec: "zstd-3" }
        : { encoding: "plain", bytes: content, codec: "none" }
    ),
  decode: () => Effect.fail(new Error("HDE is not in use on this node."))
}
