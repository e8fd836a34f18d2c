/**
 * Values that only the application can read: `enc:AES256:…` in a file, bound to the key they stand at.
 *
 * **Details**
 *
 * `enc:AES256:<base64>` or `enc:AES256:<key id>:<base64>`. The bytes are version 1 ‖ nonce (12) ‖ ciphertext ‖ tag (16), by
 * AES-256-GCM; the additional data is the dotted name of the key, so that a value cannot be moved to another one. All values
 * of a list have the name of the list.
 *
 * A keyring is a text: one key to a line (or between commas), 32 bytes in base64, with `id:` before it if it has an id. The
 * first encrypts, all of them decrypt. To rotate, put a new key with an id in front and {@link rekey} the files.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { Effect, FileSystem, type PlatformError, Redacted, Result } from "effect"
import {
  type Alias,
  type Document as YamlDocument,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  type Scalar,
  visit
} from "yaml"
import * as Document from "./Document.ts"
import { type Code, codes, ConfigInvalid, type Problem, unread } from "./Problem.ts"

/** Keys by their ids; the first one encrypts. A key without an id has the empty one. */
export interface Keyring {
  readonly current: string
  readonly keys: ReadonlyMap<string, Redacted.Redacted<Uint8Array>>
}

/** Where the keys come from. A provider is anything that can be asked: Vault, a keyring of the system. */
export type KeyringSource =
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Environment"; readonly name: string }
  | { readonly _tag: "Provider"; readonly name: string; readonly get: Effect.Effect<Redacted.Redacted, unknown> }

/** Why a value cannot be decrypted: a sentence, and never the value. */
export interface Undecryptable {
  readonly code: Code
  readonly message: string
}

const prefix = "enc:AES256:"
const version = 1
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32

/** Whether a text says that it is encrypted. */
export const isEncrypted = (text: string): boolean => text.startsWith(prefix)

/** A keyring of one new key. `id` may be empty. */
export const newKey = (id = ""): string => {
  const key = randomBytes(keyBytes).toString("base64")
  return id === "" ? key : `${id}:${key}`
}

/** Reads a keyring from its text. The failure says what is wrong, and nothing of the text. */
export const parseKeyring = (text: Redacted.Redacted): Result.Result<Keyring, string> => {
  const keys = new Map<string, Redacted.Redacted<Uint8Array>>()
  const parts = Redacted.value(text)
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== "" && !part.startsWith("#"))
  for (const [i, part] of parts.entries()) {
    const [, id = "", encoded = ""] = keyText.exec(part) ?? []
    const bytes = fromBase64(encoded)
    if (bytes?.length !== keyBytes)
      return Result.fail(`Key ${i + 1} of it is not [id:] and ${keyBytes} bytes in base64.`)
    if (keys.has(id)) return Result.fail(`Key ${i + 1} of it has the id of another one.`)
    keys.set(id, Redacted.make(bytes, { label: "encryption key" }))
  }
  const [current] = keys.keys()
  return current === undefined ? Result.fail("It holds no key.") : Result.succeed({ current, keys })
}

const keyText = /^(?:([A-Za-z0-9._-]{1,64}):)?([A-Za-z0-9+/=]+)$/

/** Whether a keyring takes a key of that name. */
export const isId = (id: string): boolean => /^[A-Za-z0-9._-]{1,64}$/.test(id)

/** Gets the keys. A file must belong to its owner alone (0600). Fails with NVC-1011. */
export const loadKeyring = Effect.fn("Encryption.loadKeyring")(function* (
  source: KeyringSource,
  environment: { readonly [name: string]: string | undefined }
) {
  const text = yield* keyringText(source, environment)
  return yield* Effect.mapError(Effect.fromResult(parseKeyring(text)), (message) => noKeyring(source, message))
})

const keyringText = (source: KeyringSource, environment: { readonly [name: string]: string | undefined }) => {
  switch (source._tag) {
    case "Environment": {
      const text = environment[source.name]
      return text === undefined || text === ""
        ? Effect.fail(noKeyring(source, "It is not set."))
        : Effect.succeed(Redacted.make(text))
    }
    case "Provider":
      return Effect.mapError(source.get, () => noKeyring(source, "The provider failed."))
    case "File":
      return Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const unreadable = (error: PlatformError.PlatformError) => {
          const { isForbidden, why } = unread(error)
          return noKeyring(source, why, isForbidden)
        }
        const { mode } = yield* Effect.mapError(files.stat(source.path), unreadable)
        if ((mode & 0o077) !== 0) return yield* noKeyring(source, `Others may read it. chmod 600 ${source.path}`, true)
        const text = yield* Effect.mapError(files.readFileString(source.path), unreadable)
        return Redacted.make(text)
      })
  }
}

