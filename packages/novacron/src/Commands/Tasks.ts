/**
 * `novacron nodes`, `novacron tasks` and `novacron api-token`: what people ask the API of a node for. Tables for people,
 * JSON for programs; what takes long is told on stderr while it goes on.
 */
import { readFile } from "node:fs/promises"
import { Problem, Tasks } from "@novacron/api"
import { Data, Duration, Effect, Schedule, Schema } from "effect"
import { isDenied } from "../Errors.ts"
import * as Leave from "../Leave.ts"
import * as NodeApi from "../NodeApi.ts"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"

/** What all of them may be told. */
export interface Flags extends NodeApi.Flags {
  readonly json: boolean
}

const say = Effect.fnUntraced(function* (flags: Flags, value: unknown, words: () => string) {
  const { stdout } = yield* Surroundings
  stdout.write(`${flags.json ? JSON.stringify(value) : words()}\n`)
})

/** Rows below a head, each column as wide as it must be. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [head, ...rows.map((row) => row.map((cell) => visible(cell, 80)))]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

// ------------------------------------------------------------------------------------------------------------- nodes

/** The nodes of the cluster, with what they have and what of it is used. */
export const nodes = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { nodes } = yield* NodeApi.ask(flags, (client) => client.nodes.list({}))
    yield* say(flags, nodes, () =>
      table(
        ["NODE", "STATE", "CPU", "MEMORY", "TASKS", "REGION", "ADDRESS"],
        nodes.map((node) => [
          node.isCoordinator ? `${node.id} *` : node.id,
          node.state,
          `${rounded(node.used.cpu)}/${rounded(node.capacity.cpu)}`,
          `${rounded(node.used.memory)}/${rounded(node.capacity.memory)} MiB`,
          `${node.tasks}`,
          node.region ?? "",
          node.address
        ])
      )
    )
  })
)

const rounded = (n: number): string => `${Math.round(n * 10) / 10}`

// ------------------------------------------------------------------------------------------------------------- tasks

/** What is submitted: a file as the API takes it, or a command with what it needs. */
export interface Submitting extends Flags {
  readonly file: string | undefined
  readonly command: ReadonlyArray<string>
  readonly name: string | undefined
  readonly group: string | undefined
  readonly cpu: number | undefined
  readonly memory: number | undefined
  readonly attempts: number | undefined
  readonly timeout: Duration.Duration | undefined
  readonly node: string | undefined
  readonly labels: { readonly [name: string]: string }
  readonly env: { readonly [name: string]: string }
  readonly key: string | undefined
  readonly wait: boolean
}

/** A command line that cannot be meant (64), or a file that is no submission (65) or may not be read (77). */
export class BadSubmission extends Data.TaggedError("BadSubmission")<{
  readonly problem: string
  readonly exitCode: 64 | 65 | 77
  readonly cause?: unknown
}> {
  readonly code = "NVC-2806"
  override get message(): string {
    return `${this.problem} Nothing was submitted.`
  }
}

/** Submits a task; with `--wait` it tells what becomes of it, and leaves with 69 unless it has succeeded. */
export const submit = Program.make(
  Effect.fnUntraced(function* (flags: Submitting) {
    const payload = yield* submissionOf(flags)
    const task = yield* NodeApi.ask(flags, (client) => client.tasks.submit({ headers: {}, payload }))
    if (!flags.wait) return yield* say(flags, task, () => `${task.id} ${task.state}`)
    const ended = yield* untilEnd(flags, task)
    yield* say(flags, ended, () => shown(ended))
    if (ended.state !== "succeeded") return yield* Leave.quietly(69)
  })
)

