/**
 * Measures where the node is: links, RDMA devices, the way to peers and to the gateway, all at the same time and within a
 * budget. What is not known when the budget is used up stays unknown. A forced environment measures nothing. A gateway that
 * keeps silent is waited for only where its answer would change the verdict.
 */
import { Duration, Effect, Fiber, Option, Result } from "effect"
import * as Dial from "../preflight/Dial.ts"
import * as Decision from "./Decision.ts"
import { Host } from "./Host.ts"
import type { Kind, Settings } from "./Settings.ts"

/** Where the node is, and how that is known. */
export interface Detection {
  readonly kind: Kind
  /** Whether somebody has said so, and nothing was measured. */
  readonly isForced: boolean
  readonly verdict: Decision.Verdict
  readonly facts: Decision.Facts
  /** Facts that decide nothing and explain much. */
  readonly machine: {
    readonly cores?: number | undefined
    readonly memoryBytes?: number | undefined
    /** Signs of a virtual machine or a container, in words: `KVM`, `docker`. None on bare metal, or where nothing tells. */
    readonly virtualisation: ReadonlyArray<string>
    readonly gateway?: string | undefined
  }
}

/**
 * Where this node is. Usable before anything is planned: it needs nothing but the machine. `meanwhile` may keep the process
 * busy: it begins when all that is left to do is to wait for a gateway that keeps silent.
 */
export const detect = (settings: typeof Settings.Type, meanwhile: Effect.Effect<unknown> = Effect.void) =>
  Effect.provide(detectOn(settings, meanwhile), Host.layer)

/** Where a node on that machine is. */
export const detectOn = Effect.fn("Environment.detect")(function* (
  settings: typeof Settings.Type,
  meanwhile: Effect.Effect<unknown> = Effect.void
): Effect.fn.Return<Detection, never, Host> {
  if (settings.kind !== "auto") {
    yield* meanwhile
    const nothing = { virtualisation: [] }
    return { kind: settings.kind, isForced: true, verdict: Decision.decide({}), facts: {}, machine: nothing }
  }
  const within = <A, R>(measure: Effect.Effect<Option.Option<A>, never, R>) =>
    Effect.map(Effect.timeoutOption(measure, settings.budget), (found) => Option.getOrUndefined(Option.flatten(found)))
  const host = yield* Host
  const begin = <A>(work: Effect.Effect<A, never, Host>) => Effect.forkChild(work, { startImmediately: true })
  const asked = yield* begin(
    Effect.all(
      {
        linkMbps: within(fastestLink),
        rdmaDevices: within(Effect.map(rdmaDevices, Option.some)),
        virtualisation: within(Effect.asSome(virtualisation)),
        cores: within(Effect.asSome(host.cores)),
        memoryBytes: within(Effect.asSome(host.memory))
      },
      { concurrency: "unbounded" }
    )
  )
  const peersAsked = yield* begin(within(Effect.asSome(peers(settings))))
  const gateway = gatewayOf(Option.getOrElse(yield* host.read("/proc/net/route"), () => ""))
  const gatewayAsked = yield* begin(knock(settings, gateway))
  yield* Dial.turn
  // A peer that has not answered by then is far. It may seem farther than it is, which decides nothing any more.
  yield* Effect.raceFirst(Fiber.await(peersAsked), Effect.sleep(settings.farLatency))
  yield* meanwhile
  const { cores, linkMbps, memoryBytes, rdmaDevices: devices, virtualisation: signs } = yield* Fiber.join(asked)
  const way = yield* Fiber.join(peersAsked)
  const rules = {
    ...Decision.standard,
    nearMs: Duration.toMillis(settings.nearLatency),
    farMs: Duration.toMillis(settings.farLatency),
    fastMbps: settings.fastLink
  }
  const known: Decision.Facts = { peerRttMs: way?.rttMs, linkMbps, loss: way?.loss, rdmaDevices: devices }
  const answer = Fiber.join(gatewayAsked)
  const first = yield* Decision.needsGateway(known, rules) ? answer : ifHere(answer)
  yield* Fiber.interrupt(gatewayAsked)
  // The first answer may have waited to be heard until we had time.
  const second = first === undefined ? undefined : yield* knock(settings, gateway)
  const facts: Decision.Facts = {
    ...known,
    gatewayRttMs: first === undefined ? undefined : Math.min(first, second ?? first)
  }
  const verdict = Decision.decide(facts, rules)
  const machine = { cores, memoryBytes, virtualisation: signs ?? [], gateway }
  return { kind: verdict.kind, isForced: false, verdict, facts, machine }
})

/** What has come in by now. */
const ifHere = <A>(answer: Effect.Effect<A>): Effect.Effect<A | undefined> =>
  Effect.raceFirst(answer, Effect.as(Effect.andThen(Dial.turn, Dial.turn), undefined))

// -------------------------------------------------------------------------------------------------------------- peers

