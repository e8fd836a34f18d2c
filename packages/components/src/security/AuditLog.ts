/**
 * The audit log of security: JSON lines of which each holds the hash of the one before, so that none can be changed or
 * taken out without all that follow ceasing to fit.
 *
 * **Details**
 *
 * A line is `{"seq", "at", "action", "principal", "subject", "success", "previous", "hash"}`; `hash` is the SHA-256 of the
 * line without it, and the first `previous` is 64 zeros. The file has mode 0600 and is only ever appended to. A line that a
 * crash has cut is removed at the next opening, and an entry says so.
 *
 * **Gotchas**
 *
 * Lines are in the hands of the system when `append` is done; they are flushed to the disk when the log is closed. Whoever
 * can write the file can cut its end off, or write it anew as a whole: keep the last hash elsewhere to notice that.
 */
import { createHash } from "node:crypto"
import { dirname } from "node:path"
import { Clock, DateTime, Effect, FileSystem, Ref, Schema, Semaphore } from "effect"
import { isNotFound } from "./PrivateFiles.ts"
import { AuditLogBroken, type AuditEntry, KeyMaterialExposed } from "./Security.ts"

export interface AuditLog {
  readonly append: (entry: AuditEntry) => Effect.Effect<void, AuditLogBroken>
  /** Reads all of it, and fails at the first line that does not fit. Yields the number of lines. */
  readonly verify: Effect.Effect<number, AuditLogBroken>
}

/** A line as it is written. */
export interface Line extends Schema.Schema.Type<typeof Line> {}
export const Line = Schema.Struct({
  seq: Schema.Int,
  at: Schema.String,
  action: Schema.String,
  principal: Schema.optionalKey(Schema.String),
  subject: Schema.optionalKey(Schema.String),
  success: Schema.Boolean,
  previous: Schema.String,
  hash: Schema.String
})

/** Opens the log, makes it when there is none, and goes on where it ends. It is flushed and closed with the scope. */
export const open = Effect.fn("AuditLog.open")(function* (path: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const broken = (reason: string) => Effect.mapError((cause: unknown) => new AuditLogBroken({ path, reason, cause }))
  yield* fileSystem
    .makeDirectory(dirname(path), { recursive: true, mode: 0o700 })
    .pipe(broken("its folder cannot be made"))
  const file = yield* fileSystem.open(path, { flag: "a+", mode: 0o600 }).pipe(broken("it cannot be opened"))
  const { mode, size } = yield* file.stat.pipe(broken("it cannot be looked at"))
  if ((mode & 0o077) !== 0) return yield* new KeyMaterialExposed({ path, mode: mode & 0o777 })

  const tail = yield* readTail(fileSystem, path, Number(size)).pipe(broken("it cannot be read"))
  const end = tail.lastIndexOf("\n") + 1
  const cut = Buffer.byteLength(tail.slice(end))
  if (cut > 0) yield* file.truncate(Number(size) - cut).pipe(broken("its cut end cannot be removed"))
  const last = tail.slice(0, end).trimEnd().split("\n").at(-1) ?? ""
  const head = last === "" ? none : yield* parse(path, last, undefined)

  const state = yield* Ref.make<Head & { readonly size: number }>({ ...head, size: Number(size) - cut })
  const turn = yield* Semaphore.make(1)
  const append = (entry: AuditEntry): Effect.Effect<void, AuditLogBroken> =>
    turn
      .withPermit(
        Effect.gen(function* () {
          const { hash: previous, seq, size } = yield* Ref.get(state)
          const line = sealed({
            seq: seq + 1,
            at: DateTime.formatIso(yield* DateTime.now),
            ...bounded(entry),
            previous
          })
          const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
          yield* file.writeAll(bytes).pipe(
            // A part of a line must not stand before the next one.
            Effect.tapError(() => Effect.ignore(file.truncate(size))),
            broken("it cannot be written")
          )
          yield* Ref.set(state, { seq: line.seq, hash: line.hash, size: size + bytes.length })
        })
      )
      .pipe(Effect.uninterruptible)

  yield* Effect.addFinalizer(() => Effect.ignore(file.sync))
  if (cut > 0) yield* append({ action: "audit.cut", subject: `${cut} bytes`, success: false })
  const log: AuditLog = { append, verify: Effect.provideService(verify(path), FileSystem.FileSystem, fileSystem) }
  return log
})