const submissionOf = Effect.fnUntraced(function* (flags: Submitting) {
  const { attempts, command, cpu, env, file, group, key, labels, memory, name, node, timeout } = flags
  if (file !== undefined) {
    if (command.length > 0) return yield* misused("A file and a command are two tasks.")
    const beside = Object.entries({ name, group, cpu, memory, attempts, timeout, node, key, label: labels, env })
      .filter(([, value]) => value !== undefined && (typeof value !== "object" || Object.keys(value).length > 0))
      .map(([flag]) => `--${flag}`)
    if (beside.length > 0) {
      return yield* misused(
        `${file} is the whole submission: what ${beside.join(" and ")} would say has to stand in it.`
      )
    }
    const text = yield* Effect.tryPromise({
      try: () => readFile(file, "utf8"),
      catch: (cause) =>
        new BadSubmission({ problem: `${file} cannot be read.`, exitCode: isDenied(cause) ? 77 : 65, cause })
    })
    return yield* Effect.mapError(
      Schema.decodeEffect(Schema.fromJsonString(Tasks.Submission))(text, { onExcessProperty: "error", errors: "all" }),
      (error) => new BadSubmission({ problem: `${file} is no submission. ${Problem.inWords(error)}.`, exitCode: 65 })
    )
  }
  const [program] = command
  if (program === undefined) {
    return yield* misused(
      "Say what to run: novacron tasks submit -- COMMAND, or --file FILE, which a virtual machine needs."
    )
  }
  const hasLabels = Object.keys(labels).length > 0
  const given = {
    name: name ?? nameFrom(program),
    ...(group === undefined ? {} : { group }),
    run: { driver: "process", command, ...(Object.keys(env).length === 0 ? {} : { env }) },
    ...(cpu === undefined && memory === undefined ? {} : { demand: { cpu: cpu ?? 0, memory: memory ?? 0 } }),
    ...(node === undefined && !hasLabels
      ? {}
      : { constraints: { ...(node === undefined ? {} : { node }), ...(hasLabels ? { labels } : {}) } }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeout === undefined ? {} : { timeoutMs: Duration.toMillis(timeout) }),
    ...(key === undefined ? {} : { idempotencyKey: key })
  }
  return yield* Effect.mapError(Schema.decodeUnknownEffect(Tasks.Submission)(given), (error) =>
    misused(`That cannot be submitted. ${Problem.inWords(error)}.`)
  )
})

const misused = (problem: string) => new BadSubmission({ problem, exitCode: 64 })

/** The last part of a path, as a name may be. */
const nameFrom = (program: string): string =>
  (program.split("/").at(-1) ?? "")
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 128) || "task"

/** How often a task is looked at while somebody waits for it. */
const looking = Schedule.spaced("500 millis")

const untilEnd = Effect.fnUntraced(function* (flags: Flags, task: Tasks.Task) {
  const { stderr } = yield* Surroundings
  let last = ""
  const look = Effect.gen(function* () {
    const now = yield* NodeApi.ask(flags, (client) => client.tasks.get({ params: { id: task.id } }))
    const node = now.placement?.node ?? null
    const line = node === null ? now.state : `${now.state} on ${node}`
    if (line !== last) stderr.write(`${now.id} ${visible(line)}\n`)
    last = line
    return now
  })
  return yield* Effect.repeat(look, { until: ({ state }) => Tasks.ends.has(state), schedule: looking })
})

/** A page of tasks, newest first. */
export const list = Program.make(
  Effect.fnUntraced(function* (
    flags: Flags & {
      readonly state: Tasks.State | undefined
      readonly group: string | undefined
      readonly node: string | undefined
      readonly limit: number
      readonly cursor: string | undefined
    }
  ) {
    const { cursor, group, limit, node, state } = flags
    const query = {
      limit,
      ...(state === undefined ? {} : { state: [state] }),
      ...(group === undefined ? {} : { group }),
      ...(node === undefined ? {} : { node }),
      ...(cursor === undefined ? {} : { cursor })
    }
    const page = yield* NodeApi.ask(flags, (client) => client.tasks.list({ query }))
    yield* say(flags, page, () => {
      const rows = page.tasks.map((task) => [
        task.id,
        task.name,
        task.state,
        task.placement?.node ?? "",
        `${task.attempts.length}`,
        task.createdAt
      ])
      const more = page.next === null ? "" : `\nThere are more, with the same flags and --cursor ${page.next}.`
      return `${table(["ID", "NAME", "STATE", "NODE", "ATTEMPTS", "CREATED"], rows)}${more}`
    })
  })
)

/** One task, with its placement and its attempts. */
export const show = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly id: string }) {
    const task = yield* NodeApi.ask(flags, (client) => client.tasks.get({ params: { id: flags.id } }))
    yield* say(flags, task, () => shown(task))
  })
)

