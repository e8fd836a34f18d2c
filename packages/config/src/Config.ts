/**
 * Settings of an application from a Schema: flags before environment before file before template before defaults, each value
 * with where it came from, and everything that is wrong at once.
 *
 * **Example**
 *
 * ```ts
 * const Settings = Schema.Struct({
 *   server: Schema.Struct({
 *     port: Field.withDefault(Field.port, 8443),
 *     requestTimeout: Field.withDefault(Field.duration, "30s"),
 *     password: Schema.optionalKey(Field.secret)
 *   })
 * })
 * const definition = Config.define({ name: "shop", schema: Settings, hot: ["server.request_timeout"] })
 * const loaded = yield* Config.load(definition, { file: "shop.yaml", environment, flags: { "server.port": "80" } })
 * loaded.settings.server.requestTimeout // a Duration
 * loaded.explain("server.port")         // -s server.port wins over shop.yaml:2:9
 * ```
 *
 * **Details**
 *
 * Three levels: what the Schema allows, what `constraints` say about several keys, and what `resources` find in the world.
 * A level is asked about a key only when the level before it has nothing against that key.
 *
 * **Gotchas**
 *
 * `version` leaves secrets out, so that it can be shown: two settings that differ in a password only have the same one.
 */
import { createHash, createHmac, randomBytes } from "node:crypto"
import { Effect, FileSystem, type Path, type PlatformError } from "effect"
import * as Compliance from "./Compliance.ts"
import * as Document from "./Document.ts"
import * as Encryption from "./Encryption.ts"
import * as Gather from "./Gather.ts"
import * as Keys from "./Keys.ts"
import * as Mask from "./Mask.ts"
import { entryAt, type Migration, migrate } from "./Migration.ts"
import { codes, ConfigInvalid, didYouMean, type Problem, place, type Source, unread } from "./Problem.ts"
import * as Remote from "./Remote.ts"
import * as Signature from "./Signature.ts"
import * as Trial from "./Trial.ts"
import * as Verdict from "./Verdict.ts"

/** A rule about several keys. Pure; it sees settings that the Schema allows. */
export interface Constraint<A> {
  /** The keys it is about, dotted, as in a file. It is not asked when one of them is wrong already. */
  readonly keys: readonly [string, ...ReadonlyArray<string>]
  /** What is wrong, a sentence without secrets; `undefined` when nothing is. */
  readonly check: (settings: A) => string | undefined
}

/** What settings say about the world: that a file is there, that a port is free. */
export interface Resource<A> {
  readonly keys: readonly [string, ...ReadonlyArray<string>]
  readonly check: (settings: A) => Effect.Effect<string | undefined, never, FileSystem.FileSystem | Path.Path>
}

/** Some of the settings, as they are written; in the `camelCase` of the Schema. */
export type Partially<E> =
  E extends ReadonlyArray<unknown> ? E : E extends object ? { readonly [K in keyof E]?: Partially<E[K]> } : E

/** What {@link define} takes. */
export interface Options<A, E> {
  /** Begins the names of the environment variables: `novacron` gives `NOVACRON_SYSTEM_LOG_LEVEL`. */
  readonly name: string
  /** A struct of sections. Synchronous, without services. */
  readonly schema: Keys.SettingsSchema<A, E>
  readonly constraints?: ReadonlyArray<Constraint<NoInfer<A>>>
  readonly resources?: ReadonlyArray<Resource<NoInfer<A>>>
  /** Keys that may change while the application runs; `flags.*` is all below `flags`. Default: none. */
  readonly hot?: ReadonlyArray<string>
  /** Of the shape of the files, from 1; a file says which it has by `config_version`, and 1 when it does not. */
  readonly version?: number
  readonly migrations?: ReadonlyArray<Migration>
  readonly templates?: { readonly [name: string]: Partially<NoInfer<E>> }
  /** Variables with the prefix that are not keys and belong to somebody else: `NOVACRON_CONFIG`. */
  readonly reserved?: ReadonlyArray<string>
  /** The key of a section that `Experiment.Settings` describes. Default: nothing is tried out. */
  readonly experiments?: string
  /** Other names of keys in the environment: `{ NOVACRON_LOG_LEVEL: "system.log_level" }`. The derived name wins. */
  readonly aliases?: { readonly [variable: string]: string }
}

