import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"

import { BootEvent } from "../src/BootEvent.ts"
import * as Journal from "../src/Journal.ts"
import { boot, readies, ready } from "./fixtures/bootEvents.ts"
import * as Disk from "./fixtures/disk.ts"
import * as NodeFileSystem from "./fixtures/nodeFileSystem.ts"

const path = "/var/boot.journal"
const disk = (fault?: (operation: string, number: number) => Disk.Fault | undefined) =>
  Disk.make({ directories: ["/", "/var"], ...(fault === undefined ? {} : { fault }) })

/** Writes events on a disk in memory, the next ones after each flush, and returns the file. */
const written = (...batches: ReadonlyArray<ReadonlyArray<BootEvent>>) => {
  const memory = disk()
  return Effect.gen(function* () {
    const journal = yield* Journal.make({ path })
    for (const batch of batches) {
      batch.forEach(journal.append)
      yield* journal.flush
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(memory.layer),
    Effect.map(() => memory.bytes(path))
  )
}

const linesOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("utf8")
    .split(/(?<=\n)/)
/** Offsets at which a line ends: after `ends[k]` bytes the file holds k events. */
const endsOf = (bytes: Uint8Array) => {
  let end = 0
  return linesOf(bytes).map((line) => (end += Buffer.byteLength(line)))
}
/** Events as text: comparing them tens of thousands of times is then cheap. */
const texts = (events: ReadonlyArray<BootEvent>) => events.map((event) => JSON.stringify(event))
const bootTexts = texts(boot)
const holdsBeginning = (found: Journal.Recovered, count: number) =>
  found.events.length === count && texts(found.events).every((text, n) => text === bootTexts[n])

/** Lets all fibers run until they wait; the disk in memory needs no time. */
const settle = Effect.repeat(Effect.yieldNow, { times: 30 })

/** A journal whose writer waits for events. */
const idle = Effect.gen(function* () {
  const journal = yield* Journal.make({ path })
  yield* journal.flush
  yield* settle
  return journal
})

const onRealDisk = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => fs.mkdtemp(`${tmpdir()}/journal-`)),
    use,
    (directory) => Effect.promise(() => fs.rm(directory, { recursive: true }))
  ).pipe(Effect.provide(NodeFileSystem.layer))

