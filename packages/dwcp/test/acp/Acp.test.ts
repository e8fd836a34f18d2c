import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Acp, Tcp } from "../../src/acp/index.ts"
import { pair } from "./fixtures/pair.ts"

const tuned = Tcp.open()._tag === "Available"

describe("Acp", () => {
  it.effect.skipIf(!tuned)("asks for dctcp in a datacenter, and reports what it got instead", () =>
    Effect.gen(function* () {
      const acp = yield* Acp
      const { client } = yield* pair
      const report = yield* acp.apply(client, "datacenter")
      assert.strictEqual(report.requested, "dctcp")
      assert.notStrictEqual(report.effective, "unavailable")
      if (report.effective !== "dctcp") assert.include(report.because ?? "", "dctcp")
      assert.isDefined(yield* acp.look(client))
    }).pipe(Effect.provide(Acp.layer))
  )

  it.effect.skipIf(!tuned)("leaves a socket as it is when nobody has the named control", () =>
    Effect.gen(function* () {
      const acp = yield* Acp
      const { client } = yield* pair
      const before = (yield* acp.apply(client, "internet", "cubic")).effective
      assert.strictEqual(before, "cubic")
      const report = yield* acp.apply(client, "internet", "nosuch")
      assert.strictEqual(report.effective, "cubic")
      assert.include(report.because ?? "", "nosuch")
    }).pipe(Effect.provide(Acp.layer))
  )

  it.effect("says so where nothing can be tuned", () =>
    Effect.gen(function* () {
      const acp = yield* Acp
      const { client } = yield* pair
      assert.strictEqual((yield* acp.apply(client, "internet")).effective, "unavailable")
      assert.isUndefined(yield* acp.look(client))
    }).pipe(Effect.provide(Acp.layerUntuned("no privileges")))
  )
})
