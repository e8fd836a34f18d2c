import { spawnSync } from "node:child_process"
import { Config, JsonSchema } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import * as Settings from "../src/Settings.ts"
import * as Templates from "../src/Templates.ts"

const load = (environment: { readonly [name: string]: string }, template?: string) =>
  Config.load(Settings.definition(), {
    environment,
    flags: {},
    resources: "skip",
    ...(template === undefined ? {} : { template })
  }).pipe(Effect.provide(NodeServices.layer))

/** The validator of Python, by other people; Debian has it as python3-jsonschema. */
const hasValidator =
  spawnSync("python3", ["-W", "ignore", "-c", "from jsonschema import Draft202012Validator"]).status === 0

describe("the settings of a node", () => {
  it.effect("have a default for everything", () =>
    Effect.gen(function* () {
      const { settings, warnings } = yield* load({})
      assert.deepStrictEqual(warnings, [])
      assert.strictEqual(settings.health.port, 8080)
      assert.deepStrictEqual(Settings.secretsOf(settings), [])
    })
  )

  it.effect("know their secrets, and the passwords in addresses as they are written and as they are", () =>
    Effect.gen(function* () {
      const { settings } = yield* load({ NOVACRON_DATABASE_URL: "postgres://nova:s%40cret@127.0.0.1/nova" })
      const secrets = Settings.secretsOf(settings)
      assert.includeMembers([...secrets], ["s%40cret", "s@cret"])
    })
  )

  it.effect.each([
    // A % that begins no escape, the directory of a socket in the place of a host, and the words of libpq.
    { url: "postgres://nova:sword%zzfish@127.0.0.1/nova", password: "sword%zzfish" },
    { url: "postgres://nova:swordfish@/nova?host=/run/postgresql", password: "swordfish" },
    { url: "postgres://127.0.0.1/nova?user=nova&password=swordfish", password: "swordfish" }
  ])("know the password in $url", ({ password, url }) =>
    Effect.gen(function* () {
      const { settings } = yield* load({ NOVACRON_DATABASE_URL: url })
      assert.deepStrictEqual([...new Set(Settings.secretsOf(settings))], [url, password])
    })
  )

  const { leaves, tables } = Settings.definition().keys
  const blame = (environment: { readonly [name: string]: string }) =>
    Effect.map(Effect.flip(load(environment)), ({ problems }) => problems.map(({ code, key }) => `${code} ${key}`))

  it.effect("can each be set by a variable of its own, and it is the one that wins", () =>
    Effect.gen(function* () {
      assert.isAbove(leaves.length, 300)
      const sample = ({ allowed, fallback, literals }: (typeof leaves)[number]): string => {
        if (fallback !== undefined) return typeof fallback === "string" ? fallback : JSON.stringify(fallback)
        if (literals.length > 0) return literals[0] ?? ""
        if (/port|number|between/.test(allowed)) return "1"
        if (/size/.test(allowed)) return "1 GiB"
        if (/pairs/.test(allowed)) return "team=b"
        return /address|URL/.test(allowed) ? "https://host.example" : "text"
      }
      /** What makes no sense without others. */
      const tls = Object.fromEntries(["CA", "CERT", "KEY"].map((name) => [`NOVACRON_SECURITY_TLS_${name}`, "/x.pem"]))
      const besides: { readonly [key: string]: { readonly [name: string]: string } } = {
        "security.tls.ca": tls,
        "security.tls.cert": tls,
        "security.tls.key": tls,
        "security.boot_chain.manifest": { NOVACRON_SECURITY_BOOT_CHAIN_PUBLIC_KEYS: "key.pem" }
      }
      const rows: { readonly [table: string]: string } = {
        "security.authentication.principals": '{"ada":["admin"]}',
        "security.authentication.tokens": '{"ada":{"token":"sixteen-letters-and-more"}}',
        "security.roles": '{"admin":["*"]}',
        "orchestration.labels": '{"disk":"ssd"}',
        experiments: '{"pool":{"variants":{"larger":{"set":{"database.pool.max":33}}}}}'
      }
      assert.sameMembers(
        Object.keys(rows),
        tables.map(({ name }) => name)
      )
      for (const node of [...leaves, ...tables]) {
        assert.strictEqual(node.environment, `NOVACRON_${node.name.replaceAll(".", "_").toUpperCase()}`)
        const value = node._tag === "Key" ? sample(node) : (rows[node.name] ?? "")
        const loaded = yield* load({ ...besides[node.name], [node.environment ?? ""]: value })
        // Of a table, something in it; the rest of a row has its defaults.
        const won = loaded.explain(node.name).map(({ sources }) => sources[0].source)
        assert.deepInclude(won, { _tag: "Environment", name: `${node.environment}` }, node.name)
      }
    })
  )

  it.effect("refuse by name what one of them cannot be", () =>
    Effect.gen(function* () {
      // A text may be anything, and one text is a list of one.
      const typed = leaves.filter(({ allowed, fallback }) => !allowed.startsWith("a text") && !Array.isArray(fallback))
      assert.isAbove(typed.length, 200)
      const nonsense = typed.map(({ environment }) => [environment ?? "", "\u0007 nonsense"] as const)
      const problems = yield* blame(Object.fromEntries(nonsense))
      assert.deepStrictEqual(problems.toSorted(), typed.map(({ name }) => `NVC-1004 ${name}`).toSorted())
    })
  )

  it.effect("refuse what does not fit together", () =>
    Effect.gen(function* () {
      const pool = { NOVACRON_DATABASE_POOL_MIN: "60", NOVACRON_DATABASE_POOL_MAX: "20" }
      assert.deepStrictEqual(yield* blame(pool), ["NVC-1004 database.pool"])
      assert.deepStrictEqual(yield* blame({ NOVACRON_DWCP_V3_ROLLOUT_PERCENTAGE: "101" }), [
        "NVC-1004 dwcp.v3_rollout_percentage"
      ])
      for (const slots of ["0", "-1"]) {
        const problems = yield* blame({ NOVACRON_SYSTEM_MAX_CONCURRENCY: slots })
        assert.deepStrictEqual(problems, ["NVC-1004 system.max_concurrency"])
      }
      assert.deepStrictEqual(yield* blame({ NOVACRON_SECURITY_TLS_CA: "/ca.pem" }), ["NVC-1004 security.tls"])
    })
  )

  it.effect.skipIf(!hasValidator)("are described by a schema with which another implementation judges the same", () =>
    Effect.gen(function* () {
      const good = yield* Effect.forEach(Object.keys(Templates.templates), (template) =>
        Effect.map(load({}, template), (loaded) => loaded.masked())
      )
      assert.isAbove(good.length, 3)
      const bad = [
        { databse: {} },
        { database: { pool: { mim: 1 } } },
        { health: { port: 70_000 } },
        { dwcp: { v3_rollout_percentage: 101 } },
        { system: { boot_timeout: "soon" } },
        { cache: { max_memory: 4 } },
        { environment: { kind: "moon" } }
      ]
      const program = `
import json, sys
from jsonschema import Draft202012Validator
asked = json.load(sys.stdin)
Draft202012Validator.check_schema(asked["schema"])
validator = Draft202012Validator(asked["schema"])
print(json.dumps([[error.message for error in validator.iter_errors(one)] for one in asked["files"]]))
`
      const { status, stderr, stdout } = spawnSync("python3", ["-W", "ignore", "-c", program], {
        input: JSON.stringify({ schema: JsonSchema.make(Settings.definition()), files: [...good, ...bad] }),
        encoding: "utf8"
      })
      assert.strictEqual(status, 0, stderr)
      const complaints: ReadonlyArray<ReadonlyArray<string>> = JSON.parse(stdout)
      assert.deepStrictEqual(
        complaints.slice(0, good.length),
        good.map(() => [])
      )
      for (const [i, found] of complaints.slice(good.length).entries()) assert.isNotEmpty(found, JSON.stringify(bad[i]))
    })
  )

  it.effect("log at the level of the system, if that says one", () =>
    Effect.gen(function* () {
      assert.strictEqual(Settings.loggerOf((yield* load({ NOVACRON_LOGGER_LEVEL: "warn" })).settings).level, "warn")
      const both = yield* load({ NOVACRON_LOGGER_LEVEL: "warn", NOVACRON_LOG_LEVEL: "debug" })
      assert.strictEqual(Settings.loggerOf(both.settings).level, "debug")
    })
  )
})
