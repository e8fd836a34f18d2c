import { assert, describe, it } from "@effect/vitest"
import * as Document from "../src/Document.ts"
import * as Migration from "../src/Migration.ts"

const item = (text: string): Document.Item => {
  const parsed = Document.parse(text)
  if (parsed._tag === "Parsed") return parsed.item
  throw new Error("The test is not YAML.")
}
const at = (root: Document.Item, key: string) => Migration.entryAt(root, key.split("."))
const valueAt = (root: Document.Item, key: string) => {
  const found = at(root, key)?.item
  return found?._tag === "Scalar" ? found.value : undefined
}

describe("a migration", () => {
  const migrations: ReadonlyArray<Migration.Migration> = [
    { to: 3, describe: "Seconds.", changed: { "b.c": (value) => `${value}s` } },
    { to: 2, describe: "Into a section.", moved: { a: "b.c" }, dropped: ["old", "b.gone"] }
  ]

  it("is made from the version of the file on, in order", () => {
    const text = "a: 1\nold: 2\nb: { gone: 3, stays: 4 }"
    const now = Migration.migrate(item(text), 1, migrations)
    assert.strictEqual(valueAt(now, "b.c"), "1s")
    assert.strictEqual(valueAt(now, "b.stays"), 4)
    for (const key of ["a", "old", "b.gone"]) assert.isUndefined(at(now, key), key)
    assert.strictEqual(valueAt(Migration.migrate(item("b: { c: 1 }\na: 2"), 2, migrations), "a"), 2)
    assert.deepStrictEqual(Migration.migrate(item(text), 3, migrations), item(text))
  })

  it("keeps the place of what it moves", () => {
    const now = Migration.migrate(item("x: 1\na: 2"), 1, migrations)
    assert.deepInclude(at(now, "b.c"), { line: 2, column: 1 })
    assert.deepInclude(at(now, "b.c")?.item, { line: 2, column: 4 })
  })

  it("leaves what was written in the new way already", () => {
    const now = Migration.migrate(item("a: 1\nb: { c: 2 }"), 1, migrations)
    assert.strictEqual(valueAt(now, "b.c"), "2s")
    assert.isUndefined(at(now, "a"))
  })

  it("does nothing where there is nothing, or something else", () => {
    assert.deepStrictEqual(Migration.migrate(item("x: 1"), 1, migrations), item("x: 1"))
    assert.deepStrictEqual(valueAt(Migration.migrate(item("b: 7"), 1, migrations), "b"), 7)
    assert.strictEqual(valueAt(Migration.migrate(item("a: 1\nb:"), 1, migrations), "b.c"), "1s")
  })
})
