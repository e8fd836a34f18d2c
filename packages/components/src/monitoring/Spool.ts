/**
 * What the collector has not taken when the process ends, in a file for the next start: a node that fails at once while
 * its collector is down would otherwise leave no trace.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises"
import { Effect, Option, Schema } from "effect"
import { Span } from "./Span.ts"
import type { Item } from "./Otlp.ts"

const Spooled = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    boots: Schema.Array(
      Schema.Struct({
        resource: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])),
        spans: Schema.Array(Span)
      })
    )
  })
)

/** A file that is larger was not written by a node. */
const maxBytes = 64 * 1024 * 1024

/** What an earlier process has left; nothing when there is no file, or one that makes no sense. */
export const read = (path: string): Effect.Effect<ReadonlyArray<Item>> =>
  Effect.tryPromise(() => readFile(path, "utf8")).pipe(
    Effect.filterOrFail((text) => text.length <= maxBytes),
    Effect.flatMap(Schema.decodeUnknownEffect(Spooled)),
    Effect.map(({ boots }) => boots.flatMap(({ resource, spans }) => spans.map((span) => ({ resource, span })))),
    Effect.option,
    Effect.map(Option.getOrElse((): ReadonlyArray<Item> => []))
  )

/** Writes what is left, complete or not at all; whether that went well. */
export const write = (path: string, items: ReadonlyArray<Item>): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const boots = new Map<Item["resource"], Array<Span>>()
    for (const { resource, span } of items) {
      const spans = boots.get(resource)
      if (spans === undefined) boots.set(resource, [span])
      else spans.push(span)
    }
    const text = JSON.stringify({ version: 1, boots: [...boots].map(([resource, spans]) => ({ resource, spans })) })
    const half = `${path}.half`
    const put = Effect.tryPromise(() => writeFile(half, text, { mode: 0o600 }).then(() => rename(half, path)))
    return Effect.isSuccess(put)
  })

/** There is nothing left. */
export const clear = (path: string): Effect.Effect<void> =>
  Effect.ignore(Effect.tryPromise(() => rm(path, { force: true })))
