/** The question before a component is built again: whom it concerns is known first, and nothing is done before a yes. */
import { createSignal, For, Match, Show, Switch, type JSX } from "solid-js"
import { visible } from "../src/Words.ts"
import * as asking from "./asking.ts"

type Step =
  | { readonly _tag: "Looking"; readonly component: string }
  | { readonly _tag: "Asked"; readonly component: string; readonly impact: asking.Restoring }
  | { readonly _tag: "Begun"; readonly component: string }
  | { readonly _tag: "Refused"; readonly component: string; readonly why: string }

const [step, setStep] = createSignal<Step | undefined>()
let dialog: HTMLDialogElement | undefined

/** Looks whom it would concern, and asks. */
export const askToRestore = (component: string): void => {
  setStep({ _tag: "Looking", component })
  dialog?.showModal()
  asking.impact(component).then(
    (impact) => setStep({ _tag: "Asked", component, impact }),
    (error: unknown) => setStep({ _tag: "Refused", component, why: asking.wordsOf(error) })
  )
}

const confirm = (component: string): void =>
  void asking.restore(component).then(
    () => setStep({ _tag: "Begun", component }),
    (error: unknown) => setStep({ _tag: "Refused", component, why: asking.wordsOf(error) })
  )

const effects: { readonly [effect: string]: string | undefined } = {
  "fails-boot": "cannot do without it",
  skipped: "would be skipped",
  "absent-option": "goes on without it"
}

const as = <T extends Step["_tag"]>(tag: T) => {
  const now = step()
  return now?._tag === tag ? (now as Extract<Step, { readonly _tag: T }>) : undefined // narrowed by the line before
}

export const Restoring = (): JSX.Element => (
  <dialog ref={(it) => (dialog = it)} aria-labelledby="restore-title" onClose={() => setStep(undefined)}>
    <h2 id="restore-title">
      Restore <span class="mono">{visible(step()?.component ?? "", 60)}</span>
    </h2>
    <Switch>
      <Match when={as("Looking")}>
        <p class="quiet">Looking whom it concerns…</p>
      </Match>
      <Match when={as("Asked")}>
        {(it) => (
          <>
            <p>
              It is <b>{it().impact.state}</b>. It is built again beside what serves now, probed, and only then swapped
              in.
            </p>
            <Show
              when={it().impact.concerned.length > 0}
              fallback={<p>It concerns nobody else: no component needs it.</p>}
            >
              <p>
                Should it be lost, it concerns <b>{it().impact.concerned.length}</b>:
              </p>
              <ul class="radius">
                <For each={it().impact.concerned.slice(0, 50)}>
                  {(one) => (
                    <li>
                      <span class="mono">{visible(one.component, 80)}</span>
                      <span class="quiet">{effects[one.effect] ?? one.effect}</span>
                    </li>
                  )}
                </For>
                <Show when={it().impact.concerned.length > 50}>
                  <li class="quiet">and {it().impact.concerned.length - 50} more</li>
                </Show>
              </ul>
            </Show>
          </>
        )}
      </Match>
      <Match when={as("Begun")}>
        <p role="status">It is being built again. The graph shows how far it is.</p>
      </Match>
      <Match when={as("Refused")}>
        {(it) => (
          <p class="wrong" role="alert">
            {visible(it().why)}
          </p>
        )}
      </Match>
    </Switch>
    <form method="dialog" class="answers">
      <button type="submit" autofocus>
        {step()?._tag === "Begun" || step()?._tag === "Refused" ? "Close" : "Leave it"}
      </button>
      <Show when={as("Asked")}>
        {(it) => (
          <button type="button" class="main" onClick={() => confirm(it().component)}>
            Restore it
          </button>
        )}
      </Show>
    </form>
  </dialog>
)
