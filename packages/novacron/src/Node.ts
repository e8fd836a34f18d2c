/**
 * The node: its parts, made of its settings. The one place that knows all components; they know what they need.
 */
import { Boot, Component } from "@novacron/boot"
import { type BootEvent, type Plan, Report } from "@novacron/boot/model"
import {
  Api,
  Cache,
  Database,
  Discovery,
  Dwcp,
  Environment,
  Lock,
  Logger,
  Ml,
  Monitoring,
  Network,
  Orchestration,
  Post,
  Preflight,
  Resources,
  Security
} from "@novacron/components"
import type { Config } from "@novacron/config"
import { Clock, Context, Duration, Effect, Option, Redacted, Result, type Scope, type Tracer } from "effect"
import { FetchHttpClient } from "effect/http"
import type { Given, Running } from "./Alive.ts"
import * as Beside from "./Beside.ts"
import * as Dashboard from "./Dashboard.ts"
import type { Platform } from "./Life.ts"
import * as NodeId from "./NodeId.ts"
import { loggerOf, secretsOf, type Settings } from "./Settings.ts"
import { Surroundings } from "./Surroundings.ts"
import * as Soon from "./Soon.ts"
import * as Templates from "./Templates.ts"
import { version as program } from "./version.ts"

// -------------------------------------------------------------------------------------------------------- the parts

/** What the parts have to know besides their settings. */
export interface Facts {
  /** Where the node is, found out before the plan was made. */
  readonly detection: Environment.Detection
  readonly dataDir: string
  readonly nodeId: string
  /** The variables of the process. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly pid: number
  /** The name of the machine. */
  readonly hostname: string
  /** The process, for those who start programs and end them. */
  readonly host: Surroundings["Service"]["host"]
  readonly lock: Lock.Lock["Service"]
  readonly notify: Post.Notify.Notify
  /** The report of the boot as of now. */
  readonly report: Effect.Effect<Report.Report>
  /** What the API tells of the node. */
  readonly view: Api.NodeView.NodeView
  /** What the boot does, for the audit log. */
  readonly trail?: Security.BootTrail.BootTrail
  /** What is beneath the boot: its settings and its parts. */
  readonly measured?: Security.Surroundings["measured"]
  /** Where the spans of requests go. */
  readonly tracer?: Tracer.Tracer
  /** When code that is large is loaded. */
  readonly beside?: Beside.Beside
}

/** The ports of those that listen: a setting of 0 is any that is free, which they know when they do. */
interface Ports {
  api: number
  dwcp: number
  peers: number
}

/** The parts of a node with these settings. Their order means nothing. */
const components = (
  settings: Settings,
  {
    beside,
    dataDir,
    detection,
    env,
    host,
    hostname,
    lock,
    measured,
    nodeId,
    notify,
    pid,
    report,
    tracer,
    trail,
    view
  }: Facts
) => {
  const ports = portsOf(settings)
  return [
    // Taken before anything else looks at the data directory, and given back after all is down; here it is watched.
    Component.make(Lock.Lock, { phase: "pre", start: Effect.succeed(lock), health: (it) => it.check }),
    Environment.component(settings.environment, detection),
    Resources.component(settings.resources, dataDir, plansOf(settings)),
    Preflight.component({ ...settings.preflight, endpoints: endpointsOf(settings) }),
    Security.component(settings.security, {
      dataDir,
      nodeId,
      environment: env,
      ...(trail === undefined ? {} : { trail }),
      ...(measured === undefined ? {} : { measured })
    }),
    Logger.component(loggerOf(settings)),
    Database.component(settings.database, {
      dataDir,
      migrations: [...Database.migrations, ...Orchestration.migrations, ...Discovery.migrations],
      ...(beside === undefined ? {} : { launched: beside.launched })
    }),
    Database.deferred,
    Cache.component(settings.cache),
    Network.component({ serverName: nodeId, ...settings.network }, { listening: (port) => void (ports.peers = port) }),
    Dwcp.component(settings.dwcp, { dataDir, nodeId, listening: (port) => void (ports.dwcp = port) }),
    Orchestration.component(settings.orchestration, {
      nodeId,
      host,
      address: () => addressOf(settings, hostname, ports),
      environment: detection.kind,
      version: program
    }),
    Api.component(settings.api, {
      dataDir,
      view,
      listening: (port) => void (ports.api = port),
      ...(tracer === undefined ? {} : { tracer }),
      ...(beside === undefined ? {} : { turn: beside.turn })
    }),
    Ml.component(settings.ml),
    Monitoring.component(settings.monitoring),
    Post.systemHealth(
      settings.systemHealth,
      [
        Security.Security,
        Database.Database,
        Cache.Cache,
        Network.Network,
        Dwcp.Dwcp,
        Orchestration.Orchestration,
        Api.Api
      ],
      checks
    ),
    Post.startupMetrics(report),
    Discovery.component(settings.discovery, {
      id: nodeId,
      version: program,
      environment: detection.kind,
      addresses: () => addressesOf(settings, hostname, ports)
    }),
    Post.ready(settings.ready, pid, notify)
  ] as const
}

