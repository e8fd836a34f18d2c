/**
 * What the compiler promises about components. Each `@ts-expect-error` states one promise: without the error below it,
 * this file does not compile, and `pnpm check` fails.
 */
import { assert, it } from "@effect/vitest"
import { Context, Data, Effect, Layer, Option } from "effect"
import { Boot, Component, type Severity } from "@novacron/boot"

class Settings extends Context.Service<Settings, { readonly url: string }>()("types/Settings") {}
class Database extends Context.Service<Database, { readonly query: (q: string) => Effect.Effect<string> }>()(
  "types/Database"
) {}
class Cache extends Context.Service<Cache, { readonly get: (k: string) => Effect.Effect<Option.Option<string>> }>()(
  "types/Cache"
) {}
class Ml extends Context.Service<Ml, { readonly predict: Effect.Effect<number> }>()("types/Ml") {}
class Search extends Context.Service<Search, { readonly find: Effect.Effect<number> }>()("types/Search") {}
class Api extends Context.Service<Api, { readonly port: number }>()("types/Api") {}

class RedisDown extends Data.TaggedError("RedisDown")<{ readonly host: string }> {}
class BadUrl extends Data.TaggedError("BadUrl")<{ readonly url: string }> {}
class NoGpu extends Data.TaggedError("NoGpu")<{ readonly device: string }> {}

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => undefined
const healthy = () => Effect.void

const settings = Component.make(Settings, { start: Effect.succeed({ url: "x" }), health: healthy })
const startDatabase = Effect.gen(function* () {
  const { url } = yield* Settings
  if (url === "") return yield* new BadUrl({ url })
  return { query: (q: string) => Effect.succeed(q) }
})
const database = Component.make(Database, { needs: [Settings], start: startDatabase, health: (db) => db.query("1") })
const startRedis = Effect.gen(function* () {
  const { url } = yield* Settings
  if (url === "") return yield* new BadUrl({ url })
  if (url === "down") return yield* new RedisDown({ host: url })
  return { get: () => Effect.succeed(Option.none<string>()) }
})
const redis = Component.make(Cache, {
  needs: [Settings],
  severity: { RedisDown: "Degraded", BadUrl: "Critical" },
  start: startRedis,
  health: healthy
})
const memory = Component.make(Cache, {
  start: Effect.succeed({ get: () => Effect.succeed(Option.none<string>()) }),
  health: healthy
})
const cache = redis.pipe(Component.fallback(memory))
const startMl = Effect.gen(function* () {
  yield* Database
  return yield* new NoGpu({ device: "gpu0" })
})
const ml = Component.make(Ml, { needs: [Database], severity: "Warning", start: startMl, health: healthy }).pipe(
  Component.optional
)
const api = Component.make(Api, {
  needs: [Database, Cache, Component.option(Ml)],
  start: Effect.gen(function* () {
    yield* Cache
    yield* Database
    const predictor = yield* Component.option(Ml)
    return { port: Option.isSome(predictor) ? 1 : 2 }
  }),
  health: healthy
})
const node = Boot.layer([settings, database, cache, ml, api])

it("gives a component the error channel that its severities make", () => {
  holds<Equal<Component.Error<typeof database>, Severity.Critical<BadUrl>>>()
  holds<Equal<Component.Error<typeof redis>, Severity.Degraded<RedisDown> | Severity.Critical<BadUrl>>>()
  holds<Equal<Component.Error<typeof cache>, Severity.Critical<BadUrl> | Severity.Critical<never>>>()
  holds<Equal<Component.Error<typeof ml>, never>>()
  assert.strictEqual(redis.manifest.severity, "degraded")
})

