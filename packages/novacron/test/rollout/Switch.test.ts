import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer, get, type RequestListener } from "node:http"
import { connect, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Audit } from "@novacron/config"
import { Duration, Effect, Exit, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Switch from "../../src/rollout/Switch.ts"
import * as SwitchClient from "../../src/rollout/SwitchClient.ts"

let place: string
let directory: string
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "novacron-switch-"))
  directory = place
})
afterEach(() => rmSync(place, { recursive: true, force: true }))

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** A node that answers with its name. */
const node = (name: string, weight: number, answer: RequestListener = (_, response) => response.end(name)) =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createHttpServer(answer).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server): Switch.Backend => ({ name, host: "127.0.0.1", port: portOf(server), weight })))

/** A port at which nobody listens. */
const nobody = (name: string, weight: number) =>
  Effect.map(Effect.scoped(node(name, weight)), (backend) => ({ ...backend, name, weight }))

const make = (backends: ReadonlyArray<Switch.Backend>): Effect.Effect<Switch.Switch, unknown, Scope.Scope> =>
  Effect.provide(
    Switch.make({ host: "127.0.0.1", port: 0, directory, backends, drain: Duration.seconds(2) }),
    NodeFileSystem.layer
  )

/** Who answers a connection of its own. */
const ask = (port: number): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    const asking = get({ host: "127.0.0.1", port, agent: false }, (answer) => {
      let text = ""
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()))
      answer.on("end", () => resume(Effect.succeed(text)))
    })
    asking.on("error", ({ message }) => resume(Effect.succeed(message)))
  })

const asks = (port: number, times: number) =>
  Effect.forEach(
    Array.from({ length: times }, () => ask(port)),
    (one) => one
  )

