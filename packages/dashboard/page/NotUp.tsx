/** Before there is work to look at: what is being waited for, or that there will be none. */
import { Report } from "@novacron/boot/model"
import { createMemo, For, Match, Switch, type JSX } from "solid-js"
import { toneOf, visible } from "../src/Words.ts"
import type { NotAnswered } from "./asking.ts"
import { facts, report } from "./live.ts"
import { Said } from "./Mark.tsx"
import { hashOf } from "./view.ts"

const name = "orchestration"

export const NotUp = (props: { readonly problem: NotAnswered; readonly what: string }): JSX.Element => {
  const component = createMemo(() => report().components.find((one) => one.name === name))
  const isUp = () => component()?.state === "ready" || component()?.state === "degraded"
  return (
    <section class="sheet pad notup" role="status">
      <Switch
        fallback={
          <>
            <h2 class="title">{props.what} are shown when the node is ready</h2>
            <p>
              <Said tone="busy">The boot goes on: {report().outcome}.</Said> <a href={hashOf("timeline")}>Timeline</a>
            </p>
          </>
        }
      >
        <Match when={props.problem.status !== 503}>
          <p class="wrong">{visible(props.problem.message)}</p>
        </Match>
        <Match when={facts()?.mode === "journals"}>
          <h2 class="title">No node runs here</h2>
          <p>{props.what} are those of a cluster that runs. The journals know nothing of them.</p>
        </Match>
        <Match when={report().components.length > 0 && component() === undefined}>
          <h2 class="title">This node takes part in no work</h2>
          <p>It is not configured with an orchestration, so there are no nodes and tasks to show.</p>
        </Match>
        <Match when={component() !== undefined && !isUp() ? component() : undefined}>
          {(it) => (
            <>
              <h2 class="title">{props.what} are shown when the orchestration is up</h2>
              <p>
                <Said tone={toneOf(it().state)}>orchestration is {it().state}</Said>{" "}
                <a href={hashOf("graph", name)}>in the graph</a>
              </p>
              <ol class="why">
                <For each={Report.why(report(), name)}>{(text) => <li>{visible(text)}</li>}</For>
              </ol>
            </>
          )}
        </Match>
      </Switch>
    </section>
  )
}
