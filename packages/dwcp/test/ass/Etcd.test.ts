import { execFileSync } from "node:child_process"
import { copyFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Schedule, type Scope } from "effect"
import { afterAll, beforeAll, vi } from "vitest"
import { freePorts } from "../../../../test/fixtures/Ports.ts"
import { readPki } from "../../src/ass/Ass.ts"
import * as Etcd from "../../src/ass/Etcd.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { EtcdCluster, pki, wire } from "./fixtures/etcd.ts"

const patience = 60_000
const noMore: ReadonlyArray<string> = []

let cluster: EtcdCluster
beforeAll(async () => {
  cluster = await EtcdCluster.start(3)
}, patience)
afterAll(() => cluster.stop(), patience)

const options = {
  pki: Effect.succeed({}),
  attempt: Duration.seconds(1),
  timeout: Duration.seconds(20),
  namespace: "test",
  lease: Duration.seconds(2)
}
const open = Effect.suspend(() => Etcd.make({ ...options, endpoints: cluster.endpoints }))

contract("etcd", open, { compareAndSet: true, ephemeral: true })

/** As callers do who may write twice. */
const surely = <A, E extends { readonly _tag: string }, R>(write: Effect.Effect<A, E, R>) =>
  Effect.retry(write, { while: (error) => error._tag === "OutcomeUnknown", schedule: Schedule.spaced("20 millis") })