describe("a journal", () => {
  it.effect.prop("returns whatever events it was given, in order", [Schema.Array(BootEvent)], ([events]) =>
    Effect.gen(function* () {
      const found = Journal.decode(yield* written(events.slice(0, 2), events.slice(2)))
      // As text, since JSON has no negative zero.
      assert.deepStrictEqual(texts(found.events), texts(events))
      assert.isUndefined(found.torn)
      assert.strictEqual(found.dropped, 0)
    })
  )

  it.live("lives in a file and a directory of its own, closed to others", () =>
    onRealDisk(
      Effect.fnUntraced(function* (directory) {
        const file = `${directory}/state/node/boot.journal`
        yield* Effect.scoped(
          Effect.gen(function* () {
            const journal = yield* Journal.make({ path: file })
            boot.forEach(journal.append)
            yield* journal.flush
            assert.deepStrictEqual((yield* Journal.read(file)).events, boot)
          })
        )
        const mode = (of: string) => Effect.promise(async () => (await fs.stat(of)).mode & 0o777)
        assert.strictEqual(yield* mode(file), 0o600)
        assert.strictEqual(yield* mode(`${directory}/state/node`), 0o700)
        assert.strictEqual(yield* mode(`${directory}/state`), 0o700)

        const before = yield* Effect.promise(() => fs.readFile(file))
        const again = yield* Effect.flip(Effect.scoped(Journal.make({ path: file })))
        assert.strictEqual(again.reason._tag, "Open")
        assert.include(again.message, file)
        assert.deepStrictEqual(yield* Effect.promise(() => fs.readFile(file)), before)

        const missing = yield* Effect.flip(Journal.read(`${directory}/none`))
        assert.strictEqual(missing.reason._tag, "Read")
      })
    )
  )

  it.effect("only takes an event while its caller runs, and writes later", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* idle
      const before = memory.operations.length
      readies(100).forEach(journal.append)
      assert.strictEqual(memory.operations.length, before)
      yield* settle
      assert.lengthOf(Journal.decode(memory.bytes(path)).events, 100)
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("writes many events at once", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path })
      readies(10_000).forEach(journal.append)
      yield* journal.flush
      assert.lengthOf(Journal.decode(memory.bytes(path)).events, 10_000)
      assert.isAtMost(memory.operations.filter((one) => one === `sync ${path}`).length, 4)
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("syncs what nobody waits for after a checkpoint, or a tenth of a second later", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path })
      const durable = () => Journal.decode(memory.bytes(path).subarray(0, memory.durable(path))).events
      yield* journal.flush
      journal.append(ready(0))
      yield* settle
      assert.lengthOf(Journal.decode(memory.bytes(path)).events, 1)
      assert.isEmpty(durable())
      yield* TestClock.adjust("99 millis")
      assert.isEmpty(durable())
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.deepStrictEqual(durable(), [ready(0)])

      const checkpoint: BootEvent = { _tag: "CheckpointReached", atMs: 1, checkpoint: "core_init_complete" }
      journal.append(ready(1))
      journal.append(checkpoint)
      yield* settle
      assert.deepStrictEqual(durable(), [ready(0), ready(1), checkpoint])
      const syncs = memory.operations.filter((one) => one === `sync ${path}`).length
      yield* TestClock.adjust("1 second")
      assert.lengthOf(
        memory.operations.filter((one) => one === `sync ${path}`),
        syncs
      )
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("writes what is left when its scope closes, and ignores what comes later", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const journal = yield* Scope.provide(Journal.make({ path }), scope)
      boot.forEach(journal.append)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(memory.durable(path), memory.bytes(path).length)
      assert.strictEqual(memory.operations.at(-1), `close ${path}`)
      journal.append(ready(1))
      yield* journal.flush
      assert.deepStrictEqual(Journal.decode(memory.bytes(path)).events, boot)
    }).pipe(Effect.provide(memory.layer))
  })

  it.effect("may live in memory", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.memory
      boot.forEach(journal.append)
      yield* journal.flush
      assert.deepStrictEqual(yield* journal.events, boot)
    })
  )
})

describe("flush", () => {
  it.effect("resolves after the events, the file's name and each new directory's name are synced, not before", () => {
    let stalls = false
    const memory = Disk.make({
      directories: ["/"],
      fault: (operation) => (stalls && operation === "sync" ? "stall" : undefined)
    })
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path: "/var/node/boot.journal" })
      yield* journal.flush
      const syncs = memory.operations.filter((one) => one.startsWith("sync"))
      assert.deepStrictEqual(syncs, ["sync /var/node", "sync /var", "sync /", "sync /var/node/boot.journal"])
      stalls = true
      journal.append(ready(0))
      const flushing = yield* Effect.forkChild(journal.flush)
      yield* settle
      assert.isAbove(memory.bytes("/var/node/boot.journal").length, memory.durable("/var/node/boot.journal"))
      assert.isUndefined(flushing.pollUnsafe())
      yield* memory.release
      yield* Fiber.join(flushing)
      assert.strictEqual(memory.bytes("/var/node/boot.journal").length, memory.durable("/var/node/boot.journal"))
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("has the write begun before it waits for anything", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* idle
      const before = memory.operations.length
      journal.append(ready(0))
      const flushing = Effect.runFork(journal.flush)
      assert.strictEqual(memory.operations[before], `write ${path}`)
      yield* Fiber.join(flushing)
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("resolves after the write alone when told so", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path, fsync: false })
      boot.forEach(journal.append)
      yield* journal.flush
      assert.deepStrictEqual(Journal.decode(memory.bytes(path)).events, boot)
      assert.isEmpty(memory.operations.filter((one) => one.startsWith("sync")))
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })

  it.effect("fails when events were dropped, and the file says how many and where", () => {
    let stalls = false
    const memory = disk((operation) => (stalls && operation === "write" ? "stall" : undefined))
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path, capacity: 10 })
      yield* journal.flush
      stalls = true
      readies(4).forEach(journal.append)
      yield* settle
      readies(25).slice(4).forEach(journal.append)
      const flushing = yield* Effect.forkChild(Effect.flip(journal.flush))
      yield* settle
      yield* memory.release
      const { reason, message } = yield* Fiber.join(flushing)
      assert.deepStrictEqual(reason, { _tag: "Full", path, lost: 15, capacity: 10 })
      assert.include(message, "lacks 15 events")
      journal.append(ready(25))
      yield* Effect.flip(journal.flush)
      const found = Journal.decode(memory.bytes(path))
      assert.deepStrictEqual(found.events, [...readies(10), ready(25)])
      assert.strictEqual(found.dropped, 15)
      assert.include(linesOf(memory.bytes(path))[11], `{"n":11,"dropped":15}`)
      assert.isUndefined(found.torn)
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })
})

