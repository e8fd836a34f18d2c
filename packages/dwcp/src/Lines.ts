/**
 * Lines of text from a file, a socket or a pipe, plain or gzipped: what `novacron dwcp forecast`, `pack` and `place` read.
 *
 * **Details**
 *
 * Gzip is known by its first two bytes. Lines come as they are read, in time that grows with what is read and not with the
 * length of a line times its pieces; memory is bounded by the longest line, of 64 Mi characters at the most. What is no
 * UTF-8 becomes U+FFFD.
 */
import { pipeline, Readable } from "node:stream"
import { createGunzip } from "node:zlib"

/** Why reading stopped: a word for people, and what was thrown if something was. */
export type Refuse = (problem: string, cause?: unknown) => Error

/** A longer line is refused before it fills the memory. In characters. */
const longestLine = 64 * 1024 * 1024

/** The lines, without their ends; the input is closed with them. Throws what `refuse` makes of one too long, or cut off. */
export const read = async function* (input: Readable, refuse: Refuse): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const pieces: Array<string> = []
  let length = 0
  const add = (piece: string): void => {
    length += piece.length
    if (length > longestLine) throw refuse(`a line is longer than ${longestLine} characters`)
    pieces.push(piece)
  }
  const take = (): string => {
    const line = pieces.join("")
    pieces.length = length = 0
    return line
  }
  try {
    for await (const chunk of whole(unzipped(input), refuse)) {
      const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n")
      add(first)
      for (const other of others) {
        yield take()
        add(other)
      }
    }
    add(decoder.decode())
    const last = take()
    if (last !== "") yield last
  } finally {
    input.destroy()
  }
}

const whole = async function* (chunks: AsyncIterable<Uint8Array>, refuse: Refuse): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
  } catch (cause) {
    throw refuse("it breaks off or is damaged", cause)
  }
}

/** As it is, or unzipped when it begins as a gzip file does. */
const unzipped = async function* (input: Readable): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array | string> = input[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < 2) {
    const next = await chunks.next()
    if (next.done === true) break
    head = Buffer.concat([head, Buffer.from(next.value)])
  }
  const all = async function* () {
    yield head
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) yield Buffer.from(chunk)
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) return yield* all()
  // A failure of either is thrown where the unzipped bytes are read.
  yield* pipeline(Readable.from(all()), createGunzip(), () => undefined)
}
