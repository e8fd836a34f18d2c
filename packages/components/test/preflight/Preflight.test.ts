import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import * as Preflight from "../../src/preflight/Preflight.ts"
import { Settings } from "../../src/preflight/Settings.ts"
import { silentPort } from "./Silent.ts"

const listening = Effect.acquireRelease(
  Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly port: number }>((resume) => {
    const server = createServer((socket) => socket.on("error", () => undefined))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : 0 }))
    })
  }),
  ({ server }) => Effect.sync(() => server.close())
)

const settings = (endpoints: ReadonlyArray<object>) => Schema.decodeUnknownSync(Settings)({ endpoints })

const captured = () => {
  const messages: Array<string> = []
  return {
    messages,
    layer: Logger.layer([Logger.make<unknown, void>(({ message }) => void messages.push(String(message)))])
  }
}

describe("Preflight", () => {
  it.live("ends with every endpoint that must answer and does not, with host, port and reason", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const { port: open } = yield* listening
      const error = yield* Effect.flip(
        Preflight.check(
          settings([
            { name: "database", host: "127.0.0.1", port, policy: "enforce" },
            { name: "vault", host: "vault.invalid", port: 8200, policy: "enforce", timeout: "10s" },
            { name: "redis", host: "127.0.0.1", port: open, policy: "enforce" }
          ])
        )
      )
      assert.strictEqual(error.code, "NVC-1131")
      assert.include(error.message, `database at 127.0.0.1:${port}: refused`)
      assert.include(error.message, "vault at vault.invalid:8200: unknown host")
      assert.notInclude(error.message, "redis")
    }).pipe(Effect.scoped)
  )

  it.live("warns of those that only should answer, and goes on with what it found", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const { port: open } = yield* listening
      const { layer, messages } = captured()
      const { findings } = yield* Preflight.check(
        settings([
          { name: "database", host: "127.0.0.1", port },
          { name: "redis", host: "127.0.0.1", port: open },
          { name: "agent", path: "/nowhere/agent.sock" }
        ])
      ).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        findings.map(({ name, outcome }) => [name, Result.isSuccess(outcome)]),
        [
          ["database", false],
          ["redis", true],
          ["agent", false]
        ]
      )
      assert.deepStrictEqual(messages, [
        `Nobody answers for database at 127.0.0.1:${port}: refused.`,
        "Nobody answers for agent at /nowhere/agent.sock: no such socket."
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("asks all at the same time: it takes as long as the most patient one", () =>
    Effect.gen(function* () {
      const port = yield* silentPort
      const silent = [1, 2, 3, 4, 5].map((n) => ({
        name: `peer ${n}`,
        host: "127.0.0.1",
        port,
        timeout: `${n}s`,
        policy: "enforce"
      }))
      const asked = yield* Effect.forkChild(Effect.flip(Preflight.check(settings(silent))))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(asked)
      assert.deepStrictEqual(
        error.endpoints.map(({ reason }) => reason),
        Array.from({ length: 5 }, () => "timed out")
      )
    }).pipe(Effect.scoped)
  )

  it.live("asks nobody when it is off, not even those that must answer", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const must = settings([{ name: "database", host: "127.0.0.1", port, policy: "enforce" }])
      assert.isTrue(Result.isFailure(yield* Effect.result(Preflight.check(must))))
      assert.deepStrictEqual((yield* Preflight.check({ ...must, enabled: false })).findings, [])
    }).pipe(Effect.scoped)
  )

  it.live("has nothing to say when nobody has to answer", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Preflight.check(settings([])), { findings: [] })
    })
  )
})
