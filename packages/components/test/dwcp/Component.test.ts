import { assert, describe, it } from "@effect/vitest"
import { Boot, Policy } from "@novacron/boot"
import { Context, Effect, Exit, Layer, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { generateKeyPairSync } from "node:crypto"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Server } from "node:net"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import { component, patience } from "../../src/dwcp/Component.ts"
import { Dwcp } from "../../src/dwcp/Members.ts"
import { component as network } from "../../src/network/Component.ts"
import { component as securityComponent, Settings as SecuritySettings } from "../../src/security/index.ts"
import { authority } from "../network/fixtures/authority.ts"
import { settingsOf as networkSettings } from "../network/fixtures/listeners.ts"
import { boot, eventually, folder, node, platform, settingsOf } from "./fixtures/nodes.ts"

const within = 60_000

/** The six as they are, but for one that never comes. */
const without = (name: "amst" | "hde" | "pba" | "ass" | "acp" | "itp") => ({
  layered: <L extends { readonly [K in typeof name]: object }>(real: L): L => {
    const broken = Layer.effectDiscard(Effect.fail(new Error(`${name} is broken`)))
    return { ...real, [name]: { datacenter: broken, internet: broken, hybrid: broken } }
  }
})

const names = (events: ReadonlyArray<{ readonly _tag: string; readonly component?: unknown }>, tag: string) =>
  events.flatMap((event) => (event._tag === tag ? [event.component] : []))

