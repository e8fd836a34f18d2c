import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { HelpDoc } from "effect/cli"
import { novacron } from "../src/Cli.ts"
import { formatter } from "../src/CliWords.ts"

describe("the words of the command line", () => {
  it("shows examples before everything else", () => {
    const doc: HelpDoc.HelpDoc = {
      description: "does it",
      usage: "novacron it",
      flags: [],
      annotations: novacron.annotations,
      examples: [{ command: "novacron it", description: "just so" }]
    }
    const text = formatter({ colors: false }).formatHelpDoc(doc)
    assert.match(text, /^EXAMPLES\n {2}novacron it {2}just so\n\nDESCRIPTION\n/)
    assert.notInclude(formatter({ colors: false }).formatHelpDoc({ ...doc, examples: [] }), "EXAMPLES")
  })

  it("say once what a pair is, to whoever gives half of one", () => {
    for (const half of ["cores", "cores=", "=1"]) {
      const args = [join(import.meta.dirname, "../src/main.ts"), "plan", "-s", half]
      const { status, stderr, stdout } = spawnSync(process.execPath, args, { env: {}, encoding: "utf8" })
      assert.deepStrictEqual([status, stdout], [64, ""])
      assert.strictEqual(
        stderr,
        `Invalid value for flag --set: "${half}". Expected: key=value\nMore: novacron plan --help\n`
      )
    }
  })
})
