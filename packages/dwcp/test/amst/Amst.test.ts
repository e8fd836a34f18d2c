import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { Acp, Tcp } from "../../src/acp/index.ts"
import { Amst } from "../../src/amst/index.ts"
import { amst, both, certificate, folder, noise, settings, smallDisk } from "./fixtures/worlds.ts"

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("Amst", () => {
  it.live("carries messages of any size whole, and says what they hash to", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      for (const size of [0, 1, 31, 65_536, 262_144, 262_145, 3_000_001, 20_000_000]) {
        const bytes = noise(size)
        const receipt = yield* link.send(bytes, { name: `m${size}` })
        const message = yield* listener.take
        assert.strictEqual(receipt.hash, sha(bytes))
        assert.strictEqual(message.name, `m${size}`)
        assert.isTrue(bytes.equals(message.bytes))
      }
    }).pipe(Effect.provide(amst()))
  )

  it.live("carries files, and leaves nothing beside them", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const { link, listener } = yield* both({ directory: to })
      for (const size of [0, 1, 5_000_000, 40_000_123]) {
        const bytes = noise(size)
        const path = join(from, `f${size}`)
        writeFileSync(path, bytes)
        const receipt = yield* link.sendFile(path)
        assert.strictEqual(receipt.hash, sha(bytes))
        const file = yield* listener.takeFile
        assert.strictEqual(file.hash, receipt.hash)
        assert.isTrue(bytes.equals(readFileSync(file.path)))
      }
      assert.deepStrictEqual(readdirSync(to).toSorted(), ["f0", "f1", "f40000123", "f5000000"])
    }).pipe(Effect.provide(amst()))
  )

  it.live("carries the same over TLS", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* certificate
      const amst = yield* Amst
      const listener = yield* amst.listen({ host: "127.0.0.1", port: 0, tls: { cert, key } })
      const link = yield* amst.connect({
        host: "127.0.0.1",
        port: listener.port,
        tls: { ca: cert, servername: "localhost" }
      })
      const bytes = noise(5_000_000)
      yield* link.send(bytes)
      assert.isTrue(bytes.equals((yield* listener.take).bytes))
      // Nobody is spoken to whose certificate is not trusted.
      const stranger = yield* amst.connect(
        { host: "127.0.0.1", port: listener.port, tls: {} },
        { connect: Duration.minutes(10) }
      )
      // At once, and not as a peer that is not there: the certificate stays as it is.
      const refused = yield* Effect.flip(stranger.send(bytes))
      assert.strictEqual(refused._tag, "TlsRefused")
      assert.include(String(refused.cause), "self-signed")
      const asked = yield* Effect.flip(amst.probe({ host: "127.0.0.1", port: listener.port, tls: {} }))
      assert.strictEqual(asked._tag, "TlsRefused")
    }).pipe(Effect.provide(amst()))
  )

  it.live("continues a file where it was when the sender was ended in between", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const path = join(from, "image")
      const bytes = noise(60_000_000)
      writeFileSync(path, bytes)
      const { amst, listener } = yield* both({ directory: to })
      const peer = { host: "127.0.0.1", port: listener.port }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const half = yield* Deferred.make<void>()
          const link = yield* amst.connect(peer)
          const onProgress = (arrived: number) => {
            if (arrived > 20_000_000) Deferred.doneUnsafe(half, Effect.void)
          }
          const sending = yield* Effect.forkScoped(link.sendFile(path, { onProgress }))
          yield* Deferred.await(half)
          yield* Fiber.interrupt(sending)
        })
      )
      const link = yield* amst.connect(peer)
      const receipt = yield* link.sendFile(path)
      assert.isAbove(receipt.resumedBytes, 15_000_000)
      assert.strictEqual(receipt.hash, sha(bytes))
      assert.isTrue(bytes.equals(readFileSync(join(to, "image"))))
    }).pipe(Effect.provide(amst()))
  )

  it.live("continues a file at a receiver that was started again, and sends what that one lost", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const path = join(from, "image")
      const bytes = noise(80_000_000)
      writeFileSync(path, bytes)
      const amst = yield* Amst
      const first = yield* Scope.make()
      const before = yield* Scope.provide(amst.listen({ host: "127.0.0.1", port: 0, directory: to }), first)
      const link = yield* amst.connect({ host: "127.0.0.1", port: before.port })
      const half = yield* Deferred.make<void>()
      const onProgress = (arrived: number) => {
        if (arrived > 20_000_000) Deferred.doneUnsafe(half, Effect.void)
      }
      const sending = yield* Effect.forkScoped(link.sendFile(path, { onProgress }))
      yield* Deferred.await(half)
      yield* Scope.close(first, Exit.void)
      // As after a crash: the map promises less than the sender was told.
      assert.isTrue(readdirSync(to).includes(".image.map") || readdirSync(to).includes(".image.part"))
      yield* amst.listen({ host: "127.0.0.1", port: before.port, directory: to })
      const receipt = yield* Fiber.join(sending)
      assert.strictEqual(receipt.hash, sha(bytes))
      assert.isTrue(bytes.equals(readFileSync(join(to, "image"))))
    }).pipe(Effect.provide(amst()))
  )

  it.live("sends a file whole when the part the receiver kept was of other bytes", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const path = join(from, "image")
      const bytes = noise(30_000_000)
      writeFileSync(path, bytes)
      const { amst, listener } = yield* both({ directory: to })
      const peer = { host: "127.0.0.1", port: listener.port }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const some = yield* Deferred.make<void>()
          const link = yield* amst.connect(peer)
          const onProgress = (arrived: number) => {
            if (arrived > 8_000_000) Deferred.doneUnsafe(some, Effect.void)
          }
          const sending = yield* Effect.forkScoped(link.sendFile(path, { onProgress }))
          yield* Deferred.await(some)
          yield* Fiber.interrupt(sending)
        })
      )
      yield* Effect.sleep(200)
      const part = join(to, ".image.part")
      const changed = readFileSync(part)
      changed[100]! ^= 1
      writeFileSync(part, changed)
      const link = yield* amst.connect(peer)
      const receipt = yield* link.sendFile(path)
      assert.strictEqual(receipt.hash, sha(bytes))
      assert.isTrue(bytes.equals(readFileSync(join(to, "image"))))
    }).pipe(Effect.provide(amst()))
  )

  it.live("gives no name to what was written to, or grew, while it was sent, and sends it when that is over", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const path = join(from, "image")
      writeFileSync(path, noise(80_000_000))
      const { link } = yield* both({ directory: to })
      const overwrite = () => {
        const file = openSync(path, "r+")
        writeSync(file, noise(4_096), 0, 4_096, 0)
        closeSync(file)
      }
      const changes = { overwritten: overwrite, grown: () => appendFileSync(path, "one more line") }
      for (const [name, change] of Object.entries(changes)) {
        let isDone = false
        const onProgress = () => {
          if (!isDone) change()
          isDone = true
        }
        const error = yield* Effect.flip(link.sendFile(path, { name, onProgress }))
        assert.strictEqual(error._tag, "FileUnavailable")
        assert.include(String(error.cause), "written to while it was sent")
        assert.isTrue(isDone)
        assert.isFalse(existsSync(join(to, name)))
        // At once, over the same link: the receiver is still closing what it had of the other content.
        assert.strictEqual((yield* link.sendFile(path, { name })).hash, sha(readFileSync(path)))
      }
      const { hash } = yield* link.sendFile(path)
      assert.strictEqual(hash, sha(readFileSync(path)))
      assert.isTrue(readFileSync(path).equals(readFileSync(join(to, "image"))))
    }).pipe(Effect.provide(amst()))
  )

  it.live("holds no more than its budget: senders wait until something is taken", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const sending = yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: 6 }), () => link.send(noise(3_000_000)), { concurrency: 6 })
      )
      yield* Effect.sleep(400)
      assert.isAtMost((yield* listener.counters).heldBytes, 8_000_000)
      assert.strictEqual(sending.pollUnsafe(), undefined)
      for (let k = 0; k < 6; k++) assert.strictEqual((yield* listener.take).bytes.length, 3_000_000)
      assert.strictEqual((yield* Fiber.join(sending)).length, 6)
    }).pipe(Effect.provide(amst({ budget: "8 MB", maxMessage: "4 MB" })))
  )

  it.live("uses the memory of a message again once it was used, and never before", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const [first, second] = [noise(3_000_000), noise(3_000_000)]
      yield* link.send(first, { name: "first" })
      const held = yield* listener.use(({ bytes }) =>
        Effect.gen(function* () {
          // A second one comes while this one is in use.
          yield* link.send(second, { name: "second" })
          assert.isTrue(first.equals(bytes))
          assert.isAtLeast((yield* listener.counters).heldBytes, 6_000_000)
          return bytes
        })
      )
      assert.isTrue(second.equals((yield* listener.take).bytes))
      assert.strictEqual((yield* listener.counters).heldBytes, 0)
      yield* link.send(second)
      assert.isTrue(second.equals(held)) // it had its turn, and lies where the first one was
      // Whoever fails gives it back as well.
      yield* Effect.flip(listener.use(() => Effect.fail("no" as const)))
      assert.strictEqual((yield* listener.counters).heldBytes, 0)
    }).pipe(Effect.provide(amst()))
  )

  it.live("refuses what a full disk does not take, carries everything else, and goes on when there is room", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* smallDisk(16_000_000)]
      if (to === undefined) return // only root mounts one
      const bytes = noise(24_000_000)
      writeFileSync(join(from, "large"), bytes)
      writeFileSync(join(from, "small"), bytes.subarray(0, 1_000_000))
      writeFileSync(join(to, "filler"), noise(6_000_000))
      const { link, listener } = yield* both({ directory: to })
      const [refused, hash] = yield* Effect.all(
        [
          Effect.flip(link.sendFile(join(from, "large"))),
          Effect.forEach([1, 2, 3], (k) => link.send(bytes.subarray(0, k * 1_000_000)))
        ],
        { concurrency: 2 }
      )
      assert.isTrue(refused._tag === "TransferRefused" && refused.reason === "disk", String(refused))
      assert.include(refused.message, "could not write it")
      assert.lengthOf(hash, 3)
      for (const k of [1, 2, 3]) assert.isTrue(bytes.subarray(0, k * 1_000_000).equals((yield* listener.take).bytes))
      assert.strictEqual((yield* listener.counters).heldBytes, 0)
      assert.isFalse(existsSync(join(to, "large")))
      // Somebody makes room, for one that fits.
      for (const name of readdirSync(to)) rmSync(join(to, name))
      const { hash: arrived } = yield* link.sendFile(join(from, "small"))
      assert.strictEqual(arrived, sha(readFileSync(join(to, "small"))))
      assert.strictEqual((yield* link.status).died, 0)
    }).pipe(Effect.provide(amst()))
  )

  it.live("says why a transfer was refused, and carries the others", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      writeFileSync(join(from, "f"), noise(100))
      execFileSync("mkfifo", [join(from, "pipe")])
      const { link } = yield* both({ directory: to })
      const reasons = yield* Effect.all([
        Effect.flip(link.send(noise(5_000_000))),
        Effect.flip(link.sendFile(join(from, "f"), { name: "../f" })),
        Effect.flip(link.sendFile(join(from, "f"), { name: ".bashrc" })),
        Effect.flip(link.sendFile(join(from, "missing"))),
        // Nobody will ever write to it: whoever opens it as a file waits for ever.
        Effect.flip(link.sendFile(join(from, "pipe"))),
        // It has a size of 0, and something in it.
        Effect.flip(link.sendFile("/proc/self/status"))
      ])
      assert.deepStrictEqual(
        reasons.map((error) => (error._tag === "TransferRefused" ? error.reason : error._tag)),
        ["size", "name", "name", "FileUnavailable", "FileUnavailable", "FileUnavailable"]
      )
      yield* link.send(noise(100))
      assert.deepStrictEqual(readdirSync(to), [])
    }).pipe(Effect.provide(amst({ maxMessage: "4 MB" })))
  )

  it.live("ends with the peer when that one stays away", () =>
    Effect.gen(function* () {
      const amst = yield* Amst
      const link = yield* amst.connect({ host: "127.0.0.1", port: 1 })
      const error = yield* Effect.flip(link.send(noise(10)))
      assert.strictEqual(error._tag, "PeerLost")
      assert.include(error.message, "127.0.0.1:1")
    }).pipe(Effect.provide(amst({ connect: "300ms" })))
  )

  for (const [does, take] of [
    ["hangs up", (socket: Socket) => void socket.destroy()],
    ["says nothing", () => undefined],
    ["speaks something else", (socket: Socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(9))]
  ] as const) {
    it.live(`ends as well where somebody takes connections and ${does}`, () =>
      Effect.gen(function* () {
        const sockets = new Set<Socket>()
        const other = createServer((socket) => {
          sockets.add(socket.on("error", () => undefined))
          take(socket)
        })
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void other.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () =>
            Effect.sync(() => {
              other.close()
              for (const socket of sockets) socket.destroy()
            })
        )
        const bound = other.address()
        const port = typeof bound === "object" && bound !== null ? bound.port : 0
        const { connect } = yield* Amst
        const link = yield* connect({ host: "127.0.0.1", port })
        const error = yield* Effect.flip(link.send(noise(10)))
        assert.strictEqual(error._tag, "PeerLost")
        assert.match(String(error.cause), /does not answer them|cannot be trusted/)
        assert.isFalse((yield* link.status).reached)
      }).pipe(Effect.provide(amst({ connect: "600ms", stall: "200ms" })))
    )
  }

  it.live.skipIf(Tcp.open()._tag === "Unavailable")(
    "runs the congestion control that was asked for on every stream, and says which",
    () =>
      Effect.gen(function* () {
        const { link } = yield* both({}, { congestion: "cubic", streams: 3 })
        yield* link.send(noise(100_000))
        const { carrier, congestion } = yield* link.status
        assert.deepStrictEqual(
          { carrier, congestion },
          { carrier: "tcp", congestion: { requested: "cubic", effective: "cubic" } }
        )
      }).pipe(Effect.provide(amst()))
  )

  it.live("works, untuned, where the kernel cannot be asked", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const bytes = noise(8_000_000)
      yield* link.send(bytes)
      assert.isTrue(bytes.equals((yield* listener.take).bytes))
      assert.strictEqual((yield* link.status).congestion.effective, "unavailable")
    }).pipe(Effect.provide(Amst.layer(settings({})).pipe(Layer.provide(Acp.layerUntuned("no addon")))))
  )
})
