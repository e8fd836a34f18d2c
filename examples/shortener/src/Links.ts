/**
 * The links, in a file; in memory while the file cannot be had.
 *
 * **Gotchas**
 *
 * What was shortened in memory is forgotten when the file is back. Whoever cannot accept that says `Critical`.
 */
import { dirname } from "node:path"
import { Component, Policy } from "@novacron/boot"
import { Context, Data, Effect, FileSystem, Option } from "effect"
import { Settings } from "./Settings.ts"

export class Links extends Context.Service<
  Links,
  {
    readonly save: (slug: string, url: string) => Effect.Effect<void, FileLost>
    readonly find: (slug: string) => Effect.Effect<Option.Option<string>>
    /** Succeeds while links can be kept. */
    readonly check: Effect.Effect<void, FileLost>
  }
>()("shortener/links") {}

export class FileLost extends Data.TaggedError("FileLost")<{ readonly file: string; readonly cause: unknown }> {
  override get message() {
    return `The links in ${this.file} cannot be reached. Is it a file that this user may write?`
  }
}

const inMemory = Component.make(Links, {
  name: "memory",
  start: Effect.sync(() => {
    const links = new Map<string, string>()
    return {
      save: (slug, url) => Effect.sync(() => void links.set(slug, url)),
      find: (slug) => Effect.sync(() => Option.fromUndefinedOr(links.get(slug))),
      check: Effect.void
    }
  }),
  health: (links) => links.check
})

const inFile = Component.make(Links, {
  needs: [Settings, FileSystem.FileSystem],
  severity: { FileLost: "Degraded" },
  start: Effect.gen(function* () {
    const { file } = yield* Settings
    const fileSystem = yield* FileSystem.FileSystem
    const orLost = Effect.mapError((cause: unknown) => new FileLost({ file, cause }))

    yield* orLost(fileSystem.makeDirectory(dirname(file), { recursive: true }))
    const log = yield* orLost(fileSystem.open(file, { flag: "a+" })) // closed with the scope of the attempt
    yield* Effect.addFinalizer(() => Effect.ignore(log.sync)) // before that
    const text = yield* orLost(fileSystem.readFileString(file))
    const links = new Map(text.split("\n").map((line) => [line.slice(0, slugLength), line.slice(slugLength + 1)]))

    return {
      save: (slug, url) =>
        Effect.andThen(
          orLost(log.writeAll(new TextEncoder().encode(`${slug} ${url}\n`))),
          Effect.sync(() => void links.set(slug, url))
        ),
      find: (slug) => Effect.sync(() => Option.fromUndefinedOr(links.get(slug))),
      check: orLost(Effect.asVoid(fileSystem.stat(file)))
    }
  }),
  health: (links) => links.check
})

const slugLength = 6

/** Three tries within a second, then memory; the file again as soon as it can be had. */
export const links = inFile.pipe(
  Component.retry(Policy.make({ name: "brief", delay: "200 millis", cap: "1 second" })),
  Component.timeout("2 seconds"),
  Component.fallback(inMemory)
)
