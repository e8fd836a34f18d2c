/** `novacron config …`: everything about settings that needs no node. */
import {
  type Code,
  codes,
  Config,
  didYouMean,
  Difference,
  Encryption,
  History,
  JsonSchema,
  Replacement,
  Signature,
  Template
} from "@novacron/config"
import { Data, Effect, FileSystem, type PlatformError, Redacted, Result } from "effect"
import * as Configuration from "../Configuration.ts"
import { quietly } from "../Leave.ts"
import * as Settings from "../Settings.ts"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"
import { dataDirFor } from "./DataDir.ts"

/** What all of them may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

/** A command on settings cannot do what it was asked for. */
export class ConfigCommandFailed extends Data.TaggedError("ConfigCommandFailed")<{
  readonly reason: string
  readonly exitCode: 64 | 65 | 73 | 77 | 78
  readonly code: Code | "NVC-3012"
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

const failed = (
  reason: string,
  exitCode: ConfigCommandFailed["exitCode"],
  code: ConfigCommandFailed["code"] = "NVC-3012"
) => new ConfigCommandFailed({ reason, exitCode, code })

/** What the system says of a path stands beside it, as the reason. */
const about = (reason: string, exitCode: ConfigCommandFailed["exitCode"], cause: PlatformError.PlatformError) =>
  new ConfigCommandFailed({ reason, exitCode, code: "NVC-3012", cause })

const noSuchSetting = (key: string) => {
  const meant = didYouMean(
    key,
    Settings.definition().keys.leaves.map(({ name }) => name)
  )
  const hint = meant === undefined ? "novacron config schema lists all of them." : `Did you mean ${meant}?`
  return failed(`There is no setting "${visible(key, 80)}". ${hint}`, 64)
}

const say = Effect.fnUntraced(function* (flags: Flags, value: unknown, words: () => string) {
  const { stdout } = yield* Surroundings
  const text = flags.json ? JSON.stringify(value) : words()
  if (text !== "") stdout.write(`${text.trimEnd()}\n`)
})

// ------------------------------------------------------------------------------------------------- looking at settings

/** Whether the settings can be used; all that is wrong with them at once. */
export const check = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { loaded } = yield* Configuration.load(flags)
    const { file, version, warnings } = loaded
    yield* say(flags, { ok: true, file: file ?? null, version, warnings }, () =>
      [
        ...warnings.map(({ code, message }) => `warning  ${code}  ${message}`),
        `The settings are good: version ${version}, ${file === undefined ? "no file" : `from ${file}`}.`
      ].join("\n")
    )
  })
)

/** Where a value comes from: every source that says something, the winner first. Without a key, all keys that are set. */
export const explain = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly key: string | undefined }) {
    const { loaded } = yield* Configuration.load(flags, { resources: "skip" })
    const all = loaded.explain(flags.key ?? "")
    if (all.length === 0) {
      return yield* noSuchSetting(flags.key ?? "")
    }
    const isSet = (one: Config.Explanation) => one.sources[0].place !== "default"
    const shown = flags.key === undefined && !flags.json ? all.filter(isSet) : all
    yield* say(flags, shown, () => shown.map(words).join("\n\n") || "Nothing is set; everything has its default.")
  })
)

const words = (one: Config.Explanation): string => {
  const { allowed, description, environment, isHot, isSecret, key, sources } = one
  const marks = [isSecret ? "secret" : "", isHot ? "can change while the node runs" : ""].filter((mark) => mark !== "")
  return [
    `${key}${marks.length === 0 ? "" : `  (${marks.join(", ")})`}`,
    ...(description === undefined ? [] : [`  ${description}`]),
    `  allowed: ${allowed}`,
    ...(environment === undefined ? [] : [`  variable: ${environment}`]),
    ...sources.map(({ place, value, wins }) => `  ${wins ? "→" : " "} ${visible(value)}  ${place}`)
  ].join("\n")
}