/** How some settings look. */
export interface Definition<A, E = unknown> extends Options<A, E> {
  readonly keys: Keys.Keys
  readonly prefix: string
  readonly version: number
  readonly hot: ReadonlyArray<string>
}

/** Says how settings look. Throws when names collide or name nothing: those are mistakes in the definition. */
export const define = <A, E>(options: Options<A, E>): Definition<A, E> => {
  const prefix = Keys.toSnake(options.name)
    .replaceAll(/[^a-z0-9]+/g, "_")
    .toUpperCase()
  const keys = Keys.make(options.schema, prefix)
  const named = [
    ...(options.constraints ?? []).flatMap((it) => it.keys),
    ...(options.resources ?? []).flatMap((it) => it.keys),
    ...(options.hot ?? []).map((key) => key.replace(/\.\*$/, "")),
    ...(options.experiments === undefined ? [] : [options.experiments]),
    ...Object.values(options.aliases ?? {})
  ]
  const unknown = named.filter((name) => Keys.find(keys, name) === undefined)
  if (unknown.length > 0) throw new Error(`These are not keys of the settings: ${unknown.join(", ")}.`)
  return { ...options, keys, prefix, version: options.version ?? 1, hot: options.hot ?? [] }
}

/** Where settings come from. All of it is read once. */
export interface LoadOptions {
  /**
   * A path to YAML or JSON, or a place as `Remote` has them. Without it there is no file; one that does not exist is an
   * error.
   */
  readonly file?: string
  /** Default: nothing is set. */
  readonly environment?: { readonly [name: string]: string | undefined }
  /** By dotted key: `{ "system.log_level": "debug" }`. */
  readonly flags?: { readonly [key: string]: string }
  /** How the command line writes a flag with a name of its own: `{ "system.data_dir": "--data-dir" }`. Default: `-s KEY`. */
  readonly written?: { readonly [key: string]: string }
  /** The name of a template that lies between the file and the defaults. */
  readonly template?: string
  readonly keyring?: Encryption.KeyringSource
  readonly signature?: Signature.Settings
  /** Who this is, for experiments. Without it nobody takes part in any. */
  readonly node?: string
  /** Rules that the settings must keep. */
  readonly compliance?: Compliance.Settings
  /** Whether `resources` are asked. Default: `check`. */
  readonly resources?: "check" | "skip"
}

/** Settings that can be used, and where each of them came from. */
export interface Loaded<A> {
  readonly settings: A
  /** The hash of what is in effect, secrets left out: 16 hexadecimal digits. */
  readonly version: string
  readonly file: string | undefined
  /** Whether the same bytes were parsed before. */
  readonly isCached: boolean
  /** What was wrong and is tolerated by a policy. */
  readonly warnings: ReadonlyArray<Problem>
  /** What this node got of each experiment that it takes part in, by name: labels for what is measured. */
  readonly variants: { readonly [experiment: string]: string }
  /** All that is said about a key, or about all keys below it; empty when there is no such key. */
  readonly explain: (key: string) => ReadonlyArray<Explanation>
  /** All of it as a file would have it; secrets are masked. */
  readonly masked: () => { readonly [key: string]: unknown }
  /** What each leaf is, without being able to say it when it is a secret. For comparing two of them. */
  readonly values: ReadonlyMap<string, Value>
}

/** The value of a leaf as it is written. */
export interface Value {
  /** The same for the same value, in this process only; `undefined` when there is no value. */
  readonly print: string | undefined
  /** Masked. */
  readonly shown: unknown
  readonly isSecret: boolean
}

/** Everything that is said about one key. */
export interface Explanation {
  readonly key: string
  readonly description: string | undefined
  readonly allowed: string
  readonly environment: string | undefined
  readonly isSecret: boolean
  readonly isHot: boolean
  /** Masked, as JSON. */
  readonly value: string
  /** From the strongest to the weakest; the first one wins. */
  readonly sources: readonly [Said, ...ReadonlyArray<Said>]
}

/** What one source says. */
export interface Said {
  readonly source: Source
  /** `novacron.yaml:4:14`, `NOVACRON_SYSTEM_LOG_LEVEL`, `default`. */
  readonly place: string
  /** Masked, as JSON. */
  readonly value: string
  readonly wins: boolean
}

