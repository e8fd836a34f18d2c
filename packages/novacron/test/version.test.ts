import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { version } from "../src/version.ts"

it("the version is the one of the package", () => {
  const text = readFileSync(join(import.meta.dirname, "../package.json"), "utf8")
  assert.strictEqual(JSON.parse(text).version, version)
})
