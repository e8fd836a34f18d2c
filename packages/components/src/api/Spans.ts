/**
 * The span of a request, in the trace of whoever asks (W3C `traceparent`). Made by hand, because what Effect makes for a
 * request knows the address and not the place, and costs as much as a third of the answer.
 */
import { type Clock, Context, Exit, Option, Tracer } from "effect"
import { parseTraceparent } from "../monitoring/Span.ts"

export interface Spans {
  /** Begins one; nothing when nobody keeps traces. */
  readonly begin: (tracer: Tracer.Tracer, name: string, traceparent: string | undefined) => Tracer.Span | undefined
  readonly end: (span: Tracer.Span, hasFailed: boolean) => void
}

export const make = (clock: Clock.Clock): Spans => ({
  begin: (tracer, name, traceparent) => {
    if (tracer === Tracer.nativeTracer) return undefined
    const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent)
    return tracer.span({
      name,
      parent:
        trace === undefined ? Option.none() : Option.some(Tracer.externalSpan({ ...trace, sampled: trace.isSampled })),
      annotations: Context.empty(),
      links: [],
      startTime: clock.currentTimeNanosUnsafe(),
      kind: "server",
      root: trace === undefined,
      sampled: trace?.isSampled ?? true
    })
  },
  end: (span, hasFailed) => span.end(clock.currentTimeNanosUnsafe(), hasFailed ? failed : Exit.void)
})

const failed = Exit.fail("the request has failed")
