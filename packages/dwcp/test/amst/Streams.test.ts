import { assert, describe, it } from "@effect/vitest"
import * as Streams from "../../src/amst/Streams.ts"

describe("Streams", () => {
  it("dial again at once after the first failure, then less and less often, and at least each second", () => {
    const waits = Array.from({ length: 12 }, (_, failures) => Streams.backoffMillis(failures))
    assert.strictEqual(waits[0], 0)
    assert.isTrue(waits.every((wait, k) => k === 0 || wait >= waits[k - 1]!))
    assert.strictEqual(Math.max(...waits), 1_000)
  })
})
