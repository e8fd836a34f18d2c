import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Journal } from "@novacron/boot"
import { Operator, Security } from "@novacron/components"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import * as Alive from "../src/Alive.ts"
import * as Answers from "../src/Answers.ts"
import * as Dashboard from "../src/Dashboard.ts"
import { begun, degraded, stage } from "./fixtures/Stage.ts"

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "novacron-dashboard-"))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const settings = (over: (typeof Operator.Settings)["Encoded"] = {}) =>
  Schema.decodeUnknownSync(Operator.Settings)({ port: 0, ...over })

const options = (over: (typeof Operator.Settings)["Encoded"] = {}): Dashboard.Options => ({
  settings: settings(over),
  security: Schema.decodeUnknownSync(Security.Settings)({}),
  dataDir,
  nodeId: "node-1",
  explain: () => []
})

/** What is at a path inside of an answer. */
const within = (value: unknown, [key, ...rest]: ReadonlyArray<string | number>): unknown =>
  key === undefined
    ? value
    : typeof value === "object" && value !== null
      ? within(Reflect.get(value, key), rest)
      : undefined

/** What a browser does with a link, and then asks. */
const browse = (dashboard: Operator.Dashboard) =>
  Effect.gen(function* () {
    const { hash, origin } = new URL((yield* dashboard.link()).url)
    const opened = yield* Effect.promise(() =>
      fetch(`${origin}/api/session`, {
        method: "POST",
        headers: { origin, "content-type": "application/json" },
        body: JSON.stringify({ token: hash.replace("#token=", "") })
      })
    )
    const cookie = opened.headers.get("set-cookie")?.split(";")[0] ?? ""
    return (path: string) =>
      Effect.promise(async () => {
        const reply = await fetch(`${origin}/api/${path}`, { headers: { cookie } })
        const value: unknown = await reply.json()
        return { status: reply.status, value, at: (...path: ReadonlyArray<string | number>) => within(value, path) }
      })
  })

/** A journal of the boot of before, as the node writes it. */
const journal = (name: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      mkdirSync(join(dataDir, "journal"), { recursive: true })
      const written = yield* Journal.make({ path: join(dataDir, "journal", `${name}.journal`) })
      for (const event of [begun, ...degraded]) written.append(event)
    })
  )

describe("the dashboard of a node", () => {
  it.live("has an address for a role that there is, and 65 for who asks for one of another", () =>
    Effect.gen(function* () {
      const node = Alive.make(stage().surroundings)
      const asked = yield* Effect.forkChild(Answers.answer(node, { _tag: "Dashboard", role: "viewer" }))
      yield* Effect.flatMap(Dashboard.ofNode(options())(node), (dashboard) =>
        Deferred.succeed(node.dashboard, dashboard)
      )
      // Who asks while it opens waits for that.
      assert.match(JSON.stringify(yield* Fiber.join(asked)), /#token=/)
      const link = yield* Answers.answer(node, { _tag: "Dashboard", role: "viewer" })
      assert.match(JSON.stringify(link), /#token=/)
      const refused = yield* Effect.flip(Answers.answer(node, { _tag: "Dashboard", role: "boss" }))
      assert.include(refused.message, 'There is no role "boss"')
      assert.deepInclude(refused, { exitCode: 65 })
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("answers as the node does, from before its boot", () =>
    Effect.gen(function* () {
      const node = Alive.make(stage().surroundings)
      const dashboard = yield* Dashboard.ofNode(options())(node)
      if (dashboard === undefined) return assert.fail("there is none")
      const ask = yield* browse(dashboard)
      assert.strictEqual((yield* ask("report")).at("outcome"), "booting")
      for (const event of [begun, ...degraded]) node.step(event)
      assert.strictEqual((yield* ask("report")).at("outcome"), "degraded")
      assert.match(String((yield* ask("why?component=cache")).at(0)), /^cache is degraded/)
      assert.deepInclude((yield* ask("node")).value, { pid: 4711, mode: "live", isStopping: false })
      const refused = yield* ask("restore?component=cache")
      assert.strictEqual(refused.status, 409)
      assert.match(String(refused.at("error")), /not up yet/)
      assert.strictEqual((yield* ask("health")).at("now", "parts", 0, "name"), "cache")
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("is none when nobody wants one, and no reason not to boot when it cannot be", () =>
    Effect.gen(function* () {
      const node = Alive.make(stage().surroundings)
      assert.isUndefined(yield* Dashboard.ofNode(options({ enabled: false }))(node))
      assert.isUndefined(yield* Dashboard.ofNode(options({ host: "192.0.2.1" }))(node))
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("opens journals by their names, and no other file", () =>
    Effect.gen(function* () {
      yield* journal("000001")
      yield* journal("000002")
      writeFileSync(join(dataDir, "journal", "000000.journal"), "something else")
      writeFileSync(join(dataDir, "secret.journal"), "a secret")
      const dashboard = yield* Dashboard.ofNode(options())(Alive.make(stage().surroundings))
      if (dashboard === undefined) return assert.fail("there is none")
      const ask = yield* browse(dashboard)
      const { boots, total } = Schema.decodeUnknownSync(Operator.Wire.Boots)((yield* ask("boots?limit=2")).value)
      assert.deepStrictEqual([total, boots.map(({ file }) => file)], [3, ["000002.journal", "000001.journal"]])
      assert.deepStrictEqual(
        boots.map(({ outcome }) => outcome),
        ["degraded", "degraded"]
      )
      assert.strictEqual((yield* ask("boot?id=000001.journal")).at("events", "length"), 1 + degraded.length)
      assert.strictEqual((yield* ask("difference?a=000001.journal&b=last")).at("deltaMs"), 0)
      for (const id of [
        "../secret.journal",
        "/etc/passwd",
        "%2e%2e%2fsecret.journal",
        "000000.journal",
        "",
        "secret.journal"
      ]) {
        const { status, value } = yield* ask(`boot?id=${id}`)
        assert.strictEqual(status, 409, id)
        assert.notInclude(JSON.stringify(value), "a secret")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})

describe("the dashboard of journals", () => {
  it.live("shows the last boot where no node runs, and does nothing", () =>
    Effect.gen(function* () {
      yield* journal("000001")
      const ask = yield* browse(yield* Dashboard.ofJournals(dataDir, 7, settings()))
      assert.strictEqual((yield* ask("node")).at("mode"), "journals")
      assert.strictEqual((yield* ask("report")).at("outcome"), "degraded")
      assert.strictEqual((yield* ask("restore?component=cache")).status, 409)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("is none where nothing was ever booted", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Dashboard.ofJournals(dataDir, 7, settings()))
      assert.include(error.message, "There are no journals")
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})

describe("the pages", () => {
  it("are in a checkout, with what builds them", () => {
    const { build, site } = Dashboard.pages()
    assert.match(site, /packages\/dashboard\/dist\/site$/)
    assert.isDefined(build)
    assert.include(readdirSync(join(site, "../..")), "build.ts")
  })
})
