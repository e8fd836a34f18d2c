/** `novacron switch`: a switch before nodes; how it is; which share each node gets. */
import { resolve } from "node:path"
import { Data, Deferred, Duration, Effect, Option, Schema } from "effect"
import * as Program from "../Program.ts"
import * as Switch from "../rollout/Switch.ts"
import * as SwitchClient from "../rollout/SwitchClient.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"

/** Which switch. */
export interface Flags {
  /** Its directory. */
  readonly directory: string
  readonly json: boolean
}

/** A command line that cannot be meant. */
export class BadRollout extends Data.TaggedError("BadRollout")<{ readonly problem: string }> {
  readonly code = "NVC-3016"
  override get message(): string {
    return `${this.problem}. Nothing was changed.`
  }
}

const bad = (problem: string) => Effect.fail(new BadRollout({ problem }))

/** `HOST:PORT`; an IPv6 address in brackets. */
export const addressOf = (
  given: string
): Effect.Effect<{ readonly host: string; readonly port: number }, BadRollout> => {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(given) ?? []
  const [host, port] = [bracketed ?? plain, Number(digits)]
  return host === undefined || port > 65_535
    ? bad(`"${visible(given, 80)}" is no address: say HOST:PORT, and an IPv6 address in brackets`)
    : Effect.succeed({ host, port })
}

/** `NAME=HOST:PORT` */
export const backendOf = Effect.fnUntraced(function* (name: string, address: string, weight: number) {
  const { host, port } = yield* addressOf(address)
  const decoded = Schema.decodeUnknownOption(Switch.Backend)({ name, host, port, weight })
  if (Option.isNone(decoded))
    return yield* bad(`"${visible(`${name}=${address}`, 120)}" is no node: say NAME=HOST:PORT`)
  return decoded.value
})

/** A span of time as people write it. */
export const spanOf = (flag: string, given: string): Effect.Effect<Duration.Duration, BadRollout> => {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(given) ?? []
  return amount === undefined
    ? bad(`--${flag} ${visible(given, 40)}: say how long, 500ms, 30s, 10m or 1h`)
    : Effect.succeed(Duration.millis(Number(amount) * (unitsMs[unit] ?? 1)))
}

const unitsMs: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** The directory of a switch, from where the command is run. */
export const directoryOf = ({ directory }: Flags) => Effect.map(Surroundings, ({ cwd }) => resolve(cwd, directory))

/** Takes connections until a signal ends it. */
export const serve = Program.make(
  Effect.fnUntraced(function* (
    flags: Flags & {
      readonly listen: string
      readonly to: { readonly [name: string]: string }
      readonly drain: string
    }
  ) {
    const { onSignal, stdout } = yield* Surroundings
    const over = yield* Deferred.make<void>()
    yield* onSignal((signal) => {
      if (signal === "SIGTERM" || signal === "SIGINT") Deferred.doneUnsafe(over, Effect.void)
    })
    const { host, port } = yield* addressOf(flags.listen)
    const directory = yield* directoryOf(flags)
    const drain = yield* spanOf("drain", flags.drain)
    // Whoever is named first serves; the others wait for their share.
    const backends = yield* Effect.forEach(Object.entries(flags.to), ([name, address], i) =>
      backendOf(name, address, i === 0 ? 100 : 0)
    )
    if (backends.length === 0) return yield* bad("Say where connections go: --to NAME=HOST:PORT")
    const made = yield* Switch.make({ host, port, directory, backends, drain })
    const view = made.view()
    stdout.write(flags.json ? `${JSON.stringify(view)}\n` : `${shown(view)}\n`)
    yield* Deferred.await(over)
  }, Effect.scoped)
)

/** How it is. */
export const show = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    yield* say(flags, yield* SwitchClient.look(yield* directoryOf(flags)))
  })
)

/** Gives nodes their shares, at once and until somebody else does; who is not named keeps what it has. */
export const set = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly weights: { readonly [name: string]: string } }) {
    const directory = yield* directoryOf(flags)
    const { user } = yield* Surroundings
    for (const [name, weight] of Object.entries(flags.weights)) {
      if (!/^\d{1,3}$/.test(weight) || Number(weight) > 100) {
        return yield* bad(`${visible(name, 64)}=${visible(weight, 40)}: a weight is a whole number from 0 to 100`)
      }
    }
    const { backends } = yield* SwitchClient.look(directory)
    for (const name of Object.keys(flags.weights)) {
      if (backends.every((one) => one.name !== name)) {
        const names = backends.map((one) => one.name).join(", ")
        return yield* bad(`The switch knows no ${visible(name, 64)}. It has ${names}`)
      }
    }
    const next = backends.map(({ host, name, port, weight }) => {
      const said = flags.weights[name]
      return { name, host, port, weight: said === undefined ? weight : Number(said) }
    })
    const wrong = Switch.problemOf(next)
    if (wrong !== undefined) return yield* bad(wrong.replace(/\.$/, ""))
    yield* say(flags, yield* SwitchClient.change(directory, { backends: next, by: user }))
  })
)

const say = Effect.fnUntraced(function* ({ json }: Flags, view: Switch.View) {
  const { stdout } = yield* Surroundings
  stdout.write(`${json ? JSON.stringify(view) : shown(view)}\n`)
})

const shown = ({ backends, isTrial, listening }: Switch.View): string => {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0)
  const width = Math.max(...backends.map(({ name }) => name.length))
  const lines = backends.map(({ failed, host, name, open, port, taken, weight }) => {
    const share = `${Math.round((1_000 * weight) / total) / 10} %`
    return `  ${name.padEnd(width)}  ${share.padStart(6)}  ${host}:${port} · ${open} open, ${taken} since, ${failed} failed`
  })
  return [`${listening.host}:${listening.port}${isTrial ? " · on trial" : ""}`, ...lines].join("\n")
}