const portsOf = ({ api, dwcp, network }: Settings): Ports => ({
  api: api.port,
  dwcp: dwcp.bindPort,
  peers: network.bindPort
})

/** Where other nodes and programs reach this one. What does not listen yet, at whichever port, is nowhere. */
export const addressesOf = (
  settings: Settings,
  hostname: string,
  ports: Readonly<Ports> = portsOf(settings)
): { readonly api?: string; readonly dwcp?: string; readonly peers?: string } => {
  const { api, dwcp, network } = settings
  const at = (host: string, port: number) => `${reachable(host, hostname)}:${port}`
  return {
    ...(ports.api === 0 ? {} : { api: `https://${at(api.host, ports.api)}` }),
    ...(ports.dwcp === 0 ? {} : { dwcp: at(dwcp.listenAddress, ports.dwcp) }),
    ...(ports.peers === 0 ? {} : { peers: at(network.listenAddress, ports.peers) })
  }
}

/** Where people and other nodes find the work of this one: the port of the cluster, or the API of a node that is alone. */
export const addressOf = (settings: Settings, hostname: string, ports?: Readonly<Ports>): string => {
  const { advertise, enabled, listenAddress, port } = settings.orchestration.cluster
  return enabled
    ? `${advertise ?? reachable(listenAddress, hostname)}:${port}`
    : (addressesOf(settings, hostname, ports).api ?? "")
}

/** Who listens at all addresses is found by name. */
const reachable = (host: string, hostname: string): string => {
  if (host === "0.0.0.0" || host === "::") return hostname
  return host.includes(":") ? `[${host}]` : host
}

/** What the parts may need together when they are busy. */
export const plansOf = ({ cache, database, network }: Settings): Resources.Capacity.Plans => ({
  ...Resources.Capacity.nothing,
  connections: network.maxConnections,
  databasePool: database.pool.max,
  cachePool: cache.url === undefined ? 0 : 2,
  cacheBytes: Number(cache.maxMemory),
  hasOwnDatabase: database.url === undefined
})

/** Who has to answer: those of the settings, and the servers that the node will talk to. */
export const endpointsOf = ({ cache, database, preflight }: Settings): Settings["preflight"]["endpoints"] => {
  const named = new Set(preflight.endpoints.map(({ name }) => name))
  const found = [endpointOf("database", database.url, 5_432), endpointOf("cache", cache.url, 6_379)].flatMap(
    (one) => one ?? []
  )
  return [...preflight.endpoints, ...found.filter(({ name }) => !named.has(name))]
}

/** Not answering is no reason to end the boot here: whoever talks to it tries more than once. */
const endpointOf = (name: string, url: Redacted.Redacted | undefined, usualPort: number) => {
  const text = url === undefined ? "" : Redacted.value(url)
  if (!URL.canParse(text)) return undefined
  const { hostname, port } = new URL(text)
  // What is wrong with a name says who connects to it.
  const decoded = Result.try(() => decodeURIComponent(hostname))
  if (Result.isFailure(decoded) || hostname === "") return undefined
  const host = decoded.success.replace(/^\[|\]$/g, "")
  const common = { name, timeout: Duration.seconds(2), policy: "warn" as const, wait: Duration.zero }
  return { ...common, host, port: port === "" ? usualPort : Number(port) }
}

