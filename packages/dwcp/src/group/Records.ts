/**
 * Records on a stream, as hellos and v1 have them: four bytes of length, one of kind, and the rest. A length above the limit
 * ends the stream before any of it is held.
 */
import type { Socket } from "node:net"

export interface Record {
  readonly kind: number
  readonly body: Buffer
}

export const write = (kind: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const head = Buffer.allocUnsafe(5)
  head.writeUInt32BE(1 + parts.reduce((sum, part) => sum + part.length, 0), 0)
  head.writeUInt8(kind, 4)
  return Buffer.concat([head, ...parts])
}

/** Reads what arrives, however it was cut; false when it can no longer be read. */
export const reader = (mostBytes: number, onRecord: (record: Record) => void): ((data: Buffer) => boolean) => {
  let pieces: Array<Buffer> = []
  let held = 0
  let wanted = 0
  return (data) => {
    pieces.push(data)
    held += data.length
    while (held >= 4) {
      if (wanted === 0) {
        const all = Buffer.concat(pieces)
        pieces = [all]
        wanted = 4 + all.readUInt32BE(0)
        if (wanted < 5 || wanted > mostBytes) return false
      }
      if (held < wanted) return true
      const all = Buffer.concat(pieces)
      const body = all.subarray(5, wanted)
      const rest = all.subarray(wanted)
      pieces = rest.length === 0 ? [] : [rest]
      held = rest.length
      const kind = all.readUInt8(4)
      wanted = 0
      onRecord({ kind, body })
    }
    return true
  }
}

/** Connects a reader to a socket; a stream that cannot be read is cut, and so is one that failed. */
export const listen = (socket: Socket, mostBytes: number, onRecord: (record: Record) => void): void => {
  const read = reader(mostBytes, onRecord)
  socket.setNoDelay(true)
  socket.on("data", (data: Buffer) => {
    if (!socket.destroyed && !read(data)) socket.destroy()
  })
  socket.on("error", () => socket.destroy())
  socket.on("end", () => socket.end())
}
