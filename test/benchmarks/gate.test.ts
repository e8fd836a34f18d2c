/** The gate of performance that every commit passes: what it holds is in `src/gate.ts`. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { inspect, promisify } from "node:util"
import { assert, describe, it } from "vitest"
import type { Figure } from "./Figure.ts"

const bench = join(import.meta.dirname, "../../scripts/bench.ts")
const node = join(import.meta.dirname, "../../node_modules/node/bin/node")

describe("the gate of performance", () => {
  it("meets all of its bars, and would say so by its exit code", async () => {
    // A bar that is missed ends it with 1, and this with its output.
    const { stdout } = await promisify(execFile)(node, [bench, "gate", "--json", "--check"])
    const { figures }: { readonly figures: ReadonlyArray<Figure> } = JSON.parse(stdout)
    assert.isAtLeast(figures.length, 4)
    assert.deepStrictEqual(
      figures.filter(({ ok }) => ok !== true),
      []
    )
  }, 120_000)

  it("is no benchmark without figures: one that is not there is refused", async () => {
    const failed = await promisify(execFile)(node, [bench, "gates", "--check"]).catch((error: unknown) => error)
    assert.deepInclude(failed, { code: 64 })
    assert.include(inspect(failed), 'Did you mean "gate"?')
  }, 60_000)
})
