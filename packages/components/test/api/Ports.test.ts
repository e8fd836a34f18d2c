import { createServer, type Server } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Ports from "../../src/api/Ports.ts"

const closed = (server: Server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))

describe("Ports", () => {
  it.live("says which port is taken, which cannot be had, and which is no longer listened on", () =>
    Effect.gen(function* () {
      const server = createServer()
      const at = yield* Ports.listen(server, "REST", { host: "127.0.0.1", port: 0 })
      yield* Ports.check(server, "REST", at)
      const taken = yield* Effect.flip(Ports.listen(createServer(), "gRPC", at))
      assert.strictEqual(taken._tag, "ApiPortTaken")
      assert.include(taken.message, `is taken by process ${process.pid} (`)
      assert.include(taken.message, "api.grpc.port")
      const nowhere = yield* Effect.flip(Ports.listen(createServer(), "REST", { host: "192.0.2.1", port: 0 }))
      assert.strictEqual(nowhere._tag, "ApiCannotListen")
      assert.include(nowhere.message, "api.port")
      yield* closed(server)
      assert.strictEqual((yield* Effect.flip(Ports.check(server, "REST", at)))._tag, "ApiClosed")
    })
  )
})
