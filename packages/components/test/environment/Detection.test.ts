import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Option, Schema } from "effect"
import * as Detection from "../../src/environment/Detection.ts"
import { Host } from "../../src/environment/Host.ts"
import { Settings } from "../../src/environment/Settings.ts"
import { silentPort } from "../preflight/Silent.ts"

const settings = (all: typeof Settings.Encoded = {}) => Schema.decodeUnknownSync(Settings)(all)

const peer = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly port: number }>((resume) => {
      const server = createServer((socket) => socket.on("error", () => undefined))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : 0 }))
      })
    }),
    ({ server }) => Effect.sync(() => server.close())
  ),
  ({ port }) => `127.0.0.1:${port}`
)

const rack = {
  "/sys/class/net/lo/speed": "-1\n",
  "/sys/class/net/eth0/operstate": "up\n",
  "/sys/class/net/eth0/speed": "25000\n",
  "/sys/class/net/eth1/operstate": "down\n",
  "/sys/class/net/eth1/speed": "100000\n",
  "/sys/class/infiniband/mlx5_0/node_type": "1: CA\n",
  "/sys/class/dmi/id/sys_vendor": "QEMU\n",
  "/proc/cpuinfo": "flags\t\t: fpu hypervisor lahf_lm\n"
}

describe("the detection of the environment", () => {
  it.live("finds a datacenter: peers nearby, a fast link, an RDMA device, and says that it is virtual", () =>
    Effect.gen(function* () {
      const found = yield* Detection.detectOn(settings({ peers: [yield* peer] }))
      assert.strictEqual(found.kind, "datacenter")
      assert.deepInclude(found.facts, { linkMbps: 25_000, rdmaDevices: 1, loss: 0 })
      assert.isAbove(found.facts.peerRttMs ?? 0, 0)
      assert.isBelow(found.facts.peerRttMs ?? Infinity, 10)
      assert.deepStrictEqual(found.machine.virtualisation, ["the processor says that it is virtual", "QEMU"])
      assert.deepInclude(found.machine, { cores: 8, memoryBytes: 16e9 })
    }).pipe(Effect.provide(Host.layerMemory({ files: rack, cores: 8, memory: 16e9 })), Effect.scoped)
  )

  it.live("measures nothing when it is told", () =>
    Effect.gen(function* () {
      const touched: Array<string> = []
      const host = { ...(yield* Host), read: (path: string) => Effect.sync(() => (touched.push(path), Option.none())) }
      const forced = settings({ kind: "internet", peers: [`127.0.0.1:${yield* silentPort}`] })
      const found = yield* Effect.provideService(Detection.detectOn(forced), Host, host)
      assert.deepInclude(found, { kind: "internet", isForced: true, facts: {} })
      assert.deepStrictEqual(touched, [])
      yield* Effect.provideService(Detection.detectOn(settings()), Host, host)
      assert.isNotEmpty(touched)
    }).pipe(Effect.provide(Host.layerMemory({})), Effect.scoped)
  )

  it.live("takes no longer than its budget, and leaves unknown what it has not found by then", () =>
    Effect.gen(function* () {
      const silent = yield* silentPort
      const peers = [`127.0.0.1:${silent}`, `127.0.0.1:${silent}`]
      const began = yield* Clock.currentTimeMillis
      const found = yield* Detection.detectOn(settings({ peers, budget: "300ms" }))
      const tookMs = (yield* Clock.currentTimeMillis) - began
      assert.isBelow(tookMs, 2_000)
      assert.isUndefined(found.facts.peerRttMs)
      assert.isUndefined(found.facts.loss)
      assert.strictEqual(found.facts.linkMbps, 25_000)
      assert.strictEqual(found.kind, "hybrid")
    }).pipe(Effect.provide(Host.layerMemory({ files: rack })), Effect.scoped)
  )

  it.live("hears a gateway that answered while the process was busy for longer than it waits", () =>
    Effect.gen(function* () {
      let beganBusy = 0
      const busy = Effect.sync(() => {
        beganBusy = performance.now()
        while (performance.now() < beganBusy + 250) Math.sqrt(beganBusy)
      })
      const found = yield* Detection.detectOn(settings(), busy)
      assert.isAbove(beganBusy, 0)
      assert.strictEqual(found.machine.gateway, "127.0.0.1")
      assert.isDefined(found.facts.gatewayRttMs)
    }).pipe(
      Effect.provide(Host.layerMemory({ files: { "/proc/net/route": "\nlo\t00000000\t0100007F\t0003\n" } })),
      Effect.scoped
    )
  )

  it.live("lets others work meanwhile, whether anything is measured or not", () =>
    Effect.gen(function* () {
      const worked: Array<string> = []
      const work = (name: string) => Effect.sync(() => worked.push(name))
      yield* Detection.detectOn(settings({ kind: "hybrid" }), work("forced"))
      yield* Detection.detectOn(settings({ peers: [yield* peer] }), work("measured"))
      assert.deepStrictEqual(worked, ["forced", "measured"])
    }).pipe(Effect.provide(Host.layerMemory({})), Effect.scoped)
  )

  it.live("counts tries that nobody answered as loss as soon as anybody answers", () =>
    Effect.gen(function* () {
      const peers = [yield* peer, `127.0.0.1:${yield* silentPort}`]
      const found = yield* Detection.detectOn(settings({ peers, samples: 2, budget: "600ms" }))
      assert.strictEqual(found.facts.loss, 0.5)
    }).pipe(Effect.provide(Host.layerMemory({})), Effect.scoped)
  )

  it.live("says of this machine what it knows, within two seconds", () =>
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      const found = yield* Detection.detect(settings())
      const tookMs = (yield* Clock.currentTimeMillis) - began
      assert.isBelow(tookMs, 2_500)
      assert.include(["datacenter", "internet", "hybrid"], found.kind)
      assert.isFalse(found.isForced)
      assert.isUndefined(found.facts.peerRttMs) // nobody has named a peer
      assert.strictEqual(found.facts.rdmaDevices, (yield* listReal("/sys/class/infiniband")).length)
      assert.isAbove(found.machine.cores ?? 0, 0)
      assert.isAbove(found.machine.memoryBytes ?? 0, 0)
      assert.strictEqual(found.verdict.evidence.length, 4)
    })
  )

  it("reads the default gateway out of the routes of the kernel", () => {
    const head = "Iface\tDestination\tGateway \tFlags\n"
    assert.strictEqual(Detection.gatewayOf(`${head}eth0\t00000000\t010200C0\t0003\n`), "192.0.2.1")
    assert.isUndefined(Detection.gatewayOf(`${head}eth0\t000200C0\t00000000\t0001\n`))
    assert.isUndefined(Detection.gatewayOf(""))
  })
})

const listReal = (path: string) =>
  Effect.provide(
    Effect.flatMap(Host, (host) => host.list(path)),
    Host.layer
  )
