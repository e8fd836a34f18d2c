/** SHA-256 of bytes in memory, in hex: at once when they are few, in the thread pool when they are many. */
import { createHash, webcrypto } from "node:crypto"
import { Effect } from "effect"
import { type HdeError, waiting } from "./Failures.ts"

/** What takes less time than to ask somebody else. */
const few = 2 ** 16

export const of = (bytes: Uint8Array): Effect.Effect<string, HdeError> =>
  bytes.length <= few
    ? Effect.sync(() => createHash("sha256").update(bytes).digest("hex"))
    : Effect.map(
        // Shared memory is not taken as it is.
        waiting("Bytes could not be hashed", () => webcrypto.subtle.digest("SHA-256", unshared(bytes))),
        (hash) => Buffer.from(hash).toString("hex")
      )

const unshared = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, bytes.byteOffset, bytes.length) : new Uint8Array(bytes)
}
