/**
 * How DWCP is put together: the six under their supervisor, the links, the bus of modes, the rollout and its gates. What is
 * decided is decided in the pure modules beside it.
 */
import { Supervisor } from "@novacron/boot"
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  type FileSystem,
  type Option,
  type Path,
  PubSub,
  type Schedule,
  Scope,
  Semaphore,
  Stream
} from "effect"
import type { SqlClient } from "effect/sql"
import type { ConnectionOptions } from "node:tls"
import * as Hde from "../hde/Hde.ts"
import * as Detector from "../mode/Detector.ts"
import * as Measure from "../mode/Measure.ts"
import * as Coding from "./Coding.ts"
import type * as Door from "./Door.ts"
import { Dwcp, type Event, type RolloutStatus, type Status } from "./Dwcp.ts"
import { MessageUnreadable, RolledBack, SubsystemDown } from "./Failures.ts"
import * as Features from "./Features.ts"
import * as Gates from "./Gates.ts"
import type * as Inbox from "./Inbox.ts"
import * as Links from "./Links.ts"
import * as NodeMode from "./NodeMode.ts"
import * as Placing from "./Placing.ts"
import * as Rollout from "./Rollout.ts"
import type { Settings } from "./Settings.ts"
import * as Subsystem from "./Subsystem.ts"
import * as Subsystems from "./Subsystems.ts"

export interface Options {
  readonly settings: Settings
  readonly nodeId: string
  /** Of the environment of the node: where modes begin. */
  readonly mode: Detector.Mode
  readonly door: Door.Door
  readonly tls: (serverName: string) => Effect.Effect<ConnectionOptions>
  /** What was taken back before, and where that is written. */
  readonly holds: {
    readonly read: Effect.Effect<ReadonlyArray<Rollout.Hold>>
    readonly write: (holds: ReadonlyArray<Rollout.Hold>) => Effect.Effect<void>
  }
  /** A folder of this component alone. */
  readonly directory: string
  /** The database of the node, as soon as it is there. */
  readonly sql?: Effect.Effect<Option.Option<SqlClient.SqlClient>>
  /** Whom this node decides with, where the settings ask for that. */
  readonly consensus?: Subsystems.Consensus
  /** `v1`: the fallback, which has none of the six and does what v1 did. */
  readonly variant: "v1" | "v3"
  readonly detector?: Partial<Detector.Settings>
  readonly nodeMode?: Partial<NodeMode.Limits>
  readonly backoff?: Schedule.Schedule<unknown>
  /** Instead of how the six are made. */
  readonly layered?: (real: Subsystems.Layered) => Subsystems.Layered
}

/** Gates, supervision and modes are looked at this often. */
const round = "1 second"

/** DWCP once all six are up. */
export const make = Effect.fn("Dwcp.make")(function* (
  options: Options
): Effect.fn.Return<Dwcp["Service"], SubsystemDown, Scope.Scope | FileSystem.FileSystem | Path.Path> {
  const { dwcp } = yield* start(options)
  return yield* dwcp
})

/** What is on its way up. */
export interface Starting {
  /** Done when that one is up for the first time; fails when the supervisor has given up before. */
  readonly up: (name: Subsystem.Name) => Effect.Effect<void, SubsystemDown>
  readonly status: (name: Subsystem.Name) => Effect.Effect<Subsystem.Status>
  /** Fails when it is down and nobody can stand in for it. */
  readonly check: (name: Subsystem.Name) => Effect.Effect<Subsystem.Status, SubsystemDown>
  /** Fails when no peer can reach this node any more. */
  readonly listening: Effect.Effect<void, SubsystemDown>
  /** All of it, when all six are up. */
  readonly dwcp: Effect.Effect<Dwcp["Service"], SubsystemDown>
}

