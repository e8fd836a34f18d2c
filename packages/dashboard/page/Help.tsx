/** The shortcuts, and what the shapes and lines mean. */
import { For, type JSX } from "solid-js"
import type { Tone } from "../src/Words.ts"
import { Said } from "./Mark.tsx"

let dialog: HTMLDialogElement | undefined

export const openHelp = (): void => dialog?.showModal()

const keys: ReadonlyArray<readonly [string, string]> = [
  ["1 … 7", "graph, timeline, health, nodes, tasks, boots, settings"],
  ["← ↑ → ↓", "from component to component in the graph"],
  ["Enter", "look at the component"],
  ["Esc", "look at nothing; close what is open"],
  ["+ − 0", "larger, smaller, all of the graph"],
  ["/", "search"],
  ["t", "dark or light"],
  ["L", "end the session of this browser"],
  ["?", "this help"]
]

const tones: ReadonlyArray<readonly [Tone, string]> = [
  ["up", "ready"],
  ["degraded", "up, on its fallback"],
  ["failed", "failed: it ended the boot"],
  ["busy", "starting, closing, or waiting to try again"],
  ["held", "waiting for a need or a slot"],
  ["gone", "absent, skipped or stopped"]
]

export const Help = (): JSX.Element => (
  <dialog ref={(it) => (dialog = it)} aria-labelledby="help-title">
    <h2 id="help-title">Shortcuts and signs</h2>
    <dl class="keys">
      <For each={keys}>
        {([key, what]) => (
          <>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </>
        )}
      </For>
    </dl>
    <ul class="signs">
      <For each={tones}>
        {([tone, what]) => (
          <li>
            <Said tone={tone}>{what}</Said>
          </li>
        )}
      </For>
    </ul>
    <p class="quiet">
      A boot waits for its critical path: heavy outlines in the graph, bold names in the timeline. In the graph a line
      leads from what is needed to who needs it; needs that follow from others are shown when a component is selected.
    </p>
    <form method="dialog">
      <button type="submit" class="main">
        Close
      </button>
    </form>
  </dialog>
)
