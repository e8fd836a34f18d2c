/**
 * The durable record of a boot: its events, one line each, in a file that survives `kill -9`, a cut at any byte and any
 * flipped bit. The next boot reads from it what had been started, and how long it took.
 *
 * **Details**
 *
 * What a line looks like, `JournalLines.ts` says. {@link decode} returns the longest beginning that is whole, and says what
 * was behind it.
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
import { Cause, Deferred, Effect, Fiber, FileSystem, Predicate } from "effect"
import type { PlatformError } from "effect"
import * as Backlog from "./Backlog.ts"
import type { BootEvent } from "./BootEvent.ts"
import { JournalError } from "./JournalError.ts"
import * as JournalLines from "./JournalLines.ts"
import type { Checkpoint } from "./Phase.ts"

export { JournalError, type JournalReason } from "./JournalError.ts"

/** Takes events and makes them durable. */
export interface Journal {
  /** Takes an event, at once: never blocks, never fails. */
  readonly append: (event: BootEvent) => void
  /** Completes when all that was appended before the call is durable; fails when it never will be. */
  readonly flush: Effect.Effect<void, JournalError>
}

/** What a journal file holds: a beginning of what was appended, never more. */
export interface Recovered extends JournalLines.Found {
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

/** How long closing may take before what is not written is given up. */
const closeWithin = "2 seconds"

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
  const backlog = Backlog.make(path, { capacity, fsync, dispatcher })
  const encode = JournalLines.encoder()
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
  const found = JournalLines.decode(bytes)
  return { ...found, lastCheckpoint: lastCheckpoint(found.events), ended: hasEnded(found.events) }
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
