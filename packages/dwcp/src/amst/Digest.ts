/**
 * What says that a whole arrived as it was sent: SHA-256, or over TLS a tag that costs a tenth of it.
 *
 * **Details**
 *
 * TLS already answers for each byte between two processes, so what is left to find is a mistake of ours: chunks that are
 * in the wrong place, twice or not at all. For that a tag of 128 bits does, GMAC of NIST SP 800-38D with a key that only
 * the two ends of a session can make. It names no content: files, which are kept and compared later, have SHA-256 always.
 */
import { createCipheriv, createHash } from "node:crypto"

export interface Digest {
  readonly update: (bytes: Uint8Array) => void
  /** Once, at the end. */
  readonly end: () => Buffer
}

export const tagBytes = 16
export const hashBytes = 32

export const sha256 = (): Digest => {
  const hash = createHash("sha256")
  return { update: (bytes) => void hash.update(bytes), end: () => hash.digest() }
}

export const sha256Of = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest()

/** Of a transfer of a session, whose name is random and goes over TLS only. No two transfers have the same tag. */
export const tag = (session: string, id: number): Digest => {
  const key = createHash("sha256").update(`novacron amst tag ${session}`).digest().subarray(0, 16)
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(id), 4)
  const mac = createCipheriv("aes-128-gcm", key, nonce)
  return {
    update: (bytes) => void mac.setAAD(bytes),
    end: () => {
      mac.final()
      return mac.getAuthTag()
    }
  }
}
