/** A timeline as rows: what each component did with its time. Only the rows that are in view are there. */
import type { Timeline } from "@novacron/boot/model"
import { createMemo, createSignal, For, onCleanup, onMount, Show, type JSX } from "solid-js"
import { duration, ticks, toneOf, visible } from "../src/Words.ts"
import { Mark } from "./Mark.tsx"

type Lane = Timeline.Timeline["lanes"][number]

const rowHeight = 26

/** Until when a boot is drawn: until it was up or taken down, and a little more. */
const untilOf = ({ atMs, report }: Timeline.Timeline): number => {
  const { endedAtMs, outcome, readyAtMs } = report
  if (readyAtMs !== null) return Math.max(readyAtMs * 1.04, 1)
  return Math.max(outcome === "booting" ? atMs : (endedAtMs ?? atMs), 1)
}

export const Gantt = (props: {
  readonly timeline: Timeline.Timeline
  readonly selected: string | undefined
  readonly onSelect: (name: string | undefined) => void
}): JSX.Element => {
  const [width, setWidth] = createSignal(0)
  const [top, setTop] = createSignal(0)
  const [height, setHeight] = createSignal(600)
  let scroller: HTMLDivElement | undefined
  let track: HTMLDivElement | undefined

  onMount(() => {
    if (scroller === undefined || track === undefined) return
    const [outer, inner] = [scroller, track]
    const observer = new ResizeObserver(() => {
      setHeight(outer.clientHeight)
      setWidth(inner.clientWidth)
    })
    observer.observe(outer)
    observer.observe(inner)
    onCleanup(() => observer.disconnect())
  })

  const lanes = createMemo(() => inOrder(props.timeline.lanes))
  const untilMs = createMemo(() => untilOf(props.timeline))
  const at = (ms: number): number => (Math.min(ms, untilMs()) / untilMs()) * width()
  const marks = createMemo(() => ticks(untilMs(), Math.max(2, Math.floor(width() / 90))))
  const first = createMemo(() => Math.max(0, Math.floor(top() / rowHeight) - 10))
  const rows = createMemo(() => lanes().slice(first(), first() + Math.ceil(height() / rowHeight) + 20))
  const isUntil = (ms: number | null): ms is number => ms !== null && ms <= untilMs()

  return (
    <div class="gantt">
      <div class="head">
        <span class="label">Component</span>
        <div class="track" ref={(it) => (track = it)}>
          <svg width={width()} height="22" aria-hidden="true">
            <For each={marks()}>
              {(ms) => (
                <text x={Math.min(at(ms), width() - 2)} y="15" text-anchor={anchor(at(ms), width())}>
                  {duration(ms)}
                </text>
              )}
            </For>
          </svg>
        </div>
        <span class="took">own time</span>
      </div>
      <div
        class="rows"
        ref={(it) => (scroller = it)}
        tabindex="0"
        role="group"
        aria-label="Components through time"
        onScroll={({ currentTarget }) => setTop(currentTarget.scrollTop)}
      >
        <div class="all" style={{ height: `${lanes().length * rowHeight}px` }}>
          <div class="under">
            <svg width={width()} height={lanes().length * rowHeight} aria-hidden="true">
              <For each={marks()}>
                {(ms) => <path class="tick" d={`M${Math.round(at(ms)) + 0.5} 0V${lanes().length * rowHeight}`} />}
              </For>
              <Show when={isUntil(props.timeline.report.readyAtMs)}>
                <path
                  class="ready"
                  d={`M${at(props.timeline.report.readyAtMs ?? 0)} 0V${lanes().length * rowHeight}`}
                />
              </Show>
            </svg>
          </div>
          <For each={rows()}>
            {(lane, i) => (
              <div
                class="lane"
                style={{ transform: `translateY(${(first() + i()) * rowHeight}px)` }}
                data-critical={lane.onCriticalPath ? "" : undefined}
                data-selected={props.selected === lane.name ? "" : undefined}
              >
                <button
                  type="button"
                  class="label"
                  aria-pressed={props.selected === lane.name}
                  onClick={() => props.onSelect(props.selected === lane.name ? undefined : lane.name)}
                >
                  <Mark tone={toneOf(lane.state)} />
                  <span class="mono name">{visible(lane.name, 60)}</span>
                </button>
                <svg class="bars" width={width()} height={rowHeight} role="img" aria-label={inWords(lane)}>
                  <For each={lane.intervals}>
                    {(one) => (
                      <Show when={one.fromMs < untilMs()}>
                        <rect
                          class="bar"
                          data-state={one.state}
                          x={at(one.fromMs)}
                          width={Math.max(one.state === "running" ? 2 : 0.5, at(one.toMs) - at(one.fromMs))}
                          y={thin.has(one.state) ? rowHeight / 2 - 1 : 7}
                          height={thin.has(one.state) ? 2 : rowHeight - 14}
                          rx={thin.has(one.state) ? 0 : 2}
                        />
                      </Show>
                    )}
                  </For>
                  <For each={lane.attempts}>
                    {(one) => (
                      <Show when={one.failure !== null && isUntil(one.decidedAtMs)}>
                        <path
                          class="fault"
                          transform={`translate(${at(one.decidedAtMs ?? 0) - 3} ${rowHeight / 2 - 3})`}
                          d="M0 0l6 6M6 0l-6 6"
                        />
                      </Show>
                    )}
                  </For>
                </svg>
                <span class="took number">{duration(lane.workMs)}</span>
              </div>
            )}
          </For>
        </div>
      </div>
      <ul class="legend" aria-label="What the bars mean">
        <For each={legend}>
          {([state, words]) => (
            <li>
              <svg width="22" height="12" aria-hidden="true">
                <rect
                  class="bar"
                  data-state={state}
                  width="22"
                  y={thin.has(state) ? 5 : 0}
                  height={thin.has(state) ? 2 : 12}
                  rx={thin.has(state) ? 0 : 2}
                />
              </svg>
              {words}
            </li>
          )}
        </For>
        <li>
          <svg width="12" height="12" aria-hidden="true">
            <path class="fault" transform="translate(3 3)" d="M0 0l6 6M6 0l-6 6" />
          </svg>
          attempt failed
        </li>
        <li data-critical="">
          <svg width="22" height="12" aria-hidden="true">
            <rect class="bar" data-state="running" width="22" height="12" rx="2" />
          </svg>
          critical path
        </li>
      </ul>
    </div>
  )
}

