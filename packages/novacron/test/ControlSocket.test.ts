import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import * as ControlSocket from "../src/ControlSocket.ts"

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "novacron-control-"))
  path = ControlSocket.pathOf(directory)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const answer = (request: ControlSocket.Request) =>
  request._tag === "Why"
    ? Effect.fail(new ControlSocket.Refused({ reason: `nothing is known of ${request.component}` }))
    : Effect.succeed({ pid: 7, asked: request._tag })

/** Talks to a socket without our client. */
const raw = (text: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resume) => {
        let said = ""
        const socket = connect(path, () => void (text === "" ? undefined : socket.write(text)))
        socket.on("data", (chunk: Buffer) => (said += chunk.toString()))
        socket.on("error", () => undefined)
        socket.on("close", () => resume(said))
      })
  )

describe("a control socket", () => {
  it.live("answers requests, and says no in the words of the node", () =>
    Effect.gen(function* () {
      yield* ControlSocket.serve({ path, answer })
      assert.deepStrictEqual(yield* ControlSocket.ask(path, { _tag: "Status" }), { pid: 7, asked: "Status" })
      const refused = yield* Effect.flip(ControlSocket.ask(path, { _tag: "Why", component: "cache" }))
      assert.strictEqual(refused.message, "nothing is known of cache")
    })
  )

  it.live("is for its user alone, and gone with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(ControlSocket.serve({ path, answer }), scope)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(existsSync(path))
      const nobody = yield* Effect.flip(ControlSocket.ask(path, { _tag: "Ping" }))
      assert.match(nobody.message, /^No node runs here/)
    })
  )

  it.live("says of a node that stands still that it is there, and not that one is to be started", () =>
    Effect.gen(function* () {
      yield* ControlSocket.serve({ path, answer: () => Effect.never })
      const silent = yield* Effect.flip(ControlSocket.ask(path, { _tag: "Status" }, "100 millis"))
      assert.match(silent.message, /^A node runs here and does not answer .*100ms.*look at it before another one/)
    })
  )

  it.live("refuses what is no request, and what is too long, and goes on", () =>
    Effect.gen(function* () {
      yield* ControlSocket.serve({ path, answer })
      for (const text of ["{}\n", "null\n", "\n", "no json\n", `"${"x".repeat(9_000)}"\n`, "x".repeat(9_000)]) {
        assert.include(yield* raw(text), '"NotDone"', text.slice(0, 10))
      }
      assert.include(yield* raw('{"_tag":"Ping"}\n'), '"Done"')
    })
  )

  it.live("takes the place of one that a killed process has left behind", () =>
    Effect.gen(function* () {
      const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`
      const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] })
      yield* Effect.promise(() => new Promise((resume) => child.stdout.once("data", resume)))
      child.kill("SIGKILL")
      yield* Effect.promise(() => new Promise((resume) => child.once("close", resume)))
      assert.isTrue(existsSync(path))
      yield* ControlSocket.serve({ path, answer })
      assert.deepInclude(yield* ControlSocket.ask(path, { _tag: "Ping" }), { asked: "Ping" })
    })
  )

  it.live("leaves alone the one of a node that runs, and names its pid", () =>
    Effect.gen(function* () {
      yield* ControlSocket.serve({ path, answer })
      const error = yield* Effect.flip(Effect.scoped(ControlSocket.serve({ path, answer })))
      assert.strictEqual(error._tag, "AlreadyRunning")
      assert.include(error.message, "pid 7")
      assert.deepInclude(yield* ControlSocket.ask(path, { _tag: "Ping" }), { asked: "Ping" })
    })
  )

  it.live("gives an answer that is under way before it closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const asked = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<string>()
      const slowly = () => Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate))
      yield* Scope.provide(ControlSocket.serve({ path, answer: slowly }), scope)
      const asking = yield* Effect.forkChild(ControlSocket.ask(path, { _tag: "Stop", because: "test" }))
      yield* Deferred.await(asked)
      yield* Deferred.succeed(gate, "all is down")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(asking), "all is down")
    })
  )

  it.live("is in a directory whose path is too long for one, found by another name of it and whatever TMPDIR is", () =>
    Effect.gen(function* () {
      const long = join(directory, "x".repeat(120), "y".repeat(200))
      mkdirSync(long, { recursive: true, mode: 0o700 })
      const other = `${long.slice(0, -200)}other`
      symlinkSync(long, other)
      const nobody = yield* Effect.flip(ControlSocket.ask(ControlSocket.pathOf(long), { _tag: "Ping" }))
      assert.match(nobody.message, /^No node runs here/)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const path = ControlSocket.pathOf(long)
          yield* ControlSocket.serve({ path, answer })
          assert.strictEqual(statSync(path).mode & 0o777, 0o600)
          assert.deepInclude(yield* ControlSocket.ask(path, { _tag: "Ping" }), { asked: "Ping" })
          yield* Effect.acquireRelease(
            Effect.sync(() => vi.stubEnv("TMPDIR", join(directory, "nowhere"))),
            () => Effect.sync(() => vi.unstubAllEnvs())
          )
          assert.deepInclude(yield* ControlSocket.ask(ControlSocket.pathOf(other), { _tag: "Ping" }), { asked: "Ping" })
          // A second one is refused by either name.
          const second = yield* Effect.flip(
            Effect.scoped(ControlSocket.serve({ path: ControlSocket.pathOf(other), answer }))
          )
          assert.strictEqual(second._tag, "AlreadyRunning")
        })
      )
      assert.deepStrictEqual(readdirSync(long), [])
    })
  )

  it.live("that cannot be made says why", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(ControlSocket.serve({ path: "/proc/control.sock", answer })))
      assert.strictEqual(error._tag, "ControlSocketFailed")
      assert.include(error.message, "/proc/control.sock")
    })
  )

  it.live("is not made in the place of a directory, and closes when one has taken its place", () =>
    Effect.gen(function* () {
      const taken = join(directory, "taken.sock")
      mkdirSync(taken)
      const error = yield* Effect.flip(Effect.scoped(ControlSocket.serve({ path: taken, answer })))
      assert.strictEqual(error._tag, "ControlSocketFailed")
      assert.include(error.message, taken)
      rmSync(taken, { recursive: true })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* ControlSocket.serve({ path: taken, answer })
          rmSync(taken)
          mkdirSync(taken)
        })
      )
      assert.isTrue(existsSync(taken))
    })
  )
})
