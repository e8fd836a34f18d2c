/** The settings of monitoring: where metrics are read, and where spans go. */
import { Field } from "@novacron/config"
import { Result, Schema } from "effect"

/** A password in a URL is seen by everybody, and taken by nobody. */
const namesNobody = (text: string): boolean =>
  !URL.canParse(text) || (new URL(text).username === "" && new URL(text).password === "")

/** The form of `OTEL_RESOURCE_ATTRIBUTES`: what is special in a value is percent-encoded. */
const isList = (text: string): boolean =>
  text.split(",").every((pair) => /^\s*[\w.-]+=(?:[^\s%,;"\\]|%[0-9a-fA-F]{2})*\s*$/.test(pair)) && readable(text)

const readable = (text: string): boolean => Result.isSuccess(Result.try(() => decodeURIComponent(text)))

/** The resource attributes of the settings. */
export const attributesOf = (text: string | undefined): { readonly [key: string]: string } =>
  Object.fromEntries(
    (text === undefined ? [] : text.split(",")).map((pair) => {
      const [key = "", value = ""] = pair.trim().split(/=(.*)/s)
      return [key, decodeURIComponent(value)]
    })
  )

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
  ca: Schema.optionalKey(
    Schema.NonEmptyString.annotate({
      description: "File (PEM) of the authorities that the collector is trusted by; without it those of Node."
    })
  ),
  protocol: Field.withDefault(Schema.Literals(["http/json", "http/protobuf", "grpc"]), "http/json").annotate({
    description: "How spans go to the collector. Over gRPC the port is 4317 as a rule, and https:// means TLS."
  }),
  attributes: Schema.optionalKey(
    Schema.String.check(Schema.makeFilter(isList, { expected: "pairs such as k8s.pod.name=a,team=b" })).annotate({
      description: "What else is said of where spans come from: resource attributes, such as k8s.pod.name=a,team=b."
    })
  ),
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
}).annotate({ description: "Traces of boots, sent by OTLP over HTTP or gRPC." })

/** Alerts for those without Prometheus: whom to tell, and how often. */
export const AlertsSettings = Schema.Struct({
  webhook: Schema.optionalKey(
    Schema.RedactedFromValue(Field.url("http", "https")).annotate({
      description:
        "Who is told of alerts: a URL that takes what Alertmanager's webhooks send. None: no rules are evaluated."
    })
  ),
  authorization: Schema.optionalKey(
    Field.secret.annotate({ description: "The Authorization header for the webhook, such as `Bearer …`." })
  ),
  ca: Schema.optionalKey(
    Schema.NonEmptyString.annotate({
      description: "File (PEM) of the authorities that the webhook is trusted by; without it those of Node."
    })
  ),
  interval: Field.withDefault(Field.duration, "30s").annotate({ description: "How often the rules are evaluated." }),
  repeat: Field.withDefault(Field.duration, "4h").annotate({
    description: "How long until an alert that goes on is told again."
  }),
  timeout: Field.withDefault(Field.duration, "5s").annotate({
    description: "How long the webhook may take to answer."
  }),
  stopBudget: Field.withDefault(Field.duration, "2s").annotate({
    description: "How long the end of the process may wait for the webhook."
  }),
  disabled: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "Rules that are not evaluated, by their names, such as NovacronDegraded."
  })
}).annotate({ description: "Alerts by webhook, without Prometheus." })

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
  traces: Field.withDefault(TracesSettings, {}),
  alerts: Field.withDefault(AlertsSettings, {})
}).annotate({ description: "Metrics for Prometheus, and traces of boots." })

export type Settings = typeof Settings.Type