describe("an event", () => {
  it.effect.prop(
    "is either in the file or counted there as missing",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))
    ],
    ([bursts, capacity]) => {
      const memory = disk()
      let appended = 0
      return Effect.gen(function* () {
        const journal = yield* Journal.make({ path, capacity })
        for (const burst of bursts) {
          for (let i = 0; i < burst; i++) journal.append(ready(appended++))
          yield* Effect.yieldNow
        }
      }).pipe(
        Effect.scoped,
        Effect.provide(memory.layer),
        Effect.map(() => {
          const found = Journal.decode(memory.bytes(path))
          assert.isUndefined(found.torn)
          assert.strictEqual(found.events.length + found.dropped, appended)
          if (bursts.every((burst) => burst === 0)) return
          assert.isNotEmpty(found.events)
        })
      )
    }
  )

  it.effect("that is no data costs itself, and not what comes after it", () => {
    const memory = disk()
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path })
      journal.append(ready(0))
      journal.append({ _tag: "ComponentSlow", atMs: 1, component: "endless", runningMs: Infinity })
      journal.append(ready(2))
      assert.strictEqual((yield* Effect.flip(journal.flush)).reason._tag, "Full")
      const found = Journal.decode(memory.bytes(path))
      assert.deepStrictEqual(found.events, [ready(0), ready(2)])
      assert.strictEqual(found.dropped, 1)
    }).pipe(Effect.scoped, Effect.provide(memory.layer))
  })
})

