/** `novacron trace`: a boot as a chart, a page, a trace; two compared; one rehearsed. And a viewer for any traces. */
import { Effect } from "effect"
import type { Asked } from "../Configuration.ts"
import * as Program from "../Program.ts"
import * as Trace from "../trace/Trace.ts"
import { dataDirFor } from "./DataDir.ts"

/** What both may be told. */
export interface Flags extends Asked {
  readonly json: boolean
}

/** Shows a boot, or compares two, or lists them. */
export const trace = Program.make(
  Effect.fnUntraced(function* (
    flags: Flags & Omit<Trace.Asked, "as"> & { readonly as: Exclude<Trace.Asked["as"], "json"> }
  ) {
    yield* Trace.show(yield* dataDirFor(flags), { ...flags, as: flags.json ? "json" : flags.as })
  })
)

/** Receives traces and shows them, until a signal ends it. */
export const serve = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly port: number }) {
    yield* Trace.serve(yield* dataDirFor(flags), flags.port, flags.json)
  })
)
