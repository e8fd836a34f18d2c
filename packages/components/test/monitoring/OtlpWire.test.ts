import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as OtlpWire from "../../src/monitoring/OtlpWire.ts"
import { decodeResponse, encode, encodeResponse } from "./fixtures/Decoder.ts"

const base64 = (hex: string) => Buffer.from(hex, "hex").toString("base64")

const request = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
      scopeSpans: [
        {
          scope: { name: "s", version: "1" },
          spans: [
            {
              traceId: base64("0123456789abcdef0123456789abcdef"),
              spanId: base64("fedcba9876543210"),
              parentSpanId: base64("00000000000000aa"),
              name: "größer",
              kind: 3,
              startTimeUnixNano: "1764000000123456789",
              endTimeUnixNano: "18446744073709551615",
              attributes: [
                { key: "flag", value: { boolValue: true } },
                { key: "least", value: { intValue: "-9223372036854775808" } },
                { key: "part", value: { doubleValue: 0.1 } },
                { key: "raw", value: { bytesValue: "AAEC" } },
                {
                  key: "deep",
                  value: {
                    kvlistValue: {
                      values: [
                        { key: "list", value: { arrayValue: { values: [{ intValue: "1" }, { stringValue: "" }] } } }
                      ]
                    }
                  }
                }
              ],
              events: [{ timeUnixNano: "5", name: "e", attributes: [{ key: "k", value: { stringValue: "v" } }] }],
              links: [{ traceId: base64("1".repeat(32)), spanId: base64("2".repeat(16)), traceState: "a=b", flags: 1 }],
              status: { message: "no", code: 2 },
              droppedEventsCount: 300
            }
          ],
          schemaUrl: "u"
        }
      ]
    }
  ]
}

/** The same in OTLP's own JSON, which has ids in hexadecimal digits. */
const inHex = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inHex)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      /^(?:trace|span|parentSpan)Id$/.test(key) ? Buffer.from(`${one}`, "base64").toString("hex") : inHex(one)
    ])
  )
}

describe("OtlpWire", () => {
  it("reads what another encoder has written, in the form that OTLP's JSON has", () => {
    assert.deepStrictEqual(OtlpWire.readRequest(encode(request)), inHex(request))
    assert.deepStrictEqual(OtlpWire.readRequest(new Uint8Array(0)), {})
  })

  it("reads and writes answers as others do", () => {
    const partial = { partialSuccess: { rejectedSpans: "300", errorMessage: "too old" } }
    assert.deepStrictEqual(OtlpWire.readResponse(encodeResponse(partial)), {
      rejectedSpans: 300,
      errorMessage: "too old"
    })
    assert.deepStrictEqual(decodeResponse(OtlpWire.writeResponse(300, "too old")), partial)
    assert.deepStrictEqual(OtlpWire.readResponse(new Uint8Array(0)), { rejectedSpans: 0, errorMessage: "" })
    assert.deepStrictEqual(decodeResponse(OtlpWire.writeResponse(0, "")), {})
  })

  it("skips fields that it does not know, of every wire type", () => {
    const unknown = Buffer.from([0x98, 0x06, 0x96, 0x01, 0x9a, 0x06, 0x02, 1, 2, 0x9d, 0x06, 1, 2, 3, 4])
    const fixed64 = Buffer.from([0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8])
    const all = Buffer.concat([unknown, encode(request), fixed64])
    assert.deepStrictEqual(OtlpWire.readRequest(all), inHex(request))
  })

  it("finds out when to come again, and only from who says so", () => {
    // google.rpc.Status { details: [Any { RetryInfo { retry_delay: 2.5 s } }] }
    const type = Buffer.from("type.googleapis.com/google.rpc.RetryInfo")
    const retryInfo = Buffer.from([0x0a, 8, 0x08, 2, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01])
    const any = Buffer.concat([
      Buffer.from([0x0a, type.length]),
      type,
      Buffer.from([0x12, retryInfo.length]),
      retryInfo
    ])
    const status = Buffer.concat([Buffer.from([0x08, 8, 0x1a, any.length]), any])
    assert.strictEqual(OtlpWire.readRetryDelayMs(status), 2_500)
    assert.isUndefined(OtlpWire.readRetryDelayMs(OtlpWire.writeStatus(8, "no")))
    assert.isUndefined(OtlpWire.readRetryDelayMs(Buffer.from("garbage")))
  })

  it("takes nothing that is cut off or holds no water, and never throws", () => {
    const whole = Buffer.from(encode(request))
    let refused = 0
    for (let length = 1; length < whole.length; length++) {
      if (OtlpWire.readRequest(whole.subarray(0, length)) === undefined) refused++
    }
    assert.strictEqual(refused, whole.length - 1)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(whole.length), (noise, at) => {
        OtlpWire.readRequest(noise)
        OtlpWire.readRequest(Buffer.concat([whole.subarray(0, at), noise, whole.subarray(at)]))
        return true
      })
    )
  })

  it("does not follow a value that is nested without end, nor a request of endless parts", () => {
    let value = Buffer.alloc(0)
    for (let k = 0; k < 2_000; k++) {
      const array = Buffer.concat([Buffer.from([0x0a]), lengthOf(value), value])
      value = Buffer.concat([Buffer.from([0x2a]), lengthOf(array), array])
    }
    const inside = (field: number, bytes: Buffer) =>
      Buffer.concat([Buffer.from([(field << 3) | 2]), lengthOf(bytes), bytes])
    const deep = inside(1, inside(1, inside(1, inside(2, value))))
    assert.isUndefined(OtlpWire.readRequest(deep))
    assert.isDefined(OtlpWire.readRequest(inside(1, inside(1, inside(1, inside(2, Buffer.from([0x0a, 1, 65])))))))
    const many = Buffer.alloc(2 * 2_000_001)
    for (let k = 0; k < many.length; k += 2) many[k] = 0x0a
    assert.isUndefined(OtlpWire.readRequest(many))
  })
})

const lengthOf = ({ length }: Buffer): Buffer =>
  length < 128
    ? Buffer.from([length])
    : length < 16_384
      ? Buffer.from([(length & 127) | 128, length >> 7])
      : long(length)

const long = (length: number): Buffer => Buffer.from([(length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14])
