/**
 * Where lines end up: a stream of the process, or a file that is put aside when it has grown.
 *
 * **Details**
 *
 * Lines wait in a queue with a limit and are written in batches, one at a time, beside the work of the node. When the
 * queue is full a line is dropped and counted, and as soon as there is room the next line says how many there were. A
 * write that fails drops its batch; the lines after it are tried again.
 *
 * **Gotchas**
 *
 * `flushNow` is for a process that is about to exit: it writes what waits, and blocks until it is written.
 */
import { close, fchmod, open, rename, stat, unlink, write, writeSync } from "node:fs"
import { Data, Effect, Option } from "effect"
import type { Scope } from "effect"

/** A place for lines. */
export interface Sink {
  /** Takes a line, without its end; false when it was dropped. Never waits, never throws. */
  readonly write: (line: string) => boolean
  /** Completes when all lines so far are written, or after the limit. */
  readonly flush: Effect.Effect<void>
  /** Writes what waits, now. For the last moment of a process. */
  readonly flushNow: () => void
  /** How many lines were dropped so far. */
  readonly dropped: () => number
}

/** The log file cannot be opened. The process exits with 73. */
export class LogFileUnusable extends Data.TaggedError("LogFileUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-1104"
  readonly exitCode = 73
  override get message() {
    return `The log file ${this.path} cannot be opened. Is its directory there, and may this user write to it?`
  }
}

export interface FileOptions {
  readonly path: string
  /** Of the file before it is put aside, in bytes. */
  readonly maxBytes: number
  /** With the one that is written to. */
  readonly maxFiles: number
  readonly queue: QueueOptions
}

export interface QueueOptions {
  /** How many lines may wait. */
  readonly capacity: number
  /** The line that says how many were dropped. */
  readonly notice: (dropped: number) => string
}

/** How long the end of a scope waits for lines to be written: a reader that has stopped reading must not hold it up. */
const patience = "1 second"

/** Lines to a stream of the process: 1 is stdout, 2 stderr. What waits is written when the scope closes. */
export const stream = (fd: number, options: QueueOptions): Effect.Effect<Sink, never, Scope.Scope> =>
  closing(
    queue(options, {
      write: (text, done) => writeAll(fd, text, done),
      writeNow: (text) => writeAllNow(fd, text)
    })
  )

/** Lines to a file of this user alone. What waits is written when the scope closes. */
export const file = Effect.fnUntraced(function* (
  options: FileOptions
): Effect.fn.Return<Sink, LogFileUnusable, Scope.Scope> {
  const opened = yield* Effect.acquireRelease(openPrivate(options.path), ({ current }) =>
    Effect.callback<void>((resume) => close(current.fd, () => resume(Effect.void)))
  )
  return yield* closing(
    queue(options.queue, {
      write: (text, done) => {
        const bytes = Buffer.byteLength(text)
        const isFull = opened.current.bytes > 0 && opened.current.bytes + bytes > options.maxBytes
        const append = (error?: Error | null) => {
          if (error) return done(error)
          opened.current.bytes += bytes
          writeAll(opened.current.fd, text, done)
        }
        if (isFull) putAside(options, opened, append)
        else append()
      },
      writeNow: (text) => writeAllNow(opened.current.fd, text)
    })
  )
})

// -------------------------------------------------------------------------------------------------------------- queue

interface Target {
  readonly write: (text: string, done: (error?: Error | null) => void) => void
  readonly writeNow: (text: string) => void
}

const maxBatchLines = 512

