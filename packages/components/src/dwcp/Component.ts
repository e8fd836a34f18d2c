/**
 * DWCP as a part of the node: one to the node, and inside the door, the six and the links. Without AMST, ASS or ACP the node
 * goes on with v1, degraded, or does not boot: as `dwcp.fallback` says.
 *
 * **Details**
 *
 * `dwcp.fallback = v1` is another group of the same parts, which speak v1 to everybody. Both have one door between them: the
 * port is not given up while one takes the other's place, so a peer that is sending notices nothing.
 *
 * Peers prove who they are by a certificate of the CA of the node, each way.
 *
 * Its code is loaded when it starts, which others use to wait for their servers.
 */
import { type Boot, Component, Environment, Policy, type Severity } from "@novacron/boot"
import type { Group, Pbft } from "@novacron/dwcp"
import { Duration, Effect, Exit, FileSystem, Option, Path, type Schedule, Scope, Semaphore } from "effect"
import { Database } from "../database/Database.ts"
import { Network } from "../network/Network.ts"
import { type SecretUnavailable, Security } from "../security/Security.ts"
import { Acp, Amst, Ass, Door, Dwcp, Hde, Itp, Pba, type View } from "./Members.ts"
import type { Settings } from "./Settings.ts"

/** What DWCP has to know besides its settings. */
export interface Facts {
  readonly dataDir: string
  readonly nodeId: string
  /** Told where its door is each time it opens. Default: nobody is. */
  readonly listening?: (port: number) => void
}

/** For tests that cannot wait, or that want something to fail. */
export interface Changes {
  /** How patient the boot is with a port that is taken, or does not stay open. Default: {@link patience}. */
  readonly retry?: Policy.Policy
  /** Delays between restarts of a subsystem. */
  readonly backoff?: Schedule.Schedule<unknown>
  readonly layered?: Group.Options["layered"]
  readonly detector?: Group.Options["detector"]
}

/**
 * Three attempts at a port that is taken, or listens no more when it is probed, after 1 and 2 seconds. Subsystems have a
 * supervisor of their own.
 */
export const patience: Policy.Policy = Policy.perError(Policy.never, {
  DwcpCannotListen: Policy.standard,
  Unhealthy: Policy.standard
})

/** What it offers: itself, and a view of each of its parts. */
export type Offers =
  | Component.Provided<Door>
  | Component.Provided<Amst>
  | Component.Provided<Hde>
  | Component.Provided<Pba>
  | Component.Provided<Ass>
  | Component.Provided<Acp>
  | Component.Provided<Itp>
  | Component.Provided<Group.Dwcp>

/** The database may come later, or never: only a node that is alone keeps its state there, and it waits for it. */
type Needs = Security | Network | FileSystem.FileSystem | Path.Path | Component.Late<Database>

/** What ends its boot. Whoever is to decide with others and cannot must not decide otherwise: `fallback` does not help. */
type Fatal = Group.DwcpCannotListen | Group.SubsystemDown | Pbft.MembershipInvalid | SecretUnavailable

/** The component `dwcp`. */
export const component = (
  settings: Settings,
  facts: Facts,
  changes: Changes = {}
): Component.Component<Offers, Severity.Critical<Fatal | Severity.Critical | Boot.InvalidBoot>, Needs> => {
  const door: Shared = shared(openDoor(settings, facts))
  const group = (variant: "v1" | "v3") => members(variant, settings, facts, changes, door)
  // Time to drain, and a moment to cut off the rest.
  const stop = Duration.sum(settings.drain, Duration.seconds(3))
  if (settings.fallback === "none") return Component.group("dwcp", group("v3"), { stop }).pipe(patient)
  return Component.group("dwcp", group("v3"), { stop, severity: "Degraded" }).pipe(
    patient,
    Component.fallback(Component.group("v1", group("v1"), { stop }))
  )
}

const patient = Component.timeout("18 seconds")

