import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Command } from "../../src/amst/index.ts"
import { amst, folder, noise } from "./fixtures/worlds.ts"

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
    }).pipe(Effect.provide(amst()))
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
