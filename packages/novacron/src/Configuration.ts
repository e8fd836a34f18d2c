/**
 * From the command line and the environment to settings: which file, which template, which keys to decrypt with, whose
 * signature to ask for, and where the data directory is.
 *
 * **Details**
 *
 * The file is the one of `--config`, of `NOVACRON_CONFIG`, or the first that is there of `novacron.yaml`, `.yml` and
 * `.json` in the current directory and `/etc/novacron/novacron.yaml`. The template is the one of `--template` or
 * `NOVACRON_TEMPLATE`; without one the environment chooses, which is why settings are read twice: two sections to learn
 * where the node runs, and all of them for good. Instead of a path it may be a key of etcd or Consul,
 * `etcds://host:2379/key`: see `Remote` of @novacron/config.
 *
 * Some things cannot be said in the file that they protect, so they are variables of the environment:
 *
 * | variable | |
 * |---|---|
 * | `NOVACRON_CONFIG_KEY_FILE`, `NOVACRON_CONFIG_KEY` | the keyring of encrypted values, as a file of mode 0600 or itself |
 * | `NOVACRON_CONFIG_PUBLIC_KEYS` | PEM files, separated by `:`, one of which must fit the signature |
 * | `NOVACRON_CONFIG_SIGNATURE` | `off`, `warn` or `require`; without it `require` where there is a public key, else `off` |
 * | `NOVACRON_CONFIG_RULES` | the file of rules that settings must keep: see `Compliance` of @novacron/config |
 * | `NOVACRON_CONFIG_COMPLIANCE` | `off`, `warn` or `require`; without it `require` where there are rules |
 */
import { resolve } from "node:path"
import { Detection } from "@novacron/components/early"
import {
  type Compliance,
  Config,
  type ConfigInvalid,
  type Encryption,
  History,
  Remote,
  type Signature
} from "@novacron/config"
import { Effect, FileSystem, Option, Struct } from "effect"
import * as NodeId from "./NodeId.ts"
import * as Settings from "./Settings.ts"
import { Surroundings } from "./Surroundings.ts"

/** What the command line says about settings. */
export interface Asked {
  readonly config?: string | undefined
  readonly template?: string | undefined
  readonly dataDir?: string | undefined
  /** By dotted key. */
  readonly set: { readonly [key: string]: string }
  /** Whether the last version of the file that was booted with is taken when the file cannot be used. Default: no. */
  readonly lastGood?: boolean | undefined
}

/** What is taken instead of a file that cannot be used. */
export interface LastGood {
  /** The file that cannot be used. */
  readonly file: string
  /** Of the version that is used, as `novacron config history` has it. */
  readonly number: number
  readonly path: string
  /** What is wrong with the file. */
  readonly because: ConfigInvalid
}

/** Settings of a node. */
export type Loaded = Config.Loaded<Settings.Settings>

/** Where a file is looked for when nobody names one. */
const usual = ["novacron.yaml", "novacron.yml", "novacron.json", "/etc/novacron/novacron.yaml"]

/** How settings are read. */
interface Manner {
  readonly meanwhile?: Effect.Effect<unknown>
  readonly resources?: Config.LoadOptions["resources"]
}

/**
 * Reads the settings, with all that is wrong about them at once; and says where from, to read them again. `meanwhile` is
 * done while the environment is being found out: a gateway may take a tenth of a second to say nothing.
 */
export const load = Effect.fn("Configuration.load")(function* (asked: Asked, manner: Manner = {}) {
  const options = yield* optionsOf(asked)
  const { file } = options
  const loading = loadFrom(options, manner)
  if (asked.lastGood !== true || file === undefined || Remote.isRemote(file)) return yield* loading
  return yield* Effect.catchTag(loading, "ConfigInvalid", (because) => insteadOf({ ...options, file }, manner, because))
})

