/** A process that is entered in a registry until it is killed: `child.ts URL ID LEASE`. Says `entered` when it is. */
import { Effect, Schema } from "effect"
import * as Component from "../../src/discovery/Component.ts"
import * as Registry from "../../src/discovery/Registry.ts"
import { Settings } from "../../src/discovery/Settings.ts"
import * as Pool from "../../src/database/Pool.ts"
import { poolOptions } from "../database/Surroundings.ts"

const [url = "", id = "", lease = "1s"] = process.argv.slice(2)
const settings = Schema.decodeUnknownSync(Settings)({ lease, interval: "50ms" })

const program = Effect.gen(function* () {
  const { sql } = yield* Pool.make(poolOptions(url, { pool: { min: 1, max: 2 } }))
  const registry = Registry.database(sql, settings.lease)
  yield* Component.make(settings, { id, version: "0.1.0", addresses: () => ({ api: "https://10.0.0.9:8443" }) }, [
    registry
  ])
  const isThere = Effect.map(registry.list, (peers) => peers.some((peer) => peer.id === id))
  yield* Effect.repeat(Effect.andThen(Effect.sleep("20 millis"), isThere), { until: (it) => it })
  console.log("entered")
  yield* Effect.never
})

await Effect.runPromise(Effect.scoped(program))