/** How two files differ, secrets masked; or a file from what is in effect. Leaves with 1 when they do, as `diff` does. */
export const diff = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly a: string; readonly b: string | undefined }) {
    const { a, b } = flags
    const before = yield* Configuration.load({ ...flags, config: a }, { resources: "skip" })
    const after = yield* Configuration.load(b === undefined ? flags : { ...flags, config: b }, { resources: "skip" })
    const differences = Difference.between(before.loaded, after.loaded)
    yield* say(flags, differences, () => Difference.text(differences) || "They say the same.")
    if (differences.length > 0) return yield* quietly(1)
  })
)

/** The JSON Schema of a file, for editors. */
export const schema = Program.make(
  Effect.fnUntraced(function* ({ json }: { readonly json: boolean }) {
    const { stdout } = yield* Surroundings
    const text = JSON.stringify(JsonSchema.make(Settings.definition()), null, json ? 0 : 2)
    stdout.write(`${text}\n`)
  })
)

/** A first file, on stdout or into a file that does not exist yet. */
export const init = Program.make(
  Effect.fnUntraced(function* (flags: {
    readonly json: boolean
    readonly template: string | undefined
    readonly out: string | undefined
  }) {
    const definition = Settings.definition()
    const names = Object.keys(definition.templates ?? {})
    if (flags.template !== undefined && !names.includes(flags.template)) {
      return yield* failed(`There is no template "${flags.template}". There are: ${names.join(", ")}.`, 64)
    }
    const text = Template.init(definition, flags.template)
    const { stdout } = yield* Surroundings
    if (flags.out === undefined) return stdout.write(text)
    yield* create(flags.out, text)
    stdout.write(flags.json ? `${JSON.stringify({ file: flags.out })}\n` : `Written: ${flags.out}\n`)
  }, Effect.asVoid)
)

const create = Effect.fnUntraced(function* (path: string, content: string | Uint8Array) {
  const files = yield* FileSystem.FileSystem
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
  yield* Effect.mapError(files.writeFile(path, bytes, { flag: "wx", mode: 0o600 }), (error) =>
    error.reason._tag === "AlreadyExists"
      ? failed(`${path} exists already and was left as it is. Choose another name.`, 73)
      : about(`${path} cannot be written.`, 73, error)
  )
})

// --------------------------------------------------------------------------------------------------------- encryption

/** What changes a file. */
export interface Rewriting extends Flags {
  readonly file: string
  readonly write: boolean
}

/** What encrypts and decrypts: a value, or the values of a file. */
export interface Sealing extends Flags {
  /** The key that a value belongs to; it opens at no other one. */
  readonly key: string | undefined
  readonly value: string | undefined
  readonly file: string | undefined
  readonly write: boolean
}

/** Encrypts a value for a key, or every secret of a file that is in plain text. */
export const encrypt = Program.make(
  Effect.fnUntraced(function* (flags: Sealing) {
    yield* oneOf(flags)
    const { file } = flags
    if (file !== undefined) {
      const ring = yield* keyring
      return yield* rewrite({ ...flags, file }, (text) => Encryption.encryptIn(text, ring, isSecret))
    }
    const { key, value } = yield* keyAndValue(flags)
    // At a key that is none it would open nowhere, and the settings that hold it could not be read.
    if (!Config.isKey(Settings.definition(), key)) return yield* noSuchSetting(key)
    const sealed = Encryption.encrypt(yield* keyring, key, Redacted.make(value))
    yield* say(flags, { key, value: sealed }, () => sealed)
  })
)

/** Decrypts a value of a key, or every encrypted value of a file. What it writes is a secret. */
export const decrypt = Program.make(
  Effect.fnUntraced(function* (flags: Sealing) {
    yield* oneOf(flags)
    const { file } = flags
    if (file !== undefined) {
      const ring = yield* keyring
      return yield* rewrite({ ...flags, file }, (text) => Encryption.decryptIn(text, ring))
    }
    const { key, value } = yield* keyAndValue(flags)
    const plain = Encryption.decrypt(yield* keyring, key, value)
    if (Result.isFailure(plain)) return yield* failed(plain.failure.message, 65, plain.failure.code)
    const shown = Redacted.value(plain.success)
    yield* say(flags, { key, value: shown }, () => shown)
  })
)

/** Encrypts every encrypted value of a file with the current key of the keyring. */
export const rekey = Program.make(
  Effect.fnUntraced(function* (flags: Rewriting) {
    const ring = yield* keyring
    yield* rewrite(flags, (text) => Encryption.rekey(text, ring))
  })
)

