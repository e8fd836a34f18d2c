/** What pages tell a reader to type: commands and settings that this program has. */
import { Completions } from "effect/cli"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { novacron } from "../src/Cli.ts"
import * as Settings from "../src/Settings.ts"

const root = join(import.meta.dirname, "../../..")
const pages = ["README.md", ...globSync("docs/**/*.md", { cwd: root })]
  .filter((file) => !/CHECKLIST|decisions/.test(file))
  .map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }))

/** The words behind `novacron`, in code and where a line of commands begins. */
const commands = pages.flatMap(({ file, text }) =>
  [...text.matchAll(/(?:`|^ {4}|^(?:until )?|; )novacron ([a-z][^`\n|;&)>]*)/gm)].map(([, said = ""]) => ({
    file,
    words: said.trim().split(/\s+/)
  }))
)

const flagsOfAll = ["help", "h", "version", "v"]

/** What this program would not understand; undefined when it would. */
const unknownIn = (words: ReadonlyArray<string>): string | undefined => {
  let at = Completions.fromCommand(novacron)
  let rest = words
  for (let next = at; next !== undefined;) {
    at = next
    const found = at.subcommands.find(({ name }) => name === rest[0])
    if (found === undefined) break
    next = found
    rest = rest.slice(1)
  }
  const [first = "-"] = rest
  const isGroup = at.subcommands.length > 0 && at.name !== "trace"
  if (isGroup && /^[a-z]/.test(first)) return first
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest
  return own
    .flatMap((word) => /^--?([a-z][a-z-]*)/.exec(word)?.slice(1) ?? [])
    .find((name) => !flagsOfAll.includes(name) && !at.flags.some((one) => [one.name, ...one.aliases].includes(name)))
}

describe("the pages", () => {
  it("name commands that there are, with flags that they have", () => {
    assert.isAbove(commands.length, 150)
    assert.deepStrictEqual(
      commands.filter(({ words }) => unknownIn(words) !== undefined),
      []
    )
    assert.strictEqual(unknownIn(["config", "show", "dwcp"]), "show")
    assert.strictEqual(unknownIn(["boot", "--data-die", "x"]), "data-die")
    assert.isUndefined(unknownIn(["tasks", "submit", "--cpu", "1", "--", "ls", "--color"]))
  })

  it("name settings that there are", () => {
    const { leaves, tables } = Settings.definition().keys
    const names = [...leaves, ...tables].map(({ name }) => name)
    const known = new Set(names.flatMap((name) => name.split(".").map((_, i, all) => all.slice(0, i + 1).join("."))))
    // Actions of the audit log, and a file, that look like settings.
    const others = new Set(["dashboard.opened", "dashboard.key"])
    const said = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/`([a-z_]+(?:\.[a-z0-9_]+)+)(?:[:=][^`]*)?`/g)].map(([, key = ""]) => ({ file, key }))
    )
    const ours = said.filter(({ key }) => known.has(key.split(".")[0] ?? "") && !others.has(key))
    assert.isAbove(ours.length, 300)
    assert.deepStrictEqual(
      ours.filter(({ key }) => !known.has(key)),
      []
    )
  })
})
