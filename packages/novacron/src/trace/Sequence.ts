/**
 * A boot as a sequence diagram for Mermaid: who was started when, what failed on the way, and when each was up. Made from the
 * events of a boot that was, so it shows what happened and not what was planned.
 */
import { Count, type Timeline, Words } from "@novacron/boot/model"

/** A line of the diagram, and when it happened. */
interface Message {
  readonly atMs: number
  readonly line: string
}

/** How many components are shown: the first ones, and it says how many there are more. */
const limit = 60

/** The source text of the diagram. */
export const toMermaid = ({ lanes, report }: Timeline.Timeline): string => {
  const top = lanes.filter(({ group }) => group === null)
  const shown = top.slice(0, limit)
  const participants = shown.map(({ name }, i) => `  participant c${i} as ${plain(name)}`)
  const messages = shown.flatMap(messagesOf).toSorted((a, b) => a.atMs - b.atMs)
  const ready = report.readyAtMs
  const before = messages.filter(({ atMs }) => ready === null || atMs <= ready)
  const after = messages.slice(before.length)
  const more = top.length - shown.length
  return [
    "sequenceDiagram",
    "  participant boot",
    ...participants,
    ...(more === 0 ? [] : [`  Note over boot: ${Count.of(more, "component")} not shown`]),
    ...before.map(({ line }) => line),
    ready === null ? `  Note over boot: ${report.outcome}` : `  Note over boot: READY after ${ms(ready)}`,
    ...after.map(({ line }) => line)
  ].join("\n")
}

const messagesOf = (lane: Timeline.Lane, i: number): ReadonlyArray<Message> => {
  const { attempts, intervals, marks, name, settledAtMs, state, workMs } = lane
  const began = intervals.find((one) => one.state === "running")?.fromMs
  const needs = lane.needs.length === 0 ? "" : `, after ${lane.needs.join(", ")}`
  const started = began === undefined ? [] : [{ atMs: began, line: `  boot->>c${i}: start ${plain(name + needs)}` }]
  const failed = attempts.flatMap(({ attempt, decidedAtMs, failure, toMs }): ReadonlyArray<Message> => {
    if (failure === null) return []
    const line = `  c${i}--xboot: attempt ${attempt} failed, ${plain(failure.tag)}`
    return [{ atMs: decidedAtMs ?? toMs, line }]
  })
  const settled = settledAtMs === null ? undefined : stateAt(lane, settledAtMs)
  const why = marks.find(({ kind }) => kind === "degraded" || kind === "absent" || kind === "skipped")?.text
  const took = began === undefined ? "" : ` after ${ms(workMs)} of work`
  const about = settled === "ready" || why === undefined ? "" : `, ${why}`
  const line = `  c${i}-->>boot: ${plain(`${settled ?? state}${took}${about}`)}`
  return [...started, ...failed, ...(settledAtMs === null ? [] : [{ atMs: settledAtMs, line }])]
}

const stateAt = ({ intervals, state }: Timeline.Lane, atMs: number): string =>
  intervals.find(({ fromMs }) => fromMs === atMs)?.state ?? state

const ms = (duration: number): string => `${Math.round(10 * duration) / 10} ms`

/** What means something to Mermaid, and what is no letter, means nothing here. */
const plain = (text: string): string =>
  Words.visible(text, 120)
    .replaceAll(/[;#<>{}%"\\]/g, " ")
    .replaceAll(/:/g, " ")
    .trim() || "–"
