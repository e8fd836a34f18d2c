import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, Scope } from "effect"
import * as Acp from "../../src/acp/Acp.ts"
import * as Amst from "../../src/amst/Amst.ts"
import { zstd3 } from "../../src/group/Coding.ts"
import * as Features from "../../src/group/Features.ts"
import * as Link from "../../src/group/Link.ts"
import { authority, eventually, node, platform } from "./fixtures/nodes.ts"

const within = 60_000

/** Nothing is known of the way. */
const unseen: Link.Seen = { mode: () => "internet", rttMillis: () => undefined, forecast: Effect.succeed(undefined) }

/** A link to a node that can all, from one that can what it is told. */
const world = Effect.gen(function* () {
  const issue = yield* authority
  const b = yield* node("b", issue("b"))
  const identity = issue("a")
  const amst = yield* Amst.Amst
  const mine = { features: new Set<Features.Feature>(Features.all) as Features.Features }
  const link = Link.make(
    {
      tls: (servername) => Effect.succeed({ ...identity, servername }),
      serverName: "localhost",
      node: "a",
      maxMessageBytes: 1 << 20,
      handshake: Duration.seconds(10),
      drain: Duration.seconds(10),
      features: () => mine.features,
      amst: (go) => go(amst),
      coding: (go) => go(zstd3),
      scope: yield* Scope.Scope,
      run: Effect.runForkWith(yield* Effect.context<never>())
    },
    b.peer,
    unseen
  )
  return { b, link, mine }
})

const real = Layer.merge(platform, Amst.Amst.layerStandard.pipe(Layer.provide(Acp.Acp.layer)))

describe("Link", () => {
  it.live(
    "opens what both can when somebody needs it, once, and knows who is there",
    () =>
      Effect.gen(function* () {
        const { link } = yield* world
        assert.deepStrictEqual([link.carrier(), link.node(), link.agreed().size], [undefined, undefined, 0])
        const [one, other] = yield* Effect.all([link.acquire, link.acquire], { concurrency: 2 })
        assert.strictEqual(one, other)
        assert.deepStrictEqual([one.version, link.node()], ["v3", "b"])
        assert.deepStrictEqual([...link.agreed()], [...Features.all])
        assert.isTrue(Option.isSome(yield* link.probe))
      }).pipe(Effect.scoped, Effect.provide(real)),
    within
  )

  it.live(
    "opens another when either side has changed what it can, and leaves the one before to who uses it",
    () =>
      Effect.gen(function* () {
        const { b, link, mine } = yield* world
        const first = yield* link.acquire
        mine.features = Features.none
        first.users++
        yield* link.renegotiate
        assert.isUndefined(link.carrier())
        const second = yield* link.acquire
        assert.deepStrictEqual([second.version, first.closed], ["v1", false])
        first.users--
        first.idle?.()
        yield* eventually(Effect.sync(() => assert.isTrue(first.closed)))
        mine.features = new Set(Features.all)
        yield* link.renegotiate
        assert.strictEqual((yield* link.acquire).version, "v3")
        // The other side says so itself.
        yield* b.dwcp.setRollout({ killed: true })
        yield* eventually(Effect.sync(() => assert.isUndefined(link.carrier())))
        assert.strictEqual((yield* link.acquire).version, "v1")
      }).pipe(Effect.scoped, Effect.provide(real)),
    within
  )

  it.live(
    "is cut off at once where AMST is spoken, and opens another for the next, as it does for one that was lost",
    () =>
      Effect.gen(function* () {
        const { link } = yield* world
        const first = yield* link.acquire
        yield* link.cutOff
        assert.isTrue(first.closed)
        const second = yield* link.acquire
        assert.notStrictEqual(second, first)
        link.lost(first)
        assert.strictEqual(link.carrier(), second)
        link.lost(second)
        assert.notStrictEqual(yield* link.acquire, second)
      }).pipe(Effect.scoped, Effect.provide(real)),
    within
  )
})
