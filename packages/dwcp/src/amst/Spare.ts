/**
 * Memory of messages that nobody looks at any more, for the next ones. Fresh memory costs more than to fill it: the kernel
 * clears it page by page, and the garbage collector goes through the whole heap each time some of it was left behind.
 */

export interface Spare {
  /** So many bytes, with whatever was in them before. */
  readonly take: (size: number) => Buffer
  /** What was taken comes back. Whoever brings it looks at it no more. */
  readonly bring: (bytes: Buffer) => void
  /** Brings the time: what nobody asks for is let go. */
  readonly tick: (nowMillis: number) => void
  readonly bytes: () => number
}

/** What is smaller comes from where Node has memory at hand. */
const leastBytes = 1 << 18
const idleMillis = 5_000

/** Keeps up to so many bytes. */
export const make = (mostBytes: number): Spare => {
  const kept: Array<Buffer> = []
  let held = 0
  let now = 0
  let usedMillis = 0
  return {
    take: (size) => {
      if (size < leastBytes) return Buffer.allocUnsafe(size)
      usedMillis = now
      const at = kept.findIndex(({ length }) => length >= size && length <= 2 * size)
      const [found] = at < 0 ? [] : kept.splice(at, 1)
      if (found === undefined)
        return Buffer.allocUnsafeSlow(Math.ceil(size / leastBytes) * leastBytes).subarray(0, size)
      held -= found.length
      return found.subarray(0, size)
    },
    bring: ({ buffer, length }) => {
      if (length < leastBytes || buffer.byteLength + held > mostBytes) return
      usedMillis = now
      kept.push(Buffer.from(buffer))
      held += buffer.byteLength
    },
    tick: (nowMillis) => {
      now = nowMillis
      if (held === 0 || now - usedMillis < idleMillis) return
      kept.length = 0
      held = 0
    },
    bytes: () => held
  }
}