/** Begins with all six at once. */
export const start = Effect.fn("Dwcp.start")(function* (
  options: Options
): Effect.fn.Return<Starting, never, Scope.Scope | FileSystem.FileSystem | Path.Path> {
  const { door, nodeId, settings, variant } = options
  const events = yield* Effect.acquireRelease(PubSub.sliding<Event>(256), PubSub.shutdown)
  const changing = yield* Semaphore.make(1)
  const known = Placing.nothing()
  const limits = gatesOf(settings)
  let switches = switchesOf(settings)
  let holds: ReadonlyArray<Rollout.Hold> = yield* options.holds.read
  let gates = Gates.initial
  const recent: Array<Gates.Sent> = []
  let findings: ReadonlyArray<Gates.Finding> = []
  let forced: Detector.Mode | undefined = settings.forcedMode
  let nodeMode = NodeMode.initial(settings.forcedMode ?? options.mode)
  let gone: SubsystemDown | undefined
  const rdma = yield* Measure.rdmaDevices()

  const tell = (event: WithoutTime) =>
    Effect.gen(function* () {
      const atMillis = yield* Clock.currentTimeMillis
      yield* Effect.annotateLogs(Effect.logInfo(`DWCP: ${event._tag}`), { ...event })
      // The type of an event without its time and the time are the event.
      yield* PubSub.publish(events, { ...event, atMillis } as Event)
    })

  const mode = () => nodeMode.mode
  const decision = () => Rollout.decide(nodeId, switches, holds)
  const features = (): Features.Features =>
    variant === "v1" || gone !== undefined ? Features.none : decision().features

  // ------------------------------------------------------------------------------------------------------ subsystems

  const files = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const real = Subsystems.layers({
    settings,
    directory: options.directory,
    sql: options.sql,
    consensus: options.consensus,
    files,
    features,
    known
  })
  const hooks: Subsystems.Hooks = {
    mode,
    features,
    known,
    timing: Subsystems.timingOf(settings, options.backoff),
    onAmstDown: Effect.suspend(() => links.drop),
    onAmstChanged: Effect.suspend(() => links.reopen(({ version }) => version === "v3"))
  }
  const layered = options.layered?.(real) ?? real
  const withoutV3 = Subsystems.withoutV3(real, { settings, sql: options.sql })
  let six = yield* Subsystems.make(variant === "v1" ? withoutV3 : layered, hooks)
  const inOrder = () => Subsystem.names.map((name) => six[name])
  // Reads what others have sent before they heard that HDE is not in use here.
  const spare = yield* Effect.cached(
    Effect.provide(Hde.make({ ...settings.compression, goal: "hybrid" }, `${options.directory}/hde/spare`), files).pipe(
      Scope.provide(yield* Effect.scope)
    )
  )

  const links: Links.Links = yield* Links.make({
    tls: options.tls,
    serverName: settings.serverName,
    node: nodeId,
    maxMessageBytes: Number(settings.transport.maxMessage),
    maxLinks: settings.maxPeers,
    handshake: settings.handshake,
    drain: settings.drain,
    sendTimeout: settings.sendTimeout,
    detector: { ...Detector.settings, ...options.detector },
    features,
    mode,
    amst: (go) => six.amst.use(go),
    acp: (go) => six.acp.use(go),
    coding: (go) => six.hde.use(go),
    forecasting: (go) => six.pba.use(go),
    onSent: (sent) =>
      Effect.sync(() => {
        if (recent.length < Gates.most) recent.push(sent)
      }),
    onMode: (peer, from, to) => tell({ _tag: "LinkModeChanged", peer, from, to })
  })

  const advertise = Effect.suspend(() =>
    door.advertise(
      features().size === 0
        ? undefined
        : { node: nodeId, features: features(), maxMessage: Number(settings.transport.maxMessage) }
    )
  )

  /** All six, each with those it needs before it; until what nothing works without has ended too often. */
  const supervise = Effect.suspend(() =>
    Supervisor.supervise(
      inOrder().map(({ name, run }) => ({ name, run, needs: needs[name] })),
      {
        strategy: "rest_for_one",
        intensity: settings.supervision.intensity,
        period: settings.supervision.period,
        ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
        onEvent: (event) =>
          event._tag === "ChildRestarting"
            ? tell({ _tag: "SubsystemRestarting", subsystem: event.child, because: event.because })
            : Effect.void
      }
    )
  )

  const started = yield* Deferred.make<void, SubsystemDown>()
  const giveUp = (gaveUp: Supervisor.GaveUp) =>
    Effect.gen(function* () {
      const down = new SubsystemDown({ subsystem: gaveUp.child, cause: gaveUp.cause })
      if (yield* Deferred.fail(started, down)) return
      gone = down
      yield* Effect.logError(down.message, { code: down.code })
      yield* advertise
      // What was on its way over AMST goes again over one stream.
      yield* links.drop
      six = yield* Subsystems.make(withoutV3, hooks)
      yield* tell({ _tag: "WentBackToV1", because: down.message })
      yield* Effect.orDie(supervise)
    })

  yield* Effect.forkScoped(Effect.catchTag(supervise, "GaveUp", giveUp))
  const isUp = <S>({ use }: Subsystem.Subsystem<S>) => use(() => Effect.void)
  const upNow: { readonly [N in Subsystem.Name]: Effect.Effect<void> } = {
    amst: isUp(six.amst),
    hde: isUp(six.hde),
    pba: isUp(six.pba),
    ass: isUp(six.ass),
    acp: isUp(six.acp),
    itp: isUp(six.itp)
  }
  const up = (name: Subsystem.Name) => Effect.raceFirst(upNow[name], Deferred.await(started))
  // ------------------------------------------------------------------------------------------------------------ mode

  /** The bus: one after the other, in its order; links follow AMST. */
  const changeMode = (to: Detector.Mode, because: string) =>
    changing.withPermit(
      Effect.gen(function* () {
        const from = nodeMode.mode
        if (from === to) return
        nodeMode = { ...nodeMode, mode: to, sinceMillis: yield* Clock.currentTimeMillis }
        for (const { change, name } of inOrder()) {
          const done = yield* change
          yield* tell({ _tag: "SubsystemChanged", subsystem: name, to, ok: Exit.isSuccess(done) })
          if (Exit.isFailure(done)) {
            yield* Effect.logWarning(
              `${name} could not be set for ${to}, and goes on as before.`,
              Cause.squash(done.cause)
            )
          }
        }
        yield* tell({ _tag: "ModeChanged", from, to, because })
      })
    )

  const follow = Effect.gen(function* () {
    yield* links.measure(settings.enableAutoDetection)
    const weights = yield* links.weights
    if (forced !== undefined || !settings.enableAutoDetection) return
    const now = yield* Clock.currentTimeMillis
    const next = NodeMode.step(nodeMode, weights, now, { ...NodeMode.limits, ...options.nodeMode })
    nodeMode = { ...next, mode: nodeMode.mode, sinceMillis: nodeMode.sinceMillis }
    if (next.mode === nodeMode.mode) return
    const share = Math.round(next.shares[next.mode] * 100)
    yield* changeMode(next.mode, `${share} % of the traffic goes over links of this mode`)
  })

  // --------------------------------------------------------------------------------------------------------- rollout

  /** What the features are now, to all that go by them. */
  const apply = (because: string, before: Features.Features) =>
    Effect.gen(function* () {
      const now = features()
      if (Features.toBits(before) === Features.toBits(now)) return
      yield* advertise
      yield* links.renegotiate
      const isOther = (feature: Features.Feature) => before.has(feature) !== now.has(feature)
      for (const [feature, name] of soft) if (isOther(feature)) yield* six[name].switched
      // The list of controls is that of AMST; engines are chosen where state is.
      if (isOther("congestion")) yield* six.amst.change
      if (isOther("stateSync") || isOther("consensus")) yield* six.ass.change
      yield* tell({ _tag: "RolloutChanged", features: [...now], because })
    })

  const rollBack = (found: ReadonlyArray<Gates.Finding>) =>
    changing.withPermit(
      Effect.gen(function* () {
        const atMillis = yield* Clock.currentTimeMillis
        const before = features()
        const because = found.map(Gates.describe).join("; ")
        // What carries messages is what was measured, and what is judged.
        const taken = (["transport", "compression"] as const).filter((feature) => before.has(feature))
        if (taken.length === 0) return
        holds = [...holds, ...taken.map((feature): Rollout.Hold => ({ feature, because, atMillis }))]
        gates = Gates.forget(gates)
        const error = new RolledBack({ features: taken, because })
        yield* Effect.logWarning(error.message, { code: error.code })
        yield* tell({ _tag: "RolledBack", features: taken, because })
        yield* apply(because, before)
        yield* options.holds.write(holds)
      })
    )

  const judge = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const before = findings
    gates = Gates.settle(Gates.observe(gates, recent.splice(0)), now, limits)
    findings = Gates.judge(gates, now, limits)
    const serious = findings.filter(({ severity }) => severity === "rollBack")
    if (serious.length > 0) return yield* rollBack(serious)
    const fresh = findings.filter(({ gate }) => !before.some((each) => each.gate === gate))
    if (fresh.length > 0) yield* tell({ _tag: "GateAlert", because: fresh.map(Gates.describe).join("; ") })
  })

  const change = (next: Rollout.Switches, kept: ReadonlyArray<Rollout.Hold>, because: string) =>
    changing.withPermit(
      Effect.gen(function* () {
        const before = features()
        switches = next
        if (kept !== holds) yield* options.holds.write(kept)
        holds = kept
        yield* apply(because, before)
        return rolloutStatus()
      })
    )

  const rolloutStatus = (): RolloutStatus => {
    const { because, bucket, features } = decision()
    const { killed, percentage } = switches
    return { bucket, because, features: [...features], percentage, killed, holds, findings }
  }

  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(round), Effect.andThen(links.note, judge))))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(settings.detectionInterval), follow)))

  // ------------------------------------------------------------------------------------------------------- messages

  const decode: Inbox.Decode = ({ bytes, envelope }) => {
    switch (envelope.encoding) {
      case "plain":
        return Effect.succeed(bytes)
      case "zstd":
        return Coding.unpackZstd(bytes, Number(settings.transport.maxMessage))
      case "hde":
        return six.hde
          .use((coding) => coding.decode(bytes))
          .pipe(
            Effect.timeout(settings.drain),
            Effect.catch(() => Effect.flatMap(spare, (hde) => Effect.map(hde.decode(bytes), ({ content }) => content)))
          )
    }
  }

  const unreadable = ({ envelope, from }: Inbox.Arrived, cause: unknown) =>
    Effect.gen(function* () {
      gates = Gates.lose(gates)
      const error = new MessageUnreadable({ peer: from, channel: envelope.channel, cause })
      yield* Effect.logError(error.message, { code: error.code })
      yield* tell({ _tag: "MessageUnreadable", from, channel: envelope.channel })
    })

  const halted = Effect.suspend(() =>
    gone !== undefined && settings.fallback === "none" ? Effect.fail(gone) : Effect.void
  )

  const subsystems = Effect.suspend(() =>
    Effect.forEach(inOrder(), ({ status }) => (variant === "v1" ? Effect.map(status, asV1) : status))
  )

  const status = Effect.gen(function* () {
    const all = yield* subsystems
    const broken = all.filter(isBroken)
    const isBack = variant === "v1" || gone !== undefined
    const seen: Status = {
      speaks: features().has("transport") ? "v3" : "v1",
      state:
        gone !== undefined && settings.fallback === "none" ? "down" : isBack || broken.length > 0 ? "degraded" : "up",
      because: gone?.message ?? (variant === "v1" ? "v3 could not be started" : says(broken)),
      listening: { host: door.host, port: door.port },
      mode: nodeMode.mode,
      modeShares: nodeMode.shares,
      rdma,
      subsystems: all,
      links: yield* links.views,
      door: yield* door.counters,
      rollout: rolloutStatus()
    }
    return seen
  })

  const listening = Effect.filterOrFail(
    door.isOpen,
    (isOpen) => isOpen,
    () => new SubsystemDown({ subsystem: "door", cause: "It does not listen." })
  ).pipe(Effect.asVoid)

  const service = Dwcp.of({
    address: Effect.succeed({ host: door.host, port: door.port }),
    send: (peer, content, given) => Effect.andThen(halted, links.send(peer, content, given)),
    sendFile: (peer, path, given) => Effect.andThen(halted, links.sendFile(peer, path, given)),
    take: (channel) => door.inbox.take(channel, decode, unreadable),
    takeFile: door.takeFile,
    state: (go) => six.ass.use(go),
    placing: (go) => six.itp.use(go),
    status,
    events: Stream.fromPubSub(events),
    setMode: (wanted) =>
      Effect.suspend(() => {
        forced = wanted === "auto" ? undefined : wanted
        return wanted === "auto" ? Effect.void : changeMode(wanted, "it was set by hand")
      }),
    setRollout: (given) => Effect.suspend(() => change({ ...switches, ...given }, holds, "the switches were changed")),
    release: Effect.suspend(() => change(switches, [], "the holds were released")),
    drill: (name) => six[name].drill(new Error("This is a drill.")),
    check: Effect.gen(function* () {
      if (gone !== undefined) return yield* Effect.fail(gone)
      yield* listening
      const seen = yield* status
      const sent = gates.sent.filter(({ ok }) => ok).length
      const throughput = seen.links.reduce((sum, { deliveryRate }) => sum + deliveryRate, 0)
      return {
        detail: describe(seen),
        degraded: seen.subsystems.some(isBroken),
        throughput,
        errorRate: gates.sent.length === 0 ? 0 : 1 - sent / gates.sent.length
      }
    })
  })
  const statusOf = (name: Subsystem.Name) =>
    Effect.suspend(() => (variant === "v1" ? Effect.map(six[name].status, asV1) : six[name].status))
  return {
    up,
    listening,
    status: statusOf,
    check: (name) =>
      Effect.flatMap(statusOf(name), (seen) =>
        seen.state === "down" && vital.has(name)
          ? Effect.fail(new SubsystemDown({ subsystem: name, cause: seen.lastError }))
          : Effect.succeed(seen)
      ),
    dwcp: Effect.gen(function* () {
      yield* Effect.forEach(Subsystem.names, up, { discard: true })
      yield* Deferred.succeed(started, undefined)
      yield* advertise
      return service
    })
  }
})

