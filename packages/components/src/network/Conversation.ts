/** A link with somebody who has proved who he is, as a protocol sees it: messages, and nothing of frames. */
import type { PeerCertificate, TLSSocket } from "node:tls"
import { Effect, Option } from "effect"
import type { Security, Unauthenticated } from "../security/Security.ts"
import * as Ends from "./Ends.ts"
import type { Link } from "./Link.ts"
import { type Connection, ConnectionLost, MessageTooLarge } from "./Network.ts"

/** Makes connections of links, each with a number of its own. */
export const numbered = (maxFrame: number) => {
  let lastId = 0
  return (link: Link, protocol: string, peer: Connection["peer"]): Connection => ({
    id: ++lastId,
    protocol,
    peer,
    receive: Effect.flatMap(link.receive, (frame) =>
      Option.isSome(frame) && frame.value.kind === "Refused"
        ? Effect.fail(refusedBy(peer, frame.value.payload))
        : Effect.succeed(Option.map(frame, ({ payload }) => payload))
    ),
    send: (message) =>
      message.length > maxFrame
        ? Effect.fail(new MessageTooLarge({ bytes: message.length, maxBytes: maxFrame }))
        : link.send("Data", message),
    draining: link.draining
  })
}

/** Who is at the other end, by its certificate, which TLS has verified. */
export const peerOf = (
  security: Security["Service"],
  socket: TLSSocket
): Effect.Effect<Connection["peer"], Unauthenticated> =>
  Effect.suspend(() => {
    const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate()
    // There is none when the socket is gone meanwhile, whatever its types say; nobody is known by no name.
    const commonName = [certificate?.subject?.CN ?? ""].flat()[0] ?? ""
    const fingerprint256 = certificate?.fingerprint256 ?? ""
    const address = Ends.far(socket)
    return Effect.map(
      security.authenticate({ _tag: "Certificate", commonName, fingerprint256 }),
      (principal): Connection["peer"] => ({ principal, fingerprint256, address })
    )
  })

/** A refusal is said in few words; more than that nobody reads. */
const maxWords = 256

const refusedBy = ({ principal }: Connection["peer"], words: Uint8Array): ConnectionLost =>
  new ConnectionLost({
    peer: principal.name,
    reason: `it refuses: ${new TextDecoder().decode(words.subarray(0, maxWords))}`
  })