/** Reads everything once. Fails with every problem there is; never with a secret. */
export const load = Effect.fn("Config.load")(function* <A, E>(definition: Definition<A, E>, options: LoadOptions) {
  const from = yield* sourcesOf(definition, options)
  const { file: source, keys } = from
  const tried = Trial.tryOut(definition, from, options.node, (settings, problems) =>
    constrain(definition, settings, problems)
  )
  const { gathered, verdict } = tried
  const exposed =
    source && (source.mode & 0o077) !== 0 ? gathered.written.filter((it) => it.isExposed).map(tooOpen) : []
  const found = [...exposed, ...gathered.problems, ...verdict.problems, ...tried.problems]

  const problems = found.map((problem) => scrubbed(problem, gathered.secrets))
  if (verdict.settings) {
    const settings = verdict.settings.value
    const blamed = (it: Found) => scrubbed(blame(it, verdict.winners, source), gathered.secrets)
    const wrong = [...problems, ...constrain(definition, settings, problems).map(blamed)]
    const asked = options.resources === "skip" ? [] : yield* ask(definition, settings, wrong)
    const answer = (warnings: ReadonlyArray<Problem>) =>
      loaded(definition, settings, gathered, source, { warnings, variants: tried.variants })
    const judged = { keys, values: () => answer([]).values, winners: verdict.winners }
    const ruled = yield* Compliance.check(options.compliance, judged)
    const [first, ...more] = [...wrong, ...asked.map(blamed), ...ruled.problems]
    if (first) return yield* new ConfigInvalid({ problems: [first, ...more] })
    return answer([...(source?.warnings ?? []), ...ruled.warnings])
  }
  const [first, ...more] = problems
  return yield* new ConfigInvalid({ problems: [first ?? inexplicable, ...more] })
})

/**
 * Some sections before the rest: what has to be known to find out what else there is. None, when anything at all is wrong:
 * then {@link load} says everything. Experiments, rules and the world are not asked.
 */
export const first = Effect.fn("Config.first")(function* <A, B>(
  definition: Definition<A>,
  sections: Keys.SettingsSchema<B>,
  options: LoadOptions
) {
  const from = yield* sourcesOf(definition, options)
  const gathered = Gather.gather(from)
  if (gathered.problems.length > 0) return undefined
  const names = new Set(Keys.namesIn(sections))
  const isAsked = ([name = ""]: ReadonlyArray<string>) => names.has(name)
  const some = {
    ...gathered,
    written: gathered.written.filter(({ key }) => isAsked(key.path)),
    present: gathered.present.filter(isAsked)
  }
  const { problems, settings } = Verdict.judge(sections, Keys.only(definition.keys, names), some, undefined, undefined)
  return problems.length > 0 ? undefined : settings?.value
})

/** The Schema refused and did not say why: only one that was not made by {@link define} could. */
const inexplicable: Problem = {
  code: codes.notAllowed,
  key: "",
  message: "The Schema of the settings refuses them without an issue.",
  source: undefined
}

const sourcesOf = Effect.fnUntraced(function* <A, E>(definition: Definition<A, E>, options: LoadOptions) {
  const { environment = {}, flags = {}, written = {} } = options
  const keyring = options.keyring && (yield* Encryption.loadKeyring(options.keyring, environment))
  const file = options.file === undefined ? undefined : yield* read(definition, options.file, options.signature)
  const template = yield* templateOf(definition, options.template)
  const { aliases = {}, keys, prefix, reserved = [] } = definition
  return { keys, prefix, reserved, aliases, flags, written, environment, file, template, keyring }
})

// --------------------------------------------------------------------------------------------------------- the file

const read = Effect.fnUntraced(function* <A, E>(
  definition: Definition<A, E>,
  path: string,
  signature: Signature.Settings | undefined
) {
  const { bytes, mode } = yield* Remote.isRemote(path)
    ? Effect.mapBoth(Remote.read(path), {
        onFailure: ({ message, why }) =>
          unusable(why === "Silent" ? codes.silent : codes.unreadable, message, why === "Forbidden"),
        // A store has no other users of this machine.
        onSuccess: (bytes) => ({ bytes, mode: 0o600 })
      })
    : readFile(path)
  const warnings = signature ? yield* Signature.check(path, bytes, signature) : []

  const { isCached, parsed } = parse(definition, bytes)
  if (parsed._tag === "Faulty") {
    const [first, ...more] = parsed.faults.map(({ code, column, line, message }) => ({
      code,
      key: "",
      message,
      source: { _tag: "File" as const, file: Remote.shown(path), line, column }
    }))
    return yield* new ConfigInvalid({ problems: [first ?? inexplicable, ...more] })
  }
  const { item, problem } = versioned(definition, Remote.shown(path), parsed.item)
  if (problem) return yield* new ConfigInvalid({ problems: [problem] })
  return { path: Remote.shown(path), item, mode, warnings, isCached }
})