/** The parts, each with those that it needs. */
const members = (
  variant: "v1" | "v3",
  settings: Settings,
  facts: Facts,
  { backoff, detector, layered, retry = patience }: Changes,
  door: Shared
) =>
  [
    Component.make(Door, {
      name: "door",
      needs: [Security, Network, FileSystem.FileSystem, Path.Path, Component.late(Database)],
      start: Effect.gen(function* () {
        const { Group } = yield* load
        const security = yield* Security
        const directory = `${facts.dataDir}/dwcp`
        const database = yield* Component.late(Database)
        const consensus = yield* membership(settings)
        return yield* Group.start({
          settings,
          variant,
          nodeId: facts.nodeId,
          mode: Group.Subsystem.modeOf(yield* Environment),
          door: yield* door,
          tls: security.clientTls,
          holds: yield* Group.Holds.file(directory),
          directory,
          sql: Effect.map(
            database,
            Option.map(({ sql }) => sql)
          ),
          ...(consensus === undefined ? {} : { consensus }),
          ...(backoff === undefined ? {} : { backoff }),
          ...(detector === undefined ? {} : { detector }),
          ...(layered === undefined ? {} : { layered })
        })
      }),
      health: ({ listening }) => listening
    }).pipe(Component.retry(retry)),
    Component.make(Amst, { needs: [Door], ...part("amst") }).pipe(soon),
    Component.make(Hde, { needs: [Door, Amst], ...part("hde") }).pipe(soon),
    Component.make(Pba, { needs: [Door, Amst], ...part("pba") }).pipe(soon),
    Component.make(Ass, { needs: [Door, Amst], ...part("ass") }).pipe(soon),
    Component.make(Acp, { needs: [Door, Amst], ...part("acp") }).pipe(soon),
    Component.make(Itp, { needs: [Door, Pba, Ass], ...part("itp") }).pipe(soon),
    Component.make(Dwcp, {
      name: "links",
      needs: [Door, Hde, Acp, Itp],
      start: Effect.flatMap(Door, ({ dwcp }) => dwcp),
      health: (dwcp) => dwcp.check
    })
  ] as const

/** Whom this node decides with: by a key that security keeps, over connections that security vouches for. */
const membership = Effect.fnUntraced(function* ({ consensus, serverName }: Settings) {
  const { byzantineTolerance, key, members } = consensus
  if (!byzantineTolerance) return undefined
  const { Pbft } = yield* load
  const security = yield* Security
  const privateKey = yield* security.secret(key)
  yield* Effect.fromResult(Pbft.identify({ members, privateKey }))
  const tls: Pbft.Tls = {
    server: security.serverTls(),
    client: (member) => security.clientTls(members[member]?.serverName ?? serverName),
    admit: (shown) => security.authenticate({ _tag: "Certificate", ...shown }),
    renewals: security.renewals
  }
  return { privateKey, tls }
})

/** One of the six: up when it serves, and down when it does not. */
const part = (name: Group.Subsystem.Name) => ({
  name,
  start: Effect.gen(function* () {
    const { check, status, up } = yield* Door
    yield* up(name)
    const view: View = { status: status(name), check: check(name) }
    return view
  }),
  health: ({ check }: View) => check
})

const soon = Component.timeout("15 seconds")

const load = Effect.promise(() => import("@novacron/dwcp"))

// ------------------------------------------------------------------------------------------------------------ the door

type Shared = Effect.Effect<Group.Door.Door, Group.DwcpCannotListen, Security | Scope.Scope>

const openDoor = (settings: Settings, { dataDir, listening }: Facts) =>
  Effect.gen(function* () {
    const { Group } = yield* load
    const security = yield* Security
    const { bindPort, listenAddress, transport } = settings
    const door = yield* Group.Door.open({
      host: listenAddress,
      port: bindPort,
      tls: security.serverTls(),
      renewals: security.renewals,
      admit: ({ commonName, fingerprint256 }) =>
        Effect.map(security.authenticate({ _tag: "Certificate", commonName, fingerprint256 }), ({ name }) => name),
      handshake: settings.handshake,
      maxPeers: settings.maxPeers,
      maxConnections: settings.maxConnections,
      budgetBytes: Number(transport.budget),
      maxMessageBytes: Number(transport.maxMessage),
      maxFileBytes: Number(transport.maxFile),
      windowBytes: Number(transport.window),
      idle: transport.idle,
      directory: `${dataDir}/dwcp/files`
    })
    listening?.(door.port)
    return door
  })

/**
 * One for all who hold it at the same time: opened for the first of them, closed after the last. One that listens no more
 * stays with those who hold it, and the next gets another, or nobody could ever reach this node again.
 */
const shared = <E, R>(open: Effect.Effect<Group.Door.Door, E, R>) => {
  const turn = Semaphore.makeUnsafe(1)
  let current: Held | undefined
  const take = Effect.gen(function* () {
    if (current === undefined || !(yield* current.door.isOpen)) {
      const scope = yield* Scope.make()
      const door = yield* open.pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      current = { door, scope, users: 0 }
    }
    current.users++
    return current
  })
  const give = (held: Held) =>
    Effect.suspend(() => {
      if (--held.users > 0) return Effect.void
      if (current === held) current = undefined
      return Scope.close(held.scope, Exit.void)
    })
  const taken = Effect.acquireRelease(turn.withPermit(take), (held) => turn.withPermit(give(held)))
  return Effect.map(taken, ({ door }) => door)
}

interface Held {
  readonly door: Group.Door.Door
  readonly scope: Scope.Closeable
  users: number
}
