/**
 * The durable record of a boot: its events, one line each, in a file that survives `kill -9`, a cut at any byte and any
 * flipped bit. The next boot reads from it what had been started, and how long it took.
 *
 * **Details**
 *
 * The first line is a header. Each further line is a CRC-32, a space, and a payload of JSON that carries the number of
 * the line. A CRC covers the header and all payloads up to its own line, so a line that was changed, lost, repeated or
 * moved ends what is believed. {@link decode} returns the longest beginning that is whole, and says what was behind it.
 *
 * `append` only takes the event; a fiber that lives as long as the scope encodes and writes. What comes while a write
 * is under way goes into the next one. A write follows as soon as whoever appends pauses, and is safe from `kill -9`; an
 * `fsync`, which is what a loss of power needs, follows a checkpoint, a `flush`, the end, and any tenth of a second in
 * which nothing else came. So a thousand events cost a few of them.
 *
 * When the disk fails, the journal is over: `flush` answers with the error from then on, and the boot goes on without it.
 * `fsync` is not tried again: after an error the kernel may have forgotten the pages, and a second call would succeed
 * without them.
 *
 * **Gotchas**
 *
 * A journal belongs to one boot: the file must not exist yet. Events are plain data and may not change once they are
 * appended. What is appended after the scope began to close is ignored.
 *
 * **Example**
 *
 * ```ts
 * const before = yield* Journal.read("/var/lib/novacron/boot-41.journal")
 * const left = Journal.unfinished(before.events) // what to recover, if that boot did not end
 * const journal = yield* Journal.make({ path: "/var/lib/novacron/boot-42.journal" })
 * journal.append(event)
 * yield* journal.flush // durable from here on
 * ```
 */
import { crc32 } from "node:zlib"
import { Cause, Data, Deferred, Effect, Fiber, FileSystem, Latch, Option, Predicate, Result, Schema } from "effect"
import type { PlatformError, Scheduler } from "effect"
import { BootEvent, decode as decodeEvent } from "./BootEvent.ts"
import type { Checkpoint } from "./Phase.ts"

/** Takes events and makes them durable. */
export interface Journal {
  /** Takes an event, at once: never blocks, never fails. */
  readonly append: (event: BootEvent) => void
  /** Completes when all that was appended before the call is durable; fails when it never will be. */
  readonly flush: Effect.Effect<void, JournalError>
}

/** What a journal file holds: a beginning of what was appended, never more. */
export interface Recovered {
  readonly events: ReadonlyArray<BootEvent>
  /** What is behind the last good record, if anything; `offset` is where it begins, in bytes. */
  readonly torn: { readonly offset: number; readonly reason: string } | undefined
  /** How many events are missing in between, as the file itself says. */
  readonly dropped: number
  readonly lastCheckpoint: Checkpoint | undefined
  readonly ended: boolean
}

/** What a boot had done that did not end. */
export interface Unfinished {
  readonly bootId: string
  readonly lastCheckpoint: Checkpoint | undefined
  /** Components with an attempt begun: each may have left something behind. */
  readonly started: ReadonlyArray<string>
  /** Components that were acquired and not stopped cleanly: their recovery should run. */
  readonly acquired: ReadonlyArray<string>
}

/** What failed. `lost` counts the events that were appended and are not known to be durable. */
export type JournalReason =
  | { readonly _tag: "Open"; readonly path: string }
  | { readonly _tag: "Write"; readonly path: string; readonly lost: number }
  | { readonly _tag: "Sync"; readonly path: string; readonly lost: number }
  | { readonly _tag: "Full"; readonly path: string; readonly lost: number; readonly capacity: number }
  | { readonly _tag: "Read"; readonly path: string }

