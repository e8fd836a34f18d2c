/**
 * What one task prints, on its way to be kept: text in pieces with positions, and never more of it in memory than is kept.
 *
 * **Details**
 *
 * Both streams share one count of bytes, in the order of arrival. A character that arrives in two halves is kept whole;
 * what is no UTF-8, and the character 0, becomes U+FFFD. When more comes than is kept, the oldest of that stream goes, on
 * the way or in the table, and positions go on: a gap shows that something is missing.
 */
import type { Tasks } from "@novacron/api"
import type { Cut, Piece } from "./OutputTable.ts"

type Stream = Tasks.Output["stream"]

export interface Transcript {
  readonly print: (stream: Stream, bytes: Uint8Array) => void
  /** What a half character at the end becomes. */
  readonly close: () => void
  /** What has come since it was last taken, `most` bytes or a little more, and what may go of what was taken before. */
  readonly take: (most: number) => { readonly pieces: ReadonlyArray<Piece>; readonly cuts: ReadonlyArray<Cut> }
  readonly isEmpty: () => boolean
  /** Whether anything ever came. */
  readonly hasPrinted: () => boolean
}

/** The largest piece, in bytes. */
const pieceSize = 16 * 1024

export const make = (options: {
  readonly task: string
  readonly fence: string
  /** The position behind all that was printed before. */
  readonly from: number
  /** Bytes, of each stream. */
  readonly keep: number
}): Transcript => {
  const { fence, keep, task } = options
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  const waiting: Array<Piece> = []
  const sizes = { stdout: 0, stderr: 0 }
  const kept = { stdout: keptOf(keep), stderr: keptOf(keep) }
  let position = options.from

  const add = (stream: Stream, text: string) => {
    const size = Buffer.byteLength(text)
    const last = waiting.at(-1)
    if (last?.stream === stream && last.size + size <= pieceSize && last.position + last.size === position) {
      waiting[waiting.length - 1] = { ...last, text: last.text + text, size: last.size + size }
    } else {
      waiting.push({ task, fence, position, size, stream, text })
    }
    position += size
    sizes[stream] += size
    while (sizes[stream] > keep) {
      const oldest = waiting.findIndex((piece) => piece.stream === stream)
      const [gone] = waiting.splice(oldest, 1)
      sizes[stream] -= gone?.size ?? 0
    }
  }
  const write = (stream: Stream, text: string) => {
    const clean = text.replaceAll("\0", "\uFFFD")
    for (let at = 0; at < clean.length;) {
      // Three bytes at most for each unit of UTF-16; never between the halves of a pair.
      let until = Math.min(at + Math.floor(pieceSize / 3), clean.length)
      if (until < clean.length && (clean.codePointAt(until - 1) ?? 0) > 0xffff) until--
      add(stream, clean.slice(at, until))
      at = until
    }
  }
  return {
    print: (stream, bytes) => write(stream, decoders[stream].decode(bytes, { stream: true })),
    close: () => {
      for (const stream of ["stdout", "stderr"] as const) write(stream, decoders[stream].decode())
    },
    take: (most) => {
      let [count, bytes] = [0, 0]
      while (count < waiting.length && bytes < most) bytes += waiting[count++]?.size ?? 0
      const pieces = waiting.splice(0, count)
      for (const { size, stream } of pieces) sizes[stream] -= size
      for (const piece of pieces) kept[piece.stream].add(piece)
      const cuts = (["stdout", "stderr"] as const).flatMap((stream) => {
        const before = kept[stream].cut()
        return before === undefined ? [] : [{ task, stream, before }]
      })
      return { pieces, cuts }
    },
    isEmpty: () => waiting.length === 0,
    hasPrinted: () => position > options.from
  }
}

/** Which pieces of a stream are in the table. */
const keptOf = (keep: number) => {
  const pieces: Array<{ readonly position: number; readonly size: number }> = []
  let size = 0
  return {
    add: (piece: Piece) => {
      pieces.push({ position: piece.position, size: piece.size })
      size += piece.size
    },
    /** Before which position everything may go. */
    cut: (): number | undefined => {
      let gone = 0
      while (size > keep && gone < pieces.length) size -= pieces[gone++]?.size ?? 0
      if (gone === 0) return undefined
      pieces.splice(0, gone)
      return pieces[0]?.position ?? Number.MAX_SAFE_INTEGER
    }
  }
}
