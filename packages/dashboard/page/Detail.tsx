/** What stands beside a picture: what is not ready, and why; or all about the component that is selected. */
import { Report, type Report as Reports } from "@novacron/boot/model"
import { For, Show, createMemo, createSignal, type JSX } from "solid-js"
import { duration, type Tone, toneOf, visible } from "../src/Words.ts"
import { facts, may, report, whyNot } from "./live.ts"
import { Mark, Said } from "./Mark.tsx"
import { askToRestore } from "./Restoring.tsx"
import { select, selected } from "./view.ts"

type Component = Reports.Report["components"][number]

export const Detail = (): JSX.Element => {
  const component = createMemo(() => report().components.find(({ name }) => name === selected()))
  return (
    <aside class="detail" aria-label={selected() === undefined ? "What is not ready" : "Component"}>
      <Show when={component()} fallback={<Overview />}>
        {(it) => <About component={it()} />}
      </Show>
    </aside>
  )
}

// ----------------------------------------------------------------------------------------------------------- overview

/** How many are told of one by one. */
const shown = 40

const Overview = (): JSX.Element => {
  const all = createMemo(() => report().components.filter((one) => one.state !== "ready" && !isInGroupThatIsOdd(one)))
  const odd = createMemo(() =>
    all()
      .filter((one) => !isAftermath(one))
      .toSorted((a, b) => ranks.indexOf(toneOf(a.state)) - ranks.indexOf(toneOf(b.state)))
  )
  const aftermath = () => all().length - odd().length
  return (
    <>
      <section>
        <h2>
          Not ready <span class="count">{all().length}</span>
        </h2>
        <Show when={all().length === 0}>
          <p class="quiet">{nothingOdd()}</p>
        </Show>
        <ul class="odd">
          <For
            each={odd()
              .slice(0, shown)
              .map(({ name }) => name)}
          >
            {(name) => <Odd name={name} />}
          </For>
        </ul>
        <Show when={odd().length > shown}>
          <p class="quiet">and {odd().length - shown} more</p>
        </Show>
        <Show when={aftermath() > 0}>
          <p class="quiet">
            {aftermath()} {odd().length === 0 ? "" : "more "}taken down or not begun
            {report().rollback === null ? "" : `, because of ${visible(report().rollback?.because ?? "", 80)}`}
          </p>
        </Show>
      </section>
      <All />
    </>
  )
}

/** What is worst is told first. */
const ranks: ReadonlyArray<Tone> = ["failed", "degraded", "busy", "held", "gone"]

/** Whatever is no reason of anything: it went down with the node, or did not begin because the boot was over. */
const isAftermath = ({ reason, state }: Component): boolean => state === "stopped" || reason?._tag === "RolledBack"

const nothingOdd = (): string => (report().components.length === 0 ? "Nothing has begun yet." : "Everything is up.")

/** Members of a group that is not up say nothing that the group does not. */
const isInGroupThatIsOdd = ({ name }: Component): boolean => {
  const at = name.lastIndexOf("/")
  return at > 0 && report().components.find((one) => one.name === name.slice(0, at))?.state === "waiting"
}

const Odd = (props: { readonly name: string }): JSX.Element => {
  const one = createMemo(() => report().components.find(({ name }) => name === props.name))
  return (
    <Show when={one()}>
      {(it) => (
        <li data-tone={toneOf(it().state)}>
          <button type="button" class="row" onClick={() => select(it().name)}>
            <Mark tone={toneOf(it().state)} />
            <span class="mono name">{visible(it().name, 60)}</span>
            <span class="quiet">{it().state}</span>
          </button>
          <Why name={it().name} />
        </li>
      )}
    </Show>
  )
}

/** From the component to the root cause, each line deeper than the one it follows from. */
const Why = (props: { readonly name: string }): JSX.Element => {
  const lines = createMemo(() => Report.why(report(), props.name))
  return (
    <ol class="why">
      <For each={lines()}>{(text) => <li>{visible(text)}</li>}</For>
    </ol>
  )
}

const All = (): JSX.Element => {
  const [wanted, setWanted] = createSignal("")
  const found = createMemo(() => report().components.filter(({ name }) => name.includes(wanted().trim())))
  return (
    <section>
      <h2>
        Components <span class="count">{report().components.length}</span>
      </h2>
      <Show when={report().components.length > 12}>
        <input
          type="search"
          aria-label="Find a component"
          placeholder="Find  ( / )"
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
      </Show>
      <ul class="all">
        <For
          each={found()
            .slice(0, 200)
            .map(({ name }) => name)}
        >
          {(name) => {
            const one = createMemo(() => report().components.find((it) => it.name === name))
            return (
              <Show when={one()}>
                {(it) => (
                  <li>
                    <button type="button" class="row" onClick={() => select(name)}>
                      <Mark tone={toneOf(it().state)} />
                      <span class="mono name">{visible(name, 60)}</span>
                      <span class="number">{duration(workOf(it()))}</span>
                    </button>
                  </li>
                )}
              </Show>
            )
          }}
        </For>
      </ul>
      <Show when={found().length > 200}>
        <p class="quiet">and {found().length - 200} more</p>
      </Show>
    </section>
  )
}