/** The record of a boot could not be kept, or not be read. The boot itself is not concerned. */
export class JournalError extends Data.TaggedError("JournalError")<{
  readonly reason: JournalReason
  readonly cause?: unknown
}> {
  override get message() {
    const reason = this.reason
    const it = `The boot journal ${reason.path}`
    switch (reason._tag) {
      case "Open":
        return `${it} cannot be created. Give each boot a path of its own, in a directory that this user may write.`
      case "Write":
        return `${it} cannot be written: ${reason.lost} events are lost, the boot goes on. Check free space and disk.`
      case "Sync":
        return `${it} is not confirmed: ${reason.lost} events may be lost, the boot goes on. Check the disk.`
      case "Full":
        return `${it} lacks ${reason.lost} events: over ${reason.capacity} waited, or were no data. Check the disk.`
      case "Read":
        return `${it} cannot be read: nothing is known of that boot. Check that the file is there and readable.`
    }
  }
}

/** How long closing may take before what is not written is given up. */
const closeWithin = "2 seconds"

/** How long what is written may wait for more before it is synced, when nobody asks for it. */
const syncWithin = "100 millis"

/** Events per write, so that encoding never holds the event loop for more than a few milliseconds. */
const batchLimit = 4096

const header = "novacron-journal 1\n"
const headerCrc = crc32(header)

// -------------------------------------------------------------------------------------------------------- constructors

/** Begins the journal of one boot. Closing the scope writes what is left and closes the file. */
export const make = Effect.fn("Journal.make")(function* (options: {
  readonly path: string
  /** Whether durable means: on the disk. Without it, it means: handed to the operating system. */
  readonly fsync?: boolean
  /** How many events may wait to be written. What comes beyond is dropped, counted, and recorded as a hole. */
  readonly capacity?: number
}) {
  const { path, fsync = true, capacity = 100_000 } = options
  const fileSystem = yield* FileSystem.FileSystem
  const dispatcher = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.currentDispatcher))
  const backlog = makeBacklog(path, { capacity, fsync, dispatcher })
  const encode = encoder()
  const opened = Deferred.makeUnsafe<unknown, JournalError>()

  const open = Effect.gen(function* () {
    const directories = yield* makeDirectory(fileSystem, directoryOf(path))
    return { directories, file: yield* fileSystem.open(path, { flag: "ax", mode: 0o600 }) }
  }).pipe(
    Effect.mapError((cause) => new JournalError({ reason: { _tag: "Open", path }, cause })),
    Effect.onExit((exit) => Deferred.done(opened, exit))
  )

  // The file is closed by the fiber that writes, since no other knows that no write is under way: a descriptor closed
  // under a write may by then be somebody else's file.
  const writer = Effect.gen(function* () {
    const { directories, file } = yield* open
    if (fsync) yield* backlog.trying("Sync", Effect.forEach(directories, syncDirectory(fileSystem)))
    do {
      const { bytes, unfit } = encode(backlog.take())
      if (bytes.length > 0) yield* backlog.trying("Write", file.writeAll(bytes))
      backlog.written(unfit)
      if (backlog.mustSync()) {
        yield* backlog.trying("Sync", file.sync)
        backlog.synced()
      }
    } while (yield* backlog.more)
  }).pipe(
    Effect.scoped,
    Effect.catchCause((cause) => Effect.sync(() => backlog.fail(Cause.squash(cause))))
  )

  const end = Effect.fnUntraced(function* (fiber: Fiber.Fiber<void>) {
    backlog.close()
    yield* Effect.interruptible(Fiber.await(fiber)).pipe(
      Effect.timeout(closeWithin),
      Effect.catchTag("TimeoutError", (late) => Effect.sync(() => backlog.fail(late)))
    )
  })

  // Detached, for a scope would wait without end for a fiber that hangs in the disk; `end` waits as long as it may.
  yield* Effect.acquireRelease(Effect.forkDetach(writer), end)
  yield* Deferred.await(opened)
  const journal: Journal = { append: backlog.append, flush: backlog.flush }
  return journal
})

/** A journal that keeps its events in memory. */
export const memory: Effect.Effect<Journal & { readonly events: Effect.Effect<ReadonlyArray<BootEvent>> }> =
  Effect.sync(() => {
    const kept: Array<BootEvent> = []
    return {
      append: (event) => {
        kept.push(event)
      },
      flush: Effect.void,
      events: Effect.sync(() => kept.slice())
    }
  })

