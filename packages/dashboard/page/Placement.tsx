/** Why a task is where it is, or nowhere: what was said when it was placed, and what each node is to it now. */
import { createMemo, For, Match, Show, Switch, type JSX } from "solid-js"
import { visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { fresh } from "./fresh.ts"
import { Said } from "./Mark.tsx"
import { nodeOf } from "./timing.ts"
import { hashOf } from "./view.ts"

type Task = asking.Task

export const Why = (props: { readonly task: Task }): JSX.Element => (
  <section>
    <h3>Placement</h3>
    <Show when={props.task.placement} fallback={<p class="quiet">It waits for its turn to be placed.</p>}>
      {(it) => (
        <>
          <Show when={it().node}>
            {(node) => (
              <p>
                {nodeOf(props.task) === undefined ? "It was on " : "On "}
                <a class="mono" href={hashOf("nodes", node())}>
                  {visible(node(), 60)}
                </a>
                , the best of {it().feasible} that could take it; {it().considered} were considered.
                {nodeOf(props.task) === undefined ? " Now it waits for a node again." : ""}
              </p>
            )}
          </Show>
          <Score text={it().explanation} />
        </>
      )}
    </Show>
    <Show when={isLive(props.task)}>
      <Nodes task={props.task} />
    </Show>
  </section>
)

const isLive = ({ state }: Task): boolean => state !== "succeeded" && state !== "failed" && state !== "cancelled"

interface Term {
  readonly name: string
  readonly value: number
  readonly weight: number
}

/** `Score 0.812 = packing 0.75 × 0.7 + performance 0.96 × 0.3.`, which is what placement says of a node that it chose. */
const termsOf = (text: string): ReadonlyArray<Term> => {
  const [, all = ""] = /^Score [\d.]+ = (.+)\.$/.exec(text) ?? []
  const terms = all.split(" + ").map((part) => /^(.+) ([\d.]+) × ([\d.]+)$/.exec(part))
  return terms.flatMap((found) => {
    const [, name, value, weight] = found ?? []
    return name === undefined ? [] : [{ name, value: Number(value), weight: Number(weight) }]
  })
}

const Score = (props: { readonly text: string }): JSX.Element => {
  const terms = createMemo(() => termsOf(props.text))
  return (
    <Show when={terms().length > 0} fallback={<p>{visible(props.text, 600)}</p>}>
      <table class="score" aria-label="What the score is made of">
        <tbody>
          <For each={terms()}>
            {({ name, value, weight }) => (
              <tr>
                <th scope="row">{visible(name, 40)}</th>
                <td>
                  <svg class="share" width="90" height="8" aria-hidden="true">
                    <rect width="90" height="8" rx="2" />
                    <rect class="taken" width={90 * Math.min(1, value)} height="8" rx="2" />
                  </svg>
                </td>
                <td class="number">
                  {value.toFixed(2)} × {weight}
                </td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </Show>
  )
}

const shown = 30

const tones = { chosen: "up", fits: "up", refuses: "degraded", away: "gone" } as const
const words = { chosen: "here", fits: "could take it", refuses: "cannot", away: "away" } as const

const Nodes = (props: { readonly task: Task }): JSX.Element => {
  const it = fresh(
    () => `${props.task.id} ${props.task.version}`,
    () => asking.fit(props.task.id),
    { everyMs: 10_000, concerns: () => false }
  )
  const fits = () => it.value() ?? []
  return (
    <Show when={fits().length > 0}>
      <h3 class="then">Each node, as it is now</h3>
      <ul class="fits">
        <For each={fits().slice(0, shown)}>
          {(fit) => (
            <li>
              <Said tone={tones[fit.verdict]}>
                <span class="mono">{visible(fit.node, 60)}</span>{" "}
                <span class="quiet">
                  {words[fit.verdict]}
                  {fit.score === null ? "" : `, score ${fit.score.toFixed(3)}`}
                </span>
              </Said>
              <Switch>
                <Match when={fit.verdict === "refuses" || fit.verdict === "away"}>
                  <p class="quiet">{visible(fit.why, 300)}</p>
                </Match>
              </Switch>
            </li>
          )}
        </For>
      </ul>
      <Show when={fits().length > shown}>
        <p class="quiet">and {fits().length - shown} more</p>
      </Show>
    </Show>
  )
}
