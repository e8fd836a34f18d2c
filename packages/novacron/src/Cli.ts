/**
 * The command line: names, flags, descriptions and examples. What a command does is loaded when it is asked for, so that
 * `--help` costs next to nothing.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { recommend } from "./AdviceCli.ts"
import { boot } from "./BootCli.ts"
import { asked, json, lazily, optionalText, port, source, toggle } from "./CommandFlags.ts"
import { dwcp } from "./DwcpCli.ts"
import { rollout, switching } from "./RolloutCli.ts"
import { Surroundings } from "./Surroundings.ts"
import { apiToken, nodes, tasks } from "./TasksCli.ts"

const component = Argument.String("NAME").pipe(Argument.withDescription("The name of a component, as in novacron plan"))

// ------------------------------------------------------------------------------------------------------------- plan

const plans = () => import("./Commands/Plan.ts")

const plan = Command.make("plan", source, (input) => lazily(plans, (it) => it.plan, asked(input))).pipe(
  Command.withDescription("Show what a boot would do: order, levels, critical path, worst case; nothing is started"),
  Command.withExamples([{ command: "novacron plan --json | jq .criticalPath" }])
)

const graph = Command.make(
  "graph",
  {
    ...source,
    format: Flag.Literals("format", ["mermaid", "dot", "stages", "json"]).pipe(
      Flag.withDefault("mermaid"),
      Flag.withDescription("How to draw it; stages is a line for each, as text (default: mermaid)")
    )
  },
  (input) => lazily(plans, (it) => it.graph, { ...asked(input), format: input.format })
).pipe(
  Command.withDescription("Draw the components and who needs whom"),
  Command.withExamples([
    { command: "novacron graph --format dot | dot -Tsvg > node.svg" },
    { command: "novacron graph --format stages" }
  ])
)

const impact = Command.make("impact", { component, ...source }, (input) =>
  lazily(plans, (it) => it.impact, { ...asked(input), component: input.component })
).pipe(
  Command.withDescription("Say what follows when a component cannot be had: for the boot, and for those who need it"),
  Command.withExamples([{ command: "novacron impact database" }, { command: "novacron impact dwcp/amst --json" }])
)

// ------------------------------------------------------------------------------------------------- a node that runs

const client = () => import("./Commands/Client.ts")

const status = Command.make(
  "status",
  { ...source, strict: toggle("strict", "Exit with 75 when it is degraded") },
  (input) => lazily(client, (it) => it.status, { ...asked(input), strict: input.strict })
).pipe(
  Command.withDescription("Show how the running node and each of its parts is"),
  Command.withExamples([{ command: "novacron status" }, { command: "novacron status --json | jq .report.outcome" }])
)

const why = Command.make("why", { component, ...source }, (input) =>
  lazily(client, (it) => it.why, { ...asked(input), component: input.component })
).pipe(
  Command.withDescription("Say why a component is as it is, down to the root cause"),
  Command.withExamples([{ command: "novacron why cache" }])
)

const health = Command.make("health", source, (input) => lazily(client, (it) => it.health, asked(input))).pipe(
  Command.withDescription("Probe the running node; exits with 69 when it takes no work"),
  Command.withExamples([{ command: "novacron health && echo well" }])
)

const restore = Command.make(
  "restore",
  {
    component,
    ...source,
    dryRun: toggle("dry-run", "Only say whom it concerns")
  },
  (input) => lazily(client, (it) => it.restore, { ...asked(input), component: input.component, dryRun: input.dryRun })
).pipe(
  Command.withDescription("Build a degraded or absent component again, without a restart"),
  Command.withExamples([{ command: "novacron restore cache" }])
)

/** `90s`, `1.5m` and `500ms` as people write them; a bare number is seconds. */
const spanOf = (text: string): Option.Option<Duration.Duration> => {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? []
  const factor = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit]
  return amount === undefined || factor === undefined ? Option.none() : Option.some(Duration.millis(+amount * factor))
}

