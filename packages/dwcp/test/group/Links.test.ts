import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { authority, doorOf, eventually, folder, node, platform } from "./fixtures/nodes.ts"

const within = 60_000

describe("Links", () => {
  it.live(
    "go on with a peer that was started again, and speak v1 with one of v1 that took its place",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const a = yield* node("a", issue("a"))
        const identity = issue("b")
        const start = Effect.fnUntraced(function* (port: number, killed: boolean) {
          const scope = yield* Scope.make()
          const door = yield* eventually(doorOf(identity, yield* folder, { port })).pipe(Scope.provide(scope))
          const b = yield* node("b", identity, { forceV1Mode: killed }, { door }).pipe(Scope.provide(scope))
          return { ...b, stop: Scope.close(scope, Exit.void) }
        })
        const first = yield* start(0, false)
        assert.strictEqual((yield* a.dwcp.send(first.peer, Buffer.from("1"))).version, "v3")
        yield* first.stop
        // It waits for who was there before.
        const waiting = yield* Effect.forkScoped(a.dwcp.send(first.peer, Buffer.from("2")))
        yield* Effect.sleep(200)
        const second = yield* start(first.peer.port, false)
        assert.strictEqual((yield* Fiber.join(waiting)).version, "v3")
        assert.strictEqual(Buffer.from((yield* second.dwcp.take("messages")).bytes).toString(), "2")
        yield* second.stop
        const third = yield* start(first.peer.port, true)
        const versions = yield* eventually(
          Effect.map(a.dwcp.send(first.peer, Buffer.from("3")), ({ version }) => {
            assert.strictEqual(version, "v1")
            return version
          })
        )
        assert.strictEqual(versions, "v1")
        assert.strictEqual(Buffer.from((yield* third.dwcp.take("messages")).bytes).toString(), "3")
        yield* third.stop
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "are no more than the settings allow: the one that was silent for longest is closed",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const a = yield* node("a", issue("a"), { maxPeers: 2 })
        const others = yield* Effect.forEach(["b", "c", "d"], (name) => node(name, issue(name)))
        for (const { peer } of others) {
          yield* a.dwcp.send(peer, Buffer.from("!"))
          yield* Effect.sleep(5)
        }
        assert.deepStrictEqual(
          (yield* a.dwcp.status).links.map(({ node }) => node),
          ["c", "d"]
        )
        // Who was closed is opened again when it is needed.
        assert.strictEqual((yield* a.dwcp.send(others[0]!.peer, Buffer.from("!"))).version, "v3")
        assert.strictEqual((yield* others[0]!.dwcp.status).door.waiting, 2)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "count a file as use: the one that carried it is not the one that was silent for longest",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const a = yield* node("a", issue("a"), { maxPeers: 2 })
        const [b, c, d] = [yield* node("b", issue("b")), yield* node("c", issue("c")), yield* node("d", issue("d"))]
        const path = join(yield* folder, "image")
        writeFileSync(path, "content")
        for (const { peer } of [b, c]) {
          yield* a.dwcp.send(peer, Buffer.from("!"))
          yield* Effect.sleep(5)
        }
        yield* a.dwcp.sendFile(b.peer, path)
        yield* Effect.sleep(5)
        yield* a.dwcp.send(d.peer, Buffer.from("!"))
        assert.deepStrictEqual(
          (yield* a.dwcp.status).links.map(({ node }) => node),
          ["b", "d"]
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "carry many messages at once, each whole, and those of one sender in the order in which it waited for them",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const [a, b] = [yield* node("a", issue("a")), yield* node("b", issue("b"))]
        const sent = Effect.forEach(
          Array.from({ length: 300 }, (_, k) => k),
          (k) => a.dwcp.send(b.peer, Buffer.from(`${k}`.repeat(100)), { channel: k % 2 === 0 ? "even" : "odd" }),
          { concurrency: 64 }
        )
        yield* sent
        const take = (channel: string) =>
          Effect.forEach(Array.from({ length: 150 }), () =>
            Effect.map(b.dwcp.take(channel), ({ bytes }) => bytes.length)
          )
        const [even, odd] = [yield* take("even"), yield* take("odd")]
        const bytes = [...even, ...odd].reduce((sum, each) => sum + each, 0)
        assert.strictEqual(
          bytes,
          Array.from({ length: 300 }, (_, k) => `${k}`.length * 100).reduce((x, y) => x + y, 0)
        )
        assert.strictEqual((yield* b.dwcp.status).door.waiting, 0)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})
