import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Schema, type Scope } from "effect"
import * as Alerts from "../../src/monitoring/Alerts.ts"
import { AlertsSettings } from "../../src/monitoring/Settings.ts"
import type { Family } from "../../src/monitoring/Tally.ts"

/** As much of Alertmanager's payload as a receiver relies on. */
const Payload = Schema.Struct({
  version: Schema.Literal("4"),
  status: Schema.Literals(["firing", "resolved"]),
  receiver: Schema.String,
  groupKey: Schema.String,
  groupLabels: Schema.Record(Schema.String, Schema.String),
  commonLabels: Schema.Record(Schema.String, Schema.String),
  commonAnnotations: Schema.Record(Schema.String, Schema.String),
  externalURL: Schema.String,
  alerts: Schema.Array(
    Schema.Struct({
      status: Schema.Literals(["firing", "resolved"]),
      labels: Schema.Record(Schema.String, Schema.String),
      annotations: Schema.Record(Schema.String, Schema.String),
      startsAt: Schema.String,
      endsAt: Schema.String
    })
  )
})

/** Who is on call: a real server, in any mood. */
const receiver = Effect.gen(function* () {
  const it = {
    url: "",
    status: 200,
    isSilent: false,
    delayMs: 0,
    requests: 0,
    got: [] as Array<typeof Payload.Type>,
    headers: {} as IncomingHttpHeaders
  }
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      it.requests++
      it.headers = request.headers
      if (it.isSilent) return
      const body = Schema.decodeUnknownSync(Schema.fromJsonString(Payload))(Buffer.concat(chunks).toString())
      if (it.status === 200) it.got.push(body)
      setTimeout(() => response.writeHead(it.status).end("ok"), it.delayMs)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  it.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` // it listens on a port
  return it
})

const settings = (webhook: string, encoded: typeof AlertsSettings.Encoded = {}) => ({
  ...Schema.decodeUnknownSync(AlertsSettings)({ interval: "30ms", timeout: "1s", ...encoded }),
  webhook: Redacted.make(webhook)
})

const family = (name: string, value: number, labels: { readonly [label: string]: string }): Family => ({
  name,
  type: "gauge",
  help: "",
  points: [{ labels, value }],
  distributions: []
})
const rollback = family("novacron_rollbacks_total", 1, { reason: "failed" })

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), until(isSo)))).pipe(
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
  )

const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>) => Effect.scoped(body)

describe("Alerts", () => {
  it.live("tell who is on call once that something is wrong, and once that it is over", () =>
    run(
      Effect.gen(function* () {
        const oncall = yield* receiver
        let families: ReadonlyArray<Family> = []
        const { authorization } = Schema.decodeUnknownSync(AlertsSettings)({ authorization: "Bearer s3cret" })
        // Who answers late has not heard: this machine may be busy.
        const given = { ...settings(oncall.url, { timeout: "30s" }), ...(authorization && { authorization }) }
        const { active } = yield* Alerts.make(
          given,
          Effect.sync(() => families),
          () => "node-1"
        )
        families = [rollback]
        yield* until(() => oncall.got.length === 1)
        assert.strictEqual(oncall.headers["authorization"], "Bearer s3cret")
        assert.deepInclude(oncall.got[0]?.alerts[0], {
          status: "firing",
          labels: {
            alertname: "NovacronRollback",
            severity: "critical",
            job: "novacron",
            instance: "node-1",
            reason: "failed"
          },
          endsAt: "0001-01-01T00:00:00Z"
        })
        assert.strictEqual(oncall.got[0]?.alerts[0]?.annotations["summary"], "node-1 takes everything down: failed.")
        assert.lengthOf(yield* active, 1)
        yield* Effect.sleep("200 millis")
        assert.lengthOf(oncall.got, 1, "what goes on is no news")
        families = []
        yield* until(() => oncall.got.length === 2)
        assert.strictEqual(oncall.got[1]?.status, "resolved")
        assert.match(oncall.got[1]?.alerts[0]?.endsAt ?? "", /^20\d\d-/)
        assert.lengthOf(yield* active, 0)
      })
    )
  )

  it.live("are told once to who takes longer to answer than it is until the next look", () =>
    run(
      Effect.gen(function* () {
        const oncall = yield* receiver
        oncall.delayMs = 400
        yield* Alerts.make(settings(oncall.url, { timeout: "30s" }), Effect.succeed([rollback]), () => "n")
        yield* until(() => oncall.requests > 0)
        yield* Effect.sleep("1 second")
        assert.strictEqual(oncall.requests, 1)
      })
    )
  )

  it.live("tell again what goes on, after a while", () =>
    run(
      Effect.gen(function* () {
        const oncall = yield* receiver
        const given = settings(oncall.url, { repeat: "100ms" })
        yield* Alerts.make(given, Effect.succeed([rollback]), () => "n")
        yield* until(() => oncall.got.length >= 3)
        assert.isTrue(oncall.got.every(({ status }) => status === "firing"))
      })
    )
  )

  it.live("try again while nobody answers, and do not tell of what nobody heard of and is over", () =>
    run(
      Effect.gen(function* () {
        const oncall = yield* receiver
        oncall.status = 503
        let families: ReadonlyArray<Family> = [rollback]
        yield* Alerts.make(
          settings(oncall.url),
          Effect.sync(() => families),
          () => "n"
        )
        yield* until(() => oncall.requests >= 2)
        families = []
        const before = oncall.requests
        yield* Effect.sleep("150 millis")
        oncall.status = 200
        families = [family("novacron_boot_outcome", 1, { outcome: "failed" })]
        yield* until(() => oncall.got.length === 1)
        assert.isAtLeast(oncall.requests, before)
        assert.deepStrictEqual(
          oncall.got[0]?.alerts.map(({ labels }) => labels["alertname"]),
          ["NovacronBootFailed"]
        )
      })
    )
  )

  it.live("are told in the last moment of a boot that failed, and hold up the end for a budget at the most", () =>
    Effect.gen(function* () {
      const oncall = yield* receiver
      const failed = [family("novacron_boot_outcome", 1, { outcome: "failed" })]
      yield* run(Alerts.make(settings(oncall.url, { interval: "1h" }), Effect.succeed(failed), () => "n"))
      assert.strictEqual(oncall.got[0]?.alerts[0]?.labels["alertname"], "NovacronBootFailed")
      oncall.isSilent = true
      const silent = settings(oncall.url, { interval: "1h", stopBudget: "100ms" })
      yield* run(Alerts.make(silent, Effect.succeed(failed), () => "n"))
      assert.isAtLeast(oncall.requests, 2)
    }).pipe(Effect.scoped)
  )

  it("leave out the rules that are not wanted, and hold so many alerts and no more", () => {
    const book = Alerts.makeBook()
    const disabled = ["NovacronRollback"]
    assert.deepStrictEqual(Alerts.step(book, [rollback], 0, { instance: "n", disabled }), [])
    const points = Array.from({ length: 3_000 }, (_, k) => ({ labels: { reason: `r${k}` }, value: 1 }))
    Alerts.step(book, [{ ...rollback, points }], 0, { instance: "n" })
    assert.strictEqual(book.alerts.size, 1_000)
  })

  it("count minutes by a clock that nobody sets: the other one may be put back, or forward", () => {
    const book = Alerts.makeBook()
    const degraded = family("novacron_component_state", 1, { component: "cache", state: "degraded" })
    const errors = (value: number) =>
      family("novacron_component_errors_total", value, { component: "cache", error_type: "Refused" })
    const [day, start] = [86_400_000, 1_700_000_000_000]
    /** Half of the way the clock is a day ahead, then two days behind. */
    const wall = (minute: number) => start + minute * 60_000 + (minute < 3 ? 0 : minute < 8 ? day : -2 * day)
    const fired = new Map<string, number>()
    for (let minute = 0; minute <= 30; minute++) {
      const options = { instance: "n", steadyMs: minute * 60_000 }
      for (const alert of Alerts.step(book, [degraded, errors(minute * 10)], wall(minute), options)) {
        assert.strictEqual(alert.state, "firing")
        assert.strictEqual(alert.firedAt, wall(minute))
        fired.set(alert.labels["alertname"] ?? "", minute)
      }
    }
    // After four minutes of ten errors each there are enough of them within five, and that for ten minutes.
    assert.deepStrictEqual(
      [...fired],
      [
        ["NovacronDegraded", 10],
        ["NovacronErrors", 14]
      ]
    )
    for (const { points } of book.memory.series.values()) assert.lengthOf(points, 31)
    const over = Alerts.step(book, [], wall(31), { instance: "n", steadyMs: 31 * 60_000 })
    assert.sameMembers(
      over.map(({ state }) => state),
      ["resolved"]
    )
  })

  it("put a value into words as Prometheus does", () => {
    const book = Alerts.makeBook()
    const expiry = family("novacron_certificate_expiry_timestamp_seconds", 3_600 + 61, { certificate: "node" })
    const [alert] = Alerts.step(book, [expiry], 1_000, { instance: "n" })
    assert.strictEqual(alert?.annotations.summary, "The certificate of n runs out in 1h 1m 0s.")
  })

  it("have a webhook only if somebody says so, and keep it to themselves", () => {
    const decode = Schema.decodeUnknownOption(AlertsSettings)
    assert.isUndefined(Option.getOrThrow(decode({})).webhook)
    const { webhook } = Option.getOrThrow(decode({ webhook: "https://hooks.example/s3cret" }))
    assert.notInclude(JSON.stringify(webhook), "s3cret")
    assert.isTrue(Option.isNone(decode({ webhook: "ftp://hooks.example" })))
  })
})