describe("a disk", () => {
  /** Appends 2 events, flushes, 3 more, flushes, and so on; returns how many each successful flush promised last. */
  const use = (memory: Disk.Disk) => {
    const seen = { promised: 0, appended: 0, errors: new Array<Journal.JournalError>() }
    return Effect.gen(function* () {
      const journal = yield* Journal.make({ path })
      for (let round = 2; round < 6; round++) {
        for (let i = 0; i < round; i++) journal.append(ready(seen.appended++))
        const flushed = yield* Effect.result(journal.flush)
        if (Result.isSuccess(flushed)) seen.promised = seen.appended
        else seen.errors.push(flushed.failure)
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(memory.layer),
      Effect.catchTag("JournalError", (error) => Effect.sync(() => void seen.errors.push(error))),
      Effect.map(() => seen)
    )
  }

  it.effect("may fail at any operation: flush says so, and what it promised before is kept", () =>
    Effect.gen(function* () {
      const sound = disk()
      const all = yield* use(sound)
      assert.strictEqual(all.promised, 14)
      assert.isEmpty(all.errors)
      const reasons = sound.operations.map((operation) => {
        if (operation === `close ${path}`) return undefined
        if (operation === `open ${path}` || operation.startsWith("exists")) return "Open"
        return operation.startsWith("write") ? "Write" : "Sync"
      })
      assert.includeMembers(reasons, ["Open", "Write", "Sync"])
      for (const fault of ["EIO", "ENOSPC"] as const) {
        for (let k = 0; k < sound.operations.length; k++) {
          const memory = disk((_, number) => (number === k ? fault : undefined))
          const seen = yield* use(memory)
          const where = `${fault} at ${memory.operations[k]}`
          // When the file is closed, all is durable already.
          assert.strictEqual(seen.errors.length > 0, sound.operations[k] !== `close ${path}`, where)
          const found = Journal.decode(memory.bytes(path).subarray(0, memory.durable(path)))
          assert.isAtLeast(found.events.length, seen.promised, where)
          assert.deepStrictEqual(found.events, readies(found.events.length), where)
          const last = seen.errors.at(-1)?.reason
          if (last !== undefined && "lost" in last) assert.strictEqual(last.lost, 14 - seen.promised, where)
          assert.strictEqual(last?._tag, reasons[k], where)
        }
      }
    })
  )

  it.effect("that hangs delays the end by two seconds, and flush answers", () => {
    let stalls = false
    const memory = disk((operation) => (stalls && operation === "sync" ? "stall" : undefined))
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const journal = yield* Scope.provide(Journal.make({ path }), scope)
      yield* journal.flush
      stalls = true
      boot.forEach(journal.append)
      const flushing = yield* Effect.forkChild(Effect.flip(journal.flush))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      const { reason } = yield* Fiber.join(flushing)
      assert.deepStrictEqual(reason, { _tag: "Sync", path, lost: boot.length })
      // Closed under a write, the descriptor could be another file's by the time the write is done.
      assert.notInclude(memory.operations, `close ${path}`)
      yield* memory.release
      yield* settle
      assert.strictEqual(memory.operations.at(-1), `close ${path}`)
    }).pipe(Effect.provide(memory.layer))
  })
})

describe("a file", () => {
  it.effect("cut at any byte holds all that was durable there, and never more than was written", () =>
    Effect.gen(function* () {
      const memory = disk()
      const flushed: Array<{ readonly bytes: number; readonly events: number }> = []
      yield* Effect.gen(function* () {
        const journal = yield* Journal.make({ path })
        for (const [n, event] of boot.entries()) {
          journal.append(event)
          if (n % 5 !== 4) continue
          yield* journal.flush
          flushed.push({ bytes: memory.durable(path), events: n + 1 })
        }
      }).pipe(Effect.scoped, Effect.provide(memory.layer))
      const bytes = memory.bytes(path)
      const ends = endsOf(bytes)
      assert.deepStrictEqual(Journal.decode(bytes).events, boot)
      assert.lengthOf(flushed, 3)
      for (let cut = 0; cut < bytes.length; cut++) {
        const found = Journal.decode(bytes.subarray(0, cut))
        const whole = ends.filter((end) => end <= cut).length
        assert.isTrue(holdsBeginning(found, Math.max(0, whole - 1)), `cut at ${cut}`)
        assert.isTrue(
          flushed.every((one) => cut < one.bytes || found.events.length >= one.events),
          `cut at ${cut}`
        )
        assert.deepStrictEqual(
          found.torn?.offset,
          ends.includes(cut) ? undefined : (ends[whole - 1] ?? 0),
          `cut at ${cut}`
        )
      }
    })
  )

  it.effect("names the last checkpoint and whether the boot ended", () =>
    Effect.gen(function* () {
      const ended = Journal.decode(
        yield* written(boot, [{ _tag: "BootEnded", atMs: 2, outcome: "failed", clean: true }])
      )
      assert.strictEqual(ended.lastCheckpoint, "core_init_complete")
      assert.isTrue(ended.ended)
      const begun = Journal.decode(yield* written(boot.slice(0, 1)))
      assert.isUndefined(begun.lastCheckpoint)
      assert.isFalse(begun.ended)
    })
  )
})

