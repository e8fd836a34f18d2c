/** One task: what it prints as it prints it, what it is, why it is where it is, and how to end it. */
import { createMemo, createSignal, For, onCleanup, Show, type JSX } from "solid-js"
import { ago, amount, bytes, duration, elapsed, memory, toneOfTask, visible } from "../src/Words.ts"
import * as asking from "./asking.ts"
import { Cancelling } from "./Cancelling.tsx"
import { follow, nothing, type Told } from "./following.ts"
import { fresh } from "./fresh.ts"
import { clock, may, whyNot } from "./live.ts"
import { Said } from "./Mark.tsx"
import { Stale } from "./NodesPage.tsx"
import { NotUp } from "./NotUp.tsx"
import { Why } from "./Placement.tsx"
import { Figure } from "./TimelinePage.tsx"
import { nodeOf, ranMs, sinceMs } from "./timing.ts"
import { hashOf } from "./view.ts"

type Task = asking.Task

export const TaskPage = (props: { readonly id: string }): JSX.Element => {
  const it = fresh(() => props.id, asking.task, {
    everyMs: 5_000,
    concerns: ({ isMore, tasks }) => isMore || tasks.includes(props.id)
  })
  const [isAsked, setIsAsked] = createSignal(false)
  return (
    <Show
      when={it.value()}
      fallback={
        <Show when={it.problem()} fallback={<p class="quiet pad">Asking for the task…</p>}>
          {(problem) => (
            <>
              <a class="back pad" href={hashOf("tasks")}>
                ← all tasks
              </a>
              <NotUp problem={problem()} what="Tasks" />
            </>
          )}
        </Show>
      }
    >
      {(task) => (
        <div class="split">
          <section class="sheet task">
            <Head task={task()} onCancel={() => setIsAsked(true)} />
            <Stale problem={it.problem()} />
            <Printed task={task()} />
          </section>
          <aside class="detail" aria-label="About the task">
            <Why task={task()} />
            <Attempts task={task()} />
            <Spec task={task()} />
          </aside>
          <Show when={isAsked()}>
            <Cancelling task={task()} onClose={() => setIsAsked(false)} onDone={it.again} />
          </Show>
        </div>
      )}
    </Show>
  )
}

const isOver = ({ state }: Task): boolean => state === "succeeded" || state === "failed" || state === "cancelled"

const at = (time: string): number => Date.parse(time)

// --------------------------------------------------------------------------------------------------------------- head

const Head = (props: { readonly task: Task; readonly onCancel: () => void }): JSX.Element => {
  const it = () => props.task
  const endMs = () => (isOver(it()) ? at(it().updatedAt) : clock())
  const waited = () => Math.max(0, endMs() - at(it().createdAt) - ranMs(it()))
  const reason = () => (isOver(it()) ? "It is over." : may("tasks.cancel") ? undefined : whyNot("tasks.cancel"))
  return (
    <header class="taskhead">
      <div class="actions">
        <a class="back" href={hashOf("tasks")}>
          ← all tasks
        </a>
        <h2 class="mono title">{visible(it().name, 128)}</h2>
        <Said tone={toneOfTask(it().state)}>{it().state}</Said>
        <span class="push" />
        <button
          type="button"
          disabled={reason() !== undefined}
          aria-describedby={reason() === undefined ? undefined : "why-not"}
          onClick={props.onCancel}
        >
          Cancel…
        </button>
        <Show when={reason()}>
          {(why) => (
            <span class="quiet small" id="why-not">
              {why()}
            </span>
          )}
        </Show>
      </div>
      <dl class="figures">
        <Figure name="node" value={visible(nodeOf(it()) ?? "none", 40)} />
        <Figure name="submitted" value={ago(sinceMs(it().createdAt))} />
        <Figure name="waited" value={waited() < 1_000 ? duration(waited()) : elapsed(waited())} />
        <Figure name={isOver(it()) ? "ran" : "runs for"} value={timeOf(it())} />
        <Figure name="attempt" value={`${it().attempts.length} of ${it().submission.attempts ?? 1}`} />
        <Figure name="ended with" value={endingOf(it().attempts.at(-1))} />
      </dl>
      <Course task={it()} endMs={endMs()} />
    </header>
  )
}

const timeOf = (task: Task): string => {
  if (task.attempts.length === 0) return "–"
  return isOver(task) ? duration(ranMs(task)) : elapsed(ranMs(task))
}

