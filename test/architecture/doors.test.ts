/**
 * The example at the front door of a package is a program of `examples/doors`, which is checked with everything else. It
 * stands at the door as it is there, and in what the archive of the package has to be read; it prints what its comments
 * promise.
 */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import { files, packages as published, read, root } from "./Workspace.ts"

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
    assert.include(read(`packages/${name}/README.md`), `\`\`\`ts\n${program}\`\`\`\n`)
    const promised = [...program.matchAll(/\/\/ => (.*)$/gm)].map(([, said]) => said)
    assert.isNotEmpty(promised)
    const run = spawnSync(process.execPath, [file], { cwd: root, encoding: "utf8" })
    assert.strictEqual(run.status, 0, run.stderr)
    assert.deepStrictEqual(run.stdout.trim().split("\n"), promised)
  })
})

describe("what the archive of a package has to be read", () => {
  it.each(published.map(({ folder }) => folder))("begins with what %s is, and says where that is kept", (folder) => {
    const { description, name, repository }: Manifest = JSON.parse(read(`packages/${folder}/package.json`))
    const readme = read(`packages/${folder}/README.md`)
    assert.strictEqual(readme.slice(0, readme.indexOf("\n\n", name.length + 5)), `# ${name}\n\n${description}`)
    // What its links begin at: registries resolve them by it.
    assert.strictEqual(repository.directory, `packages/${folder}`)
  })
})

interface Manifest {
  readonly name: string
  readonly description: string
  readonly repository: { readonly directory: string }
}
