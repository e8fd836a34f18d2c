/** The command lines of `novacron switch` and `novacron rollout`: a new node in the place of an old one. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { json, lazily, optionalText, toggle } from "./CommandFlags.ts"

const switches = () => import("./Commands/Switch.ts")

const directory = Flag.String("dir").pipe(
  Flag.withDefault(".novacron-switch"),
  Flag.withDescription("Where the switch keeps its socket, its weights and its audit log (default: .novacron-switch)")
)

const span = (name: string, usual: string, description: string) =>
  Flag.String(name).pipe(Flag.withDefault(usual), Flag.withDescription(`${description} (default: ${usual})`))

const serve = Command.make(
  "serve",
  {
    directory,
    listen: Flag.String("listen").pipe(
      Flag.withDefault("127.0.0.1:8443"),
      Flag.withDescription("HOST:PORT where clients connect (default: 127.0.0.1:8443)")
    ),
    to: Flag.optional(Flag.KeyValuePair("to")).pipe(
      Flag.withDescription(
        "NAME=HOST:PORT of a node; may be repeated, the first one serves until somebody says otherwise"
      )
    ),
    drain: span("drain", "30s", "How long connections may go on after SIGTERM"),
    json
  },
  ({ to, ...input }) => lazily(switches, (it) => it.serve, { ...input, to: Option.getOrElse(to, () => ({})) })
).pipe(
  Command.withDescription("Stand before nodes, and hand each connection to one of them; TLS goes through as it is"),
  Command.withExamples([{ command: "novacron switch serve --listen 0.0.0.0:8443 --to blue=127.0.0.1:18443" }])
)

const show = Command.make("show", { directory, json }, (input) => lazily(switches, (it) => it.show, input)).pipe(
  Command.withDescription("Show which share each node gets, and what became of its connections"),
  Command.withExamples([{ command: "novacron switch show --json | jq .backends" }])
)

const set = Command.make(
  "set",
  {
    weights: Flag.KeyValuePair("weight").pipe(Flag.withDescription("NAME=0 to NAME=100; may be repeated")),
    directory,
    json
  },
  (input) => lazily(switches, (it) => it.set, input)
).pipe(
  Command.withDescription("Give nodes their shares by hand, at once; connections that are there stay where they are"),
  Command.withExamples([{ command: "novacron switch set --weight blue=100 --weight green=0" }])
)

/** `novacron switch` and what is below it. */
export const switching = Command.make("switch").pipe(
  Command.withDescription("A switch before nodes: serve, show, set"),
  Command.withExamples([{ command: "novacron switch show" }]),
  Command.withSubcommands([serve, show, set])
)

/** `novacron rollout` */
export const rollout = Command.make(
  "rollout",
  {
    to: Argument.String("NAME=HOST:PORT").pipe(Argument.withDescription("The new node, under a name of its own")),
    directory,
    steps: span("steps", "1,10,50,100", "Per cent of new connections, step by step; 100 alone is blue-green"),
    hold: span("hold", "10m", "How long each step must go well"),
    every: span("every", "1s", "How often both nodes are asked"),
    patience: span("patience", "2m", "How long the new node may take to be ready"),
    drain: span("drain", "1m", "How long the old one may take to have no connections left"),
    errors: Flag.Finite("errors").pipe(
      Flag.withDefault(1),
      Flag.withDescription("Back at more failures than so many per cent (default: 1)")
    ),
    slower: Flag.Finite("slower").pipe(
      Flag.withDefault(2),
      Flag.withDescription(
        "Back when 95 % of its answers take so many times as long as those of the old one (default: 2)"
      )
    ),
    slow: span("slow", "100ms", "What answers within this is never slow"),
    requests: Flag.Int("requests").pipe(
      Flag.withDefault(20),
      Flag.withDescription("How many requests a step needs at the least (default: 20)")
    ),
    path: span("path", "/v1/tasks?limit=1", "What both nodes are asked for, with the token in NOVACRON_API_TOKEN"),
    ready: optionalText("ready", "http://HOST:PORT/ready of the new node, which must say yes first"),
    ca: optionalText("ca", "The CA of both nodes, PEM (default: those of the system)"),
    serverName: optionalText("server-name", "The name that their certificates bear (default: the host)"),
    plain: toggle("plain", "Ask without TLS: a sidecar brings it"),
    json
  },
  (input) =>
    lazily(
      () => import("./Commands/Rollout.ts"),
      (it) => it.rollout,
      {
        ...input,
        ready: Option.getOrUndefined(input.ready),
        ca: Option.getOrUndefined(input.ca),
        serverName: Option.getOrUndefined(input.serverName)
      }
    )
).pipe(
  Command.withDescription("Give a new node its connections step by step; back at the first step that does not go well"),
  Command.withExamples([
    { command: "novacron rollout green=127.0.0.1:28443", description: "a canary: 1, 10, 50, 100 %, ten minutes each" },
    { command: "novacron rollout green=127.0.0.1:28443 --steps 100 --hold 30s", description: "blue-green" }
  ])
)
