/** What nodes say to each other by gossip, as bytes: a digest of what one knows, or what another one lacks. Pure. */
import { Option, Schema } from "effect"

export type Words =
  /** How much the sender knows, whether it was asked, and some of the nodes it knows of. */
  | {
      readonly _tag: "Digest"
      readonly version: Uint8Array
      readonly answer: boolean
      readonly nodes: ReadonlyArray<Node>
    }
  | { readonly _tag: "Delta"; readonly changes: Uint8Array }

/** A node and where it is reached. */
export interface Node {
  readonly peer: string
  readonly addresses: ReadonlyArray<string>
}

/** So many nodes and addresses of each are told and taken. */
export const maxNodes = 64
export const maxAddresses = 8

const Address = Schema.String.check(Schema.isMaxLength(256))
const Digest = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    answer: Schema.Boolean,
    nodes: Schema.Array(
      Schema.Struct({ peer: Address, addresses: Schema.Array(Address).check(Schema.isMaxLength(maxAddresses)) })
    ).check(Schema.isMaxLength(maxNodes))
  })
)
const encodeDigest = Schema.encodeSync(Digest)
const decodeDigest = Schema.decodeUnknownOption(Digest)

const kinds = { digest: 1, delta: 2 }

export const encode = (words: Words): Uint8Array => {
  if (words._tag === "Delta") return Buffer.concat([Buffer.of(kinds.delta), words.changes])
  const { answer, nodes, version } = words
  const text = encodeDigest({ version: Buffer.from(version).toString("base64"), answer, nodes })
  return Buffer.concat([Buffer.of(kinds.digest), Buffer.from(text)])
}

/** Nothing, if they make no sense. */
export const decode = (bytes: Uint8Array): Option.Option<Words> => {
  const body = bytes.subarray(1)
  if (bytes[0] === kinds.delta) return Option.some({ _tag: "Delta", changes: body })
  if (bytes[0] !== kinds.digest) return Option.none()
  return Option.map(decodeDigest(Buffer.from(body).toString()), ({ answer, nodes, version }) => ({
    _tag: "Digest",
    version: Buffer.from(version, "base64"),
    answer,
    nodes
  }))
}
