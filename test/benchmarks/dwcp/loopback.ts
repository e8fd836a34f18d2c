/**
 * One process with both ends of a connection over loopback: `node loopback.ts amst|taken|node MEGABYTES` prints MB/s.
 *
 * **Details**
 *
 * `amst` sends messages of 16 MB, three at a time, with checksums, hashes and acknowledgements, to one who looks at each and
 * drops it; `taken` is the same to one who keeps them. `node` is what there is without any of that: a socket that writes
 * 64 KiB at a time, and one that looks at what comes and drops it. `CERT` and `KEY` name PEM files; then both speak TLS.
 */
import { Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { Acp, Amst } from "@novacron/dwcp"

const [which, megabytes = "200"] = process.argv.slice(2)
const [cert, key] = [process.env["CERT"], process.env["KEY"]]
const server = cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : undefined
const client = cert ? { ca: readFileSync(cert), servername: "localhost" } : undefined
const block = randomBytes(50_000_000)
const rounds = Math.ceil((Number(megabytes) * 1e6) / block.length)

const amst = Effect.gen(function* () {
  const service = yield* Amst.Amst
  const listener = yield* service.listen({
    host: "127.0.0.1",
    port: 0,
    ...(server === undefined ? {} : { tls: server })
  })
  const link = yield* service.connect(
    { host: "127.0.0.1", port: listener.port, ...(client === undefined ? {} : { tls: client }) },
    { streams: 1 }
  )
  const receive = which === "taken" ? Effect.asVoid(listener.take) : listener.use(() => Effect.void)
  // Three messages of 16 MB are on their way at a time.
  const messages = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }, (_, k) => block.subarray((k % 3) * 16e6, ((k % 3) + 1) * 16e6)),
      (each) => Effect.andThen(link.send(each), receive),
      { concurrency: 3, discard: true }
    )
  yield* messages(6) // until it is warm
  const began = performance.now()
  yield* messages(3 * rounds)
  return (rounds * 48e6) / 1e3 / (performance.now() - began)
}).pipe(Effect.scoped, Effect.provide(Amst.Amst.layerStandard.pipe(Layer.provide(Acp.Acp.layer))))

const plain = (): Promise<number> =>
  new Promise((resolve) => {
    const listener = server === undefined ? Net.createServer() : Tls.createServer({ minVersion: "TLSv1.3", ...server })
    listener.listen(0, "127.0.0.1", () => {
      // The address of a listening TCP server is never a path.
      const { port } = listener.address() as Net.AddressInfo
      const socket =
        client === undefined
          ? Net.connect(port, "127.0.0.1")
          : Tls.connect({ minVersion: "TLSv1.3", ...client, host: "127.0.0.1", port })
      let began = 0
      let left = (rounds + 1) * block.length
      listener.on(server === undefined ? "connection" : "secureConnection", (peer: Net.Socket) => {
        peer.on("data", (data) => {
          left -= data.length
          if (began === 0 && left <= rounds * block.length) began = performance.now()
          if (left > 0) return
          resolve((rounds * block.length) / 1e3 / (performance.now() - began))
          socket.destroy()
          peer.destroy()
          listener.close()
        })
      })
      let at = 0
      const pump = () => {
        while (at < (rounds + 1) * block.length) {
          const from = at % block.length
          const part = block.subarray(from, from + 65_536)
          at += part.length
          if (!socket.write(part)) return
        }
      }
      socket.on("drain", pump)
      socket.once(client === undefined ? "connect" : "secureConnect", pump)
    })
  })

const speed = which === "node" ? await plain() : await Effect.runPromise(amst)
console.log(JSON.stringify({ speed }))
process.exit(0)
