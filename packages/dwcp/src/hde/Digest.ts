/**
 * SHA-256 of bytes in memory, in hex: at once when they are few, elsewhere when they are many.
 *
 * **Details**
 *
 * A thread of ours sees them in memory from the shelf, which is the cheapest; while all threads are busy it is done by the
 * system's own, which takes a copy in fresh memory.
 */
import { createHash, webcrypto } from "node:crypto"
import { Effect } from "effect"
import { type HdeError, waiting } from "./Failures.ts"
import type { Pool } from "./Pool.ts"
import type { Shelf } from "./Shelf.ts"

/** What takes less time than to ask somebody else. */
const few = 2 ** 16

export const of = (pool: Pool, shelf: Shelf, bytes: Uint8Array): Effect.Effect<string, HdeError> =>
  Effect.suspend(() => {
    if (bytes.length <= few) return Effect.succeed(createHash("sha256").update(bytes).digest("hex"))
    if (pool.isIdle()) {
      return Effect.scoped(Effect.flatMap(shelf.lend(bytes), (source) => pool.run("hash", source)))
    }
    return Effect.map(
      // Shared memory is not taken as it is.
      waiting("Bytes could not be hashed", () => webcrypto.subtle.digest("SHA-256", unshared(bytes))),
      (hash) => Buffer.from(hash).toString("hex")
    )
  })

const unshared = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, bytes.byteOffset, bytes.length) : new Uint8Array(bytes)
}
