/** The work: a task for each checksum, and a table of its own beside those of the tasks, where results stay. */
import type { Tasks } from "@novacron/api"
import { Database, Orchestration } from "@novacron/components"
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
  }
>()("checksums/Checksums") {
  static readonly layer = Layer.effect(
    Checksums,
    Effect.gen(function* () {
      const { sql } = yield* Database.Database
      const { get, output, submit } = yield* Orchestration.Orchestration
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
      return {
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

const unfinished = ({ id, state, submission }: Tasks.Task): Checksum => ({
  id,
  path: submission.run.driver === "process" ? (submission.run.command.at(-1) ?? "") : "",
  state,
  sha256: null
})
