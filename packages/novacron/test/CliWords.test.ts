import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { HelpDoc } from "effect/cli"
import { novacron } from "../src/Cli.ts"
import { formatter } from "../src/CliWords.ts"

const run = (...words: ReadonlyArray<string>) => {
  const args = [join(import.meta.dirname, "../src/main.ts"), ...words]
  return spawnSync(process.execPath, args, { env: {}, encoding: "utf8" })
}

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

  it.each([
    ["plan -s cores", "key=value"],
    ["plan -s cores=", "key=value"],
    ["trace --width wide", "a number"],
    ["trace --width 1.5", "a whole number"],
    ["dashboard --port 99999", "a whole number from 0 to 65535"],
    ["trace serve --port 70000", "a whole number from 0 to 65535"],
    ["tasks list --limit 0", "a whole number from 1 to 1000"],
    ["stop --timeout soon", "a time such as 90s, 5m or 1h"]
  ])("say once what is expected where something else is given: %s", (line, expected) => {
    const words = line.split(" ")
    const { status, stderr, stdout } = run(...words)
    assert.deepStrictEqual([status, stdout], [64, ""])
    const [first = "", second = ""] = stderr.split("\n")
    assert.match(first, /^Invalid value for flag --[\w-]+: "/)
    assert.isTrue(first.endsWith(`"${words.at(-1)}". Expected: ${expected}`), first)
    assert.match(second, /^More: novacron .*--help$/)
  })

  it.each(["status", "boot", "stop", "config check"])("take no empty text for a name: %s", (line) => {
    for (const [given, flag] of [
      [["-d", ""], "--data-dir"],
      [["--data-dir="], "--data-dir"],
      [["-c", ""], "--config"]
    ] as const) {
      const { status, stderr } = run(...line.split(" "), ...given)
      assert.strictEqual(status, 64, stderr)
      assert.include(stderr, `Missing value for flag ${flag}. Expected: a text that is not empty`)
    }
  })

  it("tell who reads JSON there what is wrong with the command line, and nobody else", () => {
    for (const words of [["why"], ["trace", "--width", "wide"], ["tasks", "frob"]]) {
      const { status, stderr, stdout } = run(...words, "--json")
      assert.strictEqual(status, 64)
      const { error } = JSON.parse(stdout)
      assert.strictEqual(error.exit, 64)
      assert.isTrue(stderr.startsWith(error.message), stderr)
    }
    const { status, stdout } = run("tasks", "submit", "--frob", "--", "ls", "--json")
    assert.deepStrictEqual([status, stdout], [64, ""])
  })
})
