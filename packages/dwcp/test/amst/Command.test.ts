import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { Command, Difference } from "../../src/amst/index.ts"
import * as Hde from "../../src/hde/index.ts"
import { amst, folder, noise } from "./fixtures/worlds.ts"

/** A way to a port that lets five megabytes through, says when they are there, and then nothing more. */
const narrowTo = Effect.fnUntraced(function* (port: number) {
  const half = yield* Deferred.make<void>()
  let passed = 0
  const proxy = createServer((near) => {
    const far = connect(port, "127.0.0.1")
    near.on("data", (data: Buffer) => {
      passed += data.length
      if (passed < 5_000_000) return void far.write(data)
      near.pause()
      far.write(data, () => Deferred.doneUnsafe(half, Effect.void))
    })
    far.pipe(near)
    for (const socket of [near, far]) {
      socket.on("error", () => undefined)
      socket.on("close", () => [near, far].forEach((one) => one.destroy()))
    }
  })
  yield* Effect.callback<void>((resume) => void proxy.listen(0, "127.0.0.1", () => resume(Effect.void)))
  yield* Effect.addFinalizer(() => Effect.sync(() => proxy.close()))
  const address = proxy.address()
  return { half, port: typeof address === "object" && address !== null ? address.port : 0 }
})

describe("Command", () => {
  it.live("serves a folder, sends a file into it and says how that went", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const bytes = noise(20_000_000)
      writeFileSync(join(from, "disk.img"), bytes)
      const { port } = yield* Command.serve({ listen: { host: "127.0.0.1", port: 0 }, dir: to })
      const seen: Array<Command.Progress> = []
      const sent = yield* Command.send(join(from, "disk.img"), "127.0.0.1", port, {
        streams: 3,
        congestion: "cubic",
        onProgress: (progress) => void seen.push(progress)
      })
      assert.isTrue(bytes.equals(readFileSync(join(to, "disk.img"))))
      assert.strictEqual(sent.bytes, bytes.length)
      assert.strictEqual(sent.streams, 3)
      assert.strictEqual(sent.congestion.requested, "cubic")
      assert.isAbove(sent.mbitPerSecond, 0)
      assert.isTrue(seen.every(({ arrivedBytes }, k) => k === 0 || arrivedBytes >= seen[k - 1]!.arrivedBytes))
      assert.strictEqual(seen.at(-1)?.arrivedBytes, bytes.length)
    }).pipe(Effect.provide(Layer.mergeAll(amst(), NodeServices.layer)))
  )

  const versions = Effect.gen(function* () {
    const [mine, theirs, kept] = [yield* folder, yield* folder, yield* folder]
    const before = noise(3_000_000)
    const after = Buffer.concat([before, noise(12_000_000)])
    const [base, file] = [join(mine, "monday.img"), join(mine, "tuesday.img")]
    writeFileSync(base, before)
    writeFileSync(file, after)
    const hde = yield* Hde.make(Schema.decodeUnknownSync(Hde.Settings)({}), kept)
    const differences = yield* Difference.taker(hde, theirs)
    const serving = { listen: { host: "127.0.0.1", port: 0 }, dir: theirs }
    return { theirs, before, after, file, base: { path: base, hde }, differences, serving }
  })

  it.live("sends only what differs from a file that the other side has, and goes on with that after a break", () =>
    Effect.gen(function* () {
      const { after, base, before, differences, file, serving, theirs } = yield* versions
      writeFileSync(join(theirs, "monday.img"), before)
      const { port, takeFile } = yield* Command.serve({ ...serving, differences })
      const { half, port: narrow } = yield* narrowTo(port)
      const first = yield* Effect.forkScoped(Command.send(file, "127.0.0.1", narrow, { base, streams: 1 }))
      yield* Deferred.await(half)
      yield* Fiber.interrupt(first)
      const sent = yield* Command.send(file, "127.0.0.1", port, { base })
      assert.isTrue(after.equals(readFileSync(join(theirs, "tuesday.img"))))
      assert.isAbove(sent.resumedBytes, 1_000_000)
      assert.isBelow(sent.sentBytes, 12_000_000)
      assert.isAbove(sent.ratio, 1.2)
      const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")
      assert.deepStrictEqual(
        { bytes: sent.bytes, sha256: sent.sha256, base: sent.base, fallback: sent.fallback },
        { bytes: after.length, sha256: hash(after), base: hash(before), fallback: null }
      )
      const { hash: theirHash, name, size } = yield* takeFile
      assert.deepStrictEqual([name, size, theirHash], ["tuesday.img", after.length, hash(after)])
      assert.deepStrictEqual(readdirSync(theirs).toSorted(), ["monday.img", "tuesday.img"])
    }).pipe(Effect.provide(Layer.mergeAll(amst(), NodeServices.layer)))
  )

  it.live("sends all of a file, and says so, where the base is not there, is another one, or is not asked for", () =>
    Effect.gen(function* () {
      const { after, base, before, differences, file, serving, theirs } = yield* versions
      const alike = Buffer.from(before)
      alike[5] = alike[5]! ^ 1
      writeFileSync(join(theirs, "monday.img"), alike) // of the same size, and of other content
      const told: Array<string> = []
      for (const how of [{ differences }, {}]) {
        const { port } = yield* Command.serve({ ...serving, ...how })
        const sent = yield* Command.send(file, "127.0.0.1", port, {
          base,
          onFallback: ({ reason }) => told.push(reason)
        })
        assert.deepStrictEqual([sent.base, sent.ratio, sent.sentBytes], [null, 1, after.length])
        assert.include(sent.fallback ?? "", "has not the file")
        assert.isTrue(after.equals(readFileSync(join(theirs, "tuesday.img"))))
        rmSync(join(theirs, "tuesday.img"))
      }
      assert.deepStrictEqual(told, ["base", "base"])
      assert.deepStrictEqual(readdirSync(theirs), ["monday.img"])
    }).pipe(Effect.provide(Layer.mergeAll(amst(), NodeServices.layer)))
  )

  it.live("finds this machine not to be the internet, and shows why", () =>
    Effect.gen(function* () {
      const to = yield* folder
      const { port } = yield* Command.serve({ listen: { host: "127.0.0.1", port: 0 }, dir: to })
      const { echoMillis, evidence, mode, probeBytes, rdmaDevices } = yield* Command.probe("127.0.0.1", port)
      assert.notStrictEqual(mode, "internet")
      assert.strictEqual(evidence.samples, 3)
      assert.strictEqual(echoMillis.length, 30)
      assert.isAtMost(probeBytes, 3 * 1_200_000)
      assert.strictEqual(evidence.rdma, rdmaDevices.length > 0)
    }).pipe(Effect.provide(Layer.mergeAll(amst(), NodeServices.layer)))
  )
})
