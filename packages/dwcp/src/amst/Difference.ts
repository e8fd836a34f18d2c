/**
 * A file as the difference to one that the other side has, named by its content: packed here, made again there.
 *
 * **Details**
 *
 * What is packed is a frame of HDE, in a folder of this user, and stays there until it has arrived: sent again after a
 * break, the same frame goes on where it was. The receiver looks among its files for the one of that size and SHA-256,
 * and gives the new file its name when its own hash is right. Nothing that either side says of the other is believed:
 * another baseline, another size or another hash is a refusal, and then the file can be sent in full.
 *
 * **Gotchas**
 *
 * Whoever may send here can find out whether a file is here whose content it knows.
 */
import { Data, Effect, FileSystem, Option, Schema, Semaphore, Stream } from "effect"
import { createHash } from "node:crypto"
import { lstat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { type Hde, type HdeError, inspect } from "../hde/index.ts"
import { FileUnavailable, type RefusalReason } from "./Failures.ts"
import * as Wire from "./Wire.ts"

/** What a receiver needs in order to take differences. */
export interface Taker {
  /** Where a file of this content is, if there is one. */
  readonly find: (base: Wire.Named) => Promise<string | undefined>
  /** Makes a file of a frame; the frame is gone afterwards. Answers with why it could not. */
  readonly unpack: (frame: string, output: string, base: string, content: Wire.Named) => Promise<Refusal | undefined>
}

export class Refusal extends Data.TaggedError("Refusal")<{ readonly reason: RefusalReason; readonly detail: string }> {}

export interface Packed {
  readonly path: string
  readonly difference: Wire.Difference
  readonly storedBytes: number
  /** It has arrived, or will not be sent: the frame is removed. */
  readonly over: Effect.Effect<void>
}

// ------------------------------------------------------------------------------------------------------------ packing

const Kept = Schema.fromJsonString(Schema.Struct({ base: Wire.Named, content: Wire.Named }))

/** Packs a file, or finds what was packed of these two files before. */
export const pack = Effect.fn("Difference.pack")(function* (
  hde: Hde["Service"],
  file: string,
  base: string
): Effect.fn.Return<Packed, HdeError | FileUnavailable, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  const folder = yield* ownFolder
  const seen = [yield* stamp(file), yield* stamp(base)].join("\n")
  const path = join(folder, `${createHash("sha256").update(seen).digest("hex")}.hde`)
  const about = `${path}.json`
  const before = yield* fileSystem.readFileString(about).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Kept)),
    Effect.tap(() => fileSystem.access(path)),
    Effect.option
  )
  const known = Option.isSome(before) ? before.value : yield* packAnew(hde, file, base, path, about)
  const { size } = yield* fileSystem.stat(path).pipe(Effect.mapError((cause) => new FileUnavailable({ path, cause })))
  return {
    path,
    difference: { name: basename(file), ...known },
    storedBytes: Number(size),
    over: Effect.forEach([about, path], (each) => Effect.ignore(fileSystem.remove(each, { force: true })), {
      discard: true
    })
  }
})

const packAnew = Effect.fnUntraced(function* (
  hde: Hde["Service"],
  file: string,
  base: string,
  path: string,
  about: string
) {
  const fileSystem = yield* FileSystem.FileSystem
  const unwritable = Effect.mapError((cause: unknown) => new FileUnavailable({ path, cause }))
  const report = yield* hde.encodeFile(file, path, { base: { _tag: "File", path: base } })
  const { size } = yield* fileSystem.stat(base).pipe(unwritable)
  const known = {
    base: { hash: report.base ?? "", size: Number(size) },
    content: { hash: report.hash, size: report.size }
  }
  // Written last: what is there without it is packed again.
  yield* fileSystem.writeFileString(about, JSON.stringify(known), { mode: 0o600 }).pipe(unwritable)
  return known
})

/** Changes when a file does. */
const stamp = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) =>
    Effect.mapBoth(fileSystem.stat(path), {
      onSuccess: ({ dev, ino, mtime, size }) =>
        `${dev} ${Option.getOrElse(ino, () => 0)} ${size} ${Option.match(mtime, { onNone: () => 0, onSome: Number })}`,
      onFailure: (cause) => new FileUnavailable({ path, cause })
    })
  )

/** A folder that is ours and nobody else's; if somebody was there first, a new one, which cannot be found again. */
const ownFolder = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  // `userInfo` knows only whom the list of users names, and a container runs as any.
  // oxlint-disable-next-line no-restricted-globals -- nobody who calls it has more to say of this process
  const mine = process.getuid?.() ?? -1
  const folder = join(tmpdir(), `novacron-send-${mine}`)
  yield* Effect.ignore(fileSystem.makeDirectory(folder, { mode: 0o700 }))
  const found = yield* Effect.option(Effect.tryPromise(() => lstat(folder)))
  const isOurs = Option.exists(found, (it) => it.isDirectory() && it.uid === mine && (it.mode & 0o077) === 0)
  if (!isOurs) {
    return yield* fileSystem
      .makeTempDirectory({ prefix: "novacron-send-" })
      .pipe(Effect.mapError((cause) => new FileUnavailable({ path: folder, cause })))
  }
  yield* forgetOld(folder)
  return folder
})

