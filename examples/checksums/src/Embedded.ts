/**
 * What this application borrows of a node, as plain layers: PostgreSQL with its own table in it, tasks, and the API that
 * tells of them. Whatever is not said is as in a node: TLS on, keys made on the first start, everything below `dataDir`.
 */
import { NodeServices } from "@effect/platform-node"
import { Api, Database, Orchestration, Security } from "@novacron/components"
import { Layer, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { migration } from "./Checksums.ts"

/** What may be said about it: the same words as in the file of a node. */
const Settings = Schema.Struct({
  security: Security.Settings,
  database: Database.Settings,
  orchestration: Orchestration.Settings,
  api: Api.Settings
})

export const layer = (dataDir: string, encoded: Partial<typeof Settings.Encoded> = {}) => {
  const said = Schema.decodeSync(Settings)({ security: {}, database: {}, orchestration: {}, api: {}, ...encoded })
  const [nodeId, version] = ["checksums", "1.0.0"]
  const security = Security.component(said.security, { dataDir, nodeId, environment: {} })
  const migrations = [...Database.migrations, ...Orchestration.migrations, migration]
  const database = Database.component(said.database, { dataDir, migrations })
  const facts = { nodeId, version, environment: "datacenter", host: process } as const
  const orchestration = Orchestration.component(said.orchestration, facts)
  const api = Api.component(said.api, { dataDir, nodeId, version })
  return api.layer.pipe(
    Layer.provideMerge(orchestration.layer),
    Layer.provideMerge(database.layer),
    Layer.provide(security.layer),
    Layer.provide([NodeServices.layer, FetchHttpClient.layer])
  )
}
