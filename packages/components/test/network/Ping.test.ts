import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Queue } from "effect"
import type { Connection } from "../../src/network/Network.ts"
import * as Ping from "../../src/network/Ping.ts"

/** Two ends of one connection, in memory. An end that is closed receives none. */
const pair = Effect.gen(function* () {
  const [there, back] = [
    yield* Queue.unbounded<Option.Option<Uint8Array>>(),
    yield* Queue.unbounded<Option.Option<Uint8Array>>()
  ]
  const end = (inbox: typeof there, outbox: typeof there): Connection => ({
    id: 1,
    protocol: Ping.protocol,
    peer: {
      principal: { name: "node-2", by: "mtls", roles: [] },
      fingerprint256: "",
      address: { host: "127.0.0.1", port: 1 }
    },
    receive: Queue.take(inbox),
    send: (message) => Effect.asVoid(Queue.offer(outbox, Option.some(message))),
    draining: Effect.never
  })
  return {
    here: end(back, there),
    there: end(there, back),
    say: (message: Option.Option<Uint8Array>) => Queue.offer(back, message),
    hangUp: Queue.offer(there, Option.none())
  }
})

describe("novacron/ping", () => {
  it.effect("answers each question, until there are no more", () =>
    Effect.gen(function* () {
      const { hangUp, here, there } = yield* pair
      const answering = yield* Effect.forkChild(Ping.answer(there))
      yield* Ping.ask(here)
      yield* Ping.ask(here)
      yield* hangUp
      yield* Fiber.join(answering)
    })
  )

  it.effect("is not content with another answer, or with none", () =>
    Effect.gen(function* () {
      for (const answer of [Option.some(new Uint8Array(8)), Option.some(new Uint8Array()), Option.none()]) {
        const { here, say } = yield* pair
        yield* say(answer)
        assert.instanceOf(yield* Effect.flip(Ping.ask(here)), Ping.WrongAnswer)
      }
    })
  )

  it.effect("ends with whoever wants more than a few bytes back", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair
      yield* here.send(new Uint8Array(65))
      yield* Ping.answer(there)
    })
  )
})
