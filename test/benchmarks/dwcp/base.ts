/**
 * A file to somebody who has an earlier one, by HDE and AMST: `node base.ts serve HOST PORT DIR BASE` on one side,
 * `node base.ts send FILE BASE HOST PORT BACK SAMPLES` on the other, which prints seconds, one for each sample.
 *
 * **Details**
 *
 * Both are up before the time is taken, as nodes are. It ends when the other side has the file, its hash checked, and has
 * said so.
 */
import { NodeServices } from "@effect/platform-node"
import { Acp, Amst, Hde } from "@novacron/dwcp"
import { type Cause, Effect, Layer, Queue, Schema, Stream } from "effect"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const [command, ...args] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), "novacron-base-"))

/** What a part says of itself: whom to tell, of which file it is, its place, and whether it is the last. */
const nameOf = (back: string, port: number, file: number, place: number) => `${back} ${port} ${file} ${place}`

/** Parts come in any order, as they are small and several are on their way. */
const inOrder = (parts: Queue.Queue<Uint8Array, Cause.Done>) => {
  const early = new Map<number, Uint8Array>()
  let next = 0
  return (place: number, bytes: Uint8Array) => {
    early.set(place, bytes)
    for (let part = early.get(next); part !== undefined; part = early.get(next)) {
      early.delete(next++)
      if (part.length === 0) Queue.endUnsafe(parts)
      else Queue.offerUnsafe(parts, part)
    }
  }
}

const serve = Effect.gen(function* () {
  const [host = "", port = "0", dir = "", base = ""] = args
  const amst = yield* Amst.Amst
  const hde = yield* Hde.Hde
  const listener = yield* amst.listen({ host, port: Number(port) })
  const links = new Map<string, Amst.Link>()
  const files = new Map<string, ReturnType<typeof inOrder>>()
  yield* Effect.forever(
    Effect.gen(function* () {
      const { bytes, name } = yield* listener.take
      const [back = "", backPort = "0", file = "", place = "0"] = name.split(" ")
      const link = links.get(back) ?? (yield* amst.connect({ host: back, port: Number(backPort) }, { streams: 1 }))
      links.set(back, link)
      const id = `${backPort}-${file}`
      if (!files.has(id)) {
        const parts = yield* Queue.unbounded<Uint8Array, Cause.Done>()
        files.set(id, inOrder(parts))
        yield* hde.receive(Stream.fromQueue(parts), join(dir, id), { _tag: "File", path: base }).pipe(
          Effect.flatMap(({ hash }) => link.send(Buffer.from(hash))),
          Effect.forkScoped
        )
      }
      files.get(id)?.(Number(place), bytes)
    })
  )
})

const send = Effect.gen(function* () {
  const [file = "", base = "", host = "", port = "0", back = "", samples = "3"] = args
  const amst = yield* Amst.Amst
  const hde = yield* Hde.Hde
  const listener = yield* amst.listen({ host: back, port: 0 })
  const link = yield* amst.connect({ host, port: Number(port) })
  const once = Effect.fnUntraced(function* (k: number) {
    const { frame, report } = yield* hde.stream(file, { base: { _tag: "File", path: base } })
    let place = 0
    const part = (bytes: Uint8Array) => link.send(bytes, { name: nameOf(back, listener.port, k, place++) })
    // Sent while the next ones are made.
    yield* frame.pipe(
      Stream.filter((bytes) => bytes.length > 0),
      Stream.concat(Stream.succeed(new Uint8Array(0))),
      Stream.mapEffect(part, { concurrency: 64 }),
      Stream.runDrain
    )
    const { bytes } = yield* listener.take
    const { hash } = yield* Effect.flatMap(report, Effect.fromOption)
    if (Buffer.from(bytes).toString() !== hash) yield* Effect.die(new Error("It is another file there."))
  })
  const seconds: Array<number> = []
  for (let k = 0; k <= Number(samples); k++) {
    const began = performance.now()
    yield* Effect.scoped(once(k))
    // The first one opens links and starts threads, once for a node.
    if (k > 0) seconds.push((performance.now() - began) / 1_000)
  }
  console.log(JSON.stringify({ seconds }))
})

const settings = Schema.decodeUnknownSync(Hde.Settings)({ goal: "internet", bandwidth: "2.5 MB" })
const layers = Layer.mergeAll(
  Amst.Amst.layerStandard.pipe(Layer.provide(Acp.Acp.layer)),
  Hde.Hde.layer(settings, join(folder, "hde"))
).pipe(Layer.provideMerge(NodeServices.layer))

await Effect.runPromise(Effect.scoped(command === "serve" ? serve : send).pipe(Effect.provide(layers)))
process.exit(0)
