import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { recommend } from "../../src/Commands/Recommend.ts"
import { stage } from "../fixtures/Stage.ts"
import { boot, fileAt, journal } from "../trace/fixtures/journals.ts"

const folder = mkdtempSync(join(tmpdir(), "novacron-recommend-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const dataDirWith = (name: string, databaseMs: ReadonlyArray<number>): string => {
  const dataDir = join(folder, name)
  mkdirSync(join(dataDir, "journal"), { recursive: true })
  for (const [k, ms] of databaseMs.entries()) {
    const at = 1_790_000_000_000 + k
    const text = journal(boot({ bootId: `boot-${k}`, startedAt: at, databaseMs: ms }))
    writeFileSync(join(dataDir, "journal", fileAt(at)), text)
  }
  return dataDir
}

const run = async (dataDir: string, json: boolean) => {
  const it = stage({ cwd: folder, env: {} })
  const flags = { config: undefined, dataDir, template: undefined, set: { "system.boot_timeout": "30s" }, json }
  const exit = await recommend(flags, it.surroundings)
  assert.strictEqual(exit, 0, it.err())
  return it.out()
}

describe("novacron recommend", () => {
  it("says what the journals of a node advise, and that no node runs that could be asked", async () => {
    const said = await run(dataDirWith("slow", [18_000, 19_000, 20_000, 21_000]), false)
    assert.match(said, /system\.boot_timeout 30\.0 s → 64s/)
    assert.match(said, /cache → mend what it stands on/)
    assert.match(said, /NODES\n {2}no node runs here/)
  })

  it("says how many boots did not come up, and learns from the others alone", async () => {
    const dataDir = dataDirWith("broken", [100, 100])
    for (const k of [7, 8]) {
      const at = 1_790_000_000_000 + k
      const text = journal(boot({ bootId: `boot-${k}`, startedAt: at, isReady: false }))
      writeFileSync(join(dataDir, "journal", fileAt(at)), text)
    }
    assert.include(
      await run(dataDir, false),
      "too few boots to advise anything: 2, and it takes 3; 2 did not come up: novacron trace --list"
    )
  })

  it("says the same for programs, and nothing without boots to learn from", async () => {
    const slow = JSON.parse(await run(dataDirWith("again", [18_000, 19_000, 20_000]), true))
    assert.strictEqual(slow.boots, 3)
    assert.containSubset(slow.advice, [{ subject: "system.boot_timeout", instead: "61s" }])
    assert.isNull(slow.nodes)
    assert.include(await run(dataDirWith("young", [100]), false), "too few boots to advise anything: 1, and it takes 3")
  })
})