/** The newest version of the file that is intact, judged like the file; where that does not do either, the file's fault. */
const insteadOf = Effect.fnUntraced(function* (
  options: Config.LoadOptions & { readonly file: string },
  manner: Manner,
  because: ConfigInvalid
) {
  const { file, ...others } = options
  // The file may say where the data directory is, and cannot be asked.
  const plain = yield* Effect.mapError(
    Config.load(Settings.definition(), { ...bare(others), resources: "skip" }),
    () => because
  )
  const directory = historyOf(dataDirOf(plain.settings, yield* Surroundings))
  const found = yield* Effect.orElseSucceed(History.lastGood(directory), Option.none)
  if (Option.isNone(found)) {
    yield* Effect.logWarning(
      `There is no last good version of ${file} in ${directory}. If the file says where the data directory is: --data-dir.`
    )
    return yield* because
  }
  const { number, path } = found.value
  const loaded = yield* Effect.mapError(loadFrom({ ...others, file: path }, manner), () => because)
  // The file is what is watched and read again: it will be mended.
  return { ...loaded, sources: { ...loaded.sources, file }, lastGood: { file, number, path, because } }
})

/** Without what is judged as a whole. */
const bare = (options: Config.LoadOptions): Config.LoadOptions => Struct.omit(options, ["compliance"])

/** Where the versions of the file are that a node has booted with. */
export const historyOf = (dataDir: string): string => `${dataDir}/config-history`

const loadFrom = Effect.fnUntraced(function* (
  from: Config.LoadOptions,
  { meanwhile = Effect.void, resources = "check" }: Manner
) {
  const options = { ...from, resources }
  const definition = Settings.definition()
  // Where the node runs decides which template is below the file: rules judge what comes of it.
  const first =
    (yield* Config.first(definition, Settings.First, bare(options))) ??
    (yield* Config.load(definition, { ...bare(options), resources: "skip" })).settings
  const detection = yield* Detection.detect(first.environment, meanwhile)
  const node = yield* nodeOf(first)
  const sources: Config.LoadOptions = {
    template: detection.kind,
    ...options,
    ...(node === undefined ? {} : { node })
  }
  const [parsing, loaded] = yield* Effect.timed(Config.load(definition, sources))
  const lastGood: LastGood | undefined = undefined
  return { loaded, sources, detection, parsing, lastGood }
})

/** Where settings come from, by the command line and the environment. */
export const optionsOf = Effect.fnUntraced(function* ({ config, dataDir, set, template }: Asked) {
  const { env } = yield* Surroundings
  const file = config ?? nonEmpty(env["NOVACRON_CONFIG"]) ?? (yield* findFile)
  const keyring = keyringOf(env)
  const signature = signatureOf(env)
  const compliance = complianceOf(env)
  const wanted = template ?? nonEmpty(env["NOVACRON_TEMPLATE"])
  return {
    environment: env,
    ...(dataDir === undefined ? { flags: set } : { flags: { ...set, [dataDirKey]: dataDir }, written: byItsFlag }),
    ...(file === undefined ? {} : { file }),
    ...(wanted === undefined ? {} : { template: wanted }),
    ...(keyring === undefined ? {} : { keyring }),
    ...(signature === undefined ? {} : { signature }),
    ...(compliance === undefined ? {} : { compliance })
  }
})

const dataDirKey = "system.data_dir"
const byItsFlag = { [dataDirKey]: "--data-dir" }

const findFile = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  const { cwd } = yield* Surroundings
  for (const name of usual) {
    const path = resolve(cwd, name)
    if (yield* Effect.orElseSucceed(fileSystem.exists(path), () => false)) return path
  }
  return undefined
})

/** Where the keys of encrypted values are, if anybody says so. */
export const keyringOf = (env: Surroundings["Service"]["env"]): Encryption.KeyringSource | undefined => {
  const path = nonEmpty(env["NOVACRON_CONFIG_KEY_FILE"])
  if (path !== undefined) return { _tag: "File", path }
  return nonEmpty(env["NOVACRON_CONFIG_KEY"]) === undefined
    ? undefined
    : { _tag: "Environment", name: "NOVACRON_CONFIG_KEY" }
}

