/** What esbuild writes as a module, as a script: scripts/parts.ts. */
import { runInThisContext } from "node:vm"
import { assert, describe, it } from "vitest"
import { asScript, changingOf } from "../../scripts/parts.ts"

const none: ReadonlySet<string> = new Set()

/** Runs a script with parts that are there already. */
const run = (script: string, parts: { readonly [name: string]: unknown } = {}) => {
  const part = (name: string) => parts[name] ?? assert.fail(`there is no ${name}`)
  const require = (name: string) => ({ name })
  return runInThisContext(script)(part, async (name: string) => part(name), require, { url: "file:///here" })
}

describe("a part", () => {
  it("imports and exports by names of its own and of others, in the order in which it is written", () => {
    const code =
      'import{one,two as second}from"./parts/a.js";import"./parts/b.js";import*as Lz4 from"lz4";' +
      "var sum=one+second;export{sum as default,Lz4};\n"
    const script = asScript(code, "commands/main.js", none)
    const parts = { "commands/parts/a.js": { one: 1, two: 2 }, "commands/parts/b.js": {} }
    assert.deepInclude(run(script, parts), { default: 3, Lz4: { name: "lz4" } })
    assert.throws(
      () => run(script, { "commands/parts/a.js": parts["commands/parts/a.js"] }),
      "there is no commands/parts/b.js"
    )
  })

  it("loads others later, from where it is, and knows where that is", async () => {
    const code = 'var late=()=>import("./b.js"),url=import.meta.url,text="import (of) bytes";export{late,url,text};'
    const { late, text, url } = run(asScript(code, "commands/parts/a.js", none), { "commands/parts/b.js": { is: 1 } })
    assert.deepStrictEqual(
      { text, url, late: await late() },
      { text: "import (of) bytes", url: "file:///here", late: { is: 1 } }
    )
  })

  it("is strict, as a module is, and has no first line for the shell", () => {
    assert.throws(() => run(asScript("#!/usr/bin/env node\nundeclared=1;", "a.js", none)), "undeclared is not defined")
  })

  it("sees what is assigned in another part while the program runs, and nobody else's copy of it", () => {
    assert.deepStrictEqual(changingOf("export let count = 0\nexport const one = 1\nlet own = 2"), ["count"])
    const changing = new Set(["count"])
    const source = asScript("var count2=0,one=1,add=()=>{count2++};export{count2 as count,one,add};", "a.js", changing)
    const user = asScript(
      'import{count as count3,one,add}from"./a.js";var seen=()=>one+count3+count3,before=count3;export{seen,add,before};',
      "b.js",
      changing
    )
    const { add, before, seen } = run(user, { "a.js": run(source) })
    assert.deepStrictEqual([before, seen()], [0, 1])
    add()
    assert.deepStrictEqual([before, seen()], [0, 3])
  })

  for (const [what, code, why] of [
    ["an export of a form that is not known", "export const one=1;", "a form that is not known"],
    ["an import of a form that is not known", 'import one from"./one.js";', "a form that is not known"],
    [
      "all of another part",
      'import*as One from"./one.js";export{One};export*from"./two.js";',
      "a form that is not known"
    ],
    ["an await outside of functions", "await 1;", "it is none: SyntaxError"],
    ["characters of more than a byte", "var a='ä';", "more than one byte"],
    ["a name that is ours", "var $part=1;", "$part of its own"],
    [
      "what changes as the key of an object",
      'import{count}from"./a.js";var a={count};',
      "cannot be told how it is used"
    ]
  ] as const) {
    it(`with ${what} ends the build`, () => {
      assert.throws(() => asScript(code, "commands/a.js", new Set(["count"])), `commands/a.js cannot be made a script`)
      assert.throws(() => asScript(code, "commands/a.js", new Set(["count"])), why)
    })
  }
})
