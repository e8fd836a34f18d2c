import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createServer as createPlain, type Socket } from "node:net"
import { createServer } from "node:tls"
import { Amst } from "../../src/amst/index.ts"
import * as Digest from "../../src/amst/Digest.ts"
import * as Frame from "../../src/amst/Frame.ts"
import * as Receiver from "../../src/amst/Receiver.ts"
import * as Wire from "../../src/amst/Wire.ts"
import { dice } from "./fixtures/dice.ts"
import { stranger } from "./fixtures/stranger.ts"
import { amst, both, certificate, folder, noise } from "./fixtures/worlds.ts"

const message = (size: number, chunk = 65_536): Wire.Open => ({
  kind: "message",
  size,
  chunk,
  priority: "normal",
  name: "m",
  fingerprint: "",
  floor: 1
})
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest()
const of = (kind: Frame.Kind, id = 1, index = 0, count = 0): Frame.Header => ({ kind, id, index, count })
/** A file of two chunks. */
const file = (fingerprint: string): Wire.Open => ({ ...message(2_000, 1_000), kind: "file", name: "f", fingerprint })

const opened = (shape: Wire.Open, id = 1) => Frame.encode(of("open", id, 0, Wire.chunksOf(shape)), Wire.write(shape))

/** A server for one receiver, until the scope closes. */
const listening = (accept: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createPlain>>((resume) => {
      const server = createPlain(accept)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    })
  )

