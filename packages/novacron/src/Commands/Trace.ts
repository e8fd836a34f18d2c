/** `novacron trace`: a boot as a chart, a page, a trace; two compared; one rehearsed. And a viewer for any traces. */
import { Effect } from "effect"
import type { Asked } from "../Configuration.ts"
import { WrongUsage } from "../Errors.ts"
import * as Program from "../Program.ts"
import * as Trace from "../trace/Trace.ts"
import { dataDirFor } from "./DataDir.ts"

/** What both may be told. */
export interface Flags extends Asked {
  readonly json: boolean
}

/** What a boot is shown as; nobody could have two of them at one place. */
type Format = Exclude<Trace.Asked["as"], "json" | "text">

interface Shown extends Flags, Omit<Trace.Asked, "as"> {
  readonly formats: ReadonlyArray<Format>
}

/** Shows a boot, or compares two, or lists them. */
export const trace = Program.make(
  Effect.fnUntraced(function* (flags: Shown) {
    const as = yield* formatOf(flags)
    yield* Trace.show(yield* dataDirFor(flags), { ...flags, as })
  })
)

/** What it is shown as. What contradicts itself is not guessed at: half of it would be ignored. */
const formatOf = (flags: Shown): Effect.Effect<Trace.Asked["as"], WrongUsage> => {
  const { diff, formats, json, list, other, otlp, whatIf } = flags
  const does = [
    ...(list ? ["--list"] : []),
    ...(diff ? ["--diff"] : []),
    ...(Object.keys(whatIf).length > 0 ? ["--what-if"] : []),
    ...(otlp === undefined ? [] : ["--otlp"])
  ]
  const shows = formats.map((format) => `--${format}`)
  const no = (reason: string) => Effect.fail(new WrongUsage({ reason }))
  if (other !== undefined && !diff) return no("Two boots are compared with --diff: novacron trace --diff BOOT OTHER")
  const [first, second] = [...does, ...shows, ...(json && shows.length > 0 ? ["--json"] : [])]
  if (second !== undefined) return no(`${first} and ${second} ask for two things. Give one of them.`)
  return Effect.succeed(json ? "json" : (formats[0] ?? "text"))
}

/** Receives traces and shows them, until a signal ends it. */
export const serve = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly port: number }) {
    yield* Trace.serve(yield* dataDirFor(flags), flags.port, flags.json)
  })
)