/** What must be well together before the node says that it is ready. */
const checks = Effect.gen(function* () {
  const security = yield* Security.Security
  const database = yield* Database.Database
  const cache = yield* Cache.Cache
  const network = yield* Network.Network
  const dwcp = yield* Dwcp.Dwcp
  const orchestration = yield* Orchestration.Orchestration
  const api = yield* Api.Api
  return [
    { name: "security", critical: true, needs: [], probe: Effect.asVoid(security.check) },
    { name: "database", critical: true, needs: ["security"], probe: Effect.asVoid(database.check) },
    { name: "network", critical: true, needs: ["security"], probe: Effect.asVoid(network.check) },
    { name: "dwcp", critical: true, needs: ["security", "network"], probe: Effect.asVoid(dwcp.check) },
    {
      name: "orchestration",
      critical: true,
      needs: ["database"],
      probe: Effect.asVoid(orchestration.check)
    },
    { name: "api", critical: true, needs: ["security"], probe: Effect.asVoid(api.check) },
    { name: "cache", critical: false, needs: ["security"], probe: Effect.asVoid(cache.check) }
  ]
})

/** What a boot would do. */
export const plan = (settings: Settings, facts: Facts): Result.Result<Plan.Plan, Plan.InvalidPlan> =>
  Boot.plan(components(settings, facts), { environment: facts.detection.kind })

/** Boots the parts, and monitors them. */
export const boot = (
  loaded: Config.Loaded<Settings>,
  detection: Environment.Detection,
  dataDir: string,
  given: Given & {
    /** What reading the settings took. */
    readonly parsing: Duration.Duration
  }
): Effect.Effect<Running, unknown, Scope.Scope | Platform> =>
  Effect.gen(function* () {
    const { env, host, hostname, pid, usage } = yield* Surroundings
    const { settings, version } = loaded
    const monitor = yield* Monitoring.Monitor.make(settings.monitoring, {
      version: program,
      process: usage,
      traceparent: env["TRACEPARENT"],
      spool: `${dataDir}/spans.unsent`,
      variants: loaded.variants,
      previousOutcome: given.previous === undefined ? undefined : "killed"
    })
    yield* monitor.spent("config parsing", given.parsing)
    const nodeId = yield* NodeId.keep(dataDir, settings.system.nodeId, hostname)
    const { lock, notify, report } = given
    const trail = yield* Security.BootTrail.make
    const view = Api.NodeView.make({ nodeId, version: program })
    const beside = Beside.make(settings.database.url === undefined, Orchestration.load)
    const facts: Facts = {
      beside,
      detection,
      dataDir,
      nodeId,
      env,
      host,
      hostname,
      pid,
      lock,
      notify,
      report,
      trail,
      view,
      ...(monitor.requests === undefined ? {} : { tracer: monitor.requests })
    }
    const { bootChain } = settings.security
    const chain = { bootChain, dataDir, nodeId, version: () => version }
    const { admission, measured } = yield* Security.Admission.beneath(() => components(settings, facts), chain)
    const resolved = yield* resolution(monitor)
    const soon = Soon.make((event: BootEvent.BootEvent) => {
      trail.observe(event)
      monitor.observe(event)
      view.observe(event)
    })
    // Before the monitor says its last: how everything went down is told in the same turn in which the boot ends.
    yield* Effect.addFinalizer(() => Effect.sync(soon.flush))
    const parts = Security.Admission.guardAll(admission, components(settings, { ...facts, measured }))
    const running = yield* Boot.make(parts, {
      nodeId,
      configVersion: version,
      environment: detection.kind,
      concurrency: concurrency(settings, detection.kind),
      deadline: settings.system.bootTimeout,
      // What every first phase may take, and what it was told to wait.
      phases: { pre: Duration.sum(Duration.seconds(10), Preflight.longestWait(settings.preflight.endpoints)) },
      rollback: settings.system.shutdownTimeout,
      monitor: settings.system.monitorInterval,
      observe: (event) => {
        resolved(event)
        beside.hear(event)
        given.observe(event)
        soon.hear(event)
      },
      because: given.because,
      previous: given.previous,
      durationsMs: given.durationsMs,
      redact: redactor(secretsOf(settings)),
      ...(given.journal === undefined ? {} : { journal: given.journal })
    }).pipe(Effect.provideService(Monitoring.Monitor.Monitor, monitor))
    soon.flush()
    view.adopt(running)
    yield* monitor.watch(running.health)
    return running
  }).pipe(Effect.provide(FetchHttpClient.layer))