// The default is longer than any template lets a stop take.
const timeout = Flag.String("timeout").pipe(
  Flag.withDefault("90s"),
  Flag.filterMap(spanOf, () => "a time such as 90s, 5m or 1h"),
  Flag.withDescription("How long to wait for the end (default: 90s)")
)

const restart = Command.make(
  "restart",
  {
    component,
    ...source,
    withDependents: toggle("with-dependents", "Take those who hold it down before it, and start them after it"),
    dryRun: toggle("dry-run", "Only say whom it concerns"),
    timeout
  },
  ({ component, dryRun, timeout, withDependents, ...input }) =>
    lazily(client, (it) => it.restart, { ...asked(input), component, dryRun, timeout, withDependents })
).pipe(
  Command.withDescription("Build one component of the running node anew, and wait until it is up again"),
  Command.withExamples([
    { command: "novacron restart cache" },
    { command: "novacron restart database --with-dependents", description: "and all who hold it, in order" }
  ])
)

const stop = Command.make(
  "stop",
  {
    component: Argument.optional(Argument.String("NAME")).pipe(
      Argument.withDescription("One component that the node can do without (default: the node)")
    ),
    ...source,
    dryRun: toggle("dry-run", "With NAME: only say whom it concerns"),
    timeout
  },
  ({ component, dryRun, timeout, ...input }) =>
    Option.match(component, {
      onNone: () => lazily(client, (it) => it.stop, { ...asked(input), dryRun, timeout }),
      onSome: (name) => lazily(client, (it) => it.stopComponent, { ...asked(input), component: name, dryRun, timeout })
    })
).pipe(
  Command.withDescription("Stop the running node in reverse order, or one component of it, and wait until it is down"),
  Command.withExamples([
    { command: "novacron stop" },
    { command: "novacron stop ml", description: "one component; novacron restore ml brings it back" }
  ])
)

const reload = Command.make("reload", source, (input) => lazily(client, (it) => it.reload, asked(input))).pipe(
  Command.withDescription("Let the running node read its settings again, as SIGHUP does"),
  Command.withExamples([{ command: "novacron reload" }])
)

const dashboard = Command.make(
  "dashboard",
  {
    ...source,
    port: port.pipe(
      Flag.withDefault(0),
      Flag.withDescription("Where to show the journals when no node runs (default: any)")
    ),
    role: optionalText("role", "What whoever opens it may do, a role of security.roles (default: admin)"),
    name: optionalText("for", "Who opens it, for the audit log (default: local)")
  },
  (input) =>
    lazily(
      () => import("./Commands/Dashboard.ts"),
      (it) => it.dashboard,
      {
        ...asked(input),
        port: input.port,
        role: Option.getOrUndefined(input.role),
        name: Option.getOrUndefined(input.name)
      }
    )
).pipe(
  Command.withDescription("Print an address that opens the dashboard of the node; without a node, of its journals"),
  Command.withExamples([{ command: "novacron dashboard" }, { command: "novacron dashboard --role viewer --for alice" }])
)

// ------------------------------------------------------------------------------------------------------- the settings

const settings = () => import("./Commands/Config.ts")

const file = Argument.String("FILE").pipe(Argument.withDescription("A file of settings"))
const check = Command.make("check", source, (input) => lazily(settings, (it) => it.check, asked(input))).pipe(
  Command.withDescription("Say whether the settings can be used, and everything that is wrong with them at once"),
  Command.withExamples([{ command: "novacron config check -c novacron.yaml" }])
)

const explainSetting = Command.make(
  "explain",
  {
    key: Argument.optional(Argument.String("KEY")).pipe(Argument.withDescription("database.url, or a section")),
    ...source
  },
  (input) => lazily(settings, (it) => it.explain, { ...asked(input), key: Option.getOrUndefined(input.key) })
).pipe(
  Command.withDescription("Show which value wins, where it comes from, and what it overrides"),
  Command.withExamples([{ command: "novacron config explain database.url" }])
)