/** A new key for a keyring, on stdout. */
export const keygen = Program.make(
  Effect.fnUntraced(function* (flags: { readonly json: boolean; readonly id: string | undefined }) {
    const { stdout } = yield* Surroundings
    const { id = "" } = flags
    if (id !== "" && !Encryption.isId(id)) {
      const allowed = "A name has up to 64 letters, digits, dots, dashes and underscores"
      return yield* failed(`"${visible(id, 80)}" is no name that a keyring takes. ${allowed}.`, 64)
    }
    const key = Encryption.newKey(id)
    stdout.write(flags.json ? `${JSON.stringify({ key })}\n` : `${key}\n`)
  })
)

const keyring = Effect.gen(function* () {
  const { env } = yield* Surroundings
  const source = Configuration.keyringOf(env)
  if (source === undefined) {
    return yield* failed(
      "There is no key. Set NOVACRON_CONFIG_KEY_FILE to a file of mode 0600 with one from: novacron config keygen",
      78
    )
  }
  return yield* Encryption.loadKeyring(source, env)
})

const isSecret = (_: string, path: ReadonlyArray<string>): boolean => Config.isSecret(Settings.definition(), path)

/** A value or a file: what stands beside the other would be ignored. */
const oneOf = Effect.fnUntraced(function* ({ file, key, value, write }: Sealing) {
  if (file !== undefined && (key !== undefined || value !== undefined))
    return yield* failed("A value and a file are two things. Give --key and VALUE, or --file.", 64)
  if (file === undefined && write) return yield* failed("What is to be written? --write is for a file: --file FILE", 64)
})

/** A value that is no argument comes from stdin: of an argument everybody hears, by `ps` and the history of the shell. */
const keyAndValue = Effect.fnUntraced(function* ({ key, value }: Sealing) {
  if (key === undefined) return yield* failed("Which setting? A value is bound to its key: --key database.url", 64)
  if (value !== undefined) return { key, value }
  const { piped } = yield* Surroundings
  const read = piped(longestValue)
  const wanted = `--key ${visible(key, 80)} < FILE`
  if (read === undefined)
    return yield* failed(`Which value? Nobody has to see it when it comes from stdin: ${wanted}`, 64)
  const bytes = yield* Effect.tryPromise({
    try: () => read,
    catch: (cause) =>
      new ConfigCommandFailed({ reason: "stdin cannot be read as a value.", exitCode: 65, code: "NVC-3012", cause })
  })
  // The line end is of `echo` and of editors.
  const text = Buffer.from(bytes)
    .toString("utf8")
    .replace(/\r?\n$/, "")
  return text === "" ? yield* failed(`Which value? Nothing came from stdin: ${wanted}`, 64) : { key, value: text }
})

const longestValue = 64 * 1024

const rewrite = Effect.fnUntraced(function* (
  { file, write, ...flags }: Rewriting,
  change: (text: string) => Result.Result<Encryption.Rewritten, Encryption.Unwritable>
) {
  const text = yield* readText(file)
  const { changed, text: next } = yield* Effect.mapError(
    Effect.fromResult(change(text)),
    ({ code, message, where }) => {
      const isSealed = code === codes.undecryptable || code === codes.keyring
      return isSealed
        ? failed(`${where}: ${message} ${file} was left as it is.`, 65, code)
        : failed(`${file}:${where} cannot be read: ${message} It was left as it is.`, 78, code)
    }
  )
  if (!write) {
    const { stdout } = yield* Surroundings
    return stdout.write(next)
  }
  yield* Effect.mapError(Replacement.write(file, new TextEncoder().encode(next)), (error) =>
    about(`${file} cannot be written.`, 73, error)
  )
  yield* say(flags, { file, changed }, () => `${file}: ${changed.length === 0 ? "nothing to do" : changed.join(", ")}`)
}, Effect.asVoid)

const readText = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  return yield* Effect.mapError(files.readFileString(path), (error) => unread(path, error))
})

const unread = (path: string, error: PlatformError.PlatformError) =>
  about(`${path} cannot be read.`, error.reason._tag === "PermissionDenied" ? 77 : 78, error)

