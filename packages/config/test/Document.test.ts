import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { stringify } from "yaml"
import * as Document from "../src/Document.ts"

const valueOf = (item: Document.Item): unknown => {
  switch (item._tag) {
    case "Scalar":
      return item.value
    case "List":
      return item.items.map(valueOf)
    case "Map":
      return Object.fromEntries([...item.entries].map(([key, entry]) => [key, valueOf(entry.item)]))
  }
}

const read = (text: string): unknown => {
  const parsed = Document.parse(text)
  assert.strictEqual(parsed._tag, "Parsed", text)
  return parsed._tag === "Parsed" ? valueOf(parsed.item) : undefined
}

const faults = (text: string): ReadonlyArray<string> => {
  const parsed = Document.parse(text)
  assert.strictEqual(parsed._tag, "Faulty", text)
  return parsed._tag === "Faulty" ? parsed.faults.map(({ code, column, line }) => `${code} ${line}:${column}`) : []
}

const plain = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    tie("leaf"),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4 })
  ),
  leaf: fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
})).tree

describe("the bytes of a file", () => {
  const latin = (text: string) => Buffer.from(text, "latin1")

  it("are read as UTF-8, with or without a byte order mark", () => {
    for (const text of ["a: caf\u00e9 \uFFFD\n", "\uFEFFa: 1\n"]) {
      const parsed = Document.read(Buffer.from(text))
      assert.deepStrictEqual(parsed, Document.parse(text.replace(/^\uFEFF/, "")))
      assert.strictEqual(parsed._tag, "Parsed")
    }
  })

  it.each([
    ["Latin-1", latin("a: 1\nb: caf\u00e9\n"), 2, 7],
    ["UTF-16", Buffer.from("\uFEFFa: 1\n", "utf16le"), 1, 1],
    ["zeros at the end", latin("a: 80\0\0\0"), 1, 6],
    ["nothing but zeros", Buffer.alloc(16), 1, 1]
  ] as const)("that are no text are refused where they stand: %s", (_, bytes, line, column) => {
    const parsed = Document.read(bytes)
    assert.deepInclude(parsed._tag === "Faulty" ? parsed.faults[0] : {}, { code: "NVC-1002", line, column })
  })
})