const queue = ({ capacity, notice }: QueueOptions, target: Target): Sink => {
  const waiting: Array<string> = []
  let isWriting = false
  let isStuck = false
  let dropped = 0
  let untold = 0
  let idle: Array<() => void> = []

  const take = (count: number) => {
    const batch = waiting.splice(0, count)
    if (untold > 0) batch.unshift(notice(untold))
    untold = 0
    return batch
  }
  const pump = () => {
    if (isWriting) return
    if (waiting.length === 0 && untold === 0) {
      const all = idle
      idle = []
      for (const one of all) one()
      return
    }
    isWriting = true
    const batch = take(maxBatchLines)
    target.write(`${batch.join("\n")}\n`, (error) => {
      isWriting = false
      isStuck = false
      if (!error) return pump()
      dropped += batch.length
      // Told with the next line that comes: trying at once what has just failed leads nowhere.
      untold += batch.length
      if (waiting.length > 0) pump()
      else for (const one of idle.splice(0)) one()
    })
  }
  return {
    write: (line) => {
      if (waiting.length >= capacity) {
        dropped++
        untold++
        return false
      }
      waiting.push(line)
      // Not at once: lines of one turn make one batch.
      if (!isWriting && waiting.length === 1) setImmediate(pump)
      return true
    },
    flush: Effect.callback<void>((resume) => {
      idle.push(() => resume(Effect.void))
      pump()
    }).pipe(
      Effect.timeoutOption(patience),
      Effect.map((done) => void (isStuck = Option.isNone(done)))
    ),
    flushNow: () => {
      // Behind a reader that has stopped reading it would block for ever.
      if (waiting.length === 0 || isStuck) return
      try {
        target.writeNow(`${take(waiting.length).join("\n")}\n`)
      } catch {
        // The process is about to end, and there is nobody left to tell.
      }
    },
    dropped: () => dropped
  }
}

const closing = (sink: Sink): Effect.Effect<Sink, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.succeed(sink), ({ flush }) => flush)

// -------------------------------------------------------------------------------------------------------------- files

interface Opened {
  current: { fd: number; bytes: number }
}

const openPrivate = (path: string): Effect.Effect<Opened, LogFileUnusable> =>
  Effect.callback((resume) => {
    openAppending(path, (cause, current) =>
      resume(current === undefined ? Effect.fail(new LogFileUnusable({ path, cause })) : Effect.succeed({ current }))
    )
  })

/** Opens for appending, for this user alone, also when the file was there already and open to others. */
const openAppending = (path: string, done: (error: Error | null, opened?: Opened["current"]) => void): void => {
  open(path, "a", 0o600, (error, fd) => {
    if (error) return done(error)
    fchmod(fd, 0o600, (error) => {
      if (error) return close(fd, () => done(error))
      stat(path, (error, stats) => (error ? close(fd, () => done(error)) : done(null, { fd, bytes: stats.size })))
    })
  })
}

/** FILE.1 becomes FILE.2 and so on, the oldest goes, FILE becomes FILE.1, and a new FILE is begun. */
const putAside = ({ maxFiles, path }: FileOptions, opened: Opened, done: (error?: Error | null) => void): void => {
  const name = (n: number) => (n === 0 ? path : `${path}.${n}`)
  const begin = () =>
    openAppending(path, (error, next) => {
      if (next === undefined) return done(error)
      const { fd } = opened.current
      opened.current = next
      close(fd, () => done())
    })
  const shift = (n: number): void => {
    if (n < 0) return begin()
    rename(name(n), name(n + 1), () => shift(n - 1))
  }
  unlink(name(maxFiles - 1), () => shift(maxFiles - 2))
}

// -------------------------------------------------------------------------------------------------------------- bytes

/** A pipe may take a part, or nothing for now. */
const writeAll = (fd: number, text: string, done: (error?: Error | null) => void): void => {
  const bytes = Buffer.from(text)
  const from = (offset: number): void =>
    write(fd, bytes, offset, bytes.length - offset, null, (error, written) => {
      if (error !== null && error.code !== "EAGAIN") return done(error)
      const next = error === null ? offset + written : offset
      if (next >= bytes.length) return done()
      if (written > 0) from(next)
      else
        Effect.runFork(
          Effect.delay(
            Effect.sync(() => from(next)),
            "20 millis"
          )
        )
    })
  from(0)
}

const maxStalls = 100_000

const writeAllNow = (fd: number, text: string): void => {
  const bytes = Buffer.from(text)
  let stalls = 0
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += writeSync(fd, bytes, offset)
    } catch (error) {
      const isBusy = error instanceof Error && "code" in error && error.code === "EAGAIN"
      if (!isBusy || ++stalls > maxStalls) throw error
    }
  }
}