/** Puts into effect what may change while the node runs and belongs to one of its parts. */
export const follow = ({ services }: Running, { dwcp: settings }: Settings): Effect.Effect<void> =>
  Option.match(Context.getOption(services, Dwcp.Dwcp), {
    onNone: () => Effect.void,
    onSome: (dwcp) =>
      Effect.gen(function* () {
        // It is loaded by now, and whoever imports it with us would load it before the boot.
        const { Group } = yield* Effect.promise(() => import("@novacron/dwcp"))
        yield* dwcp.setRollout(Group.switchesOf(settings))
        yield* dwcp.setMode(settings.forcedMode ?? "auto")
      })
  })

/** From now until the boot begins its plan is being made: tells how long that took. */
const resolution = ({ spent }: Monitoring.Monitor.Monitor["Service"]) =>
  Effect.map(Clock.Clock, (clock) => {
    const beganNs = clock.monotonicTimeNanosUnsafe()
    return ({ _tag }: BootEvent.BootEvent): void => {
      if (_tag !== "BootStarted") return
      Effect.runSync(spent("dependency resolution", Duration.nanos(clock.monotonicTimeNanosUnsafe() - beganNs)))
    }
  })

/** What stands around the boot: the lock of the data directory, the health endpoints, the dashboard. */
export const around = ({ explain, settings }: Config.Loaded<Settings>, dataDir: string) => ({
  dashboard: Dashboard.ofNode({
    settings: settings.dashboard,
    security: settings.security,
    dataDir,
    nodeId: settings.system.nodeId,
    explain
  }),
  lock: Lock.acquire(dataDir, settings.lock.file),
  listen: Post.HealthServer.make({ ...settings.health, port: settings.system.healthCheckPort ?? settings.health.port })
})

/** Facts for those who only want to look: nothing is created, and the lock is nobody's. */
export const factsOf = Effect.fnUntraced(function* (settings: Settings, detection: Environment.Detection) {
  const { cwd, env, host, hostname, pid } = yield* Surroundings
  const nodeId = settings.system.nodeId ?? NodeId.fromHostname(hostname) ?? "node"
  const facts: Facts = {
    detection,
    dataDir: cwd,
    nodeId,
    env,
    host,
    hostname,
    pid,
    view: Api.NodeView.make({ nodeId, version: program }),
    lock: nobodys,
    notify: { tell: () => undefined, told: Effect.void, watchdog: undefined },
    report: Effect.sync(() => Report.fromEvents([]))
  }
  return facts
})

/** A plan asks no lock. */
const nobodys: Lock.Lock["Service"] = {
  path: "",
  holder: { version: 1, pid: 0, bootId: "", namespace: "", startTicks: "", since: "", nonce: "" },
  takenOverFrom: Option.none(),
  check: Effect.void
}

// ---------------------------------------------------------------------------------------------------- what is chosen

/** How many components start at the same time. */
export const concurrency = (settings: Settings, environment: string): number =>
  Math.min(settings.system.maxConcurrency, Templates.concurrency(environment, Templates.machine()))

/** Takes every secret out of a text, the longest first. */
const redactor = (secrets: ReadonlyArray<string>) => {
  const longestFirst = secrets.toSorted((a, b) => b.length - a.length)
  return (text: string) => longestFirst.reduce((clean, secret) => clean.replaceAll(secret, "***"), text)
}