/** How the file's signature is judged. A word that is no policy is as strict as can be. */
export const signatureOf = (env: Surroundings["Service"]["env"]): Signature.Settings | undefined => {
  const publicKeys = (env["NOVACRON_CONFIG_PUBLIC_KEYS"] ?? "").split(":").filter((path) => path !== "")
  const said = nonEmpty(env["NOVACRON_CONFIG_SIGNATURE"]) ?? (publicKeys.length > 0 ? "require" : "off")
  if (said === "off") return undefined
  return { policy: said === "warn" ? "warn" : "require", publicKeys }
}

/** Which rules the settings must keep. A word that is no policy is as strict as can be. */
export const complianceOf = (env: Surroundings["Service"]["env"]): Compliance.Settings | undefined => {
  const rules = nonEmpty(env["NOVACRON_CONFIG_RULES"])
  const said = nonEmpty(env["NOVACRON_CONFIG_COMPLIANCE"])
  if (rules === undefined || said === "off") return undefined
  return { rules, policy: said === "warn" ? "warn" : "require" }
}

/** Who this is, as far as it is known before anything is made: experiments ask. */
const nodeOf = Effect.fnUntraced(function* (settings: typeof Settings.First.Type) {
  const surroundings = yield* Surroundings
  return yield* NodeId.find(dataDirOf(settings, surroundings), settings.system.nodeId, surroundings.hostname)
})

const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text)

/** Where everything is kept: as set, below the state directory of systemd or of the user, or here. */
export const dataDirOf = (
  { system }: { readonly system: Pick<Settings.Settings["system"], "dataDir"> },
  { cwd, env }: Pick<Surroundings["Service"], "cwd" | "env">
): string => {
  if (system.dataDir !== undefined) return resolve(cwd, system.dataDir)
  const [state] = (nonEmpty(env["STATE_DIRECTORY"]) ?? "").split(":")
  if (state !== undefined && state !== "") return resolve(cwd, state)
  const home = nonEmpty(env["XDG_STATE_HOME"])
  return home === undefined ? resolve(cwd, ".novacron") : resolve(cwd, home, "novacron")
}

/** A setting and where it comes from: `database.url from NOVACRON_DATABASE_URL (overrides novacron.yaml:14)`. */
export const explain = (loaded: Loaded, setting: string): string | undefined => {
  const found = decisive(loaded, setting)
  if (found === undefined) return undefined
  const [winner, ...others] = found.sources
  const over = others.map(({ place }) => place).filter((place) => place !== "default")
  if (winner.place === "default" && winner.value === "nothing") return `${found.key} is not set`
  const value = found.isSecret || found.value.length > 80 ? "" : ` = ${found.value}`
  const from = winner.place === "default" ? "by default" : `from ${winner.place}`
  return `${found.key}${value} ${from}${over.length === 0 ? "" : ` (overrides ${over.join(", ")})`}`
}

/** Settings that have another, stronger name below `system`: when that is set, it is the one that decides. */
const stronger: { readonly [setting: string]: string } = {
  "health.port": "system.health_check_port",
  "logger.level": "system.log_level"
}

/** Settings that follow from another one when they are not set: then it is that one which decides. */
const followed: { readonly [setting: string]: string } = {
  "database.url": "database.embedded.data_dir",
  "database.embedded.data_dir": "system.data_dir"
}

const decisive = (loaded: Loaded, setting: string): Config.Explanation | undefined => {
  const name = stronger[setting]
  const [other] = name === undefined ? [] : loaded.explain(name)
  const [found] = other === undefined || other.sources[0].place === "default" ? loaded.explain(setting) : [other]
  const next = found?.sources[0].place === "default" ? followed[setting] : undefined
  return next === undefined ? found : decisive(loaded, next)
}
