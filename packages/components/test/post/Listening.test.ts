import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { close, listen, placeOf } from "../../src/post/Listening.ts"

const why = (reason: string) => reason

describe("a server that listens", () => {
  it.live("has its port, says why another one cannot have it, and gives it back", () =>
    Effect.gen(function* () {
      const [first, second] = [createServer(), createServer()]
      const asked = { host: "127.0.0.1", port: 0 }
      yield* listen(first, asked, why)
      const address = placeOf(first, asked)
      assert.deepStrictEqual(address, { host: "127.0.0.1", port: (first.address() as AddressInfo).port })
      assert.strictEqual(yield* Effect.flip(listen(second, address, why)), "taken")
      yield* close(first)
      yield* listen(second, address, why)
      yield* close(second)
      const nowhere = { host: "192.0.2.1", port: 0 }
      assert.strictEqual(yield* Effect.flip(listen(createServer(), nowhere, why)), "no such address")
      assert.deepStrictEqual(placeOf(createServer(), { host: "::1", port: 7 }), { host: "[::1]", port: 7 })
    })
  )
})
