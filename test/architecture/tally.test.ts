/**
 * How a run of tests ends, by running one: what failed and what only passed at a second attempt are its last lines, with
 * the first error of each, before the count.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { root } from "./Workspace.ts"

const suite = `
let attempt = 0
it("passes", () => {})
it("passes later", () => { attempt++; if (attempt === 1) throw new Error("not yet") })
it("fails", () => { throw new Error("never\\nagain") })
`

describe("a run of tests", () => {
  it("ends with what failed, what passed at its second attempt, and how many there were", () => {
    const directory = mkdtempSync(join(tmpdir(), "tally-"))
    try {
      writeFileSync(join(directory, "some.test.js"), suite)
      writeFileSync(
        join(directory, "vitest.config.ts"),
        `import { Tally } from ${JSON.stringify(join(root, "scripts/Tally.ts"))}
         export default { test: { globals: true, retry: 1, reporters: [new Tally()] } }`
      )
      const { status, stdout } = spawnSync(
        process.execPath,
        [join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", directory],
        { encoding: "utf8" }
      )
      assert.strictEqual(status, 1)
      assert.strictEqual(
        stdout,
        [
          "flaky, passed at its second attempt: some.test.js > passes later",
          "  not yet",
          "failed: some.test.js > fails",
          "  never",
          "  again",
          "2 passed, 1 failed",
          ""
        ].join("\n")
      )
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
