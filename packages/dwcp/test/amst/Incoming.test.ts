import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as Incoming from "../../src/amst/Incoming.ts"
import { noise } from "./fixtures/worlds.ts"

/** Both ends of a connection, and what is left open is closed. */
const within = async (use: (near: Socket, far: Socket) => Promise<void>) => {
  const server = createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  // The address of a listening TCP server is never a path.
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1")
  const [far]: Array<Socket> = await once(server, "connection")
  try {
    await use(near, far!)
  } finally {
    near.destroy()
    far!.destroy()
    server.close()
  }
}

const collect = (socket: Socket, memory: Buffer, most = Infinity) => {
  const state = { bytes: [] as Array<Buffer>, length: 0, reused: 0, reads: 0 }
  const whole = new Promise<Buffer>((resolve) => {
    Incoming.hear(socket, memory, (data) => {
      state.reads++
      if (data.buffer === memory.buffer) state.reused++
      state.bytes.push(Buffer.from(data)) // it is only good for the call
      state.length += data.length
      if (state.length >= most) resolve(Buffer.concat(state.bytes))
    })
  })
  return { state, whole }
}

describe("Incoming", () => {
  it("hears all in order, in memory that is used again, with what came before anybody listened", () =>
    within(async (near, far) => {
      const sent = noise(5_000_000)
      near.write(sent.subarray(0, 1_000))
      while (far.readableLength === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      const memory = Buffer.alloc(100_000)
      const { state, whole } = collect(far, memory, sent.length)
      near.write(sent.subarray(1_000))
      assert.isTrue(sent.equals(await whole))
      assert.isAtLeast(state.reused, state.reads - 1)
      const ended = once(far, "end")
      near.end()
      await ended
    }))

  it("waits while the socket is paused", () =>
    within(async (near, far) => {
      const sent = noise(30_000_000)
      const { state, whole } = collect(far, Buffer.alloc(100_000), sent.length)
      far.pause()
      near.write(sent)
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.isAbove(near.writableLength, 1_000_000)
      assert.isBelow(state.length, 1_000_000)
      far.resume()
      assert.isTrue(sent.equals(await whole))
    }))

  it("reads as every other socket is read where Node has other names", () =>
    within(async (near, far) => {
      const handle: unknown = Reflect.get(far, "_handle")
      // As a Node that has no such function.
      Reflect.set(handle as object, "useUserBuffer", undefined) // it is an object where there is a connection
      const sent = noise(3_000_000)
      const { state, whole } = collect(far, Buffer.alloc(100_000), sent.length)
      near.write(sent)
      assert.isTrue(sent.equals(await whole))
      assert.strictEqual(state.reused, 0)
    }))
})