const workOf = ({ backoffMs, runningMs }: Component): number => runningMs + backoffMs

// ------------------------------------------------------------------------------------------------------ one component

const About = (props: { readonly component: Component }): JSX.Element => {
  const it = () => props.component
  const dependents = createMemo(() => report().components.filter(({ needs }) => needs.includes(it().name)))
  return (
    <>
      <section>
        <button type="button" class="back" onClick={() => select(undefined)}>
          ← all
        </button>
        <h2 class="mono title">{visible(it().name, 120)}</h2>
        <p>
          <Said tone={toneOf(it().state)}>
            {it().state}
            {it().fallback !== null && it().state === "degraded" ? `, on ${visible(it().fallback ?? "", 60)}` : ""}
          </Said>
        </p>
        <Show when={it().state !== "ready"}>
          <Why name={it().name} />
        </Show>
        <Show when={facts()?.mode === "live" && isRestorable(it().state)}>
          <button
            type="button"
            class="main"
            disabled={!may("components.restore")}
            onClick={() => askToRestore(it().name)}
          >
            Restore…
          </button>
          <Show when={!may("components.restore")}>
            <p class="quiet small">{whyNot("components.restore")}</p>
          </Show>
        </Show>
      </section>
      <section>
        <h3>Time</h3>
        <dl class="facts">
          <Fact name="waiting" value={duration(it().waitingMs)} />
          <Fact name="queued" value={duration(it().queuedMs)} />
          <Fact name="running" value={duration(it().runningMs)} />
          <Fact name="backoff" value={duration(it().backoffMs)} />
          <Fact name="up after" value={it().readyAtMs === null ? "–" : duration(it().readyAtMs ?? 0)} />
        </dl>
        <p class="quiet">
          {it().phase} phase, {it().severity} when it fails
          {report().criticalPath.includes(it().name) ? ", on the critical path" : ""}
        </p>
      </section>
      <Show when={it().attempts.length > 0}>
        <section>
          <h3>
            Attempts <span class="count">begun, took</span>
          </h3>
          <ol class="attempts">
            <For each={it().attempts.slice(-20)}>
              {(attempt, i) => {
                const before = () => it().attempts.slice(-20)[i() - 1]?.error
                const isSame = () => attempt.error !== null && before()?.message === attempt.error.message
                return (
                  <li>
                    <span class="number">{duration(attempt.startedAtMs)}</span>
                    <span class="number">{duration(attempt.durationMs)}</span>
                    <span>
                      <b>{attempt.error === null ? endOf(attempt) : visible(attempt.error.tag, 60)}</b>
                      <Show when={attempt.variant > 0}>
                        <span class="quiet">
                          {" "}
                          as {visible(it().fallbacks[attempt.variant - 1] ?? "its fallback", 60)}
                        </span>
                      </Show>
                      <Show when={isSame()}>
                        <span class="quiet"> the same again</span>
                      </Show>
                    </span>
                    <Show when={attempt.error !== null && !isSame()}>
                      <p class="quiet">{visible(attempt.error?.message ?? "", 300)}</p>
                    </Show>
                  </li>
                )
              }}
            </For>
          </ol>
        </section>
      </Show>
      <Show when={it().health}>
        {(health) => (
          <section>
            <h3>Health</h3>
            <p>
              <Said tone={health().healthy ? "up" : "failed"}>{visible(health().message)}</Said>
            </p>
          </section>
        )}
      </Show>
      <Names title="Needs" names={it().needs} />
      <Names title="Needed by" names={dependents().map(({ name }) => name)} />
      <Show when={it().fallbacks.length > 0}>
        <section>
          <h3>Fallbacks</h3>
          <p class="mono">
            {it()
              .fallbacks.map((name) => visible(name, 60))
              .join(", ")}
          </p>
        </section>
      </Show>
    </>
  )
}

const endOf = ({ interrupted }: Component["attempts"][number]): string => (interrupted ? "told to stop" : "came up")

const isRestorable = (state: Component["state"]): boolean =>
  state === "degraded" || state === "absent" || state === "skipped"

const Fact = (props: { readonly name: string; readonly value: string }): JSX.Element => (
  <div>
    <dt>{props.name}</dt>
    <dd class="number">{props.value}</dd>
  </div>
)

const Names = (props: { readonly title: string; readonly names: ReadonlyArray<string> }): JSX.Element => (
  <Show when={props.names.length > 0}>
    <section>
      <h3>
        {props.title} <span class="count">{props.names.length}</span>
      </h3>
      <ul class="names">
        <For each={props.names.slice(0, 100)}>
          {(name) => {
            const state = createMemo(() => report().components.find((one) => one.name === name)?.state ?? "waiting")
            return (
              <li>
                <button type="button" class="chip" onClick={() => select(name)}>
                  <Mark tone={toneOf(state())} />
                  <span class="mono">{visible(name, 60)}</span>
                </button>
              </li>
            )
          }}
        </For>
      </ul>
    </section>
  </Show>
)
