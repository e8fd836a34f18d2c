/** The command lines of what the API of a node is asked for: `nodes`, `tasks`, `api-token`. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { asked, lazily, optionalText, source, toggle, whole } from "./CommandFlags.ts"

const work = () => import("./Commands/Tasks.ts")

/** Which node is asked. */
const common = {
  ...source,
  url: optionalText("url", "Ask the API at https://NODE:8443, with the token in NOVACRON_API_TOKEN"),
  ca: optionalText("ca", "The CA of that node, PEM (default: those of the system)")
}

const flagsOf = (input: Parameters<typeof asked>[0] & { readonly [K in "url" | "ca"]: Option.Option<string> }) => ({
  ...asked(input),
  url: Option.getOrUndefined(input.url),
  ca: Option.getOrUndefined(input.ca)
})

const id = Argument.String("ID").pipe(Argument.withDescription("Of a task, as in novacron tasks list"))

/** `novacron nodes` */
export const nodes = Command.make("nodes", common, (input) => lazily(work, (it) => it.nodes, flagsOf(input))).pipe(
  Command.withDescription("Show the nodes of the cluster: what they have, what of it is used; * coordinates"),
  Command.withExamples([{ command: "novacron nodes" }, { command: "novacron nodes --json | jq '.[].id'" }])
)

/** How much of something, as far as the API takes it: it would name its own field, and not the flag. */
const amount = (name: string, least: number, most: number, description: string) =>
  Flag.optional(
    Flag.Finite(name).pipe(
      Flag.filter(
        (given) => given >= least && given <= most,
        () => `a number from ${least} to ${most}`
      )
    )
  ).pipe(Flag.withDescription(description))

/** A whole number that the API would not take otherwise. */
const within = (name: string, usual: number, most: number, description: string) =>
  whole(name, 1, most).pipe(Flag.withDefault(usual), Flag.withDescription(`${description} (default: ${usual})`))

const pairs = (name: string, description: string) =>
  Flag.optional(Flag.KeyValuePair(name)).pipe(Flag.withDescription(description))

const submit = Command.make(
  "submit",
  {
    ...common,
    command: Argument.String("COMMAND").pipe(
      Argument.withDescription("The program and its arguments, behind two dashes"),
      Argument.variadic()
    ),
    file: optionalText("file", "A JSON file with the whole submission, as the API takes it: for a virtual machine"),
    name: optionalText("name", "What it is called (default: the program)"),
    group: optionalText("group", "The group it belongs to"),
    cpu: amount("cpu", 0, 4_096, "Cores that it needs"),
    memory: amount("memory", 0, 67_108_864, "MiB that it needs"),
    attempts: Flag.optional(whole("attempts", 1, 20)).pipe(
      Flag.withDescription("How often it is tried in all, 1 to 20")
    ),
    timeout: amount("timeout", 0.001, 2_592_000, "Seconds that one attempt may take"),
    node: optionalText("node", "Run it on this node"),
    label: pairs("label", "Run it where this label is: --label disk=ssd; may be repeated"),
    env: pairs("env", "Set a variable for it: --env TZ=UTC; may be repeated"),
    key: optionalText("key", "The same key twice is the same task"),
    wait: toggle("wait", "Tell what becomes of it, and leave with 69 unless it succeeds")
  },
  (input) =>
    lazily(work, (it) => it.submit, {
      ...flagsOf(input),
      command: input.command,
      file: Option.getOrUndefined(input.file),
      name: Option.getOrUndefined(input.name),
      group: Option.getOrUndefined(input.group),
      cpu: Option.getOrUndefined(input.cpu),
      memory: Option.getOrUndefined(input.memory),
      attempts: Option.getOrUndefined(input.attempts),
      timeout: Option.getOrUndefined(Option.map(input.timeout, (s) => Duration.millis(Math.round(s * 1_000)))),
      node: Option.getOrUndefined(input.node),
      labels: Option.getOrElse(input.label, () => ({})),
      env: Option.getOrElse(input.env, () => ({})),
      key: Option.getOrUndefined(input.key),
      wait: input.wait
    })
).pipe(
  Command.withDescription("Submit a task: a program that one of the nodes runs, or with --file a virtual machine"),
  Command.withExamples([
    { command: "novacron tasks submit --cpu 1 --memory 512 -- /usr/bin/report --day yesterday" },
    { command: "novacron tasks submit --wait --key nightly-2026-11-22 -- ./nightly.sh" }
  ])
)

