import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Template } from "../src/index.ts"
import { load, shop, layer as world } from "./fixtures/shop.ts"

const names = Object.keys(shop.templates ?? {})

layer(world)("a first file", (it) => {
  it.effect("loads as it is, and is what the template says", () =>
    Effect.gen(function* () {
      assert.strictEqual(names.length, 2)
      for (const template of names) {
        const written = yield* load({ text: Template.init(shop, template) })
        const meant = yield* load({ template })
        assert.deepStrictEqual(written.masked(), meant.masked())
        assert.strictEqual(written.version, meant.version)
        assert.notStrictEqual(written.version, (yield* load({})).version)
      }
      assert.strictEqual((yield* load({ text: Template.init(shop) })).version, (yield* load({})).version)
    })
  )

  it.effect("loads with every comment made a line too, and is then what it was", () =>
    Effect.gen(function* () {
      const text = Template.init(shop).replaceAll(/^( *)# ([a-z_]+: .+)$/gm, "$1$2")
      assert.include(text, "\n  max_concurrency: 1000\n")
      const options = { flags: { "tls.cert_path": "/x" }, resources: "skip" } as const
      const everything = yield* load({ text, ...options })
      assert.strictEqual(everything.version, (yield* load(options)).version)
      const said = everything.explain("").filter(({ sources }) => sources[0].source._tag === "File")
      assert.isAbove(said.length, 11)
    })
  )

  it.effect("means a text that looks like a variable as a text", () =>
    Effect.gen(function* () {
      const { settings } = yield* load({ text: Template.init(shop, "datacenter") })
      assert.strictEqual(settings.system.nodeId, "${not a variable}")
    })
  )
})

describe("a first file", () => {
  it("explains each key, and says its default", () => {
    const text = Template.init(shop, "development")
    assert.include(text, '  # What is logged: "debug" | "info" | "warn" | "error"\n  log_level: debug\n')
    assert.include(text, "  # max_concurrency: 1000\n")
    assert.include(text, "  peers: [ a, b ]\n")
    assert.include(text, "config_version: 2\n")
    for (const { name } of shop.keys.leaves) assert.match(text, new RegExp(`^ *(# )?${name.split(".").at(-1)}:`, "m"))
  })

  it("needs a template that exists", () => {
    assert.throws(() => Template.init(shop, "none"), /no template none/)
  })
})
