/** Real keys: Ed25519 for signatures, SHA-256 for digests; and which member one is by the key that one has. */
import { Redacted, Result } from "effect"
import { createHash, createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto"
import * as Codec from "./Codec.ts"
import { MembershipInvalid } from "./Failures.ts"
import * as Membership from "./Membership.ts"
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

/** Who one is among these members. */
export interface Place {
  readonly id: number
  readonly privateKey: KeyObject
  readonly publicKeys: ReadonlyArray<KeyObject>
}

/** Finds the member whose key this is. */
export const identify = ({
  members,
  privateKey: given
}: {
  readonly members: ReadonlyArray<{ readonly publicKey: string }>
  readonly privateKey: Redacted.Redacted
}): Result.Result<Place, MembershipInvalid> => {
  const problem = (problem: string) => Result.fail(new MembershipInvalid({ problem }))
  const wrong = Membership.problemOf(members)
  if (wrong !== undefined) return problem(wrong)
  const publicKeys = members.map(({ publicKey }) => Membership.publicKeyOf(publicKey))
  const privateKey = read(Redacted.value(given))
  if (privateKey === undefined) return problem("the key of this replica cannot be read")
  if (privateKey.asymmetricKeyType !== "ed25519") return problem("the key of this replica is not Ed25519")
  const own = createPublicKey(privateKey)
  const id = publicKeys.findIndex((one) => one.equals(own))
  const stranger = `its key is not that of a member, of whom there are ${members.length}`
  return id < 0 ? problem(stranger) : Result.succeed({ id, privateKey, publicKeys })
}

const read = (pem: string): KeyObject | undefined => {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
