import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Measure } from "../../src/mode/index.ts"

describe("Measure", () => {
  const tcp = {
    srttMicros: 80_000,
    rttVarMicros: 4_000,
    minRttMicros: 79_000,
    cwnd: 100,
    mss: 1448,
    pacingRate: 1,
    deliveryRate: 12_500_000,
    appLimited: false,
    bytesAcked: 1,
    delivered: 1,
    bytesSent: 1,
    bytesRetransmitted: 1,
    retransmits: 30,
    segmentsOut: 3_000,
    unacked: 0,
    ecn: { negotiated: false, seen: false, markedSegments: 0 }
  }

  it("turns counts of the kernel into bits per second and shares", () => {
    const sample = Measure.sampleOf(tcp, { ...tcp, retransmits: 10, segmentsOut: 1_000 })
    assert.deepStrictEqual(sample, {
      rttMillis: 80,
      jitterMillis: 4,
      throughput: 100_000_000,
      appLimited: false,
      loss: 0.01
    })
  })

  it("does not speak of loss after a handful of segments", () =>
    assert.isUndefined(Measure.sampleOf(tcp, { ...tcp, segmentsOut: 2_950 }).loss))

  it("adds up what the streams of a link carry", () => {
    const sample = Measure.together([Measure.sampleOf(tcp), Measure.sampleOf({ ...tcp, srttMicros: 90_000 })])
    assert.strictEqual(sample.throughput, 200_000_000)
    assert.strictEqual(sample.rttMillis, 90)
    assert.strictEqual(sample.loss, 0.01)
  })

  it.effect("finds no hardware for RDMA where the kernel lists none", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "rdma-"))
      mkdirSync(join(folder, "mlx5_0"))
      assert.deepStrictEqual(yield* Measure.rdmaDevices(folder), ["mlx5_0"])
      rmSync(folder, { recursive: true })
      assert.deepStrictEqual(yield* Measure.rdmaDevices(folder), [])
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
