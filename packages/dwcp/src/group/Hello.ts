/**
 * How two nodes find out what they can do together: each says hello with its features, on a stream that stays open, and says
 * it again when they change.
 *
 * **Details**
 *
 * Whoever connects offers `dwcp-hello/3` and `dwcp/1` by ALPN. A peer that takes the first answers with its own hello; one
 * that takes the second, or knows no ALPN, is of v1, and nothing more is asked of it.
 */
import { Option, Schema } from "effect"
import type { Socket } from "node:net"
import * as Features from "./Features.ts"
import * as Records from "./Records.ts"

export const protocol = "dwcp-hello/3"

/** For the streams of AMST. */
export const dataProtocol = "dwcp/3"

const kind = 10
const mostBytes = 4_096

const Written = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 1_000 })),
    node: Schema.String.check(Schema.isMaxLength(256)),
    features: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 })),
    /** The largest message it takes. */
    maxMessage: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
  })
)

export interface Hello {
  readonly node: string
  readonly features: Features.Features
  readonly maxMessage: number
}

export const write = ({ features, maxMessage, node }: Hello): Buffer =>
  Buffer.from(JSON.stringify({ version: 3, node, features: Features.toBits(features), maxMessage }))

const decode = Schema.decodeUnknownOption(Written)

export const read = (body: Buffer): Option.Option<Hello> =>
  Option.map(decode(body.toString("utf8")), ({ features, maxMessage, node }) => ({
    node,
    maxMessage,
    features: Features.fromBits(features)
  }))

/** Says hello on a stream, and hears what the other says, as often as it does. Nonsense ends the stream. */
export const speak = (
  socket: Socket,
  first: Hello | undefined,
  onHello: (hello: Hello) => void
): { readonly say: (hello: Hello) => void } => {
  const say = (hello: Hello) => {
    if (socket.writable) socket.write(Records.write(kind, write(hello)))
  }
  Records.listen(socket, mostBytes, (record) => {
    const hello = record.kind === kind ? read(record.body) : Option.none()
    if (Option.isSome(hello)) onHello(hello.value)
    else socket.destroy()
  })
  if (first !== undefined) say(first)
  return { say }
}
