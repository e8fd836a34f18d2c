/** Real keys: Ed25519 for signatures, SHA-256 for digests. */
import { createHash, hash, type KeyObject, sign, verify } from "node:crypto"
import * as Codec from "./Codec.ts"
import type { Body, Keys, Signed } from "./Message.ts"

export interface Options {
  /** The name of the cluster. What was signed for another one counts for nothing here. */
  readonly cluster: string
  readonly id: number
  readonly privateKey: KeyObject
  /** Of replicas first, then of clients: a place in this list is an id. */
  readonly publicKeys: ReadonlyArray<KeyObject>
}

export const make = ({ cluster, id, privateKey, publicKeys }: Options): Keys => {
  const domain = createHash("sha256").update(`novacron pbft 1 ${cluster}`).digest()
  // The very objects that were made here need no second look.
  const own = new WeakSet<Signed<Body>>()
  return {
    sign: (body) => {
      const signature = sign(null, Codec.signable(domain, id, body), privateKey)
      const signed = { _tag: "Signed" as const, from: id, body, signature }
      own.add(signed)
      return signed
    },
    verify: (signed) => {
      if (own.has(signed)) return true
      const { body, from, signature } = signed
      const key = publicKeys[from]
      return key !== undefined && verify(null, Codec.signable(domain, from, body), key, signature)
    },
    ofBatch: (batch) => hash("sha256", Codec.encodeBatch(batch), "hex"),
    ofState: (bytes) => hash("sha256", bytes, "hex")
  }
}
