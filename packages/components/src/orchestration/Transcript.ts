/**
 * What one task prints, on its way to be kept: text in pieces with positions, and never more of it in memory than is kept.
 *
 * **Details**
 *
 * Both streams share one count of bytes, in the order of arrival. A character that arrives in two halves is kept whole;
 * what is no UTF-8, and the character 0, becomes U+FFFD. When more comes than is kept, the oldest of that stream goes, on
 * the way or in the table, and positions go on: a gap shows that something is missing. Bytes become text when they are
 * taken, so that what nobody will read costs a copy and no more.
 */
import type { Tasks } from "@novacron/api"
import type { Cut, Piece } from "./OutputTable.ts"

type Stream = Tasks.Output["stream"]

export interface Transcript {
  readonly print: (stream: Stream, bytes: Uint8Array) => void
  /** Leaves a gap. */
  readonly skip: (stream: Stream, count: number) => void
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

/** What is thrown away at a time, in bytes. */
const partSize = 64 * 1024

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
  const waiting: Array<Waiting> = []
  const sizes = { stdout: 0, stderr: 0 }
  const kept = { stdout: keptOf(keep), stderr: keptOf(keep) }
  let position = options.from
  let hasPrinted = false

  /** Makes a gap of the oldest of a stream. */
  const drop = (stream: Stream) => {
    const oldest = waiting.findIndex((one) => one.stream === stream)
    const gone = waiting[oldest]
    if (gone?.bytes === undefined) return
    sizes[stream] -= gone.bytes.length
    decoders[stream] = new TextDecoder()
    const before = waiting[oldest - 1]
    if (before === undefined || before.bytes !== undefined) waiting[oldest] = gapOf(gone.size)
    else waiting.splice(oldest - 1, 2, gapOf(gone.size + before.size))
  }
  const written = ({ bytes, isLast, size, stream }: Waiting): ReadonlyArray<Piece> => {
    if (bytes === undefined) {
      position += size
      return []
    }
    sizes[stream] -= bytes.length
    const text = decoders[stream].decode(bytes, { stream: !isLast }).replaceAll("\0", "\uFFFD")
    const pieces: Array<Piece> = []
    for (let at = 0; at < text.length;) {
      // Three bytes at most for each unit of UTF-16; never between the halves of a pair.
      let until = Math.min(at + Math.floor(pieceSize / 3), text.length)
      if (until < text.length && (text.codePointAt(until - 1) ?? 0) > 0xffff) until--
      const part = text.slice(at, until)
      pieces.push({ task, fence, position, size: Buffer.byteLength(part), stream, text: part })
      position += pieces.at(-1)?.size ?? 0
      at = until
    }
    return pieces
  }
  return {
    print: (stream, bytes) => {
      hasPrinted = true
      const last = waiting.at(-1)
      // Letter by letter would be an object for each letter. A copy, because what is small may be a part of something large.
      if (last?.stream === stream && last.size + bytes.length <= Math.min(keep, pieceSize / 2)) {
        const all = Buffer.concat([last.bytes, bytes])
        waiting[waiting.length - 1] = { stream, bytes: all, size: all.length, isLast: false }
      } else {
        // Of more than is kept in one go the latest is kept; in parts, because the oldest goes by parts.
        const gone = Math.max(0, bytes.length - keep)
        if (gone > 0) waiting.push(gapOf(gone))
        for (let at = gone; at < bytes.length || at === 0; at += partSize) {
          const part = Buffer.from(bytes.subarray(at, at + partSize))
          waiting.push({ stream, bytes: part, size: part.length, isLast: false })
        }
      }
      sizes[stream] += Math.min(bytes.length, keep)
      while (sizes[stream] > keep) drop(stream)
    },
    skip: (stream, count) => {
      hasPrinted = true
      decoders[stream] = new TextDecoder()
      waiting.push(gapOf(count))
    },
    close: () => {
      for (const stream of ["stdout", "stderr"] as const) {
        if (hasPrinted) waiting.push({ stream, bytes: Buffer.alloc(0), size: 0, isLast: true })
      }
    },
    take: (most) => {
      let [count, bytes] = [0, 0]
      while (count < waiting.length && bytes < most) bytes += waiting[count++]?.bytes?.length ?? 0
      const pieces = joined(waiting.splice(0, count).flatMap(written))
      for (const piece of pieces) kept[piece.stream].add(piece)
      const cuts = (["stdout", "stderr"] as const).flatMap((stream) => {
        const before = kept[stream].cut()
        return before === undefined ? [] : [{ task, stream, before }]
      })
      return { pieces, cuts }
    },
    isEmpty: () => waiting.length === 0,
    hasPrinted: () => hasPrinted
  }
}

/** Bytes as they came, or a gap where there were some. */
type Waiting =
  | { readonly stream: Stream; readonly bytes: Buffer; readonly size: number; readonly isLast: boolean }
  | { readonly stream: undefined; readonly bytes: undefined; readonly size: number; readonly isLast: false }

const gapOf = (size: number): Waiting => ({ stream: undefined, bytes: undefined, size, isLast: false })

/** Neighbours of one stream, as long as they are short, make one piece. */
const joined = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const all: Array<Piece & { text: string; size: number }> = []
  for (const piece of pieces) {
    const last = all.at(-1)
    const follows = last?.stream === piece.stream && last.position + last.size === piece.position
    if (last !== undefined && follows && last.size + piece.size <= pieceSize) {
      last.text += piece.text
      last.size += piece.size
    } else {
      all.push({ ...piece })
    }
  }
  return all
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
