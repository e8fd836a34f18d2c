/** The commands that talk to a node that runs: status, why, health, restore, restart, stop. */
import { Report, Words } from "@novacron/boot/model"
import { Cause, Duration, Effect, Schema } from "effect"
import * as Alive from "../Alive.ts"
import * as Answers from "../Answers.ts"
import type { Asked } from "../Configuration.ts"
import * as ControlSocket from "../ControlSocket.ts"
import { WrongUsage } from "../Errors.ts"
import * as Program from "../Program.ts"
import * as Leave from "../Leave.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"
import { dataDirFor } from "./DataDir.ts"

/** What all of them may be told. */
export interface Flags extends Asked {
  readonly json: boolean
}

const ask = (flags: Asked, request: ControlSocket.Request, within?: Duration.Input) =>
  Effect.flatMap(dataDirFor(flags), (dataDir) => ControlSocket.ask(ControlSocket.pathOf(dataDir), request, within))

const say = Effect.fnUntraced(function* (flags: Flags, value: unknown, words: () => string) {
  const { stdout } = yield* Surroundings
  stdout.write(`${flags.json ? JSON.stringify(value) : words()}\n`)
})

/** How the node is: the table of its parts. With `--strict` a degraded one is not good enough. */
export const status = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly strict: boolean }) {
    const said = yield* decoded(Answers.Status, yield* ask(flags, { _tag: "Status" }))
    const { health, pid, report, rssBytes, uptimeMs } = said
    // The table says how each part came up; what has become of it since is told behind it.
    const unwell = report.components.filter(({ health }) => health?.healthy === false).map(({ name }) => name)
    yield* say(flags, said, () =>
      [
        `node ${report.nodeId} · pid ${pid} · up ${Words.duration(uptimeMs)} · ${Math.round(rssBytes / 1e6)} MB · ${health}`,
        Report.text(report),
        ...(unwell.length === 0 ? [] : [`not healthy now: ${unwell.join(", ")}. See: novacron health`])
      ].join("\n")
    )
    const isDegraded = report.components.some(({ state }) => state === "degraded")
    if (report.readyAtMs === null || said.isStopping) return yield* Leave.quietly(69)
    if (flags.strict && isDegraded) return yield* Leave.quietly(75)
  })
)

/** Why a component is as it is, from itself to the root cause. */
export const why = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly component: string }) {
    const answer = yield* ask(flags, { _tag: "Why", component: flags.component })
    const lines = yield* decoded(Schema.Array(Schema.String), answer)
    yield* say(flags, lines, () => lines.map((line, depth) => `${"  ".repeat(depth)}${visible(line)}`).join("\n"))
  })
)

const Health = Schema.Struct({
  status: Schema.String,
  ready: Schema.Boolean,
  components: Schema.Array(
    Schema.StructWithRest(
      Schema.Struct({
        name: Schema.String,
        status: Schema.String,
        message: Schema.String,
        latencyMs: Schema.optional(Schema.NullOr(Schema.Finite))
      }),
      [Schema.Record(Schema.String, Schema.Unknown)]
    )
  )
})

/** The health of the node and of each part, from fresh probes. Exits with 69 when it is not ready. */
export const health = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const said = yield* decoded(Health, yield* ask(flags, { _tag: "Health" }))
    yield* say(flags, said, () => {
      const width = Math.max(0, ...said.components.map(({ name }) => name.length))
      const rows = said.components.map(({ latencyMs, message, name, status }) => {
        const took = latencyMs === undefined || latencyMs === null ? "" : Words.duration(latencyMs)
        return `  ${name.padEnd(width)}  ${status.padEnd(9)}  ${took.padStart(7)}  ${visible(message)}`.trimEnd()
      })
      return [...rows, `${said.status}, ${said.ready ? "takes work" : "takes no work"}`].join("\n")
    })
    if (!said.ready) return yield* Leave.quietly(69)
  })
)