describe("a file", () => {
  it("is read as YAML and as JSON", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), plain, { noNullPrototype: true }), (tree) => {
        assert.deepEqual(read(JSON.stringify(tree)), tree)
        assert.deepEqual(read(JSON.stringify(tree, null, "\t")), tree)
        assert.deepEqual(read(stringify(tree)), tree)
      })
    )
  })

  it("knows where each key and each value stands", () => {
    const parsed = Document.parse("a:\n  b: 1\n  c: [x,\n    y]\n")
    assert.strictEqual(parsed._tag, "Parsed")
    const a = parsed._tag === "Parsed" && parsed.item._tag === "Map" ? parsed.item.entries.get("a") : undefined
    const inside = a?.item._tag === "Map" ? a.item.entries : new Map<string, Document.Entry>()
    assert.deepInclude(a, { line: 1, column: 1 })
    assert.deepInclude(inside.get("b")?.item, { line: 2, column: 6 })
    const list = inside.get("c")?.item
    assert.deepInclude(list?._tag === "List" ? list.items[1] : undefined, { value: "y", line: 4, column: 5 })
  })

  it("may be empty", () => {
    assert.strictEqual(read(""), null)
    assert.strictEqual(read("# nothing\n"), null)
  })

  it("repeats itself through anchors, within bounds", () => {
    assert.deepStrictEqual(read("a: &x { b: 1 }\nc: *x"), { a: { b: 1 }, c: { b: 1 } })
    const laughs = Array.from({ length: 20 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(10)}]`)
    assert.deepStrictEqual(
      faults(["l0: &l0 [ha]", ...laughs].join("\n")).map((it) => it.slice(0, 8)),
      ["NVC-1013"]
    )
    assert.deepStrictEqual(faults("a: &x [*x]").length, 1)
  })

  it("cannot lead the parser deeper than it can go", () => {
    assert.deepStrictEqual(faults("[".repeat(500_000)), ["NVC-1013 1:1"])
    assert.deepStrictEqual(
      faults(Array.from({ length: 70 }, (_, i) => `${" ".repeat(i)}a:\n`).join("")).map((it) => it.slice(0, 8)),
      ["NVC-1013"]
    )
    assert.isAbove(faults(`a: ${"- ".repeat(30_000)}`).length, 0)
  })

  it("may have brackets in texts and comments, as many as it likes", () => {
    const lines = Array.from({ length: 70 }, (_, i) => `# [0, ${i})\nk${i}: "[0, 10)"\nl${i}: a[ {b\nm${i}: |\n  [{\n`)
    assert.strictEqual(Object.keys(read(lines.join("")) as object).length, 210)
    assert.deepStrictEqual(faults(`${lines.join("")}n: ${"[".repeat(65)}${"]".repeat(65)}`), ["NVC-1013 1:1"])
  })

  it("says each key that stands there twice", () => {
    assert.deepStrictEqual(faults("a: 1\nb: { x: 1, x: 2 }\na: 3\na: 4\nc: &c { y: 1, y: 2 }\nd: *c"), [
      "NVC-1002 2:12",
      "NVC-1002 3:1",
      "NVC-1002 4:1",
      "NVC-1002 5:15"
    ])
  })

  it("may have a great many keys", () => {
    // To compare each with all before it would take minutes.
    const text = Array.from({ length: 90_000 }, (_, i) => `k${i}:\n`).join("")
    assert.strictEqual(Object.keys(read(text) as object).length, 90_000)
  })

  it("is UTF-8, and nothing else is guessed", () => {
    const utf8 = (text: string) => Document.read(new TextEncoder().encode(text))
    assert.strictEqual(utf8("\uFEFFa: caf\u00e9 \uFFFD")._tag, "Parsed")
    const refused = [
      [Buffer.from("a: 1\nb: caf\u00e9", "latin1"), "2:7"],
      [Buffer.from("\uFEFFa: 1", "utf16le"), "1:1"]
    ] as const
    for (const [bytes, place] of refused) {
      const parsed = Document.read(bytes)
      const found = parsed._tag === "Faulty" ? parsed.faults.map((it) => `${it.line}:${it.column}`) : []
      assert.deepStrictEqual(found, [place])
    }
  })

  it.each([
    ["a key twice", "a: 1\nb: 2\na: 3", "NVC-1002 3:1"],
    ["the same in JSON", '{"a": 1, "a": 2}', "NVC-1002 1:10"],
    ["an alias before its anchor", "a: *b\nc: &b 1", "NVC-1002 1:4"],
    ["an open quote", 'a: "x\nb: 1', "NVC-1002 2:5"],
    ["an open bracket", "a: [1, 2", "NVC-1002 1:9"],
    ["tabs", "a:\n\tb: 1", "NVC-1002 2:1"],
    ["two documents", "a: 1\n---\nb: 1", "NVC-1002 2:1"],
    ["an unknown alias", "a: *b", "NVC-1002 1:4"],
    ["a tag", "a: !!js/function 1", "NVC-1002 1:4"]
  ])("is refused with a place for %s", (_, text, place) => {
    assert.include(faults(text), place)
  })

  it("never fails in another way, whatever stands in it", () => {
    const scraps = fc.constantFrom(
      "a",
      ":",
      " ",
      "\n",
      "- ",
      "[",
      "]",
      "{",
      "}",
      '"',
      "'",
      "&x ",
      "*x",
      "|",
      ">",
      "!",
      "#",
      "\t",
      "? ",
      "%",
      "---\n",
      "<<"
    )
    fc.assert(
      fc.property(fc.array(scraps, { maxLength: 40 }), (parts) => {
        const parsed = Document.parse(parts.join(""))
        if (parsed._tag === "Faulty") assert.isAbove(parsed.faults.length, 0)
      }),
      { numRuns: 1000 }
    )
  })
})
