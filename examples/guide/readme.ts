import { Boot, Component, Policy, Report } from "@novacron/boot"
import { Console, Context, Data, Effect } from "effect"

class Refused extends Data.TaggedError("Refused") {}
class Cache extends Context.Service<Cache, { readonly get: (key: string) => Effect.Effect<string> }>()("app/cache") {}
class Api extends Context.Service<Api, { readonly hello: Effect.Effect<string> }>()("app/api") {}

const memory = Component.make(Cache, {
  name: "memory",
  start: Effect.succeed({ get: (key) => Effect.succeed(`${key} from memory`) }),
  health: (cache) => cache.get("ping")
})
const redis = Component.make(Cache, {
  severity: { Refused: "Degraded" }, // without a fallback this cannot boot: a compile error
  start: Effect.fail(new Refused()),
  health: (cache) => cache.get("ping")
}).pipe(Component.retry(Policy.standard), Component.fallback(memory))
const api = Component.make(Api, {
  needs: [Cache],
  start: Effect.map(Cache, (cache) => ({ hello: cache.get("hello") })),
  health: (api) => api.hello
})

const program = Effect.gen(function* () {
  const { report, services } = yield* Boot.make([api, redis])
  yield* Console.log(yield* Context.get(services, Api).hello)
  yield* Console.log(Report.text(yield* report))
})
await Effect.runPromise(Effect.scoped(program))
