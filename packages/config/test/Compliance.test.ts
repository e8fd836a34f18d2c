/** Rules of an organization, and settings that keep them or do not. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Config } from "../src/index.ts"
import { blame, layer as world, load, shop, write } from "./fixtures/shop.ts"

const judged = (rules: string, text = "", policy?: "warn" | "require") =>
  Effect.scoped(
    Effect.gen(function* () {
      const path = yield* write("rules.yaml", rules)
      const file = yield* write("shop.yaml", `config_version: 2\n${text}`)
      const compliance = { rules: path, ...(policy === undefined ? {} : { policy }) }
      return yield* Config.load(shop, { file, compliance })
    })
  )

const rule = (demand: string) => `rules:\n  - { name: r, ${demand} }\n`

layer(world)("rules", (it) => {
  describe("that are kept", () => {
    for (const demand of [
      "key: system.log_level, is: info",
      "key: system.log_level, is_not: debug",
      "key: system.log_level, one_of: [info, warn]",
      "key: system.max_concurrency, at_least: 1000, at_most: 1000",
      "key: system.shutdown_timeout, at_most: 1m",
      "key: system.shutdown_timeout, at_least: 30000ms",
      "key: system.shutdown_timeout, is: 30s",
      "key: system.min_memory, at_least: 7 GiB",
      "key: system.is_strict, is: true",
      "key: system.node_id, matches: 'node-\\d+'",
      "key: system.peers, without: 0.0.0.0/0",
      "key: database.url, set: false",
      "key: system.ratio, at_most: 0.5",
      // It counts only where its condition holds.
      "key: database.url, set: true, when: { key: system.log_level, is: debug }"
    ]) {
      it.effect(`let the settings be used: ${demand}`, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual((yield* judged(rule(demand))).warnings, [])
        })
      )
    }
  })

  describe("that are broken", () => {
    for (const [demand, text, place] of [
      ["key: system.log_level, is: info", "system: { log_level: debug }", "2:22"],
      ["key: system.log_level, is_not: info", "", "Default"],
      ["key: system.log_level, one_of: [warn, error]", "", "Default"],
      ["key: system.max_concurrency, at_most: 999", "", "Default"],
      ["key: system.shutdown_timeout, at_least: 1m", "system: { shutdown_timeout: 59s }", "2:29"],
      ["key: system.min_memory, at_least: 9 GB", "", "Default"],
      ["key: system.node_id, matches: 'node-\\d+'", "system: { node_id: xnode-1 }", "2:20"],
      ["key: system.peers, without: 0.0.0.0/0", "system: { peers: [10.0.0.0/8, 0.0.0.0/0] }", "2:18"],
      ["key: database.url, set: true", "", "Default"],
      ["key: database.url, is: postgres://db", "", "Default"],
      [
        "key: system.is_strict, is: true, when: { key: system.log_level, is: info }",
        "system: { is_strict: false }",
        "2:22"
      ]
    ] as const) {
      it.effect(`end the loading, each with its place: ${demand}`, () =>
        Effect.gen(function* () {
          const key = /key: ([\w.]+)/.exec(demand)?.[1]
          assert.deepStrictEqual(yield* blame(judged(rule(demand), text)), [`NVC-1017 ${key} ${place}`])
        })
      )
    }

    it.effect("are told with their name, their reason, what is there and what is demanded", () =>
      Effect.gen(function* () {
        const rules = rule("key: system.shutdown_timeout, at_most: 10s, because: BSI wants a quick end")
        const { exitCode, message } = yield* Effect.flip(judged(rules, "system: { shutdown_timeout: 1m 30s }"))
        assert.strictEqual(exitCode, 78)
        for (const text of [
          "shop.yaml:2:29  system.shutdown_timeout  NVC-1017",
          "This breaks the rule r. BSI wants a quick end.",
          'found "1m 30s"; allowed: at most "10s"',
          "SHOP_SYSTEM_SHUTDOWN_TIMEOUT"
        ]) {
          assert.include(message, text)
        }
      })
    )

    it.effect("are all told, together with everything else that is wrong", () =>
      Effect.gen(function* () {
        const rules =
          "rules:\n  - { name: a, key: system.log_level, is: warn }\n  - { name: b, key: system.ratio, at_most: 0.1 }\n"
        assert.deepStrictEqual(yield* blame(judged(rules, "database: { pool: { min: 9, max: 1 } }")), [
          "NVC-1006 database.pool.min 2:26",
          "NVC-1017 system.log_level Default",
          "NVC-1017 system.ratio Default"
        ])
      })
    )

    it.effect("are only told where the policy says so, or the rule does", () =>
      Effect.gen(function* () {
        const demand = "key: system.log_level, is: warn"
        const told = yield* judged(rule(demand), "", "warn")
        const mild = yield* judged(rule(`${demand}, severity: warning`))
        for (const { settings, warnings } of [told, mild]) {
          assert.strictEqual(settings.system.logLevel, "info")
          assert.deepStrictEqual(
            warnings.map(({ code, key }) => `${code} ${key}`),
            ["NVC-1017 system.log_level"]
          )
        }
      })
    )
  })

  describe("about a secret", () => {
    it.effect("see whether it is there, and nothing else", () =>
      Effect.gen(function* () {
        yield* judged(rule("key: database.password, set: true"), "database: { password: kanarienvogel }")
        assert.deepStrictEqual(yield* blame(judged(rule("key: database.password, set: true"))), [
          "NVC-1017 database.password Default"
        ])
        const there = yield* Effect.flip(
          judged(rule("key: database.password, set: false"), "database: { password: kanarienvogel }")
        )
        assert.notInclude(there.message, "kanarienvogel")
        assert.include(there.message, "found ******")
        // Whoever may write rules would find it out, a letter at a time.
        const guess = yield* Effect.flip(
          judged(rule("key: database.password, matches: 'k.*'"), "database: { password: kanarienvogel }", "warn")
        )
        assert.include(guess.message, "is a secret, of which only `set` can be asked")
      })
    )
  })

  describe("that cannot be judged", () => {
    for (const [why, rules, says] of [
      ["a key that does not exist", rule("key: system.log_levle, is: info"), "Did you mean system.log_level?"],
      ["a section", rule("key: database.pool, set: true"), "there is no setting database.pool"],
      ["nothing that is demanded", rule("key: system.log_level"), "nothing is demanded"],
      ["a broken expression", rule("key: system.log_level, matches: '('"), "no regular expression"],
      [
        "a condition about nothing",
        rule("key: system.ratio, is: 1, when: { key: a.b, is: 1 }"),
        "there is no setting a.b"
      ],
      ["a word that no rule has", rule("key: system.ratio, equals: 1"), "is not as it must be"],
      ["no YAML", "rules: [", "is not YAML"]
    ] as const) {
      it.effect(`end the loading, whatever the policy: ${why}`, () =>
        Effect.gen(function* () {
          for (const policy of ["warn", "require"] as const) {
            const { code, message } = yield* Effect.flip(judged(rules, "", policy))
            assert.strictEqual(code, "NVC-1017")
            assert.include(message, says)
          }
        })
      )
    }

    it.effect("for want of a file end it too", () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(load({ compliance: { rules: "/nowhere/rules.yaml", policy: "warn" } }))
        assert.include(message, "The file of rules, /nowhere/rules.yaml, cannot be read.")
      })
    )
  })
})
