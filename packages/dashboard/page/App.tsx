/** The frame around all pages: which node it is, how it is, whether it can be heard, and where one can go. */
import { createEffect, For, lazy, Match, onCleanup, onMount, Show, Suspense, Switch, type JSX } from "solid-js"
import { elapsed, summary, toneOfOutcome, visible } from "../src/Words.ts"
import { Help, openHelp } from "./Help.tsx"
import { Locked } from "./Locked.tsx"
import { facts, line, lock, lostSince, nowMs, report } from "./live.ts"
import { Mark } from "./Mark.tsx"
import { Graph } from "./Graph.tsx"
import { Restoring } from "./Restoring.tsx"
import { go, hashOf, page, pages, select, setTheme, theme, titles, type Theme } from "./view.ts"

const TimelinePage = lazy(async () => ({ default: (await import("./TimelinePage.tsx")).TimelinePage }))
const HealthPage = lazy(async () => ({ default: (await import("./HealthPage.tsx")).HealthPage }))
const NodesPage = lazy(async () => ({ default: (await import("./NodesPage.tsx")).NodesPage }))
const TasksPage = lazy(async () => ({ default: (await import("./TasksPage.tsx")).TasksPage }))
const BootsPage = lazy(async () => ({ default: (await import("./BootsPage.tsx")).BootsPage }))
const SettingsPage = lazy(async () => ({ default: (await import("./SettingsPage.tsx")).SettingsPage }))

export const App = (): JSX.Element => {
  onMount(() => {
    addEventListener("keydown", shortcut)
    onCleanup(() => removeEventListener("keydown", shortcut))
  })
  createEffect(() => {
    const { nodeId, outcome } = report()
    document.title = nodeId === "" ? "NovaCron" : `${visible(nodeId, 40)}: ${outcome} · NovaCron`
  })
  return (
    <>
      <a class="skip" href="#content" onClick={focusContent}>
        To the content
      </a>
      <Bar />
      <Broken />
      <main id="content" tabindex="-1">
        <Show when={line() !== "locked"} fallback={<Locked />}>
          <Show when={line() !== "opening"} fallback={<p class="quiet pad">Asking the node…</p>}>
            <Suspense fallback={<p class="quiet pad">Loading…</p>}>
              <Switch>
                <Match when={page() === "graph"}>
                  <Graph />
                </Match>
                <Match when={page() === "timeline"}>
                  <TimelinePage />
                </Match>
                <Match when={page() === "health"}>
                  <HealthPage />
                </Match>
                <Match when={page() === "nodes"}>
                  <NodesPage />
                </Match>
                <Match when={page() === "tasks"}>
                  <TasksPage />
                </Match>
                <Match when={page() === "boots"}>
                  <BootsPage />
                </Match>
                <Match when={page() === "settings"}>
                  <SettingsPage />
                </Match>
              </Switch>
            </Suspense>
          </Show>
        </Show>
      </main>
      <Help />
      <Restoring />
    </>
  )
}

const focusContent = (event: Event): void => {
  event.preventDefault()
  document.getElementById("content")?.focus()
}

const Bar = (): JSX.Element => (
  <header class="bar">
    <div class="who">
      <h1 class="brand">NovaCron</h1>
      <Show when={report().nodeId !== ""}>
        <span class="node mono">{visible(report().nodeId, 64)}</span>
      </Show>
    </div>
    <Show when={line() === "live" || line() === "lost"}>
      <p class="outcome" data-tone={toneOfOutcome(report().outcome)} role="status">
        <Mark tone={toneOfOutcome(report().outcome)} />
        <b>{report().outcome}</b> <span class="more">{summary(report(), nowMs())}</span>
      </p>
      <nav aria-label="Pages">
        <For each={pages}>
          {(one) => (
            <a href={hashOf(one)} aria-current={page() === one ? "page" : undefined}>
              {titles[one]}
            </a>
          )}
        </For>
      </nav>
    </Show>
    <div class="tools">
      <Show when={facts()?.mode === "live" && line() === "live" && report().startedAt !== ""}>
        <span class="uptime" title={`begun ${report().startedAt}`}>
          {report().endedAtMs === null ? `up ${elapsed(nowMs())}` : "ended"}
        </span>
      </Show>
      <select
        aria-label="Colours"
        onInput={({ currentTarget }) => setTheme(themes.find((one) => one === currentTarget.value) ?? "system")}
      >
        <For each={themes}>
          {(one) => (
            <option value={one} selected={theme() === one}>
              {one}
            </option>
          )}
        </For>
      </select>
      <button type="button" class="icon" aria-label="Shortcuts and help" onClick={openHelp}>
        ?
      </button>
    </div>
  </header>
)

const themes: ReadonlyArray<Theme> = ["system", "light", "dark"]

/** The node is not heard: what is shown is what was known last. */
const Broken = (): JSX.Element => (
  <Switch>
    <Match when={line() === "lost"}>
      <p class="banner" data-tone="failed" role="alert">
        <Mark tone="failed" />
        <span>
          The node is not heard since {new Date(lostSince()).toLocaleTimeString()}. What is shown was so then. Trying
          again…
        </span>
      </p>
    </Match>
    <Match when={line() === "live" && facts()?.mode === "journals"}>
      <p class="banner" data-tone="held" role="status">
        <Mark tone="held" />
        <span>No node runs here. This is its last boot, from its journal.</span>
      </p>
    </Match>
  </Switch>
)

const shortcut = (event: KeyboardEvent): void => {
  const { altKey, ctrlKey, key, metaKey, target } = event
  if (altKey || ctrlKey || metaKey || line() === "locked") return
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return
  if (document.querySelector("dialog[open]") !== null) return
  const to = pages[Number(key) - 1]
  if (to !== undefined) go(to)
  else if (key === "?") openHelp()
  else if (key === "Escape") leave()
  else if (key === "t") setTheme(isDark() ? "light" : "dark")
  else if (key === "/") document.querySelector<HTMLElement>("input[type=search]")?.focus()
  else if (key === "L") void lock()
  else return
  event.preventDefault()
}

/** Looks at nothing in particular any more. */
const leave = (): void => {
  if (page() === "nodes" || page() === "tasks") go(page())
  else select(undefined)
}

const isDark = (): boolean =>
  theme() === "dark" || (theme() === "system" && matchMedia("(prefers-color-scheme: dark)").matches)