const diff = Command.make(
  "diff",
  {
    a: Argument.String("A").pipe(Argument.withDescription("A file of settings")),
    b: Argument.optional(Argument.String("B")).pipe(
      Argument.withDescription("Another one; default: what is in effect")
    ),
    ...source
  },
  (input) => lazily(settings, (it) => it.diff, { ...asked(input), a: input.a, b: Option.getOrUndefined(input.b) })
).pipe(
  Command.withDescription("Show how two files differ, secrets masked; exit code 1 when they do"),
  Command.withExamples([{ command: "novacron config diff old.yaml new.yaml" }])
)

const schema = Command.make("schema", { json }, (input) => lazily(settings, (it) => it.schema, input)).pipe(
  Command.withDescription("Print the JSON Schema of a file of settings, for editors"),
  Command.withExamples([{ command: "novacron config schema > novacron.schema.json" }])
)

const init = Command.make(
  "init",
  {
    template: Argument.optional(Argument.String("TEMPLATE")).pipe(
      Argument.withDescription("datacenter, internet, hybrid or development")
    ),
    out: optionalText("out", "Write to this file, which must not exist yet (default: stdout)"),
    json
  },
  ({ json, out, template }) =>
    lazily(settings, (it) => it.init, {
      json,
      out: Option.getOrUndefined(out),
      template: Option.getOrUndefined(template)
    })
).pipe(
  Command.withDescription("Print a first file of settings, with everything that could be set as comments"),
  Command.withExamples([{ command: "novacron config init datacenter --out novacron.yaml" }])
)

const sealing = {
  value: Argument.optional(Argument.String("VALUE")).pipe(
    Argument.withDescription("The value, when --key is given (default: from stdin, where nobody sees it)")
  ),
  key: optionalText("key", "The setting that the value is for; it opens at no other"),
  file: optionalText("file", "All secrets of this file"),
  write: toggle("write", "Change the file in place (default: print it)"),
  ...source
}

const sealed = (
  input: Parameters<typeof asked>[0] & { readonly [K in "key" | "value" | "file"]: Option.Option<string> }
) => ({
  ...asked(input),
  key: Option.getOrUndefined(input.key),
  value: Option.getOrUndefined(input.value),
  file: Option.getOrUndefined(input.file)
})

const encrypt = Command.make("encrypt", sealing, (input) =>
  lazily(settings, (it) => it.encrypt, { ...sealed(input), write: input.write })
).pipe(
  Command.withDescription("Encrypt a value for a setting, or all secrets of a file"),
  Command.withExamples([
    { command: "novacron config encrypt --key database.url < url.txt" },
    { command: "novacron config encrypt --file novacron.yaml --write" }
  ])
)

const decrypt = Command.make("decrypt", sealing, (input) =>
  lazily(settings, (it) => it.decrypt, { ...sealed(input), write: input.write })
).pipe(
  Command.withDescription("Decrypt a value of a setting, or a file; what it prints is a secret"),
  Command.withExamples([{ command: "novacron config decrypt --key database.url enc:AES256:…" }])
)

const rekey = Command.make(
  "rekey",
  {
    file: Flag.String("file").pipe(Flag.withDescription("All encrypted values of this file")),
    write: sealing.write,
    ...source
  },
  (input) => lazily(settings, (it) => it.rekey, { ...asked(input), file: input.file, write: input.write })
).pipe(
  Command.withDescription("Encrypt a file anew with the current key of the keyring"),
  Command.withExamples([{ command: "novacron config rekey --file novacron.yaml --write" }])
)

const keygen = Command.make(
  "keygen",
  {
    id: Argument.optional(Argument.String("ID")).pipe(Argument.withDescription("The name of the key, for rotation")),
    json
  },
  ({ id, json }) => lazily(settings, (it) => it.keygen, { json, id: Option.getOrUndefined(id) })
).pipe(
  Command.withDescription("Print a new key for a keyring"),
  Command.withExamples([{ command: "(umask 077; novacron config keygen > config.key)" }])
)

