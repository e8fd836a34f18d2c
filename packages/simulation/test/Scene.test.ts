import { assert, describe, it } from "@effect/vitest"
import { Manifest, Plan, Progress } from "@novacron/boot/model"
import { Result } from "effect"
import * as Agenda from "../src/Agenda.ts"
import * as Odds from "../src/Odds.ts"
import * as Scene from "../src/Scene.ts"

const plan = Result.getOrThrow(Plan.make([Manifest.make({ name: "a" }), Manifest.make({ name: "b" })]))
const make = (odds: Odds.Odds = Odds.none, ...spared: ReadonlyArray<string>) =>
  Scene.make(plan, Progress.defaultLimits, odds, new Set(spared))
const draws = (scene: Scene.Scene, i: number) => Array.from({ length: 5 }, () => Scene.draw(scene, i))

describe("Scene", () => {
  it("is set up anew for each boot, whatever was left on it", () => {
    const scene = make()
    Scene.clear(scene, 1, undefined)
    Progress.advance(scene.state, { _tag: "Begin", atMs: 5 }, scene.out)
    Scene.schedule(scene, 0, Scene.Next.close, 9)
    scene.hold[0] = Scene.Hold.up
    Scene.breaks(scene, 0, 0, "It is broken.")
    Scene.clear(scene, 1, undefined)
    Scene.clear(scene, 1, undefined)
    assert.isUndefined(scene.violation)
    assert.strictEqual(scene.hold[0], Scene.Hold.nothing)
    assert.strictEqual(Agenda.first(scene.agenda), -1)
    assert.deepStrictEqual(scene.state, Progress.make(plan, Progress.defaultLimits))
  })

  it("gives every component a chance of its own, by seed", () => {
    const scene = make()
    Scene.clear(scene, 1, undefined)
    const [a, b, all] = [draws(scene, 0), draws(scene, 1), draws(scene, Scene.nobody(scene))]
    assert.strictEqual(new Set([...a, ...b, ...all]).size, 15)
    Scene.clear(scene, 1, undefined)
    assert.deepStrictEqual(draws(scene, 1), b)
    Scene.clear(scene, 2, undefined)
    assert.notDeepEqual(draws(scene, 1), b)
  })

  it("lets faults occur as often as they are to, and none to whom is spared or when they have stopped", () => {
    const scene = make(Odds.usual, "b")
    Scene.clear(scene, 1, undefined)
    const times = (i: number) => Array.from({ length: 1_000 }, () => Scene.occurs(scene, i, 0.3)).filter(Boolean).length
    assert.closeTo(times(0), 300, 60)
    assert.strictEqual(times(1), 0)
    scene.calm = true
    assert.strictEqual(times(0), 0)
  })

  it("keeps the first broken promise, and who broke it", () => {
    const scene = make()
    Scene.clear(scene, 1, undefined)
    scene.atMs = 7
    Scene.breaks(scene, 2, 1, "It is there twice.")
    Scene.breaks(scene, 6, Scene.nobody(scene), "It is late.")
    assert.include(scene.violation, { invariant: 2, component: "b", message: "b: It is there twice.", atMs: 7 })
  })
})