describe("a process that is killed", () => {
  const script = fileURLToPath(new URL("./fixtures/journalWriter.ts", import.meta.url))

  /** Starts a writer, kills it at some moment, and returns how many events it had promised. */
  const kill = Effect.fnUntraced(function* (file: string, moment: Effect.Effect<unknown>, firstPromise: boolean) {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [script, file], { stdio: ["ignore", "pipe", "inherit"] })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (some: string) => (said += some))
    if (firstPromise) yield* Effect.promise(() => once(child.stdout, "data"))
    yield* moment
    child.kill("SIGKILL")
    yield* Effect.promise(() => once(child, "close"))
    assert.strictEqual(child.signalCode, "SIGKILL")
    // Behind the last newline is what the kill cut short.
    return Number(said.split("\n").at(-2) ?? 0)
  }, Effect.scoped)

  it.live(
    "has kept every event it said was durable",
    () =>
      onRealDisk((directory) =>
        Effect.gen(function* () {
          const promises = yield* Effect.forEach(
            Array.from({ length: 8 }, (_, n) => n),
            Effect.fnUntraced(function* (n) {
              const file = `${directory}/${n}.journal`
              // Two of them die around their first write, the others in the middle of their work.
              const within = n < 2 ? 400 : 80
              const moment = Effect.flatMap(Random.nextIntBetween(0, within), (ms) => Effect.sleep(`${ms} millis`))
              const promised = yield* kill(file, moment, n >= 2)
              const found = yield* Effect.result(Journal.read(file))
              if (Result.isFailure(found)) {
                assert.strictEqual(promised, 0, found.failure.message)
                return promised
              }
              const { events } = found.success
              assert.isAtLeast(events.length, promised)
              assert.deepStrictEqual(events, readies(events.length))
              return promised
            }),
            { concurrency: 2 }
          )
          assert.isTrue(promises.slice(2).every((promised) => promised > 0))
        })
      ),
    60_000
  )
})

describe("what is learned", () => {
  it("from a boot that did not end is what had been started, and what is still held", () => {
    assert.deepStrictEqual(Journal.unfinished(boot), {
      bootId: "boot-42",
      lastCheckpoint: "core_init_complete",
      started: ["database", "cache", "api"],
      acquired: ["database", "cache"]
    })
    const stopping: ReadonlyArray<BootEvent> = [
      ...boot,
      { _tag: "ComponentStopped", atMs: 2000, component: "cache", closing: "clean" },
      { _tag: "ComponentStopped", atMs: 2000, component: "database", closing: "abandoned" }
    ]
    assert.deepStrictEqual(Journal.unfinished(stopping)?.acquired, ["database"])
    assert.isUndefined(Journal.unfinished([...boot, { _tag: "BootEnded", atMs: 9, outcome: "stopped", clean: true }]))
    assert.isUndefined(Journal.unfinished([]))
  })

  it("from an attempt that was acquired and then failed depends on how it was closed", () => {
    const attempt = (closing: "clean" | "failed"): ReadonlyArray<BootEvent> => [
      ...boot,
      { _tag: "ComponentAcquired", atMs: 1100, component: "api" },
      { _tag: "AttemptClosed", atMs: 1200, component: "api", closing }
    ]
    assert.deepStrictEqual(Journal.unfinished(attempt("clean"))?.acquired, ["database", "cache"])
    assert.deepStrictEqual(Journal.unfinished(attempt("failed"))?.acquired, ["database", "cache", "api"])
  })

  it("about durations is the time of the attempt that succeeded, probe included", () => {
    assert.deepStrictEqual(Journal.durationsMs(boot), { database: 40, cache: 2 })
    const late: BootEvent = { _tag: "ComponentReady", atMs: 1163, component: "api" }
    assert.deepStrictEqual(Journal.durationsMs([...boot, late]), { database: 40, cache: 2, api: 100 })
    assert.deepStrictEqual(Journal.durationsMs([]), {})
  })

  it("about a component with an odd name is data like any other", () => {
    const events: ReadonlyArray<BootEvent> = [
      { _tag: "ComponentStarted", atMs: 1, component: "__proto__", variant: 0, attempt: 1 },
      { _tag: "ComponentReady", atMs: 3, component: "__proto__" }
    ]
    assert.deepStrictEqual(Object.entries(Journal.durationsMs(events)), [["__proto__", 2]])
  })
})
