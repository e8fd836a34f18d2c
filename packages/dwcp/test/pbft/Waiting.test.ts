import { assert, describe, it } from "@effect/vitest"
import { remembered } from "../../src/pbft/Execution.ts"
import * as Waiting from "../../src/pbft/Waiting.ts"
import * as Real from "./fixtures/real.ts"

describe("Waiting", () => {
  it("keeps requests in the order they came, each once", () => {
    const waiting = Waiting.make()
    const [a, b] = [Real.request(2, "a"), Real.request(1, "b")]
    assert.isTrue(waiting.add(a))
    assert.isTrue(waiting.add(b))
    assert.isFalse(waiting.add(a))
    assert.deepStrictEqual([...waiting.all()], [a, b])
    waiting.remove(a)
    waiting.remove(a)
    assert.deepStrictEqual([...waiting.all()], [b])
  })

  it("knows a request by all that is in it", () => {
    const waiting = Waiting.make()
    const a = Real.request(2, "a")
    waiting.add(a)
    assert.isTrue(waiting.knows({ ...a }))
    assert.isFalse(waiting.knows(Real.request(2, "b")))
    assert.isFalse(waiting.knows({ ...a, signature: new Uint8Array(64) }))
    assert.isFalse(waiting.knows({ ...a, body: { ...a.body, operations: [...a.body.operations, new Uint8Array(0)] } }))
  })

  it("takes so many of a client and no more", () => {
    const waiting = Waiting.make()
    for (let k = 0; k < remembered + 5; k++) waiting.add(Real.request(k, "x"))
    assert.strictEqual(waiting.size(), remembered)
    waiting.remove(Real.request(0, "x"))
    assert.isTrue(waiting.add(Real.request(900, "x")))
  })
})
