import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Ends from "../../src/network/Ends.ts"

describe("the ends of a socket", () => {
  it("are shown as one would write them", () => {
    assert.strictEqual(Ends.show({ host: "127.0.0.1", port: 80 }), "127.0.0.1:80")
    assert.strictEqual(Ends.show({ host: "::1", port: 80 }), "[::1]:80")
  })

  it("are reached from within by the loopback, where a node listens everywhere", () => {
    const hosts = ["0.0.0.0", "::", "10.0.0.1", "fd00::1"].map((host) => Ends.within({ host, port: 1 }).host)
    assert.deepStrictEqual(hosts, ["127.0.0.1", "::1", "10.0.0.1", "fd00::1"])
  })

  it("are nowhere when it is not connected, and cutting it twice does no harm", () => {
    const socket = new Socket()
    assert.deepStrictEqual(Ends.far(socket), { host: "", port: 0 })
    Ends.cut(socket)
    Ends.cut(socket)
    assert.isTrue(socket.destroyed)
  })
})
