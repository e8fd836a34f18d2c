/** The nodes of the cluster: how each is, what it offers, what of that is taken, and when it was heard last. */
import { createMemo, For, Show, type JSX } from "solid-js"
import { ago, amount, memory, toneOfNode, toneOfTask, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { fresh } from "./fresh.ts"
import { may, whyNot } from "./live.ts"
import { Said } from "./Mark.tsx"
import { NotUp } from "./NotUp.tsx"
import { Figure } from "./TimelinePage.tsx"
import { sinceMs } from "./timing.ts"
import { hashOf, selected } from "./view.ts"

type Node = asking.ClusterNode

/** How many are shown. */
const shown = 500

export const NodesPage = (): JSX.Element => (
  <Show when={may("status.nodes")} fallback={<p class="quiet pad">{whyNot("status.nodes")}</p>}>
    <Nodes />
  </Show>
)

const Nodes = (): JSX.Element => {
  const it = fresh(() => undefined, asking.nodes, { everyMs: 2_000 })
  const nodes = () => it.value()?.nodes ?? []
  const ids = createMemo(() => nodes().map(({ id }) => id), [], { equals: (a, b) => a.join("\n") === b.join("\n") })
  const chosen = createMemo(() => nodes().find(({ id }) => id === selected()))
  return (
    <Show
      when={it.value()}
      fallback={
        <Show when={it.problem()} fallback={<p class="quiet pad">Asking for the nodes…</p>}>
          {(problem) => <NotUp problem={problem()} what="Nodes" />}
        </Show>
      }
    >
      <div class="split">
        <section class="sheet">
          <Totals nodes={nodes()} />
          <Stale problem={it.problem()} />
          <div class="scroll pad" tabindex="0" role="region" aria-label="Nodes of the cluster">
            <table>
              <thead>
                <tr>
                  <th scope="col">Node</th>
                  <th scope="col">State</th>
                  <th scope="col">Cores</th>
                  <th scope="col">Memory</th>
                  <th scope="col" class="number">
                    Tasks
                  </th>
                  <th scope="col" class="number">
                    Heard
                  </th>
                  <th scope="col">Region</th>
                </tr>
              </thead>
              <tbody>
                <For each={ids().slice(0, shown)}>
                  {(id) => <Show when={nodes().find((one) => one.id === id)}>{(node) => <Row node={node()} />}</Show>}
                </For>
              </tbody>
            </table>
            <Show when={ids().length > shown}>
              <p class="quiet">and {ids().length - shown} more</p>
            </Show>
            <Show when={ids().length === 0}>
              <p class="quiet">No node has announced itself yet.</p>
            </Show>
          </div>
        </section>
        <aside class="detail" aria-label={chosen() === undefined ? "About the nodes" : "Node"}>
          <Show when={chosen()} fallback={<Legend />}>
            {(node) => <About node={node()} />}
          </Show>
        </aside>
      </div>
    </Show>
  )
}

/** What is shown is known from before: it cannot be asked for now. */
export const Stale = (props: { readonly problem: asking.NotAnswered | undefined }): JSX.Element => (
  <Show when={props.problem}>
    {(problem) => (
      <p class="banner" role="status">
        {visible(problem().message)} What is shown was so before.
      </p>
    )}
  </Show>
)

const Totals = (props: { readonly nodes: ReadonlyArray<Node> }): JSX.Element => {
  const up = () => props.nodes.filter(({ state }) => state === "up")
  const sum = (of: (node: Node) => number) => up().reduce((total, node) => total + of(node), 0)
  return (
    <dl class="figures">
      <Figure name="nodes up" value={`${up().length} of ${props.nodes.length}`} />
      <Figure
        name="cores asked for"
        value={`${amount(sum((it) => it.used.cpu))} of ${amount(sum((it) => it.capacity.cpu))}`}
      />
      <Figure
        name="memory asked for"
        value={`${memory(sum((it) => it.used.memory))} of ${memory(sum((it) => it.capacity.memory))}`}
      />
      <Figure name="tasks on them" value={`${sum((it) => it.tasks)}`} />
      <Figure
        name="coordinates"
        value={visible(props.nodes.find(({ isCoordinator }) => isCoordinator)?.id ?? "nobody", 40)}
      />
    </dl>
  )
}

const Row = (props: { readonly node: Node }): JSX.Element => {
  const it = () => props.node
  return (
    <tr data-selected={selected() === it().id ? "" : undefined}>
      <th scope="row">
        <a class="mono" href={hashOf("nodes", it().id)} aria-current={selected() === it().id ? "true" : undefined}>
          {visible(it().id, 60)}
        </a>
        <Show when={it().isCoordinator}>
          <span class="badge">coordinates</span>
        </Show>
      </th>
      <td>
        <Said tone={toneOfNode(it().state)}>{stateOf(it())}</Said>
      </td>
      <td>
        <Used used={it().used.cpu} of={it().capacity.cpu} words={amount} what="cores" />
      </td>
      <td>
        <Used used={it().used.memory} of={it().capacity.memory} words={memory} what="memory" />
      </td>
      <td class="number">{it().tasks}</td>
      <td class="number">{heard(it())}</td>
      <td class="whole">{it().region === null ? <span class="quiet">–</span> : visible(it().region ?? "", 40)}</td>
    </tr>
  )
}

const states: { readonly [S in Node["state"]]: string } = { up: "up", draining: "draining", down: "down or lost" }

const stateOf = ({ state }: Node): string => states[state] ?? state

const heard = ({ seenAt }: Node): string => ago(sinceMs(seenAt))

/** What is taken of what there is, as words and as a bar. */
const Used = (props: {
  readonly used: number
  readonly of: number
  readonly words: (value: number) => string
  readonly what: string
}): JSX.Element => {
  const share = () => (props.of > 0 ? Math.min(1, Math.max(0, props.used / props.of)) : 0)
  return (
    <span class="used">
      <svg class="share" width="56" height="8" aria-hidden="true">
        <rect width="56" height="8" rx="2" />
        <rect class="taken" width={56 * share()} height="8" rx="2" data-full={share() > 0.9 ? "" : undefined} />
      </svg>
      <span class="number">
        {props.words(props.used)} <span class="quiet">of {props.words(props.of)}</span>
      </span>
    </span>
  )
}

const Legend = (): JSX.Element => (
  <section>
    <h2>About the nodes</h2>
    <p class="quiet">
      Each node says every second that it is alive. One that is silent for some seconds counts as down, and its tasks
      are given to others. A node that drains takes no tasks any more, and lets those that run come to their end.
    </p>
    <p class="quiet">Cores and memory are what tasks have asked for, not what they use.</p>
  </section>
)

const About = (props: { readonly node: Node }): JSX.Element => {
  const it = () => props.node
  const tasks = fresh(
    () => it().id,
    (node) => asking.tasks({ node, state: "placed,running", limit: "50" }),
    { everyMs: 5_000 }
  )
  return (
    <>
      <section>
        <a class="back" href={hashOf("nodes")}>
          ← all
        </a>
        <h2 class="mono title">{visible(it().id, 120)}</h2>
        <p>
          <Said tone={toneOfNode(it().state)}>{stateOf(it())}</Said>
          {it().isCoordinator ? ", coordinates the cluster" : ""}
        </p>
      </section>
      <section>
        <dl class="pairs">
          <dt>heard</dt>
          <dd>{heard(it())}</dd>
          <dt>address</dt>
          <dd class="mono">{visible(it().address, 80)}</dd>
          <dt>version</dt>
          <dd class="mono">{visible(it().version, 40)}</dd>
          <dt>region</dt>
          <dd>{visible(it().region ?? "none", 60)}</dd>
          <dt>cores</dt>
          <dd>
            {amount(it().used.cpu)} of {amount(it().capacity.cpu)}
          </dd>
          <dt>memory</dt>
          <dd>
            {memory(it().used.memory)} of {memory(it().capacity.memory)}
          </dd>
        </dl>
      </section>
      <section>
        <h3>Labels</h3>
        <ul class="names">
          <For each={Object.entries(it().labels).slice(0, 100)} fallback={<li class="quiet">It has none.</li>}>
            {([name, value]) => (
              <li class="tag mono">
                {visible(name, 60)}={visible(value, 60)}
              </li>
            )}
          </For>
        </ul>
      </section>
      <section>
        <h3>
          Tasks on it <span class="count">{it().tasks}</span>
        </h3>
        <ul>
          <For each={tasks.value()?.tasks ?? []}>
            {(task) => (
              <li class="line">
                <Said tone={toneOfTask(task.state)}>
                  <a class="mono" href={hashOf("tasks", task.id)}>
                    {visible(task.name, 60)}
                  </a>
                </Said>
                <span class="quiet">{task.state}</span>
              </li>
            )}
          </For>
        </ul>
        <Show when={it().tasks > 50}>
          <p class="quiet">and {it().tasks - 50} more</p>
        </Show>
      </section>
    </>
  )
}
