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
export const headBytes = 5

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
  /** How many bytes it takes to know more. */
  let wanted = headBytes
  let problem: Problem | undefined

  const take = (count: number): Uint8Array => {
    const [only] = chunks
    const all = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes)
    bytes -= count
    chunks = bytes === 0 ? [] : [all.subarray(count)]
    return all.subarray(0, count)
  }

  /** Looks at the head without taking it away. */
  const measure = (): void => {
    const front = take(bytes)
    chunks = [front]
    bytes = front.length
    const length = new DataView(front.buffer, front.byteOffset).getUint32(0)
    if (length === 0 || kinds[front[4] ?? kinds.length] === undefined) problem = { _tag: "Nonsense" }
    else if (length - 1 > maxPayload) problem = { _tag: "TooLarge", bytes: length - 1 }
    else wanted = 4 + length
  }

  return {
    push: (chunk) => {
      const frames: Array<Frame> = []
      if (problem !== undefined) return { frames, problem }
      if (chunk.length > 0) chunks.push(chunk)
      bytes += chunk.length
      while (bytes >= wanted && problem === undefined) {
        if (wanted === headBytes) measure()
        if (problem !== undefined || bytes < wanted) break
        const whole = take(wanted)
        frames.push({ kind: kinds[whole[4] ?? 0] ?? "Data", payload: whole.slice(headBytes) })
        wanted = headBytes
      }
      if (problem !== undefined) {
        chunks = []
        bytes = 0
      }
      return { frames, problem }
    },
    pending: () => bytes
  }
}
