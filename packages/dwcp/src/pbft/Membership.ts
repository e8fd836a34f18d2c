/** Whether a list of members is one that decisions can be taken with: for settings, before anything is started. Pure. */
import { createPublicKey, type KeyObject } from "node:crypto"

/** With fewer than this many there is no liar who does no harm. */
const fewest = 4

/** An Ed25519 key as PEM, or what stands between its lines: base64 in one line. Throws. */
export const publicKeyOf = (text: string): KeyObject =>
  text.includes("-----")
    ? createPublicKey(text)
    : createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" })

/** What is wrong with these members, as the end of a sentence; nothing, if they can decide. */
export const problemOf = (members: ReadonlyArray<{ readonly publicKey: string }>): string | undefined => {
  if (members.length < fewest) {
    return `there are ${members.length} members, and fewer than four tolerate no liar: 3f + 1 are needed for f of them`
  }
  const keys: Array<KeyObject> = []
  for (const [k, { publicKey }] of members.entries()) {
    const key = read(publicKey)
    if (key === undefined) return `the key of member ${k} cannot be read`
    if (key.asymmetricKeyType !== "ed25519") return `the key of member ${k} is not Ed25519`
    const twin = keys.findIndex((other) => other.equals(key))
    if (twin >= 0) return `two members have the same key: ${twin} and ${k}`
    keys.push(key)
  }
  return undefined
}

const read = (text: string): KeyObject | undefined => {
  try {
    return publicKeyOf(text)
  } catch {
    return undefined
  }
}
