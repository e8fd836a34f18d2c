/**
 * The work of the cluster, as the pages ask for it: the service of orchestration that the API asks too, in the words of the
 * same contract. Loaded when somebody asks first.
 *
 * **Details**
 *
 * A search goes through the tasks from the newest on, some thousands at a time, and says where to go on. What changes is
 * mentioned twice a second at the most, by its ids: a page that shows one of them asks for it again.
 */
import { Contract, Tasks } from "@novacron/api"
import { Cause, Effect, Exit, Option, Schedule, Schema, Stream } from "effect"
import type { NoSuchTask, Orchestration, Unavailable } from "../orchestration/Orchestration.ts"
import type { Environment } from "../orchestration/Scheduling.ts"
import * as Fit from "./Fit.ts"
import type { Refused } from "./Reply.ts"
import type * as Wire from "./Wire.ts"

type Service = Orchestration["Service"]

/** What can be asked about tasks. `search` is a part of a name, a group or an id. */
const Query = Schema.Struct({
  ...Contract.Filter.fields,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 })),
  search: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(128)))
})

/** A page of the contract, and how many tasks were looked at for it. */
export const Page = Schema.Struct({ ...Contract.Page.fields, looked: Schema.Int })

const usualLimit = 50
/** A search looks at so many at a time, and gives an answer after so many. */
const searchStep = 500
const searchMost = 5_000

/** The tasks that are asked for, newest first. */
export const list = Effect.fn("Work.list")(function* (
  it: Service,
  asked: URLSearchParams
): Effect.fn.Return<typeof Page.Type, Refused> {
  const given = (name: string) => {
    const value = asked.get(name)
    return value === null || value === "" ? {} : { [name]: value }
  }
  const states = asked.get("state")
  const query = Schema.decodeUnknownExit(Query)({
    limit: Number(asked.get("limit") ?? usualLimit),
    ...(states === null || states === "" ? {} : { state: states.split(",", 16) }),
    ...given("group"),
    ...given("node"),
    ...given("cursor"),
    ...given("search")
  })
  if (Exit.isFailure(query)) return yield* Effect.fail({ status: 400, message: "That is no question about tasks." })
  const { cursor, group, limit, node, search, state } = query.value
  const page = (limit: number, cursor: string | undefined) =>
    Effect.mapError(
      it.list({
        limit,
        ...(state === undefined ? {} : { states: state }),
        ...(group === undefined ? {} : { group }),
        ...(node === undefined ? {} : { node }),
        ...(cursor === undefined ? {} : { cursor })
      }),
      refused
    )
  const word = search?.trim().toLowerCase() ?? ""
  if (word === "") {
    const { next, tasks } = yield* page(limit, cursor)
    return { tasks, next: Option.getOrNull(next), looked: tasks.length }
  }
  const found: Array<Tasks.Task> = []
  let looked = 0
  let next = Option.fromNullishOr(cursor)
  do {
    const some = yield* page(searchStep, Option.getOrUndefined(next))
    found.push(...some.tasks.filter((task) => isMeant(task, word)))
    looked += some.tasks.length
    next = some.next
  } while (Option.isSome(next) && found.length < limit && looked < searchMost)
  return { tasks: found, next: Option.getOrNull(next), looked }
})

const isMeant = ({ group, id, name }: Tasks.Task, word: string): boolean =>
  name.toLowerCase().includes(word) || id.startsWith(word) || (group?.toLowerCase().includes(word) ?? false)

export const get = (it: Service, id: string): Effect.Effect<Tasks.Task, Refused> => Effect.mapError(it.get(id), refused)

export const nodes = (it: Service): Effect.Effect<typeof Contract.Nodes.Type, Refused> =>
  Effect.mapBoth(it.nodes, { onFailure: refused, onSuccess: (nodes) => ({ nodes }) })

export const cancel = (it: Service, id: string, by: string): Effect.Effect<Tasks.Task, Refused> =>
  Effect.mapError(it.cancel(id, by), refused)

/** What each node is to a task that has not ended; nothing of one that has. */
export const fit = Effect.fn("Work.fit")(function* (
  it: Service,
  id: string,
  environment: string
): Effect.fn.Return<ReadonlyArray<Wire.Fit>, Refused> {
  const task = yield* get(it, id)
  if (Tasks.ends.has(task.state)) return []
  const { nodes, neighbours } = yield* Effect.mapError(
    Effect.all({ nodes: it.nodes, neighbours: it.list({ states: ["placed", "running"], limit: 1_000 }) }),
    refused
  )
  return Fit.judge(environmentOf(environment), task, nodes.slice(0, 200), neighbours.tasks)
})

const environmentOf = (text: string): Environment => (text === "internet" || text === "hybrid" ? text : "datacenter")

/** As the scheduler says it to whoever asks. */
const refused = (error: NoSuchTask | Unavailable): Refused => ({
  status: error._tag === "NoSuchTask" ? 404 : 503,
  message: error.message
})

// ------------------------------------------------------------------------------------------------------------- news

const maxNews = 64

/** Mentions what changes, until the orchestration ends. */
export const watch = (it: Service, mention: (news: Wire.News) => void): Effect.Effect<void> =>
  Effect.gen(function* () {
    const changed = new Set<string>()
    let isMore = false
    const note = ({ id }: Tasks.Task): void => {
      if (changed.size < maxNews) changed.add(id)
      else isMore ||= !changed.has(id)
    }
    const tell = Effect.sync(() => {
      if (changed.size === 0) return
      mention({ tasks: [...changed], isMore })
      changed.clear()
      isMore = false
    })
    const listen = Stream.runForEach(it.changes, (task) => Effect.sync(() => note(task)))
    yield* Effect.raceFirst(listen, Effect.repeat(tell, Schedule.spaced("500 millis")))
    yield* tell
  })

// ----------------------------------------------------------------------------------------------------------- output

/** Where a reader's messages go. `write` is done when there is room for more. */
export interface Reader {
  readonly write: (text: string) => Effect.Effect<void>
  /** Once, before the first message. */
  readonly begin: () => void
}

/**
 * What a task prints, as server-sent events: `output` with the offset behind it as its id, `end` when nothing will follow,
 * `beat` when it is quiet. When the database is away it ends without an `end`, and a browser comes back with its last id.
 */
export const output = Effect.fn("Work.output")(function* (
  it: Service,
  id: string,
  offset: number,
  { begin, write }: Reader
): Effect.fn.Return<void, Refused> {
  yield* get(it, id)
  yield* Effect.sync(begin)
  const pieces = Stream.runForEach(it.output(id, { offset, follow: true }), (piece) => {
    const { offset, stream, text } = piece
    return write(message("output", { offset, stream, text }, `${offset + Buffer.byteLength(text)}`))
  })
  const all = Effect.gen(function* () {
    yield* pieces
    const { state } = yield* it.get(id)
    yield* write(message("end", { state }))
  })
  const beat = Effect.repeat(Effect.delay(write(message("beat", null)), "5 seconds"), Schedule.forever)
  yield* Effect.raceFirst(all, Effect.asVoid(beat)).pipe(
    Effect.catchCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.void))
  )
})

const message = (kind: string, data: unknown, id?: string): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`
