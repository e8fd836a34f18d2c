import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { createHook } from "node:async_hooks"
import { randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Amst } from "../../src/amst/Amst.ts"
import * as Coding from "../../src/group/Coding.ts"
import type { Event } from "../../src/group/Dwcp.ts"
import type { Options } from "../../src/group/Group.ts"
import * as Subsystem from "../../src/group/Subsystem.ts"
import { Coder, Forecaster } from "../../src/group/Subsystems.ts"
import { eventually, folder, node, pair, platform, type Service } from "./fixtures/nodes.ts"

const within = 60_000

/** What happens from now on. */
const watching = (dwcp: Service) =>
  Effect.gen(function* () {
    const events: Array<Event> = []
    const fiber = yield* Stream.runForEach(dwcp.events, (event) => Effect.sync(() => void events.push(event))).pipe(
      Effect.forkScoped({ startImmediately: true })
    )
    yield* Effect.yieldNow
    return { events, fiber }
  })

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe("Group", () => {
  it.live(
    "carries messages between two nodes of v3, compressed, and says that all six are up",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const words = Buffer.from("novacron ".repeat(40_000))
        const delivery = yield* a.dwcp.send(b.peer, words, { channel: "words" })
        const message = yield* b.dwcp.take("words")
        assert.strictEqual(message.from, "a")
        assert.isTrue(words.equals(message.bytes))
        assert.strictEqual(delivery.version, "v3")
        assert.isBelow(delivery.wireBytes, words.length / 20)
        for (const size of [0, 1, 100_000, 3_000_000]) {
          const bytes = randomBytes(size)
          yield* a.dwcp.send(b.peer, bytes)
          assert.isTrue(bytes.equals((yield* b.dwcp.take("messages")).bytes))
        }
        const status = yield* a.dwcp.status
        assert.strictEqual(status.state, "up")
        assert.deepStrictEqual(
          status.subsystems.map(({ name, serves, state }) => [name, state, serves]),
          Subsystem.names.map((name) => [name, "up", "v3"])
        )
        const [link] = status.links
        assert.strictEqual(link?.node, "b")
        assert.strictEqual(link?.version, "v3")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "goes over the streams that are there: what comes later opens none",
    () =>
      Effect.gen(function* () {
        const { a, b, issue } = yield* pair({ transport: { streams: 3 } })
        const send = (size: number) =>
          Effect.gen(function* () {
            const bytes = randomBytes(size)
            yield* a.dwcp.send(b.peer, bytes)
            assert.isTrue(bytes.equals((yield* b.dwcp.take("messages")).bytes))
          })
        const streams = Effect.map(a.dwcp.status, ({ links }) => links[0]?.streams)
        yield* send(1_000_000)
        yield* eventually(Effect.map(streams, (n) => assert.strictEqual(n, 3)))
        let opened = 0
        const connects = createHook({ init: (_, type) => void (type === "TCPCONNECTWRAP" && opened++) }).enable()
        yield* Effect.addFinalizer(() => Effect.sync(() => connects.disable()))
        for (let k = 0; k < 20; k++) yield* send(k % 5 === 0 ? 2_000_000 : 1_000)
        assert.strictEqual(opened, 0)
        assert.strictEqual(yield* streams, 3)
        // It would have been counted.
        const c = yield* node("c", issue("c"))
        yield* c.dwcp.send(b.peer, Buffer.from("of another"))
        assert.isAbove(opened, 0)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "loses no message and doubles none while the mode flips both ways under them",
    () =>
      Effect.gen(function* () {
        // No time to drain: what is on its way is cut off each time, and has to go again.
        const { a, b } = yield* pair({ drain: "0s" })
        const { events } = yield* watching(a.dwcp)
        yield* a.dwcp.send(b.peer, Buffer.from("first"), { channel: "start" })
        const sizes = [10, 5_000, 300_000, 2_000_000]
        const filler = sizes.map((size) => randomBytes(size))
        let done = false
        let cut = 0
        const sender = (k: number) =>
          Effect.gen(function* () {
            let n = 0
            while (!done || n < 4) {
              const bytes = Buffer.concat([Buffer.from(`${k}:${n}:`), filler[n % filler.length]!])
              const { attempts } = yield* a.dwcp.send(b.peer, bytes, { channel: `c${k}` })
              if (attempts > 1) cut++
              n++
            }
            return n
          })
        const got: Array<Array<string>> = [[], [], [], []]
        const taker = (k: number) =>
          Effect.forever(
            Effect.map(b.dwcp.take(`c${k}`), ({ bytes }) => {
              const [of, n] = text(bytes.subarray(0, 16)).split(":")
              const whole = filler[Number(n) % filler.length]!
              assert.isTrue(whole.equals(bytes.subarray(`${of}:${n}:`.length)), "it is not what was sent")
              got[k]!.push(`${of}:${n}`)
            })
          )
        const takers = yield* Effect.forEach([0, 1, 2, 3], (k) => Effect.forkScoped(taker(k)))
        const senders = yield* Effect.forEach([0, 1, 2, 3], (k) => Effect.forkScoped(sender(k)))
        for (const mode of ["datacenter", "internet", "hybrid", "internet", "datacenter", "hybrid"] as const) {
          yield* Effect.sleep(80)
          yield* a.dwcp.setMode(mode)
        }
        done = true
        const sent = yield* Effect.forEach(senders, Fiber.join)
        yield* eventually(
          Effect.sync(() =>
            assert.deepStrictEqual(
              got.map((each) => each.length),
              sent
            )
          )
        )
        got.forEach((each, k) => {
          assert.deepStrictEqual(
            each,
            Array.from({ length: sent[k]! }, (_, n) => `${k}:${n}`)
          )
        })
        assert.isAbove(cut, 0, "nothing was on its way while the mode changed")
        assert.strictEqual(events.filter(({ _tag }) => _tag === "ModeChanged").length, 6)
        yield* Effect.forEach(takers, Fiber.interrupt)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "sets all six for another mode in the order of the bus, and lets what is on its way arrive on the old link",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        yield* a.dwcp.send(b.peer, Buffer.from("first"))
        const { events } = yield* watching(a.dwcp)
        const sending = yield* Effect.forkScoped(a.dwcp.send(b.peer, randomBytes(30_000_000), { channel: "large" }))
        yield* a.dwcp.setMode("datacenter")
        assert.strictEqual((yield* Fiber.join(sending)).attempts, 1)
        assert.strictEqual((yield* b.dwcp.take("large")).bytes.length, 30_000_000)
        yield* eventually(
          Effect.sync(() => {
            const changed = events.flatMap((event) => (event._tag === "SubsystemChanged" ? [event] : []))
            assert.deepStrictEqual(
              changed.map(({ ok, subsystem, to }) => [subsystem, to, ok]),
              Subsystem.names.map((name) => [name, "datacenter", true])
            )
            assert.isTrue(events.some((event) => event._tag === "ModeChanged" && event.because.includes("by hand")))
          })
        )
        const { mode, subsystems } = yield* a.dwcp.status
        assert.strictEqual(mode, "datacenter")
        assert.deepStrictEqual(
          subsystems.map((each) => [each.mode, each.changes]),
          Array(6).fill(["datacenter", 1])
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "finds out by what the kernel measures that a link is one of a datacenter, and the node follows its traffic",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair(
          { detectionInterval: "1s" },
          {},
          {
            // Loopback is fast, but what is offered to it is not always much.
            detector: { confident: 1, slow: 1e6, fast: 1e7 }
          }
        )
        const { events } = yield* watching(a.dwcp)
        yield* eventually(
          Effect.gen(function* () {
            yield* a.dwcp.send(b.peer, randomBytes(500_000))
            const { mode } = yield* a.dwcp.status
            assert.strictEqual(mode, "datacenter")
          })
        )
        const status = yield* a.dwcp.status
        assert.isAbove(status.modeShares.datacenter, 0.7)
        assert.isBelow(status.links[0]?.evidence.rttMillis ?? Infinity, 10)
        assert.isAbove(status.links[0]?.evidence.scores.datacenter ?? 0, 0.7)
        assert.deepStrictEqual(status.rdma, [])
        yield* eventually(
          Effect.sync(() => {
            assert.isTrue(events.some((event) => event._tag === "LinkModeChanged" && event.to === "datacenter"))
            assert.isTrue(
              events.some((event) => event._tag === "ModeChanged" && event.because.includes("of the traffic"))
            )
          })
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "starts again what ended and what needs it, and nobody else; what was on its way is sent again",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair({ supervision: { intensity: 100 } })
        const starts = Effect.map(a.dwcp.status, ({ subsystems }) => subsystems.map((each) => each.starts))
        yield* a.dwcp.send(b.peer, Buffer.from("first"))
        assert.deepStrictEqual(yield* starts, [1, 1, 1, 1, 1, 1])
        const after = (name: Subsystem.Name, expected: ReadonlyArray<number>) =>
          Effect.andThen(
            a.dwcp.drill(name),
            eventually(
              Effect.map(a.dwcp.status, ({ subsystems }) => {
                assert.deepStrictEqual(
                  subsystems.map((each) => each.starts),
                  expected
                )
                assert.isTrue(subsystems.every(({ state }) => state === "up"))
              })
            )
          )
        yield* after("hde", [1, 2, 1, 1, 1, 1])
        yield* after("ass", [1, 2, 1, 2, 1, 2])
        yield* after("pba", [1, 2, 2, 2, 1, 2])
        const sending = yield* Effect.forkScoped(a.dwcp.send(b.peer, randomBytes(30_000_000), { channel: "large" }))
        yield* Effect.sleep(30)
        yield* after("amst", [2, 3, 3, 3, 2, 3])
        yield* Fiber.join(sending)
        assert.strictEqual((yield* b.dwcp.take("large")).bytes.length, 30_000_000)
        const amst = (yield* a.dwcp.status).subsystems[0]
        assert.strictEqual(amst?.lastError, "This is a drill.")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "speaks v1 as soon as the kill switch is on, and v3 again without a restart; nothing is lost in between",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const sent: Array<string> = []
        const send = (to: string) =>
          Effect.gen(function* () {
            const { version } = yield* a.dwcp.send(b.peer, Buffer.from(to))
            sent.push(to)
            return version
          })
        assert.strictEqual(yield* send("one"), "v3")
        const killed = yield* a.dwcp.setRollout({ killed: true })
        assert.deepStrictEqual(killed.features, [])
        assert.strictEqual(yield* send("two"), "v1")
        // Who sends to it hears of it as well.
        yield* eventually(
          Effect.map(b.dwcp.send(a.peer, Buffer.from("back")), ({ version }) => assert.strictEqual(version, "v1"))
        )
        yield* a.dwcp.setRollout({ killed: false })
        assert.strictEqual(yield* send("three"), "v3")
        yield* a.dwcp.setRollout({ percentage: 0 })
        assert.strictEqual(yield* send("four"), "v1")
        yield* a.dwcp.setRollout({ percentage: 100 })
        // The other side may say no as well: then it is v1 that both speak.
        yield* b.dwcp.setRollout({ enabled: new Set(["compression"]) })
        yield* eventually(Effect.map(send("five"), (version) => assert.strictEqual(version, "v1")))
        const got: Array<string> = []
        for (const _ of sent) got.push(text((yield* b.dwcp.take("messages")).bytes))
        assert.deepStrictEqual(got, sent)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "takes v3 back by itself when it is slower than v1 was, says why, and keeps to it after a restart",
    () =>
      Effect.gen(function* () {
        const slow: Options["layered"] = (real) => {
          const late = Layer.effect(
            Coder,
            Effect.succeed<Coding.Coding>({
              ...Coding.zstd3,
              encode: (content) => Effect.delay(Coding.zstd3.encode(content, undefined), 1_000)
            })
          )
          return { ...real, hde: { datacenter: late, internet: late, hybrid: late } }
        }
        const { a, b } = yield* pair({ forceV1Mode: true, gates: { fewest: 10 } }, {}, { layered: slow })
        const { events } = yield* watching(a.dwcp)
        const twenty = Effect.forEach(
          Array.from({ length: 20 }),
          () => a.dwcp.send(b.peer, Buffer.from("how long does it take?")),
          { concurrency: 20 }
        )
        assert.isTrue((yield* twenty).every(({ version }) => version === "v1"))
        yield* a.dwcp.setRollout({ killed: false })
        yield* Effect.andThen(twenty, twenty)
        yield* eventually(
          Effect.map(a.dwcp.send(b.peer, Buffer.from("and now?")), ({ version }) => assert.strictEqual(version, "v1"))
        )
        const record = events.find((event) => event._tag === "RolledBack")
        assert.deepStrictEqual(record?._tag === "RolledBack" ? record.features : [], ["transport", "compression"])
        assert.include(record?._tag === "RolledBack" ? record.because : "", "the latency is")
        const { rollout, state } = yield* a.dwcp.status
        assert.include(rollout.because.transport, "the latency is")
        assert.strictEqual(state, "up")
        // All that was sent is there.
        const { door } = yield* b.dwcp.status
        assert.isAtLeast(door.waiting, 61)
        assert.strictEqual(a.kept.holds.length, 2)
        const after = yield* a.dwcp.release
        assert.include(after.features, "transport")
        assert.strictEqual(a.kept.holds.length, 0)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.effect("is back at v1 within five seconds of a message that was lost, on any clock", () =>
    Effect.gen(function* () {
      const { b } = yield* pair()
      const { events } = yield* watching(b.dwcp)
      const release = () => undefined
      const envelope = { sender: "0".repeat(32), number: 1, floor: 1, channel: "x", encoding: "zstd" as const }
      b.door.inbox.put({ from: "a", version: "v3", envelope, bytes: Buffer.from("nonsense"), release })
      yield* Effect.forkScoped(b.dwcp.take("x"))
      // Read in a thread, which knows no clock of tests.
      yield* TestClock.withLive(
        eventually(Effect.map(b.dwcp.status, ({ door }) => assert.strictEqual(door.unreadable, 1)))
      )
      assert.include((yield* b.dwcp.status).rollout.features, "transport")
      yield* TestClock.adjust("5 seconds")
      assert.notInclude((yield* b.dwcp.status).rollout.features, "transport")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["MessageUnreadable", "RolledBack", "RolloutChanged"]
      )
      const [lost, back] = events
      assert.isAtMost((back?.atMillis ?? Infinity) - (lost?.atMillis ?? 0), 5_000)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live(
    "carries files to peers of v3, and says no to those of v1",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const path = join(yield* folder, "image")
        const bytes = randomBytes(3_000_000)
        writeFileSync(path, bytes)
        yield* a.dwcp.sendFile(b.peer, path)
        const file = yield* b.dwcp.takeFile
        assert.strictEqual(file.from, "a")
        assert.isTrue(bytes.equals(readFileSync(file.path)))
        yield* b.dwcp.setRollout({ killed: true })
        const refused = yield* eventually(Effect.flip(a.dwcp.sendFile(b.peer, path)))
        assert.strictEqual(refused._tag, "MessageRefused")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "keeps state and places tasks, whoever does it",
    () =>
      Effect.gen(function* () {
        const { a } = yield* pair()
        yield* a.dwcp.state((engine) => engine.put("k", Buffer.from("v")))
        yield* a.dwcp.placing((placing) => placing.join({ id: "n1", cpu: 4, memory: 8 }))
        assert.strictEqual(yield* a.dwcp.placing((placing) => placing.place({ id: "t1", cpu: 1, memory: 1 })), "n1")
        // A mode changes who decides, and not what is known.
        yield* a.dwcp.setMode("internet")
        assert.deepStrictEqual(
          (yield* a.dwcp.placing((placing) => placing.tasksOn("n1"))).map(({ id }) => id),
          ["t1"]
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "fails at once to a peer that is not there, and that is no reason to take v3 back",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair({ gates: { fewest: 1 } })
        const gone = { host: "127.0.0.1", port: 1 }
        for (let k = 0; k < 3; k++) {
          assert.strictEqual((yield* Effect.flip(a.dwcp.send(gone, Buffer.from("?"))))._tag, "PeerUnreachable")
        }
        const large = yield* Effect.flip(a.dwcp.send(b.peer, Buffer.alloc(70 << 20)))
        assert.strictEqual(large._tag, "MessageRefused")
        yield* Effect.sleep(1_500)
        assert.strictEqual((yield* a.dwcp.send(b.peer, Buffer.from("!"))).version, "v3")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "starts as v1 where the rollout leaves it out",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair({ v3RolloutPercentage: 0 })
        const { subsystems } = yield* a.dwcp.status
        assert.deepStrictEqual(
          subsystems.map(({ serves, state }) => `${state}: ${serves}`),
          ["off: v1", "off: zstd-3", "off: moving-average", "off: v1", "off: v1", "off: in-turn"]
        )
        assert.strictEqual((yield* a.dwcp.send(b.peer, Buffer.from("?"))).version, "v1")
        assert.strictEqual(text((yield* b.dwcp.take("messages")).bytes), "?")
        assert.isDefined(node)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "asks PBA what a link will carry, and packs the harder the less that is",
    () =>
      Effect.gen(function* () {
        const text = Buffer.from(Array.from({ length: 300_000 }, (_, k) => (k * 2_654_435_761) % 61))
        const codec = (bytesPerSecond: number) =>
          Effect.gen(function* () {
            const told: Array<string> = []
            const by: Options["layered"] = (real) => {
              const fixed = Layer.succeed(Forecaster, {
                observe: (link) => Effect.sync(() => void told.push(link)),
                forecast: () => Effect.succeed({ bytesPerSecond, low: 1, high: bytesPerSecond, by: "hand" }),
                check: Effect.void,
                by: Effect.succeed("hand")
              })
              return { ...real, pba: { datacenter: fixed, internet: fixed, hybrid: fixed } }
            }
            const { a, b } = yield* pair({}, {}, { layered: by })
            yield* a.dwcp.setMode("internet")
            const { codec } = yield* a.dwcp.send(b.peer, text)
            // What it carries is told to PBA each second.
            yield* eventually(
              Effect.andThen(
                a.dwcp.send(b.peer, randomBytes(500_000)),
                Effect.sync(() => assert.include(told, `127.0.0.1:${b.peer.port}`))
              )
            )
            return codec
          }).pipe(Effect.scoped)
        assert.strictEqual(yield* codec(1e12), "none")
        assert.match(yield* codec(1e4), /^zstd-(?:6|9|1\d)$/u)
      }).pipe(Effect.provide(platform)),
    within
  )

  it.live(
    "opens as many streams as carry what is forecast of a link, and goes by what is measured where nothing is",
    () =>
      Effect.gen(function* () {
        const streams = (bytesPerSecond: number | undefined) =>
          Effect.gen(function* () {
            const asked: Array<number | undefined> = []
            const by: Options["layered"] = (real) => {
              const forecast =
                bytesPerSecond === undefined
                  ? undefined
                  : { bytesPerSecond, low: bytesPerSecond, high: bytesPerSecond, by: "hand" }
              const fixed = Layer.succeed(Forecaster, {
                observe: () => Effect.void,
                forecast: () => Effect.succeed(forecast),
                check: Effect.void,
                by: Effect.succeed("hand")
              })
              const noted = (layer: Layer.Layer<Amst, unknown>) =>
                Layer.effect(
                  Amst,
                  Effect.map(Amst, (amst) => ({
                    ...amst,
                    connect: (peer: Parameters<typeof amst.connect>[0], how?: Parameters<typeof amst.connect>[1]) => {
                      asked.push(how?.firstStreams)
                      return amst.connect(peer, how)
                    }
                  }))
                ).pipe(Layer.provide(layer))
              const { datacenter, hybrid, internet } = real.amst
              return {
                ...real,
                amst: { datacenter: noted(datacenter), hybrid: noted(hybrid), internet: noted(internet) },
                pba: { datacenter: fixed, internet: fixed, hybrid: fixed }
              }
            }
            const { a, b } = yield* pair({ detectionInterval: "1s" }, {}, { layered: by })
            yield* a.dwcp.send(b.peer, randomBytes(1_000_000))
            // The time to the peer is known by now; another mode opens another link.
            yield* eventually(
              Effect.map(a.dwcp.status, ({ links }) =>
                assert.isDefined(links[0]?.evidence.rttMillis, "it was measured")
              )
            )
            yield* a.dwcp.setMode("internet")
            yield* a.dwcp.setMode("datacenter")
            yield* eventually(
              Effect.andThen(
                a.dwcp.send(b.peer, randomBytes(100)),
                Effect.sync(() => assert.isAtLeast(asked.filter((it) => it !== undefined).length, 1))
              )
            )
            return asked.findLast((it) => it !== undefined)
          }).pipe(Effect.scoped)
        assert.strictEqual(yield* streams(1e15), 32)
        assert.strictEqual(yield* streams(1), 1)
      }).pipe(Effect.provide(platform)),
    within
  )

  it.live(
    "forecasts by classical means while the model of PBA is missing or damaged, and says that it is degraded",
    () =>
      Effect.gen(function* () {
        const path = join(yield* folder, "model.bin")
        writeFileSync(path, "no model")
        const soon = { supervision: { probeEvery: "50 millis" } }
        for (const [model, because] of [
          ["/nowhere/model.bin", "/nowhere/model.bin"],
          [path, path]
        ] as const) {
          const { a } = yield* pair({ ...soon, prediction: { model } })
          const seen = yield* eventually(
            Effect.map(a.dwcp.status, (status) => {
              assert.strictEqual(status.state, "degraded")
              return status
            })
          )
          assert.include(seen.because, because)
          // More probes than a subsystem may fail: it is not taken for broken, its stand-in knows less.
          yield* Effect.sleep(500)
          const pba = (yield* a.dwcp.status).subsystems[2]
          assert.deepInclude(pba, { name: "pba", state: "up", starts: 1 })
          assert.strictEqual(pba?.detail["by"], "classical means")
        }
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "ends what is sent where there is to be no fallback, and says that it is down",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair({ fallback: "none", supervision: { intensity: 1 } }, {})
        yield* a.dwcp.send(b.peer, Buffer.from("!"))
        yield* a.dwcp.drill("ass")
        yield* Effect.sleep(100)
        yield* a.dwcp.drill("ass")
        yield* eventually(
          Effect.map(a.dwcp.status, ({ because, state }) => {
            assert.strictEqual(state, "down")
            assert.include(because, "ass")
          })
        )
        assert.strictEqual((yield* Effect.flip(a.dwcp.send(b.peer, Buffer.from("?"))))._tag, "SubsystemDown")
        assert.strictEqual((yield* Effect.flip(a.dwcp.check)).code, "NVC-2602")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "reads what a peer has packed with HDE before it heard that HDE is not in use here any more",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const words = Buffer.from("novacron ".repeat(10_000))
        for (let k = 0; k < 3; k++) {
          assert.notStrictEqual((yield* a.dwcp.send(b.peer, words, { channel: "words" })).codec, "none")
        }
        yield* b.dwcp.setRollout({ enabled: new Set(["transport"]) })
        yield* eventually(
          Effect.map(b.dwcp.status, ({ subsystems }) => assert.strictEqual(subsystems[1]?.serves, "zstd-3"))
        )
        for (let k = 0; k < 3; k++) assert.isTrue(words.equals((yield* b.dwcp.take("words")).bytes))
        // From now on it is sent as it is.
        yield* eventually(
          Effect.map(a.dwcp.send(b.peer, words), ({ codec, version }) =>
            assert.deepStrictEqual([version, codec], ["v3", "none"])
          )
        )
        assert.strictEqual((yield* b.dwcp.status).door.unreadable, 0)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})
