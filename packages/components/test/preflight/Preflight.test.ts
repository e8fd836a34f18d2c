import { createServer as createHttpServer } from "node:http"
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
      // The second where there is no network at all.
      assert.match(error.message, /vault at vault\.invalid:8200: (unknown host|no name server answers)/)
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

  it.live("waits for a neighbour that starts beside it, until that says that it is ready", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const asked: Array<string> = []
      let isReady = false
      const sidecar = createHttpServer((request, response) => {
        asked.push(`${request.method} ${request.url} ${isReady}`)
        response.writeHead(isReady ? 200 : 503).end("a body that nobody reads")
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => sidecar.close()))
      const one = { name: "sidecar", host: "127.0.0.1", port, ready: "/healthz/ready", wait: "1m", policy: "enforce" }
      const check = yield* Effect.forkChild(Preflight.check(settings([one])))
      // Refused more than once, then there and not ready more than once.
      yield* Effect.sleep("600 millis")
      assert.isUndefined(check.pollUnsafe())
      sidecar.listen(port, "127.0.0.1")
      while (asked.length < 2) yield* Effect.sleep("20 millis")
      assert.isUndefined(check.pollUnsafe())
      isReady = true
      const { findings } = yield* Fiber.join(check)
      assert.isTrue(findings.every(({ outcome }) => Result.isSuccess(outcome)))
      assert.strictEqual(asked.filter((line) => line.endsWith("true")).length, 1)
      assert.match(`${asked[0]}`, /^GET \/healthz\/ready /)
    }).pipe(Effect.scoped)
  )

  it.effect("has tried once without a wait, and says of who is there that it is not ready", () =>
    Effect.gen(function* () {
      let asked = 0
      const sidecar = createHttpServer((_, response) => void response.writeHead(asked++ === 0 ? 503 : 200).end())
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          sidecar.listen(0, "127.0.0.1", () => {
            const address = sidecar.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () => Effect.sync(() => sidecar.close())
      )
      const one = { name: "sidecar", host: "127.0.0.1", port, ready: "/", policy: "enforce" }
      const error = yield* Effect.flip(Preflight.check(settings([one])))
      assert.deepInclude(error.endpoints[0], { name: "sidecar", address: `127.0.0.1:${port}`, reason: "not ready" })
      assert.strictEqual(asked, 1)
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
