/** How each part is and was: the last hour, as far as the node remembers. */
import { createMemo, createResource, createSignal, createEffect, For, on, onCleanup, Show, type JSX } from "solid-js"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { duration, elapsed, toneOfHealth, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { sample } from "./live.ts"
import { Said } from "./Mark.tsx"
import { theme } from "./view.ts"

/** What was and what is now, in one: times in milliseconds, and of each part a letter and a latency for each. */
interface Past {
  readonly times: ReadonlyArray<number>
  readonly parts: ReadonlyMap<string, { readonly statuses: string; readonly latenciesMs: ReadonlyArray<number | null> }>
}

const kept = 720

export const HealthPage = (): JSX.Element => {
  const [told] = createResource(asking.health)
  const [past, setPast] = createSignal<Past>({ times: [], parts: new Map() })
  const [now, setNow] = createSignal<asking.HealthNow | undefined>()
  const [chosen, setChosen] = createSignal<string | undefined>()
  createEffect(() => {
    const it = told.error === undefined ? told() : undefined
    if (it === undefined) return
    setNow(it.now ?? undefined)
    setPast({ times: it.history.times, parts: new Map(it.history.parts.map((part) => [part.name, part])) })
  })
  createEffect(
    on(sample, (it) => {
      if (it === undefined) return
      setNow(it)
      setPast((before) => (it.atMs > (before.times.at(-1) ?? 0) ? extended(before, it) : before))
    })
  )
  const names = createMemo(() => now()?.parts.map(({ name }) => name) ?? [], [], {
    equals: (a, b) => a.join("\n") === b.join("\n")
  })
  const name = () => chosen() ?? now()?.parts.find(({ critical }) => critical)?.name ?? names()[0]
  return (
    <section class="sheet pad health">
      <Show when={told.error === undefined} fallback={<p class="wrong">The health cannot be asked for.</p>}>
        <h2 class="title">
          Health{" "}
          <Show when={now()}>{(it) => <Said tone={toneOfHealth(it().status)}>{visible(it().status)}</Said>}</Show>
        </h2>
        <Show when={name() !== undefined && past().times.length > 1}>
          <figure>
            <figcaption>
              Latency of the probe of <b class="mono">{visible(name() ?? "", 60)}</b>, in milliseconds
            </figcaption>
            <Chart past={past()} name={name() ?? ""} />
          </figure>
        </Show>
        <div class="scroll" tabindex="0" role="region" aria-label="Health of the parts">
          <table>
            <thead>
              <tr>
                <th scope="col">Part</th>
                <th scope="col">Status</th>
                <th scope="col" class="number">
                  Probe
                </th>
                <th scope="col">{spanOf(past())}</th>
                <th scope="col">What it says</th>
              </tr>
            </thead>
            <tbody>
              <For each={names()}>
                {(one) => {
                  const part = createMemo(() => now()?.parts.find((it) => it.name === one))
                  return (
                    <Show when={part()}>
                      {(it) => (
                        <tr data-selected={name() === one ? "" : undefined}>
                          <th scope="row">
                            <button
                              type="button"
                              class="link mono"
                              aria-pressed={name() === one}
                              onClick={() => setChosen(one)}
                            >
                              {visible(one, 60)}
                            </button>
                            <Show when={it().critical}>
                              <span class="quiet small"> critical</span>
                            </Show>
                          </th>
                          <td>
                            <Said tone={toneOfHealth(it().status)}>{visible(it().status)}</Said>
                          </td>
                          <td class="number">{it().latencyMs === null ? "–" : duration(it().latencyMs ?? 0)}</td>
                          <td>
                            <Strip statuses={past().parts.get(one)?.statuses ?? ""} />
                          </td>
                          <td class="quiet">{visible(it().message, 200)}</td>
                        </tr>
                      )}
                    </Show>
                  )
                }}
              </For>
            </tbody>
          </table>
        </div>
        <Show when={names().length === 0 && !told.loading}>
          <p class="quiet">Nothing is known yet: no node, or no part of it has a probe.</p>
        </Show>
      </Show>
    </section>
  )
}

const spanOf = ({ times }: Past): string => {
  const ms = (times.at(-1) ?? 0) - (times[0] ?? 0)
  return ms > 0 ? `Last ${elapsed(ms)}` : "Past"
}

const letters: { readonly [status: string]: string | undefined } = { healthy: "h", degraded: "d", unhealthy: "u" }

const extended = ({ parts, times }: Past, now: { readonly atMs: number } & asking.HealthNow): Past => {
  const next = new Map(parts)
  const found = new Map(now.parts.map((one) => [one.name, one]))
  for (const name of new Set([...parts.keys(), ...found.keys()])) {
    const before = parts.get(name) ?? { statuses: "-".repeat(times.length), latenciesMs: times.map(() => null) }
    const one = found.get(name)
    next.set(name, {
      statuses: `${before.statuses}${one === undefined ? "-" : (letters[one.status] ?? "?")}`.slice(-kept),
      latenciesMs: [...before.latenciesMs, one?.latencyMs ?? null].slice(-kept)
    })
  }
  return { times: [...times, now.atMs].slice(-kept), parts: next }
}

const stripWidth = 160

/** The past of one part as a strip: runs of the same status as one piece. */
const Strip = (props: { readonly statuses: string }): JSX.Element => {
  const runs = createMemo(() => {
    const step = stripWidth / Math.max(1, props.statuses.length)
    return [...props.statuses.matchAll(/(.)\1*/g)].map(({ 0: run, 1: letter = "-", index }) => ({
      letter,
      x: index * step,
      width: run.length * step
    }))
  })
  const share = () => {
    const known = props.statuses.replace(/[-?]/g, "").length
    return known === 0
      ? "nothing known"
      : `${Math.round((props.statuses.replace(/[^h]/g, "").length / known) * 100)} % healthy`
  }
  return (
    <svg class="strip" width={stripWidth} height="14" role="img" aria-label={share()}>
      <For each={runs()}>
        {({ letter, width, x }) => <rect data-status={letter} x={x} width={Math.max(0.5, width)} y="3" height="8" />}
      </For>
    </svg>
  )
}

const clock = (seconds: number): string => new Date(seconds * 1_000).toTimeString().slice(0, 8)

const Chart = (props: { readonly past: Past; readonly name: string }): JSX.Element => {
  let plot: uPlot | undefined
  const [place, setPlace] = createSignal<HTMLDivElement | undefined>()
  const data = createMemo((): uPlot.AlignedData => {
    const latencies = props.past.parts.get(props.name)?.latenciesMs ?? []
    return [props.past.times.map((ms) => ms / 1_000), props.past.times.map((_, i) => latencies[i] ?? null)]
  })
  createEffect(() => {
    // The colours of a canvas are not those of a style sheet: it is drawn anew when they change.
    theme()
    const here = place()
    if (here === undefined) return
    const style = getComputedStyle(here)
    const colour = (name: string) => style.getPropertyValue(name)
    const axis = {
      stroke: colour("--ink-2"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui"
    }
    plot = new uPlot(
      {
        width: here.clientWidth,
        height: 170,
        cursor: { y: false, points: { size: 6 } },
        legend: { show: false },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, (max ?? 1) * 1.15)] } },
        series: [{}, { stroke: colour("--busy"), width: 1.5, points: { show: false }, spanGaps: false }],
        axes: [
          { ...axis, values: (_, all) => all.map(clock), space: 80, size: 28 },
          { ...axis, size: 46 }
        ]
      },
      data(),
      here
    )
    const observer = new ResizeObserver(() => plot?.setSize({ width: here.clientWidth, height: 170 }))
    observer.observe(here)
    onCleanup(() => {
      observer.disconnect()
      plot?.destroy()
      plot = undefined
    })
  })
  createEffect(() => plot?.setData(data()))
  return <div class="chart" ref={setPlace} role="img" aria-label={`Latency of ${visible(props.name, 60)} over time`} />
}
