import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Manifest, Plan, Progress } from "@novacron/boot/model"
import { Result } from "effect"
import * as Graphs from "../src/Graphs.ts"
import * as Odds from "../src/Odds.ts"
import * as World from "../src/World.ts"

const plan = Result.getOrThrow(Plan.make(Graphs.reference, { durationsMs: Graphs.referenceMs }))

describe("World", () => {
  it("speed", () => {
    for (let round = 0; round < 3; round++) {
    const world = World.make(plan, { ...Progress.defaultLimits, slots: 8 }, Odds.usual)
    const t = process.cpuUsage()
    for (let seed = 0; seed < 50000; seed++) World.boot(world, seed)
    const u = process.cpuUsage(t)
    console.log(50000e6 / (u.user + u.system))
    }
  })
})
