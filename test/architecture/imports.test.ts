/** Imports point down only, and go through front doors. */
import { posix } from "node:path"
import { assert, describe, it } from "vitest"
import * as Workspace from "./Workspace.ts"

/** A package may import what has a lower rank. */
const ranks: { readonly [folder: string]: number } = {
  boot: 0,
  config: 0,
  api: 1,
  dwcp: 1,
  components: 2,
  dashboard: 2,
  simulation: 2,
  novacron: 3
}

const packageOfFile = (file: string): string | undefined => /^packages\/([^/]+)\//.exec(file)?.[1]

const packageOfSpecifier = (specifier: string): Workspace.Package | undefined =>
  Workspace.packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))

const relativeTarget = ({ file, specifier }: Workspace.Import): string | undefined =>
  specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined

const importsThat = (breakTheRule: (one: Workspace.Import) => boolean): ReadonlyArray<string> =>
  Workspace.imports.filter(breakTheRule).map(({ file, line, specifier }) => `${file}:${line}: ${specifier}`)

describe("imports", () => {
  it("are all found, whatever their form", () => {
    const text = [
      `/**`,
      ` * import { no } from "a-comment"`,
      ` * const no = await import("a-comment")`,
      ` */`,
      `import { a } from "one"`,
      `import type { B } from 'two'`,
      `import {`,
      `  c`,
      `} from "three"`,
      `import "four"`,
      `export * as d from "five"`,
      `export type { E } from "six"`,
      `export const f = 1`,
      `const g = await import("seven")`,
      `// await import("a-comment")`,
      `export const h = { from: "no-import" }`
    ].join("\n")
    const found = Workspace.importsOf("sample.ts", text)
    assert.deepStrictEqual(
      found.map(({ line, specifier }) => `${line} ${specifier}`),
      ["5 one", "6 two", "7 three", "10 four", "11 five", "12 six", "14 seven"]
    )
  })

  it("are there to be judged", () => {
    assert.include(
      Workspace.imports.map(({ specifier }) => specifier),
      "./Workspace.ts"
    )
    assert.isNotEmpty(Workspace.packages)
  })

  it("point to a lower rank only", () => {
    const upward = importsThat(({ file, specifier }) => {
      const from = packageOfFile(file)
      const to = packageOfSpecifier(specifier)?.folder
      if (from === undefined || to === undefined || from === to) return false
      return !((ranks[to] ?? Infinity) < (ranks[from] ?? -Infinity))
    })
    assert.deepStrictEqual(upward, [])
  })

  it("of another package go through one of its front doors", () => {
    const sideways = importsThat(({ specifier }) => packageOfSpecifier(specifier)?.doors.includes(specifier) === false)
    assert.deepStrictEqual(sideways, [])
  })

  it("of ours name a package that exists", () => {
    const inThisRepository = /^@novacron\/(?!benchmarks$)/
    const unknown = importsThat(
      ({ specifier }) => inThisRepository.test(specifier) && packageOfSpecifier(specifier) === undefined
    )
    assert.deepStrictEqual(unknown, [])
  })

  it("by path stay in their package, but for what tests and benchmarks borrow: fixtures and scripts", () => {
    const trespassing = importsThat((one) => {
      const target = relativeTarget(one)
      if (target === undefined || packageOfFile(target) === packageOfFile(one.file)) return false
      const isLent = /^scripts\/|(?:^|\/)test\/(?:.+\/)?fixtures\//.test(target)
      return !(isLent && /(?:^|\/)test\//.test(one.file))
    })
    assert.deepStrictEqual(trespassing, [])
  })

  it("by path never lead from what is shipped to its tests", () => {
    const backwards = importsThat(
      (one) => /^packages\/[^/]+\/src\//.test(one.file) && /\/test\//.test(relativeTarget(one) ?? "")
    )
    assert.deepStrictEqual(backwards, [])
  })

  it("of the kernel are Effect and one builtin", () => {
    const allowed = /^(?:\.|effect$|effect\/|node:zlib$)/
    const heavy = importsThat(
      ({ file, specifier }) => file.startsWith("packages/boot/src/") && !allowed.test(specifier)
    )
    assert.deepStrictEqual(heavy, [])
  })
})

describe("each package", () => {
  const folders = Workspace.packages.map(({ folder }) => folder)

  it("has a rank", () => {
    assert.deepStrictEqual(
      folders.filter((folder) => ranks[folder] === undefined),
      []
    )
  })

  for (const config of ["tsconfig.json", "tsconfig.test.json"]) {
    it(`is referenced by ${config}`, () => {
      const text = Workspace.read(config)
      assert.deepStrictEqual(
        folders.filter((folder) => !text.includes(`{ "path": "packages/${folder}" }`)),
        []
      )
    })
  }
})