const live = (promise: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(promise, () => Effect.scoped(body), patience)

const revisionOf = (of: EtcdCluster) => /"revision":(\d+)/.exec(of.ctl(["get", "x", "-w", "json"]))?.[1] ?? "0"
const revokeAll = (of: EtcdCluster) => {
  const leases = of.ctl(["lease", "list"]).split("\n").slice(1)
  for (const lease of leases) if (lease !== "") of.ctl(["lease", "revoke", lease])
}

describe("etcd", () => {
  live(
    "goes on when its leader is killed, with all that was acknowledged, and watchers miss nothing",
    Effect.gen(function* () {
      const engine = yield* open
      const heard = yield* listening(engine, "kill/")
      assert.strictEqual(yield* heard.next, "current")
      const acknowledged: Array<string> = []
      const write = (i: number) =>
        surely(engine.put(`kill/${i}`, bytes(`${i}`))).pipe(
          Effect.andThen(Effect.sync(() => acknowledged.push(`kill/${i}`)))
        )
      for (let i = 0; i < 20; i++) yield* write(i)
      const leader = cluster.leader()
      const killed = yield* Effect.forkScoped(Effect.promise(() => cluster.kill(leader)))
      for (let i = 20; i < 60; i++) yield* write(i)
      assert.strictEqual((yield* engine.list("kill/")).length, acknowledged.length)
      for (let i = 0; i < 60; i++) yield* heard.until(`kill/${i}=${i}`)
      yield* Effect.promise(async () => {
        cluster.up(leader)
        await cluster.ready()
      })
      assert.isDefined(killed)
      assert.strictEqual((yield* engine.status).healthy, true)
    })
  )

  live(
    "asks another member when one is silent",
    Effect.gen(function* () {
      const engine = yield* open
      yield* engine.put("silent", bytes("1"))
      const [first] = cluster.members
      if (first === undefined) return assert.fail("a cluster without members")
      // The one that this client talks to.
      yield* Effect.promise(() => cluster.freeze(first))
      yield* Effect.addFinalizer(() => Effect.sync(() => cluster.thaw(first)))
      yield* surely(engine.put("silent", bytes("2")))
      assert.strictEqual(text(yield* engine.get("silent")), "2")
    })
  )

  live(
    "tells a watcher the difference where history was compacted away under it",
    Effect.gen(function* () {
      const [member] = cluster.members
      const line = yield* Effect.promise(() => wire(Number(new URL(member?.endpoint ?? "").port)))
      yield* Effect.addFinalizer(() => Effect.sync(() => line.cut()))
      const engine = yield* Etcd.make({ ...options, endpoints: [`http://127.0.0.1:${line.port}`] })
      yield* engine.put("gap/a", bytes("1"))
      yield* engine.put("gap/b", bytes("1"))
      const heard = yield* listening(engine, "gap/")
      yield* heard.until("current")
      line.cut()
      cluster.ctl(["del", "test/gap/a"])
      cluster.ctl(["put", "test/gap/b", "2"])
      cluster.ctl(["put", "test/gap/b", "3"])
      cluster.ctl(["compact", revisionOf(cluster)])
      yield* Effect.promise(() => line.mend())
      const said = [yield* heard.next, yield* heard.next].toSorted()
      assert.deepStrictEqual(said, ["-gap/a", "gap/b=3"])
      yield* engine.put("gap/c", bytes("1"))
      assert.strictEqual(yield* heard.next, "gap/c=1")
    })
  )

  live(
    "puts its ephemeral keys again after its lease was lost, but not over those of others",
    Effect.gen(function* () {
      const engine = yield* open
      yield* engine.put("eph/mine", bytes("1"), { ephemeral: true })
      yield* engine.put("eph/taken", bytes("1"), { ephemeral: true })
      const heard = yield* listening(engine, "eph/")
      yield* heard.until("current")
      revokeAll(cluster)
      yield* engine.put("eph/taken", bytes("2"))
      yield* heard.until("eph/mine=1")
      assert.strictEqual(text(yield* engine.get("eph/taken")), "2")
    })
  )

  live(
    "writes an ephemeral key although its lease has run out, as after it stood still, and puts the others again",
    Effect.gen(function* () {
      // Long enough that nobody renews it meanwhile.
      const engine = yield* Etcd.make({ ...options, endpoints: cluster.endpoints, lease: Duration.minutes(2) })
      yield* engine.put("still/a", bytes("1"), { ephemeral: true })
      revokeAll(cluster)
      assert.deepStrictEqual(yield* engine.list("still/"), [])
      yield* engine.put("still/b", bytes("2"), { ephemeral: true })
      const said = (yield* engine.list("still/")).map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`)
      assert.deepStrictEqual(said, ["still/a=1", "still/b=2"])
    })
  )

  live(
    "reads all pages of what is compacted away while it reads",
    Effect.gen(function* () {
      const [member] = cluster.members
      let isArmed = false
      const line = yield* Effect.promise(() =>
        wire(Number(new URL(member?.endpoint ?? "").port), (data) => {
          if (!isArmed || data.length < 4_000) return
          isArmed = false
          // Nothing else happens in this process meanwhile: the first page is on its way, and the second not asked for.
          cluster.ctl(["put", "test/later", "1"])
          cluster.ctl(["compact", revisionOf(cluster)])
        })
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => line.cut()))
      const engine = yield* Etcd.make({ ...options, endpoints: [`http://127.0.0.1:${line.port}`] })
      const keys = Array.from({ length: 1_200 }, (_, k) => `pages/${String(k).padStart(4, "0")}`)
      for (let at = 0; at < keys.length; at += 100) {
        const perform = keys.slice(at, at + 100).map((key) => ({ _tag: "Put" as const, key, value: bytes(key) }))
        yield* engine.transaction({ when: [], perform })
      }
      isArmed = true
      const there = yield* engine.list("pages/")
      assert.isFalse(isArmed)
      assert.deepStrictEqual(
        there.map(({ key }) => key),
        keys
      )
    })
  )

  live(
    "keeps its ephemeral keys for longer than their lease, while the member that it spoke to is gone",
    Effect.gen(function* () {
      const engine = yield* open
      yield* engine.put("eph/stays", bytes("1"), { ephemeral: true })
      const [first] = cluster.members
      if (first === undefined) return assert.fail("a cluster without members")
      yield* Effect.promise(() => cluster.kill(first))
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => {
          cluster.up(first)
          await cluster.ready()
        })
      )
      const held = () => Effect.retry(engine.list("eph/stays"), Schedule.spaced("50 millis"))
      // Twice the lease, looked at all the time.
      for (let i = 0; i < 40; i++) {
        assert.strictEqual((yield* held()).length, 1, `after ${i} tenths of a second`)
        yield* Effect.sleep("100 millis")
      }
    })
  )

  live(
    "says that it is full, still reads and deletes, and writes again when there is room",
    Effect.gen(function* () {
      const small = yield* Effect.acquireRelease(
        Effect.promise(() => EtcdCluster.start(1, { flags: ["--quota-backend-bytes", `${2 << 20}`] })),
        (it) => Effect.promise(() => it.stop())
      )
      const engine = yield* Etcd.make({ ...options, endpoints: small.endpoints })
      yield* engine.put("full/eph", bytes("1"), { ephemeral: true })
      const big = new Uint8Array(300_000).fill(7)
      const full = yield* Effect.flip(Effect.forever(engine.put("full/k", big)))
      assert.strictEqual(full._tag, "StoreFull")
      assert.isTrue(Option.isSome(yield* engine.get("full/k")))
      assert.match((yield* engine.status).detail, /^etcd \(.*\) takes no more writes.*disarm the alarm.*NOSPACE/)
      assert.isTrue(yield* engine.delete("full/k"))
      // A lease that runs out now cannot be had again: not before there is room.
      revokeAll(small)
      yield* Effect.sleep("2 seconds")
      assert.isTrue(Option.isNone(yield* engine.get("full/eph")))
      small.ctl(["compact", revisionOf(small)])
      small.ctl(["defrag"])
      small.ctl(["alarm", "disarm"])
      yield* engine.put("full/k", bytes("1"))
      yield* Effect.repeat(engine.get("full/eph"), { until: Option.isSome, schedule: Schedule.spaced("50 millis") })
    })
  )

  live(
    "is not troubled by a clock that jumps",
    Effect.gen(function* () {
      const engine = yield* open
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.useRealTimers()))
      for (const now of ["2040-01-01", "2001-01-01", "2026-11-22"]) {
        vi.useFakeTimers({ toFake: ["Date"], now: new Date(now) })
        yield* engine.put("clock", bytes(now), { ephemeral: true })
        assert.strictEqual(text(yield* engine.get("clock")), now)
      }
    })
  )

  live(
    "says that nobody is there, and that nothing was changed",
    Effect.gen(function* () {
      const [port] = yield* Effect.promise(() => freePorts(1))
      const endpoints = [`http://127.0.0.1:${port}`]
      const engine = yield* Etcd.make({ ...options, endpoints, timeout: Duration.millis(300) })
      assert.strictEqual((yield* Effect.flip(engine.put("k", bytes("1"))))._tag, "StoreUnreachable")
      assert.strictEqual((yield* Effect.flip(engine.check))._tag, "StoreUnreachable")
      assert.isFalse((yield* engine.status).healthy)
    })
  )

  live(
    "does not say of a write that a silent member has in hand that it was not done",
    Effect.gen(function* () {
      const alone = yield* Effect.acquireRelease(
        Effect.promise(() => EtcdCluster.start(1)),
        (it) => Effect.promise(() => it.stop())
      )
      const [member] = alone.members
      if (member === undefined) return assert.fail("a cluster without members")
      const engine = yield* Etcd.make({ ...options, endpoints: alone.endpoints, attempt: Duration.millis(200) })
      yield* engine.put("unknown", bytes("1"))
      yield* Effect.promise(() => alone.freeze(member))
      const error = yield* Effect.flip(engine.put("unknown", bytes("2")))
      alone.thaw(member)
      assert.strictEqual(error._tag, "OutcomeUnknown")
      // It was or it was not: that is what the error says.
      yield* Effect.retry(engine.check, Schedule.spaced("50 millis"))
      assert.include(["1", "2"], text(yield* engine.get("unknown")))
    })
  )
})