// ------------------------------------------------------------------------------------------------------------- private

type WithoutTime = Event extends infer E ? (E extends Event ? Omit<E, "atMillis"> : never) : never

/** Whom each of the six cannot work without. */
const needs: { readonly [N in Subsystem.Name]: ReadonlyArray<Subsystem.Name> } = {
  amst: [],
  hde: ["amst"],
  pba: ["amst"],
  ass: ["amst"],
  acp: ["amst"],
  itp: ["pba", "ass"]
}

/** The others have somebody to stand in for them, sooner or later. */
const vital: ReadonlySet<Subsystem.Name> = new Set(["amst", "ass", "acp"])

/** Features that somebody simpler can stand in for. */
const soft = [
  ["compression", "hde"],
  ["prediction", "pba"],
  ["placement", "itp"]
] as const

const flags = {
  transport: "enableV3Transport",
  compression: "enableV3Compression",
  prediction: "enableV3Prediction",
  stateSync: "enableV3StateSync",
  consensus: "enableV3Consensus",
  congestion: "enableV3Congestion",
  placement: "enableV3Placement"
} as const

/** The switches as the settings have them. */
export const switchesOf = (settings: Settings): Rollout.Switches => ({
  enabled: new Set(Features.all.filter((feature) => settings[flags[feature]])),
  percentage: settings.v3RolloutPercentage,
  killed: settings.forceV1Mode,
  except: settings.v3Except
})

