import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Config, Field, JsonSchema } from "@novacron/config"
import { Duration, Effect, Redacted, Result, Schema } from "effect"
import { attributesOf, Settings } from "../../src/monitoring/Settings.ts"

const decode = Schema.decodeUnknownResult(Settings)

describe("the settings of monitoring", () => {
  it("listen on the loopback interface, and send no spans, unless told otherwise", () => {
    const settings = Result.getOrThrow(decode({}))
    assert.strictEqual(settings.host, "127.0.0.1")
    assert.strictEqual(settings.port, 9_091)
    assert.isUndefined(settings.traces.endpoint)
    assert.strictEqual(settings.traces.ratio, 1)
    assert.strictEqual(Duration.toMillis(settings.traces.stopBudget), 2_000)
  })

  it("keep what authorizes as a secret", () => {
    const { authorization } = Result.getOrThrow(decode({ traces: { authorization: "Bearer s3cret" } })).traces
    assert.isTrue(Redacted.isRedacted(authorization))
    assert.notInclude(JSON.stringify(authorization), "s3cret")
  })

  it.effect("can be said in the environment, every one of them, and the secret one is masked in what is told", () =>
    Effect.gen(function* () {
      const schema = Schema.Struct({ monitoring: Field.withDefault(Settings, {}) })
      const definition = Config.define({ name: "novacron", schema })
      const environment = {
        NOVACRON_MONITORING_PORT: "0",
        NOVACRON_MONITORING_TRACES_ENDPOINT: "http://127.0.0.1:4318",
        NOVACRON_MONITORING_TRACES_AUTHORIZATION: "Bearer s3cret",
        NOVACRON_MONITORING_TRACES_PROTOCOL: "http/protobuf",
        NOVACRON_MONITORING_TRACES_RATIO: "0.25",
        NOVACRON_MONITORING_TRACES_ATTRIBUTES: "k8s.pod.name=a-1,team=caf%C3%A9",
        NOVACRON_MONITORING_ALERTS_WEBHOOK: "https://hooks.example/s3cret",
        NOVACRON_MONITORING_TRACES_STOP_BUDGET: "500ms"
      }
      const loaded = yield* Config.load(definition, { environment })
      const { port, traces } = loaded.settings.monitoring
      assert.strictEqual(port, 0)
      assert.strictEqual(traces.ratio, 0.25)
      assert.deepStrictEqual(attributesOf(traces.attributes), { "k8s.pod.name": "a-1", team: "café" })
      const { webhook } = loaded.settings.monitoring.alerts
      assert.strictEqual(webhook === undefined ? "" : Redacted.value(webhook), "https://hooks.example/s3cret")
      assert.strictEqual(traces.protocol, "http/protobuf")
      assert.strictEqual(Duration.toMillis(traces.stopBudget), 500)
      assert.isTrue(Config.isSecret(definition, "monitoring.traces.authorization"))
      assert.include(JSON.stringify(JsonSchema.make(definition)), "stop_budget")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it("refuse what cannot be meant", () => {
    for (const wrong of [
      { traces: { ratio: 1.5 } },
      { traces: { ratio: -1 } },
      { traces: { endpoint: "ftp://collector" } },
      { traces: { endpoint: "http://somebody:s3cret@collector" } },
      { traces: { protocol: "kafka" } },
      { traces: { attributes: "team" } },
      { traces: { attributes: "team=%zz" } },
      { alerts: { webhook: "no url" } },
      { traces: { capacity: 0 } },
      { maxSeries: 0 },
      { port: 70_000 },
      { host: "" }
    ]) {
      assert.isTrue(Result.isFailure(decode(wrong)), JSON.stringify(wrong))
    }
  })
})