const noKeyring = (source: KeyringSource, reason: string, isForbidden = false) => {
  const name = source._tag === "File" ? source.path : source.name
  const message = `The encryption keys cannot be had from ${name}. ${reason}`
  const problem: Problem = { code: codes.keyring, key: "", message, source: undefined }
  return new ConfigInvalid({ problems: [isForbidden ? { ...problem, isForbidden } : problem] })
}

/** Encrypts a text for a key, with the current key of the ring. `key` is dotted, as in a file: `database.password`. */
export const encrypt = (keyring: Keyring, key: string, plain: Redacted.Redacted): string => {
  const id = keyring.current
  const secret = Redacted.value(keyring.keys.get(id) ?? noKey())
  // Not `Random`: whoever can predict a nonce, or repeat it under a seed, can read the values.
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", secret, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(key))
  const body = Buffer.concat([cipher.update(Redacted.value(plain), "utf8"), cipher.final()])
  const bytes = Buffer.concat([Buffer.of(version), nonce, body, cipher.getAuthTag()])
  return `${prefix}${id === "" ? "" : `${id}:`}${bytes.toString("base64")}`
}

const noKey = (): never => {
  throw new Error("A keyring has a current key that it does not hold.")
}

/** Decrypts what {@link encrypt} made for this key. */
export const decrypt = (
  keyring: Keyring | undefined,
  key: string,
  text: string
): Result.Result<Redacted.Redacted, Undecryptable> => {
  const parts = text.slice(prefix.length).split(":")
  const encoded = parts.pop() ?? ""
  const id = parts.join(":")
  const bytes = fromBase64(encoded)
  if (!isEncrypted(text) || bytes === undefined || bytes.length < 1 + nonceBytes + tagBytes) {
    return cannot("It is not enc:AES256:[id:] and base64. Was it cut off?")
  }
  if (bytes[0] !== version) return cannot(`It has version ${bytes[0]}, and only version ${version} is known.`)
  if (keyring === undefined) return cannot("No encryption key is configured.", codes.keyring)
  const named = keyring.keys.get(id)
  // Without an id any key may be it: the tag decides.
  const candidates = id === "" ? [...keyring.keys.values()] : named ? [named] : []
  if (candidates.length === 0) return cannot(`The keyring has no key with the id ${id}.`, codes.keyring)
  for (const candidate of candidates) {
    const plain = open(Redacted.value(candidate), key, bytes)
    if (plain !== undefined) return Result.succeed(Redacted.make(plain))
  }
  return cannot("It was encrypted with another key or for another setting, or it was changed.")
}

const open = (secret: Uint8Array, key: string, bytes: Uint8Array): string | undefined => {
  const nonce = bytes.subarray(1, 1 + nonceBytes)
  const tag = bytes.subarray(bytes.length - tagBytes)
  const body = bytes.subarray(1 + nonceBytes, bytes.length - tagBytes)
  try {
    const decipher = createDecipheriv("aes-256-gcm", secret, nonce, { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(key)).setAuthTag(tag)
    return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8")
  } catch {
    // The tag does not fit: the caller tries the next key and says so in the end.
    return undefined
  }
}

const cannot = (reason: string, code: Code = codes.undecryptable): Result.Result<never, Undecryptable> =>
  Result.fail({ code, message: `This value cannot be decrypted. ${reason}` })

/** Bytes, if this is base64 as we would write it: a second spelling of the same bytes is not accepted. */
const fromBase64 = (text: string): Uint8Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  return text !== "" && bytes.toString("base64") === text ? bytes : undefined
}

// ------------------------------------------------------------------------------------------------------ whole files

/** What {@link rewrite} did: the new text, and the names of the keys whose values are now written differently. */
export interface Rewritten {
  readonly text: string
  readonly changed: ReadonlyArray<string>
}

/** Why a file is not written anew: at which key, or at which line and column when it cannot be read. */
export interface Unwritable extends Undecryptable {
  readonly where: string
}

/** What a text becomes, by the dotted key that it stands at, itself, and the key as a path; `undefined` leaves it. */
type To = (key: string, text: string, path: ReadonlyArray<string>) => Result.Result<string | undefined, Undecryptable>

/**
 * Writes some of the texts in a file anew and leaves every other byte, comments too, as it is.
 *
 * What an alias stands for is at two keys, and an encrypted value is bound to one. So an alias is written out as soon as
 * something in it changes at either of them.
 */