describe("etcd with mTLS", () => {
  const authority = pki()
  afterAll(() => authority.remove())
  const server = authority.issue("server")
  const node = authority.issue("node")
  let guarded: EtcdCluster
  beforeAll(async () => {
    guarded = await EtcdCluster.start(1, { tls: server })
  }, patience)
  afterAll(() => guarded.stop(), patience)

  const as = (files: { readonly ca?: string; readonly certificate?: string; readonly key?: string }, more = noMore) =>
    Etcd.make({
      ...options,
      timeout: Duration.seconds(2),
      endpoints: [...guarded.endpoints, ...more],
      pki: readPki(files)
    })

  live(
    "lets in a node with a certificate of its authority",
    Effect.gen(function* () {
      const engine = yield* as(node)
      yield* engine.put("tls", bytes("1"))
      assert.strictEqual(text(yield* engine.get("tls")), "1")
    })
  )

  live(
    "is not trusted by a node that does not know its authority",
    Effect.gen(function* () {
      const { certificate, key } = node
      const error = yield* Effect.flip(Effect.flatMap(as({ certificate, key }), (it) => it.put("tls", bytes("2"))))
      assert.strictEqual(error._tag, "StoreRefused")
    })
  )

  live(
    "refuses an expired certificate with a sentence that says so, and takes the renewed one without a restart",
    Effect.gen(function* () {
      const old = authority.issue("old", -1)
      const files = { ca: old.ca, certificate: `${old.certificate}.used`, key: `${old.key}.used` }
      copyFileSync(old.certificate, files.certificate)
      copyFileSync(old.key, files.key)
      // Another member is down: that one neither refuses nor lets in.
      const [closed] = yield* Effect.promise(() => freePorts(1))
      const engine = yield* as(files, [`https://127.0.0.1:${closed}`])
      const error = yield* Effect.flip(engine.put("tls", bytes("3")))
      assert.strictEqual(error._tag, "StoreRefused", error.message)
      assert.match(error.message, /certificate/)
      const renewed = authority.issue("renewed")
      copyFileSync(renewed.certificate, files.certificate)
      copyFileSync(renewed.key, files.key)
      yield* engine.put("tls", bytes("4"))
      assert.strictEqual(text(yield* engine.get("tls")), "4")
    })
  )

  live(
    "lets a watch go on when the certificate that it refused is of an authority it has been told of, and misses nothing",
    Effect.gen(function* () {
      const [known, other] = [pki(), pki()]
      yield* Effect.addFinalizer(() => Effect.sync(() => [known, other].forEach((it) => it.remove())))
      const own = known.issue("server")
      const renewing = yield* Effect.acquireRelease(
        Effect.promise(() => EtcdCluster.start(1, { tls: own })),
        (it) => Effect.promise(() => it.stop())
      )
      let heardBytes = 0
      const port = Number(new URL(renewing.endpoints[0] ?? "").port)
      const line = yield* Effect.acquireRelease(
        Effect.promise(() => wire(port, ({ length }) => (heardBytes += length))),
        (it) => Effect.sync(() => it.cut())
      )
      const ca = `${own.ca}.used`
      copyFileSync(own.ca, ca)
      const through = { ...options, endpoints: [`https://127.0.0.1:${line.port}`] }
      const engine = yield* Etcd.make({ ...through, pki: readPki({ ...known.issue("node"), ca }) })
      const heard = yield* listening(engine, "w/")
      assert.strictEqual(yield* heard.next, "current")
      // etcd reads its certificate with each connection.
      const next = other.issue("server")
      copyFileSync(next.certificate, own.certificate)
      copyFileSync(next.key, own.key)
      line.cut()
      heardBytes = 0
      yield* Effect.promise(() => line.mend())
      // What the node refuses it has heard first.
      yield* Effect.repeat(
        Effect.sync(() => heardBytes),
        { until: (n) => n > 3_000, schedule: Schedule.spaced("20 millis") }
      )
      const writer = yield* Etcd.make({ ...through, pki: readPki({ ...known.issue("writer"), ca: next.ca }) })
      yield* writer.put("w/1", bytes("1"))
      copyFileSync(next.ca, ca)
      yield* heard.until("w/1=1")
    })
  )

  it("has certificates that are what the tests say they are", () => {
    const said = execFileSync("openssl", ["verify", "-CAfile", node.ca, node.certificate], { encoding: "utf8" })
    assert.include(said, "OK")
  })
})
