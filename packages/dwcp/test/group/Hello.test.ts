import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { connect, createServer, type Socket } from "node:net"
import * as fc from "fast-check"
import * as Features from "../../src/group/Features.ts"
import * as Hello from "../../src/group/Hello.ts"
import { eventually } from "./fixtures/nodes.ts"

const hello: Hello.Hello = { node: "a", features: new Set(Features.all), maxMessage: 1 << 20 }

const sockets = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly near: Socket; readonly far: Socket; readonly close: () => void }>((resolve) => {
        const server = createServer((far) => resolve({ near, far, close: () => server.close() }))
        let near: Socket
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          near = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1")
        })
      })
  ),
  ({ close, far, near }) =>
    Effect.sync(() => {
      near.destroy()
      far.destroy()
      close()
    })
)

describe("Hello", () => {
  it("is read as it was written, and what is none is none", () => {
    assert.deepStrictEqual(Hello.read(Hello.write(hello)), Option.some(hello))
    for (const text of ["", "{}", "[]", `{"version":2,"node":"a","features":0,"maxMessage":1}`]) {
      assert.isTrue(Option.isNone(Hello.read(Buffer.from(text))), text)
    }
    fc.assert(fc.property(fc.uint8Array(), (bytes) => Option.isNone(Hello.read(Buffer.from(bytes)))))
  })

  it.live("is said by both, and again when something changes; nonsense ends the stream", () =>
    Effect.gen(function* () {
      const { far, near } = yield* sockets
      const [heardFar, heardNear]: readonly [Array<string>, Array<string>] = [[], []]
      const note = (list: Array<string>) => (each: Hello.Hello) => void list.push(`${each.node} ${each.features.size}`)
      Hello.speak(far, { ...hello, node: "far" }, note(heardFar))
      const { say } = Hello.speak(near, { ...hello, node: "near" }, note(heardNear))
      say({ ...hello, node: "near", features: new Set(["transport"]) })
      yield* eventually(
        Effect.sync(() => {
          assert.deepStrictEqual(heardFar, ["near 7", "near 1"])
          assert.deepStrictEqual(heardNear, ["far 7"])
        })
      )
      near.write(Buffer.from([0, 0, 0, 3, 10, 1, 2]))
      yield* eventually(Effect.sync(() => assert.isTrue(far.destroyed)))
    }).pipe(Effect.scoped)
  )
})
