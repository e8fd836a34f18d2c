import { assert, describe, it } from "@effect/vitest"
import * as Manifest from "../src/Manifest.ts"

describe("Manifest", () => {
  it("is made of the fields that matter: needs are hard unless they say otherwise", () => {
    const manifest = Manifest.make({ name: "api", needs: ["database", { key: "ml", kind: "optional" }] })
    assert.deepStrictEqual(manifest.needs, [
      { key: "database", kind: "hard" },
      { key: "ml", kind: "optional" }
    ])
    assert.deepStrictEqual(manifest.provides, ["api"])
    assert.strictEqual(manifest.variants[0].name, "api")
    assert.strictEqual(manifest.severity, "critical")
  })

  it("takes at the most all its attempts, delays, closings and fallbacks, or its deadlines", () => {
    const variant = { name: "x", attempts: 3, retryMs: 3_000, timeoutMs: 1_000, deadlineMs: Infinity }
    const once = Manifest.make({ name: "x", stopMs: 100, variants: [variant] })
    assert.strictEqual(Manifest.worstCaseMs(once), 3 * 1_100 + 3_000 + 100)
    const bounded = Manifest.make({ name: "x", stopMs: 100, variants: [{ ...variant, deadlineMs: 2_000 }] })
    assert.strictEqual(Manifest.worstCaseMs(bounded), 2_100)
    const both = Manifest.make({ name: "x", stopMs: 100, variants: [variant, { ...variant, deadlineMs: 2_000 }] })
    assert.strictEqual(Manifest.worstCaseMs(both), Manifest.worstCaseMs(once) + 2_100)
  })
})