const gatesOf = ({ gates }: Settings): Gates.Limits => ({
  ...Gates.limits,
  errors: gates.errors,
  latency: gates.latency,
  tooSlow: gates.throughput,
  windowMillis: Duration.toMillis(gates.window),
  fewest: gates.fewest
})

const instead: { readonly [N in Subsystem.Name]: string } = {
  amst: "one TLS stream",
  hde: "zstd-3",
  pba: "nothing",
  ass: "local state",
  acp: "the system's control",
  itp: "in-turn"
}

const asV1 = (status: Subsystem.Status): Subsystem.Status => ({ ...status, state: "off", serves: instead[status.name] })

/** Something else serves for it, or it serves and those that it depends on do not. */
const isBroken = ({ detail, state }: Subsystem.Status): boolean =>
  state === "standIn" || state === "down" || state === "starting" || isUnwell(detail)

const isUnwell = ({ healthy }: Subsystem.Detail): boolean => healthy === false

const says = (broken: ReadonlyArray<Subsystem.Status>): string | undefined =>
  broken.length === 0
    ? undefined
    : broken
        .map(({ detail, lastError, name, serves }) =>
          isUnwell(detail)
            ? `${name}: ${String(detail["detail"])}`
            : `${name} is on ${serves} (${lastError ?? "starting"})`
        )
        .join("; ")

const describe = ({ because, links, listening, mode, speaks, subsystems }: Status): string =>
  `${speaks} in mode ${mode}, listening on ${listening.host}:${listening.port}, ${links.length} links` +
  (because === undefined ? subsystems.map(decisionsOf).join("") : `; ${because}`)

/** Who decides, and who of them is silent, where members do. */
const decisionsOf = ({ detail }: Subsystem.Status): string =>
  detail["decisions"] === undefined ? "" : `; decisions: ${String(detail["detail"])}`
