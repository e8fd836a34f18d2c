import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import * as Dial from "../../src/preflight/Dial.ts"
import { silentPort } from "./Silent.ts"

/** Somebody who answers, at a port or at a path. */
const listening = (at: number | string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly port: number }>((resume) => {
      const server = createServer((socket) => socket.on("error", () => undefined))
      const ready = () => {
        const address = server.address()
        resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : 0 }))
      }
      if (typeof at === "number") server.listen(at, "127.0.0.1", ready)
      else server.listen(at, ready)
    }),
    ({ server }) => Effect.sync(() => server.close())
  )

const tcp = (host: string, port: number): Dial.Address => ({ _tag: "Tcp", host, port })
const soon = Duration.seconds(2)

describe("Dial", () => {
  it.live("says how long the round trip took, and closes what it opened", () =>
    Effect.gen(function* () {
      const { port, server } = yield* listening(0)
      const answer = yield* Dial.dial(tcp("localhost", port), soon)
      assert.isAbove(answer.roundTripMs, 0)
      assert.isBelow(answer.roundTripMs, 2_000)
      assert.match(answer.at, /^(127\.0\.0\.1|::1)$/)
      const open = Effect.callback<number>((resume) => {
        server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
      yield* Effect.repeat(Effect.andThen(Effect.sleep("20 millis"), open), { until: (n) => n === 0, times: 100 })
      assert.strictEqual(yield* open, 0)
    }).pipe(Effect.scoped)
  )

  it.live("reaches a Unix socket, and says when there is none", () =>
    Effect.gen(function* () {
      const path = join(
        yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-dial-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        ),
        "socket"
      )
      const missing = yield* Effect.flip(Dial.dial({ _tag: "Unix", path }, soon))
      assert.strictEqual(missing.reason, "no such socket")
      assert.strictEqual(missing.message, `${path}: no such socket`)
      yield* listening(path)
      assert.strictEqual((yield* Dial.dial({ _tag: "Unix", path }, soon)).at, path)
    }).pipe(Effect.scoped)
  )

  it.live("tells a refusal, which is an answer, from an unknown host", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(listening(0))
      const refused = yield* Effect.flip(Dial.dial(tcp("127.0.0.1", port), soon))
      assert.strictEqual(refused.reason, "refused")
      assert.isAbove(refused.roundTripMs ?? 0, 0)
      assert.strictEqual(refused.message, `127.0.0.1:${port}: refused`)
      const unknown = yield* Effect.flip(Dial.dial(tcp("no-such-host.invalid", 5432), Duration.seconds(10)))
      // The second where there is no network at all.
      assert.oneOf(unknown.reason, ["unknown host", "no name server answers"])
      assert.isUndefined(unknown.roundTripMs)
      const broadcast = yield* Effect.flip(Dial.dial(tcp("255.255.255.255", 1), soon))
      assert.include(["unreachable", "not allowed"], broadcast.reason)
    })
  )

  it.live("hears an answer that came in while the process was busy beyond the limit", () =>
    Effect.gen(function* () {
      const { port } = yield* listening(0)
      const dialled = yield* Effect.forkChild(Dial.dial(tcp("127.0.0.1", port), Duration.millis(20)), {
        startImmediately: true
      })
      const until = performance.now() + 100
      while (performance.now() < until) Math.sqrt(until)
      assert.strictEqual((yield* Fiber.join(dialled)).at, "127.0.0.1")
    }).pipe(Effect.scoped)
  )

  it.live("gives up after its limit on who never answers", () =>
    Effect.gen(function* () {
      const port = yield* silentPort
      const error = yield* Effect.flip(Dial.dial(tcp("127.0.0.1", port), Duration.millis(100)))
      assert.strictEqual(error.reason, "timed out")
      assert.isUndefined(error.roundTripMs)
    }).pipe(Effect.scoped)
  )

  it("writes addresses as people do", () => {
    assert.strictEqual(Dial.format(tcp("db.example", 5432)), "db.example:5432")
    assert.strictEqual(Dial.format(tcp("::1", 5432)), "[::1]:5432")
    assert.strictEqual(Dial.format({ _tag: "Unix", path: "/run/db.sock" }), "/run/db.sock")
  })
})
