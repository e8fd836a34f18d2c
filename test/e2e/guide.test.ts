/** The guide for those who see something wrong: each symptom in it is made to happen by a test of this suite. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const guide = readFileSync(join(root, "docs/TROUBLESHOOTING.md"), "utf8")

/** The rows of its tables, without their heads. */
const rows = guide.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| what is seen"))

describe("each symptom", () => {
  it("has a meaning, something to do, and a test that exists", () => {
    assert.isAbove(rows.length, 15)
    for (const row of rows) {
      const cells = row.split(" | ").map((cell) => cell.trim())
      assert.strictEqual(cells.length, 4, row)
      const [, file = "", title = ""] = /`([^`]+\.test\.ts)` “([^”]+)”/.exec(cells[3] ?? "") ?? []
      const path = join(root, file)
      assert.isTrue(file !== "" && existsSync(path), row)
      assert.include(readFileSync(path, "utf8"), `"${title}"`, row)
    }
  })

  it("is in the guide when its test is about a fault: none was forgotten", () => {
    const text = readFileSync(join(root, "test/e2e/faults.test.ts"), "utf8")
    const about = [...text.matchAll(/^describe[^"]*"([^"]+)"/gm)].map(([, name]) => name)
    assert.includeMembers(about, ["settings that are wrong", "the database", "the cache", "what is taken"])
    assert.isAtLeast(rows.filter((row) => row.includes("faults.test.ts")).length, about.length)
  })
})
