/** The pages that are made from the code say what the code says. */
import { join } from "node:path"
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { pages } from "../../scripts/reference.ts"

describe("docs/reference", () => {
  it("says what the code says: run `node scripts/reference.ts` after a change", async () => {
    const made = await Effect.runPromise(pages)
    assert.sameMembers(Object.keys(made), ["SETTINGS.md", "NODE.md", "ERRORS.md", "node.json"])
    for (const [name, text] of Object.entries(made)) {
      assert.strictEqual(readFileSync(join(import.meta.dirname, "../../docs/reference", name), "utf8"), text, name)
    }
  })

  it("has every setting, and shows no secret", async () => {
    const { "SETTINGS.md": settings = "" } = await Effect.runPromise(pages)
    for (const key of ["database.url", "system.log_level", "cache.url", "network.bind_port"]) {
      assert.include(settings, `\`${key}\``)
    }
    assert.match(settings, /`security\.secrets\.vault\.token` \| secret/)
  })
})
