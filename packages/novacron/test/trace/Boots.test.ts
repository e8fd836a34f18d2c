import { execFileSync } from "node:child_process"
import { linkSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Timeline } from "@novacron/boot/model"
import { Result } from "effect"
import * as Boots from "../../src/trace/Boots.ts"
import { boot, directory, fileAt, journal } from "./fixtures/journals.ts"

const start = 1_790_000_000_000
const whole = (k: number) => journal(boot({ bootId: `boot-${k}`, startedAt: start + k }))

/** The failure of what has to fail. */
const failed = <A, E>(result: Result.Result<A, E>): E => Result.getOrThrow(Result.flip(result))

describe("Boots", () => {
  it("lists the boots of a directory, the latest first, from their heads", () => {
    using room = directory()
    for (const k of [3, 1, 2]) room.put(fileAt(start + k), whole(k))
    room.put("notes.txt", "no journal")
    const heads = Result.getOrThrow(Boots.list(room.path))
    assert.deepStrictEqual(heads[0], {
      file: fileAt(start + 3),
      kind: "boot",
      bootId: "boot-3",
      nodeId: "node-a",
      environment: "datacenter",
      startedAt: start + 3
    })
    assert.deepStrictEqual(
      heads.map(({ bootId }) => bootId),
      ["boot-3", "boot-2", "boot-1"]
    )
    assert.strictEqual(Result.getOrThrow(Boots.list(room.path, 2)).length, 2)
  })

  it("says of each file what it is, and lists the rest all the same", () => {
    using room = directory()
    const [opening] = boot()
    room.put("1.journal", "")
    room.put("2.journal", "GIF89a")
    room.put("3.journal", whole(3).replace("novacron-journal 1", "novacron-journal 2"))
    room.put("4.journal", "novacron-journal 1\n1234")
    room.put("5.journal", journal([{ ...opening, version: 2 }]))
    mkdirSync(join(room.path, "6.journal"))
    execFileSync("mkfifo", [join(room.path, "7.journal")])
    room.put("8.journal", whole(8))
    const kinds = Result.getOrThrow(Boots.list(room.path)).map(({ kind }) => kind)
    assert.deepStrictEqual(kinds.toReversed(), [
      "empty",
      "foreign",
      "future",
      "cut",
      "future",
      "unreadable",
      "unreadable",
      "boot"
    ])
    assert.strictEqual(Result.getOrThrow(Boots.find(room.path)).file, "8.journal")
  })

  it("reads heads however many components come after them, and whatever the names hold", () => {
    using room = directory()
    const [opening] = boot({ bootId: `b","components":["` })
    const components = Array.from({ length: 5_000 }, (_, k) => ({
      name: `c${k}`,
      phase: "core",
      severity: "critical",
      needs: [],
      fallbacks: []
    }))
    room.put("1.journal", journal([{ ...opening, components }]))
    const [head] = Result.getOrThrow(Boots.list(room.path))
    assert.deepInclude(head, { kind: "boot", bootId: `b","components":["` })
  })

  it("lists ten thousand journals and opens one", () => {
    using room = directory()
    room.put(fileAt(start), whole(7))
    // Names of one file: they are made ten times faster than files, and read like them.
    for (let k = 1; k < 10_000; k++) linkSync(join(room.path, fileAt(start)), join(room.path, fileAt(start + k)))
    const begun = performance.now()
    const heads = Result.getOrThrow(Boots.list(room.path))
    const opened = Result.getOrThrow(Boots.open(room.path, heads[77]!.file))
    console.log(`journals_list_ms ${Math.round(performance.now() - begun)}`)
    assert.strictEqual(heads.length, 10_000)
    assert.strictEqual(Timeline.fromEvents(opened.events).report.outcome, "degraded")
  })

  it("finds a boot: the last, one before it, by id, by the beginning of it, by its file, by a path", () => {
    using room = directory()
    for (const k of [10, 11, 20]) room.put(fileAt(start + k), whole(k))
    const found = (which?: string) => Result.getOrThrow(Boots.find(room.path, which)).file
    assert.strictEqual(found(), fileAt(start + 20))
    assert.strictEqual(found("last"), fileAt(start + 20))
    assert.strictEqual(found("last~2"), fileAt(start + 10))
    assert.strictEqual(found("boot-11"), fileAt(start + 11))
    assert.strictEqual(found("boot-2"), fileAt(start + 20))
    assert.strictEqual(found(fileAt(start + 10)), fileAt(start + 10))
    assert.strictEqual(found(fileAt(start + 10).replace(".journal", "")), fileAt(start + 10))
    assert.deepStrictEqual(Result.getOrThrow(Boots.find("/nowhere", "/a/b/c.journal")), {
      directory: "/a/b",
      file: "c.journal"
    })
    assert.match(failed(Boots.find(room.path, "boot-1")).message, /could be any of 2 boots: boot-11, boot-10/)
    assert.match(failed(Boots.find(room.path, "last~3")).message, /There is no boot "last~3"/)
    assert.strictEqual(failed(Boots.find(room.path, "nothing"))._tag, "BootUnknown")
    assert.strictEqual(failed(Boots.find("/nowhere/at/all"))._tag, "NoBoots")
  })

  it("opens what is whole of a journal that is torn anywhere, and says where it ends", () => {
    using room = directory()
    const text = whole(1)
    const all = boot().length
    for (let cut = text.length - 1; cut > 0; cut -= 97) {
      room.put("1.journal", text.slice(0, cut))
      const opened = Boots.open(room.path, "1.journal")
      if (Result.isFailure(opened)) {
        assert.isBelow(cut, text.indexOf("\n", 20) + 1)
        continue
      }
      const { events, warnings } = opened.success
      assert.isAbove(events.length, 0)
      assert.isBelow(events.length, all)
      // Cut between two lines nothing is torn: the log just ends.
      assert.strictEqual(warnings.length, text[cut - 1] === "\n" ? 0 : 1)
      Timeline.fromEvents(events)
    }
    room.put("2.journal", text.replace("RedisDown", "RedisGone"))
    const { events, warnings } = Result.getOrThrow(Boots.open(room.path, "2.journal"))
    assert.strictEqual(events.length, 7)
    assert.match(warnings.join(), /torn at byte \d+: record 8 does not match its checksum. What came before is shown/)
  })

  it("shows what it knows of a journal with an event that it does not", () => {
    using room = directory()
    const events: Array<unknown> = [...boot()]
    events.splice(5, 0, { _tag: "ComponentHibernated", atMs: 20, component: "cache" })
    room.put("1.journal", journal(events))
    const opened = Result.getOrThrow(Boots.open(room.path, "1.journal"))
    assert.strictEqual(opened.events.length, 5)
    assert.match(opened.warnings.join(), /record 6 is not an event of this version/)
  })

  it("refuses with a reason what is no journal that it can read", () => {
    using room = directory()
    room.put("empty.journal", "")
    room.put("foreign.journal", "PK\u0003\u0004")
    room.put("future.journal", "novacron-journal 3\n…")
    const why = (file: string) => failed(Boots.open(room.path, file)).message
    assert.match(why("empty.journal"), /it is empty: the boot was killed before its first event/)
    assert.match(why("foreign.journal"), /it is no journal/)
    assert.match(why("future.journal"), /it is of version 3, which a newer novacron has written/)
    assert.match(why("missing.journal"), /no such file, or no right to read it/)
    assert.strictEqual(failed(Boots.open(room.path, "foreign.journal")).exitCode, 65)
  })

  it("gives the boots before one, as many as are wanted, without those that cannot be read", () => {
    using room = directory()
    for (const k of [1, 2, 3, 4]) room.put(fileAt(start + k), k === 3 ? "rubbish" : whole(k))
    const ids = (count: number) => Boots.before(room.path, fileAt(start + 4), count).map(({ file }) => file)
    assert.deepStrictEqual(ids(20), [fileAt(start + 2), fileAt(start + 1)])
    assert.deepStrictEqual(ids(1), [])
  })
})
