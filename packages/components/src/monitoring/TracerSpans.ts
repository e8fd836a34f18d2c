/**
 * The spans of a boot for an application that has a tracer of its own, such as the one of `@effect/opentelemetry`: the boot
 * becomes a part of the trace in which the application boots.
 *
 * **Details**
 *
 * A span is told when its parent has been, with the times that it had: the boot's own when it is over, what happens later
 * when that is. Ids are those that the tracer gives; the story is the one of `BootTrace`.
 *
 * **Example**
 *
 * ```ts
 * const observe = yield* Monitoring.TracerSpans.make()
 * const running = yield* Boot.make(components, { observe })
 * ```
 */
import type { BootEvent } from "@novacron/boot/model"
import { Context, Effect, Exit, Option, type Tracer } from "effect"
import * as BootTrace from "./BootTrace.ts"
import type { Span } from "./Span.ts"

/** An observer for a boot. What it tells goes to the tracer, below the span, that are current here. */
export const make = Effect.fnUntraced(function* () {
  const tracer = yield* Effect.tracer
  const outside = yield* Effect.option(Effect.currentParentSpan)
  const fold = BootTrace.make({
    ratio: 1,
    parent: Option.getOrUndefined(
      Option.map(outside, ({ sampled, spanId, traceId }) => ({ spanId, traceId, isSampled: sampled }))
    )
  })
  /** What was told of the boot's own trace, and what waits for its parent. */
  const told = new Map<string, Tracer.Span>()
  const waiting = new Map<string, Array<Span>>()

  const tell = (span: Span, parent: Option.Option<Tracer.AnySpan>): void => {
    const made = tracer.span({
      name: span.name,
      parent,
      annotations: Context.empty(),
      links: span.links.flatMap(({ attributes, spanId }) => {
        const to = told.get(spanId)
        return to === undefined ? [] : [{ span: to, attributes }]
      }),
      startTime: nanos(span.startMs),
      kind: "internal",
      root: Option.isNone(parent),
      sampled: Option.match(parent, { onNone: () => true, onSome: ({ sampled }) => sampled })
    })
    for (const [key, value] of Object.entries(span.attributes)) made.attribute(key, value)
    for (const { atMs, attributes, name } of span.events) made.event(name, nanos(atMs), attributes)
    // Only of the boot's own trace: nothing else is linked to, and a node may run for months.
    if (span.traceId === fold.root.traceId) told.set(span.spanId, made)
    for (const child of waiting.get(span.spanId) ?? []) tell(child, Option.some(made))
    waiting.delete(span.spanId)
    made.end(nanos(span.endMs), span.status === "error" ? Exit.fail(new BootFailure(span.message)) : Exit.void)
  }

  return (event: BootEvent.BootEvent): void => {
    if (event._tag === "BootStarted") told.clear()
    for (const span of BootTrace.step(fold, event)) {
      const parent = span.parentSpanId
      const known = parent === null ? undefined : told.get(parent)
      if (known !== undefined) tell(span, Option.some(known))
      else if (parent === null || span.spanId === fold.root.spanId) {
        tell(span, span.traceId === fold.root.traceId ? outside : Option.none())
      } else {
        const others = waiting.get(parent)
        if (others === undefined) waiting.set(parent, [span])
        else others.push(span)
      }
    }
  }
})

/** What a span that went wrong ends with. */
class BootFailure extends Error {
  override readonly name = "BootFailure"
}

/** Whole microseconds: what milliseconds with a fraction are good to. */
const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1_000)) * 1_000n
