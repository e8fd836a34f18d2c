import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { ApiCannotListen } from "../../src/api/Ports.ts"
import { MetricsPortUnavailable } from "../../src/monitoring/Listener.ts"
import * as Ends from "../../src/network/Ends.ts"
import * as Network from "../../src/network/Network.ts"
import { DashboardUnavailable } from "../../src/operator/Dashboard.ts"
import { HealthServerDown } from "../../src/post/HealthServer.ts"

describe("the ends of a socket", () => {
  it("are shown as one would write them", () => {
    assert.strictEqual(Ends.show({ host: "127.0.0.1", port: 80 }), "127.0.0.1:80")
    assert.strictEqual(Ends.show({ host: "::1", port: 80 }), "[::1]:80")
  })

  it("are shown so by everybody who cannot listen there", () => {
    const at = { host: "::1", port: 8_080, cause: undefined }
    const errors = [
      new HealthServerDown({ ...at, reason: "denied" }),
      new MetricsPortUnavailable({ ...at, reason: "denied" }),
      new DashboardUnavailable({ ...at, reason: "other" }),
      new Network.CannotListen(at),
      new ApiCannotListen({ ...at, server: "REST" })
    ]
    for (const { message } of errors) assert.include(message, " [::1]:8080", message)
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
