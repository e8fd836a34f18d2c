import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Driver, type Run } from "../../src/orchestration/Driver.ts"
import * as Drivers from "../../src/orchestration/Drivers.ts"
import { settingsOf } from "./fixtures/nodes.ts"

const run = (submission: Omit<Run["submission"], "name">): Run => ({
  task: "a-task",
  attempt: 1,
  submission: { name: "a", ...submission },
  print: () => undefined,
  skip: () => undefined
})

describe("Drivers", () => {
  it.live("hands each task to the driver that it names, and says what limits all of them", () =>
    Effect.gen(function* () {
      const layer = Drivers.layer(settingsOf({ vm: { program: "/no/such/qemu" } }), "node-1", process)
      const { labels, limits, start } = Context.get(yield* Layer.build(layer), Driver)
      const program = yield* start(run({ run: { driver: "process", command: ["/bin/true"] } }))
      assert.deepStrictEqual(yield* program.ended, { exitCode: 0, signal: null })
      const demand = { cpu: 1, memory: 64 }
      const refused = yield* Effect.flip(start(run({ run: { driver: "vm", kernel: "/a/kernel" }, demand })))
      assert.match(refused.message, /^qemu-system-x86_64 cannot be started/)
      assert.match(limits, /^Memory is limited .* no virtual machines here\.$/)
      assert.deepStrictEqual(labels, {})
    })
  )
})
