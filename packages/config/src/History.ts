/**
 * Files of settings that were good, with numbers that only grow: to see what was, to go back, and to start from the last one
 * when the file is damaged.
 *
 * **Details**
 *
 * In a directory of its own (0700): `000007.yaml` and `000007.yaml.sig` are the bytes of version 7 and their signature,
 * `index` has a line for each (0600). A version whose bytes are not what the index says is not used.
 */
import { createHash } from "node:crypto"
import { Data, DateTime, Effect, FileSystem, Option, PlatformError, Result, Schema } from "effect"
import { codes } from "./Problem.ts"
import * as Replacement from "./Replacement.ts"

const Record = Schema.Struct({
  /** From 1; never used again. */
  number: Schema.Int,
  /** SHA-256 of the bytes. */
  hash: Schema.String,
  /** ISO 8601, UTC. */
  at: Schema.String,
  user: Schema.String,
  /** What was done: `saved`, or `rollback to 3`. */
  action: Schema.String
})

/** What is known of a version. */
export type Record = typeof Record.Type

/** A version cannot be had. Nothing was changed. */
export class HistoryUnusable extends Data.TaggedError("HistoryUnusable")<{
  readonly directory: string
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = codes.history
  /** 65 for a version that is not there or was changed, 77 where this user may not, 73 for what else the disk says. */
  get exitCode(): 65 | 73 | 77 {
    if (!(this.cause instanceof PlatformError.PlatformError)) return 65
    return this.cause.reason._tag === "PermissionDenied" ? 77 : 73
  }
  override get message() {
    return `The history of the configuration in ${this.directory} cannot be used. ${this.reason}`
  }
}

/** How many versions are kept, by default. */
const keptVersions = 50

export interface Options {
  /** Made when it is not there. */
  readonly directory: string
  /** Who does it, for the index. */
  readonly user: string
  /** How many versions are kept. Default: 50. */
  readonly keep?: number
}

/** Keeps the file as a version, unless it is the last one already. To be called when it was loaded: it is good. */
export const record = Effect.fn("History.record")(function* (options: Options, file: string) {
  return yield* add(options, file, "saved")
})

/** What there is, the oldest first. */
export const list = Effect.fn("History.list")(function* (directory: string) {
  const all = yield* index(directory)
  const files = yield* FileSystem.FileSystem
  const present = yield* Effect.filter(all, ({ number }) =>
    orUnusable(directory, files.exists(pathOf(directory, number)))
  )
  return present
})

/** The path of a version, checked against the index; the signature stands beside it. To load it, or to compare. */
export const version = Effect.fn("History.version")(function* (directory: string, number: number) {
  const files = yield* FileSystem.FileSystem
  const known = (yield* list(directory)).find((it) => it.number === number)
  if (known === undefined) return yield* new HistoryUnusable({ directory, reason: `There is no version ${number}.` })
  const path = pathOf(directory, number)
  const bytes = yield* orUnusable(directory, files.readFile(path))
  if (hashOf(bytes) === known.hash) return path
  return yield* new HistoryUnusable({
    directory,
    reason: `Version ${number} is not what was kept: its bytes were changed.`
  })
})

/** The newest version that is intact, if there is one: for a start when the file is damaged. */
export const lastGood = Effect.fn("History.lastGood")(function* (directory: string) {
  for (const { number } of (yield* list(directory)).toReversed()) {
    const path = yield* Effect.option(version(directory, number))
    if (Option.isSome(path)) return Option.some({ number, path: path.value })
  }
  return Option.none<{ readonly number: number; readonly path: string }>()
})

/**
 * Makes the file what it was in that version, at once or not at all, and keeps that as a new version. Its mode, its owner and
 * a link that leads to it stay.
 */
export const rollback = Effect.fn("History.rollback")(function* (options: Options, number: number, file: string) {
  const { directory } = options
  const files = yield* FileSystem.FileSystem
  const from = yield* version(directory, number)
  const signature = signatureOf(from)
  const isSigned = yield* orUnusable(directory, files.exists(signature))
  // Without the old signature the new file would be refused as forged; without a new one the old would lie.
  if (isSigned) yield* replace(directory, signature, `${file}.sig`)
  else yield* orUnusable(directory, files.remove(`${file}.sig`, { force: true }))
  yield* replace(directory, from, file)
  return yield* add(options, file, `rollback to ${number}`)
})

const add = Effect.fnUntraced(function* (options: Options, file: string, action: string) {
  const { directory, keep = keptVersions, user } = options
  const files = yield* FileSystem.FileSystem
  yield* orUnusable(directory, files.makeDirectory(directory, { recursive: true, mode: 0o700 }))
  yield* orUnusable(directory, files.chmod(directory, 0o700))
  const all = yield* index(directory)
  const last = all.at(-1)
  const hash = hashOf(yield* orUnusable(directory, files.readFile(file)))
  if (last?.hash === hash && action === "saved") return last
  const at = DateTime.formatIso(yield* DateTime.now)
  const made: Record = { number: (last?.number ?? 0) + 1, hash, at, user, action }
  const path = pathOf(directory, made.number)
  yield* replace(directory, file, path)
  if (yield* orUnusable(directory, files.exists(`${file}.sig`)))
    yield* replace(directory, `${file}.sig`, signatureOf(path))
  const lines = [...all, made].map((it) => `${JSON.stringify(it)}\n`).join("")
  yield* put(directory, new TextEncoder().encode(lines), indexOf(directory))
  for (const { number } of all.slice(0, Math.max(0, all.length + 1 - keep))) {
    const old = pathOf(directory, number)
    yield* orUnusable(directory, files.remove(old, { force: true }))
    yield* orUnusable(directory, files.remove(signatureOf(old), { force: true }))
  }
  return made
})

const replace = Effect.fnUntraced(function* (directory: string, from: string, to: string) {
  const files = yield* FileSystem.FileSystem
  yield* put(directory, yield* orUnusable(directory, files.readFile(from)), to)
})

const put = (directory: string, bytes: Uint8Array, to: string) => orUnusable(directory, Replacement.write(to, bytes))

const index = Effect.fnUntraced(function* (directory: string) {
  const files = yield* FileSystem.FileSystem
  const path = indexOf(directory)
  if (!(yield* orUnusable(directory, files.exists(path)))) return []
  const lines = (yield* orUnusable(directory, files.readFileString(path))).split("\n")
  // A last line without its end is not one.
  const records = lines.slice(0, -1).map((line) => Schema.decodeUnknownResult(Schema.fromJsonString(Record))(line))
  return records.flatMap((it) => (Result.isSuccess(it) ? [it.success] : []))
})

const orUnusable = <A, E, R>(directory: string, effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => {
    const reason = "A file of it cannot be read or written. Does the directory belong to this user?"
    return new HistoryUnusable({ directory, reason, cause })
  })

const indexOf = (directory: string) => `${directory}/index`
const pathOf = (directory: string, number: number) => `${directory}/${String(number).padStart(6, "0")}.yaml`
const signatureOf = (path: string) => `${path}.sig`
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
