/** The pages that are made from the code say what the code says. */
import { join } from "node:path"
import { readFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { Effect } from "effect"
import { Settings } from "novacron"
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
    // Found by another way than the page: what there is when nothing is set.
    const { settings: decoded } = await Effect.runPromise(
      Config.load(Settings.definition(), { environment: {}, flags: {}, resources: "skip" }).pipe(
        Effect.provide(NodeServices.layer)
      )
    )
    const keys = leaves(decoded)
    assert.isAbove(keys.length, 200)
    const told = (key: string) =>
      settings.includes(`\`${key}\``) || settings.includes(`\`${key.replace(/\w+$/, "NAME")}\``)
    assert.deepStrictEqual(
      keys.filter((key) => !told(key)),
      []
    )
    const rows = [...settings.matchAll(/^\| `(\S+)`.*\| (.*?) \|$/gm)]
    assert.isAbove(rows.length, 200)
    assert.deepStrictEqual(
      rows.filter(([, , what]) => what === "").map(([, key]) => key),
      []
    )
    assert.match(settings, /`security\.secrets\.vault\.token` \| secret/)
  })
})

/** The names of all that can be set, as a file has them; what is no plain object is a value. */
const leaves = (settings: object, path: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  Object.entries(settings).flatMap(([name, value]: readonly [string, unknown]) => {
    const here = [...path, name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]
    const isSection = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
    return isSection ? leaves(value, here) : [here.join(".")]
  })
