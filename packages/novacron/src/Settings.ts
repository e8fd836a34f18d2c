/**
 * What can be set of a node, made of the settings of its parts. It knows no part beyond its settings, so that they can be
 * read, judged and shown before the code of the parts is loaded.
 */
import {
  Api,
  Cache,
  Database,
  Discovery,
  Dwcp,
  Environment,
  Lock,
  Logger,
  Ml,
  Monitoring,
  Network,
  Operator,
  Orchestration,
  Post,
  Preflight,
  Resources,
  Security
} from "@novacron/components/early"
import { Config, Experiment, Field } from "@novacron/config"
import { Redacted, Result, Schema, Struct } from "effect"
import * as System from "./System.ts"
import * as Templates from "./Templates.ts"

/** Everything that can be set, a section for each part. */
export const Settings = Schema.Struct({
  system: Field.withDefault(System.Settings, {}),
  logger: Field.withDefault(Logger.Settings, {}),
  environment: Field.withDefault(Environment.Settings, {}),
  resources: Field.withDefault(Resources.Settings, {}),
  preflight: Field.withDefault(Preflight.Settings, {}),
  lock: Field.withDefault(Lock.Settings, {}),
  security: Field.withDefault(Security.Settings, {}),
  database: Field.withDefault(Database.Settings, {}),
  cache: Field.withDefault(Cache.Settings, {}),
  monitoring: Field.withDefault(Monitoring.Settings, {}),
  network: Field.withDefault(Network.Settings, {}),
  dwcp: Field.withDefault(Dwcp.Settings, {}),
  orchestration: Field.withDefault(Orchestration.Settings, {}),
  api: Field.withDefault(Api.Settings, {}),
  ml: Field.withDefault(Ml.Settings, {}),
  discovery: Field.withDefault(Discovery.Settings, {}),
  dashboard: Field.withDefault(Operator.Settings, {}),
  health: Field.withDefault(Post.HealthSettings, {}),
  systemHealth: Field.withDefault(Post.SystemHealthSettings, {}),
  ready: Field.withDefault(Post.ReadySettings, {}),
  experiments: Experiment.Settings.annotate({
    description: "Settings that some of the nodes try out, by a name of your own"
  })
})
export type Settings = typeof Settings.Type

/** What has to be known before all else: who the node is, and how it finds out where. */
export const First = Schema.Struct(Struct.pick(Settings.fields, ["system", "environment"]))

/** How the settings of a node look, in files, in the environment and on the command line. */
export const definition = (): Config.Definition<Settings, typeof Settings.Encoded> =>
  (defined ??= Config.define({
    name: "novacron",
    schema: Settings,
    hot: ["system.log_level", "logger.level", ...rollout.map((key) => `dwcp.${key}`)],
    templates: Templates.templates,
    reserved: Templates.reserved,
    experiments: "experiments",
    aliases: { NOVACRON_LOG_LEVEL: "system.log_level", NOVACRON_DATA_DIR: "system.data_dir" }
  }))

/** What decides how much of DWCP v3 this node speaks. */
const rollout = [
  "enable_v3_transport",
  "enable_v3_compression",
  "enable_v3_prediction",
  "enable_v3_state_sync",
  "enable_v3_consensus",
  "enable_v3_congestion",
  "enable_v3_placement",
  "v3_rollout_percentage",
  "v3_except",
  "force_v1_mode",
  "forced_mode"
]

let defined: Config.Definition<Settings, typeof Settings.Encoded> | undefined

/** The log as it is set, with the word of `system`. */
export const loggerOf = ({ logger, system }: Settings): Settings["logger"] => ({
  ...logger,
  level: system.logLevel ?? logger.level
})

/** Every secret of the settings and the password of every address, for those who take them out of what they write. */
export const secretsOf = (settings: unknown): ReadonlyArray<string> => {
  if (Redacted.isRedacted(settings)) {
    const secret = Redacted.value(settings)
    return typeof secret === "string" ? [secret, ...passwordOf(secret)].filter(({ length }) => length >= 4) : []
  }
  if (typeof settings !== "object" || settings === null) return []
  return Object.values(settings).flatMap(secretsOf)
}

const passwordOf = (text: string): ReadonlyArray<string> => {
  // libpq's way to name a socket directory without a host is no URL of the web; nor is a password in the query.
  const address = text.replace(/^(\w+:\/\/[^@/?#]*@)(?=\/|\?|$)/, "$1localhost")
  if (!URL.canParse(address)) return []
  const { password, searchParams } = new URL(address)
  // Whether an escape is one is for whoever uses the address to say.
  const decoded = Result.getOrElse(
    Result.try(() => decodeURIComponent(password)),
    () => password
  )
  return [password, decoded, searchParams.get("password") ?? ""].filter((one) => one !== "")
}
