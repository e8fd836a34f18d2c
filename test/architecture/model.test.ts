/** `@novacron/boot/model` is pure: a browser can have it, without Node and without the half of the kernel that acts. */
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { assert, beforeAll, describe, it } from "vitest"
import * as Workspace from "./Workspace.ts"

/** The modules that act. */
const effects = [
  "Backlog.ts",
  "Boot.ts",
  "Bulkhead.ts",
  "CircuitBreaker.ts",
  "Component.ts",
  "Health.ts",
  "Journal.ts",
  "JournalLines.ts",
  "Live.ts",
  "Supervisor.ts"
]

const bundleModel = () =>
  build({
    stdin: { contents: `export * from "@novacron/boot/model"`, resolveDir: Workspace.root },
    bundle: true,
    platform: "browser",
    format: "esm",
    minify: true,
    metafile: true,
    write: false,
    logLevel: "silent"
  })

describe("@novacron/boot/model", () => {
  let inputs: Awaited<ReturnType<typeof bundleModel>>["metafile"]["inputs"]
  let ours: ReadonlyArray<string>
  let code: Uint8Array

  // A builtin of Node in the bundle ends here: esbuild cannot resolve it for a browser.
  beforeAll(async () => {
    const bundle = await bundleModel()
    inputs = bundle.metafile.inputs
    ours = Object.keys(inputs).filter((file) => /(?:^|\/)packages\//.test(file))
    code = bundle.outputFiles[0]?.contents ?? new Uint8Array()
  })

  it("bundles for a browser with no import left open", () => {
    assert.isAbove(code.length, 0)
    const open = Object.values(inputs).flatMap((input) => input.imports.filter(({ external }) => external === true))
    assert.deepStrictEqual(open, [])
  })

  it("holds no module that acts", () => {
    const inBoot = ours.map((file) => /(?:^|\/)packages\/boot\/src\/(.+)$/.exec(file)?.[1] ?? file)
    assert.include(inBoot, "model.ts")
    assert.deepStrictEqual(
      inBoot.filter((file) => effects.includes(file) || file.startsWith("packages/")),
      []
    )
  })

  it("says what it weighs", () => {
    const kilo = (bytes: Uint8Array): string => `${(bytes.length / 1000).toFixed(1)} kB`
    console.log(`@novacron/boot/model: ${ours.length} modules, ${kilo(code)}, ${kilo(gzipSync(code))} gzip`)
    assert.isAbove(code.length, 0)
  })
})