const unusable = (code: Problem["code"], message: string, isForbidden = false) =>
  new ConfigInvalid({
    problems: [{ code, key: "", message, source: undefined, ...(isForbidden ? { isForbidden } : {}) }]
  })

const readFile = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const unreadable = (error: PlatformError.PlatformError) => {
    const { isForbidden, why } = unread(error)
    return unusable(codes.unreadable, `The file ${path} cannot be read. ${why}`, isForbidden)
  }
  const info = yield* Effect.mapError(files.stat(path), unreadable)
  if (info.type !== "File") return yield* unusable(codes.unreadable, `${path} is not a file.`)
  const tooLarge = unusable(codes.tooLarge, `The file ${path} has more than ${Document.maxBytes} bytes.`)
  if (info.size > Document.maxBytes) return yield* tooLarge
  const bytes = yield* Effect.mapError(files.readFile(path), unreadable)
  if (bytes.length > Document.maxBytes) return yield* tooLarge // it grew in between
  return { bytes, mode: info.mode }
})

const remembered = 8

/** What files said, by the hash of their bytes. Beside the definitions, so that nobody who prints one sees it. */
const caches = new WeakMap<object, Map<string, Document.Parsed>>()

/** Bytes that were parsed before are not parsed again. */
const parse = (definition: object, bytes: Uint8Array) => {
  const cache = caches.get(definition) ?? new Map<string, Document.Parsed>()
  caches.set(definition, cache)
  const hash = createHash("sha256").update(bytes).digest("hex")
  const known = cache.get(hash)
  if (known) return { parsed: known, isCached: true }
  const parsed = Document.read(bytes)
  const [oldest] = cache.keys()
  if (oldest !== undefined && cache.size >= remembered) cache.delete(oldest)
  cache.set(hash, parsed)
  return { parsed, isCached: false }
}

/** Under which key a file says which shape it has. */
export const versionKey = "config_version"

/** A file of any version as one of this version. */
const versioned = <A, E>({ migrations = [], version }: Definition<A, E>, file: string, item: Document.Item) => {
  if (item._tag !== "Map") return { item, problem: undefined }
  const entry = item.entries.get(versionKey)
  const written = entry?.item._tag === "Scalar" ? entry.item.value : entry === undefined ? 1 : null
  const isWhole = typeof written === "number" && Number.isInteger(written)
  if (!isWhole || written < 1 || written > version) {
    const { column, line } = entry?.item ?? item
    const problem: Problem = {
      code: codes.version,
      key: versionKey,
      message: "This version of the file is not known. Was it written for a newer release?",
      source: { _tag: "File", file, line, column },
      found: Mask.show(written),
      allowed: version === 1 ? "1" : `1 to ${version}`
    }
    return { item, problem }
  }
  const entries = new Map(item.entries)
  entries.delete(versionKey)
  return { item: migrate({ ...item, entries }, written, migrations), problem: undefined }
}

const templateOf = <A, E>({ templates = {} }: Definition<A, E>, name: string | undefined) => {
  if (name === undefined) return Effect.undefined
  const tree = Object.hasOwn(templates, name) ? templates[name] : undefined
  if (tree !== undefined) return Effect.succeed({ name, tree })
  const suggestion = didYouMean(name, Object.keys(templates))
  const problem: Problem = {
    code: codes.unreadable,
    key: "",
    message: "There is no template of this name.",
    source: { _tag: "Template", name },
    allowed: Object.keys(templates).join(" | "),
    ...(suggestion === undefined ? {} : { suggestion })
  }
  return Effect.fail(new ConfigInvalid({ problems: [problem] }))
}

// ----------------------------------------------------------------------------------------------- the three levels

type Found = Trial.Found

