import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "..")

describe("the example at the front door", () => {
  it("runs as it stands there, and prints what it says", { timeout: 30_000 }, () => {
    const text = readFileSync(join(root, "src/index.ts"), "utf8")
    const [, quoted = ""] = /```ts\n([^]*?) \* ```/.exec(text) ?? []
    const code = quoted.replaceAll(/^ \* ?/gm, "")
    const promised = [...code.matchAll(/\/\/ => (.*)$/gm)].map(([, said]) => said)
    assert.lengthOf(promised, 2)
    const run = spawnSync(process.execPath, ["--input-type=module-typescript", "--eval", code], {
      cwd: root,
      encoding: "utf8"
    })
    assert.strictEqual(run.status, 0, run.stderr)
    assert.deepStrictEqual(run.stdout.trim().split("\n"), promised)
  })
})
