/**
 * What the API does, whoever asks and however: REST and gRPC differ in how they say it. Each change is an audit line with
 * who made it. What orchestration says no to becomes a problem.
 */
import { randomBytes } from "node:crypto"
import { type Contract, type Node, Problem, Tasks, type Tokens } from "@novacron/api"
import type { Report } from "@novacron/boot/model"
import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { KeyReused, NoSuchTask, Orchestration, QueueFull, Unavailable } from "../orchestration/Orchestration.ts"
import type { Security } from "../security/Security.ts"
import type { Admission, Guest } from "./Admission.ts"
import type { NodeView, NoSuchComponent, NotRestored, StillBooting } from "./NodeView.ts"
import * as TokenStore from "./TokenStore.ts"

type Answer<A, E = never> = Effect.Effect<A, E | Problem.Unavailable>

export interface Answers {
  readonly status: Effect.Effect<Node.Status>
  readonly report: Effect.Effect<Report.Report>
  readonly health: Answer<Node.Health>
  readonly why: (component: string) => Answer<Node.Why, Problem.NotFound>
  readonly impact: (component: string) => Answer<Node.Impact, Problem.NotFound>
  readonly restore: (guest: Guest, component: string) => Answer<Node.Impact, Problem.Conflict | Problem.NotFound>
  readonly submit: (
    guest: Guest,
    submission: Tasks.Submission,
    idempotencyKey?: string
  ) => Answer<Tasks.Task, Problem.Conflict | Problem.InvalidRequest | Problem.QueueFull>
  readonly get: (id: string) => Answer<Tasks.Task, Problem.NotFound>
  readonly list: (filter: Contract.Filter) => Answer<Contract.Page>
  readonly cancel: (guest: Guest, id: string) => Answer<Tasks.Task, Problem.NotFound>
  /** A part of what was printed, without waiting for more. */
  readonly excerpt: (
    id: string,
    range: { readonly offset?: number; readonly limit?: number }
  ) => Answer<Contract.Excerpt, Problem.NotFound>
  /** What it prints, until it ends. */
  readonly output: (
    id: string,
    options: { readonly offset: number; readonly follow: boolean }
  ) => Stream.Stream<Tasks.Output, Problem.NotFound | Problem.Unavailable>
  readonly nodes: Answer<ReadonlyArray<Tasks.Node>>
  readonly createToken: (
    guest: Guest,
    request: Tokens.Request
  ) => Answer<Tokens.Created, Problem.Conflict | Problem.InvalidRequest | Problem.NotAllowed>
  readonly tokens: Answer<ReadonlyArray<Tokens.Token>>
  readonly revokeToken: (guest: Guest, id: string) => Answer<void, Problem.NotFound>
}

export interface Options {
  readonly security: Security["Service"]
  readonly admission: Admission
  readonly view: NodeView
  /** Nothing while it is not up. */
  readonly orchestration: Effect.Effect<Option.Option<Orchestration["Service"]>>
  readonly tokens: Effect.Effect<Option.Option<TokenStore.TokenStore>>
  readonly tokenLifetime: Duration.Duration
  readonly retryAfterSeconds: number
  /** Whether the node is leaving. */
  readonly isDraining: () => boolean
}

const excerptBytes = 256 * 1024
const pageSize = 100

