import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Preference, Tcp } from "../../src/acp/index.ts"
import { pair } from "./fixtures/pair.ts"

const kernel = Tcp.open()
const tuned = kernel._tag === "Available"

describe("TCP of the kernel", () => {
  it.effect.skipIf(!tuned)("reads back the control that was asked for, on either side", () =>
    Effect.gen(function* () {
      assert.isTrue(kernel._tag === "Available")
      if (kernel._tag !== "Available") return
      const { client, server } = yield* pair
      for (const [socket, name] of [
        [client, "cubic"],
        [server, "reno"]
      ] as const) {
        const outcome = kernel.setCongestion(Tcp.descriptor(socket), name)
        assert.deepStrictEqual(outcome, { _tag: "Done" })
        assert.strictEqual(kernel.congestion(Tcp.descriptor(socket)), name)
      }
    })
  )

  it.effect.skipIf(!tuned)("counts what was acknowledged, and how long it took", () =>
    Effect.gen(function* () {
      if (kernel._tag !== "Available") return
      const { client, server } = yield* pair
      const sent = Buffer.alloc(3_000_000)
      const arrived = new Promise<void>((resolve) => {
        let left = sent.length
        server.on("data", (data) => {
          left -= data.length
          if (left === 0) resolve()
        })
      })
      client.write(sent)
      yield* Effect.promise(() => arrived)
      const sample = kernel.info(Tcp.descriptor(client))
      assert.isDefined(sample)
      assert.isAtLeast(sample.bytesSent, sent.length)
      assert.isAbove(sample.srttMicros, 0)
      assert.isAtMost(sample.minRttMicros, sample.srttMicros * 4)
      assert.isAbove(sample.deliveryRate, 0)
      assert.isFalse(sample.ecn.seen && !sample.ecn.negotiated)
    })
  )

  it.effect.skipIf(!tuned)("slows a connection down to the pacing that was asked for", () =>
    Effect.gen(function* () {
      if (kernel._tag !== "Available") return
      const { client } = yield* pair
      const fd = Tcp.descriptor(client)
      assert.deepStrictEqual(kernel.setPacing(fd, 1_000_000), { _tag: "Done" })
      client.write(Buffer.alloc(100_000))
      yield* Effect.promise(() => new Promise((resolve) => client.write(Buffer.alloc(1), resolve)))
      assert.isAtMost(kernel.info(fd)!.pacingRate, 1_000_000)
    })
  )

  it("is unavailable, and says why, where the addon does not load", () => {
    const missing = Tcp.open(() => {
      throw new Error("Cannot find module 'koffi'")
    })
    assert.strictEqual(missing._tag, "Unavailable")
    const report = Preference.apply(missing, 3, ["bbr"])
    assert.strictEqual(report.effective, "unavailable")
    assert.include(report.because ?? "", "koffi")
  })

  it.skipIf(!tuned)("refuses a descriptor that is none, and never calls that success", () => {
    if (kernel._tag !== "Available") return
    assert.strictEqual(Tcp.descriptor({}), -1)
    assert.strictEqual(kernel.setCongestion(-1, "bbr")._tag, "Refused")
    assert.strictEqual(kernel.setPacing(-1, 1)._tag, "Refused")
    assert.isUndefined(kernel.info(-1))
    assert.isUndefined(kernel.congestion(-1))
    assert.isUndefined(kernel.info(0)) // standard input is no TCP connection
  })

  it("does not read past what an older kernel filled in", () => {
    assert.isDefined(Tcp.decode(Buffer.alloc(512), 280))
    assert.isUndefined(Tcp.decode(Buffer.alloc(512), 192))
  })
})
