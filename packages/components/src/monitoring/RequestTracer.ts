/**
 * Keeps the spans of requests, so that whoever asks with a sampled `traceparent` finds in its trace what this node did.
 *
 * **Details**
 *
 * Only those: a node is asked far more often than it boots, and a request that nobody traces is in the metrics. What happens
 * inside of a request has spans that go nowhere.
 */
import { Exit, Option, Tracer } from "effect"
import type { Span } from "./Span.ts"

/** A tracer that gives each server span to `keep` when it ends, if the trace of whoever asks is sampled. */
export const make = (keep: (span: Span) => void): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const isKept = options.kind === "server" && options.sampled && Option.isSome(options.parent)
      return isKept ? new Kept(options, keep) : Tracer.nativeTracer.span(options)
    }
  })

class Kept extends Tracer.NativeSpan {
  private readonly keep: (span: Span) => void

  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], keep: (span: Span) => void) {
    super(options)
    this.keep = keep
  }

  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (this.status._tag === "Ended") return
    super.end(endTime, exit)
    const { attributes, name, parent, spanId, startTime, traceId } = this
    this.keep({
      traceId,
      spanId,
      parentSpanId: Option.match(parent, { onNone: () => null, onSome: (it) => it.spanId }),
      name,
      kind: "server",
      startMs: Number(startTime) / 1e6,
      endMs: Number(endTime) / 1e6,
      attributes: Object.fromEntries([...attributes].flatMap(told)),
      events: [],
      links: [],
      dropped: 0,
      status: Exit.isSuccess(exit) ? "unset" : "error",
      message: ""
    })
  }
}

const told = ([name, value]: readonly [string, unknown]): ReadonlyArray<readonly [string, string | number | boolean]> =>
  typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
    ? [[name, value]]
    : []