export const make = (options: Options): Answers => {
  const { admission, retryAfterSeconds, security, view } = options
  const unavailable = (detail: string) => new Problem.Unavailable({ retryAfterSeconds, detail })

  const orchestration = Effect.flatMap(options.orchestration, (it) =>
    Option.isSome(it) ? Effect.succeed(it.value) : Effect.fail(unavailable(starting))
  )
  const tokens = Effect.flatMap(options.tokens, (it) =>
    Option.isSome(it)
      ? Effect.succeed(it.value)
      : Effect.fail(unavailable("Tokens cannot be kept yet. Ask again soon."))
  )

  const away = (error: Unavailable | TokenStore.TokensUnavailable) => unavailable(error.message)
  const noSuchTask = (error: NoSuchTask) => new Problem.NotFound({ detail: error.message })
  const refused = (error: KeyReused | NoSuchTask | QueueFull | Unavailable) => {
    switch (error._tag) {
      case "KeyReused":
        return new Problem.Conflict({ detail: error.message })
      case "NoSuchTask":
        return noSuchTask(error)
      case "QueueFull":
        return new Problem.QueueFull({ retryAfterSeconds: queuePatience, detail: error.message })
      case "Unavailable":
        return away(error)
    }
  }
  const missing = (error: NoSuchTask | Unavailable) => (error._tag === "NoSuchTask" ? noSuchTask(error) : away(error))

  const notNow = (error: StillBooting) => unavailable(error.message)
  const unknownOrNotNow = (error: NoSuchComponent | StillBooting) =>
    error._tag === "NoSuchComponent" ? new Problem.NotFound({ detail: error.message }) : notNow(error)
  const notRestored = (error: NoSuchComponent | NotRestored | StillBooting) =>
    error._tag === "NotRestored" ? new Problem.Conflict({ detail: error.message }) : unknownOrNotNow(error)

  /** What was done, or tried, and by whom. */
  const audited =
    (action: string, guest: Guest, subject: string) =>
    <A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      change.pipe(
        Effect.tap(() => security.audit({ action, principal: guest.name, subject, success: true })),
        Effect.tapError(() => security.audit({ action, principal: guest.name, subject, success: false }))
      )

  const get = (id: string) => Effect.flatMap(orchestration, (it) => Effect.mapError(it.get(id), missing))

  const output: Answers["output"] = (id, range) =>
    Stream.unwrap(Effect.map(orchestration, (it) => Stream.mapError(it.output(id, range), missing)))

  return {
    status: Effect.flatMap(options.orchestration, (it) => view.status(Option.isSome(it) && !options.isDraining())),
    report: view.report,
    health: Effect.mapError(view.health, notNow),
    why: (component) => Effect.mapError(view.why(component), unknownOrNotNow),
    impact: (component) => Effect.mapError(view.impact(component), unknownOrNotNow),
    restore: (guest, component) =>
      view.restore(component).pipe(Effect.mapError(notRestored), audited("component.restored", guest, component)),

    submit: Effect.fn("Api.submit")(function* (guest, submission, idempotencyKey) {
      const key = idempotencyKey ?? submission.idempotencyKey
      if (submission.idempotencyKey !== undefined && key !== submission.idempotencyKey) {
        return yield* new Problem.InvalidRequest({
          detail: "The header Idempotency-Key and idempotencyKey of the submission differ. Give one of them."
        })
      }
      // Not in the schema: a task of that kind that was taken before could not be shown any more.
      if (submission.run.driver === "process" && submission.run.command[0] === "") {
        return yield* new Problem.InvalidRequest({
          detail: "The first item of command is the program to run, and it is empty. No task was made."
        })
      }
      const it = yield* orchestration
      const wanted = key === undefined ? submission : { ...submission, idempotencyKey: key }
      return yield* it.submit(wanted, guest.name).pipe(
        Effect.mapError((error) => {
          const problem = refused(error)
          // No task is asked for here.
          return problem._tag === "NotFound" ? unavailable(error.message) : problem
        }),
        audited("task.submitted", guest, submission.name)
      )
    }),
    get,
    list: Effect.fn("Api.list")(function* ({ cursor, group, limit = pageSize, node, state }) {
      const it = yield* orchestration
      const page = yield* Effect.mapError(
        it.list({
          limit,
          ...(state === undefined ? {} : { states: state }),
          ...(group === undefined ? {} : { group }),
          ...(node === undefined ? {} : { node }),
          ...(cursor === undefined ? {} : { cursor })
        }),
        away
      )
      return { tasks: page.tasks, next: Option.getOrNull(page.next) }
    }),
    cancel: Effect.fn("Api.cancel")(function* (guest, id) {
      const it = yield* orchestration
      return yield* it.cancel(id, guest.name).pipe(Effect.mapError(missing), audited("task.cancelled", guest, id))
    }),
    excerpt: Effect.fn("Api.excerpt")(function* (id, { limit = excerptBytes, offset = 0 }) {
      const { state } = yield* get(id)
      let bytes = 0
      const pieces = yield* output(id, { offset, follow: false }).pipe(
        Stream.takeUntil(({ text }) => (bytes += Buffer.byteLength(text)) >= limit),
        Stream.runCollect
      )
      const last = pieces.at(-1)
      const next = last === undefined ? offset : last.offset + Buffer.byteLength(last.text)
      return { output: pieces, next, ended: bytes < limit && Tasks.ends.has(state) }
    }),
    output,
    nodes: Effect.flatMap(orchestration, (it) => Effect.mapError(it.nodes, away)),

    createToken: Effect.fn("Api.createToken")(function* (guest, request) {
      const { lifetimeSeconds, name, roles } = request
      // What a role that is not there allows would depend on who makes one of that name later.
      const unknown = roles.find((role) => !security.roles.includes(role))
      if (unknown !== undefined) {
        const there = `Those of security.roles are: ${security.roles.join(", ")}.`
        const detail = `There is no role "${unknown}". ${there} No token was made.`
        return yield* new Problem.InvalidRequest({ detail })
      }
      // Nobody gives what he has not: a role of one's own, or the right to give that one.
      for (const role of roles) if (!guest.roles.includes(role)) yield* admission.may(guest, `tokens.grant.${role}`)
      const store = yield* tokens
      const createdAtMs = yield* Clock.currentTimeMillis
      const lifetime = lifetimeSeconds === undefined ? options.tokenLifetime : Duration.seconds(lifetimeSeconds)
      const secret = TokenStore.secret()
      const kept: TokenStore.Kept = {
        id: randomBytes(8).toString("hex"),
        name,
        hash: TokenStore.hashOf(secret),
        roles: [...new Set(roles)],
        createdBy: guest.name,
        createdAtMs,
        expiresAtMs: createdAtMs + Duration.toMillis(lifetime)
      }
      yield* store.add(kept).pipe(
        Effect.mapError((error) =>
          error._tag === "NameTaken" ? new Problem.Conflict({ detail: error.message }) : away(error)
        ),
        audited("token.created", guest, `${name} (${kept.id}) with ${kept.roles.join(", ")}`)
      )
      return { token: TokenStore.shown(kept), secret }
    }),
    tokens: Effect.flatMap(tokens, (store) =>
      Effect.mapBoth(store.list, { onFailure: away, onSuccess: (all) => all.map(TokenStore.shown) })
    ),
    revokeToken: Effect.fn("Api.revokeToken")(function* (guest, id) {
      const store = yield* tokens
      yield* Effect.mapError(store.remove(id), away).pipe(
        Effect.flatMap((hash) => {
          if (Option.isNone(hash)) return Effect.fail(new Problem.NotFound({ detail: `There is no token ${id}.` }))
          admission.forget(hash.value)
          return Effect.void
        }),
        audited("token.revoked", guest, id)
      )
    })
  }
}

const starting = "The orchestration of this node is not up yet. Ask again in a moment."

/** How long a queue that is full takes to have room, as a rule. */
const queuePatience = 5
