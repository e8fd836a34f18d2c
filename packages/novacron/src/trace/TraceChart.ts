/**
 * A trace of any program as the same chart that a boot is: spans below their parents, in the order in which they began,
 * and the critical path: what the end of the trace waited for.
 *
 * **Details**
 *
 * The critical path goes from the root backwards through time: at each moment to the child that ended last before it. A
 * span whose parent did not come is a root of its own; spans that are their own ancestors are shown as if they were none.
 */
import { Count, Gantt, Words } from "@novacron/boot/model"
import { DateTime, Option } from "effect"
import type { Span, Trace } from "./Received.ts"

/** A moment as ISO 8601; empty for one that no calendar has. */
export const moment = (ms: number): string =>
  Option.match(DateTime.make(ms), { onNone: () => "", onSome: DateTime.formatIso })

/** Spans as a tree. */
interface Tree {
  readonly roots: ReadonlyArray<Span>
  readonly children: ReadonlyMap<string, ReadonlyArray<Span>>
}

/** The first root of a trace: what the trace is called after. */
export const rootOf = (trace: Trace): Span | undefined => {
  let first: Span | undefined
  for (const span of trace.spans.values()) {
    const isRoot = span.parentSpanId === undefined || !trace.spans.has(span.parentSpanId)
    if (isRoot && (first === undefined || span.startMs < first.startMs)) first = span
  }
  return first
}

/** When it begins and ends, in milliseconds since 1970, and how many of its spans say that they failed. */
export const extent = (trace: Trace): { readonly fromMs: number; readonly toMs: number; readonly errors: number } => {
  let [fromMs, toMs, errors] = [Infinity, -Infinity, 0]
  for (const { endMs, isError, startMs } of trace.spans.values()) {
    fromMs = Math.min(fromMs, startMs)
    toMs = Math.max(toMs, endMs)
    if (isError) errors++
  }
  return trace.spans.size === 0 ? { fromMs: 0, toMs: 0, errors } : { fromMs, toMs, errors }
}

/** The trace as a chart, of a large one what is critical, failed or took long. */
export const toChart = (trace: Trace, rows = 1_000): Gantt.Chart => {
  const tree = treeOf(trace)
  const ordered = inOrder(tree)
  const critical = criticalPath(tree)
  const { errors, fromMs, toMs } = extent(trace)
  const shown = Gantt.pick(
    ordered,
    rows,
    ({ span }) =>
      (critical.has(span) ? 2e15 : 0) + (span.isError ? 1e15 : 0) + Math.min(1e14, span.endMs - span.startMs)
  )
  const services = new Set(ordered.map(({ span }) => span.service))
  const root = rootOf(trace)
  const count = Count.of(trace.spans.size, "span")
  return {
    title: `trace ${trace.traceId}${root === undefined ? "" : ` · ${root.name}`}`,
    lines: [
      [
        count,
        Words.duration(toMs - fromMs),
        ...(errors === 0 ? [] : [`${errors} failed`]),
        [...services]
          .filter((name) => name !== "")
          .slice(0, 8)
          .join(", "),
        moment(fromMs)
      ]
        .filter((text) => text !== "")
        .join(" · ")
    ],
    footnotes: trace.dropped === 0 ? [] : [`too many to keep: ${Count.of(trace.dropped, "span")}`],
    fromMs: 0,
    toMs: toMs - fromMs,
    marks: [],
    rows: shown.map(({ depth, span }) => rowOf(span, depth, fromMs, critical.has(span), services.size > 1)),
    omitted: ordered.length - shown.length
  }
}

