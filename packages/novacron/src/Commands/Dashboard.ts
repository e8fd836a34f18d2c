/**
 * `novacron dashboard`: an address that opens the dashboard of the node once, for whoever may talk to the node. Where no
 * node runs, the journals that it left are served until a signal ends that.
 */
import { Operator } from "@novacron/components"
import { Deferred, Effect, Schema } from "effect"
import * as Answers from "../Answers.ts"
import type { Asked } from "../Configuration.ts"
import * as ControlSocket from "../ControlSocket.ts"
import * as Dashboard from "../Dashboard.ts"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"
import { dataDirFor } from "./DataDir.ts"

/** What it may be told. */
export interface Flags extends Asked {
  readonly json: boolean
  /** Where to serve journals when no node runs; 0 for any. */
  readonly port: number
  /** For whom the address is, as the audit log calls them. Default: `local`. */
  readonly name?: string | undefined
  /** What they may. Default: `admin`. */
  readonly role?: string | undefined
}

/** Prints an address that opens the dashboard; serves the journals where there is no node. */
export const dashboard = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const dataDir = yield* dataDirFor(flags)
    const asked = ControlSocket.ask(ControlSocket.pathOf(dataDir), { _tag: "Dashboard", ...whomOf(flags) })
    const link = yield* Effect.flatMap(asked, Schema.decodeUnknownEffect(Answers.Link)).pipe(
      Effect.catchTag("NoNode", Effect.succeed)
    )
    if (link instanceof ControlSocket.NoNode) return yield* journals(flags, dataDir, link)
    yield* say(flags, link, "It opens the dashboard once, within two minutes.")
  })
)

const whomOf = ({ name, role }: Flags) => ({
  ...(name === undefined ? {} : { name }),
  ...(role === undefined ? {} : { role })
})

const say = Effect.fnUntraced(function* (flags: Flags, link: typeof Answers.Link.Type, remark: string) {
  const { stderr, stdout } = yield* Surroundings
  stdout.write(flags.json ? `${JSON.stringify(link)}\n` : `${link.url}\n`)
  if (!flags.json) stderr.write(`${remark}\n`)
})

const journals = (flags: Flags, dataDir: string, { isNobody }: ControlSocket.NoNode) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { onSignal, pid } = yield* Surroundings
      const settings = Schema.decodeUnknownSync(Operator.Settings)({ port: flags.port })
      const served = yield* Dashboard.ofJournals(dataDir, pid, settings)
      const why = isNobody ? "No node runs here" : "The node does not answer"
      yield* say(flags, yield* served.link(), `${why}: these are its journals, until Ctrl-C.`)
      const end = yield* Deferred.make<void>()
      yield* onSignal((signal) => {
        if (signal !== "SIGHUP") Deferred.doneUnsafe(end, Effect.void)
      })
      yield* Deferred.await(end)
    })
  )