describe("dwcp as a component", () => {
  it("is one to the node, in core, with six inside", () => {
    const { manifest, recipe } = component(settingsOf(), { dataDir: "/nowhere", nodeId: "a" })
    assert.strictEqual(manifest.name, "dwcp")
    assert.strictEqual(manifest.phase, "core")
    assert.includeMembers(recipe.members?.map(({ name }) => name) ?? [], ["amst", "hde", "pba", "ass", "acp", "itp"])
  })

  it.live(
    "boots after security and network, and carries messages between nodes that know each other",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const [a, b] = yield* Effect.all([
          Effect.flatMap(issue("node-a"), (identity) => node(identity)),
          Effect.flatMap(issue("node-b"), (identity) => node(identity))
        ])
        assert.strictEqual((yield* a.report).outcome, "ready")
        const ready = names(a.events, "ComponentReady")
        for (const six of ["amst", "hde", "pba", "ass", "acp", "itp"]) assert.include(ready, `dwcp/${six}`)
        assert.isBelow(ready.indexOf("dwcp/amst"), ready.indexOf("dwcp/hde"))
        assert.isBelow(ready.indexOf("dwcp/ass"), ready.indexOf("dwcp/itp"))
        const text = Buffer.from("from one node to the other ".repeat(10_000))
        const delivery = yield* a.dwcp.send(b.peer, text, { channel: "letters" })
        assert.strictEqual(delivery.version, "v3")
        const letter = yield* b.dwcp.take("letters")
        assert.strictEqual(letter.from, "node-a")
        assert.isTrue(text.equals(letter.bytes))
        // All that these nodes lack is a database, to keep what they share.
        const said = yield* a.health.check("dwcp")
        assert.strictEqual(said.status, "degraded")
        assert.match(said.message, /; ass: the database of this node was not reached in time/)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "falls back to v1 as a whole when AMST cannot be had, degraded, and speaks with v3 nodes all the same",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const a = yield* node(yield* issue("node-a"), {}, without("amst"), { restoration: "off" })
        const b = yield* node(yield* issue("node-b"))
        assert.strictEqual((yield* a.report).outcome, "degraded")
        assert.include(names(a.events, "FallbackChosen"), "dwcp")
        const status = yield* a.dwcp.status
        assert.strictEqual(status.speaks, "v1")
        assert.strictEqual(status.state, "degraded")
        const there = yield* a.dwcp.send(b.peer, Buffer.from("there"))
        const back = yield* b.dwcp.send(a.peer, Buffer.from("back"))
        assert.deepStrictEqual([there.version, there.codec, back.version], ["v1", "zstd-3", "v1"])
        assert.strictEqual(Buffer.from((yield* b.dwcp.take("messages")).bytes).toString(), "there")
        assert.strictEqual(Buffer.from((yield* a.dwcp.take("messages")).bytes).toString(), "back")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "halts when AMST cannot be had and there is to be no fallback",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const { events, exit } = yield* boot(yield* issue("node-a"), { fallback: "none" }, without("amst"))
        assert.isTrue(Exit.isFailure(exit))
        assert.include(names(events, "ComponentFailed"), "dwcp")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "goes on with a stand-in for HDE, PBA or ITP, and stays v3",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        for (const [name, serves] of [
          ["hde", "zstd-3"],
          ["pba", "moving-average"],
          ["itp", "in-turn"]
        ] as const) {
          const a = yield* node(yield* issue(`node-${name}`), {}, without(name))
          const status = yield* a.dwcp.status
          assert.strictEqual(status.speaks, "v3")
          assert.strictEqual(status.state, "degraded")
          const one = status.subsystems.find((each) => each.name === name)
          assert.strictEqual(one?.state, "standIn")
          assert.strictEqual(one?.serves, serves)
          assert.include(one?.lastError, `${name} is broken`)
          yield* a.dwcp.send(a.peer, Buffer.from("hello ".repeat(1_000)), { channel: name })
          assert.strictEqual((yield* a.dwcp.take(name)).bytes.length, 6_000)
        }
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "does not let in a node that security does not know, and says so to those who send",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const stranger = yield* authority("another authority")
        const b = yield* node(yield* issue("node-b"), {}, {}, {}, ["node-a"])
        const a = yield* node(yield* issue("node-a"), { sendTimeout: "10s", handshake: "2s" })
        const c = yield* node(yield* stranger.issue("node-c"), { sendTimeout: "10s", handshake: "2s" })
        assert.strictEqual((yield* Effect.flip(a.dwcp.send(b.peer, Buffer.from("?"))))._tag, "PeerUnreachable")
        assert.strictEqual((yield* Effect.flip(c.dwcp.send(b.peer, Buffer.from("?"))))._tag, "PeerUnreachable")
        yield* eventually(
          Effect.gen(function* () {
            const { door } = yield* b.dwcp.status
            assert.isAtLeast(door.refused, 2)
            assert.strictEqual(door.waiting, 0)
          })
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "tries a port again that is taken, and then says that nobody can reach this node",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const a = yield* node(yield* issue("node-a"))
        const soon = Policy.perError(patience, {
          DwcpCannotListen: Policy.make({ name: "soon", delay: "20 millis", jitter: 0 })
        })
        const { events, exit } = yield* boot(yield* issue("node-b"), { bindPort: a.peer.port }, { retry: soon })
        assert.isTrue(Exit.isFailure(exit))
        assert.isAtLeast(names(events, "AttemptFailed").filter((name) => name === "dwcp/door").length, 3)
        const [failed] = events.flatMap((event) => (event._tag === "AttemptFailed" ? event.failure.message : []))
        assert.include(failed, `:${a.peer.port}, which process ${process.pid} (`)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "does not boot as somebody who decides without the key for it, and does not give way to v1 either",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const members = Array.from({ length: 4 }, (_, k) => {
          const { publicKey } = generateKeyPairSync("ed25519")
          const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
          return { host: "127.0.0.1", port: 9_000 + k, publicKey: pem }
        })
        const { events, exit } = yield* boot(yield* issue("node-a"), {
          consensus: { byzantineTolerance: true, members }
        })
        assert.isTrue(Exit.isFailure(exit))
        assert.include(names(events, "ComponentFailed"), "dwcp")
        assert.include(JSON.stringify(events), 'The secret \\"consensus-key\\" cannot be had')
        // The settings alone say that three are too few.
        const few = { byzantineTolerance: true, members: members.slice(1) }
        assert.throws(() => settingsOf({ consensus: few }), /there are 3 members/)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "gives way to v1 when AMST does not stay up while it runs, and takes v3 back when it does; nothing is lost",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const a = yield* node(
          yield* issue("node-a"),
          {},
          {},
          {
            monitor: "200 millis",
            restoration: Policy.make({ name: "soon", delay: "200 millis", attempts: 1_000, jitter: 0 })
          }
        )
        const b = yield* node(yield* issue("node-b"))
        yield* a.dwcp.send(b.peer, Buffer.from("0"), { channel: "n" })
        // More often than its supervisor allows.
        for (let k = 0; k < 5; k++) yield* Effect.andThen(a.dwcp.drill("amst"), Effect.sleep(60))
        let n = 1
        const seen = new Set<string>()
        yield* eventually(
          Effect.gen(function* () {
            const { version } = yield* a.dwcp.send(b.peer, Buffer.from(`${n++}`), { channel: "n" })
            seen.add(version)
            assert.isTrue(names(a.events, "SwapCompleted").length >= 2, "it is not back yet")
            assert.strictEqual(version, "v3")
          })
        )
        assert.isTrue(seen.has("v1"))
        const got: Array<number> = []
        for (let k = 0; k < n; k++) got.push(Number(Buffer.from((yield* b.dwcp.take("n")).bytes).toString()))
        assert.deepStrictEqual(
          got,
          Array.from({ length: n }, (_, k) => k)
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "opens the door again when it is exchanged and listens no more",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const bindPort = yield* Effect.promise(freePort)
        const servers = new Set<Server>()
        const seen = (message: unknown) => {
          if (typeof message !== "object" || message === null || !("server" in message)) return
          if (message.server instanceof Server) servers.add(message.server)
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => subscribe("tracing:net.server.listen:asyncEnd", seen)),
          () => Effect.sync(() => unsubscribe("tracing:net.server.listen:asyncEnd", seen))
        )
        const a = yield* node(yield* issue("node-a"), { bindPort }, {}, { restoration: "off" })
        const b = yield* node(yield* issue("node-b"))
        const door = [...servers].find((it) => JSON.stringify(it.address()).includes(`:${bindPort}`))
        yield* Effect.callback<void>((resume) => {
          assert.isDefined(door)
          // As when its descriptor is closed under it.
          door.close(() => resume(Effect.void))
        })
        assert.include((yield* a.health.check("dwcp")).message, "It does not listen.")
        yield* a.restart("dwcp")
        assert.strictEqual((yield* a.report).outcome, "ready")
        yield* b.dwcp.send(a.peer, Buffer.from("after"))
        assert.strictEqual(Buffer.from((yield* a.dwcp.take("messages")).bytes).toString(), "after")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "boots on the security of the node as it is, with certificates that it has just made",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* folder
        const secured = securityComponent(Schema.decodeSync(SecuritySettings)({}), {
          dataDir,
          nodeId: "node-1",
          environment: {}
        })
        const parts = [
          secured,
          network(networkSettings()),
          component(settingsOf(), { dataDir, nodeId: "node-1" })
        ] as const
        const { report, services } = yield* Boot.make(parts, { checked: true, environment: "datacenter" })
        assert.strictEqual((yield* report).outcome, "ready")
        const dwcp = Context.get(services, Dwcp)
        const { port } = yield* dwcp.address
        yield* dwcp.send({ host: "127.0.0.1", port }, Buffer.from("to myself"))
        assert.strictEqual((yield* dwcp.take("messages")).from, "node-1")
        // The environment of the node is where modes begin.
        assert.strictEqual((yield* dwcp.status).mode, "datacenter")
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(platform, FetchHttpClient.layer))),
    within
  )
})