const endingOf = (attempt: asking.Attempt | undefined): string => {
  if (attempt === undefined || attempt.endedAt === null) return "–"
  return attempt.signal ?? (attempt.exitCode === null ? "no code" : `code ${attempt.exitCode}`)
}

const width = 600

/** Its course through time: grey it waited, blue it runs, green and red say how an attempt ended. */
const Course = (props: { readonly task: Task; readonly endMs: number }): JSX.Element => {
  const beginMs = () => at(props.task.createdAt)
  const scale = () => width / Math.max(1, props.endMs - beginMs())
  const parts = () =>
    props.task.attempts.slice(-200).map(({ endedAt, error, startedAt }) => ({
      x: Math.max(0, (at(startedAt) - beginMs()) * scale()),
      width: Math.max(2, ((endedAt === null ? props.endMs : at(endedAt)) - at(startedAt)) * scale()),
      state: endedAt === null ? "running" : error === null ? "ready" : "failed"
    }))
  return (
    <svg
      class="course"
      viewBox={`0 0 ${width} 10`}
      preserveAspectRatio="none"
      height="10"
      role="img"
      aria-label={`${props.task.attempts.length} attempts in ${duration(props.endMs - beginMs())}`}
    >
      <rect class="bar" data-state="waiting" width={width} height="10" />
      <For each={parts()}>
        {(part) => <rect class="bar" data-state={part.state} x={part.x} width={part.width} height="10" />}
      </For>
    </svg>
  )
}

// ------------------------------------------------------------------------------------------------------------- output

const lines: { readonly [L in Told["line"]]: string } = {
  opening: "asking…",
  live: "live",
  lost: "not heard, trying again…",
  ended: "complete"
}

const Printed = (props: { readonly task: Task }): JSX.Element => (
  <Show
    when={may("tasks.output")}
    fallback={<p class="quiet pad">What it prints is not shown. {whyNot("tasks.output")}</p>}
  >
    <Output id={props.task.id} />
  </Show>
)

const Output = (props: { readonly id: string }): JSX.Element => {
  const [told, setTold] = createSignal<Told>(nothing)
  const [isFollowed, setIsFollowed] = createSignal(true)
  let place: HTMLPreElement | undefined
  const stick = (): void => {
    if (place !== undefined && isFollowed()) place.scrollTop = place.scrollHeight
  }
  onCleanup(
    follow(props.id, (it) => {
      setTold(it)
      stick()
    })
  )
  const isEmpty = createMemo(() => told().blocks.length === 0)
  return (
    <>
      <div class="actions printed">
        <h3>
          Output <span class="count">{bytes(told().bytes)}</span>
        </h3>
        <span class="quiet" role="status">
          {lines[told().line]}
        </span>
        <span class="push" />
        <span class="quiet small stderr-sign">stderr has a line beside it</span>
        <label>
          <input
            type="checkbox"
            checked={isFollowed()}
            onChange={({ currentTarget }) => {
              setIsFollowed(currentTarget.checked)
              stick()
            }}
          />{" "}
          to the end
        </label>
      </div>
      <pre
        class="output"
        role="log"
        aria-live="off"
        aria-label="What the task prints"
        tabindex="0"
        ref={(it) => (place = it)}
        onScroll={({ currentTarget: { clientHeight, scrollHeight, scrollTop } }) =>
          setIsFollowed(scrollHeight - scrollTop - clientHeight < 24)
        }
      >
        <Show when={told().dropped > 0}>
          <span class="gap">the first {told().dropped} characters are not shown any more</span>
        </Show>
        <For each={told().blocks}>
          {(block) =>
            "missing" in block ? (
              <span class="gap">{bytes(block.missing)} are missing: the node keeps the latest only</span>
            ) : (
              <span data-stream={block.stream}>{block.text}</span>
            )
          }
        </For>
        <Show when={isEmpty()}>
          <span class="quiet">
            {told().line === "ended" ? "It has printed nothing." : "It has printed nothing yet."}
          </span>
        </Show>
      </pre>
    </>
  )
}

// ----------------------------------------------------------------------------------------------------- what it is

