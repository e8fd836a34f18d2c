import { assert, describe, it } from "@effect/vitest"
import { NodeFileSystem } from "@effect/platform-node"
import { Boot, type BootEvent, Policy, Severity } from "@novacron/boot"
import { Cause, Context, Effect, Exit, Fiber, FileSystem, Layer, Schema, Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { component as securityComponent, Settings as SecuritySettings } from "../../src/security/index.ts"
import { component, patience } from "../../src/network/Component.ts"
import { BadAddress, Network, PortTaken } from "../../src/network/Network.ts"
import * as Ping from "../../src/network/Ping.ts"
import type { Settings } from "../../src/network/Settings.ts"
import { Security } from "../../src/security/Security.ts"
import { authority, securityOf } from "./fixtures/authority.ts"
import { hears, isClosed, plain, secure, settingsOf } from "./fixtures/listeners.ts"

const soon = Policy.perError(patience, { PortTaken: Policy.make({ name: "soon", delay: "100 millis", jitter: 0 }) })

/** A node that is a network and nothing else, and those of its authority. */
const node = Effect.gen(function* () {
  const { issue } = yield* authority("the authority")
  const identity = yield* issue("node-1")
  const boot = (settings: Settings, options: Boot.RunOptions = {}, security = securityOf(identity)) =>
    Effect.gen(function* () {
      const events: Array<BootEvent.BootEvent> = []
      const observe = (event: BootEvent.BootEvent) => void events.push(event)
      const exit = yield* Boot.make([component(settings, { retry: soon })], {
        restoration: "off",
        checked: true,
        observe,
        ...options
      }).pipe(Effect.provideService(Security, security), Effect.exit)
      return { events, exit }
    })
  const running = (...args: Parameters<typeof boot>) =>
    Effect.gen(function* () {
      const { events, exit } = yield* boot(...args)
      const running = yield* exit
      return { ...running, events, network: Context.get(running.services, Network) }
    })
  return { boot, issue, running }
})

const failures = (events: ReadonlyArray<BootEvent.BootEvent>) =>
  events.flatMap((event) => (event._tag === "AttemptFailed" ? [event.failure.tag] : []))

/** The error behind a boot that failed. */
const fatal = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert.isTrue(Exit.isFailure(exit), "the boot has to fail")
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  assert.instanceOf(reason?.error, Severity.Critical)
  return reason?.error instanceof Severity.Critical ? reason.error.cause : undefined
}

