import { NodeServices } from "@effect/platform-node"
import { Boot } from "@novacron/boot"
import { Cache, Security } from "@novacron/components"
import { Effect, FileSystem, Layer, Option, Schema } from "effect"
import { FetchHttpClient } from "effect/http"

const greeting = Effect.gen(function* () {
  const cache = yield* Cache.Cache
  yield* cache.set("greeting", "hello", "10 seconds")
  return Option.getOrElse(yield* cache.get("greeting"), () => "nothing")
})
const program = Effect.gen(function* () {
  const dataDir = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  const facts = { dataDir, nodeId: "node-1", environment: {} }
  const security = Security.component(Schema.decodeUnknownSync(Security.Settings)({}), facts)
  const cache = Cache.component(Schema.decodeUnknownSync(Cache.Settings)({}))
  return yield* Effect.provide(greeting, Boot.layer([security, cache]))
})
const platform = Layer.merge(NodeServices.layer, FetchHttpClient.layer)
console.log(await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(platform)))) // => hello
