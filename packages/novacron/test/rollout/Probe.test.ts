import { createServer, type RequestListener, type Server } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import * as Probe from "../../src/rollout/Probe.ts"

const question: Probe.Question = { path: "/", token: undefined, ca: undefined, serverName: undefined, isPlain: true }

const serving = (answer: RequestListener): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer(answer).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    })
  )

describe("a probe", () => {
  it.live("is well when the answer is 2xx, and says how long it took", () =>
    Effect.gen(function* () {
      const port = yield* serving((_, answer) => answer.end("yes"))
      const outcome = yield* Probe.ask("127.0.0.1", port, question)
      assert.strictEqual(outcome._tag, "Answered")
      if (outcome._tag === "Answered") assert.isAbove(outcome.ms, 0)
    }).pipe(Effect.scoped)
  )

  it.live("fails at every other answer, at none, and where the answer ends too early", () =>
    Effect.gen(function* () {
      const refusing = yield* serving((_, answer) => answer.writeHead(503).end())
      assert.deepStrictEqual(yield* Probe.ask("127.0.0.1", refusing, question), {
        _tag: "Failed",
        why: "503 Service Unavailable"
      })
      const moving = yield* serving((_, answer) => answer.writeHead(302, { location: "/" }).end())
      assert.strictEqual((yield* Probe.ask("127.0.0.1", moving, question))._tag, "Failed")
      const mute = yield* serving((asked) => asked.socket.destroy())
      assert.strictEqual((yield* Probe.ask("127.0.0.1", mute, question))._tag, "Failed")
      const half = yield* serving((asked, answer) => {
        answer.writeHead(200, { "content-length": 10 }).write("half", () => asked.socket.destroy())
      })
      assert.strictEqual((yield* Probe.ask("127.0.0.1", half, question))._tag, "Failed")
      const gone = yield* Effect.scoped(serving((_, answer) => answer.end()))
      assert.match(JSON.stringify(yield* Probe.ask("127.0.0.1", gone, question)), /ECONNREFUSED/)
    }).pipe(Effect.scoped)
  )

  it.live("shows the token, and trusts no server without a certificate that it knows", () =>
    Effect.gen(function* () {
      const port = yield* serving((asked, answer) =>
        answer.writeHead(asked.headers.authorization === "Bearer secret" ? 200 : 401).end()
      )
      const token = Redacted.make("secret")
      assert.strictEqual((yield* Probe.ask("127.0.0.1", port, question))._tag, "Failed")
      assert.strictEqual((yield* Probe.ask("127.0.0.1", port, { ...question, token }))._tag, "Answered")
      assert.strictEqual((yield* Probe.ask("127.0.0.1", port, { ...question, token, isPlain: false }))._tag, "Failed")
    }).pipe(Effect.scoped)
  )
})
