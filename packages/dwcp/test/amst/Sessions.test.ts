import { assert, describe, it } from "@effect/vitest"
import { Socket } from "node:net"
import * as Sessions from "../../src/amst/Sessions.ts"
import * as Sink from "../../src/amst/Sink.ts"
import type * as Wire from "../../src/amst/Wire.ts"

const shape: Wire.Open = {
  kind: "message",
  size: 25,
  chunk: 10,
  priority: "normal",
  name: "",
  fingerprint: "",
  floor: 1
}

const world = () => {
  const session = Sessions.session("s", 0)
  const [first, second] = [Sessions.stream(new Socket()), Sessions.stream(new Socket())]
  for (const stream of [first, second]) stream.session = session
  const transfer = Sessions.transfer(1, session, shape, first)
  session.transfers.set(1, transfer)
  const sink = Sink.toBytes(shape, transfer.count, undefined)
  const chunk = (index: number, length: number, id = 1) => ({ kind: "chunk" as const, id, index, count: 3, length })
  return { first, second, transfer, sink, chunk }
}

describe("Sessions", () => {
  it("gives a chunk the place that it has in its message, to one stream at a time", () => {
    const { chunk, first, second, sink, transfer } = world()
    assert.isUndefined(Sessions.place(first, chunk(1, 10))) // it was not admitted yet
    transfer.sink = sink
    const place = Sessions.place(first, chunk(2, 5))
    assert.deepStrictEqual(
      [place?.buffer, place?.byteOffset, place?.length],
      [sink.bytes.buffer, sink.bytes.byteOffset + 20, 5]
    )
    assert.isUndefined(Sessions.place(second, chunk(2, 5)))
    Sessions.brought(first)
    assert.isDefined(Sessions.place(second, chunk(2, 5)))
  })

  it("has no place for what is there, what is not of it, and what has another length", () => {
    const { chunk, first, sink, transfer } = world()
    transfer.sink = sink
    sink.write(0, Buffer.alloc(10), () => undefined)
    for (const of of [chunk(0, 10), chunk(3, 10), chunk(2, 10), chunk(1, 9), chunk(1, 10, 2)]) {
      assert.isUndefined(Sessions.place(first, of))
    }
    transfer.ending = true
    assert.isUndefined(Sessions.place(first, chunk(1, 10)))
  })
})
