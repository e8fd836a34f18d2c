import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { OtlpSerialization } from "effect/observability"
import type { Span } from "../../src/monitoring/Span.ts"
import * as Otlp from "../../src/monitoring/Otlp.ts"

const span: Span = {
  traceId: "0123456789abcdef0123456789abcdef",
  spanId: "fedcba9876543210",
  parentSpanId: "00000000000000aa",
  name: "database",
  startMs: 1_764_000_000_123.456,
  endMs: 1_764_000_000_200,
  attributes: { text: "é", flag: false, whole: -7, part: 0.25 },
  events: [{ name: "retry", atMs: 1_764_000_000_150, attributes: { delay_ms: 5 } }],
  links: [{ traceId: "1".repeat(32), spanId: "2".repeat(16), attributes: {} }],
  dropped: 3,
  status: "error",
  message: "no route"
}

const items = [
  { resource: { "service.instance.id": "a" }, span },
  {
    resource: { "service.instance.id": "b" },
    span: { ...span, parentSpanId: null, status: "ok", message: "" } as const
  }
]

const body = (layer: Layer.Layer<OtlpSerialization.OtlpSerialization>) =>
  Effect.map(Layer.build(layer), (context) => {
    const made = Context.get(context, OtlpSerialization.OtlpSerialization).traces(Otlp.encode(items))
    assert.strictEqual(made._tag, "Uint8Array")
    return made._tag === "Uint8Array" ? Buffer.from(made.body) : Buffer.alloc(0)
  }).pipe(Effect.scoped)

/** The fields of a protobuf message by number, without any schema: an opinion of its own. */
const fields = (bytes: Buffer): Map<number, Array<Buffer | bigint>> => {
  const found = new Map<number, Array<Buffer | bigint>>()
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const [number, wire] = [key >>> 3, key & 7]
    let value: Buffer | bigint
    if (wire === 0) value = varint()
    else if (wire === 1) value = bytes.readBigUInt64LE((at += 8) - 8)
    else if (wire === 5) value = BigInt(bytes.readUInt32LE((at += 4) - 4))
    else {
      const length = Number(varint())
      value = bytes.subarray(at, (at += length))
    }
    found.set(number, [...(found.get(number) ?? []), value])
  }
  return found
}

const inside = (message: Map<number, Array<Buffer | bigint>>, number: number, nth = 0) => {
  const value = message.get(number)?.[nth]
  if (!Buffer.isBuffer(value)) throw new Error(`field ${number} is no message`)
  return value
}

describe("Otlp", () => {
  it.effect("is what a decoder of protobuf that knows nothing of us reads", () =>
    Effect.gen(function* () {
      const data = fields(yield* body(OtlpSerialization.layerProtobuf))
      assert.strictEqual(data.get(1)?.length, 2)
      const resourceSpans = fields(inside(data, 1))
      const attribute = fields(inside(fields(inside(resourceSpans, 1)), 1))
      assert.strictEqual(inside(attribute, 1).toString(), "service.instance.id")
      assert.strictEqual(inside(fields(inside(attribute, 2)), 1).toString(), "a")
      const one = fields(inside(fields(inside(resourceSpans, 2)), 2))
      assert.strictEqual(inside(one, 1).toString("hex"), span.traceId)
      assert.strictEqual(inside(one, 2).toString("hex"), span.spanId)
      assert.strictEqual(inside(one, 4).toString("hex"), span.parentSpanId)
      assert.strictEqual(inside(one, 5).toString(), "database")
      assert.deepStrictEqual(one.get(6), [1n])
      assert.deepStrictEqual(one.get(7), [1_764_000_000_123_456_000n])
      assert.deepStrictEqual(one.get(8), [1_764_000_000_200_000_000n])
      const values = (one.get(9) ?? []).map((_, i) => fields(inside(fields(inside(one, 9, i)), 2)))
      assert.strictEqual(inside(values[0]!, 1).toString(), "é")
      assert.deepStrictEqual(values[2]?.get(3), [BigInt.asUintN(64, -7n)])
      const event = fields(inside(one, 11))
      assert.deepStrictEqual(event.get(1), [1_764_000_000_150_000_000n])
      assert.strictEqual(inside(event, 2).toString(), "retry")
      assert.strictEqual(inside(fields(inside(one, 13)), 2).toString("hex"), "2".repeat(16))
      const status = fields(inside(one, 15))
      assert.strictEqual(inside(status, 2).toString(), "no route")
      assert.deepStrictEqual(status.get(3), [2n])
    })
  )

  it.effect("is JSON with ids in hex, times as text, and no parent where there is none", () =>
    Effect.gen(function* () {
      const { resourceSpans } = JSON.parse((yield* body(OtlpSerialization.layerJson)).toString()) as {
        readonly resourceSpans: ReadonlyArray<{
          readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<object> }>
        }>
      } // what was just written
      const [first, second] = resourceSpans.map(({ scopeSpans }) => scopeSpans[0]?.spans[0])
      assert.deepInclude(first, {
        traceId: span.traceId,
        parentSpanId: span.parentSpanId,
        startTimeUnixNano: "1764000000123456000",
        droppedEventsCount: 3,
        status: { code: 2, message: "no route" }
      })
      assert.notProperty(second, "parentSpanId")
      assert.deepInclude(second, { status: { code: 1 } })
    })
  )
})