// ------------------------------------------------------------------------------------------------------------- reading

/** Reads the journal of an earlier boot. A torn file is no failure: it holds what it holds. */
export const read = Effect.fn("Journal.read")(function* (path: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const bytes = yield* fileSystem
    .readFile(path)
    .pipe(Effect.mapError((cause) => new JournalError({ reason: { _tag: "Read", path }, cause })))
  return decode(bytes)
})

/** Finds the longest beginning of `bytes` that is whole. */
export const decode = (bytes: Uint8Array): Recovered => {
  const events: Array<BootEvent> = []
  let dropped = 0
  const recovered = (torn: Recovered["torn"]): Recovered => ({
    events,
    torn,
    dropped,
    lastCheckpoint: lastCheckpoint(events),
    ended: hasEnded(events)
  })
  if (text.decode(bytes.subarray(0, header.length)) !== header) {
    return recovered({ offset: 0, reason: whyNothing(text.decode(bytes.subarray(0, 64))) })
  }
  let offset = header.length
  let crc = headerCrc
  for (let n = 1; offset < bytes.length; n++) {
    const end = bytes.indexOf(newline, offset)
    if (end === -1) return recovered({ offset, reason: `record ${n} is cut off` })
    crc = crc32(bytes.subarray(offset + sealLength, end), crc)
    const line = text.decode(bytes.subarray(offset, end))
    if (!line.startsWith(seal(crc))) return recovered({ offset, reason: `record ${n} does not match its checksum` })
    const record = decodeLine(line.slice(sealLength))
    if (Result.isFailure(record)) return recovered({ offset, reason: `record ${n} is not an event of this version` })
    if (record.success.n !== n)
      return recovered({ offset, reason: `record ${record.success.n} stands in place of ${n}` })
    if ("event" in record.success) events.push(record.success.event)
    else dropped += record.success.dropped
    offset = end + 1
  }
  return recovered(undefined)
}

/** What a file is that does not begin as a journal of this version does. */
const whyNothing = (head: string): string => {
  if (head === "") return "it is empty: the boot was killed before its first event was written"
  const [, version] = /^novacron-journal (\d{1,9})\n/.exec(head) ?? []
  return version === undefined
    ? `it does not begin with "${header.trimEnd()}": it is no journal`
    : `it is of version ${version}, which a newer novacron has written`
}

/** What a boot had done that did not end, or nothing if it ended or never began. */
export const unfinished = (events: ReadonlyArray<BootEvent>): Unfinished | undefined => {
  const first = events.find((event) => event._tag === "BootStarted")
  if (first === undefined || hasEnded(events)) return undefined
  const started = new Set<string>()
  const acquired = new Set<string>()
  for (const event of events) {
    if (event._tag === "ComponentStarted" || event._tag === "SwapStarted") started.add(event.component)
    if (holding.has(event._tag) && "component" in event) acquired.add(event.component)
    // A finalizer that failed or was abandoned may have left its resource behind: that is what recovery is for.
    if ((event._tag === "ComponentStopped" || event._tag === "AttemptClosed") && event.closing === "clean") {
      acquired.delete(event.component)
    }
  }
  return {
    bootId: first.bootId,
    lastCheckpoint: lastCheckpoint(events),
    started: [...started],
    acquired: [...acquired]
  }
}

/** How long the attempt took that brought each component up, its probe included. What never came up has no entry. */
export const durationsMs = (events: ReadonlyArray<BootEvent>): Record<string, number> => {
  const begun = new Map<string, number>()
  const durations = new Map<string, number>()
  for (const event of events) {
    if (event._tag === "ComponentStarted") begun.set(event.component, event.atMs)
    if (event._tag === "ComponentReady" || event._tag === "ComponentDegraded") {
      const at = begun.get(event.component)
      if (at !== undefined) durations.set(event.component, event.atMs - at)
    }
  }
  return Object.fromEntries(durations)
}

/** After these a component holds what it acquired; one whose probe has nothing to ask is ready at once. */
const holding: ReadonlySet<BootEvent["_tag"]> = new Set([
  "ComponentAcquired",
  "ComponentReady",
  "ComponentDegraded",
  "SwapCompleted"
] as const)

