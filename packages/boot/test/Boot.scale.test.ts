import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit } from "effect"
import * as Boot from "../src/Boot.ts"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Component from "../src/Component.ts"
import { Critical } from "../src/Severity.ts"

class Node extends Context.Service<Node, number>()("test/Node") {}

const key = (i: number): Context.Key<Node, number> => Context.Service<Node, number>(`n${i}`)

/** Components that come up at once; `needsOf` says which earlier ones they need. */
const graph = (size: number, needsOf: (i: number) => ReadonlyArray<number>, bad = -1) => {
  const open = new Set<number>()
  const components = Array.from({ length: size }, (_, i) =>
    Component.make(key(i), {
      name: `n${i}`,
      needs: needsOf(i).map(key),
      start: Effect.acquireRelease(
        Effect.suspend(() => (i === bad ? Effect.fail("broken") : Effect.succeed(open.add(i).size))),
        () => Effect.sync(() => void open.delete(i))
      ),
      health: () => Effect.void
    })
  )
  return { components, open }
}

const chain = (i: number): ReadonlyArray<number> => (i === 0 ? [] : [i - 1])
/** Up to three of the last hundred, the same ones each time. */
const dag = (i: number): ReadonlyArray<number> =>
  i === 0 ? [] : [...new Set([1, 7, 31].map((step) => i - 1 - ((i * step) % Math.min(i, 100))))]

const shapes = { chain, dag, "flat list": () => [] }
const size = 10_000

describe("ten thousand components", () => {
  for (const [shape, needsOf] of Object.entries(shapes)) {
    it.live(`in a ${shape} boot and stop, without a stack that grows with them`, () =>
      Effect.gen(function* () {
        const { components, open } = graph(size, needsOf)
        const counts = new Map<string, number>()
        const observe = ({ _tag }: BootEvent) => void counts.set(_tag, (counts.get(_tag) ?? 0) + 1)
        const options = { checked: true, observe, deadline: "5 minutes", restoration: "off" } as const
        const most = yield* Effect.scoped(Effect.map(Boot.make(components, options), () => open.size))
        assert.strictEqual(most, size)
        assert.strictEqual(open.size, 0)
        assert.strictEqual(counts.get("ComponentReady"), size)
        assert.strictEqual(counts.get("ComponentStopped"), size)
      })
    )
  }

  it.live("roll back when the last one fails", () =>
    Effect.gen(function* () {
      const { components, open } = graph(size, chain, size - 1)
      const exit = yield* Effect.exit(Effect.scoped(Boot.make(components, { deadline: "5 minutes" })))
      assert.deepStrictEqual(exit, Exit.fail(new Critical({ component: `n${size - 1}`, cause: "broken" })))
      assert.strictEqual(open.size, 0)
    })
  )

  it("need no more than 96 MB of heap, and not one open file, twice in a process that is given little", () => {
    const script = fileURLToPath(new URL("./fixtures/tenThousand.ts", import.meta.url))
    // 48 files are what Node itself opens to begin, and a few.
    const command = `ulimit -n 48; exec "$0" --max-old-space-size=96 "$1" 2`
    const said = execFileSync("sh", ["-c", command, process.execPath, script], { encoding: "utf8" })
    const { moreOpen, peakMb, up } = JSON.parse(said)
    assert.strictEqual(up, 2 * size)
    assert.strictEqual(moreOpen, 0)
    assert.isBelow(peakMb, 350)
  }, 120_000)
})
