import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, HashMap, Option, SubscriptionRef } from "effect"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Report from "../src/Report.ts"
import type * as Status from "../src/Status.ts"
import { Views } from "../src/Views.ts"

const events: ReadonlyArray<BootEvent> = [
  {
    _tag: "BootStarted",
    atMs: 0,
    version: 1,
    bootId: "b",
    nodeId: "n",
    environment: "development",
    configVersion: "",
    startedAt: 0,
    concurrency: 1,
    worstCaseMs: 1,
    components: [{ name: "cache", phase: "core", severity: "critical", needs: [], fallbacks: [] }]
  },
  { _tag: "CheckpointReached", atMs: 0, checkpoint: "init_start" },
  { _tag: "ComponentStarted", atMs: 0, component: "cache", variant: 0, attempt: 1 },
  { _tag: "ComponentReady", atMs: 5, component: "cache" }
]

/** Views, and the tasks that they leave for the end of the turn. */
const make = () => {
  const tasks: Array<() => void> = []
  const dispatcher = { scheduleTask: (task: () => void) => void tasks.push(task), flush: () => undefined }
  return { views: new Views(Context.empty(), dispatcher), tasks }
}

const stateOf = (status: Status.Status) => Option.map(HashMap.get(status.components, "cache"), ({ state }) => state)

describe("Views", () => {
  it("report what a fold of all events would, whenever they are asked", () => {
    const { views } = make()
    events.forEach((event, k) => {
      views.tell(event)
      assert.deepStrictEqual(views.report(), Report.fromEvents(events.slice(0, k + 1)))
    })
  })

  it.effect("know the status from the beginning, though nobody asked before", () =>
    Effect.gen(function* () {
      const { views } = make()
      for (const event of events) views.tell(event)
      const ref = yield* views.status
      assert.deepStrictEqual(stateOf(SubscriptionRef.getUnsafe(ref)), Option.some("ready"))
      assert.strictEqual(yield* views.status, ref)
    })
  )

  it.effect("publish a status at the end of a turn, once for all that happened in it", () =>
    Effect.gen(function* () {
      const { tasks, views } = make()
      const ref = yield* views.status
      for (const event of events) {
        views.tell(event)
        views.publishSoon()
      }
      assert.deepStrictEqual(stateOf(SubscriptionRef.getUnsafe(ref)), Option.none())
      assert.strictEqual(tasks.length, 1)
      tasks[0]!()
      assert.deepStrictEqual(stateOf(SubscriptionRef.getUnsafe(ref)), Option.some("ready"))
    })
  )

  it("leave nothing to do as long as nobody looks", () => {
    const { tasks, views } = make()
    for (const event of events) {
      views.tell(event)
      views.publishSoon()
    }
    assert.strictEqual(tasks.length, 0)
  })

  it.effect("forget no event when too many wait", () =>
    Effect.gen(function* () {
      const { views } = make()
      const many = [...events, ...Array.from({ length: 70_000 }, () => events[1]!)]
      for (const event of many) views.tell(event)
      views.publishSoon()
      assert.deepStrictEqual(views.report(), Report.fromEvents(many))
      assert.deepStrictEqual(stateOf(SubscriptionRef.getUnsafe(yield* views.status)), Option.some("ready"))
    })
  )
})
