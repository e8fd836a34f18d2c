/**
 * What a task prints, as a page may show it: pieces with positions become blocks of text. Pure, and never more than a limit.
 *
 * **Details**
 *
 * Colours of terminals are left out; every other control character is seen and not obeyed. A position that jumps is a gap:
 * the node keeps the latest of each stream. When more comes than is kept here the oldest blocks go.
 */
import { escaped } from "./Words.ts"

export type Stream = "stdout" | "stderr"

export interface Piece {
  /** In bytes, of all that the task has printed. */
  readonly offset: number
  readonly stream: Stream
  readonly text: string
}

/** Text of one stream, or so many bytes that nobody has any more. */
export type Block = { readonly stream: Stream; readonly text: string } | { readonly missing: number }

export interface Output {
  readonly add: (piece: Piece) => void
  /** Nothing follows: what was held back because it could go on is told. */
  readonly end: () => void
  /** A new list whenever something has come. */
  readonly blocks: () => ReadonlyArray<Block>
  /** The position behind everything that has come, in bytes. */
  readonly next: () => number
  /** Characters that had to make room. */
  readonly dropped: () => number
}

/** A block that is longer is followed by another one. */
const blockSize = 8_192

/** Keeps as many characters as the limit says, or a block more. */
export const make = (limit = 400_000): Output => {
  let blocks: ReadonlyArray<Block> = []
  let [next, size, dropped] = [0, 0, 0]
  const held = { stdout: "", stderr: "" }

  const append = (stream: Stream, text: string): void => {
    if (text === "") return
    const last = blocks.at(-1)
    size += text.length
    blocks =
      last !== undefined && "stream" in last && last.stream === stream && last.text.length < blockSize
        ? [...blocks.slice(0, -1), { stream, text: last.text + text }]
        : [...blocks, { stream, text }]
    while (size > limit && blocks.length > 1) {
      const [first, ...rest] = blocks
      const length = first !== undefined && "text" in first ? first.text.length : 0
      size -= length
      dropped += length
      blocks = rest
    }
  }
  const release = (stream: Stream): void => {
    append(stream, plain(held[stream]))
    held[stream] = ""
  }

  return {
    add: ({ offset, stream, text }) => {
      // What comes twice, after a break, is known.
      if (offset < next) return
      if (offset > next) {
        release("stdout")
        release("stderr")
        blocks = [...blocks, { missing: offset - next }]
      }
      next = offset + new TextEncoder().encode(text).length
      const all = held[stream] + text
      const open = unfinished.exec(all)?.index ?? all.length
      // Nothing that ends is longer than this: it is no sequence.
      const until = all.length - open > 64 ? all.length : open
      held[stream] = all.slice(until)
      append(stream, plain(all.slice(0, until)))
    },
    end: () => {
      release("stdout")
      release("stderr")
    },
    blocks: () => blocks,
    next: () => next,
    dropped: () => dropped
  }
}

/** The beginning of a sequence, or of a line break, that may go on in the next piece. */
// eslint-disable-next-line no-control-regex
const unfinished = /(?:\u001b(?:\[[0-9;:]*)?|\r)$/

/** Text without colours, in which everything else that a terminal would obey is seen. */
const plain = (text: string): string =>
  text
    // eslint-disable-next-line no-control-regex
    .replace(/\u001b\[[0-9;:]*m/g, "")
    .replace(/\r\n?/g, "\n")
    .replace(/(?![\n\t])[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, escaped)
