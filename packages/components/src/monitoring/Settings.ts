/** The settings of monitoring: where metrics are read, and where spans go. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** A password in a URL is seen by everybody, and taken by nobody. */
const namesNobody = (text: string): boolean =>
  !URL.canParse(text) || (new URL(text).username === "" && new URL(text).password === "")

/** Where spans go, and how much may wait for that. */
export const TracesSettings = Schema.Struct({
  endpoint: Schema.optionalKey(
    Field.url("http", "https")
      .check(Schema.makeFilter(namesNobody, { expected: "a URL without a user: that goes into authorization" }))
      .annotate({
        description:
          "The OTLP collector, such as http://127.0.0.1:4318; /v1/traces is added to a bare address. None: no spans."
      })
  ),
  authorization: Schema.optionalKey(
    Field.secret.annotate({ description: "The Authorization header for the collector, such as `Bearer …`." })
  ),
  protocol: Field.withDefault(Schema.Literals(["http/json", "http/protobuf"]), "http/json").annotate({
    description: "How spans are written for the collector."
  }),
  ratio: Field.withDefault(
    Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }, { expected: "a share from 0 to 1" })),
    1
  ).annotate({
    description: "The share of boots that are traced, 0 to 1. What called this node may have decided before."
  }),
  capacity: Field.withDefault(Field.count, 10_000).annotate({
    description: "How many spans may wait for the collector. What comes beyond is dropped and counted."
  }),
  batch: Field.withDefault(Field.count, 512).annotate({ description: "How many spans are sent at once at the most." }),
  interval: Field.withDefault(Field.duration, "1s").annotate({
    description: "How long spans are gathered before they are sent."
  }),
  timeout: Field.withDefault(Field.duration, "5s").annotate({
    description: "How long the collector may take to answer."
  }),
  maxBackoff: Field.withDefault(Field.duration, "30s").annotate({
    description: "The longest pause before a collector that does not take spans is tried again."
  }),
  stopBudget: Field.withDefault(Field.duration, "2s").annotate({
    description: "How long the end of the process may wait for the collector. What is left is kept for the next start."
  })
}).annotate({ description: "Traces of boots, sent by OTLP over HTTP." })

/** Metrics and traces. */
export const Settings = Schema.Struct({
  host: Field.withDefault(Schema.NonEmptyString, "127.0.0.1").annotate({
    description: "The address that /metrics listens on. It is plain HTTP: not for the open network."
  }),
  port: Field.withDefault(Field.port, 9091).annotate({
    description: "The port of /metrics; 0 lets the system choose."
  }),
  cacheInterval: Field.withDefault(Field.duration, "1s").annotate({
    description: "How long metrics are good for: they are gathered at most once in this time, whoever asks."
  }),
  sampleInterval: Field.withDefault(Field.duration, "1s").annotate({
    description: "How often the results of health probes are looked at."
  }),
  maxSeries: Field.withDefault(Field.count, 2_000).annotate({
    description:
      "How many series one metric may have. What comes beyond is counted as `other`, or left out and counted."
  }),
  maxConnections: Field.withDefault(Field.count, 64).annotate({
    description: "Connections open at the same time; more are refused."
  }),
  textfile: Schema.optionalKey(
    Schema.NonEmptyString.annotate({
      description: "A .prom file for the textfile collector of node_exporter, written when all is down: the last word."
    })
  ),
  traces: Field.withDefault(TracesSettings, {})
}).annotate({ description: "Metrics for Prometheus, and traces of boots." })

export type Settings = typeof Settings.Type