const rowOf = (span: Span, depth: number, beganMs: number, isCritical: boolean, hasServices: boolean): Gantt.Row => {
  const { attributes, endMs, events, isError, links, name, service, spanId, startMs, statusMessage } = span
  const at = (ms: number) => Words.duration(ms - beganMs)
  return {
    name: name === "" ? "(no name)" : name,
    depth,
    bars: [{ paint: "running", fromMs: startMs - beganMs, toMs: endMs - beganMs }],
    isCritical,
    isWrong: isError,
    note: [Words.duration(endMs - startMs), hasServices ? service : "", isError ? statusMessage : ""]
      .filter((text) => text !== "")
      .join(" "),
    facts: [
      `at ${at(startMs)} for ${Words.duration(endMs - startMs)}, span ${spanId}${service === "" ? "" : `, ${service}`}`,
      ...(statusMessage === "" ? [] : [statusMessage]),
      ...(links === 0 ? [] : [Count.of(links, "link")]),
      ...attributes.map(([key, value]) => `${key} = ${value}`),
      ...events.map((event) => `at ${at(event.atMs)} ${event.name} ${event.text}`.trimEnd())
    ]
  }
}

const byBegin = (a: Span, b: Span): number =>
  a.startMs - b.startMs || b.endMs - a.endMs || (a.spanId < b.spanId ? -1 : 1)

const treeOf = ({ spans }: Trace): Tree => {
  const children = new Map<string, Array<Span>>()
  const roots: Array<Span> = []
  for (const span of spans.values()) {
    const { parentSpanId } = span
    if (parentSpanId === undefined || !spans.has(parentSpanId) || parentSpanId === span.spanId) roots.push(span)
    else {
      const siblings = children.get(parentSpanId)
      if (siblings === undefined) children.set(parentSpanId, [span])
      else siblings.push(span)
    }
  }
  // Who is below no root is on a circle or below one: the first of them in time is made a root, until there are none.
  const seen = new Set<Span>()
  const see = (from: Span): void => {
    const open = [from]
    for (let span = open.pop(); span !== undefined; span = open.pop()) {
      if (seen.has(span)) continue
      seen.add(span)
      for (const child of children.get(span.spanId) ?? []) open.push(child)
    }
  }
  for (const root of roots) see(root)
  if (seen.size < spans.size) {
    for (const span of [...spans.values()].sort(byBegin)) {
      if (seen.has(span)) continue
      roots.push(span)
      see(span)
    }
  }
  for (const siblings of children.values()) siblings.sort(byBegin)
  return { roots: roots.sort(byBegin), children }
}

/** Every span once, below its parent. A list of what is open, for a trace may be as deep as it has spans. */
const inOrder = ({ children, roots }: Tree): ReadonlyArray<{ readonly span: Span; readonly depth: number }> => {
  const ordered: Array<{ readonly span: Span; readonly depth: number }> = []
  const seen = new Set<Span>()
  const open = roots.toReversed().map((span) => ({ span, depth: 0 }))
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (seen.has(one.span)) continue
    seen.add(one.span)
    ordered.push(one)
    const below = children.get(one.span.spanId) ?? []
    for (let k = below.length - 1; k >= 0; k--) {
      const span = below[k]
      if (span !== undefined) open.push({ span, depth: one.depth + 1 })
    }
  }
  return ordered
}

/** What the end of the trace waited for. Each span is looked at once. */
const criticalPath = ({ children, roots }: Tree): ReadonlySet<Span> => {
  const path = new Set<Span>()
  const last = roots.reduce<Span | undefined>(
    (late, root) => (late === undefined || root.endMs > late.endMs ? root : late),
    undefined
  )
  const open = last === undefined ? [] : [{ span: last, untilMs: last.endMs }]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (path.has(one.span)) continue
    path.add(one.span)
    let cursorMs = one.untilMs
    const below = (children.get(one.span.spanId) ?? []).toSorted((a, b) => b.endMs - a.endMs || byBegin(a, b))
    for (const child of below) {
      if (child.endMs > cursorMs || child.endMs <= one.span.startMs) continue
      open.push({ span: child, untilMs: child.endMs })
      cursorMs = Math.max(one.span.startMs, child.startMs)
    }
  }
  return path
}
