import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { BootEvent } from "@novacron/boot/model"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as BootLines from "../src/BootLines.ts"
import * as Expected from "../src/Expected.ts"
import { boot, directory, fileAt, journal } from "./trace/fixtures/journals.ts"

const start = 1_790_000_000_000

/** A directory with boots in which the database took about two seconds. */
const lessons = () => {
  const room = directory()
  for (const [k, databaseMs] of [1_900, 2_000, 2_000, 2_100].entries()) {
    room.put(fileAt(start + k), journal(boot({ bootId: `before-${k}`, databaseMs })))
  }
  return room
}

/** Looks at a boot of which so much happens, and what is said by and by. */
const watched = (
  journals: string,
  events: ReadonlyArray<BootEvent.BootEvent>,
  forMs: number
): Effect.Effect<ReadonlyArray<Expected.Remark>> =>
  Effect.gen(function* () {
    const said: Array<Expected.Remark> = []
    const expected = Expected.make(journals, (remark) => void said.push(remark))
    const fiber = yield* Effect.forkChild(expected.watch)
    for (let nowMs = 0; nowMs <= forMs; nowMs += 50) {
      for (const event of events) if (event.atMs > nowMs - 50 && event.atMs <= nowMs) expected.step(event)
      yield* TestClock.adjust("50 millis")
    }
    yield* Fiber.interrupt(fiber)
    return said
  })

describe("what a boot is expected to take", () => {
  it.effect("is said of one that goes on for more than a second", () =>
    Effect.gen(function* () {
      using room = lessons()
      const said = yield* watched(room.path, boot({ databaseMs: 2_000 }), 2_500)
      assert.deepStrictEqual(
        said.map(({ event }) => event),
        ["BootExpected"]
      )
      const expected = Number(said[0]?.facts["expected_ms"])
      assert.isAbove(expected, 1_990)
      assert.isBelow(expected, 2_200)
      assert.match(said[0]?.text ?? "", /^expected up after 2\.0\d? s, after 2\.\d+ s if it takes long$/)
    })
  )

  it.effect("says at least how long, where it knows nothing of who is still to come", () =>
    Effect.gen(function* () {
      using room = lessons()
      const names = ["security", "vault", "cache", "api"] as const
      const [remark] = yield* watched(room.path, boot({ databaseMs: 9_000, names }), 1_500)
      assert.match(remark?.text ?? "", /^expected up after more than 1\.\d+ s: nothing is known of vault$/)
      assert.deepStrictEqual(remark?.facts["unknown"], ["vault"])
    })
  )

  it.effect("names who is three deviations late while still at work, once, and what follows for the whole", () =>
    Effect.gen(function* () {
      using room = lessons()
      const said = yield* watched(room.path, boot({ databaseMs: 60_000 }), 6_000)
      const [first, late, ...others] = said
      assert.strictEqual(first?.event, "BootExpected")
      assert.deepInclude(late, { event: "ComponentLate", component: "database" })
      assert.deepStrictEqual(others, [])
      assert.isAtLeast(late?.atMs ?? 0, 2_600)
      assert.isBelow(late?.atMs ?? Infinity, 3_200)
      assert.isAtLeast(Number(late?.facts["deviations"]), 3)
      assert.match(late?.text ?? "", /^late: at work for \S+ s, usually 2\.0 s; now expected up after/)
    })
  )

  it.effect("is not said of one that is up within a second, of one nobody can compare, or of one that has failed", () =>
    Effect.gen(function* () {
      using room = lessons()
      using none = directory()
      none.put("1.journal", "rubbish")
      assert.deepStrictEqual(yield* watched(room.path, boot({ databaseMs: 100 }), 4_000), [])
      assert.deepStrictEqual(yield* watched(none.path, boot({ databaseMs: 9_000 }), 4_000), [])
      assert.deepStrictEqual(yield* watched(join(room.path, "missing"), boot({ databaseMs: 9_000 }), 4_000), [])
      const down: BootEvent.BootEvent = {
        _tag: "RollbackStarted",
        atMs: 500,
        why: "cancelled",
        because: "SIGTERM",
        budgetMs: 1_000
      }
      const cancelled = [...boot({ databaseMs: 9_000 }).filter(({ atMs }) => atMs < 500), down]
      assert.deepStrictEqual(yield* watched(room.path, cancelled, 4_000), [])
    })
  )

  it.effect("learns from the latest twenty boots, and not from the one that is under way", () =>
    Effect.gen(function* () {
      using room = lessons()
      for (let k = 0; k < 20; k++) {
        room.put(fileAt(start + 10 + k), journal(boot({ bootId: `later-${k}`, databaseMs: 500 })))
      }
      writeFileSync(join(room.path, fileAt(start + 40)), journal(boot({ bootId: "now", databaseMs: 70_000 })))
      const durations = yield* Expected.learn(room.path, "now")
      assert.deepInclude(durations.get("database"), { samples: 20, p50Ms: 500 })
    })
  )

  it("has a line of its own between those of the events", () => {
    const lines = BootLines.make("json")
    for (const event of boot().slice(0, 1)) lines.json(event)
    const late: Expected.Remark = {
      event: "ComponentLate",
      atMs: 2_500,
      component: "da\u001b[31mtabase",
      text: "late: at work for 3 s",
      facts: { deviations: 4 }
    }
    const json = lines.remark.json(late)
    assert.deepInclude(json, { event: "ComponentLate", level: "warn", boot_id: "boot-0001", node_id: "node-a" })
    assert.deepStrictEqual(json.facts, { at_ms: 2_500, deviations: 4 })
    const pretty = BootLines.make("plain").remark.pretty(late)
    assert.match(pretty, /^ {3}2\.500s {2}· {2}/)
    assert.notInclude(`${pretty}${json.message}`, "\u001b")
  })
})