const tooOpen = ({ key, source }: Gather.Written): Problem => ({
  code: codes.exposed,
  key: key.name,
  message: "This secret stands in plain text in a file that others may read. chmod 600 the file, or encrypt the value.",
  source
})

const constrain = <A, E>({ constraints = [] }: Definition<A, E>, settings: A, problems: ReadonlyArray<Problem>) =>
  constraints
    .filter((it) => isUntouched(it.keys, problems))
    .flatMap(({ check, keys }) => {
      const message = check(settings)
      return message === undefined ? [] : [{ code: codes.constraint, keys, message }]
    })

const ask = <A, E>({ resources = [] }: Definition<A, E>, settings: A, problems: ReadonlyArray<Problem>) =>
  Effect.map(
    Effect.forEach(
      resources.filter((it) => isUntouched(it.keys, problems)),
      ({ check, keys }) => Effect.map(check(settings), (message) => ({ code: codes.resource, keys, message })),
      { concurrency: 8 }
    ),
    (answers) => answers.flatMap(({ message, ...rest }) => (message === undefined ? [] : [{ ...rest, message }]))
  )

const isUntouched = (keys: ReadonlyArray<string>, problems: ReadonlyArray<Problem>): boolean =>
  !problems.some((problem) => keys.some((key) => problem.key === key || problem.key.startsWith(`${key}.`)))

/** Blames the strongest key of a rule that somebody set, since that is where one would change something. */
const blame = (
  found: Found,
  winners: ReadonlyMap<string, Gather.Written>,
  file: { readonly path: string; readonly item: Document.Item } | undefined
): Problem => {
  const set = found.keys.flatMap((key) => winners.get(key) ?? [])
  const [first] = set
  const shown = set.map(({ key, shown }) => `${key.name} = ${shown}`).join(", ")
  const section = file && entryAt(file.item, found.keys[0].split("."))
  const here: Source = file && section ? { _tag: "File", file: file.path, ...placeOf(section) } : { _tag: "Default" }
  return {
    code: found.code,
    key: first?.key.name ?? found.keys[0],
    message: found.message,
    source: first?.source ?? here,
    ...(shown === "" ? {} : { found: shown }),
    ...(first ? Gather.environmentOf(first.key) : {})
  }
}

const placeOf = ({ column, line }: Document.Place): Document.Place => ({ line, column })

const scrubbed = (problem: Problem, secrets: ReadonlySet<string>): Problem => {
  const clean = (text: string) => Mask.scrub(text, secrets)
  return {
    ...problem,
    key: clean(problem.key),
    message: clean(problem.message),
    ...(problem.found === undefined ? {} : { found: Mask.shorten(clean(problem.found)) }),
    ...(problem.allowed === undefined ? {} : { allowed: clean(problem.allowed) })
  }
}

// ---------------------------------------------------------------------------------------------------------- the answer