const hasEnded = (events: ReadonlyArray<BootEvent>): boolean => events.some((event) => event._tag === "BootEnded")

const lastCheckpoint = (events: ReadonlyArray<BootEvent>): Checkpoint | undefined =>
  events.findLast((event) => event._tag === "CheckpointReached")?.checkpoint

// -------------------------------------------------------------------------------------------------------------- lines

/** Stands where events were dropped. */
interface Hole {
  readonly _tag: "Hole"
  readonly dropped: number
}

const decodeLine = Schema.decodeUnknownResult(
  Schema.fromJsonString(
    Schema.Union([
      Schema.Struct({ n: Schema.Int, event: BootEvent }),
      Schema.Struct({ n: Schema.Int, dropped: Schema.Int })
    ])
  )
)

const text = new TextDecoder("utf-8", { ignoreBOM: true })
const utf8 = new TextEncoder()
const newline = 10

/** What stands before a payload. Compared as text, so that a flipped bit cannot turn `a` into an equal `A`. */
const seal = (crc: number): string => `${crc.toString(16).padStart(8, "0")} `
const digits = utf8.encode("0123456789abcdef")
const unsealed = "-------- "
const sealLength = unsealed.length

/**
 * Encodes batch after batch; the first bytes are the header. `unfit` counts events that JSON cannot hold. The bytes are
 * good until the next batch. A few lines at a time become bytes, and their seals are written into those: one conversion
 * for each line would cost more, and so would one for all, whose text would live long enough to be moved about.
 */
const encoder = () => {
  const json = jsonOf(new Map())
  let bytes = new Uint8Array(1 << 15)
  let head = header
  let crc = headerCrc
  let n = 0
  const put = (lines: string, at: number): number => {
    const longest = at + 3 * lines.length
    if (longest > bytes.length) {
      const larger = new Uint8Array(2 * longest)
      larger.set(bytes.subarray(0, at))
      bytes = larger
    }
    return at + utf8.encodeInto(lines, bytes.subarray(at)).written
  }
  const sealAll = (from: number, to: number): void => {
    for (let at = from; at < to;) {
      const end = bytes.indexOf(newline, at)
      crc = crc32(bytes.subarray(at + sealLength, end), crc)
      for (let k = 0; k < 8; k++) bytes[at + k] = digits[(crc >>> (28 - 4 * k)) & 15]!
      at = end + 1
    }
  }
  return (batch: ReadonlyArray<BootEvent | Hole>): { readonly bytes: Uint8Array; readonly unfit: number } => {
    let at = put(head, 0)
    let unfit = 0
    head = ""
    for (let from = 0; from < batch.length; from += linesAtOnce) {
      let lines = ""
      for (let k = from; k < batch.length && k < from + linesAtOnce; k++) {
        const item = batch[k]!
        const event = item._tag === "Hole" ? undefined : json(item)
        if (item._tag !== "Hole" && event === undefined) unfit++
        lines +=
          event === undefined
            ? `${unsealed}{"n":${++n},"dropped":${item._tag === "Hole" ? item.dropped : 1}}\n`
            : `${unsealed}{"n":${++n},"event":${event}}\n`
      }
      const end = put(lines, at)
      sealAll(at, end)
      at = end
    }
    return { bytes: bytes.subarray(0, at), unfit }
  }
}

const linesAtOnce = 32

/**
 * `JSON.stringify` of an event, or undefined when that loses something: NaN and Infinity become null, and such a line
 * would end what the next boot believes. The five events that every component has are put together by hand, which is
 * twice as fast.
 */