describe("the network of a node", () => {
  it.live("accepts and answers when the node is ready, and tells how it goes", () =>
    Effect.gen(function* () {
      const { issue, running } = yield* node
      const { health, network, report } = yield* running(settingsOf())
      assert.strictEqual((yield* report).outcome, "ready")
      const client = yield* secure(network.address.port, yield* issue("node-2"), { ALPNProtocols: [Ping.protocol] })
      yield* client.send("Data", "hello")
      yield* hears(client, ["Data hello"])
      const said = yield* health.check("network")
      assert.strictEqual(said.status, "healthy")
      assert.isAbove(said.latencyMs ?? 0, 0)
      assert.isAbove(said.throughput ?? 0, 0)
      assert.strictEqual(said.errorRate, 0)
      assert.include(said.message, `listening on 127.0.0.1:${network.address.port}, 1 connection`)
      assert.deepStrictEqual(said.dependencies, {})
    }).pipe(Effect.scoped)
  )

  it.live("stops: peers are told, the port is free, and a node after it can have it", () =>
    Effect.gen(function* () {
      const { issue, running } = yield* node
      const first = yield* running(settingsOf())
      const { port } = first.network.address
      const client = yield* secure(port, yield* issue("node-2"), { ALPNProtocols: [Ping.protocol] })
      yield* client.send("Data", "hello")
      yield* hears(client, ["Data hello"])
      const report = yield* first.stop("a test")
      assert.strictEqual(report.outcome, "stopped")
      assert.isTrue(first.events.some((event) => event._tag === "BootEnded" && event.clean))
      yield* hears(client, ["Data hello", "Drain"])
      yield* isClosed(client)
      const late = yield* plain(port)
      yield* isClosed(late)
      assert.include(late.error(), "ECONNREFUSED")
      const second = yield* running(settingsOf({ bindPort: port }))
      assert.deepStrictEqual(failures(second.events), [])
    }).pipe(Effect.scoped)
  )

  it.live("comes up on a port that another instance gives back in time", () =>
    Effect.gen(function* () {
      const { running } = yield* node
      const scope = yield* Scope.make()
      const old = yield* Scope.provide(running(settingsOf()), scope)
      const { port } = old.network.address
      const starting = yield* Effect.forkChild(running(settingsOf({ bindPort: port })))
      yield* Effect.sleep("50 millis")
      yield* Scope.close(scope, Exit.void)
      const { events, report } = yield* Fiber.join(starting)
      assert.strictEqual((yield* report).outcome, "ready")
      assert.include(failures(events), "PortTaken")
    }).pipe(Effect.scoped)
  )

  it.live("halts the boot after three attempts when the port stays taken", () =>
    Effect.gen(function* () {
      const { boot, running } = yield* node
      const { network } = yield* running(settingsOf())
      const { events, exit } = yield* boot(settingsOf({ bindPort: network.address.port }))
      const error = fatal(exit)
      assert.instanceOf(error, PortTaken)
      assert.include(error, { code: "NVC-2301", port: network.address.port })
      assert.deepStrictEqual(failures(events), ["PortTaken", "PortTaken", "PortTaken"])
    }).pipe(Effect.scoped)
  )

  it.live("halts the boot after one attempt when the address is not of this machine", () =>
    Effect.gen(function* () {
      const { boot } = yield* node
      const { events, exit } = yield* boot(settingsOf({ listenAddress: "203.0.113.7" }))
      assert.instanceOf(fatal(exit), BadAddress)
      assert.deepStrictEqual(failures(events), ["BadAddress"])
    }).pipe(Effect.scoped)
  )

  it.live("halts the boot after one attempt when it cannot reach itself, for want of its name", () =>
    Effect.gen(function* () {
      const { boot } = yield* node
      const { events, exit } = yield* boot(settingsOf({ serverName: "elsewhere" }))
      const error = fatal(exit)
      assert.include(Severity.messageOf(error), "network.server_name")
      assert.deepStrictEqual(failures(events), ["Unhealthy"])
    }).pipe(Effect.scoped)
  )

  it.live("turns unhealthy when its listener is gone", () =>
    Effect.gen(function* () {
      const { running } = yield* node
      const { health, network } = yield* running(settingsOf())
      yield* network.check
      yield* network.drain
      const said = yield* health.check("network")
      assert.strictEqual(said.status, "unhealthy")
      assert.include(said.message, "does not answer the probe")
    }).pipe(Effect.scoped)
  )

  it.live("listens on all addresses of both families when it is told to, and probes itself there", () =>
    Effect.gen(function* () {
      const { running } = yield* node
      for (const listenAddress of ["0.0.0.0", "::"]) {
        const { network } = yield* running(settingsOf({ listenAddress }))
        assert.strictEqual(network.address.host, listenAddress)
        yield* network.check
      }
    }).pipe(Effect.scoped)
  )
})

describe("the network beside the security of the node", () => {
  it.live(
    "comes up with the certificate that the node makes for itself, and speaks with a node of the same authority",
    () =>
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const dataDir = yield* fileSystem.makeTempDirectoryScoped({ prefix: "novacron-network-" })
        const written = Schema.decodeSync(SecuritySettings)({})
        const security = securityComponent(written, { dataDir, nodeId: "node-1", environment: {} })
        const components = [security, component(settingsOf())] as const
        const one = yield* Boot.make(components, { restoration: "off", checked: true })
        assert.strictEqual((yield* one.report).outcome, "ready")
        const two = yield* Boot.make([component(settingsOf())], { restoration: "off" }).pipe(
          Effect.provideService(Security, Context.get(one.services, Security))
        )
        const { address } = Context.get(one.services, Network)
        const to = { ...address, serverName: "node-1", protocol: Ping.protocol }
        const connection = yield* Context.get(two.services, Network).connect(to)
        assert.strictEqual(connection.peer.principal.name, "node-1")
        yield* Ping.ask(connection)
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeFileSystem.layer, FetchHttpClient.layer)))
  )
})

describe("the patience of the network", () => {
  it("is three attempts for a port that is taken, and one for everything else", () => {
    assert.strictEqual(Policy.forError(patience, { _tag: "PortTaken" }).attempts, 3)
    for (const tag of ["PortForbidden", "BadAddress", "CannotListen", "TimedOut", "Unhealthy"]) {
      assert.strictEqual(Policy.forError(patience, { _tag: tag }).attempts, 1)
    }
  })
})