/** Builds a degraded, absent or skipped component again; says first whom it concerns. */
export const restore = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly component: string; readonly dryRun: boolean }) {
    const { component, dryRun } = flags
    const { stderr } = yield* Surroundings
    const before = yield* decoded(Answers.Restore, yield* ask(flags, { _tag: "Restore", component, confirmed: false }))
    if (!flags.json) {
      const names = before.concerned.map((one) => one.component).join(", ")
      stderr.write(`${component} is ${before.state}. It concerns ${names === "" ? "nobody else" : names}.\n`)
    }
    const isUp = before.state === "ready"
    const instead = `There is nothing to restore: it is up as declared. To have it anew: novacron restart ${component}`
    if (dryRun) return yield* say(flags, before, () => `${isUp ? `${instead}\n` : ""}Nothing was done.`)
    // Asked all the same: what was tried stands in the audit log.
    const asked = Effect.mapError(ask(flags, { _tag: "Restore", component, confirmed: true }), (error) =>
      isUp && error._tag === "Refused" ? new ControlSocket.Refused({ reason: `${error.reason}. ${instead}` }) : error
    )
    const after = yield* decoded(Answers.Restore, yield* asked)
    yield* say(flags, after, () => `${component} is being built again. See: novacron status`)
  })
)

/** What a request for one component may be told besides. */
interface OneFlags extends Flags {
  readonly component: string
  readonly dryRun: boolean
  readonly timeout: Duration.Duration
}

/** Builds one component anew while the node runs; says first who goes down with it, and waits until all are back. */
export const restart = Program.make((flags: OneFlags & { readonly withDependents: boolean }) => {
  const { component, withDependents } = flags
  return byHand(flags, { _tag: "Restart", component, withDependents, confirmed: false })
})

/** Takes one component down that the node can do without. */
export const stopComponent = Program.make((flags: OneFlags) =>
  byHand(flags, { _tag: "StopComponent", component: flags.component, confirmed: false })
)

const byHand = Effect.fnUntraced(function* (
  flags: OneFlags,
  request: Extract<ControlSocket.Request, { readonly _tag: "Restart" | "StopComponent" }>
) {
  const { stderr } = yield* Surroundings
  const would = yield* decoded(Answers.ByHand, yield* ask(flags, request))
  const { component, objection } = would
  const refusal = objection === null ? undefined : refusalOf(would, objection, request)
  const dry = flags.dryRun ? (refusal ?? `${component} is ${would.state}. ${prospectOf(would)}`) : undefined
  if (dry !== undefined) return yield* say(flags, would, () => `${dry}\nNothing was done.`)
  if (refusal !== undefined) return yield* new ControlSocket.Refused({ reason: refusal })
  if (!flags.json) stderr.write(`${component} is ${would.state}. ${prospectOf(would)}\n`)
  const asked = ask(flags, { ...request, confirmed: true }, flags.timeout)
  const answer = yield* Effect.catchTag(asked, "NoNode", (silence) => stillAtIt(flags, would, silence))
  const done = yield* decoded(Answers.ByHand, answer)
  yield* say(flags, done, () => outcomeOf(done))
  const missed = done.lost.filter((name) => done.critical.includes(name))
  if (done.how !== "restart" || missed.length === 0) return
  stderr.write(
    `The node ends, for it cannot do without ${missed.join(", ")}: its last lines and novacron trace say why.\n`
  )
  return yield* Leave.quietly(69)
})

/** Whoever is out of patience hears that the node is not, if there still is one. */
const stillAtIt = (flags: OneFlags, { component, how }: typeof Answers.ByHand.Type, silence: ControlSocket.NoNode) =>
  Effect.gen(function* () {
    if (!Cause.isTimeoutError(silence.cause)) return yield* silence
    yield* Effect.mapError(ask(flags, { _tag: "Ping" }), () => silence)
    const waited = Words.duration(Duration.toMillis(flags.timeout))
    const reason =
      `${component} is not ${how === "stop" ? "stopped" : "restarted"} yet after ${waited}. The node goes on with it. ` +
      "Wait longer (--timeout), or see novacron status."
    return yield* new ControlSocket.Refused({ reason })
  })