interface Way {
  /** The fastest try of all peers. */
  readonly rttMs: number | undefined
  /** The share of tries without an answer; unknown when nobody ever answered, as they may just be down. */
  readonly loss: number | undefined
}

/** Peers at the same time, the tries to one after each other. A refusal is an answer: the way is what counts. */
const peers = Effect.fnUntraced(function* (settings: typeof Settings.Type) {
  const limit = Duration.millis((Duration.toMillis(settings.budget) * 0.9) / settings.samples)
  const tries = yield* Effect.forEach(
    settings.peers,
    (peer) => Effect.forEach(Array.from({ length: settings.samples }), () => rtt(addressOf(peer), limit)),
    { concurrency: 32 }
  )
  const all = tries.flat()
  const answered = all.flatMap((one) => one ?? [])
  if (answered.length === 0) return { rttMs: undefined, loss: undefined } satisfies Way
  return { rttMs: Math.min(...answered), loss: 1 - answered.length / all.length } satisfies Way
})

const rtt = (address: Dial.Address, limit: Duration.Duration): Effect.Effect<number | undefined> =>
  Effect.map(
    Effect.result(Dial.dial(address, limit)),
    Result.match({ onSuccess: ({ roundTripMs }) => roundTripMs, onFailure: ({ roundTripMs }) => roundTripMs })
  )

const addressOf = (peer: string): Dial.Address => {
  const colon = peer.lastIndexOf(":")
  return { _tag: "Tcp", host: peer.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(peer.slice(colon + 1)) }
}

// ------------------------------------------------------------------------------------------------------------ gateway

/**
 * Any port will do: a gateway that listens nowhere refuses, which takes one round trip. Many just keep silent, and a boot
 * waits for it: beyond twice of what is far there is nothing to learn.
 */
const knock = ({ budget, farLatency }: typeof Settings.Type, gateway: string | undefined) => {
  if (gateway === undefined) return Effect.succeed(undefined)
  const limit = Duration.millis(Math.min(2 * Duration.toMillis(farLatency), Duration.toMillis(budget) * 0.4))
  return rtt({ _tag: "Tcp", host: gateway, port: 80 }, limit)
}

/** The address of the default gateway in `/proc/net/route`: little-endian hexadecimal. */
export const gatewayOf = (routes: string): string | undefined => {
  for (const line of routes.split("\n").slice(1)) {
    const [, destination, gateway = "", flags = "0"] = line.split(/\s+/)
    const isDefault = destination === "00000000" && (Number.parseInt(flags, 16) & 2) !== 0
    if (!isDefault || !/^[0-9A-Fa-f]{8}$/.test(gateway)) continue
    return [6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16)).join(".")
  }
  return undefined
}

// -------------------------------------------------------------------------------------------------------------- links

/** Of the links that are up. A virtual one says -1 or nothing: unknown. */
export const fastestLink = Effect.gen(function* () {
  const host = yield* Host
  const names = (yield* host.list("/sys/class/net")).filter((name) => name !== "lo")
  const speeds = yield* Effect.forEach(names, (name) =>
    Effect.gen(function* () {
      const state = yield* host.read(`/sys/class/net/${name}/operstate`)
      if (Option.getOrElse(state, () => "").trim() === "down") return 0
      const speed = yield* host.read(`/sys/class/net/${name}/speed`)
      return (
        Number.parseInt(
          Option.getOrElse(speed, () => ""),
          10
        ) || 0
      )
    })
  )
  const fastest = Math.max(0, ...speeds)
  return fastest > 0 ? Option.some(fastest) : Option.none()
})

const rdmaDevices = Effect.gen(function* () {
  const host = yield* Host
  return (yield* host.list("/sys/class/infiniband")).length
})

// ----------------------------------------------------------------------------------------------------- virtualisation

const virtualisation = Effect.gen(function* () {
  const host = yield* Host
  const text = (path: string) => Effect.map(host.read(path), (found) => Option.getOrElse(found, () => "").trim())
  const vendor = yield* text("/sys/class/dmi/id/sys_vendor")
  const product = yield* text("/sys/class/dmi/id/product_name")
  const hypervisor = yield* text("/sys/hypervisor/type")
  const cpu = yield* text("/proc/cpuinfo")
  const cgroup = yield* text("/proc/1/cgroup")
  const names = `${vendor} ${product}`.trim()
  return [
    ...(/^flags\s*:.*\bhypervisor\b/m.test(cpu) ? ["the processor says that it is virtual"] : []),
    ...(hypervisor === "" ? [] : [hypervisor]),
    ...(/qemu|kvm|vmware|virtualbox|xen|amazon ec2|google|microsoft corporation|openstack|bochs|innotek/i.test(names)
      ? [names]
      : []),
    ...(Option.isSome(yield* host.read("/.dockerenv")) ? ["docker"] : []),
    ...(Option.isSome(yield* host.read("/run/.containerenv")) ? ["podman"] : []),
    ...(/kubepods/.test(cgroup) ? ["kubernetes"] : [])
  ]
})