describe("a switch", () => {
  it.live("gives each node its share of the connections, and those that are named none none", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 90), yield* node("green", 10)]
      const made = yield* make([blue, green, yield* node("idle", 0)])
      const answers = yield* asks(made.view().listening.port, 50)
      assert.strictEqual(answers.filter((one) => one === "green").length, 5)
      assert.strictEqual(answers.filter((one) => one === "blue").length, 45)
    }).pipe(Effect.scoped)
  )

  it.live("is found in a directory whose path is longer than one of a socket may be, and keeps a second one out", () =>
    Effect.gen(function* () {
      const blue = yield* node("blue", 100)
      directory = join(directory, "x".repeat(200))
      yield* make([blue])
      assert.strictEqual((yield* SwitchClient.look(directory)).backends[0]?.name, "blue")
      assert.instanceOf(yield* Effect.flip(make([blue])), Switch.SwitchCannotListen)
    }).pipe(Effect.scoped)
  )

  it.live("loses no request to a node that is not there: the next one answers, and it is counted", () =>
    Effect.gen(function* () {
      const made = yield* make([yield* nobody("gone", 50), yield* node("there", 50)])
      const answers = yield* asks(made.view().listening.port, 20)
      assert.deepStrictEqual([...new Set(answers)], ["there"])
      const [gone, there] = made.view().backends
      assert.isAbove(gone?.failed ?? 0, 0)
      // It is left alone for a while, and not asked for every connection.
      assert.isBelow(gone?.taken ?? 0, 10)
      assert.deepInclude(there, { taken: 20, failed: 0 })
    }).pipe(Effect.scoped)
  )

  it.live("hangs up when nobody can take a connection", () =>
    Effect.gen(function* () {
      const made = yield* make([yield* nobody("gone", 100), yield* node("idle", 0)])
      assert.match(yield* ask(made.view().listening.port), /hang up|ECONNRESET/)
    }).pipe(Effect.scoped)
  )

  it.live("leaves a connection where it is when the weights change, and counts it until it ends", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 100), yield* node("green", 0)]
      const made = yield* make([blue, green])
      const { port } = made.view().listening
      const words = yield* Effect.acquireRelease(
        Effect.sync(() => connect(port, "127.0.0.1")),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const answered = () =>
        Effect.callback<string>((resume) => {
          words.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
          words.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        })
      assert.match(yield* answered(), /blue/)
      const changed = yield* made.change({
        backends: [
          { ...blue, weight: 0 },
          { ...green, weight: 100 }
        ],
        by: "test"
      })
      assert.strictEqual(changed.backends[0]?.open, 1)
      assert.strictEqual(yield* ask(port), "green")
      assert.match(yield* answered(), /blue/)
      words.destroy()
      const open = Effect.sync(() => made.view().backends[0]?.open)
      yield* Effect.repeat(
        Effect.tap(open, () => Effect.sleep("20 millis")),
        { until: (n) => n === 0 }
      )
    }).pipe(Effect.scoped)
  )

  it.live("counts it against a node when it hangs up without a word", () =>
    Effect.gen(function* () {
      const mute = yield* node("mute", 100, (request) => request.socket.destroy())
      const made = yield* make([mute])
      yield* asks(made.view().listening.port, 3)
      assert.deepInclude(made.view().backends[0], { taken: 3, failed: 3 })
    }).pipe(Effect.scoped)
  )

  it.effect("goes back by itself when a trial is not repeated in time, and not when it is", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 100), yield* node("green", 0)]
      const made = yield* make([blue, green])
      const weights = () => made.view().backends.map(({ weight }) => weight)
      const half = [blue, green].map((one) => ({ ...one, weight: 50 }))
      yield* made.change({ backends: half, by: "test", trialSeconds: 30 })
      for (let time = 0; time < 5; time++) {
        yield* TestClock.adjust("29 seconds")
        yield* made.change({ backends: half, by: "test", trialSeconds: 30 })
      }
      assert.deepStrictEqual(weights(), [50, 50])
      assert.isTrue(made.view().isTrial)
      yield* TestClock.adjust("30 seconds")
      // What it writes down goes to a real disk.
      yield* TestClock.withLive(
        Effect.repeat(Effect.sleep("20 millis"), { until: () => !made.view().isTrial, times: 500 })
      )
      assert.deepStrictEqual(weights(), [100, 0])
    }).pipe(Effect.scoped)
  )

  it.effect("goes back from a trial even when its disk is gone, and then takes no change that it could not keep", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 100), yield* node("green", 0)]
      const made = yield* make([blue, green])
      const weights = () => made.view().backends.map(({ weight }) => weight)
      const half = [blue, green].map((one) => ({ ...one, weight: 50 }))
      yield* made.change({ backends: half, by: "test", trialSeconds: 30 })
      assert.deepStrictEqual(weights(), [50, 50])
      rmSync(directory, { recursive: true })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(weights(), [100, 0])
      assert.isTrue(Exit.isFailure(yield* TestClock.withLive(Effect.exit(made.change({ backends: half, by: "test" })))))
      assert.deepStrictEqual(weights(), [100, 0])
    }).pipe(Effect.scoped)
  )

  it.live("begins where it was when it was stopped or killed, and with what was before a trial", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 100), yield* node("green", 0)]
      const half = [blue, green].map((one) => ({ ...one, weight: 50 }))
      yield* Effect.scoped(Effect.flatMap(make([blue, green]), (made) => made.change({ backends: half, by: "test" })))
      const most = [
        { ...blue, weight: 10 },
        { ...green, weight: 90 }
      ]
      yield* Effect.scoped(
        Effect.flatMap(make([blue]), (made) => {
          assert.deepStrictEqual(
            made.view().backends.map(({ weight }) => weight),
            [50, 50]
          )
          return made.change({ backends: most, by: "test", trialSeconds: 30 })
        })
      )
      const made = yield* make([blue])
      assert.deepStrictEqual(
        made.view().backends.map(({ weight }) => weight),
        [50, 50]
      )
      assert.isFalse(made.view().isTrial)
    }).pipe(Effect.scoped)
  )

  it.live("writes down who gave which node which share, in a log of which every line holds the one before", () =>
    Effect.gen(function* () {
      const [blue, green] = [yield* node("blue", 100), yield* node("green", 0)]
      yield* make([blue, green])
      const next = [blue, green].map((one) => ({ ...one, weight: 50 }))
      yield* SwitchClient.change(directory, { backends: next, by: "ada" })
      yield* SwitchClient.change(directory, { backends: next, by: "ada" })
      const file = join(directory, "switch-audit.jsonl")
      const lines = readFileSync(file, "utf8").trim().split("\n")
      assert.lengthOf(lines, 1)
      assert.deepInclude(JSON.parse(lines[0] ?? ""), {
        user: "ada",
        source: "api",
        changedKeys: ["blue.weight=50", "green.weight=50"]
      })
      yield* Effect.provide(Audit.verify(file), NodeFileSystem.layer)
      writeFileSync(file, readFileSync(file, "utf8").replace("ada", "eve"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(Audit.verify(file), NodeFileSystem.layer))))
    }).pipe(Effect.scoped)
  )

  it.live("is for its own user alone, and takes nothing that is no change", () =>
    Effect.gen(function* () {
      const blue = yield* node("blue", 100)
      const made = yield* make([blue])
      for (const name of ["switch.sock", "switch.json", "switch-audit.jsonl"]) {
        assert.strictEqual(statSync(join(directory, name)).mode & 0o777, 0o600, name)
      }
      const refused = [
        { backends: [], by: "test" },
        { backends: [blue], by: "" },
        { backends: [{ ...blue, weight: -1 }], by: "test" },
        { backends: [{ ...blue, weight: 101 }], by: "test" },
        { backends: [{ ...blue, port: 70_000 }], by: "test" },
        { backends: [{ ...blue, name: "../a" }], by: "test" },
        { backends: [blue, blue], by: "test" },
        { backends: [{ ...blue, weight: 0 }], by: "test" },
        { backends: [blue], by: "test", trialSeconds: 0 },
        { backends: [blue], by: "x".repeat(100_000) }
      ]
      for (const change of refused) {
        const exit = yield* Effect.exit(SwitchClient.change(directory, change))
        assert.isTrue(Exit.isFailure(exit), JSON.stringify(change).slice(0, 200))
      }
      assert.deepStrictEqual(
        made.view().backends.map(({ name, weight }) => ({ name, weight })),
        [{ name: "blue", weight: 100 }]
      )
    }).pipe(Effect.scoped)
  )

  it.live("refuses a directory that another one uses, a port that is taken, and weights that are damaged", () =>
    Effect.gen(function* () {
      const blue = yield* node("blue", 100)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* make([blue])
          assert.match(String(yield* Effect.exit(Effect.scoped(make([blue])))), /EADDRINUSE/)
        })
      )
      writeFileSync(join(directory, "switch.json"), "{}")
      assert.match(String(yield* Effect.exit(make([blue]))), /SwitchDirUnusable|cannot be used by a switch/)
    }).pipe(Effect.scoped)
  )
})
