/** The question before a task is cancelled: nothing is done before a yes, and what the node says to it is told. */
import { createSignal, Match, onMount, Show, Switch, type JSX } from "solid-js"
import { duration, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"

type Step =
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Sent" }
  | { readonly _tag: "Begun" }
  | { readonly _tag: "Refused"; readonly why: string }

export const Cancelling = (props: {
  readonly task: asking.Task
  readonly onClose: () => void
  readonly onDone: () => void
}): JSX.Element => {
  const [step, setStep] = createSignal<Step>({ _tag: "Asked" })
  let dialog: HTMLDialogElement | undefined
  onMount(() => dialog?.showModal())
  const confirm = (): void => {
    setStep({ _tag: "Sent" })
    asking.cancel(props.task.id).then(
      () => {
        setStep({ _tag: "Begun" })
        props.onDone()
      },
      (error: unknown) => setStep({ _tag: "Refused", why: asking.wordsOf(error) })
    )
  }
  const refusal = () => {
    const now = step()
    return now._tag === "Refused" ? now.why : undefined
  }
  const grace = () => props.task.submission.graceMs
  return (
    <dialog ref={(it) => (dialog = it)} aria-labelledby="cancel-title" onClose={() => props.onClose()}>
      <h2 id="cancel-title">
        Cancel <span class="mono">{visible(props.task.name, 60)}</span>
      </h2>
      <Switch>
        <Match when={step()._tag === "Asked" || step()._tag === "Sent"}>
          <p>
            It is <b>{props.task.state}</b>.{" "}
            <Show when={props.task.state === "running"} fallback="It will not begin any more.">
              {props.task.submission.run.driver === "vm"
                ? "Its power button is pressed each second, and it is killed after"
                : "Its process gets SIGTERM, and SIGKILL after"}{" "}
              {grace() === undefined ? "the grace that the node gives" : duration(grace() ?? 0)}. It is not tried again.
            </Show>
          </p>
        </Match>
        <Match when={step()._tag === "Begun"}>
          <p role="status">It is being cancelled: it is {props.task.state} now.</p>
        </Match>
        <Match when={refusal()}>
          {(why) => (
            <p class="wrong" role="alert">
              {visible(why())}
            </p>
          )}
        </Match>
      </Switch>
      <form method="dialog" class="answers">
        <button type="submit" autofocus>
          {step()._tag === "Begun" || step()._tag === "Refused" ? "Close" : "Leave it"}
        </button>
        <Show when={step()._tag === "Asked" || step()._tag === "Sent"}>
          <button type="button" class="main" disabled={step()._tag === "Sent"} onClick={confirm}>
            Cancel it
          </button>
        </Show>
      </form>
    </dialog>
  )
}
