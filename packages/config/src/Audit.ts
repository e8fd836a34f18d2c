/**
 * Who did what with the settings, in a file that only grows: one JSON object to a line, each with the hash of the one before
 * it. {@link verify} finds lines that were changed, taken out, put in or moved.
 *
 * **Gotchas**
 *
 * That lines are missing at the end cannot be seen in the file. Keep the {@link Head} somewhere else and pass it.
 *
 * Values are never written, only the names of keys. Several processes may append: each takes `FILE.lock` for a line. One that
 * was left behind by a crash is taken over after five seconds.
 */
import { createHash } from "node:crypto"
import { DateTime, Effect, Data, FileSystem, type PlatformError, Result, Schedule, Schema, Semaphore } from "effect"
import { codes } from "./Problem.ts"

/** What happened. */
export interface Entry {
  readonly user: string
  readonly action: "load" | "modify" | "validate"
  /** `history`: a kept version, in place of a file that cannot be used. */
  readonly source: "file" | "env" | "api" | "history"
  readonly success: boolean
  /** Names of keys, dotted. */
  readonly changedKeys: ReadonlyArray<string>
  /** Of the settings that are in effect after it: `loaded.version`. */
  readonly version?: string
}

/** A line of the file. */
export interface Line extends Entry {
  /** From 1. */
  readonly sequence: number
  /** ISO 8601, UTC. */
  readonly timestamp: string
  readonly previous: string
  readonly hash: string
}

/** The last line. Whoever keeps it can tell later that nothing before it is gone. */
export interface Head {
  readonly sequence: number
  readonly hash: string
}

/** The log is not what was written: `line` is the first that does not fit, from 1. */
export class AuditBroken extends Data.TaggedError("AuditBroken")<{
  readonly file: string
  readonly line: number
  readonly reason: string
}> {
  readonly code = codes.audit
  override get message() {
    return `The audit log ${this.file} is not as it was written: line ${this.line} ${this.reason}. Compare it with a copy.`
  }
}

export interface Audit {
  /** Writes one line, and returns when it is on the disk. */
  readonly append: (entry: Entry) => Effect.Effect<Line, PlatformError.PlatformError>
}

/** How long another process may hold the log. */
const patience = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 250 }))

const isTaken = ({ reason }: PlatformError.PlatformError): boolean => reason._tag === "AlreadyExists"

/** Before the first line. */
const genesis: Head = { sequence: 0, hash: "0".repeat(64) }

/** Opens the log at a path, or makes it (0600). */
export const make = Effect.fn("Audit.make")(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  const one = yield* Semaphore.make(1)
  yield* Effect.scoped(files.open(file, { flag: "a", mode: 0o600 }))
  yield* files.chmod(file, 0o600)

  const write = Effect.fnUntraced(function* (entry: Entry) {
    const text = yield* files.readFileString(file)
    const { hash: previous, sequence } = headOf(text)
    const timestamp = DateTime.formatIso(yield* DateTime.now)
    const { action, changedKeys, source, success, user, version } = entry
    const which = version === undefined ? {} : { version }
    const facts = { sequence: sequence + 1, timestamp, user, action, source, success, changedKeys, ...which, previous }
    const line: Line = { ...facts, hash: hashOf(facts) }
    // A line that was torn by a crash stays as it is, for `verify` to tell; ours begins after it.
    const start = text === "" || text.endsWith("\n") ? "" : "\n"
    const log = yield* files.open(file, { flag: "a" })
    yield* log.writeAll(new TextEncoder().encode(`${start}${JSON.stringify(line)}\n`))
    yield* log.sync
    return line
  }, Effect.scoped)

  const lock = `${file}.lock`
  const claim = Effect.scoped(files.open(lock, { flag: "wx", mode: 0o600 }))
  // Who holds it for as long as that is gone: a line takes milliseconds.
  const takeOver = Effect.andThen(files.remove(lock, { force: true }), claim)
  const locked = Effect.acquireRelease(
    claim.pipe(
      Effect.retry({ schedule: patience, while: isTaken }),
      Effect.catchIf(isTaken, () => takeOver)
    ),
    () => Effect.ignore(files.remove(lock, { force: true }))
  )
  const append = Effect.fn("Audit.append")((entry: Entry) =>
    one.withPermit(Effect.scoped(Effect.andThen(locked, write(entry))))
  )
  return { append } satisfies Audit
})

/** Reads the log and checks every link. Fails with the first line that does not fit. */
export const verify = Effect.fn("Audit.verify")(function* (file: string, expected?: Head) {
  const files = yield* FileSystem.FileSystem
  const lines = (yield* files.readFileString(file)).split("\n")
  const broken = (line: number, reason: string) => new AuditBroken({ file, line, reason })
  if (lines.pop() !== "") return yield* broken(lines.length + 1, "is not whole")
  let head = genesis
  for (const [i, text] of lines.entries()) {
    const read = readLine(text)
    if (Result.isFailure(read)) return yield* broken(i + 1, "is not an entry")
    const { hash, ...facts } = read.success
    if (JSON.stringify({ ...facts, hash }) !== text || hashOf(facts) !== hash)
      return yield* broken(i + 1, "was changed")
    if (facts.previous !== head.hash || facts.sequence !== head.sequence + 1) {
      return yield* broken(i + 1, "does not follow the one before it")
    }
    head = { sequence: facts.sequence, hash }
    if (expected?.sequence === head.sequence && expected.hash !== hash) return yield* broken(i + 1, "was replaced")
  }
  if (expected && head.sequence < expected.sequence) return yield* broken(head.sequence + 1, "is gone")
  return head
})

const LineSchema = Schema.fromJsonString(
  Schema.Struct({
    sequence: Schema.Int,
    timestamp: Schema.String,
    user: Schema.String,
    action: Schema.Literals(["load", "modify", "validate"]),
    source: Schema.Literals(["file", "env", "api", "history"]),
    success: Schema.Boolean,
    changedKeys: Schema.Array(Schema.String),
    version: Schema.optionalKey(Schema.String),
    previous: Schema.String,
    hash: Schema.String
  })
)

const readLine = (text: string): Result.Result<Line, unknown> => Schema.decodeUnknownResult(LineSchema)(text)

/** The last whole line, be the lines before it what they may: `verify` judges, `append` goes on. */
const headOf = (text: string): Head => {
  const lines = text.split("\n")
  for (const line of lines.toReversed()) {
    if (line === "") continue
    const read = readLine(line)
    if (Result.isSuccess(read)) return { sequence: read.success.sequence, hash: read.success.hash }
  }
  return genesis
}

/** Over the facts in the order in which they are written; `JSON.stringify` leaves out a version that is not there. */
const hashOf = (facts: Omit<Line, "hash">): string => {
  const { action, changedKeys, previous, sequence, source, success, timestamp, user, version } = facts
  const ordered = { sequence, timestamp, user, action, source, success, changedKeys, version, previous }
  return createHash("sha256").update(JSON.stringify(ordered)).digest("hex")
}