const sign = Command.make(
  "sign",
  {
    file,
    key: Flag.String("key").pipe(Flag.withDescription("The private key, PEM: RSA, ECDSA or Ed25519")),
    out: optionalText("out", "Where to write the signature (default: FILE.sig)"),
    json
  },
  ({ file, json, key, out }) => lazily(settings, (it) => it.sign, { file, json, key, out: Option.getOrUndefined(out) })
).pipe(
  Command.withDescription("Sign a file, as openssl dgst -sha256 -sign would"),
  Command.withExamples([{ command: "novacron config sign novacron.yaml --key private.pem" }])
)

const verify = Command.make(
  "verify",
  {
    file,
    key: optionalText("key", "Public keys, PEM, separated by colons (default: NOVACRON_CONFIG_PUBLIC_KEYS)"),
    signature: optionalText("signature", "Where the signature is (default: FILE.sig)"),
    json
  },
  ({ file, json, key, signature }) =>
    lazily(settings, (it) => it.verify, {
      file,
      json,
      keys: Option.match(key, { onNone: () => [], onSome: (paths) => paths.split(":") }),
      signature: Option.getOrUndefined(signature)
    })
).pipe(
  Command.withDescription("Say whether the signature of a file is good"),
  Command.withExamples([{ command: "novacron config verify novacron.yaml --key public.pem" }])
)

const history = Command.make("history", source, (input) => lazily(settings, (it) => it.history, asked(input))).pipe(
  Command.withDescription("List the versions of the file that this node has booted with"),
  Command.withExamples([{ command: "novacron config history" }])
)

const rollback = Command.make(
  "rollback",
  { number: Argument.Int("VERSION").pipe(Argument.withDescription("A number of novacron config history")), ...source },
  (input) => lazily(settings, (it) => it.rollback, { ...asked(input), number: input.number })
).pipe(
  Command.withDescription("Make the file what it was in a version"),
  Command.withExamples([{ command: "novacron config rollback 3" }])
)

const configuration = Command.make("config").pipe(
  Command.withDescription("Look at settings, write them, protect them"),
  Command.withExamples([
    { command: "novacron config check", description: "can they be used?" },
    { command: "novacron config explain database.url", description: "which value wins?" }
  ]),
  Command.withSubcommands([
    check,
    explainSetting,
    diff,
    schema,
    init,
    encrypt,
    decrypt,
    rekey,
    keygen,
    sign,
    verify,
    history,
    rollback
  ])
)

const doctor = Command.make("doctor", source, (input) =>
  lazily(
    () => import("./Commands/Doctor.ts"),
    (it) => it.doctor,
    asked(input)
  )
).pipe(
  Command.withDescription(
    "Look at everything that a boot would need, and say what is missing; exits with 78 when something is"
  ),
  Command.withExamples([{ command: "novacron doctor" }])
)

const capacity = Command.make("capacity", source, (input) =>
  lazily(
    () => import("./Commands/Capacity.ts"),
    (it) => it.capacity,
    asked(input)
  )
).pipe(
  Command.withDescription("Say what the settings would need, and whether this machine has it; exits with 78 when not"),
  Command.withExamples([
    { command: "novacron capacity" },
    { command: "novacron capacity -s network.max_connections=50000 --json | jq .sum" }
  ])
)

// ------------------------------------------------------------------------------------------------------------ traces

const traces = () => import("./Commands/Trace.ts")

const serveTraces = Command.make(
  "serve",
  {
    port: port.pipe(
      Flag.withDefault(4318),
      Flag.withDescription("Where to listen on 127.0.0.1; 0 for any (default: 4318)")
    ),
    ...source
  },
  (input) => lazily(traces, (it) => it.serve, { ...asked(input), port: input.port })
).pipe(
  Command.withDescription(
    "Receive the traces of any program by OTLP (JSON, protobuf, gRPC) and show them in a browser"
  ),
  Command.withExamples([{ command: "novacron trace serve", description: "then send traces to http://127.0.0.1:4318" }])
)

