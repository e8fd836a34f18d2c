import type { Tasks } from "@novacron/api"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Feed from "../../src/api/Feed.ts"

const taskOf = (id: number, version: number): Tasks.Task => ({
  id: `task-${id}`,
  name: "a-task",
  group: null,
  state: "running",
  version,
  submission: { name: "a-task", run: { driver: "process", command: ["true"] } },
  submittedBy: "a test",
  createdAt: "2026-11-22T21:00:00.000Z",
  updatedAt: "2026-11-22T21:00:00.000Z",
  placement: null,
  attempts: []
})

/** A reader that takes so many, and then none until it is told to. */
const readerOf = (room: number) => {
  const seen: Array<Feed.Message> = []
  const state = { room }
  return {
    seen,
    state,
    take: (message: Feed.Message): boolean => {
      if (state.room === 0) return false
      state.room--
      seen.push(message)
      return true
    }
  }
}

describe("Feed", () => {
  it("ends with the last version of each task, however slow the reader, and never goes back", () => {
    const changes = fc.array(fc.nat(4), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(changes, fc.array(fc.nat(5), { maxLength: 20 }), (all, rooms) => {
        const feed = Feed.make({ history: 100 })
        const reader = readerOf(2)
        const subscription = feed.subscribe(reader)
        const versions = new Map<number, number>()
        const pauses = [...rooms]
        for (const id of all) {
          const version = (versions.get(id) ?? 0) + 1
          versions.set(id, version)
          feed.task(taskOf(id, version))
          if (reader.state.room === 0) {
            reader.state.room = pauses.pop() ?? 0
            if (reader.state.room > 0) subscription.resume()
          }
        }
        reader.state.room = Infinity
        subscription.resume()
        const seen = new Map<string, number>()
        for (const { task } of reader.seen) {
          if (task === undefined) continue
          assert.isAbove(task.version, seen.get(task.id) ?? 0)
          seen.set(task.id, task.version)
        }
        for (const [id, version] of versions) assert.strictEqual(seen.get(`task-${id}`), version)
        assert.strictEqual(subscription.waiting(), 0)
      })
    )
  })

  it("gives a reader that comes back exactly what came since", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(60), (history, total) => {
        const feed = Feed.make({ history })
        const first = readerOf(Infinity)
        feed.subscribe(first)
        for (let i = 1; i <= total; i++) feed.task(taskOf(1, i))
        for (const [i, { id }] of first.seen.entries()) {
          const again = readerOf(Infinity)
          feed.subscribe(again, { after: id }).end()
          const missed = first.seen.slice(i + 1).map((one) => one.id)
          const told = again.seen.map((one) => one.id)
          // What is no longer kept is a gap, and not a hole that nobody sees.
          if (again.seen[0]?.type === "gap") assert.isAtLeast(missed.length, history)
          else assert.deepStrictEqual(told, missed)
        }
      })
    )
  })

  it("says that there is a gap for an id that it does not know", () => {
    const feed = Feed.make({ history: 10 })
    feed.task(taskOf(1, 1))
    for (const after of ["another-1", "x", "", "-1", `${"9".repeat(400)}`]) {
      const reader = readerOf(Infinity)
      feed.subscribe(reader, { after }).end()
      assert.deepStrictEqual(
        reader.seen.map(({ type }) => type),
        ["gap"],
        after
      )
    }
  })

  it("keeps no more bytes than it may, of all or for one reader, and tells of a gap who missed something", () => {
    const fat = (id: number) => ({ ...taskOf(id, 1), submittedBy: "x".repeat(1_000) })
    const feed = Feed.make({ history: 1_000, most: 20_000 })
    const slow = readerOf(1)
    const subscription = feed.subscribe(slow)
    for (let id = 0; id < 100; id++) feed.task(fat(id))
    assert.isAtMost(subscription.waiting() * 1_000, 20_000)
    slow.state.room = Infinity
    subscription.resume()
    assert.strictEqual(slow.seen[1]?.type, "gap")
    assert.strictEqual(slow.seen.at(-1)?.task?.id, "task-99")

    const back = (after: string | undefined) => {
      const reader = readerOf(Infinity)
      feed.subscribe(reader, { after }).end()
      return reader.seen.map(({ task, type }) => task?.id ?? type)
    }
    assert.deepStrictEqual(back(slow.seen[0]?.id), ["gap"])
    assert.deepStrictEqual(back(slow.seen.at(-3)?.id), ["task-98", "task-99"])
    // One that is larger than all that may be kept is told to whoever listens.
    feed.task({ ...taskOf(100, 1), submittedBy: "x".repeat(30_000) })
    assert.strictEqual(slow.seen.at(-1)?.task?.id, "task-100")
  })

  it("forgets readers that have left", () => {
    const feed = Feed.make({ history: 10 })
    const reader = readerOf(Infinity)
    const subscription = feed.subscribe(reader)
    assert.strictEqual(feed.readers(), 1)
    subscription.end()
    feed.task(taskOf(1, 1))
    assert.strictEqual(feed.readers(), 0)
    assert.lengthOf(reader.seen, 0)
  })

  it("leaves out the boot for who asks for tasks only, and tells of a gap where it was too slow for the boot", () => {
    const feed = Feed.make({ history: 10 })
    const tasks = readerOf(Infinity)
    const slow = readerOf(0)
    feed.subscribe(tasks, { tasksOnly: true })
    const subscription = feed.subscribe(slow)
    feed.boot({ _tag: "PhaseStarted", atMs: 1, phase: "core" })
    assert.lengthOf(tasks.seen, 0)
    slow.state.room = Infinity
    subscription.resume()
    assert.deepStrictEqual(
      slow.seen.map(({ type }) => type),
      ["gap"]
    )
  })
})
