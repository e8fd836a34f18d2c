/**
 * The machine as it tells of itself: its small files under /proc and /sys, its file systems, its processors. What it does
 * not tell is none; nothing here fails.
 */
import { readdir, readFile, readlink, statfs } from "node:fs/promises"
import { availableParallelism, totalmem } from "node:os"
import { dirname } from "node:path"
import { Context, Effect, Layer, Option } from "effect"

export class Host extends Context.Service<
  Host,
  {
    /** The text of a small file, its first 256 Ki characters. */
    readonly read: (path: string) => Effect.Effect<Option.Option<string>>
    /** The names in a directory, sorted; none when it is not there. */
    readonly list: (path: string) => Effect.Effect<ReadonlyArray<string>>
    /** Where a symbolic link leads. */
    readonly link: (path: string) => Effect.Effect<Option.Option<string>>
    /** The file system that a path is on, or would be on when it were made. */
    readonly space: (path: string) => Effect.Effect<Option.Option<Space>>
    /** Processors that this process may run on. */
    readonly cores: Effect.Effect<number>
    /** Memory of the machine, in bytes. */
    readonly memory: Effect.Effect<number>
  }
>()("novacron/host") {
  /** This machine. */
  static readonly layer = Layer.sync(Host, () =>
    Host.of({
      read: (path) => quietly(() => readSmall(path)),
      list: (path) =>
        Effect.map(
          quietly(() => readdir(path)),
          Option.match({ onNone: () => [], onSome: (names) => names.toSorted() })
        ),
      link: (path) => quietly(() => readlink(path)),
      space,
      cores: Effect.sync(availableParallelism),
      memory: Effect.sync(totalmem)
    })
  )

  /** A machine made of texts, by path, for those who want another one than this. */
  static readonly layerMemory = (made: {
    readonly files?: { readonly [path: string]: string }
    readonly links?: { readonly [path: string]: string }
    readonly space?: Space
    readonly cores?: number
    readonly memory?: number
  }) =>
    Layer.sync(Host, () => {
      const files = Object.entries(made.files ?? {})
      const inside = (path: string) =>
        files.flatMap(([file]) =>
          file.startsWith(`${path}/`) ? (file.slice(path.length + 1).split("/")[0] ?? []) : []
        )
      return Host.of({
        read: (path) => Effect.succeed(Option.fromUndefinedOr(made.files?.[path])),
        list: (path) => Effect.sync(() => [...new Set(inside(path))].toSorted()),
        link: (path) => Effect.succeed(Option.fromUndefinedOr(made.links?.[path])),
        space: () => Effect.succeed(Option.fromUndefinedOr(made.space)),
        cores: Effect.succeed(made.cores ?? 1),
        memory: Effect.succeed(made.memory ?? 0)
      })
    })
}

/** A file system, in bytes. */
export interface Space {
  readonly totalBytes: number
  /** What this user may still use. */
  readonly availableBytes: number
}

const quietly = <A>(read: () => Promise<A>): Effect.Effect<Option.Option<A>> => Effect.option(Effect.tryPromise(read))

const maxCharacters = 256 * 1024

const readSmall = (path: string): Promise<string> => readFile(path, "utf8").then((text) => text.slice(0, maxCharacters))

const space = (path: string): Effect.Effect<Option.Option<Space>> =>
  Effect.flatMap(
    quietly(() => statfs(path)),
    Option.match({
      onNone: () => (dirname(path) === path ? Effect.succeed(Option.none()) : space(dirname(path))),
      onSome: ({ bavail, blocks, bsize }) =>
        Effect.succeed(Option.some({ totalBytes: blocks * bsize, availableBytes: bavail * bsize }))
    })
  )
