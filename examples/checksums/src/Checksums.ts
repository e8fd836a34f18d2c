/** The work: a task for each checksum, and a table of its own beside those of the tasks, where results stay. */
import type { Tasks } from "@novacron/api"
import { Database, Orchestration, Post } from "@novacron/components"
import { Context, Effect, Layer, Stream } from "effect"
import { HttpApiError } from "effect/http-api"
import type { Checksum } from "./Contract.ts"

/** Applied with those of the node, after them. */
export const migration = {
  id: 9001,
  name: "checksums",
  sql: ["CREATE TABLE checksums (task text PRIMARY KEY, path text NOT NULL, sha256 text NOT NULL)"]
}

export class Checksums extends Context.Service<
  Checksums,
  {
    readonly request: (path: string) => Effect.Effect<Checksum, HttpApiError.ServiceUnavailable>
    readonly find: (id: string) => Effect.Effect<Checksum, HttpApiError.NotFound | HttpApiError.ServiceUnavailable>
    /** Keeps those that are known by now and that nobody has asked for. */
    readonly keepAll: Effect.Effect<void, unknown>
  }
>()("checksums/Checksums") {
  static readonly layer = Layer.effect(
    Checksums,
    Effect.gen(function* () {
      const { sql } = yield* Database.Database
      const { get, list, output, submit } = yield* Orchestration.Orchestration
      const notNow = () => new HttpApiError.ServiceUnavailable()

      const keep = Effect.fnUntraced(function* (known: Checksum) {
        const printed = Stream.map(output(known.id, { offset: 0, follow: false }), ({ text }) => text)
        const sha256 = (yield* Stream.mkString(printed)).slice(0, 64)
        yield* sql`INSERT INTO checksums VALUES (${known.id}, ${known.path}, ${sha256}) ON CONFLICT DO NOTHING`
        return { ...known, sha256 }
      })
      const find = Effect.fn("Checksums.find")(function* (id: string) {
        const [kept] = yield* sql<{
          path: string
          sha256: string
        }>`SELECT path, sha256 FROM checksums WHERE task = ${id}`
        if (kept !== undefined) return { id, state: "succeeded", ...kept }
        const known = unfinished(yield* get(id))
        return known.state === "succeeded" ? yield* keep(known) : known
      })
      const keepAll = Effect.gen(function* () {
        const kept = new Set((yield* sql<{ task: string }>`SELECT task FROM checksums`).map(({ task }) => task))
        const { tasks } = yield* list({ states: ["succeeded"], limit: 1_000 })
        const missing = tasks.filter(({ id, name }) => name === "sha256" && !kept.has(id))
        yield* Effect.forEach(missing.map(unfinished), keep, { discard: true })
      })
      return {
        keepAll,
        request: (path) => {
          const run = { driver: "process", command: ["sha256sum", "--", path] } as const
          return Effect.mapBoth(submit({ name: "sha256", run }, "checksums"), {
            onSuccess: unfinished,
            onFailure: notNow
          })
        },
        find: (id) =>
          find(id).pipe(
            Effect.catchTags({
              NoSuchTask: () => Effect.fail(new HttpApiError.NotFound()),
              SqlError: () => Effect.fail(notNow()),
              Unavailable: () => Effect.fail(notNow())
            })
          )
      }
    })
  )
}

/** A task is forgotten after a week, `orchestration.retention`; its result is not. */
export const jobs = Post.backgroundJobs(
  [Checksums],
  Effect.map(Checksums, ({ keepAll }) => [{ name: "keep results", every: "1 minute", run: keepAll }])
)

const unfinished = ({ id, state, submission }: Tasks.Task): Checksum => ({
  id,
  path: submission.run.driver === "process" ? (submission.run.command.at(-1) ?? "") : "",
  state,
  sha256: null
})
