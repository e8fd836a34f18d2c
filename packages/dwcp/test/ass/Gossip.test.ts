import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Settings } from "../../src/ass/Settings.ts"
import * as Swarm from "../../src/ass/Swarm.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { connected, content, eventually, node, nodes } from "./fixtures/gossip.ts"

const alone: Omit<Swarm.Options, "topic"> = {
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  seeds: [],
  maxPeers: 8,
  maxBytes: 1 << 20
}

const live = (promise: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(promise, () => Effect.scoped(body), 60_000)

contract("gossip", node(), { compareAndSet: false, ephemeral: false })

describe("gossip", () => {
  live(
    "brings what is written anywhere to everybody, at once, by way of those in between",
    Effect.gen(function* () {
      // The exchange alone would take an hour. All know the first one only, and nobody tells them of more.
      const all = yield* nodes(4, { interval: Duration.hours(1) })
      for (const engine of all) yield* connected(engine, 1)
      for (const [i, engine] of all.entries()) {
        const key = `by/${i}`
        const arrived = Effect.forEach(all, (it) => Effect.map(it.get(key), Option.isSome))
        // Gossip takes a moment to know who listens, and what was said before that is lost to it.
        yield* eventually(
          Effect.andThen(
            engine.put(key, bytes(`${i}`)),
            Effect.map(Effect.delay(arrived, "100 millis"), (it) => it.every(Boolean))
          )
        )
      }
    })
  )

  it.effect(
    "compares with others once in each interval and not more often: every 5 s by itself, and 100 ms where that is set",
    () =>
      Effect.gen(function* () {
        const decoded = Schema.decodeUnknownSync(Settings)({ environment: "internet" })
        assert.deepStrictEqual(decoded.gossip.interval, Duration.seconds(5))
        for (const millis of [Duration.toMillis(decoded.gossip.interval), 100]) {
          // One that only listens: what the node says to it unasked is its rounds.
          const told: Array<number> = []
          let joined = false
          const listener = yield* Swarm.make({ ...alone, topic: "/novacron/ass/1/test" })
          yield* listener.begin({
            joined: () => void (joined = true),
            left: () => undefined,
            heard: (_, bytes) => {
              told.push(bytes.length)
              return true
            },
            overheard: () => true
          })
          yield* node({ seeds: listener.addresses(), interval: Duration.millis(millis) })
          const seen = (isSo: () => boolean) => TestClock.withLive(eventually(Effect.sync(isSo)))
          // Whom it meets is told at once.
          yield* seen(() => joined && told.length === 1)
          for (let round = 2; round <= 6; round++) {
            yield* TestClock.adjust(Duration.millis(millis * 0.8))
            yield* TestClock.withLive(Effect.sleep("60 millis"))
            assert.strictEqual(told.length, round - 1, "it came more than a fifth too early")
            yield* TestClock.adjust(Duration.millis(millis * 0.2))
            yield* seen(() => told.length === round)
          }
        }
      }).pipe(Effect.scoped),
    60_000
  )

  live(
    "tells who joins late all that is there, and who was told of nobody but one finds the others",
    Effect.gen(function* () {
      const [first] = yield* nodes(3)
      if (first === undefined) return
      for (let i = 0; i < 200; i++) yield* first.put(`k${i}`, new Uint8Array(1000).fill(i))
      const late = yield* node({ seeds: yield* first.addresses })
      yield* eventually(Effect.map(late.list("k"), (entries) => entries.length === 200))
      yield* connected(late, 3)
      assert.deepStrictEqual(yield* content(late), yield* content(first))
    })
  )

  live(
    "lets the last write to a key win, the same everywhere",
    Effect.gen(function* () {
      const all = yield* nodes(3)
      for (const engine of all) yield* connected(engine, 2)
      yield* Effect.forEach(all, (engine, i) => engine.put("same", bytes(`${i}`)), { concurrency: "unbounded" })
      yield* eventually(
        Effect.map(Effect.forEach(all, content), (said) => new Set(said.map((it) => it.join())).size === 1)
      )
    })
  )

  live(
    "writes on while it is cut off, and both sides have everything when they meet again",
    Effect.gen(function* () {
      const directory = yield* temporary
      const first = yield* node()
      const seeds = yield* first.addresses
      const cutOff = { directory, seeds: [], listen: ["/ip4/127.0.0.1/tcp/0"] }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const second = yield* node({ ...cutOff, seeds })
          yield* second.put("before", bytes("1"))
          yield* eventually(Effect.map(first.get("before"), Option.isSome))
        })
      )
      yield* first.put("here", bytes("1"))
      yield* first.delete("before")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const alone = yield* node(cutOff)
          yield* alone.put("there", bytes("1"))
          assert.isTrue((yield* alone.status).healthy)
        })
      )
      const back = yield* node({ ...cutOff, seeds })
      for (const engine of [first, back]) {
        yield* eventually(Effect.map(engine.list(""), (it) => it.map(({ key }) => key).join() === "here,there"))
      }
    })
  )

  live(
    "has what it acknowledged when it is started again, for its owner only",
    Effect.gen(function* () {
      const directory = yield* temporary
      for (let run = 0; run < 3; run++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const engine = yield* node({ directory, compactAt: 2000, interval: Duration.millis(50) })
            for (let i = 0; i < 50; i++) yield* engine.put(`${run}/${i % 10}`, new Uint8Array(100).fill(i))
            // Long enough for a compaction in between.
            yield* Effect.sleep("120 millis")
            yield* engine.put(`${run}/last`, bytes("1"))
            assert.strictEqual((yield* engine.list("")).length, 11 * (run + 1))
          })
        )
      }
      assert.strictEqual(statSync(join(directory, "test", "state.journal")).mode & 0o777, 0o600)
    })
  )

  live(
    "does not start over a document of a newer version, and leaves it as it is",
    Effect.gen(function* () {
      const directory = yield* temporary
      const path = join(directory, "test", "state.journal")
      mkdirSync(join(directory, "test"))
      writeFileSync(path, "NVJ\u0009 of a newer version")
      const error = yield* Effect.flip(Effect.scoped(node({ directory })))
      assert.deepInclude(error, { _tag: "NewerDocument", version: 9 })
      assert.strictEqual(readFileSync(path, "utf8"), "NVJ\u0009 of a newer version")
      // Another room in the same place is none of its business.
      yield* (yield* node({ directory, namespace: "another" })).put("k", bytes("1"))
    })
  )

  live(
    "does not hear nodes with another secret, nor of another room, and tells them nothing",
    Effect.gen(function* () {
      const mine = yield* node()
      const seeds = yield* mine.addresses
      const stranger = yield* node({ seeds, secret: Redacted.make("another secret") })
      const neighbour = yield* node({ seeds, namespace: "another" })
      yield* connected(mine, 2)
      yield* mine.put("secret", bytes("1"))
      yield* stranger.put("forged", bytes("1"))
      yield* neighbour.put("astray", bytes("1"))
      yield* eventually(Effect.map(mine.status, ({ refused }) => refused.forged >= 3))
      yield* eventually(Effect.map(stranger.status, ({ refused }) => refused.forged >= 1))
      const heard = yield* Effect.forEach([mine, stranger, neighbour], (it) =>
        Effect.map(it.list(""), (all) => all.length)
      )
      assert.deepStrictEqual(heard, [1, 1, 1])
    })
  )

  live(
    "keeps its memory bounded: a document that is full takes deletes and no more puts",
    Effect.gen(function* () {
      const engine = yield* node({ maxDocument: 10_000 })
      for (let i = 0; i < 9; i++) yield* engine.put(`k${i}`, new Uint8Array(1000))
      const full = yield* Effect.flip(engine.put("more", new Uint8Array(1000)))
      assert.strictEqual(full._tag, "StoreFull")
      yield* engine.put("k0", new Uint8Array(1000))
      yield* engine.delete("k0")
      yield* engine.put("more", new Uint8Array(1000))
    })
  )

  live(
    "tells a watcher who is slow the difference, and not each of the changes",
    Effect.gen(function* () {
      const engine = yield* node()
      const heard = yield* listening(engine, "")
      yield* heard.until("current")
      // Without a pause in between, nobody can listen meanwhile.
      const write = Effect.forEach(
        Array.from({ length: 20_000 }, (_, i) => i),
        (i) => engine.put(`k${i % 3}`, bytes(`${i}`))
      )
      yield* Effect.andThen(write, engine.put("end", bytes("1")))
      yield* heard.until("end=1")
      assert.strictEqual(text(yield* engine.get("k0")), "19998")
    })
  )

  live(
    "says that nobody is in reach when all it knew are gone, and goes on",
    Effect.gen(function* () {
      const mine = yield* node()
      const seeds = yield* mine.addresses
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* node({ seeds })
          yield* other.put("hello", bytes("1"))
          yield* eventually(Effect.map(mine.get("hello"), Option.isSome))
        })
      )
      yield* eventually(Effect.map(mine.status, ({ healthy }) => !healthy))
      yield* mine.put("k", bytes("1"))
      assert.strictEqual(text(yield* mine.get("k")), "1")
    })
  )
})

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-gossip-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)
