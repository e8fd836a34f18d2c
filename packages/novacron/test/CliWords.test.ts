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
})