const whatOf = ({ demand, run }: Tasks.Submission): string => {
  if (run.driver === "process") return run.command.join(" ")
  const { commandLine = "", disks = [], kernel } = run
  const cores = rounded(demand?.cpu ?? 0)
  const size = `a machine of ${cores} ${cores === "1" ? "core" : "cores"} and ${rounded(demand?.memory ?? 0)} MiB`
  const from = kernel === undefined ? "" : ` from ${kernel} ${commandLine}`.trimEnd()
  const on = disks.map(({ format, path, readOnly }) => `${path} (${format}${readOnly === true ? ", read-only" : ""})`)
  return `${size}${from}${on.length === 0 ? "" : ` on ${on.join(", ")}`}`
}

const shown = (task: Tasks.Task): string =>
  [
    `${task.id} ${task.name} · ${task.state} · by ${task.submittedBy} · ${task.createdAt}`,
    `  ${whatOf(task.submission)}`,
    ...(task.placement === null ? [] : [`  ${whereOf(task.placement)}`]),
    ...task.attempts.map(({ endedAt, error, exitCode, node, number, signal, startedAt }) => {
      const end = endedAt === null ? "runs" : (error ?? `exit ${exitCode ?? signal ?? "unknown"}`)
      return `  attempt ${number} on ${node} from ${startedAt}: ${end}`
    })
  ]
    .map((line) => visible(line))
    .join("\n")

/** What a task has printed, as it was: stdout to stdout, stderr to stderr. With `--follow` until it ends. */
export const logs = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly id: string; readonly follow: boolean }) {
    const { stderr, stdout } = yield* Surroundings
    let offset = 0
    const read = Effect.gen(function* () {
      const params = { id: flags.id }
      const part = yield* NodeApi.ask(flags, (client) => client.tasks.output({ params, query: { offset } }))
      for (const piece of part.output) {
        if (flags.json) stdout.write(`${JSON.stringify(piece)}\n`)
        else (piece.stream === "stdout" ? stdout : stderr).write(piece.text)
      }
      offset = part.next
      return { isEmpty: part.output.length === 0, isOver: part.ended }
    })
    const all = Effect.repeat(read, { until: ({ isEmpty, isOver }) => isEmpty || isOver })
    if (!flags.follow) return yield* Effect.asVoid(all)
    yield* Effect.repeat(all, { until: ({ isOver }) => isOver, schedule: looking })
  })
)

/** Cancels a task; one that has ended stays as it is. */
export const cancel = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly id: string }) {
    const task = yield* NodeApi.ask(flags, (client) => client.tasks.cancel({ params: { id: flags.id } }))
    yield* say(flags, task, () => `${task.id} ${task.state}`)
  })
)

/** Where it is and why; or why it is nowhere, which says so itself. */
const whereOf = ({ explanation, node }: Tasks.Placement): string =>
  node === null ? explanation : `${node}: ${explanation}`

// ------------------------------------------------------------------------------------------------------------ tokens

/** Makes a token, and shows it this once: on stdout, and nothing else there. */
export const createToken = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly name: string; readonly role: string; readonly days: number }) {
    const { days, name, role } = flags
    const roles = role.split(",")
    const payload = { name, roles, lifetimeSeconds: days * 86_400 }
    const made = yield* NodeApi.ask(flags, (client) => client.tokens.create({ payload }))
    const { stderr } = yield* Surroundings
    yield* say(flags, made, () => made.secret)
    if (!flags.json) stderr.write(`${made.token.id} is valid until ${made.token.expiresAt}. It is not shown again.\n`)
  })
)

/** The tokens that are valid. */
export const listTokens = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { tokens } = yield* NodeApi.ask(flags, (client) => client.tokens.list({}))
    yield* say(flags, tokens, () =>
      table(
        ["ID", "NAME", "ROLES", "BY", "EXPIRES"],
        tokens.map(({ createdBy, expiresAt, id, name, roles }) => [id, name, roles.join(","), createdBy, expiresAt])
      )
    )
  })
)

/** Revokes a token. */
export const revokeToken = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly id: string }) {
    yield* NodeApi.ask(flags, (client) => client.tokens.revoke({ params: { id: flags.id } }))
    yield* say(flags, { id: flags.id, revoked: true }, () => `${flags.id} revoked`)
  })
)