const trace = Command.make(
  "trace",
  {
    boot: Argument.optional(Argument.String("BOOT")).pipe(
      Argument.withDescription("last, last~1, an id or its beginning, a file of a journal (default: last)")
    ),
    other: Argument.optional(Argument.String("OTHER")).pipe(Argument.withDescription("The second boot, for --diff")),
    html: toggle("html", "Write a page that is complete in itself"),
    svg: toggle("svg", "Write a picture"),
    mermaid: toggle("mermaid", "Write a sequence diagram, for Mermaid"),
    perfetto: toggle("perfetto", "Write a Chrome trace, for ui.perfetto.dev"),
    otlp: optionalText("otlp", "Send it to this collector: http://127.0.0.1:4318"),
    diff: toggle("diff", "Compare two boots, and name the component that moved the critical path"),
    whatIf: Flag.optional(Flag.KeyValuePair("what-if")).pipe(
      Flag.withDescription("What would have been won: --what-if database=0.5 is a database twice as fast")
    ),
    list: toggle("list", "List the boots of the data directory"),
    out: optionalText("out", "Write to this file (default: stdout)"),
    width: Flag.optional(Flag.Int("width")).pipe(
      Flag.withDescription("Columns of the chart (default: COLUMNS, or 100)")
    ),
    ...source
  },
  (input) =>
    lazily(traces, (it) => it.trace, {
      ...asked(input),
      boot: Option.getOrUndefined(input.boot),
      other: Option.getOrUndefined(input.other),
      formats: (["html", "svg", "mermaid", "perfetto"] as const).filter((format) => input[format]),
      otlp: Option.getOrUndefined(input.otlp),
      diff: input.diff,
      whatIf: Option.getOrElse(input.whatIf, () => ({})),
      list: input.list,
      out: Option.getOrUndefined(input.out),
      width: Option.getOrUndefined(input.width)
    })
).pipe(
  Command.withDescription("Show what each component did with its time in a boot: the last one, or one that is named"),
  Command.withExamples([
    { command: "novacron trace", description: "the last boot, in the terminal" },
    { command: "novacron trace last~1 --html --out boot.html", description: "the one before, as a page" },
    { command: "novacron trace --diff last~1 last", description: "what made it slower?" },
    { command: "novacron trace --what-if database=0.5", description: "what would a faster database win?" }
  ]),
  Command.withSubcommands([serveTraces])
)

// --------------------------------------------------------------------------------------------------------------- help

const explain = Command.make(
  "explain",
  { code: Argument.optional(Argument.String("CODE")).pipe(Argument.withDescription("NVC-2101, or just 2101")), json },
  ({ code, json }) =>
    lazily(
      () => import("./Commands/Explain.ts"),
      (it) => it.explain,
      { code: Option.getOrUndefined(code), json }
    )
).pipe(
  Command.withDescription("Print the runbook of an error code; without one, all codes"),
  Command.withExamples([{ command: "novacron explain NVC-3001" }])
)

const completion = Command.make(
  "completion",
  { shell: Argument.Literals("SHELL", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish")) },
  ({ shell }) =>
    Effect.gen(function* () {
      const { stdout } = yield* Surroundings
      stdout.write(`${Completions.generate("novacron", shell, Completions.fromCommand(all())).trimEnd()}\n`)
    })
).pipe(
  Command.withDescription("Print the completion script of a shell"),
  Command.withExamples([{ command: "novacron completion bash > /etc/bash_completion.d/novacron" }])
)

const all = (): Command.Command.Any => novacron

/** All of it. */
export const novacron = Command.make("novacron").pipe(
  Command.withDescription("Boots one node of a distributed VM management system, and keeps it up."),
  Command.withExamples([
    { command: "novacron boot", description: "a node on embedded defaults" },
    { command: "novacron status", description: "what is up, what is not" },
    { command: "novacron why cache", description: "and why not" },
    { command: "novacron config explain database.url", description: "which value wins, and where it comes from" }
  ]),
  Command.withSubcommands([
    boot,
    plan,
    graph,
    impact,
    status,
    why,
    health,
    restore,
    restart,
    stop,
    reload,
    dashboard,
    configuration,
    trace,
    dwcp,
    nodes,
    tasks,
    apiToken,
    switching,
    rollout,
    recommend,
    doctor,
    capacity,
    explain,
    completion
  ])
)
