import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { History } from "@novacron/config"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Configuration from "../src/Configuration.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

let directory: string
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "novacron-configuration-")))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const within = (env: { readonly [name: string]: string } = {}) =>
  Layer.merge(NodeServices.layer, Layer.succeed(Surroundings)(stage({ env, cwd: directory }).surroundings))

const nothing = { set: {} }
const forced = { NOVACRON_ENVIRONMENT_KIND: "hybrid" }

describe("settings of a node", () => {
  it.live("come from flags before the environment, from that before the file, from that before the template", () =>
    Effect.gen(function* () {
      writeFileSync(join(directory, "novacron.yaml"), "health:\n  port: 1111\n  retry_after: 7s\n  ramp: 9s\n")
      const env = { ...forced, NOVACRON_HEALTH_PORT: "2222", NOVACRON_HEALTH_RETRY_AFTER: "8s" }
      const { loaded } = yield* Effect.provide(
        Configuration.load({ set: { "health.port": "3333" } }, { resources: "skip" }),
        within(env)
      )
      assert.strictEqual(loaded.settings.health.port, 3333)
      assert.strictEqual(
        Configuration.explain(loaded, "health.port"),
        `health.port = 3333 from -s health.port (overrides NOVACRON_HEALTH_PORT, ${directory}/novacron.yaml:2:9)`
      )
      assert.include(Configuration.explain(loaded, "health.retry_after") ?? "", "from NOVACRON_HEALTH_RETRY_AFTER")
      assert.include(Configuration.explain(loaded, "health.ramp") ?? "", "novacron.yaml:4:9 (overrides template hybrid")
      assert.include(Configuration.explain(loaded, "system.boot_timeout") ?? "", "from template hybrid")
      assert.include(Configuration.explain(loaded, "health.host") ?? "", "by default")
      assert.isUndefined(Configuration.explain(loaded, "no.such"))
    })
  )

  it.live("that nobody has set are explained by the one that they follow from", () =>
    Effect.gen(function* () {
      const explained = (set: Readonly<Record<string, string>>) =>
        Effect.map(Effect.provide(Configuration.load({ set }, { resources: "skip" }), within(forced)), ({ loaded }) =>
          Configuration.explain(loaded, "database.url")
        )
      assert.strictEqual(yield* explained({}), "system.data_dir is not set")
      assert.strictEqual(
        yield* explained({ "system.data_dir": "/srv/node" }),
        'system.data_dir = "/srv/node" from -s system.data_dir'
      )
      assert.strictEqual(
        yield* explained({ "system.data_dir": "/srv/node", "database.embedded.data_dir": "/srv/pg" }),
        'database.embedded.data_dir = "/srv/pg" from -s database.embedded.data_dir'
      )
      assert.strictEqual(
        yield* explained({ "database.url": "postgres://u:swordfish@db/x" }),
        "database.url from -s database.url"
      )
    })
  )

  it.live("that have a flag of their own are explained by that flag, also when they are wrong", () =>
    Effect.gen(function* () {
      const asked = { set: {}, dataDir: "/srv/node" }
      const { loaded } = yield* Effect.provide(Configuration.load(asked, { resources: "skip" }), within(forced))
      const said = 'system.data_dir = "/srv/node" from --data-dir'
      assert.strictEqual(Configuration.explain(loaded, "system.data_dir"), said)
      assert.strictEqual(Configuration.explain(loaded, "database.url"), said)
      const { message } = yield* Effect.provide(
        Effect.flip(Configuration.load({ set: {}, dataDir: "" }, { resources: "skip" })),
        within(forced)
      )
      assert.include(message, "--data-dir  system.data_dir")
    })
  )

  it.live("of which a stronger one is set are explained by that one", () =>
    Effect.gen(function* () {
      const set = { "health.port": "3333", "system.health_check_port": "4444", "system.log_level": "warn" }
      const { loaded } = yield* Effect.provide(Configuration.load({ set }, { resources: "skip" }), within(forced))
      const said = "system.health_check_port = 4444 from -s system.health_check_port"
      assert.strictEqual(Configuration.explain(loaded, "health.port"), said)
      assert.include(Configuration.explain(loaded, "logger.level") ?? "", "system.log_level")
    })
  )

  it.live("of secrets are explained without the secret", () =>
    Effect.gen(function* () {
      const env = { ...forced, NOVACRON_CACHE_URL: "redis://:hunter2hunter2@h" }
      const { loaded } = yield* Effect.provide(Configuration.load(nothing, { resources: "skip" }), within(env))
      assert.strictEqual(Configuration.explain(loaded, "cache.url"), "cache.url from NOVACRON_CACHE_URL")
    })
  )

  it.live("are those of the template that somebody names, whatever the environment", () =>
    Effect.gen(function* () {
      const { detection, sources } = yield* Effect.provide(
        Configuration.load({ set: {}, template: "development" }, { resources: "skip" }),
        within(forced)
      )
      assert.strictEqual(sources.template, "development")
      assert.strictEqual(detection.kind, "hybrid")
    })
  )
})

