import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { Effect } from "effect"
import { Settings } from "novacron"

const found = Config.load(Settings.definition(), { environment: { NOVACRON_HEALTH_PORT: "9100" }, flags: {} })
const { explain, settings } = await Effect.runPromise(Effect.provide(found, NodeServices.layer))
console.log(settings.health.port) // => 9100
console.log(explain("health.port")[0]?.sources[0].place) // => NOVACRON_HEALTH_PORT
