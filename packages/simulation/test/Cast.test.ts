import { assert, describe, it } from "@effect/vitest"
import { Manifest, Plan, Progress } from "@novacron/boot/model"
import { Result } from "effect"
import * as Agenda from "../src/Agenda.ts"
import * as Cast from "../src/Cast.ts"
import * as Odds from "../src/Odds.ts"
import * as Scene from "../src/Scene.ts"

const [database, api] = [0, 1]
const plan = Result.getOrThrow(
  Plan.make([Manifest.make({ name: "a-database" }), Manifest.make({ name: "b-api", needs: ["a-database"] })])
)

const sceneOf = (odds: Partial<Odds.Odds> = {}): Scene.Scene => {
  const scene = Scene.make(plan, { ...Progress.defaultLimits, slots: 1 }, { ...Odds.none, ...odds }, new Set())
  Scene.clear(scene, 1, undefined)
  return scene
}

const start = (component: number): Progress.Command => ({ _tag: "Start", component, variant: 0, attempt: 1 })

/** What is told, in words, until nothing is left on the agenda. */
const play = (scene: Scene.Scene): ReadonlyArray<string> => {
  const told: Array<string> = []
  for (let slot = Agenda.first(scene.agenda); slot >= 0; slot = Agenda.first(scene.agenda)) {
    scene.atMs = Agenda.dueMs(scene.agenda, slot)
    const input = Cast.happen(scene, slot)
    if (input === undefined) continue
    told.push("closing" in input ? `${input._tag} ${input.closing}` : input._tag)
  }
  return told
}

const playing = (odds: Partial<Odds.Odds>, ...commands: ReadonlyArray<Progress.Command>): ReadonlyArray<string> => {
  const scene = sceneOf(odds)
  for (const command of commands) Cast.execute(scene, command)
  const told = play(scene)
  assert.isUndefined(scene.violation)
  return told
}

describe("Cast", () => {
  it("answers a start as its fate wants it", () => {
    assert.deepStrictEqual(playing({}, start(database)), ["Acquired", "Healthy"])
    assert.deepStrictEqual(playing({ error: 1 }, start(database)), ["Failed", "Closed clean"])
    assert.deepStrictEqual(playing({ unhealthy: 1 }, start(database)), ["Acquired", "Failed", "Closed clean"])
    assert.deepStrictEqual(playing({ slow: 1 }, start(database)), ["Acquired", "Healthy"])
    for (const fate of ["defect", "interruption"] as const) {
      assert.include(
        ["Acquired,Failed,Closed clean", "Failed,Closed clean"],
        playing({ [fate]: 1 }, start(database)).join()
      )
    }
    assert.include(["", "Acquired"], playing({ hang: 1 }, start(database)).join())
  })

  it("ends an interrupted attempt with its reason, unless it is deaf", () => {
    const late = {
      scope: "attempt",
      afterMs: 10,
      failure: { kind: "timeout", tag: "TimedOut", message: "late", severity: "critical" }
    } as const
    const stop = (late: Progress.Late | undefined): Progress.Command => ({
      _tag: "Interrupt",
      component: database,
      late
    })
    assert.deepStrictEqual(playing({ hang: 1 }, start(database), stop(undefined)).slice(-1), ["Closed clean"])
    assert.deepStrictEqual(playing({ hang: 1 }, start(database), stop(late)).slice(-2), ["Failed", "Closed clean"])
    assert.deepStrictEqual(playing({ hang: 1, deaf: 1 }, start(database), stop(late)), [])
  })

  it("closes in every way there is", () => {
    const closed = (odds: Partial<Odds.Odds>) => {
      const scene = sceneOf(odds)
      Cast.execute(scene, start(database))
      play(scene)
      Cast.execute(scene, { _tag: "Release", component: database })
      return play(scene).join()
    }
    assert.strictEqual(closed({}), "Closed clean")
    assert.strictEqual(closed({ closeFails: 1 }), "Closed failed")
    assert.strictEqual(closed({ closeHangs: 1 }), "")
  })

  it("swaps, or fails to", () => {
    const swap = (odds: Partial<Odds.Odds>) => {
      const scene = sceneOf(odds)
      Cast.execute(scene, start(database))
      play(scene)
      Cast.execute(scene, { _tag: "Swap", component: database, variant: 0 })
      return play(scene).join()
    }
    assert.strictEqual(swap({}), "Swapped clean")
    assert.strictEqual(swap({ swapFails: 1 }), "SwapFailed")
  })

  it("refuses what cannot be carried out", () => {
    const refused = (...commands: ReadonlyArray<Progress.Command>) => {
      const scene = sceneOf()
      for (const command of commands) {
        Cast.execute(scene, command)
        if (command._tag === "Start" && scene.attempts === 1) play(scene)
      }
      return scene.violation?.message
    }
    assert.include(refused(start(database), start(database)), "it is there already")
    assert.include(refused({ _tag: "Release", component: database }), "it is not up")
    assert.include(refused(start(database), start(api), { _tag: "Release", component: database }), "others hold it")
    assert.include(refused({ _tag: "Interrupt", component: api, late: undefined }), "it has no attempt")
    assert.include(refused({ _tag: "Abandon", component: api }), "it is not there")
    assert.include(refused({ _tag: "Swap", component: api, variant: 0 }), "it is not up")
    assert.include(refused(start(database), { _tag: "End" }), "it is still there")
    assert.isUndefined(refused(start(database)))
  })

  it("counts slots by itself", () => {
    const scene = sceneOf()
    Cast.execute(scene, start(database))
    Cast.execute(scene, start(api))
    assert.include(scene.violation?.message, "attempt 2 at the same time")
  })
})