it("gives a component the needs that it declares, and a layer that needs them too", () => {
  holds<Equal<Component.Needs<typeof database>, Settings>>()
  holds<Equal<Layer.Services<typeof redis.layer>, Settings>>()
  holds<Equal<Layer.Error<typeof redis.layer>, Severity.Degraded<RedisDown> | Severity.Critical<BadUrl>>>()
  const provided: Layer.Layer<Cache, Severity.Critical<BadUrl> | Severity.Critical> = cache.layer.pipe(
    Layer.provide(settings.layer)
  )
  assert.isTrue(Layer.isLayer(provided))
})

it("makes a boot of whole components a layer that needs nothing and fails critically only", () => {
  holds<Equal<Layer.Error<typeof node>, Severity.Critical<BadUrl> | Boot.InvalidBoot>>()
  holds<Equal<Layer.Services<typeof node>, never>>()
  const run: Effect.Effect<never, Severity.Critical<BadUrl> | Boot.InvalidBoot> = Layer.launch(node)
  assert.isTrue(Effect.isEffect(run))
})

it("lets a component that may be absent need another one that may be absent", () => {
  const search = Component.make(Search, {
    needs: [Ml],
    severity: "Warning",
    start: Effect.map(Ml, (model) => ({ find: model.predict })),
    health: healthy
  }).pipe(Component.optional)
  const both = Boot.layer([settings, database, ml, search])
  holds<Equal<Layer.Services<typeof both>, never>>()
  holds<Equal<Layer.Services<typeof search.layer>, Ml>>()
  const alone = Boot.layer([search])
  holds<Equal<Layer.Services<typeof alone>, Ml>>()
})

it("takes the word of an application that it has none of what would be used if there were one", () => {
  const withoutMl = Boot.layer([settings, database, cache, api])
  holds<Equal<Layer.Services<typeof withoutMl>, Component.Optional<Ml>>>()
  const complete = withoutMl.pipe(Layer.provide(Component.absent(Ml)))
  holds<Equal<Layer.Services<typeof complete>, never>>()
})

it("refuses what is wrong, where it is wrong", () => {
  // @ts-expect-error a member is missing: a component says how to tell that it works
  Component.make(Settings, { start: Effect.succeed({ url: "x" }) })
  // @ts-expect-error Database is used but not among the needs
  Component.make(Api, { needs: [Cache], start: Effect.map(Database, () => ({ port: 1 })), health: healthy })
  // @ts-expect-error the service has another shape
  Component.make(Api, { start: Effect.succeed({ port: "1" }), health: healthy })
  // @ts-expect-error the severity table forgets BadUrl
  Component.make(Cache, { needs: [Settings], severity: { RedisDown: "Degraded" }, start: startRedis, health: healthy })
  // @ts-expect-error a degraded component without a fallback cannot boot
  Boot.layer([settings, redis])
  const warning = Component.make(Ml, { severity: "Warning", start: Effect.fail("x"), health: healthy })
  // @ts-expect-error a warning that is not optional cannot boot
  Boot.layer([settings, database, warning])
  // @ts-expect-error the fallback provides another service
  redis.pipe(Component.fallback(settings))
  // @ts-expect-error nobody provides Settings
  const missing: Effect.Effect<never, unknown> = Layer.launch(Boot.layer([database]))
  const hard = Component.make(Api, { needs: [Ml], start: Effect.as(Ml, { port: 1 }), health: healthy })
  // @ts-expect-error Ml may be absent, and Api cannot do without
  const absent: Effect.Effect<never, unknown> = Layer.launch(Boot.layer([settings, database, ml, hard]))
  const inDatacenter = database.pipe(Component.when("datacenter"))
  const partial = Boot.layer([settings, inDatacenter, cache, ml, api])
  // @ts-expect-error what exists in one environment only may be absent too
  const elsewhere: Effect.Effect<never, unknown> = Layer.launch(partial)
  const startApi = Effect.map(Database, () => ({ port: 1 }))
  const library = Layer.effect(Api, startApi)
  // @ts-expect-error the library's layer requires Database, which is not among the needs
  Component.fromLayer(Api, library, { needs: [Cache] })
  assert.isTrue([missing, absent, elsewhere].every(Effect.isEffect))
})
