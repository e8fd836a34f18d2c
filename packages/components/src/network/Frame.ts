/**
 * How bytes become messages: four bytes say how long the rest is, one says of what kind, and the rest is what is meant.
 *
 * **Details**
 *
 * A length above the limit ends the connection before anything of that frame is kept.
 */

/** `Hello` names a protocol, `Data` is the protocol's own, `Drain` asks to finish, `Refused` says why it ends. */
export type Kind = "Hello" | "Data" | "Drain" | "Refused"

export interface Frame {
  readonly kind: Kind
  readonly payload: Uint8Array
}

const kinds: ReadonlyArray<Kind> = ["Hello", "Data", "Drain", "Refused"]

/** The bytes before a payload. */
const headBytes = 5

export const head = (kind: Kind, payloadBytes: number): Uint8Array => {
  const bytes = new Uint8Array(headBytes)
  new DataView(bytes.buffer).setUint32(0, payloadBytes + 1)
  bytes[4] = kinds.indexOf(kind)
  return bytes
}

/** What cannot be read, in words. */
export type Problem = { readonly _tag: "TooLarge"; readonly bytes: number } | { readonly _tag: "Nonsense" }

export interface Decoder {
  /** The frames that these bytes complete, up to the first problem. After a problem it reads nothing any more. */
  readonly push: (chunk: Uint8Array) => { readonly frames: ReadonlyArray<Frame>; readonly problem: Problem | undefined }
  /** How many bytes of a frame are here that is not whole yet. */
  readonly pending: () => number
}

/** Reads frames whose payload has at most so many bytes. */
export const decoder = (maxPayload: number): Decoder => {
  let chunks: Array<Uint8Array> = []
  let bytes = 0
  /** How many bytes it takes before there is anything to read. */
  let wanted = headBytes
  let problem: Problem | undefined

  const keep = (rest: Uint8Array): void => {
    chunks = rest.length === 0 ? [] : [rest]
    bytes = rest.length
  }

  /** Reads what is whole, and answers what is left. */
  const read = (all: Uint8Array, frames: Array<Frame>): Uint8Array => {
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength)
    wanted = headBytes
    let at = 0
    while (all.length - at >= headBytes) {
      const length = view.getUint32(at)
      const kind = kinds[view.getUint8(at + 4)]
      if (length === 0 || kind === undefined) problem = { _tag: "Nonsense" }
      else if (length - 1 > maxPayload) problem = { _tag: "TooLarge", bytes: length - 1 }
      if (problem !== undefined || kind === undefined) return new Uint8Array()
      const end = at + 4 + length
      if (end > all.length) {
        wanted = end - at
        break
      }
      // A copy: a small message would hold on to all that came with it.
      frames.push({ kind, payload: new Uint8Array(all.subarray(at + headBytes, end)) })
      at = end
    }
    return all.subarray(at)
  }

  return {
    push: (chunk) => {
      const frames: Array<Frame> = []
      if (problem !== undefined) return { frames, problem }
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= wanted) keep(read(chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes), frames))
      return { frames, problem }
    },
    pending: () => bytes
  }
}
