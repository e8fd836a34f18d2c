import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Boot, Component, Journal } from "@novacron/boot"
import type { BootEvent } from "@novacron/boot/model"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import * as Journals from "../src/Journals.ts"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "novacron-journals-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

class Lock extends Context.Service<Lock, object>()("test/lock") {}
const lock = Component.make(Lock, { start: Effect.succeed({}), health: () => Effect.void })

/** A boot with a journal, as a node keeps it. */
const boot = Effect.gen(function* () {
  const { journal, ...before } = yield* Journals.open(directory)
  yield* Boot.make([lock], journal === undefined ? {} : { journal })
  return { journal, ...before }
})

const journals = () => readdirSync(directory).toSorted()

describe("the journals of a node", () => {
  it.live("tell the next boot nothing when the last one ended", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(boot)
      const { previous, remarks } = yield* Effect.scoped(Journals.open(directory))
      assert.isUndefined(previous)
      assert.deepStrictEqual(remarks, [])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("tell what a boot held that was cut off, and how long each part took", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(boot)
      const [file = ""] = journals()
      const bytes = yield* Effect.map(Journal.read(join(directory, file)), ({ events }) => events)
      // The same boot, killed after it was ready: everything from the rollback on never happened.
      const until = bytes.findIndex(({ _tag }) => _tag === "RollbackStarted")
      rmSync(join(directory, file))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const journal = yield* Journal.make({ path: join(directory, file) })
          for (const event of bytes.slice(0, until)) journal.append(event)
          yield* journal.flush
        })
      )
      appendFileSync(join(directory, file), "half a li")
      const { durationsMs, previous, remarks } = yield* Effect.scoped(Journals.open(directory))
      assert.deepStrictEqual(previous?.acquired, ["lock"])
      assert.property(durationsMs, "lock")
      assert.match(remarks.join("\n"), /is torn at byte \d+/)
      assert.match(remarks.join("\n"), /did not end by itself .*recovering lock/)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("that hold nothing say why, and hide nothing of the boot before them", () =>
    Effect.gen(function* () {
      const killed = join(directory, "000000000000001.journal")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events: Array<BootEvent.BootEvent> = []
          yield* Effect.scoped(Boot.make([lock], { observe: (event) => void events.push(event) }))
          const journal = yield* Journal.make({ path: killed })
          const until = events.findIndex(({ _tag }) => _tag === "RollbackStarted")
          for (const event of events.slice(0, until)) journal.append(event)
          yield* journal.flush
        })
      )
      const { previous } = yield* Effect.scoped(Journals.open(directory))
      assert.deepStrictEqual(previous?.acquired, ["lock"])
      const nothing = [
        ["", "it is empty: the boot was killed before its first event was written"],
        ["novacron-journal 2\n", "it is of version 2, which a newer novacron has written"],
        ["dear diary", 'it does not begin with "novacron-journal 1": it is no journal'],
        ["novacron-journal 1\n00000000 {", "record 1 is cut off"]
      ] as const
      for (const [content, reason] of nothing) {
        for (const file of journals().slice(1)) rmSync(join(directory, file))
        writeFileSync(join(directory, "000000000000002.journal"), content)
        const next = yield* Effect.scoped(Journals.open(directory))
        assert.include(next.remarks, `The journal 000000000000002.journal tells nothing of its boot: ${reason}.`)
        assert.deepStrictEqual(next.previous, previous)
        assert.property(next.durationsMs, "lock")
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("stand in the order of the boots, also after a clock that was wrong", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(boot)
      const [file = ""] = journals()
      renameSync(join(directory, file), join(directory, "009999999999999.journal"))
      yield* Effect.scoped(boot)
      assert.deepStrictEqual(journals(), ["009999999999999.journal", "010000000000000.journal"])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("are twenty at the most, the oldest gone first", () =>
    Effect.gen(function* () {
      for (let n = 1; n <= 25; n++) writeFileSync(join(directory, `${`${n}`.padStart(15, "0")}.journal`), "")
      yield* Effect.scoped(boot)
      assert.strictEqual(journals().length, 20)
      assert.notInclude(journals(), "000000000000001.journal")
      assert.include(journals(), "000000000000025.journal")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("that cannot be kept cost the record and not the boot", () =>
    Effect.gen(function* () {
      writeFileSync(join(directory, "file"), "")
      const { journal, remarks } = yield* Effect.scoped(Journals.open(join(directory, "file", "journal")))
      assert.isUndefined(journal)
      assert.match(remarks.join("\n"), /The boot goes on without a record/)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("what several killed boots in a row have left", () => {
  const killed = (bootId: string, started: ReadonlyArray<string>, acquired: ReadonlyArray<string>) => ({
    bootId,
    lastCheckpoint: undefined,
    started,
    acquired
  })

  it("is what the last held, and what the ones before held and it had not begun to recover", () => {
    const left = Journals.together([
      killed("c", ["database"], ["database"]),
      killed("b", ["lock"], ["lock"]),
      killed("a", ["lock", "database", "network"], ["lock", "database", "network"])
    ])
    assert.strictEqual(left?.bootId, "c")
    assert.sameMembers([...(left?.acquired ?? [])], ["database", "lock", "network"])
  })

  it("is nothing of what a later one had started and given back", () => {
    const left = Journals.together([killed("b", ["network"], []), killed("a", ["network"], ["network"])])
    assert.deepStrictEqual(left?.acquired, [])
  })

  it("is nothing when none was killed", () => assert.isUndefined(Journals.together([])))
})