describe("Receiver", () => {
  it.live("closes a stream that does not speak as agreed, and says what was wrong with it", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const lies: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>]> = [
        ["begin like a frame", [Buffer.from("GET / HTTP/1.1\r\nHost: novacron.example\r\n\r\n")]],
        ["begins with a chunk", [Frame.encode(of("chunk"), noise(10))]],
        ["makes sense", [Frame.encode(of("hello"), Buffer.from('{"session":"short"}'))]],
        ["no place", [stranger.hello(), stranger.hello()]],
        ["not opened", [stranger.hello(), Frame.encode(of("chunk", 7, 0, 1), noise(10))]],
        ["not where", [stranger.hello(), opened(message(100)), Frame.encode(of("chunk", 1, 1, 1), noise(10))]],
        ["not where", [stranger.hello(), opened(message(100)), Frame.encode(of("chunk", 1, 0, 9), noise(100))]],
        ["not where", [stranger.hello(), opened(message(100)), Frame.encode(of("chunk", 1, 0, 1), noise(99))]],
        ["as another", [stranger.hello(), opened(message(100)), opened(message(200))]],
        ["without a hash", [stranger.hello(), opened(message(100)), Frame.encode(of("done"), noise(31))]]
      ]
      for (const [reason, said] of lies) {
        const peer = yield* stranger.connect(listener.port)
        peer.say(...said)
        const refused = yield* listener.takeRefused
        assert.include(refused.message, reason)
        yield* peer.closed
      }
      assert.strictEqual((yield* listener.counters).refused, lies.length)
      yield* link.send(noise(1_000_000))
    }).pipe(Effect.provide(amst()))
  )

  it.live("hands a message on once, however often its frames are replayed", () =>
    Effect.gen(function* () {
      const { listener } = yield* both()
      const peer = yield* stranger.connect(listener.port)
      const bytes = noise(100_000)
      const shape = message(bytes.length)
      const whole = [
        opened(shape),
        Frame.encode(of("chunk", 1, 1, 2), bytes.subarray(65_536)),
        Frame.encode(of("chunk", 1, 0, 2), bytes.subarray(0, 65_536)),
        Frame.encode(of("done"), sha(bytes))
      ]
      peer.say(stranger.hello(), ...whole, ...whole, ...whole, ...whole)
      assert.isTrue(bytes.equals((yield* listener.take).bytes))
      // While it ended they said nothing new; now that it is over, each asks how.
      peer.say(...whole, ...whole)
      yield* peer.until((frames) => frames.filter(({ kind }) => kind === "finished").length >= 5)
      const ends = peer.heard.filter(({ kind }) => kind === "finished").map((each) => Wire.finished(each.payload).ok)
      assert.isTrue(ends.every((ok) => ok))
      const { bytes: counted, heldBytes } = yield* listener.counters
      assert.deepStrictEqual({ counted, heldBytes }, { counted: bytes.length, heldBytes: 0 })
      // Numbers below the floor are spent.
      peer.say(opened({ ...message(10), floor: 50 }, 50), opened(message(10), 3))
      yield* peer.until((frames) => frames.some((each) => each.kind === "finished" && each.id === 3))
      const third = Wire.finished(peer.heard.find((each) => each.kind === "finished" && each.id === 3)!.payload)
      assert.isTrue(!third.ok && third.reason === "replayed")
    }).pipe(Effect.provide(amst()))
  )

  it.live("leaves the name of a file to a later one when its sender took it back or is gone, and else does not", () =>
    Effect.gen(function* () {
      const to = yield* folder
      const listener = yield* (yield* Amst).listen({ host: "127.0.0.1", port: 0, directory: to })
      const bytes = noise(1_000)
      const half = (id: number, fingerprint: string) => [
        opened(file(fingerprint), id),
        Frame.encode(of("chunk", id, 0, 2), bytes)
      ]
      const rest = (id: number) => [
        Frame.encode(of("chunk", id, 1, 2), bytes),
        Frame.encode(of("done", id), sha(Buffer.concat([bytes, bytes])))
      ]
      const endOf = (peer: Effect.Success<ReturnType<typeof stranger.connect>>, id: number) =>
        Effect.map(
          peer.until((frames) => frames.some((each) => each.kind === "finished" && each.id === id)),
          () => {
            const end = Wire.finished(peer.heard.find((each) => each.kind === "finished" && each.id === id)!.payload)
            return end.ok ? "ok" : end.reason
          }
        )
      const [first, second] = [yield* stranger.connect(listener.port), yield* stranger.connect(listener.port)]
      first.say(stranger.hello(), ...half(1, "a"))
      yield* first.until((frames) => frames.some(({ kind }) => kind === "ack"))
      second.say(stranger.hello(), ...half(1, "b"))
      assert.strictEqual(yield* endOf(second, 1), "busy")
      const busy = Wire.finished(second.heard.find(({ kind }) => kind === "finished")!.payload)
      assert.match(busy.ok ? "" : busy.detail, /^127\.0\.0\.1:\d+; try again/)
      // In one breath: what was taken back is still being closed when the next one comes.
      first.say(Frame.encode(of("withdraw", 1)), ...half(2, "c"))
      assert.strictEqual(yield* endOf(first, 1), "withdrawn")
      yield* first.until((frames) => frames.some(({ id, kind }) => kind === "ack" && id === 2))
      // Its opening was on a slower stream.
      first.say(Frame.encode(of("withdraw", 3)), opened(file("d"), 3))
      assert.strictEqual(yield* endOf(first, 3), "withdrawn")
      first.end()
      yield* first.closed
      yield* Effect.repeat(listener.counters, { until: ({ streams }) => streams === 1, schedule: Schedule.spaced(10) })
      second.say(...half(2, "e"), ...rest(2))
      assert.strictEqual(yield* endOf(second, 2), "ok")
      assert.deepStrictEqual(readdirSync(to), ["f"])
      assert.strictEqual((yield* listener.takeFile).size, 2_000)
      assert.deepInclude(yield* listener.counters, { transfers: 0, heldBytes: 0 })
    }).pipe(Effect.provide(amst()))
  )

  it.live("leaves the name of a file to a later one when its sender says nothing for a minute, and no sooner", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const files: Array<string> = []
      const receiver = Receiver.make({
        epoch: "e",
        directory,
        differences: undefined,
        windowBytes: 1_000_000,
        maxMessageBytes: 1_000_000,
        budgetBytes: 1_000_000,
        maxFileBytes: 1_000_000,
        maxTransfers: 9,
        maxStreams: 9,
        maxSessions: 9,
        helloMillis: 1_000_000,
        idleMillis: 60_000,
        onMessage: () => undefined,
        onFile: ({ path }) => void files.push(path),
        onRefused: () => undefined
      })
      const port = yield* listening(receiver.accept)
      const bytes = noise(1_000)
      const half = (k: number) => Frame.encode(of("chunk", 1, k, 2), bytes)
      const later = Effect.gen(function* () {
        const peer = yield* stranger.connect(port)
        const isAnswer = ({ kind }: Frame.Frame) => kind === "finished" || kind === "accept"
        peer.say(stranger.hello(), opened(file("b")))
        yield* peer.until((frames) => frames.some(isAnswer))
        return [peer, peer.heard.find(isAnswer)?.kind] as const
      })
      const first = yield* stranger.connect(port)
      first.say(stranger.hello(), opened(file("a")), half(0))
      yield* first.until((frames) => frames.some(({ kind }) => kind === "ack"))
      receiver.tick(59_999)
      assert.strictEqual((yield* later)[1], "finished")
      first.say(Frame.encode(of("echo")))
      yield* first.until((frames) => frames.some(({ kind }) => kind === "echo"))
      receiver.tick(119_998)
      assert.strictEqual((yield* later)[1], "finished")
      receiver.tick(119_999)
      const [peer, answer] = yield* later
      assert.strictEqual(answer, "accept")
      yield* first.until((frames) => frames.some(({ kind }) => kind === "finished"))
      const end = Wire.finished(first.heard.find(({ kind }) => kind === "finished")!.payload)
      assert.isTrue(!end.ok && end.reason === "superseded")
      peer.say(half(0), half(1), Frame.encode(of("done"), sha(Buffer.concat([bytes, bytes]))))
      yield* peer.until((frames) => frames.some(({ kind }) => kind === "finished"))
      assert.deepStrictEqual(files, [join(directory, "f")])
      yield* Effect.promise(() => receiver.close())
    }).pipe(Effect.scoped)
  )

  it.live("keeps nothing of what hashes to something else", () =>
    Effect.gen(function* () {
      const to = yield* folder
      const { listener } = yield* both({ directory: to })
      const peer = yield* stranger.connect(listener.port)
      const bytes = noise(1_000)
      const file: Wire.Open = { ...message(1_000), kind: "file", name: "f", fingerprint: "x" }
      peer.say(stranger.hello())
      for (const [id, shape] of [message(1_000), file].entries()) {
        peer.say(
          opened(shape, id + 1),
          Frame.encode(of("chunk", id + 1, 0, 1), bytes),
          Frame.encode(of("done", id + 1), noise(32))
        )
      }
      yield* peer.until((frames) => frames.filter(({ kind }) => kind === "finished").length === 2)
      for (const each of peer.heard.filter(({ kind }) => kind === "finished")) {
        const end = Wire.finished(each.payload)
        assert.isTrue(!end.ok && end.reason === "hash")
      }
      assert.deepStrictEqual(readdirSync(to), [])
      assert.strictEqual((yield* listener.counters).heldBytes, 0)
    }).pipe(Effect.provide(amst()))
  )

  it.live("takes a message over TLS with its tag or with its hash, and keeps nothing of one with a wrong tag", () =>
    Effect.gen(function* () {
      const tls = yield* certificate
      const { listener } = yield* both({ tls })
      const peer = yield* stranger.connect(listener.port, { ca: tls.cert, servername: "localhost" })
      const session = randomBytes(16).toString("hex")
      const bytes = noise(1_000)
      const tagOf = (id: number) => {
        const tag = Digest.tag(session, id)
        tag.update(bytes)
        return tag.end()
      }
      peer.say(stranger.hello(session))
      // Its own, that of another transfer, a hash as older senders have it, and a hash of something else.
      for (const [k, end] of [tagOf(1), tagOf(1), sha(bytes), noise(32)].entries()) {
        const id = k + 1
        peer.say(
          opened(message(1_000), id),
          Frame.encode(of("chunk", id, 0, 1), bytes),
          Frame.encode(of("done", id), end)
        )
      }
      yield* peer.until((frames) => frames.filter(({ kind }) => kind === "finished").length === 4)
      const ends = peer.heard
        .filter(({ kind }) => kind === "finished")
        .map(({ id, payload }) => [id, Wire.finished(payload).ok] as const)
        .toSorted(([a], [b]) => a - b)
      assert.deepStrictEqual(ends, [
        [1, true],
        [2, false],
        [3, true],
        [4, false]
      ])
      for (let k = 0; k < 2; k++) assert.isTrue(bytes.equals((yield* listener.take).bytes))
      assert.strictEqual((yield* listener.counters).heldBytes, 0)
    }).pipe(Effect.provide(amst()))
  )

  it.live("takes no tag where no TLS answers for the bytes", () =>
    Effect.gen(function* () {
      const { listener } = yield* both()
      const peer = yield* stranger.connect(listener.port)
      peer.say(stranger.hello(), opened(message(100)), Frame.encode(of("done"), noise(Digest.tagBytes)))
      assert.include((yield* listener.takeRefused).message, "without a hash")
      yield* peer.closed
    }).pipe(Effect.provide(amst()))
  )

  it.live("is sent a hash when it is older than tags", () =>
    Effect.gen(function* () {
      const tls = yield* certificate
      const bytes = noise(3_000_000)
      const ends: Array<Buffer> = []
      // A receiver that knows nothing of tags.
      const server = createServer(tls, (socket) => {
        const say = (header: Frame.Header, payload?: Uint8Array) => socket.write(Frame.encode(header, payload))
        const { read } = Frame.reader(
          ({ count, id, index, kind, payload }) => {
            if (kind === "hello") say(of("welcome", 0), Buffer.from(JSON.stringify({ epoch: "old", window: 1 << 25 })))
            if (kind === "open") say(of("accept", id), new Uint8Array(Math.ceil(count / 8)))
            if (kind === "chunk") say(of("ack", id), Wire.numbers([index]))
            if (kind !== "done") return
            ends.push(payload)
            say(of("finished", id), Wire.write({ ok: true }))
          },
          { encrypted: true }
        )
        socket.on("data", read)
        socket.on("error", () => socket.destroy())
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => void server.close())
      )
      const bound = server.address()
      const port = typeof bound === "object" && bound !== null ? bound.port : 0
      const link = yield* (yield* Amst).connect({
        host: "127.0.0.1",
        port,
        tls: { ca: tls.cert, servername: "localhost" }
      })
      yield* link.send(noise(1)) // its welcome has been heard
      const { hash } = yield* link.send(bytes)
      assert.strictEqual(hash, sha(bytes).toString("hex"))
      assert.isTrue(ends.at(-1)?.equals(sha(bytes)))
      // It keeps a difference as it is, and says yes to it: that is no file.
      const path = join(yield* folder, "difference")
      writeFileSync(path, bytes)
      const named = { hash: sha(bytes).toString("hex"), size: bytes.length }
      const refused = yield* Effect.flip(
        link.sendFile(path, { difference: { name: "f", base: named, content: named } })
      )
      assert.isTrue(refused._tag === "TransferRefused" && refused.reason === "base")
    }).pipe(Effect.provide(amst()))
  )

  it.live("hands on what is whole, and lets no stream that comes later change it", () =>
    Effect.gen(function* () {
      const { listener } = yield* both()
      const session = randomBytes(16).toString("hex")
      const [slow, quick] = [yield* stranger.connect(listener.port), yield* stranger.connect(listener.port)]
      const bytes = noise(60_000)
      const forged = Buffer.alloc(60_000, 7)
      const half = Frame.encode(of("chunk", 1, 0, 1), forged)
      slow.say(stranger.hello(session), opened(message(bytes.length)))
      yield* slow.until((frames) => frames.some(({ kind }) => kind === "accept"))
      // It begins with other bytes in the place of the chunk, and waits.
      slow.say(half.subarray(0, 30_000))
      yield* Effect.sleep(100)
      quick.say(
        stranger.hello(session),
        Frame.encode(of("chunk", 1, 0, 1), bytes),
        Frame.encode(of("done"), sha(bytes))
      )
      const taken = yield* listener.take
      assert.isTrue(bytes.equals(taken.bytes))
      slow.say(half.subarray(30_000), Frame.encode(of("echo", 0), noise(8)))
      yield* slow.until((frames) => frames.some(({ kind }) => kind === "echo")) // all of it was read
      assert.isTrue(bytes.equals(taken.bytes))
    }).pipe(Effect.provide(amst()))
  )

  it.live("sets no memory aside for sizes that are only claimed", () =>
    Effect.gen(function* () {
      const to = yield* folder
      const { link, listener } = yield* both({ directory: to })
      const peer = yield* stranger.connect(listener.port)
      peer.say(stranger.hello())
      for (let id = 1; id <= 500; id++) peer.say(opened(message(3_000_000), id))
      peer.say(opened({ ...message(4_000_000_000_000, 1_048_576), kind: "file", name: "huge" }, 501))
      yield* peer.until((frames) => frames.filter(({ kind }) => kind === "finished").length >= 245)
      const { heldBytes, transfers } = yield* listener.counters
      assert.isAtMost(heldBytes, 8_000_000)
      assert.isAtMost(transfers, 256)
      // Nor does it keep another peer from its share.
      yield* link.send(noise(3_000_000))
    }).pipe(Effect.provide(amst({ budget: "8 MB", maxMessage: "4 MB" })))
  )

  it.live("waits for a peer that does not read its answers, and answers the others", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const peer = yield* stranger.connect(listener.port)
      peer.deaf()
      peer.say(stranger.hello())
      const before = process.memoryUsage().rss
      const echo = Frame.encode(of("echo", 0), noise(1_000))
      for (let k = 0; k < 60; k++) peer.say(Buffer.concat(Array.from({ length: 1_000 }, () => echo)))
      yield* Effect.sleep(300)
      assert.isAbove(peer.unsent(), 10_000_000) // we stopped to read
      yield* link.send(noise(4_000_000))
      assert.isBelow(process.memoryUsage().rss - before, 250e6)
    }).pipe(Effect.provide(amst()))
  )

  it.live("stays up under well-formed frames that make no sense, and carries what others send", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      const roll = dice(11)
      const rounds = 40 * Number(process.env["SEEDS"] ?? 1)
      const kinds = Object.keys(Frame.kinds) as Array<Frame.Kind>
      const sense = (): Buffer => {
        const shape = message(roll(200_000), 1 + roll(70_000))
        const id = 1 + roll(6)
        switch (roll(5)) {
          case 0:
            return opened(shape, id)
          case 1:
            return Frame.encode(of("done", id), randomBytes(32))
          case 2:
            return Frame.encode(of("echo", 0), randomBytes(8))
          case 3:
            return Frame.encode(of("withdraw", id))
          default:
            return Frame.encode(of(kinds[roll(kinds.length)]!, id, roll(4), roll(4)), randomBytes(roll(32)))
        }
      }
      for (let round = 0; round < rounds; round++) {
        const peer = yield* stranger.connect(listener.port)
        peer.say(stranger.hello(), ...Array.from({ length: 200 }, sense))
        if (round % 8 !== 0) continue
        const bytes = noise(1_000_000)
        yield* link.send(bytes)
        let taken = yield* listener.take
        while (taken.name === "m") taken = yield* listener.take // one of theirs was right by chance
        assert.isTrue(bytes.equals(taken.bytes))
      }
      assert.isAbove((yield* listener.counters).refused, rounds / 2)
    }).pipe(Effect.provide(amst()))
  )

  it.live("hangs up on who connects and says nothing", () =>
    Effect.gen(function* () {
      const { listener } = yield* both()
      const peer = yield* stranger.connect(listener.port)
      yield* peer.closed
    }).pipe(Effect.provide(amst({ dial: "200ms" })))
  )
})