export const rewrite = (text: string, to: To): Result.Result<Rewritten, Unwritable> =>
  Result.gen(function* () {
    const read = Document.parse(text)
    if (read._tag === "Faulty") {
      const [{ code, column, line, message }] = read.faults
      return yield* Result.fail({ code, message, where: `${line}:${column}` })
    }
    const document = parseDocument(text, { prettyErrors: false, stringKeys: true, logLevel: "silent" })
    const places: Array<{ readonly path: ReadonlyArray<string>; readonly node: Scalar | Alias }> = []
    const anchors = new Map<unknown, ReadonlyArray<string>>()
    visit(document, (position, node, path) => {
      if (position === "key" || !isNode(node)) return
      anchors.set(node, namesOf(path))
      if (isScalar(node) || isAlias(node)) places.push({ path: namesOf(path), node })
    })
    let written = text
    const changed: Array<string> = []
    // From the end, so that the offsets before it stay right.
    for (const { node, path } of places.toReversed()) {
      const anew = yield* become(document, node, path, to)
      const target = isAlias(node) ? node.resolve(document) : undefined
      const there = target === undefined ? anew : yield* become(document, target, anchors.get(target) ?? [], to)
      if ((anew.changed.length === 0 && there.changed.length === 0) || !node.range) continue
      const [from, end] = node.range
      // A block scalar ends with a line break that is part of it.
      const tail = text.slice(from, end).endsWith("\n") ? "\n" : ""
      written = written.slice(0, from) + quoted(anew.value) + tail + written.slice(end)
      changed.unshift(...(anew.changed.length === 0 ? [path.join(".")] : anew.changed))
    }
    return { text: written, changed }
  })

interface Become {
  readonly value: unknown
  /** The keys in it whose texts are other ones now. */
  readonly changed: ReadonlyArray<string>
}

/** What a node becomes at a path. Aliases are followed: `Document.parse` has refused circles, depths and crowds. */
const become = (
  document: YamlDocument,
  node: unknown,
  path: ReadonlyArray<string>,
  to: To
): Result.Result<Become, Unwritable> =>
  Result.gen(function* () {
    if (isAlias(node)) return yield* become(document, node.resolve(document), path, to)
    if (isSeq(node)) {
      const items: Array<Become> = []
      for (const item of node.items) items.push(yield* become(document, item, path, to))
      return { value: items.map(({ value }) => value), changed: items.flatMap(({ changed }) => changed) }
    }
    if (isMap(node)) {
      const entries: Array<readonly [string, Become]> = []
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : ""
        entries.push([name, yield* become(document, value, [...path, name], to)])
      }
      return {
        value: Object.fromEntries(entries.map(([name, { value }]) => [name, value])),
        changed: entries.flatMap(([, { changed }]) => changed)
      }
    }
    const value = isScalar(node) ? node.value : null
    if (typeof value !== "string") return { value, changed: [] }
    const key = path.join(".")
    const next = yield* Result.mapError(to(key, value, path), (why) => ({ ...why, where: key }))
    return next === undefined || next === value ? { value, changed: [] } : { value: next, changed: [key] }
  })

/** The place in a list does not count: the values of a list are bound to the list. */
const namesOf = (path: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  path.flatMap((node) => (isPair(node) && isScalar(node.key) ? [String(node.key.value)] : []))

/** As YAML and JSON both read it. What we encrypt needs no quotes in YAML, and has them anyway. */
const quoted = (value: unknown): string => JSON.stringify(value)

/** Encrypts every value that is encrypted already with the current key. Comments stay. */
export const rekey = (text: string, keyring: Keyring): Result.Result<Rewritten, Unwritable> =>
  rewrite(text, (key, value) =>
    isEncrypted(value)
      ? Result.map(decrypt(keyring, key, value), (plain) => encrypt(keyring, key, plain))
      : Result.succeed(undefined)
  )

/**
 * Encrypts the plain texts of those keys; `${…}` and what is encrypted already are left. Comments stay. Ask about the path
 * where a name may have a dot.
 */
export const encryptIn = (
  text: string,
  keyring: Keyring,
  isWanted: (key: string, path: ReadonlyArray<string>) => boolean
): Result.Result<Rewritten, Unwritable> =>
  rewrite(text, (key, value, path) =>
    Result.succeed(
      isWanted(key, path) && !isEncrypted(value) && !value.includes("${")
        ? encrypt(keyring, key, Redacted.make(value))
        : undefined
    )
  )

/** Writes every encrypted value in plain text: for people, never for a disk that others read. Comments stay. */
export const decryptIn = (text: string, keyring: Keyring): Result.Result<Rewritten, Unwritable> =>
  rewrite(text, (key, value) =>
    isEncrypted(value) ? Result.map(decrypt(keyring, key, value), Redacted.value) : Result.succeed(undefined)
  )