const jsonOf =
  (quoted: Map<string, string>) =>
  (event: BootEvent): string | undefined => {
    const isPlain =
      event._tag === "ComponentReady" || (event._tag === "ComponentStopping" && event.byHand === undefined)
    if (isPlain || event._tag === "ComponentAcquired") {
      if (!Number.isFinite(event.atMs)) return undefined
      return `{"_tag":"${event._tag}","atMs":${event.atMs},"component":${quote(quoted, event.component)}}`
    }
    if (event._tag === "ComponentStarted") {
      const { atMs, attempt, component, variant } = event
      if (!Number.isFinite(atMs) || !Number.isFinite(attempt) || !Number.isFinite(variant)) return undefined
      const name = quote(quoted, component)
      return `{"_tag":"ComponentStarted","atMs":${atMs},"component":${name},"variant":${variant},"attempt":${attempt}}`
    }
    if (event._tag === "ComponentStopped") {
      const { atMs, closing, component } = event
      if (!Number.isFinite(atMs)) return undefined
      return `{"_tag":"ComponentStopped","atMs":${atMs},"component":${quote(quoted, component)},"closing":"${closing}"}`
    }
    const json = JSON.stringify(event)
    return json.includes(":null") && Result.isFailure(decodeEvent(event)) ? undefined : json
  }

const quote = (quoted: Map<string, string>, name: string): string => {
  let text = quoted.get(name)
  if (text === undefined) quoted.set(name, (text = JSON.stringify(name)))
  return text
}

// ------------------------------------------------------------------------------------------------------------ backlog

/**
 * What waits between `append` and the disk, and who waits for it. Positions count everything that was ever put into it;
 * the header is the first.
 */
const makeBacklog = (
  path: string,
  options: { readonly capacity: number; readonly fsync: boolean; readonly dispatcher: Scheduler.SchedulerDispatcher }
) => {
  const { capacity, dispatcher, fsync } = options
  const latch = Latch.makeUnsafe(false)
  const waiters: Array<{ readonly position: number; readonly done: Deferred.Deferred<void, JournalError> }> = []
  let waiting: Array<BootEvent | Hole> = []
  let writing: ReadonlyArray<BootEvent | Hole> = []
  let put = 1
  /** How far it is written, and how far that is durable. */
  let reached = 0
  let durable = 0
  /** The first checkpoint that is not durable, or one that is. */
  let checkpoint = 0
  /** Events that are written and not durable. */
  let unsynced = 0
  let lost = 0
  let unmarked = 0
  let waking = false
  let overdue = false
  let closing = false
  let failure: { readonly stage: "Write" | "Sync"; readonly cause: unknown } | undefined
  let stage: "Write" | "Sync" = "Write"

  /** A hole is marked before what comes next, so that it stands where the events are missing. */
  const markHole = () => {
    if (unmarked === 0) return
    waiting.push({ _tag: "Hole", dropped: unmarked })
    put++
    unmarked = 0
  }

  /** The writer goes on when whoever appends pauses: until then the batch is left to grow. */
  const wakeSoon = (): void => {
    if (waking) return
    waking = true
    dispatcher.scheduleTask(() => {
      waking = false
      latch.openUnsafe()
    }, 0)
  }

  const append = (event: BootEvent): void => {
    if (closing) return
    if (failure !== undefined) {
      lost++
      return
    }
    if (waiting.length + writing.length >= capacity) {
      lost++
      unmarked++
      return
    }
    markHole()
    waiting.push(event)
    put++
    if (event._tag === "CheckpointReached" && checkpoint <= durable) checkpoint = put
    wakeSoon()
  }

  const error = (): JournalError =>
    failure === undefined
      ? new JournalError({ reason: { _tag: "Full", path, lost, capacity } })
      : new JournalError({ reason: { _tag: failure.stage, path, lost }, cause: failure.cause })

  /** Whoever waits is waited for by others: the writer goes on at once, right here. */
  const durableUpTo = (position: number): Effect.Effect<void, JournalError> => {
    if (durable >= position) return Effect.void
    const last = waiters.at(-1)
    if (last?.position === position) return Deferred.await(last.done)
    const done = Deferred.makeUnsafe<void, JournalError>()
    waiters.push({ position, done })
    latch.openUnsafe()
    return Deferred.await(done)
  }

  const flush = Effect.suspend(() => {
    if (failure !== undefined) return Effect.fail(error())
    return Effect.andThen(
      durableUpTo(put),
      Effect.suspend(() => (lost === 0 ? Effect.void : Effect.fail(error())))
    )
  })

  const take = (): ReadonlyArray<BootEvent | Hole> => {
    markHole()
    writing = waiting.length <= batchLimit ? waiting : waiting.splice(0, batchLimit)
    if (writing === waiting) waiting = []
    return writing
  }

  const written = (unfit: number): void => {
    reached = put - waiting.length
    lost += unfit
    unsynced += countEvents(writing) - unfit
    writing = []
    if (!fsync) synced()
  }

  const hasMore = (): boolean => waiting.length + unmarked > 0

  /** Whether what is written has to be durable now. */
  const mustSync = (): boolean => {
    if (durable === reached) return false
    const isDue = (position: number | undefined) => position !== undefined && position > durable && position <= reached
    return overdue || (closing && !hasMore()) || isDue(checkpoint) || isDue(waiters[0]?.position)
  }

  const synced = (): void => {
    durable = reached
    unsynced = 0
    overdue = false
    while (waiters[0] !== undefined && waiters[0].position <= durable) {
      Deferred.doneUnsafe(waiters[0].done, Effect.void)
      waiters.shift()
    }
  }

  const fail = (cause: unknown): void => {
    if (failure !== undefined) return
    failure = { stage, cause }
    lost += unsynced + countEvents(writing) + countEvents(waiting)
    writing = []
    waiting = []
    const failed = Effect.fail(error())
    for (const waiter of waiters.splice(0)) Deferred.doneUnsafe(waiter.done, failed)
  }

  const close = (): void => {
    closing = true
    latch.openUnsafe()
  }

  /** Waits for work and tells whether there is some; without any, the journal is closing. */
  const more = Effect.gen(function* () {
    while (!hasMore() && !mustSync() && !closing) {
      latch.closeUnsafe()
      if (durable === reached) yield* latch.await
      else overdue = Option.isNone(yield* Effect.timeoutOption(latch.await, syncWithin))
    }
    return hasMore() || mustSync()
  })

  /** Remembers what is being tried, for the error and for whoever gives up waiting for it. */
  const trying = <A, E>(step: "Write" | "Sync", self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      stage = step
      return self
    })

  return { append, flush, take, written, mustSync, synced, fail, close, more, trying }
}