describe("the file", () => {
  it.live("is the one of the flag, else of the variable, else the first usual one that is there, else none", () =>
    Effect.gen(function* () {
      const fileOf = (asked: Configuration.Asked, env = {}) =>
        Effect.map(Effect.provide(Configuration.optionsOf(asked), within(env)), (options) => options.file)
      assert.isUndefined(yield* fileOf(nothing))
      writeFileSync(join(directory, "novacron.json"), "{}")
      assert.strictEqual(yield* fileOf(nothing), join(directory, "novacron.json"))
      writeFileSync(join(directory, "novacron.yaml"), "")
      assert.strictEqual(yield* fileOf(nothing), join(directory, "novacron.yaml"))
      assert.strictEqual(yield* fileOf(nothing, { NOVACRON_CONFIG: "a" }), "a")
      assert.strictEqual(yield* fileOf({ set: {}, config: "b" }, { NOVACRON_CONFIG: "a" }), "b")
    })
  )
})

describe("the last good version of the file", () => {
  const asked = () => ({ set: {}, config: join(directory, "n.yaml"), lastGood: true })
  const load = (wanted: Configuration.Asked) =>
    Configuration.load(wanted, { resources: "skip" }).pipe(Effect.provide(within(forced)))
  const booted = (text: string) =>
    Effect.gen(function* () {
      writeFileSync(asked().config, text, { mode: 0o600 })
      const history = { directory: Configuration.historyOf(join(directory, ".novacron")), user: "somebody" }
      yield* History.record(history, asked().config)
    }).pipe(Effect.provide(NodeServices.layer))

  it.live("is taken when it was asked for and the file cannot be used, and not before", () =>
    Effect.gen(function* () {
      yield* booted("logger: { recent: 7 }\n")
      yield* booted("logger: { recent: 8 }\n")
      assert.isUndefined((yield* load(asked())).lastGood)
      writeFileSync(asked().config, "logger: { recent: many }\n", { mode: 0o600 })
      const refused = yield* Effect.flip(load({ ...asked(), lastGood: false }))
      assert.strictEqual(refused._tag, "ConfigInvalid")
      const { lastGood, loaded, sources } = yield* load(asked())
      assert.strictEqual(loaded.settings.logger.recent, 8)
      assert.strictEqual(lastGood?.number, 2)
      assert.include(lastGood?.because.message ?? "", "logger.recent")
      // What is read again is the file.
      assert.strictEqual(sources.file, asked().config)
    })
  )

  it.live("is no way around what is wrong elsewhere, or with the version too", () =>
    Effect.gen(function* () {
      yield* booted("logger: { recent: 7 }\n")
      const other = yield* Effect.flip(load({ ...asked(), set: { "logger.recent": "many" } }))
      assert.include(other.message, "-s logger.recent")
      writeFileSync(asked().config, "logger: [", { mode: 0o600 })
      const none = yield* Effect.flip(load({ ...asked(), dataDir: join(directory, "elsewhere") }))
      assert.strictEqual(none._tag === "ConfigInvalid" && none.code, "NVC-1002")
    })
  )
})

describe("what protects the file", () => {
  it("is a keyring from a file before one from a variable", () => {
    assert.isUndefined(Configuration.keyringOf({}))
    assert.isUndefined(Configuration.keyringOf({ NOVACRON_CONFIG_KEY: "" }))
    assert.deepStrictEqual(Configuration.keyringOf({ NOVACRON_CONFIG_KEY: "k" }), {
      _tag: "Environment",
      name: "NOVACRON_CONFIG_KEY"
    })
    assert.deepStrictEqual(Configuration.keyringOf({ NOVACRON_CONFIG_KEY: "k", NOVACRON_CONFIG_KEY_FILE: "f" }), {
      _tag: "File",
      path: "f"
    })
  })

  it("is a signature where there is a public key, unless somebody says otherwise; a word that is none is strict", () => {
    const policyOf = (env: { readonly [name: string]: string }) => Configuration.signatureOf(env)?.policy
    const keys = { NOVACRON_CONFIG_PUBLIC_KEYS: "a.pem:b.pem" }
    assert.isUndefined(policyOf({}))
    assert.strictEqual(policyOf(keys), "require")
    assert.deepStrictEqual(Configuration.signatureOf(keys)?.publicKeys, ["a.pem", "b.pem"])
    assert.strictEqual(policyOf({ ...keys, NOVACRON_CONFIG_SIGNATURE: "warn" }), "warn")
    assert.isUndefined(policyOf({ ...keys, NOVACRON_CONFIG_SIGNATURE: "off" }))
    assert.strictEqual(policyOf({ NOVACRON_CONFIG_SIGNATURE: "requier" }), "require")
  })
})

describe("the data directory", () => {
  it.each([
    [{ dataDir: "/a" }, { XDG_STATE_HOME: "/x" }, "/a"],
    [{ dataDir: "a" }, {}, "/cwd/a"],
    [{}, { STATE_DIRECTORY: "/var/lib/novacron:/other", XDG_STATE_HOME: "/x" }, "/var/lib/novacron"],
    [{}, { XDG_STATE_HOME: "/x" }, "/x/novacron"],
    [{}, { XDG_STATE_HOME: "" }, "/cwd/.novacron"],
    [{}, {}, "/cwd/.novacron"]
  ])("of %o within %o is %s", (system, env, path) => {
    assert.strictEqual(Configuration.dataDirOf({ system }, { cwd: "/cwd", env }), path)
  })
})
