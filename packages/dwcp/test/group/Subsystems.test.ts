import { assert, describe, it } from "@effect/vitest"
import { Environment } from "@novacron/boot"
import { Context, Effect, type FileSystem, Layer, Option, type Path } from "effect"
import { StateSync } from "../../src/ass/StateSync.ts"
import * as Features from "../../src/group/Features.ts"
import * as Placing from "../../src/group/Placing.ts"
import * as Subsystem from "../../src/group/Subsystem.ts"
import * as Subsystems from "../../src/group/Subsystems.ts"
import { pair } from "../ass/fixtures/tolerant.ts"
import { folder, platform, settings } from "./fixtures/nodes.ts"

const layers = (given: Parameters<typeof settings>[0] = {}, features: Features.Features = new Set(Features.all)) =>
  Effect.gen(function* () {
    const files = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
    return Subsystems.layers({
      settings: settings(given),
      directory: yield* folder,
      sql: undefined,
      consensus: undefined,
      files,
      features: () => features,
      known: Placing.nothing()
    })
  })

/** Which engine keeps state in an environment. */
const engineIn = (layered: Subsystems.Layered, environment: string) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Subsystem.selected(layered.ass)).pipe(
      Effect.provideService(Environment, environment)
    )
    return (yield* Context.get(context, StateSync).status).engine
  }).pipe(Effect.scoped)

const gossip = { secret: "sixteen letters and more", listen: ["/ip4/127.0.0.1/tcp/0"] }

describe("Subsystems", () => {
  it.live(
    "keep state by the engine of the environment, of those that can be had",
    () =>
      Effect.gen(function* () {
        const all = ["datacenter", "internet", "hybrid", "development"]
        const alone = yield* layers()
        for (const environment of all) assert.strictEqual(yield* engineIn(alone, environment), "alone")
        const spread = yield* layers({ sync: { gossip } })
        assert.strictEqual(yield* engineIn(spread, "internet"), "gossip")
        assert.strictEqual(yield* engineIn(spread, "hybrid"), "gossip")
        // What the rollout leaves out is not opened.
        const off = yield* layers({ sync: { gossip } }, new Set(["transport"]))
        assert.strictEqual(yield* engineIn(off, "internet"), "alone")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )

  it.live(
    "fail where the servers that were named cannot be had, and do not take something else for them",
    () =>
      Effect.gen(function* () {
        const etcd = { endpoints: ["http://127.0.0.1:1"] }
        const layered = yield* layers({ sync: { etcd } })
        const error = yield* Effect.flip(engineIn(layered, "datacenter"))
        assert.include(String(error), "etcd")
        // Without the flag of consensus they are not asked.
        const without = new Set(Features.all.filter((feature) => feature !== "consensus"))
        assert.strictEqual(yield* engineIn(yield* layers({ sync: { etcd } }, without), "datacenter"), "alone")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )

  it.live(
    "let nobody decide alone where members were to decide: not without v3, and not where the rollout leaves it out",
    () =>
      Effect.gen(function* () {
        const members = Array.from({ length: 4 }, (_, k) => ({ host: "127.0.0.1", port: 9_000 + k, ...pair() }))
        const given = { consensus: { byzantineTolerance: true, members } }
        const real = yield* layers(given, new Set(["transport", "stateSync"]))
        const v1 = Subsystems.withoutV3(real, { settings: settings(given), sql: undefined })
        for (const layered of [real, v1]) {
          const refused = yield* Effect.gen(function* () {
            const context = yield* Layer.build(Subsystem.selected(layered.ass)).pipe(
              Effect.provideService(Environment, "internet")
            )
            const engine = Context.get(context, StateSync)
            assert.isFalse((yield* engine.status).healthy)
            return yield* Effect.flip(engine.compareAndSet("k", Option.none(), Buffer.from("1")))
          }).pipe(Effect.scoped)
          assert.strictEqual(refused._tag, "NotPromised")
        }
        // Those who only keep their own do so in v1 too.
        const alone = Subsystems.withoutV3(yield* layers(), { settings: settings(), sql: undefined })
        assert.strictEqual(yield* engineIn(alone, "internet"), "alone")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )

  it.live(
    "compress by the goal of the environment",
    () =>
      Effect.gen(function* () {
        const { hde } = yield* layers()
        // Not quite noise: worth much effort where bytes are dear, and none where they are not.
        const content = Buffer.from(Array.from({ length: 400_000 }, (_, k) => (k * 2_654_435_761) % 61))
        const codecIn = (environment: string, bandwidth: number) =>
          Effect.gen(function* () {
            const context = yield* Layer.build(Subsystem.selected(hde)).pipe(
              Effect.provideService(Environment, environment)
            )
            return (yield* Context.get(context, Subsystems.Coder).encode(content, bandwidth)).codec
          }).pipe(Effect.scoped)
        assert.strictEqual(yield* codecIn("datacenter", 1e12), "none")
        assert.match(yield* codecIn("internet", 1e4), /^zstd-(?:6|9|1\d)$/u)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )
})
