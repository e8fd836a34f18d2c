import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { createServer, type Socket } from "node:net"
import * as Dial from "../../src/group/Dial.ts"
import { authority, doorOf, folder } from "./fixtures/nodes.ts"

const second = Duration.seconds(1)

/** Accepts, and says nothing ever. */
const silent = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly port: number; readonly close: () => void }>((resolve) => {
        const open = new Set<Socket>()
        const server = createServer((socket) => void open.add(socket.on("error", () => undefined)))
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resolve({
            port: typeof address === "object" && address !== null ? address.port : 0,
            close: () => {
              server.close()
              for (const socket of open) socket.destroy()
            }
          })
        })
      })
  ),
  ({ close }) => Effect.sync(close)
)

describe("Dial", () => {
  it.live("says which peer cannot be reached, and why: nobody there, nobody who answers, nobody who is trusted", () =>
    Effect.gen(function* () {
      const issue = yield* authority
      const { port } = yield* silent
      const why = (port: number, tls: object, within = second) =>
        Effect.flip(Dial.dial({ host: "127.0.0.1", port }, tls, ["dwcp/1"], within)).pipe(
          Effect.map(({ cause, peer }) => `${peer}: ${String(cause)}`)
        )
      assert.include(yield* why(1, {}), "127.0.0.1:1: Error: connect ECONNREFUSED")
      assert.include(yield* why(port, {}, Duration.millis(100)), "It took too long.")
      const door = yield* doorOf(issue("b"), yield* folder)
      const identity = { ...issue("a"), servername: "localhost" }
      assert.include(yield* why(door.port, { ...identity, ca: [] }), "certificate")
      assert.include(yield* why(door.port, { ...identity, servername: "somebody.else" }), "does not match")
      const socket = yield* Dial.dial({ host: "127.0.0.1", port: door.port }, identity, ["x", "dwcp/1"], second)
      assert.strictEqual(socket.alpnProtocol, "dwcp/1")
    }).pipe(Effect.scoped)
  )

  it("shows a peer as one would write it", () => {
    assert.strictEqual(Dial.nameOf({ host: "10.0.0.1", port: 1 }), "10.0.0.1:1")
    assert.strictEqual(Dial.nameOf({ host: "::1", port: 1 }), "[::1]:1")
  })
})