/** Why it is not done, and what to do instead. */
const refusalOf = (
  { component, holders, how }: typeof Answers.ByHand.Type,
  objection: string,
  request: ControlSocket.Request
): string => {
  const isHeld = request._tag === "Restart" && !request.withDependents && holders.length > 0
  const instead = isHeld ? ` To take them down and up with it: novacron restart ${component} --with-dependents` : ""
  return `"${component}" cannot be ${how === "stop" ? "stopped" : "restarted"}: ${objection}.${instead}`
}

/** What it means for the node, before it is done. */
const prospectOf = ({ component, critical, holders, how }: typeof Answers.ByHand.Type): string => {
  if (how === "restore") return "It is built again."
  if (how === "exchange") return "A new one is built beside it, and takes over when it is up; else this one goes on."
  const others = holders.length === 0 ? "nobody else" : holders.join(", ")
  if (how === "stop") {
    return `It goes down, and with it ${others}; the node goes on. novacron restore ${component} brings it back.`
  }
  const meanwhile =
    critical.length === 0
      ? "The node goes on meanwhile."
      : `The node takes no work until they are back, and stops if one of ${critical.join(", ")} does not come back.`
  return `It goes down and comes back, and with it ${others}. ${meanwhile}`
}

const outcomeOf = ({ component, how, lost, state, tookMs }: typeof Answers.ByHand.Type): string => {
  if (how === "restore") return `${component} is being built again. See: novacron status`
  const took = tookMs === null ? "" : ` after ${Words.duration(tookMs)}`
  const without = lost.length === 0 ? "" : ` Down with it: ${lost.join(", ")}.`
  if (how === "stop") return `${component} is ${state}${took}.${without}`
  return `${component} was restarted and is ${state}${took}.${without.replace("Down with it", "Not back")}`
}

/** Stops the node in reverse and waits until it is down. Exits with what the node exits with. */
export const stop = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly dryRun?: boolean; readonly timeout: Duration.Duration }) {
    if (flags.dryRun === true) {
      const reason = "--dry-run wants the name of a component: novacron stop NAME --dry-run. Nothing was done."
      return yield* new WrongUsage({ reason })
    }
    const stopped = ask(flags, { _tag: "Stop", because: "novacron stop" }, flags.timeout)
    const answer = yield* Effect.catchTag(stopped, "NoNode", (silence) => stillThere(flags, flags.timeout, silence))
    const report = yield* decoded(Report.Report, answer)
    yield* say(flags, report, () => Report.text(report))
    if (report.exitCode !== 0) return yield* Leave.quietly(report.exitCode)
  })
)

/** Whoever is out of patience hears what the node is waiting for, if there still is one. */
const stillThere = (flags: Flags, patience: Duration.Duration, silence: ControlSocket.NoNode) =>
  Effect.gen(function* () {
    const status = Effect.flatMap(ask(flags, { _tag: "Status" }), (it) => decoded(Answers.Status, it))
    const { isStopping, pid, report } = yield* Effect.mapError(status, () => silence)
    if (!isStopping) return yield* silence
    const reason =
      `The node (pid ${pid}) has not stopped within ${Words.duration(Duration.toMillis(patience))}. It goes on stopping, ` +
      `and waits for ${Alive.blockers(report)}. Wait longer (--timeout), or see novacron status.`
    return yield* new ControlSocket.Refused({ reason })
  })

/** Reads the settings of the node again, as SIGHUP does. */
export const reload = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const said = yield* decoded(Schema.String, yield* ask(flags, { _tag: "Reload" }))
    yield* say(flags, { changed: said }, () => said)
  })
)

/** A node of another version may answer what this one does not know. */
const decoded = <S extends Schema.Constraint & { readonly DecodingServices: never }>(schema: S, answer: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(answer),
    (cause) =>
      new ControlSocket.Refused({ reason: `The node answered something else. Is it another version? ${cause.message}` })
  )
