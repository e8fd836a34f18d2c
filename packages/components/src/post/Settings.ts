/** The settings of what comes last: health endpoints, the ready signal, background jobs. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** The server of the health endpoints. */
export const HealthSettings = Schema.Struct({
  host: Field.withDefault(Schema.NonEmptyString, "127.0.0.1").annotate({
    description: "The address that the health endpoints listen on. They are plain HTTP: not for the open network."
  }),
  port: Field.withDefault(Field.port, 8080).annotate({
    description: "The port of the health endpoints; 0 lets the system choose."
  }),
  cacheInterval: Field.withDefault(Field.duration, "5s").annotate({
    description: "How long an answer is good for. Components are asked again at most once in this time."
  }),
  ramp: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long the weight rises from `ramp_from` to 100 per cent after the node became ready."
  }),
  rampFrom: Field.withDefault(Field.percent, 10).annotate({
    description: "The share of its full load that a node may be given the moment it becomes ready, in per cent."
  }),
  retryAfter: Field.withDefault(Field.duration, "5s").annotate({
    description: "What a 503 says about when to ask again, in whole seconds."
  }),
  maxConnections: Field.withDefault(Field.count, 256).annotate({
    description: "Connections open at the same time; more are refused."
  })
}).annotate({ description: "The health endpoints /live, /ready, /health and /health/components." })

/** What is told to whoever waits for the node. */
export const ReadySettings = Schema.Struct({
  file: Schema.optionalKey(
    Schema.NonEmptyString.annotate({
      description: "A file that is there exactly while the node is ready, with its pid in it. None unless it is set."
    })
  ),
  notify: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether systemd is told READY, STATUS, RELOADING, STOPPING and WATCHDOG, where it asked for that."
  })
}).annotate({ description: "The signal that the node is ready." })

/** The check of all parts together, at the end of the boot. */
export const SystemHealthSettings = Schema.Struct({
  deadline: Field.withDefault(Field.duration, "2s").annotate({
    description: "How long the check of one part may take."
  })
}).annotate({ description: "The check of all parts together, before the node says that it is ready." })
