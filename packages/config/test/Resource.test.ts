import { once } from "node:events"
import { createServer } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Resource } from "../src/index.ts"
import { write, layer as world } from "./fixtures/shop.ts"

/** A port that is taken while the test runs. */
const taken = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer().listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
    (server) => Effect.sync(() => server.close())
  ),
  (server) => {
    const address = server.address()
    return typeof address === "object" && address ? address.port : 0
  }
)

layer(world)("a resource", (it) => {
  const file = (path: string | undefined) => Resource.readableFile("x", () => path).check({})
  const directory = (path: string | undefined) => Resource.writableDirectory("x", () => path).check({})
  const port = (port: number, host = "127.0.0.1") => Resource.freePort("x", () => ({ host, port })).check({})

  it.effect("that is a file is there, and is one", () =>
    Effect.gen(function* () {
      const path = yield* write("cert.pem", "")
      assert.isUndefined(yield* file(path))
      assert.isUndefined(yield* file(undefined))
      assert.match(`${yield* file(`${path}.none`)}`, /does not exist/)
      assert.match(`${yield* file("/")}`, /is not a file/)
    }).pipe(Effect.scoped)
  )

  it.effect("that is a directory can be written or made", () =>
    Effect.gen(function* () {
      const path = yield* write("file", "")
      assert.isUndefined(yield* directory(path.replace(/\/file$/, "/")))
      assert.isUndefined(yield* directory(path.replace("file", "not/yet/there")))
      assert.isUndefined(yield* directory("not/yet/there"))
      assert.match(`${yield* directory(path)}`, /is not a directory/)
      assert.match(`${yield* directory(`${path}/below`)}`, /is not a directory/)
    }).pipe(Effect.scoped)
  )

  it.effect("that is a port is free", () =>
    Effect.gen(function* () {
      const number = yield* Effect.scoped(
        Effect.gen(function* () {
          const number = yield* taken
          assert.include(yield* port(number), `Port ${number} of 127.0.0.1 is taken by process ${process.pid} (`)
          return number
        })
      )
      assert.isUndefined(yield* port(number))
      assert.isUndefined(yield* port(0, "203.0.113.1"))
      assert.match(`${yield* port(number, "203.0.113.1")}`, /not one of this machine/)
    })
  )
})