const Attempts = (props: { readonly task: Task }): JSX.Element => (
  <section>
    <h3>
      Attempts <span class="count">{props.task.attempts.length}</span>
    </h3>
    <ol class="tries">
      <For
        each={props.task.attempts.slice(-20)}
        fallback={<li class="quiet">{props.task.attempts.length === 0 ? "None has begun." : ""}</li>}
      >
        {(attempt) => (
          <li>
            <span class="mono">{attempt.number}</span>
            <span>
              on <span class="mono">{visible(attempt.node, 60)}</span>,{" "}
              {attempt.endedAt === null
                ? `since ${elapsed(sinceMs(attempt.startedAt))}`
                : `${duration(at(attempt.endedAt) - at(attempt.startedAt))}, ${endingOf(attempt)}`}
              <Show when={attempt.error}>{(error) => <p class="quiet">{visible(error(), 400)}</p>}</Show>
            </span>
          </li>
        )}
      </For>
    </ol>
  </section>
)

const Spec = (props: { readonly task: Task }): JSX.Element => {
  const it = () => props.task.submission
  const wanted = createMemo(() => constraintsOf(it().constraints))
  return (
    <section>
      <h3>What was asked for</h3>
      <Show when={commandOf(it().run)}>{(command) => <pre class="command">{written(command())}</pre>}</Show>
      <dl class="pairs">
        <For each={partsOf(it().run)}>
          {([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd class="mono">{visible(value)}</dd>
            </>
          )}
        </For>
        <dt>id</dt>
        <dd class="mono">{props.task.id}</dd>
        <dt>submitted by</dt>
        <dd>{visible(props.task.submittedBy, 80)}</dd>
        <dt>group</dt>
        <dd>{visible(props.task.group ?? "none", 80)}</dd>
        <dt>demand</dt>
        <dd>
          <Show when={it().demand} fallback="nothing">
            {(demand) => `${amount(demand().cpu)} cores, ${memory(demand().memory)}`}
          </Show>
        </dd>
        <dt>attempts</dt>
        <dd>{it().attempts ?? "as the node has it"}</dd>
        <dt>timeout</dt>
        <dd>{it().timeoutMs === undefined ? "none" : duration(it().timeoutMs ?? 0)}</dd>
        <Show when={it().graceMs !== undefined}>
          <dt>grace</dt>
          <dd>{duration(it().graceMs ?? 0)}</dd>
        </Show>
        <For each={wanted()}>
          {([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{visible(value, 200)}</dd>
            </>
          )}
        </For>
        <Show when={it().idempotencyKey}>
          {(key) => (
            <>
              <dt>idempotency</dt>
              <dd class="mono">{visible(key(), 120)}</dd>
            </>
          )}
        </Show>
      </dl>
    </section>
  )
}

const commandOf = (run: asking.Run): ReadonlyArray<string> | undefined =>
  run.driver === "process" ? run.command : undefined

/** Besides its command: where a program runs and what it is given, or what a virtual machine is made of. */
const partsOf = (run: asking.Run): ReadonlyArray<readonly [name: string, value: string]> => {
  if (run.driver === "process") {
    const { directory, env = {} } = run
    const variables = Object.keys(env).join(", ")
    return [
      ...(directory === undefined ? [] : [["directory", directory] as const]),
      ...(variables === "" ? [] : [["variables", variables] as const])
    ]
  }
  const { commandLine, disks = [], initrd, kernel, network = "none" } = run
  return [
    ["driver", "virtual machine"],
    ...(kernel === undefined ? [] : [["kernel", kernel] as const]),
    ...(initrd === undefined ? [] : [["initrd", initrd] as const]),
    ...(commandLine === undefined ? [] : [["command line", commandLine] as const]),
    ...disks.map(
      ({ format, path, readOnly }) => ["disk", `${path} (${format}${readOnly === true ? ", read-only" : ""})`] as const
    ),
    ["network", network]
  ]
}

/** What a command is in a shell; more of it than this nobody reads. */
const written = (command: ReadonlyArray<string>): string =>
  command
    .slice(0, 64)
    .map((word) =>
      quoted(
        word
          .slice(0, 4_000)
          .split("\n")
          .map((line) => visible(line))
          .join("\n")
      )
    )
    .join(" ")

/** As a shell would want it, so that it can be read. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

const constraintsOf = (
  constraints: Task["submission"]["constraints"]
): ReadonlyArray<readonly [name: string, value: string]> => {
  const { affinity, antiAffinity, excludedRegions, labels, node, regions } = constraints ?? {}
  const all = [
    ["labels", Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`)],
    ["regions", regions ?? []],
    ["not in", excludedRegions ?? []],
    ["with", affinity ?? []],
    ["not with", antiAffinity ?? []],
    ["node", node === undefined ? [] : [node]]
  ] as const
  return all.flatMap(([name, values]) => (values.length === 0 ? [] : [[name, values.join(", ")] as const]))
}
