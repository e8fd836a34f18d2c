import { NodeServices } from "@effect/platform-node"
import { Config, Field } from "@novacron/config"
import { Effect, Schema } from "effect"

const Server = Schema.Struct({
  port: Field.withDefault(Field.port, 8443),
  requestTimeout: Field.withDefault(Field.duration, "30s")
})
const definition = Config.define({
  name: "shop",
  schema: Schema.Struct({ server: Field.withDefault(Server, {}) })
})
const program = Config.load(definition, {
  environment: { SHOP_SERVER_PORT: "80" },
  flags: { "server.request_timeout": "5s" }
})
const loaded = await Effect.runPromise(Effect.provide(program, NodeServices.layer))
console.log(loaded.settings.server.port) // => 80
console.log(loaded.explain("server.request_timeout")[0]?.sources[0].place) // => -s server.request_timeout