/** What is said about settings is found out when somebody asks: a boot does not. */
const loaded = <A, E>(
  definition: Definition<A, E>,
  settings: A,
  { secrets, written }: Gather.Gathered,
  file: { readonly path: string; readonly isCached: boolean } | undefined,
  { variants, warnings }: Pick<Loaded<A>, "variants" | "warnings">
): Loaded<A> => {
  const leaves = Keys.lazy(() => {
    const said = new Map<string, Array<Gather.Written>>()
    for (const it of written) said.set(it.key.name, [...(said.get(it.key.name) ?? []), it])
    const found = new Map<string, Leaf>()
    collect(definition.keys.root, Keys.encode(definition.schema, settings))
    return found

    function collect(node: Keys.Node, value: unknown): void {
      if (node._tag === "Section") {
        return node.children.forEach((child) => collect(child, Keys.at(value, child.path.slice(-1))))
      }
      if (node._tag === "Table") {
        const names = Object.keys(Keys.isTree(value) ? value : {})
        return names.forEach((name) => collect(node.child(name), Keys.at(value, [name])))
      }
      const sources = said.get(node.name) ?? []
      const [winner] = sources
      const isSecret = node.isSecret || winner?.isSecret === true
      const isFree = winner?.isExpanded === true && Keys.isFreeText(node.ast)
      const open = isFree ? winner.plain : Mask.clean(Keys.toFile(node.ast, value))
      const shown = value === undefined ? undefined : isSecret ? Mask.hidden : scrubTree(open, secrets)
      found.set(node.name, { key: node, sources, value, shown, isSecret })
    }
  })
  const values = Keys.lazy(
    () =>
      new Map(
        [...leaves()].map(([name, { isSecret, shown, value }]): readonly [string, Value] => [
          name,
          { print: value === undefined ? undefined : printOf(value), shown, isSecret }
        ])
      )
  )
  const masked = Keys.lazy(() => {
    const tree: Keys.MutableTree = {}
    for (const { key, shown } of leaves().values()) if (shown !== undefined) Keys.put(tree, key.parts, shown)
    return tree
  })
  const version = Keys.lazy(() => createHash("sha256").update(canonical(masked())).digest("hex").slice(0, 16))
  const explain = (name: string): ReadonlyArray<Explanation> =>
    [...leaves().values()]
      .filter(({ key }) => name === "" || key.name === name || key.name.startsWith(`${name}.`))
      .map(explainLeaf)
  return {
    settings,
    get version() {
      return version()
    },
    file: file?.path,
    isCached: file?.isCached ?? false,
    warnings,
    variants,
    explain,
    masked,
    get values() {
      return values()
    }
  }

  function explainLeaf({ isSecret, key, shown, sources, value: it }: Leaf): Explanation {
    const value = isSecret && it !== undefined ? Mask.hidden : Mask.shorten(Mask.show(shown))
    const fallback =
      isSecret && key.fallback !== undefined ? Mask.hidden : Mask.show(Keys.toFile(key.ast, key.fallback))
    const last = { source: { _tag: "Default" } as const, place: "default", value: fallback }
    const said = sources.map(({ shown, source }) => ({
      source,
      place: place(source),
      value: Mask.shorten(Mask.scrub(shown, secrets))
    }))
    const [first, ...more] = [...said, last]
    return {
      key: key.name,
      description: key.description,
      allowed: key.allowed,
      environment: key.environment,
      isSecret,
      isHot: isHot(definition, key.name),
      value,
      sources: [{ ...(first ?? last), wins: true }, ...more.map((it) => ({ ...it, wins: false }))]
    }
  }
}

/** All that is known of a leaf, its value too: it stays in here. */
interface Leaf {
  readonly key: Keys.Key
  readonly sources: ReadonlyArray<Gather.Written>
  readonly value: unknown
  readonly shown: unknown
  readonly isSecret: boolean
}

/** Not `Random`: whoever could guess it could try passwords against a print. */
const printKey = randomBytes(32)
const printOf = (value: unknown): string => createHmac("sha256", printKey).update(canonical(value)).digest("base64")

/**
 * Whether a key is a secret, or stands inside of one: what `Encryption.encryptIn` wants to know. As a path where a name in it
 * may have a dot.
 */
export const isSecret = <A, E>(
  { keys }: Pick<Definition<A, E>, "keys">,
  key: string | ReadonlyArray<string>
): boolean => {
  return keysOn(keys, typeof key === "string" ? key.split(".") : key).some((one) => one.isSecret)
}

/** Whether a value may stand at a key: it is one of the settings, or inside of one. */
export const isKey = <A, E>({ keys }: Pick<Definition<A, E>, "keys">, key: string): boolean =>
  keysOn(keys, key.split(".")).length > 0

const keysOn = (keys: Keys.Keys, parts: ReadonlyArray<string>): ReadonlyArray<Keys.Key> =>
  parts.flatMap((_, i) => {
    const node = Keys.nodeAt(keys, parts.slice(0, i + 1))
    return node?._tag === "Key" ? [node] : []
  })

/** Whether a key may change while the application runs. */
export const isHot = <A, E>({ hot }: Pick<Definition<A, E>, "hot">, key: string): boolean =>
  hot.some((it) => it === key || (it.endsWith(".*") && key.startsWith(it.slice(0, -1))))

/** The same text for the same tree, whatever the order of its keys. */
const canonical = (tree: unknown): string => {
  if (Array.isArray(tree)) return `[${tree.map(canonical).join(",")}]`
  if (!Keys.isTree(tree)) return JSON.stringify(tree) ?? "null"
  const keys = Object.keys(tree).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(tree[key])}`).join(",")}}`
}

const scrubTree = (value: unknown, secrets: ReadonlySet<string>): unknown => {
  const text = JSON.stringify(value)
  const clean = Mask.scrub(text, secrets)
  return clean === text ? value : Mask.hidden
}
