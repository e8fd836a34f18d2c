/**
 * The example at the front door of a package is a program of `examples/doors`, which is checked with everything else. It
 * stands at the door as it is there, and prints what its comments promise.
 */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import { files, read, root } from "./Workspace.ts"

/** A single constant is behind this one, and its type says everything. */
const withoutExample = new Set(["dashboard"])

const packages = files.flatMap((file) => /^packages\/([^/]+)\/src\/index\.ts$/.exec(file)?.[1] ?? [])
const doors = packages.filter((name) => !withoutExample.has(name))

const quoteIn = (text: string): string => {
  const [, quoted = ""] = /^ \* ```ts\n([^]*?) \* ```$/m.exec(text) ?? []
  return quoted.replaceAll(/^ \* ?/gm, "")
}

describe("the example at the front door of", () => {
  it("all packages is there", () => assert.isAtLeast(doors.length, 7))

  it.each(doors)("%s is the program that is checked, and prints what it says", { timeout: 30_000 }, (name) => {
    const file = `examples/doors/${name}.ts`
    const program = read(file)
    assert.strictEqual(quoteIn(read(`packages/${name}/src/index.ts`)), program)
    const promised = [...program.matchAll(/\/\/ => (.*)$/gm)].map(([, said]) => said)
    assert.isNotEmpty(promised)
    const run = spawnSync(process.execPath, [file], { cwd: root, encoding: "utf8" })
    assert.strictEqual(run.status, 0, run.stderr)
    assert.deepStrictEqual(run.stdout.trim().split("\n"), promised)
  })
})
