/** The protocol `novacron/ping`: whatever is sent comes back. It shows that a listener lives, this node's own too. */
import { Data, Effect, Option, Random } from "effect"
import type { Connection, ConnectionLost, MessageTooLarge } from "./Network.ts"

export const protocol = "novacron/ping"

/** The most that comes back. Whoever sends more wants something else. */
const maxBytes = 64

/** Answers until the other side has enough. */
export const answer = (connection: Connection): Effect.Effect<void, ConnectionLost | MessageTooLarge> =>
  Effect.gen(function* () {
    while (true) {
      const message = yield* connection.receive
      if (Option.isNone(message) || message.value.length > maxBytes) return
      yield* connection.send(message.value)
    }
  })

/** Sends something that nobody can guess, and wants it back. */
export const ask = Effect.fnUntraced(function* (
  connection: Connection
): Effect.fn.Return<void, ConnectionLost | MessageTooLarge | WrongAnswer> {
  const sent = new Uint8Array(8)
  new DataView(sent.buffer).setUint32(0, yield* Random.nextIntBetween(0, 2 ** 32 - 1))
  new DataView(sent.buffer).setUint32(4, yield* Random.nextIntBetween(0, 2 ** 32 - 1))
  yield* connection.send(sent)
  const answer = yield* connection.receive
  if (Option.isNone(answer) || Buffer.compare(answer.value, sent) !== 0) return yield* new WrongAnswer()
})

/** Whoever answers does not speak the protocol, or has ended. */
export class WrongAnswer extends Data.TaggedError("WrongAnswer") {
  override get message() {
    return "What came back is not what was sent."
  }
}