const list = Command.make(
  "list",
  {
    ...common,
    state: Flag.optional(
      Flag.Literals("state", ["queued", "placed", "running", "waiting", "succeeded", "failed", "cancelled"])
    ).pipe(Flag.withDescription("Only these")),
    group: optionalText("group", "Only of this group"),
    node: optionalText("node", "Only on this node"),
    limit: within("limit", 50, 1_000, "How many, 1 to 1000"),
    cursor: optionalText("cursor", "Go on where the page before has ended, as it says there")
  },
  (input) =>
    lazily(work, (it) => it.list, {
      ...flagsOf(input),
      state: Option.getOrUndefined(input.state),
      group: Option.getOrUndefined(input.group),
      node: Option.getOrUndefined(input.node),
      limit: input.limit,
      cursor: Option.getOrUndefined(input.cursor)
    })
).pipe(
  Command.withDescription("List tasks, newest first"),
  Command.withExamples([{ command: "novacron tasks list --state failed" }])
)

const show = Command.make("show", { id, ...common }, (input) =>
  lazily(work, (it) => it.show, { ...flagsOf(input), id: input.id })
).pipe(
  Command.withDescription("Show one task: why it is where it is, and what became of each attempt"),
  Command.withExamples([{ command: "novacron tasks show ID --json | jq .placement" }])
)

const logs = Command.make("logs", { id, ...common, follow: toggle("follow", "Go on until the task ends") }, (input) =>
  lazily(work, (it) => it.logs, { ...flagsOf(input), id: input.id, follow: input.follow })
).pipe(
  Command.withDescription("Print what a task has printed: stdout to stdout, stderr to stderr"),
  Command.withExamples([{ command: "novacron tasks logs ID --follow" }])
)

const cancel = Command.make("cancel", { id, ...common }, (input) =>
  lazily(work, (it) => it.cancel, { ...flagsOf(input), id: input.id })
).pipe(
  Command.withDescription("Cancel a task; one that has ended stays as it is"),
  Command.withExamples([{ command: "novacron tasks cancel ID" }])
)

/** `novacron tasks` and what is below it. */
export const tasks = Command.make("tasks").pipe(
  Command.withDescription("The work of the cluster: submit, list, show, logs, cancel"),
  Command.withExamples([{ command: "novacron tasks submit --wait -- /bin/echo hello" }]),
  Command.withSubcommands([submit, list, show, logs, cancel])
)

const createToken = Command.make(
  "create",
  {
    name: Argument.String("NAME").pipe(Argument.withDescription("Whom it stands for, in the audit log")),
    ...common,
    role: Flag.String("role").pipe(Flag.withDescription("A role, or several with commas between")),
    days: within("days", 90, 3_650, "How many days it is valid, 1 to 3650")
  },
  (input) =>
    lazily(work, (it) => it.createToken, {
      ...flagsOf(input),
      name: input.name,
      role: input.role,
      days: input.days
    })
).pipe(
  Command.withDescription("Make a token for a program; it is shown this once, on stdout"),
  Command.withExamples([{ command: "novacron api-token create ci --role operator > token" }])
)

const listTokens = Command.make("list", common, (input) => lazily(work, (it) => it.listTokens, flagsOf(input))).pipe(
  Command.withDescription("List the tokens that are valid; what they are nobody knows"),
  Command.withExamples([{ command: "novacron api-token list" }])
)

const revokeToken = Command.make(
  "revoke",
  { id: Argument.String("ID").pipe(Argument.withDescription("Of a token, as in novacron api-token list")), ...common },
  (input) => lazily(work, (it) => it.revokeToken, { ...flagsOf(input), id: input.id })
).pipe(
  Command.withDescription("Revoke a token"),
  Command.withExamples([{ command: "novacron api-token revoke 0123456789abcdef" }])
)

/** `novacron api-token` and what is below it. */
export const apiToken = Command.make("api-token").pipe(
  Command.withDescription("Tokens of programs that talk to the API: create, list, revoke"),
  Command.withExamples([{ command: "novacron api-token create ci --role operator" }]),
  Command.withSubcommands([createToken, listTokens, revokeToken])
)
