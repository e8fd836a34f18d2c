import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { JournalUnusable } from "../../src/pbft/Failures.ts"
import * as Journal from "../../src/pbft/Journal.ts"
import * as Real from "./fixtures/real.ts"

let path = ""
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "pbft-journal-")), "of", "one")
})
afterEach(() => rmSync(join(path, "../.."), { recursive: true }))

const records = Real.facts.map((fact) => ({ _tag: "Fact", fact }) as const)
const read = async (): Promise<Journal.Journal> => {
  const journal = await Journal.make(path, "me")
  await journal.close()
  return journal
}
const write = async (...groups: ReadonlyArray<ReadonlyArray<Journal.Record>>): Promise<void> => {
  const journal = await Journal.make(path, "me")
  for (const group of groups) await journal.append(group)
  await journal.close()
}
const refused = (owner = "me"): Promise<unknown> =>
  Journal.make(path, owner).then(
    () => assert.fail("it was taken"),
    (error: unknown) => error
  )

describe("Journal", () => {
  it("gives back what was written, in order, to its owner alone", async () => {
    await write(records.slice(0, 2), records.slice(2), [{ _tag: "Asked", below: 77 }])
    await write([{ _tag: "Asked", below: 50 }])
    const { facts, unusedTimestamp } = await read()
    assert.strictEqual(JSON.stringify(facts), JSON.stringify(Real.facts))
    assert.strictEqual(unusedTimestamp, 77)
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    const error = await refused("somebody else")
    assert.instanceOf(error, JournalUnusable)
    assert.match(String(error), /belongs to another replica/)
  })

  it("loses its last record at most to a crash in the middle of writing, and goes on", async () => {
    await write(records)
    const whole = readFileSync(path)
    const { length } = whole
    for (const cut of [1, 5, 60]) {
      writeFileSync(path, whole.subarray(0, length - cut))
      assert.lengthOf((await read()).facts, records.length - 1)
      await write(records.slice(-1))
      assert.deepStrictEqual(readFileSync(path), whole)
    }
  })

  it("is refused when it is damaged anywhere else", async () => {
    await write(records)
    const whole = readFileSync(path)
    for (const at of [3, 60, 200, whole.length >> 1]) {
      const bytes = Buffer.from(whole)
      bytes[at] = bytes[at]! ^ 1
      writeFileSync(path, bytes)
      assert.instanceOf(await refused(), JournalUnusable)
    }
    writeFileSync(path, whole)
    assert.lengthOf((await read()).facts, records.length)
  })

  it("says as much when it is written anew, and can be written on", async () => {
    const journal = await Journal.make(path, "me")
    for (let k = 0; k < 50; k++) await journal.append(records)
    const before = statSync(path).size
    assert.isAbove(journal.appended(), before / 2)
    await journal.replace([...records, { _tag: "Asked", below: 5 }])
    assert.strictEqual(journal.appended(), 0)
    await journal.append(records.slice(0, 1))
    await journal.close()
    const { facts, unusedTimestamp } = await read()
    assert.isBelow(statSync(path).size, before / 10)
    assert.strictEqual(JSON.stringify(facts), JSON.stringify([...Real.facts, Real.facts[0]]))
    assert.strictEqual(unusedTimestamp, 5)
  })
})
