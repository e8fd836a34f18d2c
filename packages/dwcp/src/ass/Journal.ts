/**
 * Where a document is kept on disk: a snapshot, and after it each change, in the order in which they came.
 *
 * **Details**
 *
 * What was appended is on the disk when `append` returns. A record that was cut off by a crash ends the journal and is
 * dropped with the next write; all before it counts. A new snapshot is written beside the old one and takes its place at
 * once. Files are for their owner only.
 *
 * **Gotchas**
 *
 * Files of a newer version are not touched: the error says so, and the older software does not start.
 */
import { createHash } from "node:crypto"
import { constants, mkdirSync, readFileSync } from "node:fs"
import { type FileHandle, open, rename } from "node:fs/promises"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { DocumentDamaged, NewerDocument, StoreFull, StoreUnreachable } from "./Failures.ts"

export interface Journal {
  /** All that was kept, in order: a snapshot first, if there is one. */
  readonly records: ReadonlyArray<Uint8Array>
  readonly append: (record: Uint8Array) => Effect.Effect<void, StoreFull | StoreUnreachable>
  /** Puts a snapshot in the place of all that was kept. */
  readonly replace: (snapshot: Uint8Array) => Effect.Effect<void, StoreFull | StoreUnreachable>
}

/** The version of these files. */
const version = 1

const magic = Buffer.from("NVJ")
const head = Buffer.concat([magic, Buffer.of(version)])
const digestBytes = 8
const frame = 4 + digestBytes

export const make = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<Journal, NewerDocument | DocumentDamaged | StoreFull | StoreUnreachable, Scope.Scope> {
  const path = join(directory, "state.journal")
  const failed = Effect.mapError((cause: unknown) => failureOf(path, cause))
  const before = yield* Effect.try({
    try: () => readIfThere(directory, path),
    catch: (cause) => failureOf(path, cause)
  })
  const { end, records } = yield* parse(path, before)

  let file = yield* failed(
    Effect.tryPromise({
      try: async () => {
        const it = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
        if (end === 0) await it.write(head, 0, head.length, 0)
        await it.truncate(Math.max(end, head.length))
        return it
      },
      catch: (cause) => cause
    })
  )
  let at = Math.max(end, head.length)
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.tryPromise(() => file.close())))

  return {
    records,
    append: (record) =>
      failed(
        Effect.tryPromise({
          try: async () => {
            const bytes = framed(record)
            await writeAll(file, bytes, at)
            await file.datasync()
            at += bytes.length
          },
          catch: (cause) => cause
        })
      ),
    replace: (snapshot) =>
      failed(
        Effect.tryPromise({
          try: async () => {
            const bytes = Buffer.concat([head, framed(snapshot)])
            const next = await open(`${path}.next`, "w", 0o600)
            try {
              await writeAll(next, bytes, 0)
              await next.datasync()
              await rename(`${path}.next`, path)
            } catch (cause) {
              await next.close()
              throw cause
            }
            await file.close()
            file = next
            at = bytes.length
          },
          catch: (cause) => cause
        })
      )
  }
})

const readIfThere = (directory: string, path: string): Buffer => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  try {
    return readFileSync(path)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return Buffer.alloc(0)
    throw cause
  }
}

/** The whole records, and where the last of them ends. */
const parse = (path: string, bytes: Buffer) => {
  // Nothing, or a head that was never finished.
  if (bytes.length < head.length && head.subarray(0, bytes.length).equals(bytes)) {
    return Effect.succeed({ records: [], end: 0 })
  }
  if (!bytes.subarray(0, magic.length).equals(magic)) {
    return Effect.fail(new DocumentDamaged({ from: path, reason: "it is no journal of ours" }))
  }
  const theirs = bytes[magic.length] ?? 0
  if (theirs > version) return Effect.fail(new NewerDocument({ from: path, version: theirs, known: version }))
  const records: Array<Uint8Array> = []
  let end = head.length
  while (end + frame <= bytes.length) {
    const length = bytes.readUInt32BE(end)
    const record = bytes.subarray(end + frame, end + frame + length)
    if (record.length < length || !bytes.subarray(end + 4, end + frame).equals(digestOf(record))) break
    records.push(record)
    end += frame + length
  }
  return Effect.succeed({ records, end })
}

const framed = (record: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(record.length)
  return Buffer.concat([length, digestOf(record), record])
}

const digestOf = (record: Uint8Array): Buffer => createHash("sha256").update(record).digest().subarray(0, digestBytes)

const writeAll = async (file: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

const codeOf = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

const failureOf = (path: string, cause: unknown): StoreFull | StoreUnreachable =>
  codeOf(cause) === "ENOSPC" || codeOf(cause) === "EDQUOT"
    ? new StoreFull({ store: path, limit: "the disk is full", cause })
    : new StoreUnreachable({ store: path, cause })
