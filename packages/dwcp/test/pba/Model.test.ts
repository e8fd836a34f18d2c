import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Model from "../../src/pba/Model.ts"
import * as Network from "../../src/pba/Network.ts"
import * as series from "./fixtures/series.ts"

const made = series.model(1)
const bytes = Model.encode(made.hidden, made.networks)
const reasonOf = (bytes: Uint8Array): string =>
  Result.match(Model.decode(bytes), { onFailure: ({ reason }) => reason, onSuccess: () => "fine" })

describe("the file of a model", () => {
  it("gives back the networks that were written, to half precision", () => {
    const read = Result.getOrThrow(Model.decode(bytes))
    assert.strictEqual(read.hidden, made.hidden)
    assert.strictEqual(read.networks.length, 2)
    for (const [k, network] of made.networks.entries()) {
      assert.strictEqual(read.networks[k]!.length, network.length)
      for (const [i, weight] of network.entries()) {
        assert.closeTo(read.networks[k]![i]!, weight, Math.max(2 ** -25, Math.abs(weight) * 2 ** -11))
      }
    }
    assert.deepStrictEqual(Model.encode(read.hidden, read.networks), bytes)
  })

  it("is refused with a single bit wrong, wherever it is", () => {
    assert.strictEqual(reasonOf(bytes), "fine")
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const wrong = Uint8Array.from(bytes)
        wrong[at]! ^= 1 << bit
        assert.notStrictEqual(reasonOf(wrong), "fine")
      })
    )
  })

  it("is refused when it is cut off, empty, something else, or of another version", () => {
    assert.strictEqual(reasonOf(new Uint8Array()), "NotAModel")
    assert.strictEqual(reasonOf(new TextEncoder().encode("<html>".repeat(100))), "NotAModel")
    assert.strictEqual(reasonOf(bytes.subarray(0, bytes.length - 1)), "Damaged")
    assert.strictEqual(reasonOf(bytes.subarray(0, 60)), "Damaged")
    assert.strictEqual(reasonOf(Uint8Array.from([...bytes, 0])), "Damaged")
    assert.strictEqual(reasonOf(Uint8Array.from(bytes, (byte, i) => (i === 4 ? 9 : byte))), "OtherVersion")
    assert.strictEqual(reasonOf(Uint8Array.from(bytes, (byte, i) => (i === 6 ? 99 : byte))), "OtherVersion")
  })

  it("is refused with weights that are no numbers, checksum or not", () => {
    const weights = new Float64Array(Network.parameterCount(made.hidden)).fill(Number.NaN)
    assert.strictEqual(reasonOf(Model.encode(made.hidden, [weights])), "Damaged")
    assert.strictEqual(reasonOf(Model.encode(made.hidden, [weights.fill(1e9)])), "Damaged")
  })

  it("says what follows and what to do when it is missing", () => {
    const missing = Model.read("/nowhere/at-all.bin")
    assert.isTrue(Result.isFailure(missing))
    if (Result.isSuccess(missing)) return
    assert.strictEqual(missing.failure.reason, "Missing")
    assert.match(missing.failure.message, /at-all\.bin is not there.* classical .*put back/)
    assert.instanceOf(missing.failure.cause, Error)
  })

  it("that is shipped can be used by this version, and is small", () => {
    const shipped = Result.getOrThrow(Model.read(Model.shipped()))
    assert.isAtLeast(shipped.networks.length, 1)
    assert.isBelow(2 * shipped.networks.length * shipped.networks[0]!.length, 200_000)
  })

  it("reads every half that is a number as what it is", () => {
    const halves = Array.from({ length: 65_536 }, (_, half) => half).filter((half) => (half & 0x7c00) !== 0x7c00)
    const each = Network.parameterCount(made.hidden)
    const networks = Array.from({ length: Math.ceil(halves.length / each) }, (_, k) =>
      Float64Array.from({ length: each }, (_, i) => Model.fromHalf(halves[(k * each + i) % halves.length]!))
    )
    const read = Result.getOrThrow(Model.decode(Model.encode(made.hidden, networks)))
    assert.isAtLeast(read.networks.length * each, halves.length)
    assert.deepStrictEqual(read.networks, networks)
  })

  it("holds numbers as IEEE 754 halves", () => {
    for (let half = 0; half < 65_536; half++) {
      const value = Model.fromHalf(half)
      if (!Number.isNaN(value)) assert.strictEqual(Model.toHalf(value), half)
    }
    // Known values, one of them between two halves: ties go to even.
    assert.deepStrictEqual(
      [1, -2, 65_504, 65_536, 2 ** -24, 2 ** -26, 1 + 2 ** -11, 1 + 3 * 2 ** -11].map(Model.toHalf),
      [0x3c00, 0xc000, 0x7bff, 0x7c00, 1, 0, 0x3c00, 0x3c02]
    )
    assert.isNaN(Model.fromHalf(Model.toHalf(Number.NaN)))
  })
})
