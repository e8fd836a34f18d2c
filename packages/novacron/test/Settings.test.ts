import { Config } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import * as Settings from "../src/Settings.ts"

const load = (environment: { readonly [name: string]: string }) =>
  Effect.provide(Config.load(Settings.definition(), { environment, flags: {}, resources: "skip" }), NodeServices.layer)

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
      assert.deepStrictEqual(yield* blame({ NOVACRON_SECURITY_TLS_CA: "/ca.pem" }), ["NVC-1004 security.tls"])
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
