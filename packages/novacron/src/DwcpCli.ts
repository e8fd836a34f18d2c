/** The command line of `novacron dwcp`: what nodes do for each other, without a node. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { json, lazily, optionalText, toggle } from "./CommandFlags.ts"

const protocol = () => import("./Commands/Dwcp.ts")

const coding = {
  input: Argument.String("IN").pipe(Argument.withDescription("The file to read")),
  output: Argument.String("OUT").pipe(Argument.withDescription("The file to write, mode 0600")),
  base: optionalText("base", "A file that both sides have: only what differs from it is kept"),
  json
}

const encode = Command.make("encode", coding, ({ base, ...input }) =>
  lazily(protocol, (it) => it.encode, { ...input, base: Option.getOrUndefined(base) })
).pipe(
  Command.withDescription("Make a file smaller, against a base if there is one"),
  Command.withExamples([{ command: "novacron dwcp encode --base monday.img tuesday.img tuesday.hde" }])
)

const decode = Command.make("decode", coding, ({ base, ...input }) =>
  lazily(protocol, (it) => it.decode, { ...input, base: Option.getOrUndefined(base) })
).pipe(
  Command.withDescription("Make the file again that was encoded; its hash is checked"),
  Command.withExamples([{ command: "novacron dwcp decode --base monday.img tuesday.hde tuesday.img" }])
)

const pack = Command.make(
  "pack",
  {
    input: Argument.String("INSTANCES").pipe(Argument.withDescription("JSON lines, plain or gzipped")),
    online: toggle("online", "One item after the other, none ever moved"),
    budgetMs: Flag.Int("budget").pipe(
      Flag.withDefault(200),
      Flag.withDescription("Milliseconds for each instance (default: 200)")
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDefault(1),
      Flag.withDescription("The same seed makes the same choices (default: 1)")
    ),
    json
  },
  (input) => lazily(protocol, (it) => it.pack, input)
).pipe(
  Command.withDescription("Pack items with several sizes into as few hosts as can be; JSON lines to stdout"),
  Command.withExamples([{ command: "novacron dwcp pack instances.jsonl.gz --budget 200" }])
)

const place = Command.make(
  "place",
  {
    input: Argument.String("TRACE").pipe(
      Argument.withDescription("CSV of machines that come and go, plain or gzipped")
    ),
    hosts: Flag.String("hosts").pipe(Flag.withDescription("HOSTSxCPUxMEMORY_GB, for example 500x64x256")),
    unlimited: toggle("unlimited", "As many hosts as it takes"),
    migrations: Flag.Int("migrations").pipe(
      Flag.withDefault(0),
      Flag.withDescription("The most migrations over the whole trace (default: 0)")
    ),
    json
  },
  (input) => lazily(protocol, (it) => it.place, input)
).pipe(
  Command.withDescription("Place machines as they come, and say how many hosts that took; JSON to stdout"),
  Command.withExamples([{ command: "novacron dwcp place --hosts 500x64x256 trace.csv.gz --unlimited" }])
)

const forecast = Command.make(
  "forecast",
  {
    input: Argument.String("SERIES").pipe(
      Argument.withDescription("JSON lines {id, dt, v} of recorded bandwidth, plain or gzipped")
    ),
    model: optionalText("model", "A model of `pnpm train bandwidth` instead of the one that is shipped"),
    classical: toggle("classical", "Without the network"),
    json
  },
  ({ model, ...input }) => lazily(protocol, (it) => it.forecast, { ...input, model: Option.getOrUndefined(model) })
).pipe(
  Command.withDescription("Forecast each next value and the fifth from what came before; JSON lines to stdout"),
  Command.withExamples([{ command: "novacron dwcp forecast series.jsonl.gz" }])
)

const trusting = { ca: optionalText("ca", "Whom to trust, PEM: then it speaks TLS"), json }

const to = Argument.String("HOST:PORT").pipe(Argument.withDescription("Where novacron dwcp serve listens"))

const serveFiles = Command.make(
  "serve",
  {
    listen: Flag.String("listen").pipe(Flag.withDescription("HOST:PORT; port 0 for any")),
    dir: Flag.String("dir").pipe(Flag.withDescription("Where files go; those there can be what differences are to")),
    base: optionalText("base", "Another file that differences can be to"),
    cert: optionalText("cert", "The certificate of this side, PEM: then it speaks TLS"),
    key: optionalText("key", "Its private key, PEM"),
    json
  },
  ({ base, cert, key, ...input }) =>
    lazily(protocol, (it) => it.serve, {
      ...input,
      base: Option.getOrUndefined(base),
      cert: Option.getOrUndefined(cert),
      key: Option.getOrUndefined(key)
    })
).pipe(
  Command.withDescription("Take files over many streams, until a signal ends it"),
  Command.withExamples([{ command: "novacron dwcp serve --listen 0.0.0.0:9000 --dir images --cert c.pem --key k.pem" }])
)

const sendFile = Command.make(
  "send",
  {
    input: Argument.String("FILE").pipe(Argument.withDescription("The file to send")),
    to,
    base: optionalText("base", "A file that the other side has too: only what differs from it is sent"),
    streams: Flag.String("streams").pipe(
      Flag.withDefault("auto"),
      Flag.withDescription("auto, or how many connections at once (default: auto)")
    ),
    congestion: Flag.String("congestion").pipe(
      Flag.withDefault("auto"),
      Flag.withDescription("auto, or a congestion control of the kernel: bbr, cubic (default: auto)")
    ),
    ...trusting
  },
  ({ base, ca, ...input }) =>
    lazily(protocol, (it) => it.send, { ...input, base: Option.getOrUndefined(base), ca: Option.getOrUndefined(ca) })
).pipe(
  Command.withDescription("Send a file; sent again after a break, it goes on where it was"),
  Command.withExamples([
    { command: "novacron dwcp send tuesday.img node-2:9000 --ca ca.pem" },
    { command: "novacron dwcp send tuesday.img node-2:9000 --ca ca.pem --base monday.img" }
  ])
)

const probeLink = Command.make("probe", { to, ...trusting }, ({ ca, ...input }) =>
  lazily(protocol, (it) => it.probe, { ...input, ca: Option.getOrUndefined(ca) })
).pipe(
  Command.withDescription("Say what kind of link leads to a peer, with the evidence"),
  Command.withExamples([{ command: "novacron dwcp probe node-2:9000 --json" }])
)

/** `novacron dwcp` and what is below it. */
export const dwcp = Command.make("dwcp").pipe(
  Command.withDescription("What nodes do for each other, without a node: send files, encode them, place work"),
  Command.withExamples([{ command: "novacron dwcp encode --base monday.img tuesday.img tuesday.hde" }]),
  Command.withSubcommands([serveFiles, sendFile, probeLink, encode, decode, pack, place, forecast])
)
