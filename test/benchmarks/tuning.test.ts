/** `docs/TUNING.md` says what `bench tuning` measures. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { run } from "./src/tuning.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/TUNING.md"), "utf8")

describe("docs/TUNING.md", () => {
  it("has no figure that the benchmark does not measure, to the last digit that it shows", async () => {
    const { figures } = await run()
    const told = [...page.matchAll(/`((?:boot_slots|encode)_\w+)` ([\d.]+)/g)].map(([, id = "", value = ""]) => ({
      id,
      value
    }))
    assert.isAtLeast(told.length, 7)
    const wrong = told.filter(({ id, value }) => {
      const measured = figures.find((one) => one.id === id)?.value ?? NaN
      return measured.toFixed(value.split(".")[1]?.length ?? 0) !== value
    })
    assert.deepStrictEqual(wrong, [])
  }, 60_000)

  it("repeats in words what its figures say", () => {
    const rows = page.split("\n").filter((line) => /^\|.*`(?:boot_slots|encode)_/.test(line))
    for (const row of rows) {
      const cells = row.split("|")
      const figures = [...(cells.at(-2) ?? "").matchAll(/` ([\d.]+)/g)].map(([, value = ""]) => value)
      if (row.includes("nothing: no boot is shorter")) continue
      for (const value of figures) assert.include(cells.at(-3), value, row)
    }
  })
})
