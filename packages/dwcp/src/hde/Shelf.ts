/**
 * Shared memory that is used again: fresh memory costs the system more to hand out than the copy into it takes.
 *
 * **Details**
 *
 * What is lent comes back with the scope. The shelf keeps no more than its limit; what is too small or far too large for
 * a request stays on it for others.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Source from "./Source.ts"

export interface Shelf {
  /** A copy of the bytes that threads see. */
  readonly lend: (bytes: Uint8Array) => Effect.Effect<Source.Source, never, Scope.Scope>
}

/** A shelf that keeps up to so many bytes. */
export const make = (limit: number): Shelf => {
  const kept: Array<SharedArrayBuffer> = []
  const take = (size: number): SharedArrayBuffer => {
    const i = kept.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 4 * size + unit)
    return i < 0 ? new SharedArrayBuffer(Math.ceil((size + 1) / unit) * unit) : kept.splice(i, 1)[0]!
  }
  const bring = (buffer: SharedArrayBuffer): void => {
    kept.push(buffer)
    for (let sum = bytesOf(kept); sum > limit; sum = bytesOf(kept)) kept.shift()
  }
  return {
    lend: (bytes) =>
      bytes.buffer instanceof SharedArrayBuffer
        ? Effect.succeed(Source.memory(bytes))
        : Effect.map(
            Effect.acquireRelease(
              Effect.sync(() => take(bytes.length)),
              (buffer) => Effect.sync(() => bring(buffer))
            ),
            (buffer) => {
              const shared = new Uint8Array(buffer, 0, bytes.length)
              shared.set(bytes)
              return Source.memory(shared)
            }
          )
  }
}

const unit = 2 ** 20

const bytesOf = (buffers: ReadonlyArray<SharedArrayBuffer>): number =>
  buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