const countEvents = (batch: ReadonlyArray<BootEvent | Hole>): number =>
  batch.reduce((count, item) => (item._tag === "Hole" ? count : count + 1), 0)

// -------------------------------------------------------------------------------------------------------- directories

const directoryOf = (path: string): string => {
  const cut = path.lastIndexOf("/")
  return cut === -1 ? "." : cut === 0 ? "/" : path.slice(0, cut)
}

/** Makes a directory with all above it, for its owner only. Returns those that gained an entry, the file's included. */
const makeDirectory = Effect.fnUntraced(function* (fileSystem: FileSystem.FileSystem, directory: string) {
  const changed = [directory]
  let missing = directory
  while (missing !== directoryOf(missing) && !(yield* fileSystem.exists(missing))) {
    missing = directoryOf(missing)
    changed.push(missing)
  }
  if (changed.length > 1) yield* fileSystem.makeDirectory(directory, { recursive: true, mode: 0o700 })
  return changed
})

/** A durable file is lost all the same when its name is not durable. */
const syncDirectory = (fileSystem: FileSystem.FileSystem) => (directory: string) =>
  Effect.scoped(Effect.flatMap(fileSystem.open(directory, { flag: "r" }), (opened) => opened.sync)).pipe(
    Effect.catchIf(cannotSyncDirectories, () => Effect.void)
  )

/** Windows refuses to open or to sync a directory, some network file systems answer EINVAL: there is no more to do. */
const cannotSyncDirectories = ({ reason }: PlatformError.PlatformError): boolean =>
  reason._tag === "BadResource" ||
  reason._tag === "PermissionDenied" ||
  reason._tag === "BadArgument" ||
  (Predicate.hasProperty(reason.cause, "code") && reason.cause.code === "EINVAL")