/** How many refusals are written down one by one. */
const refusalsPerMinute = 120

/**
 * Appends at most so many entries a minute, and then only counts them; the first entry of the next minute is preceded by
 * one that says how many there were. Whoever tries to get in again and again must not fill the disk.
 */
export const limited = (append: (entry: AuditEntry) => Effect.Effect<void>, perMinute = refusalsPerMinute) => {
  let minute = -1
  let count = 0
  return (entry: AuditEntry): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      const now = Math.floor(nowMs / 60_000)
      const missed = now === minute ? 0 : Math.max(0, count - perMinute)
      count = now === minute ? count + 1 : 1
      minute = now
      if (count > perMinute) return Effect.void
      const subject = `${missed} more failures within a minute`
      return missed === 0
        ? append(entry)
        : Effect.andThen(append({ action: "audit.limited", subject, success: false }), append(entry))
    })
}

/** Reads the log at a path, and fails at the first line that does not fit. Yields the number of lines. */
export const verify = Effect.fn("AuditLog.verify")(function* (path: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const text = yield* fileSystem
    .readFileString(path)
    .pipe(
      Effect.catch((cause) =>
        isNotFound(cause)
          ? Effect.succeed("")
          : Effect.fail(new AuditLogBroken({ path, reason: "it cannot be read", cause }))
      )
    )
  let head = none
  for (const line of text.split("\n")) if (line !== "") head = yield* parse(path, line, head)
  return head.seq
})

// ----------------------------------------------------------------------------------------------------------- private

interface Head {
  readonly seq: number
  readonly hash: string
}

const none: Head = { seq: 0, hash: "0".repeat(64) }

const sealed = (line: Omit<Line, "hash">): Line => ({
  ...line,
  hash: createHash("sha256").update(JSON.stringify(line)).digest("hex")
})

/** Whoever tries to get in chooses the texts: they are cut, and the order of the fields is always the same. */
const bounded = ({ action, principal, subject, success }: AuditEntry) => ({
  action: action.slice(0, maxLength),
  ...(principal === undefined ? undefined : { principal: principal.slice(0, maxLength) }),
  ...(subject === undefined ? undefined : { subject: subject.slice(0, maxLength) }),
  success
})

const maxLength = 256
/** More than the longest line. */
const tailBytes = 16_384

const readTail = (fileSystem: FileSystem.FileSystem, path: string, size: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const from = Math.max(0, size - tailBytes)
      const file = yield* fileSystem.open(path)
      yield* file.seek(BigInt(from), "start")
      const buffer = new Uint8Array(size - from)
      let filled = 0
      while (filled < buffer.length) {
        const count = yield* file.read(buffer.subarray(filled))
        if (count === 0) break
        filled += count
      }
      const text = Buffer.from(buffer.subarray(0, filled)).toString()
      // The first line of a part is the end of one.
      return from === 0 ? text : text.slice(text.indexOf("\n") + 1)
    })
  )

/** A line that is whole, and that follows the one before. */
const parse = (path: string, text: string, before: Head | undefined): Effect.Effect<Line, AuditLogBroken> =>
  Effect.gen(function* () {
    const changed = (seq: number) => new AuditLogBroken({ path, reason: `line ${seq} is not what was written there` })
    const line = yield* Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(Line))(text), () =>
      changed((before?.seq ?? 0) + 1)
    )
    const { hash, ...rest } = line
    if (sealed(rest).hash !== hash || JSON.stringify(line) !== text) return yield* changed(line.seq)
    if (before !== undefined && (line.previous !== before.hash || line.seq !== before.seq + 1)) {
      return yield* changed(before.seq + 1)
    }
    return line
  })
