import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Ref, Scope } from "effect"
import { ask, certificateOf, environment, type Running, start, submission, tokenOf } from "./fixtures/server.ts"

const live = (name: string, body: () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(environment)), 60_000)

const admin = { token: tokenOf("admin") }

/** Says something over TLS, in its own words, and hears everything until the other side hangs up. */
const raw = ({ access, api }: Running, pieces: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    let heard = ""
    const options = { port: api.port, host: "127.0.0.1", servername: access.serverName, ca: access.ca }
    const socket = connect(options, () => pieces.forEach((piece) => socket.write(piece)))
    socket.on("data", (bytes: Buffer) => void (heard += bytes.toString()))
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.succeed(heard)))
    return Effect.sync(() => socket.destroy())
  })

const run = (program: string, args: ReadonlyArray<string>, input = "") =>
  Effect.callback<string>((resume) => {
    const child = execFile(program, args, { timeout: 50_000 }, (_, out, err) => resume(Effect.succeed(`${out}${err}`)))
    // A program that has ended already hears nothing more: EPIPE, even for the end alone.
    child.stdin?.on("error", () => undefined).end(input)
  })

describe("the door", () => {
  live("gives up on clients that are slow, with a status", () =>
    Effect.gen(function* () {
      const running = yield* start({ headersTimeout: "1s", requestTimeout: "1s" })
      const [headers, body] = yield* Effect.all(
        [
          raw(running, ["GET /v1/node HTTP/1.1\r\nhost: x\r\n"]),
          raw(running, [
            `POST /v1/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${admin.token}\r\n` +
              'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"name"'
          ])
        ],
        { concurrency: 2 }
      )
      assert.match(headers, /^HTTP\/1.1 408 [^]*NVC-2824/)
      assert.match(body, /^HTTP\/1.1 408 [^]*NVC-2824/)
      assert.strictEqual(running.memory.tasks.size, 0)
    })
  )

  live("refuses headers that are too large, and what is no HTTP", () =>
    Effect.gen(function* () {
      const running = yield* start({ maxHeaders: "2 KiB" })
      const large = yield* raw(running, [`GET /v1/node HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(4_096)}\r\n\r\n`])
      assert.match(large, /^HTTP\/1.1 431 [^]*NVC-2823/)
      const garbage = yield* raw(running, ["EHLO example.org\r\n\r\n"])
      assert.match(garbage, /^HTTP\/1.1 400 [^]*NVC-2811/)
      const twice = yield* raw(running, [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
      ])
      assert.match(twice, /^HTTP\/1.1 400 /)
      assert.strictEqual((yield* ask(running, "/v1/node", admin)).status, 200)
    })
  )

  live("refuses paths with tricks", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const tricks = [
        "/v1/../v1/node",
        "//v1/node",
        "/v1//node",
        "/v1/tasks/%2e%2e/node",
        "/v1/tasks/a%2Fb",
        "/v1/%00",
        "/%ff"
      ]
      for (const path of [...tricks, "/v1\\node", "/v1/node/."]) {
        const heard = yield* raw(running, [
          `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${admin.token}\r\nconnection: close\r\n\r\n`
        ])
        assert.match(heard, /^HTTP\/1.1 400 [^]*NVC-2811/, path)
      }
    })
  )

  live("lets no page of another origin change anything, whoever's certificate the browser shows", () =>
    Effect.gen(function* () {
      const running = yield* start({ origins: ["https://console.example"] })
      const post = (headers: Record<string, string>) =>
        Effect.map(
          ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission, headers }),
          ({ status }) => status
        )
      assert.strictEqual(yield* post({ origin: "https://evil.example" }), 403)
      assert.strictEqual(yield* post({ "sec-fetch-site": "cross-site" }), 403)
      assert.strictEqual(yield* post({ origin: "https://console.example", "sec-fetch-site": "cross-site" }), 201)
      assert.strictEqual(yield* post({ origin: running.access.url, host: running.access.url.slice(8) }), 201)
    })
  )

  live("answers who has asked before it stops, takes nobody new, and ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(start(), scope)
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      yield* Ref.set(
        running.orchestration,
        Option.some({
          ...running.memory.service,
          nodes: Effect.andThen(Deferred.succeed(asked, undefined), Effect.as(Deferred.await(answer), []))
        })
      )
      const waiting = yield* Effect.forkChild(ask(running, "/v1/nodes", admin))
      yield* Deferred.await(asked)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      // Nobody listens any more; the one who has asked is still there.
      yield* Effect.exit(ask(running, "/v1/node", admin)).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: Exit.isFailure })
      )
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      yield* Fiber.join(closing)
    })
  )

  live("speaks TLS 1.2 and 1.3 and nothing older, as openssl sees it, and asks for a certificate", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const ca = join(running.dataDir, "ca-only.pem")
      writeFileSync(ca, running.access.ca)
      const at = ["s_client", "-connect", `127.0.0.1:${running.api.port}`, "-servername", "localhost", "-CAfile", ca]
      const known = yield* run("openssl", [...at, "-verify_return_error", "-tls1_3"])
      assert.include(known, "Verify return code: 0 (ok)")
      assert.match(known, /Acceptable client certificate CA names[^]*NovaCron/)
      assert.include(yield* run("openssl", [...at, "-tls1_2"]), "Verify return code: 0 (ok)")
      const old = yield* run("openssl", [...at, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
      assert.include(old, "no peer certificate available")
      const { certFile, keyFile } = certificateOf(running.dataDir, "operator-1")
      const request = "GET /v1/node HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
      const shown = yield* run("openssl", [...at, "-quiet", "-ign_eof", "-cert", certFile, "-key", keyFile], request)
      assert.match(shown, /HTTP\/1.1 200 OK[^]*"node":"node-1"/)
    })
  )

  live("is understood by curl, with a token and with a certificate", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const ca = join(running.dataDir, "ca-only.pem")
      writeFileSync(ca, running.access.ca)
      const url = `https://localhost:${running.api.port}`
      const curl = (...args: Array<string>) => run("curl", ["--silent", "--show-error", "--cacert", ca, ...args])
      const bearer = ["-H", `authorization: Bearer ${admin.token}`]
      const made = yield* curl("--json", JSON.stringify(submission), ...bearer, `${url}/v1/tasks`)
      assert.containSubset(JSON.parse(made), { state: "queued", submittedBy: "admin" })
      const { certFile, keyFile } = certificateOf(running.dataDir, "operator-1")
      const known = yield* curl("--cert", certFile, "--key", keyFile, `${url}/v1/node`)
      assert.containSubset(JSON.parse(known), { node: "node-1" })
      const head = yield* curl("--head", ...bearer, `${url}/v1/node`)
      assert.match(head, /^HTTP\/1.1 200 OK/)
      const hundred = join(running.dataDir, "hundred-megabytes")
      yield* run("truncate", ["-s", "100M", hundred])
      const code = yield* curl(
        "-X",
        "POST",
        "-H",
        "content-type: application/json",
        ...bearer,
        "--data-binary",
        `@${hundred}`,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        `${url}/v1/tasks`
      )
      assert.include(code, "413")
    })
  )
})