/** What is not work is a line, work is a bar. */
const thin: ReadonlySet<string> = new Set(["waiting", "ready", "degraded", "absent", "skipped", "failed", "stopped"])

const legend: ReadonlyArray<readonly [string, string]> = [
  ["waiting", "waits for needs"],
  ["queued", "waits for a slot"],
  ["running", "runs"],
  ["closing", "closes"],
  ["backoff", "backs off"],
  ["ready", "up"]
]

const anchor = (x: number, width: number): "start" | "middle" | "end" =>
  x < 20 ? "start" : x > width - 24 ? "end" : "middle"

/** As they began, with those that never did at the end. */
const inOrder = (lanes: ReadonlyArray<Lane>): ReadonlyArray<Lane> => {
  const beginOf = ({ attempts, settledAtMs }: Lane) => attempts[0]?.fromMs ?? settledAtMs ?? Infinity
  return lanes
    .map((lane, i) => ({ lane, i, at: beginOf(lane) }))
    .toSorted((a, b) => (a.at === b.at ? a.i - b.i : a.at - b.at))
    .map(({ lane }) => lane)
}

const inWords = ({ intervals, name, state }: Lane): string => {
  const spent = intervals.slice(0, 12).map((one) => `${one.state} ${duration(one.toMs - one.fromMs)}`)
  return `${visible(name, 80)}: ${spent.join(", ")}; now ${state}`
}
