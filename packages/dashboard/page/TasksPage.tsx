/** The tasks of the cluster, newest first, a page at a time; or the one that is named in the address. */
import { createMemo, createSignal, For, Show, type JSX } from "solid-js"
import { ago, duration, elapsed, toneOfTask, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { fresh } from "./fresh.ts"
import { may, whyNot } from "./live.ts"
import { Said } from "./Mark.tsx"
import { Stale } from "./NodesPage.tsx"
import { NotUp } from "./NotUp.tsx"
import { TaskPage } from "./TaskPage.tsx"
import { nodeOf, ranMs, sinceMs } from "./timing.ts"
import { hashOf, selected } from "./view.ts"

/** Tasks on one page: as many as a person can look at. */
const pageSize = 50

const choices = [
  ["", "all"],
  ["queued,placed,running,waiting", "not over"],
  ["queued,waiting", "waiting"],
  ["placed,running", "running"],
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["cancelled", "cancelled"]
] as const

// They outlive a look at one of the tasks.
const [states, setStates] = createSignal<string>("")
const [node, setNode] = createSignal("")
const [search, setSearch] = createSignal("")
/** The cursors of the pages up to this one. */
const [cursors, setCursors] = createSignal<ReadonlyArray<string>>([])

export const TasksPage = (): JSX.Element => (
  <Show when={may("status.tasks")} fallback={<p class="quiet pad">{whyNot("status.tasks")}</p>}>
    <Show when={selected()} keyed fallback={<List />}>
      {(id) => <TaskPage id={id} />}
    </Show>
  </Show>
)

const query = (): { readonly [name: string]: string } => {
  const cursor = cursors().at(-1)
  return {
    limit: `${pageSize}`,
    ...(states() === "" ? {} : { state: states() }),
    ...(node() === "" ? {} : { node: node() }),
    ...(search() === "" ? {} : { search: search() }),
    ...(cursor === undefined ? {} : { cursor })
  }
}

/** Another question begins with its first page. */
const narrow = (change: () => void): void => {
  setCursors([])
  change()
}

const List = (): JSX.Element => {
  // A search looks at thousands of tasks: that is not done again with each of their changes.
  const it = fresh(createMemo(query), asking.tasks, { everyMs: 5_000, concerns: () => search() === "" })
  const nodes = fresh(() => undefined, asking.nodes, { everyMs: 30_000, concerns: () => false })
  const tasks = () => it.value()?.tasks ?? []
  const ids = createMemo(() => tasks().map(({ id }) => id), [], { equals: (a, b) => a.join() === b.join() })
  let typing: ReturnType<typeof setTimeout> | undefined
  const type = (text: string): void => {
    clearTimeout(typing)
    typing = setTimeout(() => narrow(() => setSearch(text.trim())), 300)
  }
  return (
    <Show
      when={it.value()}
      fallback={
        <Show when={it.problem()} fallback={<p class="quiet pad">Asking for the tasks…</p>}>
          {(problem) => <NotUp problem={problem()} what="Tasks" />}
        </Show>
      }
    >
      <section class="sheet pad tasks">
        <div class="actions">
          <h2 class="title">
            Tasks <span class="count">{tasks().length}</span>
          </h2>
          <input
            type="search"
            aria-label="Find a task by its name, group or id"
            placeholder="Find  ( / )"
            value={search()}
            maxlength="128"
            onInput={({ currentTarget }) => type(currentTarget.value)}
          />
          <select
            aria-label="Tasks in which state"
            onInput={({ currentTarget }) => narrow(() => setStates(currentTarget.value))}
          >
            <For each={choices}>
              {([value, name]) => (
                <option value={value} selected={states() === value}>
                  {name}
                </option>
              )}
            </For>
          </select>
          <select
            aria-label="Tasks on which node"
            onInput={({ currentTarget }) => narrow(() => setNode(currentTarget.value))}
          >
            <option value="">on any node</option>
            <For each={nodes.value()?.nodes ?? []}>
              {({ id }) => (
                <option value={id} selected={node() === id}>
                  on {visible(id, 40)}
                </option>
              )}
            </For>
          </select>
        </div>
        <Stale problem={it.problem()} />
        <div class="scroll" tabindex="0" role="region" aria-label="Tasks">
          <table>
            <thead>
              <tr>
                <th scope="col">Task</th>
                <th scope="col">State</th>
                <th scope="col">Node</th>
                <th scope="col" class="number">
                  Submitted
                </th>
                <th scope="col" class="number">
                  Ran
                </th>
                <th scope="col">What is to be known</th>
              </tr>
            </thead>
            <tbody>
              <For each={ids()}>
                {(id) => <Show when={tasks().find((one) => one.id === id)}>{(task) => <Row task={task()} />}</Show>}
              </For>
            </tbody>
          </table>
          <Show when={tasks().length === 0}>
            <p class="quiet pad">{nothing(it.value())}</p>
          </Show>
        </div>
        <div class="pager">
          <button
            type="button"
            disabled={cursors().length === 0}
            onClick={() => setCursors((before) => before.slice(0, -1))}
          >
            ← Newer
          </button>
          <button
            type="button"
            disabled={(it.value()?.next ?? null) === null}
            onClick={() => setCursors((before) => [...before, it.value()?.next ?? ""])}
          >
            Older →
          </button>
          <span class="quiet" role="status">
            page {cursors().length + 1}
            {search() === "" ? "" : `, looked at ${it.value()?.looked ?? 0} tasks`}
          </span>
        </div>
      </section>
    </Show>
  )
}

const isNarrowed = (): boolean => states() !== "" || node() !== "" || search() !== "" || cursors().length > 0

/** Why no task is shown. */
const nothing = (page: asking.Tasks | undefined): string => {
  if (search() !== "" && (page?.next ?? null) !== null)
    return `None of these ${page?.looked ?? 0}. Older ones are next.`
  return isNarrowed() ? "No task is like that." : nothingYet
}

const nothingYet = "There are no tasks yet. On the command line: novacron tasks submit"

const Row = (props: { readonly task: asking.Task }): JSX.Element => {
  const it = () => props.task
  return (
    <tr>
      <th scope="row">
        <a class="mono" href={hashOf("tasks", it().id)}>
          {visible(it().name, 60)}
        </a>
        <Show when={it().submission.run.driver === "vm"}>
          <span class="badge">machine</span>
        </Show>
        <Show when={it().group}>{(group) => <span class="badge">{visible(group(), 40)}</span>}</Show>
      </th>
      <td>
        <Said tone={toneOfTask(it().state)}>{it().state}</Said>
      </td>
      <td class="mono">{visible(nodeOf(it()) ?? "–", 40)}</td>
      <td class="number" title={it().createdAt}>
        {ago(sinceMs(it().createdAt))}
      </td>
      <td class="number">{ran(it())}</td>
      <td class="quiet">{visible(remark(it()), 160)}</td>
    </tr>
  )
}

const ran = (task: asking.Task): string => {
  const last = task.attempts.at(-1)
  if (last === undefined) return "–"
  return last.endedAt === null ? elapsed(ranMs(task)) : duration(ranMs(task))
}

/** Why it waits, or what went wrong last. */
const remark = ({ attempts, placement, state }: asking.Task): string => {
  if (state === "queued") {
    const isNew = attempts.length === 0
    return placement?.node === null ? placement.explanation : `It waits for ${isNew ? "its turn" : "a node again"}.`
  }
  return attempts.at(-1)?.error ?? (attempts.length > 1 ? `${attempts.length} attempts` : "")
}
