/** The boots that there are journals of: one opened, or two compared. */
import { type Rehearsal, Timeline } from "@novacron/boot/model"
import { createMemo, createResource, createSignal, For, Match, Show, Switch, type JSX } from "solid-js"
import { difference, duration, toneOf, toneOfOutcome, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { Gantt } from "./Gantt.tsx"
import { Said } from "./Mark.tsx"
import { Figure } from "./TimelinePage.tsx"

type Difference = Rehearsal.Difference

const step = 200

export const BootsPage = (): JSX.Element => {
  const [limit, setLimit] = createSignal(step)
  const [list] = createResource(limit, asking.boots)
  const [opened, setOpened] = createSignal<string | undefined>()
  const [ticked, setTicked] = createSignal<ReadonlyArray<string>>([])
  const [compared, setCompared] = createSignal<readonly [string, string] | undefined>()
  const boots = () => (list.error === undefined ? list.latest?.boots : undefined) ?? []
  const tick = (file: string): void => {
    setTicked((before) => (before.includes(file) ? before.filter((one) => one !== file) : [...before.slice(-1), file]))
  }
  /** The earlier one first, whichever was ticked first. */
  const compare = (): void => {
    const [a, b] = ticked().toSorted()
    if (a === undefined || b === undefined) return
    setOpened(undefined)
    setCompared([a, b])
  }
  return (
    <div class="split boots">
      <section class="list" aria-label="Boots">
        <div class="actions">
          <h2 class="title">
            Boots <span class="count">{list.latest?.total ?? ""}</span>
          </h2>
          <button type="button" class="main" disabled={ticked().length !== 2} onClick={compare}>
            Compare two
          </button>
        </div>
        <Show when={list.error}>
          {(error) => <p class="quiet">{error() instanceof Error ? visible(error().message) : "No journals."}</p>}
        </Show>
        <ul>
          <For each={boots()}>
            {(boot) => (
              <li data-selected={opened() === boot.file ? "" : undefined}>
                <input
                  type="checkbox"
                  aria-label={`Compare ${nameOf(boot)}`}
                  checked={ticked().includes(boot.file)}
                  disabled={boot.kind !== "boot"}
                  onChange={() => tick(boot.file)}
                />
                <button
                  type="button"
                  class="row"
                  onClick={() => {
                    setCompared(undefined)
                    setOpened(boot.file)
                  }}
                >
                  <span class="number">{boot.startedAt > 0 ? moment(boot.startedAt) : visible(boot.file, 40)}</span>
                  <Show
                    when={boot.outcome}
                    fallback={
                      <span class="mono quiet">{boot.kind === "boot" ? visible(boot.bootId, 13) : boot.kind}</span>
                    }
                  >
                    {(outcome) => <Said tone={toneOfOutcome(outcome())}>{ended(outcome())}</Said>}
                  </Show>
                </button>
              </li>
            )}
          </For>
        </ul>
        <Show when={(list.latest?.total ?? 0) > boots().length}>
          <button type="button" onClick={() => setLimit((before) => before * 5)}>
            More of {list.latest?.total}
          </button>
        </Show>
      </section>
      <section class="sheet">
        <Switch fallback={<p class="quiet pad">Choose a boot to see it, or tick two to compare them.</p>}>
          <Match when={compared()}>{(two) => <Compared a={two()[0]} b={two()[1]} />}</Match>
          <Match when={opened()}>{(file) => <Opened file={file()} />}</Match>
        </Switch>
      </section>
    </div>
  )
}

/** A journal that stops in the middle is that of a boot which still goes on, or of one that was killed. */
const ended = (outcome: NonNullable<asking.BootHead["outcome"]>): string =>
  outcome === "booting" ? "no end recorded" : outcome

const nameOf = ({ file, startedAt }: asking.BootHead): string => (startedAt > 0 ? moment(startedAt) : visible(file, 60))

/** `2026-11-22 21:04:09`, in the time of whoever looks. */
const moment = (ms: number): string => {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return Number.isNaN(at.getTime()) ? "–" : at.toISOString().slice(0, 19).replace("T", " ")
}

const Opened = (props: { readonly file: string }): JSX.Element => {
  const [boot] = createResource(() => props.file, asking.boot)
  const [chosen, setChosen] = createSignal<string | undefined>()
  const timeline = createMemo(() => {
    const it = boot.error === undefined ? boot() : undefined
    return it === undefined ? undefined : Timeline.fromEvents(it.events)
  })
  const lane = createMemo(() => timeline()?.lanes.find(({ name }) => name === chosen()))
  return (
    <>
      <Show when={boot.error}>{(error) => <p class="wrong pad">{visible(error().message)}</p>}</Show>
      <Show when={boot.loading}>
        <p class="quiet pad">Reading the journal…</p>
      </Show>
      <Show when={timeline()}>
        {(it) => (
          <>
            <For each={boot()?.warnings ?? []}>{(warning) => <p class="banner">{visible(warning)}</p>}</For>
            <dl class="figures">
              <div>
                <dt>outcome</dt>
                <dd>
                  <Said tone={toneOfOutcome(it().report.outcome)}>{it().report.outcome}</Said>
                </dd>
              </div>
              <Figure name="boot" value={visible(it().report.bootId, 16)} />
              <Figure name="took" value={duration(it().report.durationMs)} />
              <Figure name="critical path" value={duration(it().report.criticalPathMs)} />
              <Figure name="components" value={`${it().lanes.length}`} />
              <Figure name="settings" value={visible(it().report.configVersion, 12) || "–"} />
            </dl>
            <Gantt timeline={it()} selected={chosen()} onSelect={setChosen} />
            <Show when={lane()}>
              {(one) => (
                <div class="marks">
                  <h2 class="mono">{visible(one().name, 80)}</h2>
                  <ol>
                    <For each={one().marks.slice(0, 100)}>
                      {(mark) => (
                        <li>
                          <span class="number">{duration(mark.atMs)}</span> <span>{visible(mark.text, 300)}</span>
                        </li>
                      )}
                    </For>
                    <Show when={one().marks.length === 0}>
                      <li class="quiet">Nothing out of the ordinary happened to it.</li>
                    </Show>
                  </ol>
                </div>
              )}
            </Show>
          </>
        )}
      </Show>
    </>
  )
}

const Compared = (props: { readonly a: string; readonly b: string }): JSX.Element => {
  const [it] = createResource(
    () => [props.a, props.b] as const,
    ([a, b]) => asking.difference(a, b)
  )
  return (
    <>
      <Show when={it.error}>{(error) => <p class="wrong pad">{visible(error().message)}</p>}</Show>
      <Show when={it.loading}>
        <p class="quiet pad">Comparing…</p>
      </Show>
      <Show when={it.error === undefined && it()}>{(found) => <Difference it={found()} />}</Show>
    </>
  )
}

/** How it was in both, when that differs. That a node was stopped in the end says nothing about its boot. */
const stateOf = ({ stateA, stateB }: Difference["components"][number]) => {
  const [a, b] = [stateA, stateB].map((state) => (state === "stopped" ? null : state))
  const state = b ?? a ?? stateB ?? stateA
  return state === null ? undefined : { state, words: a && b && a !== b ? `${a} → ${b}` : state }
}

const Difference = (props: { readonly it: Difference }): JSX.Element => {
  const largest = createMemo(() => Math.max(1e-9, ...props.it.components.map(({ deltaMs }) => Math.abs(deltaMs))))
  return (
    <div class="pad difference">
      <h2 class="title">
        <span class="number">{difference(props.it.deltaMs)}</span>{" "}
        <span class="quiet">
          from <span class="mono">{visible(props.it.a.bootId, 13)}</span> ({duration(props.it.a.durationMs)}) to{" "}
          <span class="mono">{visible(props.it.b.bootId, 13)}</span> ({duration(props.it.b.durationMs)})
        </span>
      </h2>
      <p>
        <Show when={props.it.culprit} fallback="No single component accounts for it.">
          {(culprit) => (
            <>
              <b class="mono">{visible(culprit().component, 80)}</b> moved the critical path: it explains{" "}
              <b class="number">{duration(culprit().explainsMs)}</b>.
            </>
          )}
        </Show>
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="Component by component">
        <table>
          <thead>
            <tr>
              <th scope="col">Component</th>
              <th scope="col" class="number">
                Before
              </th>
              <th scope="col" class="number">
                After
              </th>
              <th scope="col" class="number">
                Difference
              </th>
              <th scope="col">
                <span class="hidden">As a bar</span>
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            <For each={props.it.components.slice(0, 300)}>
              {(one) => (
                <tr>
                  <th scope="row" class="mono">
                    {one.onPathA || one.onPathB ? <b>{visible(one.component, 60)}</b> : visible(one.component, 60)}
                  </th>
                  <td class="number">{one.aMs === null ? "–" : duration(one.aMs)}</td>
                  <td class="number">{one.bMs === null ? "–" : duration(one.bMs)}</td>
                  <td class="number">{difference(one.deltaMs)}</td>
                  <td>
                    <svg class="delta" width="121" height="12" aria-hidden="true">
                      <path d="M60.5 0v12" />
                      <rect
                        data-slower={one.deltaMs > 0 ? "" : undefined}
                        x={60.5 + Math.min(0, (one.deltaMs / largest()) * 58)}
                        width={(Math.abs(one.deltaMs) / largest()) * 58}
                        y="2"
                        height="8"
                      />
                    </svg>
                  </td>
                  <td>
                    <Show when={stateOf(one)}>{(it) => <Said tone={toneOf(it().state)}>{it().words}</Said>}</Show>
                  </td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </div>
    </div>
  )
}