/** What was packed and never arrived is not kept for ever. */
const forgetOld = (folder: string) =>
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    for (const name of yield* fileSystem.readDirectory(folder)) {
      const { mtime } = yield* fileSystem.stat(join(folder, name))
      if (Option.exists(mtime, (time) => now - time.getTime() > keptMillis)) {
        yield* fileSystem.remove(join(folder, name), { force: true })
      }
    }
  }).pipe(Effect.ignore)

const keptMillis = 7 * 24 * 60 * 60 * 1_000

// ---------------------------------------------------------------------------------------------------------- unpacking

/** Takes differences to the files of a folder, and to `given` ones. Hashes of files are remembered until they change. */
export const taker = Effect.fn("Difference.taker")(function* (
  hde: Hde["Service"],
  directory: string,
  given: ReadonlyArray<string> = []
): Effect.fn.Return<Taker, never, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  const run = Effect.runPromiseWith(yield* Effect.context<FileSystem.FileSystem>())
  const hashes = new Map<string, { readonly seen: string; readonly hash: string }>()

  const hashOf = (path: string) =>
    Effect.gen(function* () {
      const seen = yield* stamp(path)
      const known = hashes.get(path)
      if (known?.seen === seen) return known.hash
      const sha = createHash("sha256")
      yield* fileSystem
        .stream(path, { chunkSize: 1 << 20 })
        .pipe(Stream.runForEach((bytes) => Effect.sync(() => void sha.update(bytes))))
      const hash = sha.digest("hex")
      if (hashes.size >= mostRemembered) hashes.clear()
      hashes.set(path, { seen, hash })
      return hash
    })
  const isIt = (path: string, { hash, size }: Wire.Named) =>
    Effect.gen(function* () {
      const info = yield* fileSystem.stat(path)
      return info.type === "File" && Number(info.size) === size && (yield* hashOf(path)) === hash
    }).pipe(Effect.orElseSucceed(() => false))

  const find = (base: Wire.Named) =>
    Effect.gen(function* () {
      const names = yield* Effect.orElseSucceed(fileSystem.readDirectory(directory), () => [])
      const own = names.filter((name) => !name.startsWith(".")).map((name) => join(directory, name))
      for (const path of [...given, ...own]) if (yield* isIt(path, base)) return path
      return undefined
    })

  const unpack = (frame: string, output: string, base: string, content: Wire.Named) => {
    const beside = join(dirname(output), `.${basename(output)}.new`)
    return Effect.gen(function* () {
      const first = yield* Stream.runHead(fileSystem.stream(frame, { bytesToRead: 128, chunkSize: 128 }))
      const head = Option.flatten(yield* inspect(Option.getOrElse(first, () => new Uint8Array(0))).pipe(Effect.option))
      if (!Option.exists(head, ({ size }) => size === content.size)) {
        return yield* new Refusal({ reason: "size", detail: "it would become another size than was said" })
      }
      const { hash } = yield* hde.decodeFile(frame, beside, { _tag: "File", path: base })
      if (hash !== content.hash) return yield* new Refusal({ reason: "hash", detail: "nothing of it was kept" })
      yield* Effect.scoped(Effect.flatMap(fileSystem.open(beside, { flag: "r+" }), ({ sync }) => sync))
      yield* fileSystem.rename(beside, output)
      return undefined
    }).pipe(
      Effect.catch((error) => Effect.succeed(refusalOf(error))),
      Effect.ensuring(
        Effect.forEach([frame, beside], (each) => Effect.ignore(fileSystem.remove(each, { force: true })))
      )
    )
  }
  // One at a time: who asks for many makes each file be read once, and not many times at once.
  const turn = yield* Semaphore.make(1)
  return {
    find: (base) => run(turn.withPermit(find(base))),
    unpack: (frame, output, base, content) => run(unpack(frame, output, base, content))
  }
})

const mostRemembered = 1_024

const refusalOf = (error: { readonly _tag: string; readonly message: string }): Refusal => {
  const detail = error.message.slice(0, 400)
  switch (error._tag) {
    case "Refusal":
      return error instanceof Refusal ? error : new Refusal({ reason: "hash", detail })
    case "BaselineMismatch":
      return new Refusal({ reason: "base", detail })
    case "HdeCorrupt":
      return new Refusal({ reason: "hash", detail })
    case "TooLarge":
      return new Refusal({ reason: "size", detail })
    default:
      return new Refusal({ reason: "disk", detail })
  }
}
