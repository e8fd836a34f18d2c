import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Failures from "../../src/ass/Failures.ts"

const cause = new Error("cause")
const all = [
  new Failures.StoreUnreachable({ store: "etcd", cause }),
  new Failures.OutcomeUnknown({ store: "etcd", cause }),
  new Failures.StoreFull({ store: "etcd", cause }),
  new Failures.StoreRefused({ store: "etcd", reason: "certificate has expired", cause }),
  new Failures.NewerDocument({ from: "a", version: 9, known: 1 }),
  new Failures.DocumentDamaged({ from: "a", reason: "it is cut off", cause }),
  new Failures.EngineUnavailable({ engine: "gossip", reason: "there is no secret", cause })
]
const others = [
  new Failures.Conflict({ key: "k", expected: undefined, actual: 3n }),
  new Failures.NotPromised({ engine: "gossip", operation: "transaction", reason: "of this" }),
  new Failures.RequestRefused({ reason: "a key without a character" }),
  new Failures.ValueMalformed({ key: "k", cause })
]

describe("failures", () => {
  it("say what failed, what follows and what to do, in whole sentences", () => {
    for (const failure of [...all, ...others]) {
      assert.isAtLeast(failure.message.split(/[.:;] /).length, 2, failure.message)
      assert.match(failure.message, /^[A-Za-z].*\.$/s)
      assert.notInclude(failure.message, "undefined")
    }
  })

  it("that whoever is on call hears of have a code, each its own, with a runbook", () => {
    const codes = all.map(({ code }) => code)
    assert.strictEqual(new Set(codes).size, codes.length)
    for (const code of codes) {
      assert.isTrue(existsSync(join(import.meta.dirname, `../../../../docs/runbooks/${code}.md`)), code)
    }
  })

  it("keep what they came of, beside the sentence", () => {
    for (const failure of all) {
      if (failure._tag === "NewerDocument") continue
      assert.strictEqual(failure.cause, cause)
      assert.notInclude(failure.message, "cause:")
    }
  })

  it("of a conflict say what was expected and what is", () => {
    assert.include(others[0]?.message, "was to be absent and is version 3")
  })
})
