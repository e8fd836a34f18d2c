import { globSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import { codes, find } from "../src/Codes.ts"
import { runbooks } from "../src/Commands/Explain.ts"
import { meanings } from "../src/Meanings.ts"
import * as Settings from "../src/Settings.ts"

const root = join(import.meta.dirname, "../../..")
/** What the node is made of. */
const sources = globSync("packages/{boot,config,components,novacron}/src/**/*.ts", { cwd: root }).map((file) =>
  readFileSync(join(root, file), "utf8")
)

/** The error classes of all packages that carry a code of their own, by tag. */
const classes = sources.flatMap((text) =>
  [...text.matchAll(/class \w+ extends (?:Data|Schema)\.TaggedError\("(\w+)"\)([^]*?)\n\}\n/g)].flatMap(
    ([, tag = "", body = ""]) => {
      const code = /readonly code = "(NVC-\d{4})"/.exec(body)?.[1]
      const exit = /readonly exitCode = (\d+)/.exec(body)?.[1]
      return code === undefined ? [] : [{ tag, code, exit }]
    }
  )
)

/** Every code that the sources mention, as an error or as a problem of settings. */
const mentioned = new Set(sources.flatMap((text) => text.match(/NVC-\d{4}/g) ?? []))

describe("the codes", () => {
  it("are there to be judged", () => {
    assert.isAbove(classes.length, 40)
    assert.isAbove(mentioned.size, 70)
  })

  it("have one runbook each, and no runbook is without its code", () => {
    const files = readdirSync(join(root, "docs/runbooks")).map((file) => file.replace(".md", ""))
    assert.deepStrictEqual(
      [...mentioned].filter((code) => !files.includes(code)),
      []
    )
    // A code may be on its way into the sources.
    assert.sameMembers([...runbooks().keys()], files)
  })

  it("are there for each part of the node", () => {
    const parts = globSync("packages/components/src/*/Component.ts", { cwd: root }).map((file) => dirname(file))
    assert.isAbove(parts.length, 10)
    const without = parts.filter((part) => {
      // What goes wrong with the six of DWCP is told by them.
      const places = part.endsWith("/dwcp") ? [part, "packages/dwcp/src"] : [part]
      const texts = places.flatMap((place) => globSync(`${place}/**/*.ts`, { cwd: root }))
      return !texts.some((file) => /NVC-\d{4}/.test(readFileSync(join(root, file), "utf8")))
    })
    // It measures, and takes what it cannot measure for what is usual.
    assert.deepStrictEqual(without, ["packages/components/src/environment"])
  })

  it("of error classes are those of the table, with their exit code", () => {
    const wrong = classes.filter(({ code, exit, tag }) => {
      const known = find(tag)
      return known?.code !== code || (exit !== undefined && `${known.exit}` !== exit)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("belong to one class each", () => {
    const tags = classes.map(({ tag }) => tag)
    assert.strictEqual(new Set(tags).size, tags.length, tags.filter((tag, i) => tags.indexOf(tag) !== i).join())
    const numbers = classes.map(({ code }) => code)
    assert.strictEqual(
      new Set(numbers).size,
      numbers.length,
      numbers.filter((it, i) => numbers.indexOf(it) !== i).join()
    )
  })

  it("name settings that exist, exits that are documented, and what to do in a line", () => {
    const keys = new Set(
      [...Settings.definition().keys.leaves, ...Settings.definition().keys.tables].map(({ name }) => name)
    )
    for (const [tag, { exit, remedy, setting }] of Object.entries(codes)) {
      assert.property(meanings, `${exit}`, tag)
      assert.isNotEmpty(remedy, tag)
      assert.isBelow(remedy.length, 120, tag)
      if (setting !== undefined) assert.include(keys, setting, tag)
    }
  })

  it("are not looked up beyond the table", () => {
    assert.isUndefined(find("toString"))
    assert.isUndefined(find("__proto__"))
  })
})

describe("the runbooks", () => {
  it("say symptom, meaning, check and fix", () => {
    for (const [code, text] of runbooks()) {
      assert.match(text, new RegExp(`^# ${code} \\S`))
      for (const part of ["Symptom", "What it means", "Check", "Fix"]) assert.include(text, `**${part}.**`, code)
    }
  })

  it("name the exit code that the process has", () => {
    for (const [tag, { code, exit }] of Object.entries(codes)) {
      const [symptom = ""] = /\*\*Symptom\.\*\*.*/.exec(runbooks().get(code) ?? "") ?? []
      const named = [...symptom.matchAll(/[Ee]xits?(?: with)? (\d+)/g)].map(([, number]) => Number(number))
      if (named.length > 0) assert.include(named, exit, `${tag} ${symptom}`)
    }
  })
})
