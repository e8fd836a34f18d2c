/** The boot through time, as it goes on or as it went. */
import { createMemo, type JSX } from "solid-js"
import { duration } from "../src/Words.ts"
import { Detail } from "./Detail.tsx"
import { Gantt } from "./Gantt.tsx"
import { report, timeline } from "./live.ts"
import { select, selected } from "./view.ts"

export const TimelinePage = (): JSX.Element => {
  const now = createMemo(timeline)
  return (
    <div class="split">
      <section class="sheet">
        <dl class="figures">
          <Figure
            name={report().readyAtMs === null ? "so far" : "ready in"}
            value={duration(report().readyAtMs ?? now().atMs)}
          />
          <Figure name="critical path" value={duration(report().criticalPathMs)} />
          <Figure name="one after the other" value={duration(report().sequentialMs)} />
          <Figure name="faster by" value={`${report().speedup.toFixed(1)} ×`} />
          <Figure name="slots" value={`${report().concurrency}`} />
          <Figure name="worst case" value={duration(report().worstCaseMs)} />
        </dl>
        <Gantt timeline={now()} selected={selected()} onSelect={select} />
      </section>
      <Detail />
    </div>
  )
}

export const Figure = (props: { readonly name: string; readonly value: string }): JSX.Element => (
  <div>
    <dt>{props.name}</dt>
    <dd class="number">{props.value}</dd>
  </div>
)
