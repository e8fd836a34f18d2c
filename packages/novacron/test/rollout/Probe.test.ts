import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type RequestListener, type Server } from "node:http"
import { createServer as createTls } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import * as Probe from "../../src/rollout/Probe.ts"

const question: Probe.Question = { path: "/", token: undefined, ca: undefined, serverName: undefined, isPlain: true }

const serving = (answer: RequestListener) => listening(createServer(answer))

const listening = (made: Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = made.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
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

  it.live("is refused by a certificate that nobody vouches for, and says how to say who does", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-probe-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")]
      const itself = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=node".split(" ")
      execFileSync("openssl", [...itself, "-keyout", key, "-out", cert], { stdio: "ignore" })
      const [pem, ca] = [readFileSync(key, "utf8"), readFileSync(cert, "utf8")]
      const port = yield* listening(createTls({ key: pem, cert: ca }, (_, answer) => answer.end("yes")))
      const asked = { ...question, isPlain: false }
      for (const wrong of [asked, { ...asked, ca }]) {
        const outcome = yield* Probe.ask("127.0.0.1", port, wrong)
        assert.strictEqual(outcome._tag, "Refused", JSON.stringify(outcome))
        assert.include(JSON.stringify(outcome), "--server-name")
      }
      const named = yield* Probe.ask("127.0.0.1", port, { ...asked, ca, serverName: "node" })
      assert.strictEqual(named._tag, "Answered", JSON.stringify(named))
    }).pipe(Effect.scoped)
  )

  it.live("shows the token, and trusts no server without a certificate that it knows", () =>
    Effect.gen(function* () {
      const port = yield* serving((asked, answer) =>
        answer.writeHead(asked.headers.authorization === "Bearer secret" ? 200 : 401).end()
      )
      const token = Redacted.make("secret")
      assert.deepStrictEqual(yield* Probe.ask("127.0.0.1", port, question), {
        _tag: "Refused",
        why: "401 Unauthorized",
        remedy: "NOVACRON_API_TOKEN is not set, and / wants a token that this node knows"
      })
      const stale = yield* Probe.ask("127.0.0.1", port, { ...question, token: Redacted.make("old") })
      assert.strictEqual(stale._tag, "Refused")
      assert.include(JSON.stringify(stale), "the token in NOVACRON_API_TOKEN is none that this node knows")
      assert.notInclude(JSON.stringify(stale), "old")
      assert.strictEqual((yield* Probe.ask("127.0.0.1", port, { ...question, token }))._tag, "Answered")
      assert.strictEqual((yield* Probe.ask("127.0.0.1", port, { ...question, token, isPlain: false }))._tag, "Failed")
    }).pipe(Effect.scoped)
  )
})
