import { Client } from "@novacron/api"
import { Effect, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"

// A token is what `novacron api-token create` prints; `novacron boot` tells the address.
const hello = Effect.gen(function* () {
  const client = yield* Client.make({ url: "https://127.0.0.1:1", token: Redacted.make("a token") })
  const run = { driver: "process", command: ["/bin/echo", "hello"] } as const
  const { id } = yield* client.tasks.submit({ headers: {}, payload: { name: "hello", run } })
  return (yield* client.tasks.get({ params: { id } })).state
}).pipe(Effect.catchTag("HttpClientError", () => Effect.succeed("nobody is there")))
console.log(await Effect.runPromise(Effect.provide(hello, FetchHttpClient.layer))) // => nobody is there