// --------------------------------------------------------------------------------------------------------- signatures

/** Signs a file; the signature stands beside it, as `openssl dgst -sha256 -sign` would make it. */
export const sign = Program.make(
  Effect.fnUntraced(function* (flags: {
    readonly json: boolean
    readonly file: string
    readonly key: string
    readonly out: string | undefined
  }) {
    const files = yield* FileSystem.FileSystem
    const bytes = new TextEncoder().encode(yield* readText(flags.file))
    const privateKey = Redacted.make(yield* readText(flags.key))
    const signature = Signature.sign(bytes, privateKey)
    if (Result.isFailure(signature)) return yield* failed(signature.failure, 65)
    const out = flags.out ?? `${flags.file}.sig`
    yield* Effect.mapError(files.writeFile(out, signature.success, { mode: 0o644 }), (error) =>
      about(`${out} cannot be written.`, 73, error)
    )
    const { stdout } = yield* Surroundings
    stdout.write(flags.json ? `${JSON.stringify({ signature: out })}\n` : `Signed: ${out}\n`)
  })
)

/** Whether the signature of a file is good. Exits with 65 when it is not. */
export const verify = Program.make(
  Effect.fnUntraced(function* (flags: {
    readonly json: boolean
    readonly file: string
    readonly keys: ReadonlyArray<string>
    readonly signature: string | undefined
  }) {
    const files = yield* FileSystem.FileSystem
    const { env, stdout } = yield* Surroundings
    const named = flags.keys.length > 0 ? flags.keys : (Configuration.signatureOf(env)?.publicKeys ?? [])
    if (named.length === 0)
      return yield* failed("Whose signature? --key PUBLIC.pem, or NOVACRON_CONFIG_PUBLIC_KEYS", 64)
    const bytes = new TextEncoder().encode(yield* readText(flags.file))
    const path = flags.signature ?? `${flags.file}.sig`
    const signature = yield* Effect.mapError(files.readFile(path), (error) =>
      error.reason._tag === "NotFound"
        ? failed(`There is no signature at ${path}.`, 65, "NVC-1012")
        : unread(path, error)
    )
    const keys = yield* Effect.forEach(named, readText)
    const complaint = Signature.verify(bytes, signature, keys)
    if (complaint !== undefined) return yield* failed(complaint, 65, "NVC-1012")
    stdout.write(flags.json ? `${JSON.stringify({ ok: true })}\n` : "The signature is good.\n")
  })
)

// ------------------------------------------------------------------------------------------------------------ history

/** The versions of the file that this node has booted with. */
export const history = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const all = yield* History.list(yield* historyDirectory(flags))
    yield* say(flags, all, () =>
      all.length === 0
        ? "No file of settings has been kept yet: none was booted with."
        : all
            .map(({ action, at, hash, number, user }) => `${number}  ${at}  ${hash.slice(0, 12)}  ${user}  ${action}`)
            .join("\n")
    )
  })
)

/** Makes the file what it was in a version. */
export const rollback = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly number: number }) {
    const { user } = yield* Surroundings
    const { file } = yield* Configuration.optionsOf(flags)
    if (file === undefined) return yield* failed("There is no file to roll back. Name it with --config FILE.", 64)
    const directory = yield* historyDirectory(flags)
    const kept = (yield* History.list(directory)).map(({ number }) => number)
    if (!kept.includes(flags.number)) {
      const there =
        kept.length === 0 ? "none has been kept yet" : `there are ${kept.join(", ")}: novacron config history`
      return yield* failed(`There is no version ${flags.number} to go back to; ${there}. ${file} is as it was.`, 64)
    }
    const made = yield* History.rollback({ directory, user }, flags.number, file)
    yield* say(flags, made, () => `${file} is what it was in version ${flags.number}, kept as version ${made.number}.`)
  })
)

/** Where the history is, even when the settings of now cannot be read: that is when one wants to go back. */
const historyDirectory = Effect.fnUntraced(function* (flags: Flags) {
  const { cwd, env } = yield* Surroundings
  const here = Configuration.dataDirOf({ system: {} }, { cwd, env })
  const dataDir = yield* Effect.orElseSucceed(dataDirFor(flags), () => here)
  return Configuration.historyOf(dataDir)
})
