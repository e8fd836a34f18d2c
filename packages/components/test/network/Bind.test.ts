import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { judge } from "../../src/network/Bind.ts"
import { BadAddress, PortTaken } from "../../src/network/Network.ts"
import { listening, peer } from "./fixtures/listeners.ts"

describe("a port", () => {
  it.live("says that the port is taken, that it may not, or that the address is not its own", () =>
    Effect.gen(function* () {
      const { issue, port } = yield* listening()
      const identity = yield* issue("node-2")
      const taken = yield* Effect.flip(peer(identity, { bindPort: port }))
      assert.instanceOf(taken, PortTaken)
      assert.include(taken.message, `Port ${port} on 127.0.0.1 is taken by process ${process.pid} (`)
      for (const listenAddress of ["203.0.113.7", "no.such.host.invalid"]) {
        assert.instanceOf(yield* Effect.flip(peer(identity, { listenAddress })), BadAddress)
      }
    }).pipe(Effect.scoped)
  )

  it("tells apart what can become right and what cannot", () => {
    const at = { host: "127.0.0.1", port: 80 }
    const withCode = (code: string) => Object.assign(new Error(code), { code })
    const told = ["EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "EMFILE"].map((code) => {
      const error = judge(at, withCode(code))
      return [error._tag, error.code, error.cause instanceof Error && error.cause.message]
    })
    assert.deepStrictEqual(told, [
      ["PortTaken", "NVC-2301", "EADDRINUSE"],
      ["PortForbidden", "NVC-2302", "EACCES"],
      ["BadAddress", "NVC-2303", "EADDRNOTAVAIL"],
      ["CannotListen", "NVC-2304", "EMFILE"]
    ])
  })
})
