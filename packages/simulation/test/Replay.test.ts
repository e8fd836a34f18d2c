import { assert, describe, it } from "@effect/vitest"
import { Plan } from "@novacron/boot"
import { Result } from "effect"
import * as Fault from "../src/Fault.ts"
import * as Random from "../src/Random.ts"
import * as Replay from "../src/Replay.ts"
import * as Trial from "../src/Trial.ts"
import { app, settings } from "./fixtures/App.ts"
import { hoard } from "./fixtures/Careless.ts"

const replay: Replay.Replay = Replay.make(
  {
    seed: 3,
    fuzz: false,
    components: ["settings", "hoard"],
    faults: [],
    settings: { deadlineMs: 1000 },
    stopAfterMs: 0,
    cancelAtMs: 20
  },
  { promise: "nothing is left behind", message: "Fibers still sleep when all is over: 1.", atMs: 20 }
)

describe("Replay", () => {
  it("breaks the same promise again", () => {
    const { events, reproduced, violations } = Replay.run([settings, hoard], replay)
    assert.isTrue(reproduced)
    assert.strictEqual(violations[0]?.message, replay.violation.message)
    assert.isAbove(events.length, 5)
  })

  it("says when it does not any more", () => {
    const mended = { ...replay, case: { ...replay.case, cancelAtMs: null } }
    assert.isFalse(Replay.run([settings, hoard], mended).reproduced)
  })

  it("is refused without a component of its file, for then it would break nothing", () => {
    assert.throws(
      () => Replay.run([settings], replay),
      RangeError,
      /no component "hoard" any more\. There are: settings\./
    )
  })

  it("survives a file", () => {
    const random = Random.make(1)
    const manifests = app.map(({ manifest }) => manifest)
    for (let i = 0; i < 50; i++) {
      const faults = Fault.draw(random, manifests, { attempt: 1, kinds: Fault.kinds })
      const one: Replay.Replay = { ...replay, case: { ...replay.case, faults } }
      assert.deepStrictEqual(Result.getOrThrow(Replay.decode(Replay.encode(one))), one)
    }
  })

  it("refuses what is no replay, or one of another version", () => {
    assert.isTrue(Result.isFailure(Replay.decode("{")))
    assert.isTrue(Result.isFailure(Replay.decode("{}")))
    assert.isTrue(Result.isFailure(Replay.decode(JSON.stringify({ ...replay, version: 2 }))))
  })

  it("holds any log against the machine", () => {
    const plan = Result.getOrThrow(Plan.make(app.map(({ manifest }) => manifest)))
    const { events } = Trial.run(Trial.make(app), {
      ...replay.case,
      settings: {},
      components: plan.components.map(({ name }) => name)
    })
    assert.isUndefined(Replay.conforms(plan, undefined, events))
    assert.isDefined(Replay.conforms(plan, undefined, events.slice(0, -1)))
  })
})
