/**
 * A thousand faults, counted: `node faults.ts FAULTS SEED` prints how many bytes of what was sent were lost or doubled.
 *
 * **Details**
 *
 * Over loopback, messages of many sizes on six streams, three at a time, while streams are killed one to all at once. What
 * comes out is compared with what went in, byte by byte.
 */
import { Effect, Fiber, Layer, Random } from "effect"
import { randomBytes } from "node:crypto"
import { Acp, Amst } from "@novacron/dwcp"

const [wanted = "1000", seed = "1"] = process.argv.slice(2)

/** A whole number below `below`. */
const roll = (below: number) => Random.nextIntBetween(0, below, { halfOpen: true })

const program = Effect.gen(function* () {
  const amst = yield* Amst.Amst
  const listener = yield* amst.listen({ host: "127.0.0.1", port: 0 })
  const link = yield* amst.connect({ host: "127.0.0.1", port: listener.port }, { streams: 6 })
  const sent = new Map<string, Buffer>()
  let [wrong, bytes] = [0, 0]
  const taking = yield* Effect.forkScoped(
    Effect.forever(
      Effect.map(listener.take, (message) => {
        const expected = sent.get(message.name)
        sent.delete(message.name) // a second one is a doubled one
        if (expected === undefined) wrong += message.bytes.length
        else if (!expected.equals(message.bytes)) wrong += expected.length
        bytes += message.bytes.length
      })
    )
  )
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.gen(function* () {
        yield* Effect.sleep(5 + (yield* roll(30)))
        for (let k = yield* roll(6); k >= 0; k--) yield* link.sever(yield* roll(6))
      })
    )
  )
  let name = 0
  const worker = Effect.gen(function* () {
    while ((yield* link.status).died < Number(wanted)) {
      const content = randomBytes((yield* roll(3)) === 0 ? yield* roll(1_000) : yield* roll(8_000_000))
      const id = String(name++)
      sent.set(id, content)
      yield* link.send(content, { name: id })
    }
  })
  yield* Effect.all([worker, worker, worker], { concurrency: 3 })
  yield* Effect.sleep("1 second")
  yield* Fiber.interrupt(taking)
  for (const content of sent.values()) wrong += content.length // never came
  return { faults: (yield* link.status).died, bytes, lostOrDoubled: wrong }
})

console.log(
  JSON.stringify(
    await Effect.runPromise(
      program.pipe(
        Effect.scoped,
        Random.withSeed(seed),
        Effect.provide(Amst.Amst.layerStandard.pipe(Layer.provide(Acp.Acp.layer)))
      )
    )
  )
)
process.exit(0)
