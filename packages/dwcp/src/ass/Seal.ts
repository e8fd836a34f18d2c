/**
 * What nodes of a cluster say to each other, closed so that only they can read it, and only they can have said it.
 *
 * **Details**
 *
 * AES-256-GCM under a key out of the secret of the cluster and its namespace; who says it to whom is part of what is
 * authenticated, so that words of one peer are not taken for those of another. The version stands in front, in the clear:
 * a newer one is told apart from nonsense.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { Redacted } from "effect"
import { DocumentDamaged, NewerDocument } from "./Failures.ts"

/** Not of this cluster: closed with another secret, changed on the way, or said to somebody else. */
export interface Forged {
  readonly _tag: "Forged"
}

export interface Opened {
  readonly _tag: "Opened"
  readonly words: Uint8Array
}

export interface Seal {
  readonly close: (words: Uint8Array, from: string, to: string) => Uint8Array
  readonly open: (bytes: Uint8Array, from: string, to: string) => Opened | Forged | NewerDocument | DocumentDamaged
}

/** To everybody. */
export const everybody = "*"

/** The version of what is said. One more when a node of before would misunderstand it. */
const version = 1

const magic = Buffer.from("NVA")
const head = magic.length + 1
const nonceBytes = 12
const tagBytes = 16

export const make = (secret: Redacted.Redacted, namespace: string): Seal => {
  const key = Buffer.from(hkdfSync("sha256", Redacted.value(secret), namespace, "novacron ass 1", 32))
  const about = (said: number, from: string, to: string): Buffer => Buffer.from(JSON.stringify([said, from, to]))
  return {
    close: (words, from, to) => {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv("aes-256-gcm", key, nonce)
      cipher.setAAD(about(version, from, to))
      const closed = [cipher.update(words), cipher.final()]
      return Buffer.concat([magic, Buffer.of(version), nonce, cipher.getAuthTag(), ...closed])
    },
    open: (bytes, from, to) => {
      if (bytes.length < head || Buffer.compare(bytes.subarray(0, magic.length), magic) !== 0) {
        return new DocumentDamaged({ from, reason: "it is not of this protocol" })
      }
      const theirs = bytes[magic.length] ?? 0
      if (theirs > version) return new NewerDocument({ from, version: theirs, known: version })
      if (bytes.length < head + nonceBytes + tagBytes) return new DocumentDamaged({ from, reason: "it is cut off" })
      const nonce = bytes.subarray(head, head + nonceBytes)
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
      decipher.setAAD(about(theirs, from, to))
      decipher.setAuthTag(bytes.subarray(head + nonceBytes, head + nonceBytes + tagBytes))
      try {
        const words = [decipher.update(bytes.subarray(head + nonceBytes + tagBytes)), decipher.final()]
        return { _tag: "Opened", words: Buffer.concat(words) }
      } catch {
        return { _tag: "Forged" }
      }
    }
  }
}
